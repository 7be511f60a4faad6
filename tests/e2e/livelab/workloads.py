# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps the guest busy, and how its memory is verified afterwards.

Sizes are for a guest of 512 MiB; a larger guest gets a larger cold set, so
that about two thirds of its RAM, kernel included, are worth sending.
"""
import functools
import re

from . import workload_programs, workload_stress
from .errors import LabError
from .workload_generator import GeneratorLoad, check_generator, start_generator
from .workload_phased import PhasedLoad

__all__ = ['ALL', 'SHORT', 'check_generator', 'create', 'start_generator']


def _generator(name, what, hot_mib, arguments='', cycle_s=0):
    return lambda: GeneratorLoad(name, what, hot_mib, arguments, cycle_s)


ALL = {
    'hot60': _generator('hot60', '60 MiB hot, 25,000 page writes/s', 60,
                        '--rate 25000'),
    # As many pages, but every byte of them: nothing is left for XBZRLE to save.
    'whole60': _generator('whole60', '60 MiB hot, 25,000 page writes/s of whole pages', 60,
                          '--rate 25000 --bytes 4096'),
    'burst200': _generator('burst200', '200 MiB in bursts of 3 s with 3 s of quiet', 200,
                           '--rate 25000 --burst-s 3 --quiet-s 3', cycle_s=6),
    'sweep150': _generator('sweep150', 'sweep over 150 MiB, 25,000 page writes/s', 150,
                           '--rate 25000 --pattern sweep'),
    'skew150': _generator('skew150', '150 MiB, 90% of 25,000 page writes/s to a tenth', 150,
                          '--rate 25000 --pattern skew'),
    'uniform300': _generator('uniform300', '300 MiB, 12,000 page writes/s all over', 300,
                             '--rate 12000'),
    'idle': _generator('idle', 'next to nothing written', 1, '--rate 10'),
    'phased': _generator('phased', '120 MiB: 20,000 page writes/s for 4 s, then 500/s for 4 s', 120,
                         '--rate 20000 --burst-s 4 --quiet-s 4 --quiet-rate 500', cycle_s=8),
    # One cell a cache line: faster than the link even under TCG, and within the ceiling of 2 s.
    'phased-tags': lambda: PhasedLoad('phased-tags', 80, stride=8, heavy_s=12, light_s=4),
    **{name: functools.partial(workload_stress.create, name) for name in workload_stress.KINDS},
    **{name: functools.partial(workload_programs.create, name) for name in workload_programs.KINDS},
}
SHORT = {'hot': 'hot60', 'burst': 'burst200', 'sweep': 'sweep150', 'skew': 'skew150'}


def create(name):
    name = SHORT.get(name, name)
    rate = re.fullmatch(r'hot60-(\d+)', name)
    if rate:
        return GeneratorLoad(name, f'60 MiB hot, {int(rate[1]):,} page writes/s', 60, f'--rate {rate[1]}')
    if name not in ALL:
        raise LabError(f"no workload '{name}'; there are: {', '.join([*ALL, *SHORT])}")
    return ALL[name]()
