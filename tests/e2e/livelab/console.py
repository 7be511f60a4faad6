# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands to the guest over its first serial port (see tests/guest/init)."""
import socket
import time

from .errors import LabError


class Console:
    """One end of the guest's ttyS0; commands are numbered by a shared counter,
    so that a late answer to an old command is never taken for a new one."""

    _last_id = 0

    def __init__(self, path, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.partial = b''
        self.tail = []

    def _lines(self, deadline, waiting_for):
        while True:
            *lines, self.partial = self.partial.split(b'\n')
            for line in lines:
                text = line.decode(errors='replace').strip('\r')
                self.tail = (self.tail + [text])[-12:]
                if 'Kernel panic' in text:
                    raise LabError(f'the guest of {self.name} panicked: {text}')
                yield text
            left = deadline - time.monotonic()
            if left <= 0:
                last = ' / '.join(t for t in self.tail if t.strip()) or 'nothing'
                raise LabError(f'{self.name}: no {waiting_for} in time; '
                               f'the console last said: {last}')
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                continue
            if not data:
                raise LabError(f'{self.name}: QEMU closed the console')
            self.partial += data

    def wait_ready(self, timeout_s):
        for line in self._lines(time.monotonic() + timeout_s, 'sign of life'):
            if line.startswith('@ready'):
                return

    def run(self, command, timeout_s=30):
        """Run a shell command in the guest: (exit status, output)."""
        Console._last_id += 1
        mark = f'@{Console._last_id}'
        self.socket.settimeout(timeout_s)
        self.socket.sendall(f'{Console._last_id} {command}\n'.encode())
        output = []
        for line in self._lines(time.monotonic() + timeout_s, f"answer to '{command}'"):
            if line.startswith(mark + '|'):
                output.append(line[len(mark) + 1:])
            elif line.startswith(mark + '!'):
                return int(line[len(mark) + 1:]), '\n'.join(output)
        raise AssertionError('not reached')

    def close(self):
        self.socket.close()


class HasConsole:
    """What every guest does through its Console; there is none before it is launched."""

    console = None

    def run(self, command, timeout_s=30):
        return self.console.run(command, timeout_s)

    def must_run(self, command, timeout_s=30):
        status, output = self.run(command, timeout_s)
        if status:
            raise LabError(f"'{command}' failed in the guest: {output or status}")
        return output
