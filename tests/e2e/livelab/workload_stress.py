# SPDX-License-Identifier: GPL-2.0-or-later
"""stress-ng's stressors, with --verify, and our generator beside them.

stress-ng tells its work only at its end, so the guest's speed is that of the
bystander (see workload_generator).
"""
import re
import time

from .errors import LabError
from .workload_generator import check_generator, start_bystander


class StressLoad:
    """One kind of stressor."""

    disk = False
    hints = False
    cycle_s = 0
    calm_s = 6.0    # the share of a bystander varies more than a set rate

    def __init__(self, name, stressor, arguments, megabytes, hot_mib=0.25):
        self.name, self.stressor = name, stressor
        self.megabytes, self.hot_mib = megabytes, hot_mib
        self.what = f'stress-ng {arguments}'
        self.command = f'{self.what} --verify --metrics-brief'

    def start(self, guest, ram_mib):
        start_bystander(guest, ram_mib, self.megabytes, self.hot_mib)
        guest.must_run(f"setsid sh -c '{self.command} & echo $! >/run/stress.pid; "
                       "wait $!; echo status=$?' >/run/stress.out 2>&1 &")
        # Getting its memory takes stress-ng a while.
        self._wait(guest, 'stress-ng does not get going', lambda: self._ticks(guest) > 200)

    def _ticks(self, guest):
        """CPU time of its workers, user and system, in 10 ms."""
        return int(guest.must_run(
            "cat /proc/[0-9]*/stat 2>/dev/null | "
            # The kernel keeps 15 characters of a name.
            f"awk '/stress-ng-{self.stressor[:5]}/ {{ ticks += $14 + $15 }} END {{ print ticks + 0 }}'"))

    def work(self, guest):
        """stress-ng counts for itself; what can be seen is its CPU time."""
        return f'{self._ticks(guest) / 100:.1f} s of CPU time'

    def finish(self, guest):
        guest.must_run('kill -INT $(cat /run/stress.pid)')
        self._wait(guest, 'stress-ng does not end',
                   lambda: 'status=' in guest.must_run('cat /run/stress.out'))
        text = guest.must_run('cat /run/stress.out')
        verified, found = check_generator(guest)
        operations = re.search(rf'\] {self.stressor} +(\d+) ', text)
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


# stress-ng's arguments, the MiB that they fill; the first is the demonstration's.
KINDS = {
    'stress': ('vm', '--vm 2 --vm-bytes 96M --vm-method modulo-x --vm-keep', 96),
    # Whole pages at once, again and again.
    'stress-flip': ('vm', '--vm 1 --vm-bytes 96M --vm-method flip --vm-keep', 96),
    'stress-write': ('vm', '--vm 1 --vm-bytes 96M --vm-method write64 --vm-keep', 96),
    # Memory that comes and goes: heap blocks, mappings.
    'stress-malloc': ('malloc', '--malloc 1 --malloc-bytes 1M --malloc-max 64', 64),
    'stress-mmap': ('mmap', '--mmap 1 --mmap-bytes 64M', 128),
    # Arrays of floating point numbers, one after the other, and all over.
    'stress-stream': ('stream', '--stream 1 --stream-l3-size 4M', 64),
    'stress-matrix': ('matrix', '--matrix 1 --matrix-size 1024', 32),
}


def create(name):
    stressor, arguments, megabytes = KINDS[name]
    # The bystander of the oldest kind keeps its size: figures were published.
    return StressLoad(name, stressor, arguments, megabytes, 4 if name == 'stress' else 0.25)
