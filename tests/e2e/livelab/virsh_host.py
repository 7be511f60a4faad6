# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt host made of namespaces: its own network, processes, /etc, /run and
/var, and a libvirtd that listens on TCP there.  Nothing of the machine's own
libvirt, if it has one, is touched or seen.
"""
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from . import processes
from .errors import LabError

# What a daemon, its client and QEMU may look up.
ETC = ('passwd', 'group', 'nsswitch.conf', 'host.conf', 'hosts', 'services', 'protocols',
       'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'localtime', 'gnutls', 'ssl/openssl.cnf')
START_TIMEOUT_S = 90
PORT = 16509
# What the guest's files are below, seen from inside a host.
LAB = '/run/livelab'
EMULATOR = f'{LAB}/qemu-system-x86_64'

LIBVIRTD_CONF = '''\
listen_tls = 0
listen_tcp = 1
tcp_port = "{port}"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
keepalive_interval = {keepalive_s}
keepalive_count = 5
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
'''
QEMU_CONF = '''\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 0
stdio_handler = "file"
migration_host = "{address}"
keepalive_interval = {keepalive_s}
keepalive_count = 5
'''
# A peer that says nothing for five times this long is given up.
KEEPALIVE_S = 2


class Host:
    """One host; @binaries is a build of libvirt, @emulator a QEMU binary."""

    def __init__(self, name, namespace, address, directory, binaries, emulator):
        self.name, self.namespace, self.address = name, namespace, address
        self.directory = Path(directory) / name
        self.binaries = binaries
        self.uri = f'qemu+tcp://{address}/system'
        self.init = self.daemon = self.init_pid = None
        self._make_directory()
        self.set_emulator(emulator)

    def outside(self, path):
        """Where the host's @path is for us."""
        return self.directory / path.lstrip('/')

    def set_emulator(self, binary):
        link = self.outside(EMULATOR)
        link.unlink(missing_ok=True)
        link.symlink_to(binary)

    def _make_directory(self):
        for folder in ('etc/libvirt', 'etc/ssl', 'var/lib', 'var/log/libvirt', 'var/cache',
                       'var/tmp', 'run/lock', LAB.lstrip('/')):
            (self.directory / folder).mkdir(parents=True)
        for name in ETC:
            source, copy = Path('/etc') / name, self.directory / 'etc' / name
            if source.is_dir():
                shutil.copytree(source, copy)
            elif source.exists():
                shutil.copyfile(source, copy)
        (self.directory / 'var' / 'run').symlink_to('/run')
        # The user that Debian's builds look up even if told to use another.
        for name, entry in (('passwd', 'libvirt-qemu:x:64055:64055::/nonexistent:/bin/false'),
                            ('group', 'libvirt-qemu:x:64055:')):
            with open(self.directory / 'etc' / name, 'a', encoding='utf-8') as stream:
                stream.write(entry + '\n')
        settings = {'port': PORT, 'uuid': uuid.uuid4(), 'address': self.address,
                    'keepalive_s': KEEPALIVE_S}
        conf = self.directory / 'etc' / 'libvirt'
        (conf / 'libvirtd.conf').write_text(LIBVIRTD_CONF.format(**settings))
        (conf / 'qemu.conf').write_text(QEMU_CONF.format(**settings))

    def start(self):
        self.init = processes.start(
            ['ip', 'netns', 'exec', self.namespace,
             'unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', '--uts', '--ipc',
             '/usr/bin/python3', Path(__file__).with_name('virsh_init.py'),
             self.directory, self.name],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != 'ready\n':
            self.init.kill()
            why = self.init.stderr.read().strip().splitlines() or ['no message']
            raise NotPermitted(f'namespaces are not permitted here: {why[-1]}')
        children = Path(f'/proc/{self.init.pid}/task/{self.init.pid}/children').read_text()
        self.init_pid = int(children.split()[0])
        self.start_daemon()

    def inside(self, *command):
        """A command line that runs @command on this host."""
        return ['nsenter', '--target', str(self.init_pid), '--mount', '--net', '--pid',
                '--uts', '--ipc', *map(str, command)]

    def start_daemon(self, binaries=None):
        self.binaries = binaries or self.binaries
        log = self.directory / 'libvirtd.out'
        with open(log, 'a', encoding='utf-8') as output:
            self.daemon = processes.start(
                self.inside(self.binaries / 'src' / 'libvirtd', '--listen',
                            '-f', '/etc/libvirt/libvirtd.conf', '-p', '/run/libvirtd.pid'),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.virsh('uri', check=False).returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                state = 'ended' if self.daemon.poll() is not None else 'does not answer'
                raise LabError(f'libvirtd of {self.name} {state}: '
                               f'{self._first_error(log) or "no message"}')
            time.sleep(0.3)

    def stop_daemon(self, signal='TERM'):
        """End libvirtd; the guests of this host stay."""
        pid = self.outside('/run/libvirtd.pid').read_text().strip()
        subprocess.run(self._inside_kill(signal, pid), check=True)
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            subprocess.run(self._inside_kill('KILL', pid), check=False)
            self.daemon.wait()

    def _inside_kill(self, signal, pid):
        # The shell's own: /bin/kill is in a package that a small system lacks.
        return self.inside('sh', '-c', f'kill -{signal} {pid}')

    def virsh_command(self, *arguments, binaries=None):
        return self.inside('env', 'LC_ALL=C', (binaries or self.binaries) / 'tools' / 'virsh',
                           '-c', 'qemu:///system', *arguments)

    def virsh(self, *arguments, check=True, binaries=None, timeout_s=60):
        """Run virsh on this host."""
        try:
            done = subprocess.run(self.virsh_command(*arguments, binaries=binaries),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"virsh {' '.join(map(str, arguments))} on {self.name}: "
                           f'no answer in {timeout_s} s') from None
        if check and done.returncode:
            raise LabError(f"virsh {' '.join(map(str, arguments))} on {self.name}: "
                           f'{done.stderr.strip() or done.returncode}')
        return done

    def _first_error(self, output):
        """What libvirtd complained of first: the rest follows from it."""
        log = self.outside('/var/log/libvirt/libvirtd.log')
        lines = [line for path in (log, output) if path.exists()
                 for line in path.read_text(errors='replace').splitlines()]
        errors = [line.partition(' error : ')[2] for line in lines if ' error : ' in line]
        return ' | '.join(errors) if errors else lines[-1] if lines else None

    def close(self):
        # Whatever runs on this host ends with its first process.
        for child in (self.init, self.daemon):
            if child:
                child.kill()
                child.wait()
        for child in (self.init, self.daemon):
            if child:
                processes.stop(child)


class NotPermitted(LabError):
    """This machine does not let us make hosts."""


def may_make_hosts():
    """Why hosts cannot be made here, or None."""
    if os.geteuid() != 0:
        return 'namespaces with a network need root'
    trial = subprocess.run(
        ['unshare', '--net', '--mount', '--pid', '--fork', '--uts', '--ipc', 'sh', '-c',
         'mount -t proc proc /proc && mount -t tmpfs none /run'],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if trial.returncode:
        return f'namespaces are not permitted here: {trial.stderr.strip()}'
    return None
