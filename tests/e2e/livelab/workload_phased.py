# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that says when to migrate it: guest-hint/examples/phased-solver.c.

It writes all of its memory for a while, then reads it for a while, in turn,
and calls the second inside.  A hint counts only under a configuration with
guest-hints; the program is the same without.
"""
import re
import subprocess
import time

from . import paths
from .errors import LabError
from .workload_generator import check_generator, start_bystander

PROGRESS = '/run/solver'
START_TIMEOUT_S = 120
# The digest of all the memory, under TCG on a busy host.
DIGEST_TIMEOUT_S = 180


class PhasedLoad:
    """The tagged solver, and our generator beside it."""

    disk = False
    hints = True

    def __init__(self, name, mib, stride, heavy_s, light_s):
        self.name, self.mib, self.stride = name, mib, stride
        self.what = (f'tagged solver: {mib} MiB written for {heavy_s:g} s, then read for {light_s:g} s, inside a tag')
        self.arguments = (f'--mib {mib} --stride {stride} --heavy-ms {heavy_s * 1000:.0f} --light-ms {light_s * 1000:.0f} '
                          f'--progress {PROGRESS}')
        self.cycle_s = heavy_s + light_s
        self.calm_s = self.cycle_s
        self.seen = []      # what the solver had done at the end of a cycle, and when

    def start(self, guest, ram_mib):
        guest.must_run(f'phased-solver {self.arguments} >/run/solver.out 2>&1 & echo $! >/run/solver.pid')
        start_bystander(guest, ram_mib, self.mib, hot_mib=0.25)
        self.wait_for_cycle(guest, START_TIMEOUT_S)

    def work(self, guest):
        return guest.must_run(f'cat {PROGRESS}').strip()

    def wait_for_cycle(self, guest, timeout_s=None):
        """Return when a cycle is over: the solver begins to write again."""
        deadline = time.monotonic() + (timeout_s or 3 * self.cycle_s + 30)
        last = self._progress(guest)
        while time.monotonic() < deadline:
            now = self._progress(guest)
            if now and last and now['phases'] > last['phases']:
                self.seen.append((time.monotonic(), now))
                return
            last = now or last
            time.sleep(0.05)
        raise LabError(f"the solver does not get on in the guest: {guest.run('cat /run/solver.out')[1]}")

    def finish(self, guest):
        """Verify the solver's memory, and all that the generator watches."""
        self.wait_for_cycle(guest)
        guest.must_run('kill $(cat /run/solver.pid); while kill -0 $(cat /run/solver.pid) 2>/dev/null; '
                       'do sleep 0.1; done', DIGEST_TIMEOUT_S)
        end = self._progress(guest)
        if not end or 'digest' not in end:
            return False, f"the solver did not finish: {guest.run('cat /run/solver.out')[1]}"
        verified, found = check_generator(guest)
        wanted = replay(self.mib, end['pages'], self.stride)
        if end['digest'] != wanted:
            return False, f"{found}; the solver's grid is damaged: {end['digest']}, not {wanted}"
        return verified, f"{found}; the solver's grid is right after {end['pages']} pages"

    def program(self):
        """The program's own time for its work, whole cycles: before the migration, and with it in between."""
        if len(self.seen) < 3:
            return None
        (first_s, first), (begin_s, begin), (end_s, end) = self.seen[0], self.seen[-2], self.seen[-1]
        before = (begin['pages'] - first['pages']) / (begin_s - first_s)
        during = (end['pages'] - begin['pages']) / (end_s - begin_s)
        return {'unit': 'pages solved', 'before_per_s': round(before, 1), 'during_per_s': round(during, 1),
                'during_s': round(end_s - begin_s, 3), 'cycles': end['phases'] - begin['phases'],
                'ratio': round(during / before, 4) if before else None}

    @staticmethod
    def _progress(guest):
        """None where it is just being written."""
        words = guest.run(f'cat {PROGRESS}')[1].split()
        found = {key: value if key == 'digest' else int(value) for key, value in zip(words[::2], words[1::2])
                 if key == 'digest' or re.fullmatch(r'\d+', value)}
        return found if {'phases', 'pages'} <= found.keys() else None


def replay(mib, pages, stride=1):
    """The digest that a solver of @mib has after @pages."""
    solver = paths.guest_solver()
    try:
        done = subprocess.run([str(solver), '--mib', str(mib), '--stride', str(stride), '--replay', str(pages)], stdout=subprocess.PIPE,
                              text=True, check=True, timeout=DIGEST_TIMEOUT_S)
        return done.stdout.split()[-1]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise LabError(f'{solver} cannot do the work again: {error}') from None
