# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration by virsh: the command line, its progress, and what libvirt says of
it afterwards."""
import re
import subprocess
import time

from . import processes
from .errors import LabError

# What QEMU calls a setting, and virsh migrate.
PARAMETERS = {
    'downtime-limit': '--downtime', 'downtime-ceiling': '--downtime-ceiling',
    'convergence-policy': '--convergence-policy',
    'convergence-timeout': '--convergence-timeout',
    'convergence-action': '--convergence-action',
    'guest-hint-mode': '--guest-hint-mode', 'guest-hint-timeout': '--guest-hint-timeout',
    'multifd-channels': '--parallel-connections', 'xbzrle-cache-size': '--comp-xbzrle-cache',
}
CAPABILITIES = {
    'convergence': (),      # comes with the policy
    'auto-converge': ('--auto-converge',), 'multifd': ('--parallel',),
    'xbzrle': ('--comp-methods', 'xbzrle'), 'postcopy-ram': ('--postcopy',),
    'page-history': ('--page-history',), 'guest-hints': ('--guest-hints',),
}
POLL_S = 0.5


def options(config):
    """The options of virsh migrate for a configuration (see configs.py)."""
    if config.controller:
        raise LabError(f"'{config.name}' is a controller outside QEMU, which is not made for --virsh")
    words = []
    for name in config.capabilities:
        if name not in CAPABILITIES:
            raise LabError(f"virsh migrate has no option for the capability '{name}'")
        words += CAPABILITIES[name]
    for name, value in config.parameters.items():
        if name not in PARAMETERS:
            raise LabError(f"virsh migrate has no option for the parameter '{name}'")
        words += [PARAMETERS[name], str(value)]
    if config.postcopy_after_s is not None:
        # virsh counts in whole seconds.
        words += ['--timeout', str(max(1, round(config.postcopy_after_s))), '--timeout-postcopy']
    return words


def command_line(name, target, *words, peer_to_peer=True):
    """The words of virsh migrate."""
    return ['migrate', '--live', *(['--p2p'] if peer_to_peer else []), '--verbose', *words,
            name, target.uri]


def job_info(host, name, *flags):
    """The job's statistics as libvirt's own fields, numbers as int."""
    done = host.virsh('domjobinfo', name, '--rawstats', *flags, check=False)
    fields = dict(re.findall(r'^(\w+): (.*)$', done.stdout, re.MULTILINE))
    return {key: int(value) if value.isdigit() else value for key, value in fields.items()}


class Migration:
    """A running virsh migrate."""

    def __init__(self, guest, target, *words, peer_to_peer=True, binaries=None):
        self.guest, self.source, self.target = guest, guest.host, target
        command = command_line(guest.name, target, *words, peer_to_peer=peer_to_peer)
        self.begin_ns = time.monotonic_ns()
        self.end_ns = None
        self.output = ''
        self.child = processes.start(
            self.source.virsh_command(*command, binaries=binaries),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)

    def elapsed_s(self):
        return ((self.end_ns or time.monotonic_ns()) - self.begin_ns) / 1e9

    def running(self):
        return self.child.poll() is None

    def info(self):
        return job_info(self.source, self.guest.name)

    def wait(self, condition=None, timeout_s=60, watch=None):
        """Until it ends, or until condition(info) holds for a running job; true
        if the condition held."""
        deadline = time.monotonic() + timeout_s
        while self.running():
            if time.monotonic() > deadline:
                raise LabError(f'the migration does not get there in {timeout_s} s; '
                               f'{self.describe()}')
            info = self.info() if condition or watch else {}
            if watch:
                watch(info)
            if condition and info.get('memory_total') and condition(info):
                return True
            time.sleep(POLL_S)
        self._ended()
        return False

    def abort(self):
        self.source.virsh('domjobabort', self.guest.name, check=False)

    def _ended(self):
        if self.end_ns is None:
            self.end_ns = time.monotonic_ns()
            self.output = self.child.stdout.read()
            if self.child.wait() == 0:
                self.guest.attach(self.target)

    def finish(self, timeout_s=120):
        """Wait for the end; true if it succeeded."""
        self.wait(timeout_s=timeout_s)
        return self.succeeded()

    def succeeded(self):
        self._ended()
        return self.child.returncode == 0

    def message(self):
        """virsh's error, without the progress on whose line it may stand."""
        return ' '.join(re.findall(r'error: .*', self.output))

    def describe(self):
        info = self.info() if self.running() else {}
        return (f"{info.get('memory_remaining', 0) >> 20} MiB left, "
                f"iteration {info.get('memory_iteration')}")

    def close(self):
        if self.running():
            self.abort()
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                pass
        processes.stop(self.child)
