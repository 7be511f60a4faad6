# SPDX-License-Identifier: GPL-2.0-or-later
"""What is drawn: one function a figure, each from runs as results.py has them."""
import math
import re

from . import stats, summary, svg

MIB = 1 << 20
# By kind: QEMU's own ways grey and brown, outside controllers orange, ours the rest.
COLOURS = {
    'stock': '#8c8c8c', 'stock-2000': '#5b6cc9', 'auto-converge': '#a0703c', 'xbzrle': '#b59d4c', 'multifd': '#7f9a9a',
    'post-copy': '#c04a8a', 'doubling': '#e08a1e', 'kubevirt-ramp': '#d9601a', 'kubevirt-stall': '#c43b1d',
    'threshold': '#777f88', 'classic': '#3f8fa8', 'stall': '#1a9850', 'predict': '#8e5bc4',
    'frequent-set': '#3b8bea', 'memory-pattern': '#d64550', 'adaptive': '#00a6a6',
}
OTHERS = ['#1a9850', '#8e5bc4', '#3b8bea', '#d64550', '#00a6a6', '#b08900', '#c04a8a']
MARKERS = 'osD^vP*Xhp<>'
DASHES = ('-', '--', ':', '-.')
COLUMNS = 3


def base(name):
    """What a configuration is a variant of: "stall+multifd" of stall, "doubling-4000" of doubling."""
    plain = name.split('+')[0]
    return plain if plain in COLOURS else re.sub(r'-\d+$', '', plain)


def colour(name, names):
    """The same for a configuration in every figure; variants share that of their base."""
    unknown = list(dict.fromkeys(base(n) for n in names if base(n) not in COLOURS))
    return COLOURS[base(name)] if base(name) in COLOURS else OTHERS[unknown.index(base(name)) % len(OTHERS)]


def dashes(name, names):
    """Tells variants apart."""
    return DASHES[[n for n in names if base(n) == base(name)].index(name) % len(DASHES)]


def new_figure(width, height, **kwargs):
    # Not at the top: the tables and --check work without matplotlib.
    import matplotlib   # pylint: disable=import-outside-toplevel
    from matplotlib.figure import Figure    # pylint: disable=import-outside-toplevel
    matplotlib.rcParams.update(svg.STYLE)
    return Figure(figsize=(width, height), layout='constrained', **kwargs)


def by_config(runs):
    return {name: [r for r in runs if r['config'] == name] for name in summary.names(runs)}


def panels(count, height=1.9):
    columns = 2 if count in (2, 4) else min(COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = new_figure((3.1 if columns > 2 else 4.4) * columns + 0.4, height * rows + 0.55)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = list(axes.flat)
    for extra in flat[count:]:
        extra.set_visible(False)
    # With a gap below them, the last panels of a column show the axis themselves.
    for i, ax in enumerate(flat[:count]):
        if i + columns >= count:
            ax.tick_params(labelbottom=True)
    return figure, flat[:count]


def log_axis(axis):
    """Labels at 1, 2 and 5 of each decade, for one alone would hardly have any; of a wide horizontal axis at 1."""
    from matplotlib.ticker import LogLocator, NullFormatter     # pylint: disable=import-outside-toplevel
    low, high = axis.get_view_interval()
    wide = axis.axis_name == 'x' and 0 < low and high / low > 100
    axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axis.set_major_formatter(lambda v, _: f'{v:,.4g}')
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(which='minor', length=0)


def stopped_s(run):
    """When the guest was stopped; None if it never was."""
    return next((at for at, name, _ in run['events'] if name == 'STOP'), None) if run['success'] else None


def curve(run):
    """(s, MiB) of what remains while the guest runs at the source, without the moments when QEMU does not tell."""
    table, end_s = run['samples'], stopped_s(run)
    points = [(at, left / MIB) for at, left in zip(table['at_s'], table['remaining_bytes'])
              if left is not None and left > 0 and (end_s is None or at <= end_s)]
    return [p[0] for p in points], [p[1] for p in points]


def with_series(runs, key='samples'):
    return {name: mine for name, mine in
            ((n, [r for r in rs if r.get(key)]) for n, rs in by_config(runs).items()) if mine}


def at_curve(xs, ys, at):
    """The curve's value at a moment, between its neighbours."""
    for (x0, y0), (x1, y1) in zip(zip(xs, ys), zip(xs[1:], ys[1:])):
        if x0 <= at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0) if x1 > x0 else y1
    return ys[-1] if ys and at > xs[-1] else None


def remaining(runs):
    """What remains to be sent, over time; a panel a configuration."""
    series = with_series(runs)
    figure, axes = panels(len(series))
    pale = series.get('stock-2000') or next(iter(series.values()))
    for ax, (name, mine) in zip(axes, series.items()):
        ax.plot(*curve(pale[0]), color=svg.MUTED, alpha=0.5, linewidth=1.2, zorder=1)
        for i, run in enumerate(mine):
            xs, ys = curve(run)
            ax.plot(xs, ys, color=colour(name, series), linewidth=1.6 if i == 0 else 0.9,
                    alpha=1 if i == 0 else 0.6, zorder=3)
        draw_moments(ax, mine[0], colour(name, series))
        ax.set_title(name, loc='left')
        ax.set_yscale('log')
        log_axis(ax.yaxis)
    figure.supxlabel('s since the migration began', fontsize=10)
    figure.supylabel('MiB remaining', fontsize=10)
    return figure


def journey(runs):
    """One policy's runs, the first of them with its moments; behind it stock with a raised limit, where there is one."""
    series = with_series(runs)
    pale = series.pop('stock-2000', [])
    (name, mine), = series.items()
    figure = new_figure(7.6, 3.3)
    ax = figure.subplots()
    for i, run in enumerate(pale[:1] + mine):
        ours = run['config'] == name
        main = run is mine[0]
        label = (name if main else 'its other runs' if run is mine[-1] else None) if ours else 'limit 2000 ms'
        ax.plot(*curve(run), color=colour(name, series) if ours else svg.MUTED, label=label, zorder=3 if main else 1,
                alpha=1 if main else 0.45, linewidth=1.9 if main else 1)
    draw_moments(ax, mine[0], colour(name, series))
    ax.set_yscale('log')
    log_axis(ax.yaxis)
    ax.set_xlabel('s since the migration began')
    ax.set_ylabel('MiB remaining')
    ax.legend(loc='upper right')
    return figure


def draw_moments(ax, run, paint):
    """Rounds as dots, the decision as a cross, giving up as an open square."""
    xs, ys = curve(run)
    dots = [(at, at_curve(xs, ys, at)) for at in run['rounds_at_s'] if xs and at <= xs[-1]]
    dots = [d for d in dots if d[1]]
    ax.plot([d[0] for d in dots], [d[1] for d in dots], linestyle='', marker='o', markersize=2.6, color=svg.INK, zorder=4)
    ends = [at for at, name, what in run['events'] if name == 'MIGRATION' and what in ('completed', 'cancelled', 'failed')]
    if stopped_s(run) is not None and ys:
        ax.plot([stopped_s(run)], ys[-1:], marker='X', markersize=9, color=paint,
                markeredgecolor=svg.INK, linestyle='', zorder=5)
    elif ends and ys:
        ax.plot(ends[-1:], ys[-1:], marker='s', markersize=7, color=svg.PAPER, markeredgecolor=paint, linestyle='', zorder=5)


def pareto(runs):
    """Total time against the guest's outage: below and left is better."""
    groups = by_config(runs)
    figure = new_figure(8.4, 4.4)
    ax = figure.subplots()
    for i, (name, mine) in enumerate(groups.items()):
        good = [r for r in mine if r['success'] and r['outage_ms']]
        label = name if len(good) == len(mine) else f'{name} ({len(good)} of {len(mine)} completed)'
        paint, marker = colour(name, groups), MARKERS[i % len(MARKERS)]
        xs, ys = [r['total_ms'] / 1000 for r in good], [r['outage_ms'] for r in good]
        if good:
            ax.plot(xs, ys, linestyle='', marker=marker, markersize=4, color=paint, alpha=0.35, markeredgewidth=0)
        entry = summary.summarize(mine)[name]
        x, y = entry['total_ms'], entry['outage_ms']
        ax.errorbar([x['median'] / 1000] if good else [], [y['median']] if good else [],
                    xerr=arms(x, 1000) if good else None, yerr=arms(y, 1) if good else None,
                    marker=marker, markersize=8, color=paint, markeredgecolor=svg.INK, markeredgewidth=0.6,
                    linestyle='', elinewidth=1, label=label)
    ax.set_yscale('log')
    log_axis(ax.yaxis)
    ax.margins(y=0.25)
    ax.set_xlim(left=0)
    ax.set_xlabel('total time, s')
    ax.set_ylabel("the guest's outage, ms")
    ax.legend(loc='upper left', bbox_to_anchor=(1.01, 1))
    return figure


def arms(entry, scale):
    return [[(entry['median'] - entry['q1']) / scale], [(entry['q3'] - entry['median']) / scale]]


def cdf(runs):
    """The share of runs that were through within so much time, and with such an outage."""
    groups = by_config(runs)
    figure = new_figure(9.2, 3.7)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, key, scale, label in ((axes[0], 'total_ms', 1000, 'total time, s'),
                                  (axes[1], 'outage_ms', 1, "the guest's outage, ms")):
        for name, mine in groups.items():
            values = sorted(r[key] / scale for r in mine if r['success'] and r[key] is not None)
            if not values:
                continue
            steps = [k / len(mine) for k in range(len(values) + 1)]
            ax.step([values[0], *values], steps, where='post', color=colour(name, groups), linewidth=1.7,
                    linestyle=dashes(name, groups), label=name)
        ax.set_xlabel(label)
        ax.set_ylim(0, 1.03)
    axes[1].set_xscale('log')
    log_axis(axes[1].xaxis)
    axes[0].set_ylabel('share of runs')
    axes[0].yaxis.set_major_formatter(lambda v, _: f'{v:.0%}')
    axes[1].legend(loc='upper left', bbox_to_anchor=(1.01, 1))
    return figure


def speed(runs):
    """The guest's work over time, against its undisturbed speed."""
    series = {name: mine for name, mine in with_series(runs, 'guest_timeline').items()
              if mine[0]['guest_speed']['before_per_s']}
    if not series:
        return None
    figure, axes = panels(len(series), 1.75)
    for ax, (name, mine) in zip(axes, series.items()):
        run = mine[0]
        line, before = run['guest_timeline'], run['guest_speed']['before_per_s']
        xs = [line['from_s'] + (i + 0.5) * line['bin_s'] for i in range(len(line['writes']))]
        ys = [n / line['bin_s'] / before for n in line['writes']]
        ax.axvspan(0, run['wall_ms'] / 1000, color=svg.GRID, alpha=0.35, linewidth=0)
        ax.step(xs, ys, where='mid', color=colour(name, series), linewidth=1.3)
        ax.set_title(name, loc='left')
        ax.set_ylim(0, 1.6)
        ax.yaxis.set_major_formatter(lambda v, _: f'{v:.0%}')
    figure.supxlabel('s since the migration began (shaded: while it lasts)', fontsize=10)
    figure.supylabel("page writes, of the undisturbed guest's", fontsize=10)
    return figure


def forecasts(runs):
    """Forecast against measured downtime, at the decision and before it."""
    groups = {name: [r for r in mine if r['success'] and r['downtime_ms']] for name, mine in by_config(runs).items()}
    groups = {name: mine for name, mine in groups.items() if any(r.get('convergence') for r in mine)}
    points = [(name, r) for name, mine in groups.items() for r in mine if summary.forecast_error(r) is not None]
    if not points:
        return None
    figure = new_figure(7.6, 4.4)
    ax = figure.subplots()
    labelled = set()
    for name, run in points:
        paint = colour(name, groups)
        ax.plot([run['downtime_ms']], [run['forecast_at_decision']['downtime-ms']], marker='o', markersize=6, color=paint,
                linestyle='', label=None if name in labelled else name)
        labelled.add(name)
        early = (run.get('forecast_before') or {}).get('downtime-ms', -1)
        if early > 0:
            ax.plot([run['downtime_ms']], [early], marker='o', markersize=6, markerfacecolor='none',
                    markeredgecolor=paint, linestyle='')
    diagonal(ax)
    ax.set_xlabel('measured downtime, ms')
    ax.set_ylabel('forecast, ms (open: 2 s before the decision)')
    ax.legend(loc='upper left', bbox_to_anchor=(1.01, 1))
    return figure


def order_rates(points):
    """Downtime in the order of the page history, of that in address order, by the hot set's write rate."""
    if not points:
        return None
    figure = new_figure(6.4, 3.5)
    ax = figure.subplots()
    for rate, ratios in points:
        ax.plot([rate] * len(ratios), ratios, linestyle='', marker='o', markersize=4, color=OTHERS[0], alpha=0.4,
                markeredgewidth=0)
    ax.plot([rate for rate, _ in points], [stats.quantile(ratios, 0.5) for _, ratios in points], marker='D', markersize=6,
            color=OTHERS[0], markeredgecolor=svg.INK, markeredgewidth=0.6, linewidth=1.4)
    ax.axhline(1, color=svg.MUTED, linewidth=1)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_formatter(lambda v, _: f'{v:,.0f}')
    ax.set_xlabel('page writes/s, to 60 MiB')
    ax.set_ylabel("downtime, of address order's")
    return figure


def diagonal(ax, band=None):
    """Where both are equal; square limits over all that is shown."""
    low = min(ax.dataLim.x0, ax.dataLim.y0) / 1.3
    high = max(ax.dataLim.x1, ax.dataLim.y1) * 1.3
    ax.set_xscale('log')
    ax.set_yscale('log')
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.plot([low, high], [low, high], color=svg.MUTED, linewidth=1, zorder=1)
    if band:
        ax.fill_between([low, high], [low * (1 - band), high * (1 - band)], [low * (1 + band), high * (1 + band)],
                        color=svg.GRID, alpha=0.6, linewidth=0, zorder=0)
    log_axis(ax.xaxis)
    log_axis(ax.yaxis)


VALIDATED = (('total_ms', 'total time, s', 1000), ('sent_bytes', 'sent, MiB', MIB), ('downtime_ms', 'downtime, ms', 1))


def validation(points):
    """Simulated against real; the band is 10% to either side."""
    figure = new_figure(9.4, 3.5)
    names = list(dict.fromkeys(p['config'] for p in points))
    axes = figure.subplots(1, 3)
    for ax, (key, label, scale) in zip(axes, VALIDATED):
        for i, name in enumerate(names):
            known = [p for p in points if p['config'] == name and (p['real'].get(key) or 0) > 0
                     and (p['simulated'].get(key) or 0) > 0]
            ax.plot([p['real'][key] / scale for p in known], [p['simulated'][key] / scale for p in known], linestyle='',
                    marker=MARKERS[i % len(MARKERS)], markersize=5, color=colour(name, names), label=name)
        if ax.lines and any(len(line.get_xdata()) for line in ax.lines):
            diagonal(ax, 0.1)
        ax.set_title(label, loc='left')
        ax.set_xlabel('real')
    axes[0].set_ylabel('simulated')
    axes[2].legend(loc='upper left', bbox_to_anchor=(1.01, 1))
    return figure
