# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest's second part: a read-only disk with real programs.

An ext4 file system (the guest's kernel has that built in) that is mounted at
/disk; /usr leads there.  All of it is Debian packages, and tests/guest/workloads
as /usr/workloads, one script a workload.
"""
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from guest_packages import DebCache, Failure, Packages, run, say

PROGRAMS = ['redis-server', 'nginx', 'wrk', 'gcc', 'make', 'libc6-dev']
# Dependencies that serve installation, or languages that nothing here uses.
LEAVE_OUT = (r'perl.*|libperl.*|lib.*-perl|debconf.*|cdebconf.*|adduser|passwd|dpkg|init-system-helpers|'
             r'lsb-base|sysvinit-utils|usrmerge|usr-is-merged|iproute2|libnsl.*|libtirpc.*|rpcsvc-proto|'
             r'lib(asan|lsan|tsan|ubsan|itm|quadmath|gomp|hwasan|gprofng)[0-9]*|libcc1-0|'
             r'pahole|python.*|libpython.*|media-types')
# What is compiled: a part of the kernel that builds as a module, in files so small
# that each takes seconds, not minutes, under TCG.
COMPILED = 'fs/squashfs'
# Never read in the guest, and large.
DROP = ['usr/share', 'usr/lib/gcc/x86_64-linux-gnu/*/lto1', 'usr/lib/gcc/x86_64-linux-gnu/*/g++*',
        'usr/libexec/gcc/x86_64-linux-gnu/*/lto1', 'usr/lib/x86_64-linux-gnu/perl*',
        'usr/bin/*dwp', 'usr/bin/*gp*',
        'usr/src/linux-headers-*-common*/arch/[!x]*', 'usr/lib/systemd', 'etc', 'var']
DISK_ROOM = 1.25    # of the files' size: inodes, and blocks that are not full


def build(out, kernel, sources, force):
    """Build @out/disk.img for a guest with @kernel, unless it is there."""
    scripts = sources / 'workloads'
    want = fingerprint(kernel, scripts, sources)
    stamp = out / 'stamp'
    if not force and stamp.exists() and stamp.read_text().split('\n')[0] == want:
        say(f'up to date ({out})')
        return
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.building.', dir=out) as name:
        work = Path(name)
        cache = DebCache(out / 'debs', work)
        packages = cache.closure(names_of(cache, kernel), LEAVE_OUT)
        source = 'linux-source-' + re.match(r'\d+\.\d+', kernel)[0]
        debs = cache.fetch([*packages, source])
        source_deb = next(deb for deb in debs if deb.name.startswith(source + '_'))
        tree = work / 'disk'
        tree.mkdir()
        say(f'unpacking {len(packages)} packages')
        for deb in debs:
            if deb != source_deb:
                run(['dpkg-deb', '-x', deb, tree], 'is the disk full?')
        merge_usr(tree)
        say(f"unpacking the kernel's {COMPILED}")
        unpack_source(source_deb, tree / 'usr' / 'src')
        trim(tree)
        shutil.copytree(scripts, tree / 'usr' / 'workloads')
        shutil.copy(sources / 'loadctl.c', tree / 'usr' / 'workloads')
        shutil.copy(sources / 'status.h', tree / 'usr' / 'workloads')
        image = work / 'disk.img'
        write_image(tree, image, work)
        image.rename(out / 'disk.img')
        # The list tells which versions a measurement was made with.
        (out / 'packages').write_text(''.join(f'{deb.name}\n' for deb in debs))
        stamp.write_text(f'{want}\n')
        for old in set((out / 'debs').iterdir()) - set(debs):
            old.unlink()
    say(f'{out / "disk.img"}: {(out / "disk.img").stat().st_blocks / 2048:.0f} MiB')


def fingerprint(kernel, scripts, sources):
    digest = hashlib.sha256(kernel.encode())
    for path in sorted([Path(__file__).resolve(), sources / 'loadctl.c', *scripts.iterdir()]):
        digest.update(path.name.encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()


def names_of(cache, kernel):
    headers = f'linux-headers-{kernel}'
    found = subprocess.run(['apt-cache', *cache.apt, 'show', headers], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if found.returncode:
        raise Failure(f'apt has no {headers} (any more); run apt-get update, then '
                      'scripts/guest --workloads --force')
    return [*PROGRAMS, headers]


def merge_usr(tree):
    """What packages still have in /bin and /lib goes to /usr, as everywhere in Debian."""
    for name in ('bin', 'sbin', 'lib', 'lib64'):
        if (tree / name).is_dir():
            run(['cp', '-a', f'{tree / name}/.', tree / 'usr' / name], 'is the disk full?')
            shutil.rmtree(tree / name)


def unpack_source(deb, place):
    """Only one folder of the 1.3 GiB: through pipes, nothing else is written."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        command = ('dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards "./usr/src/linux-source-*.tar.xz" | '
                   'tar -xJ -C "$2" --wildcards "linux-source-*/$3/*"')
        run(['sh', '-c', command, 'unpack', deb, name, COMPILED], 'is the disk full?')
        found = list(Path(name).glob(f'*/{COMPILED}'))
        if not found:
            raise Failure(f'{deb.name} holds no {COMPILED}; report it')
        found[0].rename(place / 'compiled')


def trim(tree):
    for pattern in DROP:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def write_image(tree, image, work):
    """mke2fs comes from its package: not every system has it installed."""
    packages = Packages(work)
    packages.unpack('e2fsprogs')
    program = next(p for p in (packages.tree / 'sbin/mke2fs', packages.tree / 'usr/sbin/mke2fs') if p.exists())
    libraries = {str(p.parent) for p in packages.libraries(program, 'e2fsprogs').values()}
    files = [p for p in tree.rglob('*')]
    size = sum((p.lstat().st_size + 4095) // 4096 * 4096 for p in files if not p.is_dir() or p.is_symlink())
    mib = int((size + 4096 * len(files)) * DISK_ROOM / 2**20) + 16
    say(f'writing the disk, {len(files)} files')
    loader = next(p for d in libraries for p in Path(d).glob('ld-linux-x86-64.so.2'))
    run([loader, '--library-path', ':'.join(sorted(libraries)), program, '-q', '-t', 'ext4', '-b', '4096',
         '-O', '^has_journal', '-m', '0', '-N', str(len(files) + 1024), '-d', tree, image, f'{mib}M'],
        'is the disk full?')
