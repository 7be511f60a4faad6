# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine and the versions that a result came from."""
import os
import platform
import subprocess
from pathlib import Path

from . import paths


def describe():
    return {'cpu': _cpu_model(), 'cores': os.cpu_count(),
            'memory_mib': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20,
            'kernel': platform.release(), 'python': platform.python_version()}


def _cpu_model():
    for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def guest_kernel():
    return (paths.GUEST / 'kernel').read_text(encoding='utf-8').strip()


def commit():
    done = subprocess.run(['git', '-C', paths.REPO, 'describe', '--always', '--dirty'],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return done.stdout.strip() or None
