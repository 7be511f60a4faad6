# SPDX-License-Identifier: GPL-2.0-or-later
"""Does KVM really run a guest here?

A /dev/kvm that opens is not enough: nested or emulated hosts offer one that
never gets through a kernel's boot.  So a guest is booted with a time limit; the
answer holds until the host reboots.
"""
import json
import os
from pathlib import Path

from . import paths, processes
from .errors import LabError
from .guest import Guest

TRIAL_S = 20


def pick(binary, say=print):
    """'kvm' or 'tcg', and why."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'tcg', 'KVM is not available here'
    cache = paths.WORK / 'accel.json'
    key = [Path('/proc/sys/kernel/random/boot_id').read_text().strip(), str(binary)]
    try:
        known = json.loads(cache.read_text())
        if known['key'] == key:
            return known['accel'], known['why']
    except (OSError, ValueError, KeyError):
        pass
    say(f'trying whether KVM runs the guest (up to {TRIAL_S} s)')
    accel, why = _trial(binary)
    paths.WORK.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps({'key': key, 'accel': accel, 'why': why}))
    return accel, why


def _trial(binary):
    with processes.private_directory() as directory:
        guest = Guest(binary, 'trial', Path(directory), accel='kvm')
        try:
            guest.launch()
            guest.wait_booted(TRIAL_S)
            return 'kvm', 'a trial boot ran'
        except LabError:
            return 'tcg', f'/dev/kvm opens, but a trial boot did not end in {TRIAL_S} s'
        finally:
            guest.close()
