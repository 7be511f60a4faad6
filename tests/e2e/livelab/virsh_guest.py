# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest as a libvirt domain, on whichever host it is just now."""
import json

from . import paths
from .console import Console, HasConsole
from .errors import LabError
from .guest import BOOT_TIMEOUT_S, KERNEL_ARGUMENTS
from .virsh_host import EMULATOR, LAB

DOMAIN = '''\
<domain type='{type}'>
  <name>{name}</name>
  <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <memory unit='MiB'>{ram_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='unix'>
      <source mode='bind' path='{lab}/console'/>
      <target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='{lab}/beat'/>
      <target port='1'/>
    </serial>
    <memballoon model='none'/>
  </devices>
</domain>
'''


class VirshGuest(HasConsole):
    """Persistent on the host where it is made, and only there."""

    def __init__(self, host, accel='tcg', ram_mib=256, name='busy'):
        self.name, self.home, self.host = name, host, host
        kernel, initramfs = paths.guest_files()
        xml = host.outside(f'{LAB}/domain.xml')
        xml.write_text(DOMAIN.format(
            type='kvm' if accel == 'kvm' else 'qemu', name=name, ram_mib=ram_mib,
            kernel=kernel, initramfs=initramfs, cmdline=KERNEL_ARGUMENTS,
            emulator=EMULATOR, lab=LAB))
        host.virsh('define', f'{LAB}/domain.xml', timeout_s=120)

    def launch(self):
        self.host.virsh('start', self.name, timeout_s=120)
        self.attach(self.host)
        self.console.wait_ready(BOOT_TIMEOUT_S)

    def socket_path(self, port, host=None):
        return (host or self.host).outside(f'{LAB}/{port}')

    def attach(self, host):
        """Talk to the guest on @host from now on."""
        if self.console:
            self.console.close()
        self.host = host
        self.console = Console(self.socket_path('console'), host.name)

    def state(self, host=None):
        """What libvirt says of it on @host: 'running', 'shut off', 'none', ..."""
        done = (host or self.host).virsh('domstate', self.name, check=False)
        return done.stdout.strip() if done.returncode == 0 else 'none'

    def is_running(self):
        return self.state() == 'running'

    def qmp(self, command, host=None, **arguments):
        """A QMP command through libvirt."""
        request = json.dumps({'execute': command, 'arguments': arguments}
                             if arguments else {'execute': command})
        done = (host or self.host).virsh('qemu-monitor-command', self.name, request)
        answer = json.loads(done.stdout)
        if 'error' in answer:
            raise LabError(f"QMP {command}: {answer['error']['desc']}")
        return answer['return']

    def close(self):
        if self.console:
            self.console.close()
            self.console = None
        for host in {self.host, self.home}:
            host.virsh('destroy', self.name, check=False)
        self.home.virsh('undefine', self.name, check=False)
