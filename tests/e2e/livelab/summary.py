# SPDX-License-Identifier: GPL-2.0-or-later
"""n, median and spread of each figure, and ratios within rounds."""
from . import report, stats

# name: (label, how it is written, is less better?)
FIGURES = {
    'total_ms': ('total time', report.seconds, True),
    'downtime_ms': ('downtime (QEMU)', report.milliseconds, True),
    'outage_ms': ('outage (guest)', report.milliseconds, True),
    'sent_bytes': ('sent', report.mebibytes, True),
    'guest_speed': ('guest speed', report.percent, False),
    'program_speed': ("program's speed", report.percent, False),
    'held_ms': ('held by hints', report.milliseconds, None),
    'cpu_ms': ('migration CPU', report.milliseconds, True),
    'forecast_error': ('forecast error', lambda v: '-' if v is None else f'{v:+.0%}', None),
}
# Those that only a finished migration has.
OF_SUCCESS = ('total_ms', 'downtime_ms', 'outage_ms', 'forecast_error')


def value(run, figure):
    """None where it is not known, or means nothing."""
    if figure in OF_SUCCESS and not run['success']:
        return None
    if figure == 'guest_speed':
        return (run['guest_speed'] or {}).get('ratio')
    if figure == 'program_speed':
        return (run.get('program') or {}).get('ratio')
    if figure == 'held_ms':
        return (run.get('guest_hints') or {}).get('held-ms')
    if figure == 'cpu_ms':
        return (run.get('migration_cpu') or {}).get('all_ms')
    if figure == 'forecast_error':
        return forecast_error(run)
    return run[figure]


def forecast_error(run):
    """Measured downtime against the forecast at the decision: 0.1 = a tenth longer."""
    if run.get('postcopy_at_s'):
        return None     # it was forecast for another way of ending
    said = (run.get('forecast_at_decision') or {}).get('downtime-ms')
    if said is None or said <= 0 or run['downtime_ms'] is None:
        return None
    return run['downtime_ms'] / said - 1


def names(runs):
    """Configurations in the order of their first runs."""
    return list(dict.fromkeys(r['config'] for r in sorted(runs, key=lambda r: r.get('started', ''))))


def summarize(runs, baseline=None):
    """{config: {'runs', 'completed', 'verified', figure: spread, figure_ratio: spread}};
    ratios against @baseline in the same round, where both completed."""
    order = names(runs)
    base = {r['run']: r for r in runs if r['config'] == baseline}
    summary = {}
    for name in order:
        mine = [r for r in runs if r['config'] == name]
        entry = {'runs': len(mine), 'completed': sum(r['success'] for r in mine),
                 'verified': sum(r['memory_verified'] is True for r in mine)}
        for figure in FIGURES:
            entry[figure] = stats.describe([value(r, figure) for r in mine])
            ratios = [value(r, figure) / value(base[r['run']], figure) for r in mine
                      if name != baseline and figure != 'forecast_error' and r['run'] in base
                      and value(r, figure) is not None and value(base[r['run']], figure)]
            entry[f'{figure}_ratio'] = stats.describe(ratios)
        summary[name] = entry
    return summary


def spread(figure, described):
    """'median (quartile .. quartile)', or '-'."""
    if not described:
        return '-'
    write = FIGURES[figure][1]
    middle = write(described['median'])
    if described['n'] < 2:
        return middle
    return f"{middle} ({write(described['q1'])} .. {write(described['q3'])})"


def load_note(runs):
    """Said where other work ran on the host."""
    cores = runs[0]['host']['cores']
    most = max(r['load_average'] for r in runs)
    if most <= cores + 1.5:
        return ''
    return (f'Other work ran on the host (load up to {most:.1f} on {cores} cores): ratios within '
            'rounds are more to be trusted than single times.')
