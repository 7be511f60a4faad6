# SPDX-License-Identifier: GPL-2.0-or-later
"""The paired benchmark behind scripts/bench.

A pair is one migration with each configuration, back to back, at the same
random moment of the workload's bursts, in alternating order: what drifts on
the host hits both alike.  Ratios are taken within pairs.
"""
import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path

from . import accel, configs, experiment, paths, processes, report, stats, workloads
from .errors import LabError

SCHEMA = 'livelab-bench/1'
FIGURES = {'total_ms': report.milliseconds, 'downtime_ms': report.milliseconds,
           'outage_ms': report.milliseconds, 'sent_bytes': report.mebibytes,
           'guest_speed': report.percent}
# What must be the same for runs to be comparable.
SETTINGS = ('schema', 'workload', 'accelerator', 'ram_mib', 'link_mib_s', 'link_kind',
            'time_limit_s', 'seed', 'qemu')


def parse_arguments():
    parser = argparse.ArgumentParser(prog='scripts/bench', description=(
        'Migrate the same busy guest with several configurations, in interleaved '
        'pairs, and compare.  A stopped benchmark goes on where it was when started '
        'again with the same file.'))
    parser.add_argument('--workload', default='hot60',
                        help=f"one of {', '.join(workloads.ALL)} (default hot60)")
    parser.add_argument('--configs', default='stock-2000,stall',
                        help='comma-separated; ratios are against the first '
                             '(default stock-2000,stall)')
    parser.add_argument('--pairs', type=int, default=10, metavar='N', help='default 10')
    parser.add_argument('--output', metavar='FILE',
                        help='JSON (default tests/results/WORKLOAD.json)')
    parser.add_argument('--ram', type=int, default=512, metavar='MIB', help='default 512')
    parser.add_argument('--link', type=float, default=64, metavar='MIB_S', help='default 64')
    parser.add_argument('--relay', action='store_true',
                        help='shape the link without network namespaces')
    parser.add_argument('--time-limit', type=float, default=60, metavar='S',
                        help='give a migration up after this long (default 60)')
    parser.add_argument('--seed', type=int, default=1, metavar='N',
                        help='of the moments of starting (default 1)')
    parser.add_argument('--qemu', metavar='FILE', help='QEMU to use instead of build/qemu')
    parser.add_argument('--stock-binary', metavar='FILE',
                        help='an unpatched QEMU for configurations that are not policies')
    parser.add_argument('--smoke', action='store_true',
                        help='one pair, thrown away: does the benchmark work?')
    parser.add_argument('--report', metavar='FILE', help='print the figures of a file, run nothing')
    return parser.parse_args()


def write(path, data):
    """All of it or nothing."""
    fresh = path.with_name(f'{path.name}.{os.getpid()}')
    fresh.write_text(json.dumps(data, indent=1) + '\n', encoding='utf-8')
    fresh.rename(path)


def cpu_model():
    for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def describe_host():
    return {'cpu': cpu_model(), 'cores': os.cpu_count(),
            'memory_mib': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20,
            'kernel': platform.release(),
            'python': platform.python_version()}


def describe_qemu(binary):
    version = subprocess.run([binary, '--version'], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.splitlines()[0]
    return version.removeprefix('QEMU emulator version ')


def commit():
    done = subprocess.run(['git', '-C', paths.REPO, 'describe', '--always', '--dirty'],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return done.stdout.strip() or None


def columns(samples):
    """The samples as columns: a tenth of the size, and ready to be plotted."""
    keys = ('at_s', 'remaining_bytes', 'sent_bytes', 'rounds', 'throttle_percent')
    table = {key: [s[key] for s in samples] for key in keys}
    table['forecast'] = [(s['convergence'] or {}).get('forecast') for s in samples]
    return table


class Bench:
    def __init__(self, options):
        self.options = options
        self.path = Path(options.output)
        self.configs = [configs.parse(name) for name in options.configs.split(',')]
        self.patched = paths.qemu(options.qemu)
        self.stock = (paths.qemu_stock(options.stock_binary)
                      if options.stock_binary else self.patched)
        accelerator, _ = accel.pick(self.patched)
        self.data = {
            'schema': SCHEMA, 'workload': options.workload,
            'workload_is': workloads.create(options.workload).what,
            'accelerator': accelerator, 'ram_mib': options.ram,
            'link_mib_s': options.link, 'link_kind': 'relay' if options.relay else 'tbf',
            'time_limit_s': options.time_limit, 'seed': options.seed,
            'qemu': {'policies': describe_qemu(self.patched),
                     'others': describe_qemu(self.stock),
                     'others_binary': 'unpatched' if options.stock_binary
                                      else 'patched, capability off'},
            'host': describe_host(), 'guest_kernel': (paths.GUEST / 'kernel').read_text().strip(),
            'configs': [config.name for config in self.configs],
            'runs': [], 'failures': []}
        self.commit = commit()
        self._resume()

    def _resume(self):
        if not self.path.exists():
            return
        old = load(self.path)
        for key in SETTINGS:
            if old.get(key) != self.data[key]:
                raise LabError(f'{self.path} was made with {key} = {old.get(key)!r}, not '
                               f'{self.data[key]!r}; give another --output')
        self.data['runs'] = old['runs']
        self.data['configs'] = list(dict.fromkeys(self.data['configs'] + old['configs']))

    def _have(self, pair, config):
        return any(r['pair'] == pair and r['config'] == config.name
                   for r in self.data['runs'])

    def run(self):
        cycle_s = workloads.create(self.options.workload).cycle_s
        for pair in range(self.options.pairs):
            phase_s = random.Random(f'{self.options.seed}/{pair}').uniform(0, cycle_s or 1)
            # Alternating order: neither always comes after the other.
            order = self.configs if pair % 2 == 0 else self.configs[::-1]
            for config in order:
                if not self._have(pair, config):
                    self._one(pair, config, phase_s)

    def _one(self, pair, config, phase_s):
        binary = self.patched if config.policy else self.stock
        setup = experiment.Setup(
            binary, binary, self.data['accelerator'], self.options.ram,
            link_mib_s=self.options.link, relay=self.options.relay,
            time_limit_s=self.options.time_limit)
        progress = report.Progress(
            f'pair {pair + 1}/{self.options.pairs}, {config.name}')
        started = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
        try:
            result = experiment.run(setup, config, self.options.workload, phase_s, progress)
        except LabError as error:
            progress.end()
            self.data['failures'].append({'pair': pair, 'config': config.name,
                                          'started': started, 'failure': str(error)})
            write(self.path, self.data)
            print(f'pair {pair + 1}, {config.name}: FAILED: {error}', flush=True)
            return
        progress.end()
        result['samples'] = columns(result['samples'])
        self.data['runs'].append({'pair': pair, 'started': started, 'commit': self.commit,
                                  **result})
        write(self.path, self.data)
        if result['link']['kind'] != self.data['link_kind']:
            raise LabError('network namespaces are not allowed here; use --relay')
        row = dict(zip(report.HEADINGS, report.row(result)))
        print(f'pair {pair + 1}/{self.options.pairs}: ' + ', '.join(
            f'{key} {value}' for key, value in row.items()), flush=True)


def load(path):
    try:
        data = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise LabError(f'{path} is not a benchmark of ours: {error}') from None
    if data.get('schema') != SCHEMA:
        raise LabError(f"{path} has schema {data.get('schema')!r}, not {SCHEMA}")
    return data


def value(run, figure):
    return run['guest_speed']['ratio'] if figure == 'guest_speed' else run[figure]


def summarize(data):
    """Per configuration: counts, and per figure the values' and the paired
    ratios' median and spread, against the configuration that ran first."""
    names = [name for name in data['configs']
             if any(r['config'] == name for r in data['runs'])]
    runs = {(r['pair'], r['config']): r for r in data['runs']}
    summary = {}
    for name in names:
        mine = [r for r in data['runs'] if r['config'] == name]
        good = [r for r in mine if r['success']]
        entry = {'runs': len(mine), 'completed': len(good),
                 'verified': sum(1 for r in mine if r['memory_verified'])}
        for figure in FIGURES:
            entry[figure] = stats.describe([value(r, figure) for r in good])
            ratios = []
            for run in good:
                base = runs.get((run['pair'], names[0]))
                if name != names[0] and base and base['success'] and value(base, figure):
                    ratios.append((value(run, figure) or 0) / value(base, figure))
            entry[f'{figure}_ratio'] = stats.describe(ratios)
        summary[name] = entry
    return summary


def show(data):
    summary = summarize(data)
    print(f"\n{data['workload']} ({data['workload_is']}), {data['ram_mib']} MiB guest, "
          f"{data['accelerator'].upper()}, link {data['link_mib_s']:g} MiB/s by "
          f"{data['link_kind']}, QEMU {data['qemu']['policies']}")
    rows = []
    for name, entry in summary.items():
        for figure, text in FIGURES.items():
            spread, ratio = entry[figure], entry[f'{figure}_ratio']
            if not spread:
                continue
            rows.append([
                name, figure, str(spread['n']), text(spread['median']),
                f"{text(spread['q1'])} .. {text(spread['q3'])}",
                f"{text(spread['min'])} .. {text(spread['max'])}",
                *([f"{ratio['median']:.2f}", f"{ratio['min']:.2f} .. {ratio['max']:.2f}"]
                  if ratio else ['-', '-'])])
    print(report.table(['configuration', 'figure', 'n', 'median', 'middle half',
                        'least .. most', 'paired ratio', 'its range'], rows))
    for name, entry in summary.items():
        print(f"{name}: {entry['completed']} of {entry['runs']} completed, "
              f"{entry['verified']} of {entry['runs']} memories verified")
    loads = stats.describe([r['load_average'] for r in data['runs']])
    if loads and loads['median'] > os.cpu_count() + 1:
        print(f"Other work ran on this host (load {loads['median']:.1f} on "
              f"{data['host']['cores']} cores): do not publish these figures.")
    return summary


def main():
    processes.exit_cleanly_on_signals()
    options = parse_arguments()
    if options.report:
        show(load(options.report))
        return 0
    if options.pairs < 1:
        raise LabError('--pairs takes a number from 1 on')
    if options.smoke:
        options.pairs = 1
        options.output = str(paths.WORK / 'bench-smoke.json')
        Path(options.output).unlink(missing_ok=True)
    workload = workloads.SHORT.get(options.workload, options.workload)
    workloads.create(workload)
    options.workload = workload
    options.output = options.output or str(paths.REPO / 'tests' / 'results' / f'{workload}.json')
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    bench.run()
    bench.data['summary'] = show(bench.data) if bench.data['runs'] else {}
    write(bench.path, bench.data)
    print(f'Written to {os.path.relpath(bench.path)}')
    damaged = [r for r in bench.data['runs'] if not r['memory_verified']]
    return 1 if damaged or bench.data['failures'] else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except LabError as problem:
        sys.exit(f'bench: {problem}')
    except KeyboardInterrupt:
        sys.exit('\nbench: interrupted; what is finished is in the file')
