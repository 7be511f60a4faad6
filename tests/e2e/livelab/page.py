# SPDX-License-Identifier: GPL-2.0-or-later
"""One page with all results, and the figures and tables of README and docs,
from the JSON alone; the program behind scripts/report."""
import argparse
import base64
import html
import os
import sys
from pathlib import Path

from . import figures, paths, report, results, summary, svg, tables
from .errors import LabError, run_program

PLOTS = paths.REPO / 'docs' / 'plots'
# Workloads whose figures the docs show.
IN_DOCS = ('hot60', 'burst200', 'phased-tags')
# Each of these has a page with a run in it, of this workload.
POLICIES = ('classic', 'predict', 'stall', 'frequent-set', 'memory-pattern')
POLICIES_ON = 'hot60'
RATIOS = ('total_ms', 'downtime_ms', 'outage_ms', 'sent_bytes', 'guest_speed', 'cpu_ms')
STYLE = '''
:root { --ink: #24292f; --paper: #fff; --line: #d0d7de; --soft: #f6f8fa; --link: #0969da }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #161b22; --link: #4493f8 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 4rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem }
a { color: var(--link) } nav a { margin-right: 1rem }
figure { margin: 1.5rem 0 } figure img { max-width: 100%; height: auto; display: block }
figcaption { font-size: .9rem; opacity: .8 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: right; white-space: nowrap }
th { background: var(--soft) } th:first-child, td:first-child { text-align: left }
td.bad { color: #d1242f; font-weight: 600 }
'''


def parse_arguments():
    parser = argparse.ArgumentParser(prog='scripts/report', description=(
        'Make one self-contained HTML page of benchmark results, or the figures and tables of README and docs, '
        'from the JSON alone.'))
    parser.add_argument('--results', metavar='DIR', default=str(tables.RESULTS),
                        help='packed results, or the folder of a benchmark (default tests/results)')
    parser.add_argument('--output', metavar='FILE', default=str(paths.BUILD / 'report.html'),
                        help='the page (default build/report.html)')
    parser.add_argument('--docs', action='store_true',
                        help='write docs/plots and the tables of README and docs from tests/results instead')
    parser.add_argument('--check', action='store_true',
                        help='write nothing; fail if --docs would change anything')
    return parser.parse_args()


# ---- README and docs ----

def doc_figures():
    measured = tables.measured()
    made = [f for name in IN_DOCS if name in measured for f in figures.of_workload(name, measured[name])]
    made += figures.of_policies(measured.get(POLICIES_ON, []), POLICIES)
    path = tables.RESULTS / 'demo.json'
    demo = results.load_demo(path)[1] if path.exists() else None
    return made + figures.of_all(measured, tables.validation_points(), demo, tables.order_rates())


def write_docs():
    wanted = {}
    for figure in doc_figures():
        text = figure.text()
        if text:
            wanted[f'{figure.name}.svg'] = text
    for name, text in wanted.items():
        results.write(PLOTS / name, text)
    for path in PLOTS.glob('*.svg'):
        if path.name not in wanted:
            path.unlink()
    pages = tables.fill_pages(check=False)
    print(f"report: {len(wanted)} figures in docs/plots; tables: {', '.join(pages) or 'no change'}")
    return 0


def check_docs():
    """Without drawing: each figure tells what it was made from."""
    wanted = {f'{f.name}.svg': f.origin for f in doc_figures()}
    there = {p.name for p in PLOTS.glob('*.svg')}
    stale = [f'docs/plots/{name}' for name, origin in wanted.items() if svg.origin_of(PLOTS / name) != origin]
    stale += [f'docs/plots/{name}' for name in sorted(there - set(wanted))]
    stale += tables.fill_pages(check=True)
    if stale:
        print(f"report: not what tests/results gives: {', '.join(stale)}; run scripts/report --docs", file=sys.stderr)
        return 1
    print(f'report: {len(wanted)} figures and all tables are what tests/results gives')
    return 0


# ---- the page ----

def element_table(headings, rows):
    head = ''.join(f'<th>{html.escape(h)}</th>' for h in headings)
    body = ''.join('<tr>' + ''.join(
        f'<td{" class=bad" if cell in ("DAMAGED", "FAILED") else ""}>{html.escape(cell)}</td>' for cell in row) + '</tr>' for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def element_figure(figure):
    text = figure.text()
    if not text:
        return ''
    data = base64.b64encode(text.encode()).decode()
    return (f'<figure><img alt="{html.escape(figure.title)}" src="data:image/svg+xml;base64,{data}">'
            f'<figcaption>{html.escape(figure.caption)}</figcaption></figure>')


def section(name, runs):
    there = summary.names(runs)
    baseline = tables.BASELINE if tables.BASELINE in there else there[0]
    rows, ratios = [], []
    for config, entry in summary.summarize(runs, baseline).items():
        rows.append([config, f"{entry['completed']} of {entry['runs']}",
                     *(summary.spread(f, entry[f]) for f in summary.FIGURES)])
        if config != baseline:
            ratios.append([config, *(ratio(entry[f'{f}_ratio']) for f in RATIOS)])
    headings = ['configuration', 'completed', *(v[0] for v in summary.FIGURES.values())]
    compared = element_table([f'ratio to {baseline}', *(summary.FIGURES[f][0] for f in RATIOS)], ratios) if ratios else ''
    first = runs[0]
    intro = (f"{first['workload_is']}; {first['settings']['ram_mib']} MiB guest, {first['settings']['accelerator'].upper()}, "
             f"link of {first['settings']['link_mib_s']:g} MiB/s by {first['settings']['link_kind']}, given up after "
             f"{first['settings']['time_limit_s']:g} s. Median (quartiles); ratios within the same round, "
             f"median (range). {summary.load_note(runs)}")
    return (f'<h2 id="{name}">{name}</h2><p>{html.escape(intro)}</p>' + element_table(headings, rows) + '<br>' + compared
            + ''.join(map(element_figure, figures.of_workload(name, runs))) + single_runs(runs))


def ratio(described):
    return f"{described['median']:.2f} ({described['min']:.2f} .. {described['max']:.2f})" if described else '-'


def single_runs(runs):
    rows = []
    for run in sorted(runs, key=lambda r: (r['run'], r['started'])):
        decision = (run['convergence'] or {}).get('decision') or {}
        rows.append([*report.row(run), str(run['run'] + 1), run['started'], decision.get('reason') or '-',
                     f"{run['load_average']:.1f}", f"{run['link']['goodput_mib_s']:g} MiB/s"])
    return ('<details><summary>Each run</summary>'
            + element_table([*report.HEADINGS, 'round', 'started', 'reason', 'load', 'link measured'], rows) + '</details>')


def provenance(runs):
    """Hosts, kernels and versions: a row for each that differs."""
    seen = {}
    for run in runs:
        key = (run['host']['cpu'], str(run['host']['cores']), run['host']['kernel'], run['guest_kernel'],
               run['qemu']['version'], run['qemu']['build'], run['qemu']['digest'] or '-', run['commit'] or '-')
        seen[key] = seen.get(key, 0) + 1
    return element_table(['CPU', 'cores', 'kernel', 'guest kernel', 'QEMU', 'build', 'binary (SHA-256)', 'commit', 'runs'],
                         [[*key, str(count)] for key, count in seen.items()])


def from_markdown(text):
    """An HTML table of one of tables.py's, and the text below it."""
    lines = text.splitlines()
    rows = [[cell.strip().replace('`', '') for cell in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    rest = ' '.join(line for line in lines if line and not line.startswith('|'))
    return element_table(rows[0], rows[2:]) + f'<p>{html.escape(rest)}</p>'


def simulations(folder):
    """Tables that the simulator left in sim-*.json, as they are."""
    parts = []
    for path in sorted(Path(folder).glob('sim-*.json')):
        data = tables.load(path.stem) if Path(folder) == tables.RESULTS else None
        for table in (data or {}).get('tables', []):
            parts.append(f"<h3>{html.escape(table['title'])}</h3>"
                         + element_table(table['headings'], [[str(c) for c in row] for row in table['rows']]))
    return parts


def make_page(folder):
    measured = results.load_folder(folder)
    if not measured:
        raise LabError(f'there are no benchmark results in {folder}')
    runs = [r for rs in measured.values() for r in rs]
    points = tables.validation_points() if Path(folder) == tables.RESULTS else []
    parts = [section(name, rs) for name, rs in measured.items()]
    parts.append('<h2 id="forecasts">Forecasts and simulation</h2>')
    parts += [element_figure(f) for f in figures.of_all(measured, points, None)]
    if points:
        parts.append(from_markdown(tables.validation()))
    parts += simulations(folder)
    parts.append('<h2 id="made-with">Made with</h2>' + provenance(runs))
    nav = ' '.join(f'<a href="#{name}">{name}</a>' for name in [*measured, 'forecasts', 'made-with'])
    started = sorted(r['started'] for r in runs)
    lost = sum(r['memory_verified'] is not True for r in runs)
    intro = (f"{len(runs)} migrations, {started[0][:10]} to {started[-1][:10]}; "
             + (f'MEMORY WAS DAMAGED in {lost} of them.' if lost else 'the memory of each was verified.'))
    return ('<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f'<meta name="color-scheme" content="light dark"><title>Migration benchmark</title><style>{STYLE}</style>'
            f'<h1>Migration benchmark</h1><p>{html.escape(intro)}</p><nav>{nav}</nav>' + '\n'.join(parts) + '</html>\n')


def main():
    options = parse_arguments()
    if options.check:
        return check_docs()
    if options.docs:
        return write_docs()
    results.write(options.output, make_page(options.results))
    print(f'report: {os.path.relpath(options.output)}')
    return 0


if __name__ == '__main__':
    run_program(main, 'report', 'report: interrupted')
