# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a benchmark is, and how long it will still take."""
import sys
import time

from . import report

BAR = 20


def duration(seconds):
    """'1 h 05 min', '12 min', '40 s'."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f'{minutes // 60} h {minutes % 60:02} min'
    return f'{minutes} min' if seconds >= 90 else f'{seconds:.0f} s'


class BenchProgress(report.Progress):
    """The bar, and what the run does; elsewhere than on a terminal nothing but
    the line that the caller prints when it is through."""

    def __init__(self, done, total, left_s, title, stream=sys.stdout):
        super().__init__(f'[{done + 1}/{total}] {title}', stream)
        self.left_s, self.began_s = left_s, time.monotonic()
        filled = BAR * done // total
        self.bar = '#' * filled + '-' * (BAR - filled)

    def __call__(self, stage, sample):
        if not self.live:
            return
        left_s = max(0, self.left_s - (time.monotonic() - self.began_s))
        text = report.STAGES.get(stage) or report.describe_sample(sample)
        self.stream.write(f'\r\033[K{self.bar} {self.title}, {duration(left_s)} left: {text}')
        self.stream.flush()
