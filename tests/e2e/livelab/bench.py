# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark behind scripts/bench: workloads x configurations, round by round.

See matrix.py for the order, results.py for where it is all kept.
"""
import argparse
import contextlib
import fcntl
import functools
import hashlib
import json
import time
from pathlib import Path

from . import (accel, benchsmoke, configs, controllers, experiment, host, link, matrix, paths, probe,
               processes, report, results, summary, workloads)
from .errors import LabError, run_program
from .progress import BenchProgress, duration

DEFAULT_CONFIGS = 'stock-2000,stall'
PUBLISHED = paths.REPO / 'tests' / 'results'
# The link or the machine is to blame, not a configuration.
FAILURES_IN_A_ROW = 3


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog='scripts/bench', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Migrate busy guests under many configurations, interleaved, over a slow link, and\n'
                    'compare.  Started again with the same --results it goes on where it was.',
        epilog='Then: scripts/bench --keep packs the runs into tests/results, scripts/report makes a page\n'
               'with plots of them.  docs/benchmark-method.md tells how it is measured.')
    parser.add_argument('--workloads', default='hot60', metavar='LIST',
                        help='comma-separated, or all (default hot60; hot60-RATE: at another rate)')
    parser.add_argument('--configs', default=DEFAULT_CONFIGS, metavar='LIST',
                        help='comma-separated; BASE[+CAPABILITY][+PARAMETER=VALUE]..., and the groups '
                             'baselines, controllers, policies, all; ratios are against the first '
                             f'(default {DEFAULT_CONFIGS})')
    parser.add_argument('--runs', type=int, default=10, metavar='N',
                        help='of each workload under each configuration (default 10)')
    parser.add_argument('--results', metavar='DIR', default=str(paths.BUILD / 'bench'),
                        help='one JSON file a run goes there (default build/bench)')
    parser.add_argument('--list', action='store_true', help='list workloads and configurations')
    parser.add_argument('--dry-run', action='store_true', help='say what would run, and how long it may take')
    parser.add_argument('--report', action='store_true', help='print the figures in --results, run nothing')
    parser.add_argument('--keep', nargs='?', const=str(PUBLISHED), metavar='DIR',
                        help='pack the runs in --results into one file a workload there '
                             '(default tests/results), run nothing')
    parser.add_argument('--smoke', action='store_true',
                        help='does the benchmark work? A few short runs, checked, as TAP')
    parser.add_argument('--ram', type=int, default=512, metavar='MIB', help='default 512')
    parser.add_argument('--link', type=float, default=64, metavar='MIB_S', help='default 64')
    parser.add_argument('--relay', action='store_true', help='shape the link without network namespaces')
    parser.add_argument('--time-limit', type=float, default=60, metavar='S',
                        help='give a migration up after this long (default 60)')
    parser.add_argument('--seed', type=int, default=1, metavar='N', help='of the moments of starting (default 1)')
    parser.add_argument('--qemu', metavar='FILE', help='QEMU to use instead of build/qemu')
    parser.add_argument('--stock-binary', metavar='FILE',
                        help='the QEMU of configurations that need none of our patches (default '
                             'build/qemu-stock where that is built, else the same QEMU)')
    return parser.parse_args()


@functools.lru_cache(maxsize=None)
def digest(binary):
    with open(binary, 'rb') as stream:
        seen = hashlib.sha256()
        while block := stream.read(1 << 20):
            seen.update(block)
    return seen.hexdigest()[:12]


class Bench:
    """The runs that are there, and those still to do."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(options.results)
        self.ours = paths.qemu(options.qemu)
        self.stock = stock_binary(options, self.ours)
        self.chosen = configs.expand(options.configs, probe.ask(self.ours))
        for config in self.chosen:
            reason = configs.lacking(probe.ask(self.binary(config)), config)
            if reason:
                raise LabError(reason)
        self.names = workload_names(options.workloads)
        self.cells = matrix.plan(self.names, self.chosen, options.runs, options.seed)
        self.clock = matrix.Clock(options.time_limit)
        self.failures = self.damaged = 0

    def binary(self, config):
        return self.ours if config.needs_ours else self.stock

    @functools.cached_property
    def settings(self):
        accelerator, _ = accel.pick(self.ours)
        return {'accelerator': accelerator, 'ram_mib': self.options.ram, 'cpus': 1,
                'link_mib_s': self.options.link, 'link_kind': 'relay' if self.options.relay else 'tbf',
                'time_limit_s': self.options.time_limit, 'seed': self.options.seed}

    def identity(self, config):
        binary = self.binary(config)
        return {'version': probe.ask(binary).version, 'digest': digest(binary),
                'build': 'patched' if probe.ask(binary).policies else 'unpatched'}

    def path(self, cell):
        return results.run_path(self.folder, cell.workload, cell.config.name, cell.number)

    def missing(self):
        """The cells still to do; what is there must fit together with them."""
        left = []
        for cell in self.cells:
            if not self.path(cell).exists():
                left.append(cell)
                continue
            run = results.load_run(self.path(cell))
            for what, found, wanted in (('settings', run['settings'], self.settings),
                                        ('QEMU', run['qemu'], self.identity(cell.config))):
                if found != wanted:
                    raise LabError(f'{self.path(cell)} was made with {what} {found}, not {wanted}; '
                                   'give another --results, or take the old one away')
            self.clock.note(cell, matrix.AROUND_S + run['wall_ms'] / 1000)
        return left

    def run(self):
        left = self.missing()
        total, in_a_row = len(self.cells), 0
        if left and not self.options.relay and not link.namespaces_allowed():
            raise LabError('network namespaces are not allowed here; use --relay')
        while left:
            cell = left[0]
            progress = BenchProgress(total - len(left), total, self.clock.left_s(left),
                                     f'{cell.workload} {cell.config.name} #{cell.number + 1}')
            if self.one(cell, progress):
                in_a_row = 0
            else:
                in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    raise LabError(f'{in_a_row} runs in a row failed; see the messages above')
            left.pop(0)

    def one(self, cell, progress):
        """Run, save and tell; False if there is no result."""
        binary = self.binary(cell.config)
        setup = experiment.Setup(
            binary, binary, self.settings['accelerator'], self.options.ram,
            link_mib_s=self.options.link, relay=self.options.relay, time_limit_s=self.options.time_limit)
        started, began_s = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), time.monotonic()
        failed = self.path(cell).with_suffix('.failed')
        try:
            found = experiment.run(setup, cell.config, cell.workload, cell.phase_s, progress)
        except LabError as error:
            progress.end()
            self.failures += 1
            results.write(failed, json.dumps({'started': started, 'failure': str(error)}) + '\n')
            print(f'{progress.title}: FAILED: {error}', flush=True)
            return False
        progress.end()
        if found['link']['kind'] != self.settings['link_kind']:
            raise LabError(f"the link was made by {found['link']['kind']}; see the message above, or use --relay")
        found['samples'] = results.columns(found['samples'])
        results.save_run(self.folder, {
            'run': cell.number, 'started': started, 'commit': host.commit(),
            'workload_is': workloads.create(cell.workload).what, 'settings': self.settings,
            'qemu': self.identity(cell.config), 'host': host.describe(),
            'guest_kernel': host.guest_kernel(), **found})
        failed.unlink(missing_ok=True)
        self.damaged += found['memory_verified'] is not True
        self.clock.note(cell, time.monotonic() - began_s)
        row = dict(zip(report.HEADINGS[1:], report.row(found)[1:]))
        print(f'{progress.title}: ' + ', '.join(f'{key} {text}' for key, text in row.items()), flush=True)
        return True


def stock_binary(options, ours):
    """The QEMU of the baselines: unpatched where there is one."""
    try:
        return paths.qemu_stock(options.stock_binary)
    except LabError:
        if options.stock_binary:
            raise
        return ours


def workload_names(text):
    names = list(workloads.ALL) if text == 'all' else text.split(',')
    names = [workloads.SHORT.get(name, name) for name in filter(None, names)]
    for name in names:
        workloads.create(name)
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def locked(folder):
    """One benchmark at a time in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'w', encoding='utf-8') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f'another benchmark writes to {folder}; wait, or give another --results') from None
        yield


def show_list(options):
    print('Workloads:')
    for name in workloads.ALL:
        print(f'  {name:16} {workloads.create(name).what}')
    print('Configurations (groups: baselines, controllers, policies, all):')
    for name in configs.GROUPS['baselines']:
        print(f'  {name:16} baseline')
    for name, kind in controllers.ALL.items():
        print(f'  {name:16} outside controller, downtime up to {kind.default_limit_ms} ms (or {name}-MS)')
    for name in probe.ask(paths.qemu(options.qemu)).policies:
        print(f'  {name:16} policy')
    print('Each with +CAPABILITY and +PARAMETER=VALUE: stall+multifd, predict+downtime-ceiling=1000.')


def dry_run(bench):
    left = bench.missing()
    for cell in left:
        print(f'{cell.workload} {cell.config.name} #{cell.number + 1}')
    print(f'{len(left)} of {len(bench.cells)} runs to do, about {duration(bench.clock.left_s(left))}.')


def show(folder, baseline=None):
    found = results.load_folder(folder)
    if not found:
        raise LabError(f'there are no runs in {folder}')
    for name, runs in found.items():
        first = runs[0]
        there = summary.names(runs)
        against = baseline if baseline in there else there[0]
        print(f"\n{name} ({first['workload_is']}), {first['settings']['ram_mib']} MiB guest, "
              f"{first['settings']['accelerator'].upper()}, link {first['settings']['link_mib_s']:g} MiB/s by "
              f"{first['settings']['link_kind']}, QEMU {first['qemu']['version']}; "
              f"median (quartiles); ratio to {against} in the same round")
        rows = []
        for config, entry in summary.summarize(runs, against).items():
            for figure in summary.FIGURES:
                if not entry[figure]:
                    continue
                ratio = entry[f'{figure}_ratio']
                rows.append([config, summary.FIGURES[figure][0], f"{entry[figure]['n']} of {entry['runs']}",
                             summary.spread(figure, entry[figure]),
                             f"{ratio['median']:.2f} ({ratio['min']:.2f} .. {ratio['max']:.2f})" if ratio else '-'])
        print(report.table(['configuration', 'figure', 'runs', 'median', 'ratio'], rows))
        lost = [r['config'] for r in runs if r['memory_verified'] is not True]
        print(f"MEMORY WAS DAMAGED under {', '.join(lost)}" if lost else f'All {len(runs)} memories verified.')
        if summary.load_note(runs):
            print(summary.load_note(runs))


def keep(source, target):
    found = {}
    for run in results.runs_of(source):
        found.setdefault(run['workload'], []).append(run)
    if not found:
        raise LabError(f'there are no finished runs in {source}')
    for name, runs in found.items():
        results.write(Path(target) / f'{name}.json', results.pack(runs))
        print(f'{len(runs)} runs of {name} packed into {Path(target) / name}.json')


def main():
    processes.exit_cleanly_on_signals()
    options = parse_arguments()
    if options.runs < 1 or options.time_limit <= 0:
        raise LabError('--runs and --time-limit take numbers above 0')
    if options.list:
        show_list(options)
    elif options.keep:
        keep(options.results, options.keep)
    elif options.report:
        show(options.results)
    elif options.smoke:
        return benchsmoke.main(Bench, options)
    elif options.dry_run:
        dry_run(Bench(options))
    else:
        bench = Bench(options)
        with locked(bench.folder):
            bench.run()
        show(bench.folder, bench.chosen[0].name)
        return 1 if bench.failures or bench.damaged else 0
    return 0


if __name__ == '__main__':
    run_program(main, 'bench', '\nbench: interrupted; what is finished is kept, start again to go on')
