# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress lines and tables for people."""
import sys
import time

MIB = 1 << 20
LINE_EVERY_S = 5    # where the output is no terminal
STAGES = {'boot': 'booting the guest', 'load': 'starting the workload', 'verify': 'verifying memory'}


class Progress:
    """One line that changes on a terminal; now and then a line elsewhere."""

    def __init__(self, title, stream=sys.stdout):
        self.title, self.stream = title, stream
        self.live = stream.isatty()
        self.stage = None
        self.printed_s = 0.0

    def __call__(self, stage, sample):
        text = STAGES.get(stage) or describe_sample(sample)
        now_s = time.monotonic()
        if self.live:
            self.stream.write(f'\r\033[K{self.title}: {text}')
        elif stage != self.stage or now_s - self.printed_s >= LINE_EVERY_S:
            self.stream.write(f'{self.title}: {text}\n')
            self.printed_s = now_s
        self.stage = stage
        self.stream.flush()

    def end(self):
        if self.live:
            self.stream.write('\r\033[K')
            self.stream.flush()


def describe_sample(sample):
    parts = [f"{sample['at_s']:5.1f} s"]
    if sample['total_bytes']:
        done = 1 - sample['remaining_bytes'] / sample['total_bytes']
        parts += [f'{done:4.0%}', f"{sample['remaining_bytes'] / MIB:.0f} MiB left",
                  f"round {sample['rounds']}"]
    else:
        parts.append(str(sample['status']))
    if sample['throttle_percent']:
        parts.append(f"guest slowed by {sample['throttle_percent']}%")
    forecast = describe_forecast(sample['convergence'])
    if forecast:
        parts.append(forecast)
    return ', '.join(parts)


def describe_forecast(convergence):
    if not convergence:
        return ''
    forecast = convergence.get('forecast') or {}
    eta_ms, downtime_ms = (forecast.get(k, -1) for k in ('eta-ms', 'downtime-ms'))
    text = convergence.get('outlook', '')
    if eta_ms is not None and eta_ms >= 0:
        text += f' {eta_ms / 1000:.1f} s to go'
    if downtime_ms is not None and downtime_ms >= 0:
        text += f' downtime {downtime_ms} ms'
    return f'forecast: {text.strip()}' if text.strip() else ''


def table(headings, rows):
    """Columns as wide as they need to be; the first left, the rest right."""
    cells = [headings, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = []
    for number, row in enumerate(cells):
        lines.append('  '.join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
        if number == 0:
            lines.append('  '.join('-' * width for width in widths))
    return '\n'.join(lines)


def seconds(ms):
    return '-' if ms is None else f'{ms / 1000:.1f} s'


def milliseconds(ms):
    return '-' if ms is None else f'{ms:,.0f} ms'


def mebibytes(size):
    return '-' if size is None else f'{size / MIB:,.0f} MiB'


def percent(ratio):
    return '-' if ratio is None else f'{ratio:.0%}'


HEADINGS = ['configuration', 'result', 'total', 'downtime (QEMU)', 'outage (guest)',
            'sent', 'guest speed', 'memory']


def row(result):
    """One migration as a row under HEADINGS."""
    outcome = {'completed': 'completed', 'cancelled': 'gave up'}.get(
        result['status'], result['status'])
    return [result['config'], outcome,
            seconds(result['total_ms'] or result['wall_ms']),
            milliseconds(result['downtime_ms']), milliseconds(result['outage_ms']),
            mebibytes(result['sent_bytes']), percent(result['guest_speed']['ratio']),
            'verified' if result['memory_verified'] else 'DAMAGED']


def skipped_row(name, why):
    return [name, why, *['-'] * (len(HEADINGS) - 2)]
