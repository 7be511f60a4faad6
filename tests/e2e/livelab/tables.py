# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the tables of README.md and docs/ from the JSON in tests/results.

A table stands between the markers <!-- table:NAME --> and <!-- /table -->.
A table whose JSON is not there is left as it is.  bench-WORKLOAD has all
configurations that were measured with a workload, policy-NAME a policy on all
workloads that it was measured with; sim-NAME what the simulator
wrote to sim-NAME.json: {"tables": [{"title", "headings", "rows"}]}, brief-NAME
only the first of them.
"""
import argparse
import functools
import json
import re
import sys

from . import paths, report, results, summary
from .errors import LabError, run_program
from .stats import describe, quantile

ROOT = paths.REPO
RESULTS = ROOT / 'tests' / 'results'
PAIRED = ('hot60', 'burst200')
BASELINE = 'stock-2000'
HINTED = 'phased-tags'
ORDERED = ('idle', 'uniform300', 'sweep150', 'hot60')
ORDER_BASE = 'threshold+downtime-limit=2000'
OTHERS = {BASELINE: 'a limit of 2000 ms', 'doubling': 'a limit that doubles', 'stall': '`stall`'}
AGAINST = ('total_ms', 'downtime_ms', 'sent_bytes')
FIGURES = ('total_ms', 'downtime_ms', 'outage_ms', 'sent_bytes')
MATRIX = ('total_ms', 'downtime_ms', 'outage_ms', 'sent_bytes', 'guest_speed', 'cpu_ms')
OF_SOME = ('program_speed', 'held_ms')      # shown where there are any


@functools.lru_cache(maxsize=None)
def measured():
    """{workload: runs} of what is published."""
    return results.load_folder(RESULTS)


def load(name):
    path = RESULTS / f'{name}.json'
    return json.loads(path.read_text(encoding='utf-8')) if path.exists() else None


def markdown(headings, rows):
    lines = ['| ' + ' | '.join(headings) + ' |', '|' + ' --- |' * len(headings)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def demo():
    path = RESULTS / 'demo.json'
    if not path.exists():
        return None
    about, runs = results.load_demo(path)
    return (markdown(report.HEADINGS, [report.row(run) for run in runs])
            + f"\n\n{about['ram_mib']} MiB guest under stress-ng, a link of {runs[0]['link']['rate_mib_s']} MiB/s, "
              f"{about['accelerator'].upper()}; one run each, on a host with a load of up to "
              f"{max(run['load_average'] for run in runs):.1f}, which makes times and guest speed rough.")


def where(runs):
    """The machine, in a line."""
    first = runs[0]
    note = (f"{first['host']['cpu']}, {first['host']['cores']} cores, Linux {first['host']['kernel']}, "
            f"{first['settings']['accelerator'].upper()}.")
    return ' '.join(filter(None, [note, summary.load_note(runs)]))


def pairs(workloads, baseline, ours, headings, figures=FIGURES):
    """Medians of both, and the ratios within rounds, of two configurations."""
    rows, notes = [], []
    for workload in workloads:
        runs = measured().get(workload)
        if not runs:
            continue
        sides = [{r['run']: r for r in runs if r['config'] == name} for name in (baseline, ours)]
        both = sorted(k for k in sides[0].keys() & sides[1].keys() if sides[0][k]['success'] and sides[1][k]['success'])
        for figure in figures if both else ():
            label, write, _ = summary.FIGURES[figure]
            values = [[summary.value(side[k], figure) for k in both] for side in sides]
            if None in values[0] + values[1]:
                continue
            ratios = [mine / base for base, mine in zip(*values) if base]
            rows.append([runs[0]['workload_is'], label, str(len(both)), *(write(quantile(v, 0.5)) for v in values),
                         f'{quantile(ratios, 0.5):.2f}', f'{min(ratios):.2f} to {max(ratios):.2f}'])
        mine = [r for side in sides for r in side.values()]
        notes.append(f"{workload}: {len(sides[0])} and {len(sides[1])} runs, "
                     f"{sum(r['success'] for r in sides[0].values())} and {sum(r['success'] for r in sides[1].values())} completed, "
                     f"{'all' if all(r['memory_verified'] for r in mine) else 'NOT all'} memory verified. " + where(mine))
    if not rows:
        return None
    return (markdown(['guest', 'figure', 'pairs', *headings, 'ratio, median', 'ratio, range'], rows)
            + '\n\n' + '\n\n'.join(notes))


def stall_pairs():
    return pairs(PAIRED, BASELINE, 'stall', ['limit 2000 ms, median', '`stall`, median'])


def hint_pairs():
    """The same policy without and with hints; the longest hold."""
    text = pairs([HINTED], 'predict', 'predict+guest-hints', ['without hints, median', 'with hints, median'],
                 (*FIGURES, 'program_speed'))
    held = [v for v in (summary.value(r, 'held_ms') for r in measured().get(HINTED, [])) if v is not None]
    return text and text + (f"\n\nThe guest held a migration for {report.milliseconds(quantile(held, 0.5))} in the median, "
                            f"{report.milliseconds(max(held))} at most." if held else '')


def order_pairs(workloads=ORDERED, base=ORDER_BASE):
    """Address order and the order of the page history, under the same rule."""
    return pairs(workloads, base, base + '+page-history', ['address order, median', 'by history, median'],
                 ('sent_bytes', 'total_ms', 'downtime_ms'))


def order_rates():
    """[(page writes/s, [downtime by history / in address order, of each round])], by rate."""
    found = []
    for name, runs in measured().items():
        rate = re.fullmatch(r'(\d[\d,]*) MiB hot, (\d[\d,]*) page writes/s', runs[0]['workload_is'])
        sides = [{r['run']: r['downtime_ms'] for r in runs if r['config'] == config and r['success']}
                 for config in (ORDER_BASE, ORDER_BASE + '+page-history')]
        both = sorted(sides[0].keys() & sides[1].keys())
        if rate and name.startswith('hot60') and both:
            found.append((int(rate[2].replace(',', '')), [round(sides[1][k] / sides[0][k], 4) for k in both]))
    return sorted(found)


def policy(name):
    """A policy on every guest that it was measured with, against what else one could have chosen."""
    others = {other: said for other, said in OTHERS.items() if other != name}
    rows = []
    for runs in measured().values():
        mine = [r for r in runs if r['config'] == name]
        if not mine:
            continue
        done = [r for r in mine if r['success']]
        row = [runs[0]['workload_is'], f'{len(done)} of {len(mine)}',
               report.seconds(quantile([r['total_ms'] for r in done], 0.5)) if done else '-',
               f"{report.milliseconds(quantile([r['downtime_ms'] for r in done], 0.5))} ("
               f"{report.milliseconds(max(r['downtime_ms'] for r in done))})" if done else '-']
        for against in others:
            entry = summary.summarize(runs, against)[name] if any(r['config'] == against for r in runs) else {}
            ratios = [entry.get(f'{figure}_ratio') for figure in AGAINST]
            row.append(' / '.join(f"{r['median']:.2f}" for r in ratios) if all(ratios) else '-')
        stock = [r['success'] for r in runs if r['config'] == 'stock']
        rows.append(row + [f'{sum(stock)} of {len(stock)}' if stock else '-'])
    if not rows:
        return None
    headings = ['guest', 'completed', 'total', 'downtime (longest)', *(f'to {said}' for said in others.values()), 'stock completed']
    return markdown(headings, rows) + ('\n\nMedians; behind "to" the ratios of total time / downtime / bytes sent within the same round: to stock '
                                       'QEMU with a limit of 2000 ms, and with one that is doubled from 300 ms every 5 s until it ends. '
                                       'Stock with a limit of 300 ms was given up after 60 s.')


def bench(workload):
    """All configurations of a workload: median, and quartiles in brackets."""
    runs = measured().get(workload)
    if not runs:
        return None
    figures = MATRIX + tuple(f for f in OF_SOME if any(summary.value(r, f) is not None for r in runs))
    rows = [[f'`{name}`', f"{entry['completed']} of {entry['runs']}",
             *(summary.spread(figure, entry[figure]) for figure in figures)]
            for name, entry in summary.summarize(runs).items()]
    first = runs[0]
    verified = 'all' if all(r['memory_verified'] for r in runs) else 'NOT all'
    return (markdown(['configuration', 'completed', *(summary.FIGURES[f][0] for f in figures)], rows)
            + f"\n\n{first['workload_is'][:1].upper() + first['workload_is'][1:]}; {first['settings']['ram_mib']} MiB guest, link of "
              f"{first['settings']['link_mib_s']:g} MiB/s, given up after {first['settings']['time_limit_s']:g} s; "
              f"median (quartiles); {verified} memory verified. {where(runs)}")


def forecast():
    rows = []
    for runs in measured().values():
        for name in summary.names(runs):
            mine = [r for r in runs if r['config'] == name and r['convergence'] and summary.value(r, 'forecast_error') is not None]
            if not mine:
                continue
            before = [r for r in mine if (r.get('forecast_before') or {}).get('downtime-ms', -1) > 0]
            rows.append([runs[0]['workload_is'], f'`{name}`', str(len(mine)),
                         report.milliseconds(quantile([r['downtime_ms'] for r in mine], 0.5)),
                         errors([summary.forecast_error(r) for r in mine]),
                         errors([r['downtime_ms'] / r['forecast_before']['downtime-ms'] - 1 for r in before])])
    if not rows:
        return None
    return (markdown(['guest', 'policy', 'runs', 'measured downtime, median', 'error at the decision', 'error 2 s before'], rows)
            + '\n\nMedian (range) of measured / forecast - 1: +10% is a downtime that was a tenth longer than forecast.')


def errors(values):
    if not values:
        return '-'
    return f'{quantile(values, 0.5):+.0%} ({min(values):+.0%} to {max(values):+.0%})'


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


def history_cost():
    """What the page history takes from a guest that does nothing but write."""
    data = load('history-cost')
    if not data:
        return None
    rows = []
    for run in data['runs']:
        seen = {name: describe(values) for name, values in run['figures'].items()}
        ratios = [f"{s['median']:.3f} ({s['min']:.3f} to {s['max']:.3f})" for s in (seen['history'], seen['chance'], seen['log'])]
        cost = seen['ns_per_page_and_look']
        rows.append([run['accel'].upper(), str(len(run['rounds'])), f"{seen['plain_per_s']['median']:,.0f}", *ratios,
                     f"{seen['looks_per_s']['median']:.1f}", f"{cost['median']:.0f} ({cost['min']:.0f} to {cost['max']:.0f})"])
    return (markdown(['', 'n', 'page writes/s', 'with the history / without', 'by chance', 'migrating / not', 'looks/s',
                      'ns for each page and look'], rows)
            + f"\n\nMedian (range), {data['runs'][0]['hot_mib']} MiB. By chance: a round without against the one before. "
              f"{data['host']['cpu']}, {data['host']['cores']} cores, Linux {data['host']['kernel']}.")


def validation_points():
    data = load('validation')
    if data and data.get('schema') != 'validation/1':
        raise LabError(f"tests/results/validation.json has schema {data.get('schema')!r}, not validation/1")
    return data['points'] if data else []


VALIDATED = (('total_ms', 'total time'), ('sent_bytes', 'sent'), ('downtime_ms', 'downtime (QEMU)'),
             ('outage_ms', 'outage (guest)'))


def validation_errors(points):
    """[{workload, config, runs, figure: {median, worst, bias}}]: all of them, then each workload x configuration.

    An error is |simulated / real - 1|, the bias the median with its sign."""
    groups = {(None, None): points}
    for point in points:
        groups.setdefault((point['workload'], point['config']), []).append(point)
    found = []
    for (workload, config), mine in groups.items():
        entry = {'workload': workload, 'config': config, 'runs': len(mine)}
        for key, _ in VALIDATED:
            ratios = [p['simulated'][key] / p['real'][key] - 1 for p in mine
                      if (p['real'].get(key) or 0) > 0 and (p['simulated'].get(key) or 0) > 0]
            entry[key] = {'runs': len(ratios), 'median': round(quantile([abs(r) for r in ratios], 0.5), 4),
                          'worst': round(max(ratios, key=abs), 4),
                          'bias': round(quantile(ratios, 0.5), 4)} if ratios else None
        found.append(entry)
    return found


def validation_rows(points):
    rows = []
    for entry in validation_errors(points):
        name = f"`{entry['config']}`" if entry['config'] else 'all'
        rows.append([entry['workload'] or 'all', name, str(entry['runs']),
                     *(f"{e['median']:.1%} ({e['worst']:+.1%})" if (e := entry[key]) else '-' for key, _ in VALIDATED)])
    return ['guest', 'configuration', 'runs', *(label for _, label in VALIDATED)], rows


def validation_text(points):
    """The same for a terminal."""
    return report.table(*validation_rows(points))


def validation():
    """How far the simulator is from reality, in absolute relative error."""
    points = validation_points()
    if not points:
        return None
    differ = sum((p['real']['status'] == 'completed') != (p['simulated']['status'] == 'completed') for p in points)
    ended = (f'Of {len(points)} runs {differ} completed on one side only.' if differ
             else 'All runs ended alike on both sides.')
    host = load('validation')['host']
    constants = (f"what the host adds measured on {host['runs']} idle guests" if host['runs']
                 else "what the host adds as mig-sim's defaults have it")
    return (markdown(*validation_rows(points)) + '\n\nMedian of |simulated / real - 1|; in brackets the worst run, '
            f'with its sign. {ended} Traces: 100 ms a record; {constants}.')


def simulated(name, brief=False):
    """The tables of sim-NAME.json, one below the other; @brief: only what sums up the rest."""
    data = load(name)
    if not data or not data.get('tables'):
        return None
    if brief:
        first = data['tables'][0]
        return markdown(first['headings'], [[str(c) for c in row] for row in first['rows']])
    return '\n\n'.join(f"{t['title']}:\n\n" + markdown(t['headings'], [[str(c) for c in row] for row in t['rows']])
                       for t in data['tables'])


TABLES = {'demo': demo, 'stall-pairs': stall_pairs, 'hint-pairs': hint_pairs, 'order-pairs': order_pairs,
          'order-idle': lambda: order_pairs(('idle',), 'threshold'), 'history-cost': history_cost,
          'forecast': forecast, 'cost': cost, 'validation': validation}


def make(name):
    """A table's Markdown, or None where its JSON is not there."""
    if name.startswith('bench-'):
        return bench(name[len('bench-'):])
    if name.startswith('policy-'):
        return policy(name[len('policy-'):])
    if name.startswith('sim-'):
        return simulated(name)
    if name.startswith('brief-'):
        return simulated(f"sim-{name[len('brief-'):]}", brief=True)
    if name not in TABLES:
        raise LabError(f"no table '{name}'; there are: {', '.join(TABLES)}, bench-WORKLOAD, policy-NAME, sim-NAME and brief-NAME")
    return TABLES[name]()


def fill(text):
    def replace(match):
        made = make(match[2])
        return match[0] if made is None else f'{match[1]}\n{made}\n{match[3]}'
    return re.sub(r'(<!-- table:([\w-]+) -->)\n(?:.*?\n)??(<!-- /table -->)', replace, text, flags=re.S)


def pages():
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]


def fill_pages(check):
    """Names of the pages that change; written unless @check."""
    stale = []
    for path in pages():
        old = path.read_text(encoding='utf-8')
        new = fill(old)
        if new != old:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                results.write(path, new)
    return stale


def main():
    parser = argparse.ArgumentParser(prog='scripts/fill-tables', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; fail if a page is not what it would become')
    args = parser.parse_args()
    stale = fill_pages(args.check)
    if args.check and stale:
        print(f"fill-tables: {', '.join(stale)} not in step with tests/results: run scripts/fill-tables", file=sys.stderr)
        return 1
    print(f"fill-tables: {'wrote ' + ', '.join(stale) if stale else 'all tables are in step'}")
    return 0


if __name__ == '__main__':
    run_program(main, 'fill-tables', 'fill-tables: interrupted')
