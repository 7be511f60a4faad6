# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures as SVG that is readable on light and dark pages, small, and stable.

matplotlib draws in a few named colours; a style sheet in the SVG exchanges
those for darker paper and lighter ink where the reader prefers that.  A
comment holds the digest of what the figure was made from, so that a stale one
is found without drawing it again.
"""
import hashlib
import io
import json
import re
from pathlib import Path

INK, MUTED, GRID, PAPER = '#24292f', '#6e7781', '#d0d7de', '#ffffff'
DARK = {INK: '#e6edf3', MUTED: '#9198a1', GRID: '#3d444d', PAPER: '#0d1117'}
STYLE = {
    'svg.fonttype': 'none', 'svg.hashsalt': 'figures',
    # Wide first: where another one is used, text only gets narrower.
    'font.family': ['DejaVu Sans'], 'font.size': 10, 'axes.titlesize': 10.5,
    'axes.edgecolor': MUTED, 'axes.labelcolor': INK, 'axes.titlecolor': INK, 'text.color': INK,
    'xtick.color': INK, 'ytick.color': INK, 'axes.grid': True, 'grid.color': GRID, 'grid.linewidth': 0.6,
    'axes.facecolor': PAPER, 'figure.facecolor': PAPER, 'savefig.facecolor': PAPER,
    'axes.spines.top': False, 'axes.spines.right': False, 'legend.frameon': False,
    'legend.fontsize': 9.5, 'axes.axisbelow': True, 'path.simplify': True,
}


def digest(data, *sources):
    """Of the data and of the code that draws it."""
    text = json.dumps(data, sort_keys=True, default=str)
    text += ''.join(Path(s).read_text(encoding='utf-8') for s in sources)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def render(figure, origin, what):
    """The text of an SVG; @what describes it to whoever cannot see it."""
    stream = io.StringIO()
    # No creation date: the same data gives the same text.
    figure.savefig(stream, format='svg', metadata={'Date': None, 'Title': what})
    text = stream.getvalue()
    text = text[text.index('<svg'):]
    rules = ''.join(f'[style*="fill: {light}"]{{fill:{dark}!important}}'
                    f'[style*="stroke: {light}"]{{stroke:{dark}!important}}' for light, dark in DARK.items())
    style = f'<style>@media (prefers-color-scheme: dark){{{rules}}}</style>'
    end = text.index('>') + 1
    text = text[:end] + f'\n<!-- from {origin} -->\n{style}' + text[end:]
    # Six digits after the point are a hundred thousandth of a pixel.
    text = re.sub(r'(\d+\.\d\d)\d+', r'\1', text)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return '\n'.join(line.rstrip() for line in text.splitlines()) + '\n'


def origin_of(path):
    """The digest in a figure's comment, or None."""
    try:
        found = re.search(r'<!-- from (\w+) -->', Path(path).read_text(encoding='utf-8')[:4000])
    except OSError:
        return None
    return found and found[1]
