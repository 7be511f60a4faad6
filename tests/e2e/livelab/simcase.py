# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration and a workload of the benchmark, in mig-sim's words."""
import json
import re
import subprocess
from pathlib import Path

from .errors import LabError

PAGE_BYTES = 4096
# mig-sim: from "migrate" to the first page.
SETUP_MS = 5
# A burst is noticed by heartbeats 10 ms apart, looked at each 20 ms.
BURST_NOTICED_S = 0.02
# Of the median record of a burst: less is quiet.
QUIET = 0.2
SIMULATED = {'convergence', 'page-history'}
PARAMETERS = {'downtime-limit': ('--downtime-limit', 'ms'), 'downtime-ceiling': ('--downtime-ceiling', 'ms'),
              'convergence-timeout': ('--timeout', 's'), 'convergence-action': ('--action', '')}
IGNORED = {'convergence-policy'}


class Tools:
    """mig-sim and mig-trace of an engine's build directory."""

    def __init__(self, engine):
        self.folder = Path(engine) / 'migration-policy' / 'sim'
        for name in ('mig-sim', 'mig-trace'):
            if not (self.folder / name).exists():
                raise LabError(f'{self.folder / name} does not exist; run scripts/build engine')

    def run(self, name, arguments):
        done = subprocess.run([self.folder / name, *map(str, arguments)], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise LabError(done.stderr.strip() or f'{name} failed with {done.returncode}')
        return done.stdout

    def simulate(self, arguments):
        return json.loads(self.run('mig-sim', [*arguments, '--json', '-']))


class Trace:
    """A recorded workload, and where in it the workload's cycle begins."""

    def __init__(self, path, tools, cycle_s):
        self.path, self.cycle_s = path, cycle_s
        records = parse_dump(tools.run('mig-trace', ['dump', path]))
        if not records:
            raise LabError(f'{path}: there is no record in it')
        self.seconds = records[-1][0]
        self.burst_s = burst_begins(records) if cycle_s else None
        if cycle_s and self.burst_s is None:
            raise LabError(f'{path}: no burst begins in it, it cannot be entered at the moment of a real run')

    def begin_s(self, phase_s, number):
        """Where a run enters that began @phase_s after its guest's burst was noticed.  Without a cycle one moment is
        as good as another: run @number takes its own."""
        if self.cycle_s:
            return (self.burst_s + BURST_NOTICED_S + phase_s) % self.seconds
        return number * 0.618034 % 1 * self.seconds


def parse_dump(text):
    """[(end of the record in s, pages)] of what "mig-trace dump" prints."""
    records = []
    for line in text.splitlines():
        found = re.match(r'\s*([\d.]+) s(.*)', line)
        if found:
            records.append((float(found[1]), sum(int(n) for n in re.findall(r'\s(\d+)(?=\s|$)', found[2]))))
    return records


def burst_begins(records):
    """When the first burst after a quiet begins, in s; None if there is none.  The record in which it begins is partly
    full, by which it is known to a fraction of the interval."""
    pages = sorted(n for _, n in records)
    full = pages[len(pages) * 9 // 10]
    for i in range(1, len(records) - 1):
        if records[i - 1][1] < QUIET * full <= records[i + 1][1] and records[i][1] >= QUIET * full:
            share = min(1.0, records[i][1] / records[i + 1][1])
            return records[i][0] - share * (records[i][0] - records[i - 1][0])
    return None


def not_simulated(config):
    """Why mig-sim has no such configuration, or None."""
    lacking = sorted(set(config.capabilities) - SIMULATED - {None})
    lacking += sorted(set(config.parameters) - set(PARAMETERS) - IGNORED)
    if config.controller_limit_ms:
        lacking.append(f'{config.controller} with a limit of its own')
    return f"the simulator has no {', '.join(lacking)}" if lacking else None


def arguments(config):
    """mig-sim's options."""
    found = ['--policy', config.policy or 'threshold',
             '--order', 'history' if 'page-history' in config.capabilities else 'stock']
    if config.controller:
        found += ['--controller', config.controller]
    for key, value in config.parameters.items():
        if key in PARAMETERS:
            option, unit = PARAMETERS[key]
            found += [option, f'{value}{unit}']
    return found
