# SPDX-License-Identifier: GPL-2.0-or-later
"""Median and spread, without a statistics package."""


def quantile(values, q):
    """Linear interpolation between the two nearest of sorted @values."""
    values = sorted(values)
    position = (len(values) - 1) * q
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (position - low)


def describe(values):
    """n, median, quartiles and extremes; None where there is nothing."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    names = {'min': 0, 'q1': 0.25, 'median': 0.5, 'q3': 0.75, 'max': 1}
    return {'n': len(values),
            **{name: round(quantile(values, q), 4) for name, q in names.items()}}
