# SPDX-License-Identifier: GPL-2.0-or-later
"""Which run comes when, and how long it all takes.

Round k has one run of each workload under each configuration: what belongs to
one comparison runs back to back, with the migration at the same random moment
of the workload's bursts, and what drifts on the host hits all alike.  The order
of the configurations rotates from round to round, and is reversed after each
whole turn, so that none always comes after the same other.
"""
import random
from dataclasses import dataclass

from . import workloads

# What a run takes besides its migration: boot, load, calm, verification.
AROUND_S = 20
# A guess, for what never ran here.
GUESS_S = 20


@dataclass(frozen=True)
class Cell:
    number: int     # of the round, from 0
    workload: str
    config: object
    phase_s: float


def plan(names, chosen, rounds, seed):
    cells = []
    for number in range(rounds):
        for name in names:
            cycle_s = workloads.create(name).cycle_s
            phase_s = random.Random(f'{seed}/{number}').uniform(0, cycle_s or 1)
            cells += [Cell(number, name, config, phase_s) for config in turn(chosen, number)]
    return cells


def turn(chosen, number):
    """The configurations in the order of round @number."""
    whole, shift = divmod(number, len(chosen))
    order = [*chosen[shift:], *chosen[:shift]]
    return order[::-1] if whole % 2 else order


class Clock:
    """What is still to come, by what the like of it took before."""

    def __init__(self, time_limit_s):
        self.time_limit_s = time_limit_s
        self.took = {}      # (workload, config) to seconds

    def note(self, cell, seconds):
        self.took.setdefault((cell.workload, cell.config.name), []).append(seconds)

    def expect_s(self, cell):
        same = self.took.get((cell.workload, cell.config.name))
        if same:
            return sum(same) / len(same)
        if cell.config.name == 'stock':
            return AROUND_S + self.time_limit_s
        return AROUND_S + GUESS_S

    def left_s(self, cells):
        return sum(map(self.expect_s, cells))
