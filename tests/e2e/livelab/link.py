# SPDX-License-Identifier: GPL-2.0-or-later
"""The link between source and destination, really as slow as it says.

QEMU lifts max-bandwidth when it switches over, so a guest "limited" that way
on a fast socket shows a downtime that no real link gives.  Here the link
itself is slow: a token bucket filter between two network namespaces where that
is allowed, else a relay between two Unix sockets.  Both keep their buffers to
a few ms, because what a buffer swallows is missing from the downtime.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from . import paths, processes
from .errors import LabError

MIB = 1 << 20
MTU_BYTES = 9000
# Of a full frame: Ethernet, IP and TCP headers with time stamps.
FRAME_BYTES = MTU_BYTES + 14
PAYLOAD_BYTES = MTU_BYTES - 52
SOURCE_IP, DESTINATION_IP = '10.0.0.1', '10.0.0.2'
PORT = 4444
PREFIX = 'livelab'


class Link:
    """What both kinds of link offer."""

    kind = None
    source_wrapper = ()
    destination_wrapper = ()
    incoming = None     # URI for the destination to listen on
    outgoing = None     # URI for the source to connect to

    def __init__(self, rate_mib_s):
        self.rate_mib_s = rate_mib_s
        self.measured = None

    def measure(self, seconds=2.0):
        """Goodput, and how much time's worth of data the buffers hide."""
        tool = [sys.executable, Path(__file__).with_name('goodput.py')]
        receiver = processes.start(
            [*self.destination_wrapper, *tool, 'receive', str(seconds), self.incoming],
            stdout=subprocess.PIPE, text=True)
        try:
            if receiver.stdout.readline() != 'ready\n':
                raise LabError(f'the {self.kind} link could not be measured; '
                               'see the message above')
            sent = subprocess.run(
                [*self.source_wrapper, *map(str, tool), 'send', str(seconds), self.outgoing],
                stdout=subprocess.PIPE, text=True, check=False, timeout=seconds * 4 + 20)
            if sent.returncode:
                raise LabError(f'the {self.kind} link passes no data; '
                               'see the message above')
            sender = json.loads(sent.stdout)
            got = json.loads(receiver.stdout.readline())
        finally:
            processes.stop(receiver)
            self.forget_listener()
        if got['bytes'] != sender['bytes']:
            raise LabError(f"the {self.kind} link lost data: {sender['bytes']} "
                           f"bytes sent, {got['bytes']} received")
        self.measured = {
            'goodput_mib_s': round(got['bytes'] / (got['last'] - got['first']) / MIB, 2),
            'hidden_ms': round((got['last'] - sender['last']) * 1000, 2)}
        return self.measured

    def forget_listener(self):
        """Free the listening address for the next user."""

    def close(self):
        """Take the link away."""


class NamespaceLink(Link):
    """Two namespaces, a veth pair, and tbf on the source's end."""

    kind = 'tbf'

    def __init__(self, rate_mib_s):
        super().__init__(rate_mib_s)
        self.names = [f'{PREFIX}-{os.getpid()}-{side}' for side in ('src', 'dst')]
        self.source_wrapper = ('ip', 'netns', 'exec', self.names[0])
        self.destination_wrapper = ('ip', 'netns', 'exec', self.names[1])
        self.incoming = f'tcp:{DESTINATION_IP}:{PORT}'
        self.outgoing = self.incoming
        remove_abandoned_namespaces()
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self):
        src, dst = self.names
        for name in self.names:
            _ip('netns', 'add', name)
        _ip('-n', src, 'link', 'add', 'wire', 'mtu', str(MTU_BYTES), 'type', 'veth',
            'peer', 'name', 'wire', 'mtu', str(MTU_BYTES), 'netns', dst)
        for name, address in ((src, SOURCE_IP), (dst, DESTINATION_IP)):
            _ip('-n', name, 'link', 'set', 'lo', 'up')
            _ip('-n', name, 'address', 'add', f'{address}/30', 'dev', 'wire')
            _ip('-n', name, 'link', 'set', 'wire', 'up')
            # min, default and max: autotuning would buffer tens of ms.
            for which in ('tcp_wmem', 'tcp_rmem'):
                _run(['ip', 'netns', 'exec', name, 'sh', '-c',
                      f'echo 4096 131072 131072 >/proc/sys/net/ipv4/{which}'])
        self._shape('add')

    def set_rate(self, rate_mib_s):
        """Another speed from now on."""
        self.rate_mib_s = rate_mib_s
        self._shape('change')

    def _shape(self, how):
        bits = int(self.rate_mib_s * MIB * 8 * FRAME_BYTES / PAYLOAD_BYTES)
        # 2 ms of burst, so that the timer's granularity costs no bandwidth;
        # not below one GSO packet, which would be cut up at our expense.
        burst = max(int(bits / 8 * 0.002), 70000)
        _run(['tc', '-n', self.names[0], 'qdisc', how, 'dev', 'wire', 'root', 'tbf',
              'rate', f'{bits}bit', 'burst', str(burst), 'limit', str(4 * burst)])

    def close(self):
        for name in self.names:
            subprocess.run(['ip', 'netns', 'delete', name], check=False,
                           stderr=subprocess.DEVNULL)


class RelayLink(Link):
    """A token bucket in a process of its own; needs no rights at all."""

    kind = 'relay'

    def __init__(self, rate_mib_s, directory):
        super().__init__(rate_mib_s)
        self.listener = Path(directory) / 'wire.out'
        self.entrance = Path(directory) / 'wire.in'
        self.incoming = f'unix:{self.listener}'
        self.outgoing = f'unix:{self.entrance}'
        self.child = processes.start(
            [_compiled_relay(), self.entrance, self.listener, int(rate_mib_s * MIB)],
            stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != 'ready\n':
            self.close()
            raise LabError('the relay did not start; see its message above')

    def forget_listener(self):
        self.listener.unlink(missing_ok=True)

    def close(self):
        processes.stop(self.child)
        self.entrance.unlink(missing_ok=True)


def _run(command):
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f'{command[0]} is not installed; run scripts/setup, '
                       'or use --relay') from None
    if done.returncode:
        raise LabError(f"'{' '.join(command)}' failed: {done.stderr.strip()}; "
                       'use --relay where namespaces are not allowed')


def _ip(*arguments):
    _run(['ip', *arguments])


def _compiled_relay():
    source = Path(__file__).with_name('relay.c')
    binary = paths.WORK / 'relay'
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        paths.WORK.mkdir(parents=True, exist_ok=True)
        fresh = binary.with_suffix(f'.{os.getpid()}')
        _run(['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', str(fresh), str(source)])
        fresh.rename(binary)
    return binary


def remove_abandoned_namespaces():
    """Those whose maker was killed before it could take them away."""
    listing = subprocess.run(['ip', 'netns', 'list'], stdout=subprocess.PIPE,
                             text=True, check=False).stdout
    for name, pid in re.findall(rf'^({PREFIX}-(\d+)-\w+)', listing, re.MULTILINE):
        if not Path(f'/proc/{pid}').exists():
            subprocess.run(['ip', 'netns', 'delete', name], check=False)


def namespaces_allowed():
    """Whether a shaped link between namespaces can be made here."""
    if os.geteuid() != 0:
        return False
    try:
        NamespaceLink(64).close()
    except LabError:
        return False
    return True


def create(rate_mib_s, directory, relay=False):
    """The best link that is allowed here."""
    if not relay and os.geteuid() == 0:
        try:
            return NamespaceLink(rate_mib_s)
        except LabError as error:
            print(f'link: {error}; going on with the relay', file=sys.stderr)
    return RelayLink(rate_mib_s, directory)
