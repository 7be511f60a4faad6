# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU process, run by QEMU's own Python package; it never outlives us."""
import contextlib
import time

from . import paths, processes
from .errors import LabError


def create(binary, arguments, name, directory, wrapper=()):
    """A QEMUMachine that is not launched yet; its sockets and its log go to @directory."""
    return _package().QEMUMachine(str(binary), [str(a) for a in arguments], wrapper=[*processes.ALONE, *wrapper],
                                  name=name, base_temp_dir=str(directory))


def launch(machine):
    try:
        machine.launch()
    except _package().VMLaunchFailure as failure:
        raise LabError(f'QEMU ({machine.binary}) did not start: {_last_words(failure.output)}') from None


def kill(machine):
    """For a guest that is not worth a graceful end."""
    with contextlib.suppress(_package().AbnormalShutdown):
        machine.shutdown(hard=True)


@contextlib.contextmanager
def running(binary, arguments, name='qemu'):
    """A QEMU without a guest of ours, which ends in order, so that its trace is whole.  What goes wrong is a LabError."""
    with processes.private_directory() as directory:
        machine = create(binary, arguments, name, directory)
        launch(machine)
        try:
            yield machine
            machine.shutdown()
        except _package().AbnormalShutdown:
            raise LabError(f'QEMU ({binary}) did not end in order: {_last_words(machine.get_log())}') from None
        except _qmp_error() as error:
            kill(machine)       # before that it has no log
            raise LabError(f'QEMU ({binary}): {error}; its last words: {_last_words(machine.get_log())}') from None
        finally:
            kill(machine)


def wait_for_migration(machine, status, limit_s):
    """Until the migration has @status; a LabError if it ends in another way, or after @limit_s."""
    deadline = time.monotonic() + limit_s
    while (seen := machine.cmd('query-migrate').get('status')) != status:
        if seen in ('completed', 'failed', 'cancelled'):
            raise LabError(f'the migration is {seen}, not {status}')
        if time.monotonic() > deadline:
            raise LabError(f'the migration is {seen}, not {status}, after {limit_s:g} s')
        time.sleep(0.02)


def _last_words(output):
    return ((output or '').strip().splitlines() or ['no message'])[-1]


def _qmp_error():
    paths.use_qemu_python()
    from qemu.qmp import QMPError       # pylint: disable=import-outside-toplevel
    return QMPError


def _package():
    """QEMU's own package: only there once the source is, hence not at the top."""
    paths.use_qemu_python()
    from qemu.machine import machine    # pylint: disable=import-outside-toplevel
    return machine
