# SPDX-License-Identifier: GPL-2.0-or-later
"""Record a dirty trace of a guest at work, without migrating it: scripts/record-trace."""
import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from . import accel, paths, processes, workloads
from .errors import LabError, run_program
from .guest import Guest

COMMAND = 'dirty-trace-start'
INTERVAL_MS = range(10, 10001)      # what QEMU takes


def record(options, say):
    """Boot, load, let it settle, record, verify; returns what was recorded."""
    workload = workloads.create(options.workload)
    output = options.output or Path(f'{workload.name}.mtrace')
    qemu = paths.qemu(options.qemu)
    accelerator, why = accel.pick(qemu, say)
    say(f'{accelerator}: {why}')
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(processes.private_directory()))
        guest = Guest(qemu, workload.name, directory, accelerator, options.ram, options.cpus,
                      disk=workload.disk)
        stack.callback(guest.close)
        guest.launch()
        if COMMAND not in {c['name'] for c in guest.qmp('query-commands')}:
            raise LabError(f'{qemu} cannot record ({COMMAND}); run scripts/build qemu')
        say('booting the guest')
        guest.wait_booted(300)
        say(f'starting the load: {workload.what}')
        workload.start(guest, options.ram)
        # Beside the final place, so that a half trace never has its name.
        part = output.with_name(f'.{output.name}.{os.getpid()}')
        stack.callback(part.unlink, missing_ok=True)
        # A guest that was never traced begins with every page in its log, and
        # no page counts as zero then: the first recording is thrown away.
        _record(guest, part, 1, options.interval, False)
        time.sleep(options.settle)
        before, begin_s = workload.work(guest), time.monotonic()
        info = _record(guest, part, options.seconds, options.interval, not options.no_zero_pages)
        after, took_s = workload.work(guest), time.monotonic() - begin_s
        say('verifying the guest')
        verified, found = workload.finish(guest)
        if not verified:
            raise LabError(f'the guest is not sound, the trace is not kept: {found}')
        part.rename(output)
        _summary(output, info, options, say)
        say(f'work: {before} before, {after} {took_s:.0f} s later; {found}')


def _record(guest, part, seconds, interval_ms, zero_pages):
    arguments = {'filename': str(part.resolve()), 'interval': interval_ms,
                 'duration': seconds, 'zero-pages': zero_pages}
    answer = guest.machine.qmp(COMMAND, arguments)
    if 'error' in answer:
        raise LabError(f"QEMU does not record: {answer['error']['desc']}")
    deadline = time.monotonic() + seconds + 120
    while True:
        info = guest.qmp('query-dirty-trace')
        if info['status'] != 'recording':
            break
        if time.monotonic() > deadline:
            raise LabError('QEMU does not end the recording; is the host overloaded?')
        if sys.stderr.isatty():
            print(f"\r{info.get('recorded', 0) / 1000:.1f} of {seconds} s",
                  end='', file=sys.stderr, flush=True)
        time.sleep(0.5)
    if sys.stderr.isatty():
        print('\r\033[K', end='', file=sys.stderr)
    if info['status'] != 'completed':
        raise LabError(f"the recording failed: {info.get('error-desc', info['status'])}")
    return guest.qmp('dirty-trace-stop')


def _summary(output, info, options, say):
    seconds = info['recorded'] / 1000
    expected = options.seconds * 1000 / options.interval
    say(f"{output}: {info['records']} records in {seconds:.1f} s, {info['dirty-pages']} dirty pages "
        f"({info['dirty-pages'] / seconds:,.0f}/s), {info['file-size'] / 1024:,.0f} KiB")
    if info['records'] < 0.9 * expected:
        say(f"warning: {expected:.0f} records were asked for; the host was too busy, and "
            'some span several intervals')


def main():
    parser = argparse.ArgumentParser(
        prog='record-trace', description=__doc__,
        epilog='Workloads: ' + '; '.join(f'{n}: {workloads.create(n).what}' for n in workloads.ALL))
    parser.add_argument('workload', help='what keeps the guest busy, see below')
    parser.add_argument('--seconds', type=int, default=10, metavar='N', help='default 10')
    parser.add_argument('--interval', type=int, default=100, metavar='MS',
                        help='between two records (default 100)')
    parser.add_argument('--output', type=Path, metavar='FILE', help='default WORKLOAD.mtrace')
    parser.add_argument('--ram', type=int, default=512, metavar='MIB', help='of the guest (default 512)')
    parser.add_argument('--cpus', type=int, default=1, metavar='N', help='of the guest (default 1)')
    parser.add_argument('--settle', type=float, default=5, metavar='S',
                        help='let the load run before recording (default 5)')
    parser.add_argument('--no-zero-pages', action='store_true',
                        help='do not look for pages of zeros first')
    parser.add_argument('--qemu', metavar='FILE', help='QEMU with the series, instead of build/qemu')
    options = parser.parse_args()
    if options.interval not in INTERVAL_MS:
        parser.error(f'--interval takes {INTERVAL_MS[0]} to {INTERVAL_MS[-1]} ms')
    if not 1 <= options.seconds <= 86400:
        parser.error('--seconds takes 1 to 86400')
    if options.ram < 512 or options.cpus < 1 or options.settle < 0:
        parser.error('the guest needs --ram of 512 or more, --cpus of 1 or more, --settle of 0 or more')
    if options.output and not options.output.parent.is_dir():
        parser.error(f'{options.output.parent} is not a directory')
    processes.exit_cleanly_on_signals()
    record(options, lambda text: print(f'record-trace: {text}', flush=True))


if __name__ == '__main__':
    run_program(main, 'record-trace', '\nrecord-trace: interrupted, nothing was kept', files=True)
