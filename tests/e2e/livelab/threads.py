# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU time of a QEMU's migration threads, by their names.

A thread is gone with its migration, so it is read all along, and the last
reading counts: up to one polling period is missing.
"""
from pathlib import Path

MAIN = 'mig/src/main'
ALL_SOURCE = 'mig/src/'     # the multifd channels' threads, too


class MigrationThreads:
    def __init__(self, pid):
        self.tasks = Path(f'/proc/{pid}/task')
        self.seen = {}      # thread id to (name, CPU time in ns)

    def look(self):
        try:
            for task in self.tasks.iterdir():
                name = (task / 'comm').read_text().strip()
                if name.startswith(ALL_SOURCE):
                    # CPU time, time waiting for a CPU, time slices.
                    cpu_ns = int((task / 'schedstat').read_text().split()[0])
                    self.seen[task.name] = (name, cpu_ns)
        except (OSError, ValueError, IndexError):
            pass            # a thread or QEMU ended meanwhile

    def cpu_ms(self):
        """{'main_ms', 'all_ms'}, or None where no such thread was seen."""
        main = [ns for name, ns in self.seen.values() if name == MAIN]
        if not main:
            return None
        return {'main_ms': round(sum(main) / 1e6, 1),
                'all_ms': round(sum(ns for _, ns in self.seen.values()) / 1e6, 1)}
