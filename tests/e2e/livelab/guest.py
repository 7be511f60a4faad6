# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU process with the test guest in it."""
import os

from . import machine, paths, probe
from .console import Console, HasConsole
from .errors import LabError

# A TSC that Linux need not verify, no waiting for devices that are not there.
KERNEL_ARGUMENTS = ('console=ttyS0 quiet panic=-1 mitigations=off '
                    'tsc=reliable no_timer_check i8042.noaux=1 random.trust_cpu=on')
BOOT_TIMEOUT_S = 120
HINT_PORT = 'org.qemu.migration-hint.0'


class Guest(HasConsole):
    """A running QEMU: as source it boots, as destination it waits."""

    def __init__(self, binary, name, directory, accel='tcg', ram_mib=512,
                 cpus=1, wrapper=(), incoming=False, disk=False, hints=None):
        """@hints: a port for guest hints with this character device, or what hint_backend() gives."""
        self.name = name
        self.directory = directory
        kernel, initramfs = paths.guest_files()
        arguments = [
            '-nodefaults', '-no-user-config', '-machine', f'pc,accel={accel}',
            # Threads have names that /proc shows.
            '-name', f'{name},debug-threads=on',
            '-m', f'{ram_mib}M', '-smp', str(cpus), '-no-reboot',
            '-kernel', kernel, '-initrd', initramfs, '-append', KERNEL_ARGUMENTS,
        ]
        for port in ('console', 'beat'):
            arguments += ['-chardev', f'socket,id={port},server=on,wait=off,'
                                      f'path={self.socket_path(port)}',
                          '-serial', f'chardev:{port}']
        if disk:
            # Real programs (scripts/guest --workloads); both sides may read it.
            arguments += ['-drive', f'file={paths.guest_disk()},format=raw,if=none,'
                                    'id=workloads,readonly=on',
                          '-device', 'virtio-blk-pci,drive=workloads']
        if hints:
            arguments += ['-device', 'virtio-serial-pci', '-chardev', f'{hints},id=hint',
                          '-device', f'virtserialport,chardev=hint,name={HINT_PORT}']
        if incoming:
            arguments += ['-incoming', 'defer']
        arguments += os.environ.get('QEMU_EXTRA_ARGS', '').split()
        self.machine = machine.create(binary, arguments, name, directory, wrapper)

    def socket_path(self, port):
        return self.directory / f'{self.name}.{port}'

    def launch(self):
        machine.launch(self.machine)
        self.console = Console(self.socket_path('console'), self.name)

    def wait_booted(self, timeout_s=BOOT_TIMEOUT_S):
        self.console.wait_ready(timeout_s)

    def qmp(self, command, **arguments):
        return self.machine.cmd(command, **arguments)

    def is_running(self):
        return (self.machine.is_running()
                and self.qmp('query-status')['status'] == 'running')

    def close(self):
        if self.console:
            self.console.close()
        machine.kill(self.machine)


def hint_backend(binary):
    """For the port for hints: a QEMU that does not know them has it, too, but nobody listens."""
    return 'migration-hint' if 'guest-hints' in probe.ask(binary).capabilities else 'null'
