# SPDX-License-Identifier: GPL-2.0-or-later
"""Children that never outlive us.

Each child gets a session of its own, so that a Ctrl-C at the terminal reaches
only us and we end them in order; and it is killed by the kernel should we die
without a chance to do so.
"""
import signal
import subprocess
import sys

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
    """SIGTERM and SIGHUP unwind the stack like Ctrl-C does."""
    def leave(number, _frame):
        # A second signal must not interrupt the clean-up.
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
