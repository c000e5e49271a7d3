"""The results as a page of its own: HTML with bars in SVG, no script, nothing from outside.

Bars are drawn on a logarithmic scale, from the standard library's 1: to the right is
faster, to the left slower, and twice as fast is as long everywhere.
"""

import math
from collections.abc import Callable
from html import escape
from itertools import chain
from typing import Any

from .items import BY_NAME, Item
from .processes import TABLES
from .table import HEAD, columns, faster, said, shown

NAMES = {
    "http": "HTTP",
    "ftp": "FTP",
    "pop3": "POP3",
    "nntp": "NNTP",
    "smtp": "SMTP",
    "telnet": "Telnet",
}
BARS = ["ours", "bare", *TABLES]
# In the units of the drawing: labels, bars, what is written beside them; a bar's height.
LEFT, WIDTH, RIGHT, BAR = 210, 450, 80, 14

Scale = Callable[[float], float]

STYLE = """
:root { color-scheme: light dark; --ours: #0b6e4f; --bare: #8a8f98; --curl: #b3632b;
  --wget: #8f6a1f; --lftp: #7a5c99;
  --ink: #1d2126; --paper: #ffffff; --line: #d4d7dc; }
@media (prefers-color-scheme: dark) { :root { --ours: #4cc79a; --bare: #7d848f;
  --curl: #e39a63; --wget: #d6b25e; --lftp: #b49ad6;
  --ink: #e4e6ea; --paper: #16181c; --line: #3a3f47; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; min-width: 36rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
.ours { fill: var(--ours); } .bare { fill: var(--bare); } .curl { fill: var(--curl); }
.wget { fill: var(--wget); } .lftp { fill: var(--lftp); }
.one { stroke: var(--ink); } .grid { stroke: var(--line); }
.want { fill: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
"""

ABOUT = """
<p>Each item is done by our client, by Python's standard library, by the <code>curl</code>
command and its like, and by a bare loop that only counts octets it knows to come. They
take turns, each in a process of its own, against servers that have their answers ready, or
against real ones, for which the bare loop does not know enough. Shown are the medians, as
times faster than the standard library in the same run; absolute times depend on the
machine. The scale is logarithmic, the line at 1 is the standard library, and the triangle
is what our client means to reach. Names give the sizes at scale 1.</p>
<p>The time of curl and its like is that of the whole process; so <em>o/curl</em> in the
table compares curl with our whole process, the start of the interpreter included.
<code>telnetlib</code> goes octet by octet: it does a hundredth of the work, and its time is
multiplied.</p>
"""


def page(results: dict[str, Any]) -> str:
    """The page for what a run has written as JSON."""
    parts = []
    for protocol, name in NAMES.items():
        found = {
            BY_NAME[item]: figures
            for item, figures in results["items"].items()
            if item.startswith(protocol)
        }
        if found:
            parts.append(f"<h2>{name}</h2>{chart(name, found)}")
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>protoclients: speed</title><style>{STYLE}</style>"
        f"<h1>Times faster than the standard library</h1>{ABOUT}"
        f"<p>{escape(said(results))}.</p>{''.join(parts)}"
        f"<h2>All figures</h2>{table(results)}</html>\n"
    )


def chart(name: str, found: dict[Item, dict[str, Any]]) -> str:
    """The bars of one protocol's items."""
    ratios = [1, *(item.want for item in found)]
    drawable = [
        [ratio for who in BARS if (ratio := faster(figures, who))]
        for figures in found.values()
    ]
    ratios += chain.from_iterable(drawable)
    low, high = math.floor(math.log10(min(ratios))), math.ceil(math.log10(max(ratios)))

    def x(ratio: float) -> float:
        return LEFT + WIDTH * (math.log10(ratio) - low) / (high - low)

    step = BAR * max(map(len, drawable)) + 16
    bottom = 20 + step * len(found)
    drawn = [line(10.0**power, x, 20, bottom) for power in range(low, high + 1)]
    for number, (item, figures) in enumerate(found.items()):
        drawn += bars(item, figures, x, 26 + step * number)
    return (
        f'<div class="scroll"><svg viewBox="0 0 {LEFT + WIDTH + RIGHT} {bottom}" '
        f'role="img" aria-label="{name}: times faster than the standard library">'
        f"{''.join(drawn)}</svg></div>"
    )


def line(ratio: float, x: Scale, top: int, bottom: int) -> str:
    """A line of the scale, from top to bottom, and its number."""
    kind = "one" if ratio == 1 else "grid"
    return (
        f'<text x="{x(ratio):.1f}" y="{top - 6}" text-anchor="middle">{ratio:g}</text>'
        f'<path class="{kind}" d="M{x(ratio):.1f} {top}V{bottom}"/>'
    )


def bars(item: Item, figures: dict[str, Any], x: Scale, y: int) -> list[str]:
    """The bars of one item, from the line at 1 to where they come, and what is wanted."""
    drawn = [
        f'<text x="0" y="{y + 11}">{escape(item.title)}</text>',
        f'<path class="want" d="M{x(item.want):.1f} {y + 1}l-5 -7h10z"/>',
    ]
    for who in BARS:
        ratio = faster(figures, who)
        if ratio:
            left, right = sorted((x(1), x(ratio)))
            drawn.append(
                f'<rect class="{who}" x="{left:.1f}" y="{y + 2}" '
                f'width="{right - left:.1f}" height="{BAR - 3}"/>'
                f'<text x="{right + 5:.1f}" y="{y + 11}">{who} {shown(ratio)}</text>'
            )
            y += BAR
    return drawn


def table(results: dict[str, Any]) -> str:
    """All figures, a row for each item."""
    rows = []
    for name, figures in results["items"].items():
        cells = [name, *columns(BY_NAME[name], figures)]
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
