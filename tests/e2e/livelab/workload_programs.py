# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs, from the disk of "scripts/guest --workloads".

Each has a script in tests/guest/workloads: start, work (what it did so far),
check (its own data).  Our generator runs beside it, for the guest's speed and
for the memory that the program leaves alone (see workload_generator).
"""
from .errors import LabError
from .workload_generator import check_generator, start_bystander

# Under TCG on a busy host all of it takes its time.
START_TIMEOUT_S = 600
CHECK_TIMEOUT_S = 600


class ProgramLoad:
    """One script on the disk."""

    disk = True
    hints = False
    cycle_s = 0
    calm_s = 6.0

    def __init__(self, name, what, megabytes):
        self.name, self.what, self.megabytes = name, what, megabytes
        self.script = f'/usr/workloads/{name}'

    def start(self, guest, ram_mib):
        status, output = guest.run(f'{self.script} start', START_TIMEOUT_S)
        if status:
            raise LabError(f'{self.name} does not start in the guest: {_last(output)}')
        start_bystander(guest, ram_mib, self.megabytes, hot_mib=0.25)

    def work(self, guest):
        return guest.must_run(f'{self.script} work', 60).strip()

    def finish(self, guest):
        """Verify the program's data and all watched memory."""
        status, output = guest.run(f'{self.script} check', CHECK_TIMEOUT_S)
        verified, found = check_generator(guest)
        return verified and status == 0, f'{found}, {_last(output)}'


def _last(output):
    return (output.strip().splitlines() or ['no message'])[-1]


# What it is, and the MiB that it takes, its files in memory included.
KINDS = {
    'redis': ('redis, 65,000 values of 2000 bytes; clients replace and read them', 200),
    'nginx': ('nginx, 200 static files of 1 to 160 KiB; wrk asks for them', 120),
    'compile': ("gcc compiles the kernel's squashfs, file by file", 200),
}


def create(name):
    return ProgramLoad(name, *KINDS[name])
