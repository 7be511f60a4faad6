# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are, and QEMU's own Python packages on the path."""
import os
import sys
from pathlib import Path

from .errors import LabError

REPO = Path(__file__).resolve().parents[3]
BUILD = REPO / 'build'
GUEST = BUILD / 'guest'
WORK = BUILD / 'e2e'


def _existing(path, hint):
    path = Path(path)
    if not path.exists():
        raise LabError(f'{path} does not exist; {hint}')
    return path.resolve()


def qemu(given=None):
    """The QEMU under test."""
    given = given or os.environ.get('QEMU_BINARY')
    if given:
        return _existing(given, 'check --qemu or QEMU_BINARY')
    return _existing(BUILD / 'qemu' / 'qemu-system-x86_64', 'run scripts/build qemu')


def qemu_stock(given=None):
    """An unpatched QEMU of the same version."""
    given = given or os.environ.get('QEMU_STOCK_BINARY')
    if given:
        return _existing(given, 'check --stock-binary or QEMU_STOCK_BINARY')
    return _existing(BUILD / 'qemu-stock' / 'qemu-system-x86_64',
                     'run scripts/build qemu-stock')


def libvirt(given=None):
    """A build of libvirt with our series."""
    return _libvirt(given or BUILD / 'libvirt', 'run scripts/build libvirt')


def libvirt_stock(given=None):
    """An unpatched build of libvirt."""
    return _libvirt(given or BUILD / 'libvirt-stock', 'run scripts/build libvirt-stock')


def _libvirt(directory, hint):
    return _existing(Path(directory) / 'src' / 'libvirtd', hint).parents[1]


def guest_files():
    return (_existing(GUEST / 'vmlinuz', 'run scripts/guest'),
            _existing(GUEST / 'initramfs.cpio.gz', 'run scripts/guest'))


def guest_solver():
    return _existing(GUEST / 'phased-solver', 'run scripts/guest')


def guest_disk():
    return _existing(BUILD / 'guest-workloads' / 'disk.img', 'run scripts/guest --workloads')


def use_qemu_python():
    """Make 'import qemu.machine' work."""
    path = os.environ.get('QEMU_PYTHON') or BUILD / 'qemu-src' / 'python'
    path = str(_existing(path, 'run scripts/setup'))
    if path not in sys.path:
        sys.path.insert(0, path)
