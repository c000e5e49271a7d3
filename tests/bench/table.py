"""The results as a table of 80 columns."""

from statistics import median
from typing import Any

from .items import MIB, Item
from .processes import TABLES

FORM = "{:18} {:>8} {:>7} {:>5} {:>6} {:>6} {:>6} {:>15}"
HEAD = ["item", "library", "ours", "want", "bare", "curl", "o/curl", "MiB ours/lib"]
EXPLAINED = """
library  the standard library: seconds of the job, the connection being open
ours     so many times faster is our client; want: what it is to be at least
bare     so many times faster is a loop that only counts; curl: a whole process
o/curl   so many times faster than curl is our client, both as whole processes:
         the start of the interpreter is in it
wget     and lftp, where they are installed: under an item that they can do, the
         two figures that curl has
MiB      memory that the job took over what the process had, ours / library
Medians of all rounds; above 1 is faster. telnetlib goes octet by octet: it does
a hundredth of the work, and its time is multiplied."""

Figures = dict[str, Any]  # what `rounds.run` gives for one item


def said(results: dict[str, Any]) -> str:
    """What was run, in one line."""
    return (
        f"Python {results['python']} on {results['system']}, scale {results['scale']:g}, "
        f"{results['rounds']} rounds, round trip {results['rtt'] * 1000:g} ms"
        f"{', real servers' if results['daemons'] else ''}"
    )


def line(item: Item, found: Figures) -> str:
    """The row of one item, and one for each that is like curl, under curl's figures."""
    rows = [[item.name, *columns(item, found)]]
    for who in TABLES:
        if who != "curl" and found[who].get("problem") != "-":
            compared = times(found, who), shown(beside(found, who))
            rows.append(["", "", "", "", who, *compared, ""])
    return "\n".join(FORM.format(*row).rstrip() for row in rows)


def columns(item: Item, found: Figures) -> list[str]:
    """The figures of one item, as they are shown."""
    library = middle(found, "library", "job")
    memory = [middle(found, who, "memory") for who in ("ours", "library")]
    return [
        found["library"].get("problem") or f"{library:.3f} s",
        times(found, "ours"),
        f"{item.want:g}",
        times(found, "bare"),
        times(found, "curl"),
        shown(beside(found, "curl")),
        " / ".join("-" if octets is None else f"{octets / MIB:.1f}" for octets in memory),
    ]


def middle(found: Figures, who: str, what: str) -> float | None:
    """The median of a contestant's figures, if it has any."""
    return median(found[who][what]) if found[who][what] else None


def faster(found: Figures, who: str) -> float | None:
    """How many times faster than the standard library; curl and its like by the whole
    process."""
    mine = middle(found, who, "process" if who in TABLES else "job")
    library = middle(found, "library", "job")
    return library / mine if mine and library else None


def beside(found: Figures, who: str) -> float | None:
    """How many times faster than curl or its like our client is, both as processes."""
    ours, theirs = (middle(found, each, "process") for each in ("ours", who))
    return theirs / ours if ours and theirs else None


def times(found: Figures, who: str) -> str:
    """`faster` as it is shown, or why there is none."""
    return found[who].get("problem") or shown(faster(found, who))


def shown(ratio: float | None) -> str:
    """A ratio with two digits, or all that there are before the point."""
    if ratio is None:
        return "-"
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"
