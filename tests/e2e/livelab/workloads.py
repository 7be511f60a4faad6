# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps the guest busy, and how its memory is verified afterwards.

Sizes are for a guest of 512 MiB; a larger guest gets a larger cold set, so
that about two thirds of its RAM, kernel included, are worth sending.
"""
import re
import time

from .errors import LabError

FILLED_OF_RAM = 0.6


class GeneratorLoad:
    """Our own generator (tests/guest/load.c): knows what it wrote last."""

    def __init__(self, name, what, hot_mib, arguments, cycle_s=0):
        self.name, self.what = name, what
        self.hot_mib, self.arguments, self.cycle_s = hot_mib, arguments, cycle_s
        # Measured undisturbed: whole bursts, and enough beats for a jitter.
        self.calm_s = max(3.0, cycle_s)

    def start(self, guest, ram_mib):
        cold_mib = max(0, int(ram_mib * FILLED_OF_RAM) - self.hot_mib)
        start_generator(guest, f'--hot-mib {self.hot_mib} --cold-mib {cold_mib} '
                               f'{self.arguments}')

    def finish(self, guest):
        """Verify all memory: (verified, what was found)."""
        return check_generator(guest)


class StressLoad:
    """stress-ng's vm stressor, with --verify, and our generator beside it.

    stress-ng tells its work only at its end, so the guest's speed is that of
    the generator: with a small share of the CPU it writes as fast as it can,
    and is slowed by whatever slows the guest.  It also watches over a part of
    the memory that stress-ng leaves alone.
    """

    name = 'stress'
    cycle_s = 0
    calm_s = 6.0    # the share of a bystander varies more than a set rate

    def __init__(self, workers=2, megabytes=96, method='modulo-x'):
        self.megabytes = megabytes
        self.what = (f'stress-ng --vm {workers} --vm-bytes {megabytes}M '
                     f'--vm-method {method}')
        self.command = f'{self.what} --vm-keep --verify --metrics-brief'

    def start(self, guest, ram_mib):
        watched_mib = max(8, int(ram_mib * FILLED_OF_RAM) - self.megabytes)
        start_generator(guest, f'--nice 5 --hot-mib 4 --rate 0 '
                               f'--cold-mib {watched_mib}')
        guest.must_run(f"setsid sh -c '{self.command} & echo $! >/run/stress.pid; "
                       "wait $!; echo status=$?' >/run/stress.out 2>&1 &")
        # Getting its memory takes stress-ng a while, all of it system time.
        self._wait(guest, 'stress-ng does not get going', lambda: int(guest.must_run(
            "cat /proc/[0-9]*/stat 2>/dev/null | "
            "awk '/stress-ng-vm/ { ticks += $14 } END { print ticks + 0 }'")) > 100)

    def finish(self, guest):
        guest.must_run('kill -INT $(cat /run/stress.pid)')
        self._wait(guest, 'stress-ng does not end',
                   lambda: 'status=' in guest.must_run('cat /run/stress.out'))
        text = guest.must_run('cat /run/stress.out')
        verified, found = check_generator(guest)
        operations = re.search(r'\] vm +(\d+) ', text)
        if 'status=0' not in text or not operations:
            failures = [line for line in text.splitlines() if 'fail:' in line]
            return False, f'stress-ng: {(failures or text.splitlines())[0]}'
        return verified, f'{found}, stress-ng verified {operations[1]} operations'

    @staticmethod
    def _wait(guest, problem, condition, timeout_s=90):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f'{problem} in the guest: '
                               + guest.run('tail -1 /run/stress.out')[1])
            time.sleep(0.5)


def start_generator(guest, arguments):
    guest.must_run(f'load {arguments} >/run/load.out 2>&1 &')
    deadline = time.monotonic() + 120
    while True:
        status, output = guest.run('loadctl stats')
        if status == 0:
            return
        if guest.run('pidof load')[0]:
            raise LabError('the generator ended in the guest: '
                           + guest.run('cat /run/load.out')[1])
        if time.monotonic() > deadline:
            raise LabError(f'the generator does not start in the guest: {output}')
        time.sleep(0.2)


def check_generator(guest):
    status, output = guest.run('loadctl check', timeout_s=180)
    return status == 0, output.strip()


def _generator(name, what, hot_mib, arguments='', cycle_s=0):
    return lambda: GeneratorLoad(name, what, hot_mib, arguments, cycle_s)


ALL = {
    'hot60': _generator('hot60', '60 MiB hot, 25,000 page writes/s', 60,
                        '--rate 25000'),
    'burst200': _generator('burst200', '200 MiB in bursts of 3 s with 3 s of quiet', 200,
                           '--rate 25000 --burst-s 3 --quiet-s 3', cycle_s=6),
    'sweep150': _generator('sweep150', 'sweep over 150 MiB, 25,000 page writes/s', 150,
                           '--rate 25000 --pattern sweep'),
    'skew150': _generator('skew150', '150 MiB, 90% of 25,000 page writes/s to a tenth', 150,
                          '--rate 25000 --pattern skew'),
    'idle': _generator('idle', 'next to nothing written', 1, '--rate 10'),
    'stress': StressLoad,
}
SHORT = {'hot': 'hot60', 'burst': 'burst200', 'sweep': 'sweep150', 'skew': 'skew150'}


def create(name):
    name = SHORT.get(name, name)
    if name not in ALL:
        raise LabError(f"no workload '{name}'; there are: {', '.join([*ALL, *SHORT])}")
    return ALL[name]()
