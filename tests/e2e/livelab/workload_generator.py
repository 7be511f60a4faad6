# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own generator (tests/guest/load.c), as the load itself or beside another.

As a bystander it writes a little memory as fast as its small share of the CPU
lets it: the guest's speed is then that of the bystander, which is slowed by
whatever slows the guest.  And it watches over memory that the other load
leaves alone.
"""
import time

from .errors import LabError

FILLED_OF_RAM = 0.6
# The guest's system lives in memory, too: a small guest is filled less.
SYSTEM_MIB = 128


def filled_mib(ram_mib):
    """How much memory the load of a guest takes in all."""
    return max(0, min(int(ram_mib * FILLED_OF_RAM), ram_mib - SYSTEM_MIB))


class GeneratorLoad:
    """Knows what it wrote last, to every page."""

    disk = False    # needs no disk with programs
    hints = False   # gives none to the hypervisor

    def __init__(self, name, what, hot_mib, arguments, cycle_s=0):
        self.name, self.what = name, what
        self.hot_mib, self.arguments, self.cycle_s = hot_mib, arguments, cycle_s
        # Measured undisturbed: whole bursts, and enough beats for a jitter.
        self.calm_s = max(3.0, cycle_s)

    def start(self, guest, ram_mib):
        cold_mib = max(0, filled_mib(ram_mib) - self.hot_mib)
        start_generator(guest, f'--hot-mib {self.hot_mib} --cold-mib {cold_mib} '
                               f'{self.arguments}')

    def work(self, guest):
        """What was done so far, for people."""
        fields = dict(f.split('=', 1) for f in guest.must_run('loadctl stats').split() if '=' in f)
        return f"{fields['writes']} page writes"

    def finish(self, guest):
        """Verify all memory: (verified, what was found)."""
        return check_generator(guest)


def start_bystander(guest, ram_mib, other_mib, hot_mib):
    """Beside a load that fills @other_mib by itself."""
    watched_mib = max(8, filled_mib(ram_mib) - other_mib)
    start_generator(guest, f'--nice 5 --hot-mib {hot_mib} --rate 0 --cold-mib {watched_mib}')


def start_generator(guest, arguments):
    guest.must_run(f'load {arguments} >/run/load.out 2>&1 &')
    deadline = time.monotonic() + 120
    while True:
        status, output = guest.run('loadctl stats')
        if status == 0:
            return
        if guest.run('pidof load')[0]:
            raise LabError('the generator ended in the guest: ' + guest.run(
                'cat /run/load.out; dmesg | grep -i "out of memory" | tail -n 1')[1].strip())
        if time.monotonic() > deadline:
            raise LabError(f'the generator does not start in the guest: {output}')
        time.sleep(0.2)


def check_generator(guest):
    status, output = guest.run('loadctl check', timeout_s=180)
    return status == 0, output.strip()
