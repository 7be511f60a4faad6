# SPDX-License-Identifier: GPL-2.0-or-later
"""Controllers that sit outside QEMU, poll it, and set its downtime limit.

What management layers do today, as peers of the policies inside QEMU.  Each
polls query-migrate as often as its original, sees what that tells, and acts by
migrate-set-parameters or migrate_cancel.  Written from the public design
documents, with the defaults given there:

  doubling         the rule of thumb: start at 300 ms, double it every 5 s
  kubevirt-ramp    KubeVirt VEP 291, "Dynamic Downtime Tuning and Iteration-Based
                   Convergence" (kubevirt/enhancements, veps/sig-compute/291-...)
  kubevirt-stall   KubeVirt VEP 248, "Live Migration Stability & Convergence
                   Improvements", and its hyper-parameters (.../248-...), for a
                   migration without post-copy and without workload disruption

NAME-MS sets the largest downtime that a controller may ask for.
"""
import math


class Controller:
    """Called for each look at the migration; returns what it does, or None:
    {'limit_ms': N} or {'cancel': why}."""

    period_s = 0.4          # of KubeVirt's monitor
    default_limit_ms = 2000

    def __init__(self, limit_ms=None):
        self.limit_ms = limit_ms or self.default_limit_ms

    def look(self, at_s, ram):
        """@ram: the member of query-migrate."""
        raise NotImplementedError


class Doubling(Controller):
    START_MS, EVERY_S = 300, 5

    def __init__(self, limit_ms=None):
        super().__init__(limit_ms)
        self.steps = -1

    def look(self, at_s, ram):
        steps = int(at_s / self.EVERY_S)
        if steps <= self.steps:
            return None
        self.steps = steps
        return {'limit_ms': min(self.START_MS << min(steps, 20), self.limit_ms)}


class Ramp(Controller):
    """Equal steps from 150 ms, one every 10 s, from the third iteration on."""

    default_limit_ms = 1050
    INITIAL_MS, STEPS, AFTER_ITERATION, COOLDOWN_S = 150, 7, 3, 10

    def __init__(self, limit_ms=None):
        super().__init__(limit_ms)
        # The document's example has six rises between its seven levels.
        self.step_ms = (self.limit_ms - self.INITIAL_MS) / (self.STEPS - 1)
        self.level = None
        self.last_s = None

    def look(self, at_s, ram):
        if self.level is None:
            self.level = 0
        elif self.last_s is None:
            if ram['dirty-sync-count'] >= self.AFTER_ITERATION:
                self.last_s = at_s
            return None
        elif at_s - self.last_s >= self.COOLDOWN_S and self.level < self.STEPS - 1:
            self.last_s = at_s
            self.level += 1
        else:
            return None
        return {'limit_ms': round(self.INITIAL_MS + self.level * self.step_ms)}


class Stall(Controller):
    """Stalled when what remains is no less than 96% of the least seen 40 s ago
    or earlier; then it waits for 104% of the best seen since."""

    default_limit_ms = 900
    WINDOW_S, MARGIN, ALPHA, HOPELESS, DECAY = 40, 0.04, 0.4, 1.5, 0.5
    SWITCHOVER_S = 60

    def __init__(self, limit_ms=None):
        super().__init__(limit_ms)
        self.iteration = 0
        self.records = []           # (at_s, remaining) at iteration boundaries
        self.bandwidth = None       # bytes/ms, smoothed
        self.history = None         # since the stall, smallest last
        self.best = math.inf
        self.patience_s, self.deadline_s = self.WINDOW_S, math.inf
        self.acted_s = None

    def look(self, at_s, ram):
        if self.iteration == 0:
            self.iteration = 1
            return {'limit_ms': min(self.limit_ms, 300)}
        if self.acted_s is not None:
            late = at_s > self.acted_s + self.SWITCHOVER_S
            return {'cancel': 'no switchover in time'} if late else None
        if ram['dirty-sync-count'] <= self.iteration:
            return None
        self.iteration = ram['dirty-sync-count']
        remaining, sample = ram['remaining'], ram['mbps'] * 1e6 / 8 / 1000
        self.bandwidth = (sample if self.bandwidth is None
                          else self.ALPHA * sample + (1 - self.ALPHA) * self.bandwidth)
        self.records.append((at_s, remaining))
        if self.history is None and not self._stalls(at_s, remaining):
            return None
        self._relax(at_s, remaining)
        if remaining > self.best * (1 + self.MARGIN) or not self.bandwidth:
            return None
        self.acted_s = at_s
        if remaining / self.bandwidth > self.limit_ms * self.HOPELESS:
            return {'cancel': 'the pause would be too long'}
        return {'limit_ms': self.limit_ms}

    def _stalls(self, at_s, remaining):
        old = [r for r in self.records if r[0] <= at_s - self.WINDOW_S]
        if not old:
            return False
        start = min(old, key=lambda r: r[1])
        if remaining < start[1] * (1 - self.MARGIN):
            return False
        self.history = sorted((r for t, r in self.records if t >= start[0]), reverse=True)
        self.best = self.history.pop()
        self.deadline_s = at_s + self.patience_s
        return True

    def _relax(self, at_s, remaining):
        """The old level may never come again: be content with the next."""
        if at_s < self.deadline_s:
            self.history = sorted([*self.history, remaining], reverse=True)
            return
        if self.history:
            self.best = max(self.best, self.history.pop())
        self.patience_s *= self.DECAY
        self.deadline_s = at_s + self.patience_s


ALL = {'doubling': Doubling, 'kubevirt-ramp': Ramp, 'kubevirt-stall': Stall}


def create(name, limit_ms=None):
    return ALL[name](limit_ms)
