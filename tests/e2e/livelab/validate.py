# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated migrations against real ones of the same workload: scripts/validate.

Each real run is repeated on paper: mig-sim replays a trace of the workload,
recorded without any migration, under the policy, limits, page order and outside
controller of that run, entered at the moment of the workload's cycle at which
the run began, over the bandwidth that the link gave just before it.

Nothing is fitted on the runs that are compared.  What a host adds is measured
apart, on migrations of an idle guest, see Host.
"""
import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from . import configs, paths, processes, results, simcase, tables, workloads
from .errors import LabError, run_program
from .stats import quantile

SCHEMA = 'validation/1'
FIGURES = ('total_ms', 'sent_bytes', 'downtime_ms', 'outage_ms')
# A configuration that ends an idle guest's migration with next to nothing left.
IDLE, IDLE_CONFIG = 'idle', 'stock-30'
TRACE_S = 24


@dataclass
class Host:
    """What this host adds to a migration, in medians over idle guests' migrations."""

    runs: int = 0
    # The link waits so long for a page that is new to the destination.
    first_page_ns: float = 0
    # From "migrate" to the first page.
    setup_ms: float = None
    # In QEMU's downtime, besides what is sent: stopping the guest, its devices.
    stop_ms: float = 0
    # In the guest's outage besides: loading, starting, and half a heartbeat or more.
    start_ms: float = 15


class Validation:
    def __init__(self, options, say):
        self.options, self.say = options, say
        self.tools = simcase.Tools(options.engine)
        self.traces = traces_beside(options.results)
        self.measured = load(options.results, self.traces)
        self.host = Host()

    # ---- what the host adds ----

    def measure_host(self):
        """From idle runs; without any, mig-sim's stated defaults."""
        runs = [r for r in self.measured.get(IDLE, ()) if r['success'] and r['config'] == IDLE_CONFIG]
        if not runs:
            self.say(f'there are no runs of {IDLE} under {IDLE_CONFIG}: going by the defaults of mig-sim '
                     f'(scripts/bench --workloads {IDLE} --configs {IDLE_CONFIG} makes some)')
            return
        trace = self.trace(IDLE)
        # Everything but the last is sent while the guest runs, once a page.
        first = [max(0, (r['total_ms'] - r['setup_ms'] - r['downtime_ms']) * 1e6
                     - r['sent_bytes'] / self.bandwidth(r) * 1e9) / (r['sent_bytes'] / simcase.PAGE_BYTES) for r in runs]
        self.host = Host(len(runs), round(quantile(first, 0.5)), quantile([r['setup_ms'] for r in runs], 0.5), 0, 0)
        stop, start = [], []
        for run in runs:
            simulated = self.simulate(run, trace, 0)
            stop.append(run['downtime_ms'] - simulated['downtime_ms'])
            start.append(run['outage_ms'] - simulated['outage_ms'] - stop[-1])
        self.host.stop_ms, self.host.start_ms = (round(max(0, quantile(v, 0.5)), 1) for v in (stop, start))
        self.say(f'this host, by {len(runs)} migrations of an idle guest: {self.host.first_page_ns} ns more for a page '
                 f'that is new to the destination, {self.host.stop_ms} ms to stop, {self.host.start_ms} ms to start')

    # ---- traces ----

    def trace_path(self, name):
        return self.traces.get(name) or Path(self.options.traces) / f'{name}.mtrace'

    def trace(self, name):
        """The workload's trace; recorded now if there is none."""
        path = self.trace_path(name)
        if (self.options.record and name not in self.traces) or not path.exists():
            cycle_s = workloads.create(name).cycle_s or 1
            seconds = -(-TRACE_S // cycle_s) * cycle_s
            self.say(f'recording {path}, {seconds} s')
            done = subprocess.run([paths.REPO / 'scripts' / 'record-trace', name, '--seconds', str(seconds),
                                   '--output', path], check=False, stdout=sys.stderr)
            if done.returncode:
                raise LabError(f'{name} could not be recorded; see the message above')
        return simcase.Trace(path, self.tools, workloads.create(name).cycle_s)

    # ---- one run ----

    def simulate(self, run, trace, number):
        host = self.host
        found = self.tools.simulate([
            '--trace', trace.path, '--phase', f'{trace.begin_s(run["phase_s"], number):.6f}s',
            '--link', str(round(self.bandwidth(run))),
            '--completion', '0', '--first-page-cost', f'{host.first_page_ns / 1000}us',
            '--time-limit', f"{run['settings']['time_limit_s']}s", *simcase.arguments(configs.parse(run['config']))])
        if found['end'] != 'completed':
            return {'status': found['end'], **dict.fromkeys(FIGURES)}
        # QEMU's clock stops when its last byte is in a buffer, the guest's when it runs again.
        running_ms = found['total_ms'] - found['downtime_ms']
        downtime_ms = found['handed_over_ms'] + host.stop_ms
        if host.setup_ms is not None:
            running_ms += host.setup_ms - simcase.SETUP_MS
        return {'status': 'completed', 'total_ms': round(running_ms + downtime_ms), 'sent_bytes': found['sent_bytes'],
                'downtime_ms': round(downtime_ms),
                'outage_ms': round(found['downtime_ms'] + host.stop_ms + host.start_ms)}

    def bandwidth(self, run):
        """Bytes a second."""
        key = 'rate_mib_s' if self.options.link == 'nominal' else 'goodput_mib_s'
        return run['link'][key] * (1 << 20)

    # ---- all ----

    def chosen(self):
        if self.options.workloads:
            return self.options.workloads.split(',')
        return [name for name in workloads.ALL if name in self.measured and self.trace_path(name).exists()]

    def run(self):
        self.measure_host()
        points, left_out = [], {}
        for name in self.chosen():
            runs = self.measured.get(name)
            if not runs:
                raise LabError(f"no runs of {name} in {', '.join(map(str, self.options.results))}; "
                               'scripts/bench makes some')
            trace = self.trace(name)
            for number, run in enumerate(sorted(runs, key=lambda r: r['started'])):
                reason = simcase.not_simulated(configs.parse(run['config']))
                if reason:
                    left_out[run['config']] = reason
                    continue
                points.append({
                    'workload': name, 'config': run['config'], 'run': run['run'], 'phase_s': run['phase_s'],
                    'link_mib_s': round(self.bandwidth(run) / (1 << 20), 2),
                    'load_average': round(run['load_average'], 1),
                    'real': {'status': run['status'], **{key: run[key] for key in FIGURES}},
                    'simulated': self.simulate(run, trace, number)})
            self.say(f'{name}: {sum(p["workload"] == name for p in points)} runs simulated')
        return {'schema': SCHEMA, 'link': self.options.link, 'host': asdict(self.host),
                'left_out': left_out, 'errors': tables.validation_errors(points), 'points': points}


def traces_beside(folders):
    """{workload: its trace} of the traces that were recorded with the runs of one of the folders."""
    return {path.stem: path for folder in folders for path in Path(folder).glob('*.mtrace')}


def load(folders, traces):
    """{workload: runs} of all of them, each run once.

    How fast a program writes depends on what else the host does: where a trace was recorded with the runs of one folder,
    those of other days are left out."""
    found = {}
    for folder in folders:
        for name, runs in results.load_folder(folder).items():
            if name in traces and traces[name].parent != Path(folder):
                continue
            for run in runs:
                found.setdefault(name, {})[run['config'], run['started']] = run
    return {name: list(runs.values()) for name, runs in found.items()}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog='scripts/validate', formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog='Then: scripts/report --docs draws the plot and fills in the table.  Real runs come from\n'
               'scripts/bench; build/engine is built by scripts/build engine.')
    parser.add_argument('--workloads', metavar='LIST', help='default: all that have runs and a trace')
    parser.add_argument('--results', metavar='DIR', action='append',
                        help='real runs, packed or the folder of a benchmark; several times for several (default '
                             'tests/results and tests/results/validation)')
    parser.add_argument('--traces', metavar='DIR', default=str(paths.REPO / 'tests' / 'traces'),
                        help='where WORKLOAD.mtrace is, or is recorded, unless one lies beside the runs (default '
                             'tests/traces)')
    parser.add_argument('--record', action='store_true', help='record anew even what is there, but not beside the runs')
    parser.add_argument('--link', choices=('measured', 'nominal'), default='measured',
                        help='bandwidth: as measured just before each run (default), or as it was set up')
    parser.add_argument('--engine', metavar='DIR', default=str(paths.BUILD / 'engine'), help='default build/engine')
    parser.add_argument('--output', metavar='FILE', default=str(tables.RESULTS / 'validation.json'),
                        help='default tests/results/validation.json')
    options = parser.parse_args()
    options.results = options.results or [tables.RESULTS, tables.RESULTS / 'validation']
    return options


def main():
    options = parse_arguments()
    processes.exit_cleanly_on_signals()
    say = lambda text: print(f'validate: {text}', file=sys.stderr, flush=True)  # noqa: E731
    found = Validation(options, say).run()
    points = found.pop('points')
    lines = [f' {json.dumps(key)}: {json.dumps(value)}' for key, value in found.items()]
    rows = ',\n'.join('  ' + json.dumps(p) for p in points)
    results.write(options.output, '{\n' + ',\n'.join(lines) + f',\n "points": [\n{rows}\n ]\n}}\n')
    for name, reason in found['left_out'].items():
        say(f'{name} is left out: {reason}')
    print(tables.validation_text(points))
    say(f'wrote {options.output}')


if __name__ == '__main__':
    run_program(main, 'validate', 'validate: interrupted, nothing was written', files=True)
