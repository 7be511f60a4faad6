# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the tables of README.md and docs/results.md from the JSON in tests/results.

A table stands between the markers <!-- table:NAME --> and <!-- /table -->.
A table whose JSON is not there is left as it is.
"""
import argparse
import json
import os
import re
import sys

from . import report
from .stats import describe, quantile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
RESULTS = os.path.join(ROOT, 'tests/results')
PAGES = ('README.md', 'docs/results.md')
PAIRED = ('hot60', 'burst200')
BASELINE = 'stock-2000'
FIGURES = (('total time', 'total_ms'), ('downtime, QEMU\'s', 'downtime_ms'), ('outage, the guest\'s', 'outage_ms'),
           ('sent', 'sent_bytes'))


def load(name):
    path = os.path.join(RESULTS, name + '.json')
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8') as f:
        return json.load(f)


def markdown(headings, rows):
    lines = ['| ' + ' | '.join(headings) + ' |', '|' + ' --- |' * len(headings)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def demo():
    data = load('demo')
    if not data:
        return None
    first = data['runs'][0]
    return (markdown(report.HEADINGS, [report.row(run) for run in data['runs']])
            + f"\n\n{data['ram_mib']} MiB guest under stress-ng, a link of {first['link']['rate_mib_s']} MiB/s, "
              f"{data['accelerator'].upper()}; one run each, on a host with a load of up to "
              f"{max(run['load_average'] for run in data['runs']):.1f}, which makes times and guest speed rough.")


def load_note(data):
    most = max(run['load_average'] for run in data['runs'])
    cores = data['host']['cores']
    note = f"{data['host']['cpu']}, {cores} cores, Linux {data['host']['kernel']}, {data['accelerator'].upper()}."
    if most > cores + 1.5:
        note += (f' Other work ran on the host (load up to {most:.1f}): '
                 'ratios of pairs are more to be trusted than single times.')
    return note


def by_config(data, config):
    return {run['pair']: run for run in data['runs'] if run['config'] == config}


def figure(run, key):
    value = run[key]
    return report.mebibytes(value) if key == 'sent_bytes' else report.milliseconds(value)


def stall_pairs():
    rows, notes, missing = [], [], True
    for workload in PAIRED:
        data = load(workload)
        if not data:
            continue
        missing = False
        base, ours = by_config(data, BASELINE), by_config(data, 'stall')
        pairs = sorted(pair for pair in base.keys() & ours.keys()
                       if base[pair]['success'] and ours[pair]['success'])
        for label, key in FIGURES:
            ratios = [ours[p][key] / base[p][key] for p in pairs]
            middle = [describe([runs[p][key] for p in pairs])['median'] for runs in (base, ours)]
            rows.append([data['workload_is'], label, str(len(pairs)),
                         *(figure({key: value}, key) for value in middle),
                         f'{quantile(ratios, 0.5):.2f}', f'{min(ratios):.2f} to {max(ratios):.2f}'])
        notes.append(f"{workload}: {len(base)} and {len(ours)} runs, "
                     f"{sum(r['success'] for r in base.values())} and {sum(r['success'] for r in ours.values())} completed, "
                     f"{'all' if all(r['memory_verified'] for r in data['runs']) else 'NOT all'} memory verified. "
                     + load_note(data))
    if missing:
        return None
    return (markdown(['guest', 'figure', 'pairs', 'limit 2000 ms, median', '`stall`, median', 'ratio, median',
                      'ratio, range'], rows) + '\n\n' + '\n\n'.join(notes))


def forecast():
    rows = []
    for workload in PAIRED:
        data = load(workload)
        runs = [run for run in (data or {}).get('runs', []) if run['config'] == 'stall' and run['success']]
        runs = [run for run in runs if (run['forecast_at_decision'] or {}).get('downtime-ms', -1) > 0]
        if not runs:
            continue
        predicted = [run['forecast_at_decision']['downtime-ms'] for run in runs]
        errors = [(run['downtime_ms'] / p - 1) * 100 for run, p in zip(runs, predicted)]
        rows.append([data['workload_is'], str(len(runs)), report.milliseconds(quantile(predicted, 0.5)),
                     report.milliseconds(quantile([run['downtime_ms'] for run in runs], 0.5)),
                     f'{quantile(errors, 0.5):+.0f}%', f'{min(errors):+.0f}% to {max(errors):+.0f}%'])
    if not rows:
        return None
    return markdown(['guest', 'runs', 'forecast, median', 'measured, median', 'error, median', 'error, range'], rows)


def cost():
    data = load('sync-cost')
    if not data:
        return None
    rows = []
    for run in data['runs']:
        seen = describe(run['sync_ms'])
        rows.append([run['accel'].upper(), f"{run['ram_gib']} GiB", str(seen['n']), f"{seen['median']:.2f} ms",
                     f"{seen['min']:.2f} to {seen['max']:.2f} ms",
                     f"{seen['median'] * 1000 / run['ram_gib']:.0f} us"])
    return (markdown(['dirty log of', 'guest', 'syncs', 'median', 'range', 'median per GiB'], rows)
            + f"\n\nA quiet guest; Linux {data['kernel']}.")


TABLES = {'demo': demo, 'stall-pairs': stall_pairs, 'forecast': forecast, 'cost': cost}


def fill(text):
    def replace(match):
        make = TABLES.get(match[2])
        if not make:
            raise SystemExit(f"no table '{match[2]}'; there are: {', '.join(TABLES)}")
        made = make()
        return match[0] if made is None else f'{match[1]}\n{made}\n{match[3]}'
    return re.sub(r'(<!-- table:([\w-]+) -->)\n.*?\n(<!-- /table -->)', replace, text, flags=re.S)


def main():
    parser = argparse.ArgumentParser(prog='scripts/fill-tables', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; fail if a page is not what it would become')
    args = parser.parse_args()
    stale = []
    for page in PAGES:
        path = os.path.join(ROOT, page)
        with open(path, encoding='utf-8') as f:
            old = f.read()
        new = fill(old)
        if new == old:
            continue
        stale.append(page)
        if not args.check:
            with open(path + '.new', 'w', encoding='utf-8') as f:
                f.write(new)
            os.replace(path + '.new', path)
    if args.check and stale:
        print(f"fill-tables: {', '.join(stale)} not in step with tests/results: run scripts/fill-tables", file=sys.stderr)
        return 1
    print(f"fill-tables: {'wrote ' + ', '.join(stale) if stale else 'all tables are in step'}")
    return 0


if __name__ == '__main__':
    sys.exit(main())
