#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run QEMU migration qtests one by one, each with a time limit, and write TAP.

One process a test: a failed assertion ends the test program, and would take the
tests after it along.  With --compare the same tests run on a second build, and a
test passes when both builds give the same result, and that is no failure.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PREFIX = '/x86_64/migration/'


class Interrupted(Exception):
    """SIGTERM or SIGINT: end what runs, then leave."""


def test_program(build):
    return build / 'tests' / 'qtest' / 'migration-test'


def environment(build, source=None, destination=None):
    env = dict(os.environ)
    for name in [n for n in env if n.startswith('QTEST_')]:
        del env[name]
    env['QTEST_QEMU_BINARY'] = str(build / 'qemu-system-x86_64')
    env['PYTHON'] = sys.executable      # a test of QEMU's stream analyzer runs it
    # QEMU's tests allow one of the two sides to be another binary.
    if source:
        env['QTEST_QEMU_BINARY_SRC'] = str(source)
    if destination:
        env['QTEST_QEMU_BINARY_DST'] = str(destination)
    return env


def list_tests(build):
    """Every test of the build, without the common prefix."""
    for program in (test_program(build), build / 'qemu-system-x86_64'):
        if not program.exists():
            raise SystemExit(f'qtests: there is no {program}: run scripts/build')
    done = subprocess.run([test_program(build), '--full', '-m', 'slow', '-l'], cwd=build, env=environment(build),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    # glib lists them as they are, from 2.84 on as comments in its TAP.
    lines = (line.removeprefix('# ') for line in done.stdout.splitlines())
    names = [line[len(PREFIX):] for line in lines if line.startswith(PREFIX)]
    if done.returncode or not names:
        raise SystemExit(f'qtests: {test_program(build)} does not list its tests: {done.stderr.strip()[-200:]}')
    return names


def stop(child):
    """End the test and the QEMUs it started: they are in its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            pass
        # A QEMU may outlive the test program that started it.
        time.sleep(0.2)


def run_one(build, name, log, timeout_s, env, others=()):
    """(result, reason, seconds): 'ok', 'skip' or 'fail', and why where it is not ok.

    OTHERS are the tests below this one's name: -p takes them along, so they are left out by name.
    """
    leave_out = [word for other in others for word in ('-s', PREFIX + other)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='qtest-') as scratch, open(log, 'w+', encoding='utf-8', errors='replace') as out:
        child = subprocess.Popen([test_program(build), '--full', '-m', 'slow', '-p', PREFIX + name, *leave_out],
                                 cwd=build, env=dict(env, TMPDIR=scratch), stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        late = False
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            stop(child)
        out.seek(0)
        lines = out.read().splitlines()
    took_s = time.monotonic() - started
    if late:
        return 'fail', f'no end within {timeout_s} s', took_s
    if child.returncode:
        why = [line for line in lines if 'Bail out' in line or 'ERROR' in line or line.startswith('not ok')]
        return 'fail', why[0][:200] if why else f'exit status {child.returncode}', took_s
    result = [line for line in lines if line.startswith('ok ') and line.split()[2] == PREFIX + name]
    if len(result) != 1:
        return 'fail', f'{len(result)} results where one was expected', took_s
    if '# SKIP' in result[0]:
        return 'skip', result[0].split('# SKIP', 1)[1].strip() or 'the test gives no reason', took_s
    return 'ok', '', took_s


def select(names, args):
    if args.only:
        missing = [name for name in args.only if name not in names]
        if missing:
            raise SystemExit(f'qtests: no such tests in {args.build}: {" ".join(missing)}')
        return args.only
    return [name for name in names if args.match in name and not any(word in name for word in args.exclude)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=Path, required=True, help='build folder whose test program and QEMU are used')
    parser.add_argument('--compare', type=Path, help='build folder to compare the results with')
    parser.add_argument('--source', type=Path, help='a QEMU to use as migration source instead')
    parser.add_argument('--destination', type=Path, help='a QEMU to use as migration destination instead')
    parser.add_argument('--match', default='', help='run the tests whose name has this in it')
    parser.add_argument('--exclude', action='append', default=[], help='but not those that have this in it (repeatable)')
    parser.add_argument('--label', default='', help='put before each name in the output')
    parser.add_argument('--timeout-s', type=int, default=240, help='limit for each test (default 240)')
    parser.add_argument('--logs', type=Path, required=True, help='folder for one log a test')
    parser.add_argument('--json', type=Path, help='write results and times there')
    parser.add_argument('--list', action='store_true', help='list the tests, run none')
    parser.add_argument('only', nargs='*', help='names of tests, below ' + PREFIX)
    args = parser.parse_args()

    def interrupted(_number, _frame):
        raise Interrupted
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)

    args.build = args.build.resolve()
    everything = list_tests(args.build)
    names = select(everything, args)
    if args.list:
        print('\n'.join(names))
        return 0
    if not names:
        raise SystemExit('qtests: no test matches')
    args.logs.mkdir(parents=True, exist_ok=True)
    env = environment(args.build, args.source, args.destination)
    failed = 0
    records = []
    print(f'1..{len(names)}', flush=True)
    for number, name in enumerate(names, 1):
        log = args.logs / (name.replace('/', '-') + '.log')
        others = [other for other in everything if other.startswith(name + '/')]
        result, reason, took_s = run_one(args.build, name, log, args.timeout_s, env, others)
        record = {'name': name, 'result': result, 'reason': reason, 'seconds': round(took_s, 1)}
        if args.compare:
            stock, stock_reason, stock_s = run_one(args.compare.resolve(), name, log.with_suffix('.stock.log'),
                                                   args.timeout_s, environment(args.compare.resolve()), others)
            record.update(stock=stock, stock_reason=stock_reason, stock_seconds=round(stock_s, 1))
            if result == 'fail' and stock == 'fail':
                result, reason = 'skip', f'fails on the unpatched build too: {stock_reason}'
            elif result != stock:
                result, reason = 'fail', f'{result} ({reason}), but {stock} ({stock_reason}) on the unpatched build'
        records.append(record)
        failed += result == 'fail'
        if result == 'fail':
            print(f'# {name}: {reason}\n# log: {log}')
        print('not ok' if result == 'fail' else 'ok', number, '-', args.label + name,
              f'({took_s:.0f} s)' + (f' # SKIP {reason}' if result == 'skip' else ''), flush=True)
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + '\n', encoding='utf-8')
    return 1 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Interrupted:
        sys.exit(130)
