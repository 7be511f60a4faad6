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
        self.has_beats = True   # its work is counted in the heartbeats

    def start(self, guest, ram_mib):
        cold_mib = max(0, int(ram_mib * FILLED_OF_RAM) - self.hot_mib)
        start_generator(guest, f'--hot-mib {self.hot_mib} --cold-mib {cold_mib} '
                               f'{self.arguments}')

    def finish(self, guest, _begin_s, _end_s):
        """Verify all memory: (verified, what was found, speed or None)."""
        return (*check_generator(guest), None)


class StressLoad:
    """stress-ng's vm stressor, with --verify, beside a slow generator that
    watches over a part of the memory that stress-ng leaves alone.

    stress-ng counts its work only at its end, and its first second or two go
    into getting memory.  So two runs that nothing disturbs, a short and a long
    one, tell the start-up and the undisturbed speed; the work of the run that
    is migrated, less what it did before and after, is what it did meanwhile.
    """

    name = 'stress'
    has_beats = False
    cycle_s = 0
    short_s, long_s = 2, 6

    def __init__(self, workers=2, megabytes=256, method='modulo-x'):
        self.megabytes = megabytes
        self.what = (f'stress-ng --vm {workers} --vm-bytes {megabytes}M '
                     f'--vm-method {method}')
        self.command = f'{self.what} --vm-keep --verify --metrics-brief'
        self.start_up = self.undisturbed_per_s = self.launched_s = None

    def start(self, guest, ram_mib):
        watched_mib = max(8, int(ram_mib * FILLED_OF_RAM) - self.megabytes)
        start_generator(guest, f'--hot-mib 4 --rate 200 --cold-mib {watched_mib}')
        self.start_up = self._calibrate(guest, self.short_s)
        ops, seconds = self._calibrate(guest, self.long_s)
        self.undisturbed_per_s = ((ops - self.start_up[0])
                                  / max(seconds - self.start_up[1], 0.1))
        self.launched_s = time.monotonic()
        guest.must_run(f"setsid sh -c '{self.command} & echo $! >/run/stress.pid; "
                       "wait $!; echo status=$?' >/run/stress.out 2>&1 &")
        time.sleep(self.short_s)

    def _calibrate(self, guest, seconds):
        text = guest.must_run(f'{self.command} --timeout {seconds} 2>&1; echo status=$?',
                              timeout_s=60 + 10 * seconds)
        return self._result(text)[1:]

    def finish(self, guest, begin_s, end_s):
        guest.must_run('kill -INT $(cat /run/stress.pid)')
        after_s = time.monotonic() - end_s
        deadline = time.monotonic() + 60
        while True:
            text = guest.must_run('cat /run/stress.out')
            if 'status=' in text:
                break
            if time.monotonic() > deadline:
                raise LabError('stress-ng does not end in the guest')
            time.sleep(0.5)
        sound, ops, seconds = self._result(text)
        calm_s = (begin_s - self.launched_s) + after_s
        ops -= self.start_up[0] + self.undisturbed_per_s * (calm_s - self.start_up[1])
        seconds -= calm_s
        verified, found = check_generator(guest)
        if not sound:
            failures = [line for line in text.splitlines() if 'fail' in line]
            found = f'stress-ng: {(failures or text.splitlines())[0]}'
        # Over less than a few seconds the difference is all noise.
        during = max(ops, 0) / seconds if seconds > 3 else None
        return verified and sound, found, during

    @staticmethod
    def _result(text):
        """(no verification failed, bogo operations, seconds)"""
        status = re.search(r'status=(\d+)', text)
        metric = re.search(r'\] vm +(\d+) +([\d.]+)', text)
        if not status or not metric:
            raise LabError(f'stress-ng gave no result in the guest: {text[-200:]!r}')
        return status[1] == '0', float(metric[1]), float(metric[2])


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
