# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages for the test guest: fetched by the machine's own apt, which
checks them, and unpacked in a private directory; nothing is installed."""
import hashlib
import os
import re
import subprocess

LIBRARY_DIRS = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'lib64',
                'usr/lib64', 'usr/lib']


class Failure(Exception):
    """What failed and what to do, in one line."""


def say(text):
    print(f'guest: {text}', flush=True)


def run(command, hint, **kwargs):
    """Run a command, and turn its failure into one line."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False,
                              **kwargs)
    except FileNotFoundError:
        raise Failure(f'{command[0]} is not installed; run scripts/setup') from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        raise Failure(f"'{' '.join(map(str, command[:3]))} ...' failed: {last}; {hint}")
    return done.stdout


def apt_options(work):
    # Slim systems keep no package cache: every call would build its own.
    return ['-o', 'APT::Sandbox::User=root',
            '-o', f'Dir::Cache::pkgcache={work}/pkgcache.bin',
            '-o', f'Dir::Cache::srcpkgcache={work}/srcpkgcache.bin']


class Packages:
    """Debian packages, downloaded once and unpacked into one private tree."""

    def __init__(self, work):
        self.cache = work / 'debs'
        self.tree = work / 'tree'
        self.cache.mkdir()
        self.tree.mkdir()
        self.apt = apt_options(work)
        self.owner = {}
        self.have = {}

    def unpack(self, name):
        if name in self.have:
            return
        say(f'package {name}')
        before = set(self.cache.iterdir())
        run(['apt-get', *self.apt, '-qq', 'download', name],
            'check the network, then run apt-get update', cwd=self.cache)
        new = set(self.cache.iterdir()) - before
        if len(new) != 1:
            raise Failure(f'apt-get gave no {name}; run apt-get update')
        deb = new.pop()
        listing = run(['dpkg-deb', '-c', deb], 'run the command again')
        run(['dpkg-deb', '-x', deb, self.tree], 'is the disk full?')
        deb.unlink()
        for line in listing.splitlines():
            path = line.split(None, 5)[5].split(' -> ')[0]
            self.owner[os.path.normpath(path)] = name
        self.have[name] = self.depends(name)

    def depends(self, name):
        return depends(self.apt, [name])[name]

    def find_library(self, soname):
        for directory in LIBRARY_DIRS:
            path = self.tree / directory / soname
            if path.exists():
                return path
        return None

    def library_for(self, soname, needed_by):
        """The file of a library, fetching the package that has it.

        The package is among the dependencies of the one that needs it.  Those
        whose name resembles the library's are tried first; the others may be
        large (graphics drivers) and are hardly ever the right ones.
        """
        found = self.find_library(soname)
        if found:
            return found
        stem = re.sub(r'[^a-z0-9]', '', soname.lower().split('.so')[0])
        candidates = []
        for package in [needed_by] + list(self.have):
            candidates += self.have.get(package, [])
        candidates = sorted(dict.fromkeys(candidates), key=lambda name: (
            not re.sub(r'[^a-z0-9]', '', name).startswith(stem),
            not name.startswith('lib')))
        for name in candidates:
            self.unpack(name)
            found = self.find_library(soname)
            if found:
                return found
        raise Failure(f'no package has {soname}, which {needed_by} needs; '
                      'run apt-get update')

    def owner_of(self, path):
        relative = './' + str(path.relative_to(self.tree))
        return self.owner.get(os.path.normpath(relative), '')

    def libraries(self, program, package):
        """Every library that @program loads, by soname."""
        todo, done = [(program, package)], {}
        while todo:
            path, owner = todo.pop()
            for soname in needed(path):
                if soname not in done:
                    done[soname] = self.library_for(soname, owner)
                    todo.append((done[soname], self.owner_of(done[soname])))
        return done


def needed(path):
    text = run(['readelf', '-d', path], 'is the package damaged? run again')
    return re.findall(r'\(NEEDED\).*\[(.+)\]', text)


def depends(apt, names, recurse=False):
    """What packages depend on, by package: of "a | b" the first, real names."""
    text = run(['apt-cache', *apt, 'depends', *(['--recurse'] if recurse else []),
                '--no-recommends', '--no-suggests', '--no-conflicts', '--no-breaks',
                '--no-replaces', '--no-enhances', *names], 'run apt-get update')
    found, current, chosen = {}, None, False
    for line in text.splitlines():
        match = re.match(r' *(\|?)(?:Pre)?Depends: <?([a-z0-9][^\s<:>]+)(>?)', line)
        if not line.startswith(' '):
            current = found.setdefault(line.strip(), [])
        elif match and current is not None:
            # A virtual package is followed by those that provide it.
            if not chosen and not match[3] and match[2] not in current:
                current.append(match[2])
            chosen = bool(match[1])
    return found


class DebCache:
    """A directory of packages that outlives an interrupted run: apt goes on
    where it stopped, and a file counts only with the archive's checksum."""

    def __init__(self, directory, work):
        self.directory = directory
        self.apt = apt_options(work)
        directory.mkdir(parents=True, exist_ok=True)

    def closure(self, names, leave_out):
        """@names and all they depend on, but for what matches @leave_out."""
        graph = depends(self.apt, names, recurse=True)
        todo, done = list(names), []
        while todo:
            name = todo.pop()
            if name in done or re.fullmatch(leave_out, name):
                continue
            done.append(name)
            todo += graph.get(name, [])
        return sorted(done)

    def fetch(self, names):
        """The packages' files, in the order of @names."""
        text = run(['apt-get', *self.apt, 'download', '--print-uris', *names],
                   'run apt-get update')
        wanted = re.findall(r"^'\S+' (\S+) (\d+) SHA256:([0-9a-f]{64})$", text, re.M)
        if len(wanted) != len(names):
            raise Failure(f'apt has checksums for {len(wanted)} of {len(names)} packages; '
                          'run apt-get update')
        missing = [(self.directory / file, int(size), digest) for file, size, digest in wanted
                   if not sound(self.directory / file, digest)]
        total = sum(size for _, size, _ in missing) / 2**20
        if missing:
            say(f'{len(missing)} of {len(names)} packages to fetch, {total:.0f} MiB')
        for number, (path, size, digest) in enumerate(missing, 1):
            # apt writes spaces and colons of a file's name as it pleases, the package's name not.
            package = path.name.split('_')[0]
            say(f'{number}/{len(missing)} {package}, {size / 2**20:.1f} MiB')
            for attempt in (1, 2):
                run(['apt-get', *self.apt, '-qq', '-o', 'Acquire::Retries=2', 'download', package],
                    'check the network, then run the command again: it goes on where it stopped',
                    cwd=self.directory)
                if sound(path, digest):
                    break
                path.unlink(missing_ok=True)
                if attempt == 2:
                    raise Failure(f'{package} does not have the checksum that apt told; '
                                  'run apt-get update')
        return [self.directory / file for file, _, _ in wanted]


def sound(path, digest):
    if not path.exists():
        return False
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest() == digest
