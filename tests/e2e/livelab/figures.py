# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of figures that some results give, with what each is made from."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import plots, svg

SOURCES = [Path(__file__).with_name(name) for name in ('plots.py', 'svg.py')]


@dataclass
class Figure:
    name: str
    title: str
    caption: str
    data: Any
    draw: Callable

    @property
    def origin(self):
        return svg.digest(self.data, *SOURCES)

    def text(self):
        """The SVG, or None where the data has nothing to show."""
        figure = self.draw(self.data)
        return figure and svg.render(figure, self.origin, self.title)


REMAINING = ('what remains to be sent, over time', 'Each panel is a configuration; grey behind it, the first one or stock-2000. Dots: rounds; '
             'cross: the guest is stopped; open square: given up. The thin line is a second run. What is written during a '
             'round counts only once it ends or is refreshed: the narrow dips just before that are not real.')
KINDS = (
    ('remaining', plots.remaining, *REMAINING),
    ('pareto', plots.pareto, 'total time against outage', 'Median, with the quartiles as arms; small: single runs. '
     'Below and to the left is better.'),
    ('cdf', plots.cdf, 'shares of the runs', 'How many runs were through within so much time, and with an outage of at most '
     'so much. A curve that ends below 100% belongs to a configuration that did not always complete.'),
    ('speed', plots.speed, 'the work of the guest', 'Page writes of the generator in each quarter of a second, against its '
     'undisturbed speed in the same run. Shaded: the migration.'),
)


def of_workload(name, runs):
    """Figures of one workload's runs."""
    made = []
    for kind, draw, title, caption in KINDS:
        if kind == 'speed' and not any(r.get('guest_timeline') for r in runs):
            continue
        made.append(Figure(f'{kind}-{name}', f'{name}: {title}', caption, runs, draw))
    return made


def of_policies(runs, names):
    """What remains, under each of these policies that the runs have; each with the baseline's."""
    made = []
    for name in names:
        mine = [r for r in runs if r['config'] in (name, 'stock-2000')]
        if any(r['config'] == name and r.get('samples') for r in mine):
            made.append(Figure(f'policy-{name}', f'{name}: {REMAINING[0]}', 'Dots: rounds; cross: the guest is stopped.', mine,
                               plots.journey))
    return made


def of_all(measured, validation, demo, order=()):
    """Those over all workloads."""
    made = []
    if order:
        made.append(Figure('order-rates', 'Downtime in the order of the page history, by write rate',
                           'Diamonds: medians; dots: pairs of runs. Below 1 is less.', list(order), plots.order_rates))
    runs = [r for rs in measured.values() for r in rs]
    if any((r.get('convergence') or {}).get('decision') for r in runs):
        made.append(Figure('forecast', 'Forecast against measured downtime', 'Filled: what was forecast at the decision; '
                           'open: 2 s before it. On the line both are equal.', runs, plots.forecasts))
    if validation:
        made.append(Figure('validation', 'Simulated against real', 'One point a run; the band is 10% to either side.',
                           validation, plots.validation))
    if demo:
        made.append(Figure('demo', 'The demonstration: ' + REMAINING[0], REMAINING[1], demo, plots.remaining))
    return made
