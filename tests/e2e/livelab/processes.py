# SPDX-License-Identifier: GPL-2.0-or-later
"""Children that never outlive us.

Each child gets a session of its own, so that a Ctrl-C at the terminal reaches
only us and we end them in order; and it is killed by the kernel should we die
without a chance to do so.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ALONE = ['setpriv', '--pdeathsig', 'KILL', 'setsid']


def start(command, **kwargs):
    return subprocess.Popen([*ALONE, *map(str, command)], **kwargs)


def stop(child, patience_s=5):
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()


def exit_cleanly_on_signals():
    """SIGTERM and SIGHUP unwind the stack like Ctrl-C does, once."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def leave(number, _frame):
        # A second signal must not interrupt the clean-up.
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)
    for number in numbers:
        signal.signal(number, leave)


def private_directory():
    """A context manager: a directory for sockets and logs, gone at the end.

    Those of a process that was killed are taken away by the next one."""
    for path in Path(tempfile.gettempdir()).glob('livelab-*-*'):
        maker = re.match(r'livelab-(\d+)-', path.name)
        if maker and not Path(f'/proc/{maker[1]}').exists():
            shutil.rmtree(path, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f'livelab-{os.getpid()}-')
