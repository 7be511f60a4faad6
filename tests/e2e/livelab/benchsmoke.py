# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/bench --smoke: does the benchmark measure what it says it does?

A few short runs of each kind of configuration; each figure must be there and be
possible.  How long anything takes decides nothing.
"""
import contextlib
import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import link, matrix, paths, results, summary
from .errors import LabError
from .tap import Tap

RAM_MIB = 256
# Far more than it takes, even on a busy host: giving up is to be seen once, and only there.
TIME_LIMIT_S = 300
GIVES_UP_S = 12
# Workload, configuration: every kind once. No guest that writes at all fits into 1 ms.
CASES = (('idle', 'stock'), ('hot60', 'stock-1'), ('hot60', 'stall'),
         ('hot60', 'stall+multifd'), ('hot60', 'post-copy-2'), ('hot60', 'doubling-4000'))
GIVES_UP = [('hot60', 'stock-1')]


def main(make_bench, options):
    folder = Path(tempfile.mkdtemp(prefix='bench-smoke-'))
    options.results, options.runs = str(folder), 1
    options.ram = RAM_MIB
    options.relay = options.relay or not link.namespaces_allowed()
    tap = Tap(len(CASES) + 3)
    try:
        for workload, config in CASES:
            options.workloads, options.configs = workload, config
            options.time_limit = GIVES_UP_S if (workload, config) in GIVES_UP else TIME_LIMIT_S
            tap.run(f'{config} on {workload}: every figure is there and possible',
                    lambda key=(workload, config): one(make_bench(options), key))
        tap.run('nothing is done twice', lambda: done_already(make_bench, options))
        tap.run('what is packed says the same', lambda: packed(folder))
        tap.run("the page history's cost to a guest can be measured", lambda: history_cost(folder, paths.qemu(options.qemu)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if tap.failed else 0


def one(bench, key):
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        bench.run()
    if bench.failures:
        raise LabError(lines.getvalue().strip())
    run = results.load_run(bench.path(bench.cells[0]))
    check(run, key not in GIVES_UP)
    return (f"{run['status']}, sent {run['sent_bytes']} bytes, total {run['total_ms']} ms, outage {run['outage_ms']} ms, "
            f"speed {run['guest_speed']['ratio']}, CPU {run['migration_cpu']['all_ms']} ms")


def check(run, gets_through):
    """AssertionError says what cannot be."""
    assert run['memory_verified'] is True, run['verification']
    assert run['success'] is gets_through, f"ended as {run['status']}: {run['error']}"
    for key in ('host', 'qemu', 'settings', 'guest_kernel', 'started', 'link', 'load_average'):
        assert run[key] not in (None, {}, ''), f'{key} is missing'
    assert run['sent_bytes'] > 1 << 20, f"only {run['sent_bytes']} bytes sent"
    speed, cpu = run['guest_speed']['ratio'], run['migration_cpu']
    assert speed and 0.05 < speed < 3, f'guest speed {speed}'
    assert cpu and 0 < cpu['main_ms'] <= cpu['all_ms'], f'CPU time {cpu}'
    if run['settings']['accelerator'] and 'multifd' in run['config']:
        assert cpu['all_ms'] > cpu['main_ms'], 'no CPU time of the multifd channels'
    samples = run['samples']
    assert len({len(column) for column in samples.values()}) == 1, 'columns of different length'
    assert samples['at_s'] == sorted(samples['at_s']), 'samples out of order'
    assert sum(run['guest_timeline']['writes']) > 0, 'no work in the time line of the guest'
    if not gets_through:
        assert run['total_ms'] is None and run['outage_ms'] is None, 'figures of a switchover that never was'
        return
    assert 0 < run['downtime_ms'] < run['total_ms'], f"downtime {run['downtime_ms']} of {run['total_ms']} ms"
    assert run['outage_ms'] > 0 and run['beats']['missed_beats'] == 0, f"heartbeats: {run['beats']}"
    names = [name for _, name, _ in run['events']]
    assert 'STOP' in names, 'no event tells of the switchover'
    if run['config'].startswith('stall'):
        assert 'MIGRATION_CONVERGENCE' in names, 'no event tells of the decision'
        assert run['forecast_at_decision']['downtime-ms'] > 0, 'no forecast at the decision'
        assert summary.forecast_error(run) is not None, 'no forecast error'
    if run['config'].startswith('doubling'):
        assert run['controller'][0][1] == 300, 'the controller did not begin at 300 ms'
    if run['config'].startswith('post-copy'):
        assert run['postcopy_at_s'], 'it never switched to post-copy'


def done_already(make_bench, options):
    bench = make_bench(options)
    left = bench.missing()
    assert not left, f'{len(left)} runs would be done again'
    # A rotation has every configuration once a round.
    for number in range(7):
        assert sorted(matrix.turn([1, 2, 3], number)) == [1, 2, 3]
    return f'{len(bench.cells)} found'


def packed(folder):
    found = results.load_folder(folder)
    for name, runs in found.items():
        results.write(folder / f'{name}.json', results.pack(runs))
        again = results.load_pack(folder / f'{name}.json')
        key = lambda r: (r['config'], r['run'])     # noqa: E731
        for old, new in zip(sorted(runs, key=key), sorted(again, key=key)):
            left_out = ('schema', 'convergence', *results.SERIES)
            old = {k: v for k, v in old.items() if k not in left_out}
            new = {k: v for k, v in new.items() if k not in left_out}
            assert old == new, f'{name} differs after packing'
    assert found, 'nothing was kept'
    return ', '.join(f'{name}: {len(runs)} runs' for name, runs in found.items())


def history_cost(folder, qemu):
    kept = folder / 'history-cost.json'
    done = subprocess.run([paths.REPO / 'tests' / 'bench' / 'history-cost', '--qemu', qemu, '--accel', 'tcg', '--hot-mib', '4',
                           '--rounds', '2', '--seconds', '2', '--json', kept], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(kept.read_text(encoding='utf-8'))
    for found in data['runs'][0]['rounds']:
        assert all(found[way]['per_s'] > 0 for way in ('no migration', 'plain', 'page history')), 'a guest that does not write'
        assert found['plain']['looks_per_s'] == 0, 'QEMU looks inside rounds without a history'
        assert found['page history']['looks_per_s'] > 0, 'the history never looks'
    return done.stdout.splitlines()[0]
