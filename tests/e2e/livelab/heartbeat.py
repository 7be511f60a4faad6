# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's heartbeats, stamped by the host's monotonic clock.

The guest's own clock stops with the guest, so only the host can tell how long
it was gone.  The outage is the longest silence around the switchover; the
undisturbed jitter of the beats is reported beside it, as its error.
"""
import bisect
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

from . import processes
from .errors import LabError

Beat = namedtuple('Beat', 'stamp_ns number done wanted')

# How far around the switchover a silence still belongs to it: post-copy and
# a busy destination stutter after the first beat.
AROUND_SWITCHOVER_NS = 1_000_000_000


class Heartbeats:
    """The reader process, and every beat it stamped, by stream name."""

    def __init__(self):
        self.child = processes.start(
            [sys.executable, Path(__file__).with_name('beat_reader.py')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.streams = {}

    def _request(self, text):
        self.child.stdin.write(text + '\n')
        self.child.stdin.flush()
        lines = []
        while (line := self.child.stdout.readline()) != '.\n':
            if not line:
                raise LabError('the heartbeat reader ended; see its message above')
            lines.append(line)
        return lines

    def listen(self, name, path):
        self.streams[name] = []
        self._request(f'add {name} {path}')

    def collect(self):
        for line in self._request('dump'):
            stamp, name, *fields = line.split()
            try:
                number, done, wanted = (int(f, 16) for f in fields)
            except ValueError:
                continue    # the first line may begin in the middle
            self.streams[name].append(Beat(int(stamp), number, done, wanted))
        return self.streams

    def close(self):
        processes.stop(self.child)


def gaps_ms(beats):
    return [(b.stamp_ns - a.stamp_ns) / 1e6 for a, b in zip(beats, beats[1:])]


def jitter(beats):
    """Median, 99th percentile and worst gap of an undisturbed guest, in ms."""
    gaps = sorted(gaps_ms(beats))
    if not gaps:
        return None
    return {'beats': len(gaps), 'median_ms': round(gaps[len(gaps) // 2], 2),
            'p99_ms': round(gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))], 2),
            'max_ms': round(gaps[-1], 2)}


def outage(source, destination):
    """The guest's silence at the switchover, and whether a beat was lost."""
    if not source or not destination:
        return None
    around = [b for b in source
              if b.stamp_ns >= source[-1].stamp_ns - AROUND_SWITCHOVER_NS]
    around += [b for b in destination
               if b.stamp_ns <= destination[0].stamp_ns + AROUND_SWITCHOVER_NS]
    return {'outage_ms': round(max(gaps_ms(around)), 2),
            'missed_beats': destination[0].number - source[-1].number - 1,
            'writes_went_back': destination[0].done < source[-1].done}


def speed(streams, begin_ns, end_ns):
    """The generator's work between two moments of the host's clock, over all
    the streams it shows in: the outage between them is not counted."""
    seconds = done = wanted = 0
    for beats in streams:
        inside = [b for b in beats if begin_ns <= b.stamp_ns <= end_ns]
        if len(inside) < 2:
            continue
        first, last = inside[0], inside[-1]
        seconds += (last.stamp_ns - first.stamp_ns) / 1e9
        done += last.done - first.done
        wanted += last.wanted - first.wanted
    if not seconds:
        return None
    return {'seconds': round(seconds, 3), 'per_s': round(done / seconds, 1),
            'of_wanted': round(done / wanted, 4) if wanted else None}


def timeline(beats, origin_ns, from_s, to_s, bin_s=0.25):
    """Page writes done in each bin of time, @from_s to @to_s after @origin_ns."""
    beats = sorted(beats)
    stamps = [b.stamp_ns for b in beats]
    counts = []
    for i in range(int((to_s - from_s) / bin_s) + 1):
        at = bisect.bisect_right(stamps, origin_ns + (from_s + i * bin_s) * 1e9)
        counts.append(beats[at - 1].done if at else None)
    if None in counts:
        return None
    return {'from_s': from_s, 'bin_s': bin_s,
            'writes': [b - a for a, b in zip(counts, counts[1:])]}
