"""Do every job twice, by hand and by the standard library, on local servers.

The servers are a Lab, started for this and brought back to its beginning
before each side. "Same" means that both sides returned the same value. A
recorder counts round trips and octets. Each side is done twice more without it:
the time is that of the quicker, from connecting to the result. The exit status
is 0 only if all agree.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .output import console, one_line

if TYPE_CHECKING:
    from rich.text import Text

    from protoclients.comparison import Side
    from protoclients.jobs import Job

EXAMPLES = """\
  protoclients demo
  protoclients demo --json
"""
NEXT = """\
Go on with
  protoclients compare smtp   one job, line beside line, and what was unasked
  protoclients pop3           each client is a tool, with a server of its own
  protoclients serve          the same servers, for any program
  protoclients ports          the common ports, and what is said wrongly
"""
LEGEND = """\
hand, lib: milliseconds. trips: round trips, and octets: sent and received,
hand:lib. By hand is protoclients.HTTP and so on.
"""
WIDE = 122  # columns in which the clients' full names fit
NARROW = 76  # and in which the library's does


class Done(NamedTuple):
    """A job done both ways."""

    job: "Job"
    by_hand: "Side"
    by_library: "Side"

    @property
    def error(self) -> str:
        return "; ".join(
            f"{way}: {one_line(side.error)}"
            for way, side in (("by hand", self.by_hand), ("by library", self.by_library))
            if side.error
        )

    @property
    def same(self) -> bool:
        return not self.error and bool(self.by_hand.result == self.by_library.result)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the table for machines")


def run(options: argparse.Namespace) -> int:
    from protoclients.comparison import both_ways
    from protoclients.fixtures import Lab
    from protoclients.jobs import all_jobs

    begun = time.perf_counter()
    jobs = all_jobs()
    with Lab() as lab:
        done = (Done(job, *both_ways(job, lab)) for job in jobs)
        finished = list(done) if options.json else shown(jobs, done)
    if options.json:
        json.dump({"jobs": [as_json(one) for one in finished]}, sys.stdout, indent=2)
        print()
    else:
        summary(finished, time.perf_counter() - begun)
    return 0 if all(one.same for one in finished) else 1


def as_json(done: Done) -> dict[str, Any]:
    row = {
        "protocol": done.job.protocol,
        "job": done.job.name,
        "by_hand": done.job.hand,
        "by_library": done.job.library,
        "same": done.same,
        "seconds_by_hand": round(done.by_hand.seconds, 6),
        "seconds_by_library": round(done.by_library.seconds, 6),
    }
    for name, count in (("round_trips", round_trips), ("octets", octets)):
        row[f"{name}_by_hand"] = count(done.by_hand)
        row[f"{name}_by_library"] = count(done.by_library)
    return row | ({"error": done.error} if done.error else {})


def round_trips(side: "Side") -> int:
    return side.figures()["round_trips"]


def octets(side: "Side") -> int:
    """Sent and received."""
    return side.figures()["sent"] + side.figures()["received"]


# For people


def shown(jobs: list["Job"], done: Iterator[Done]) -> list[Done]:
    """Print a line about each job as soon as it is done; on a terminal a bar tells how
    many are to come."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    out, finished = console(), []
    table = [cells(job, out.width) for job in jobs]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    names = {2: ("", "job"), 3: ("", "job", "library")}.get(
        len(widths), ("", "job", "by hand", "by library")
    )
    out.print(
        aligned(names, ("hand", "lib", "trips", "octets"), "", widths, out.width),
        style="bold",
    )
    parts = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*parts, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(jobs[0].title, total=len(jobs))
        for one in done:
            finished.append(one)
            out.print(line(one, widths, out.width))
            if one.error:
                out.print(f"        {one.error}", style="red", markup=False)
            following = jobs[len(finished) : len(finished) + 1] or [one.job]
            bar.update(task, advance=1, description=following[0].title)
    return finished


def cells(job: "Job", width: int) -> list[str]:
    """The words of a line. Where it is narrow our client has no column, since it has the
    protocol's name, and the library is named by its module, or not at all."""
    protocol = {"echo": "Echo", "telnet": "Telnet"}.get(job.protocol, job.protocol.upper())
    if width >= WIDE:
        return [protocol, job.title, job.hand, job.library]
    library = [job.library.rpartition(".")[0]] if width >= NARROW else []
    return [protocol, job.title, *library]


def line(done: Done, widths: list[int], width: int) -> "Text":
    from rich.text import Text

    result, style = ("same", "green") if done.same else ("DIFFERENT", "bold red")
    sides = (done.by_hand, done.by_library)
    figures = [milliseconds(side.seconds) for side in sides]
    for count in (round_trips, octets):
        figures.append(":".join(short(count(side)) for side in sides))
    words = cells(done.job, width)
    text = Text(aligned(words, figures, result, widths, width))
    text.stylize("cyan", 0, widths[0])
    text.stylize(style, len(text) - len(result))
    return text


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{1 if seconds < 0.09995 else 0}f}"


def short(number: int) -> str:
    """A number in four characters: 999, 1.2k, 12k, 1.1M."""
    size, unit = float(number), ""
    for unit in ("", "k", "M", "G"):
        if size < 999.5 or unit == "G":
            break
        size /= 1000
    return f"{size:.1f}{unit}" if unit and size < 9.95 else f"{size:.0f}{unit}"


def aligned(
    words: Sequence[str], figures: Sequence[str], result: str, widths: list[int], width: int
) -> str:
    """One line of the table. Where it is too long for `width`, the title gives way."""
    protocol, title, *clients = (
        f"{word:{room}}" for word, room in zip(words, widths, strict=True)
    )
    right = "".join(f" {client}" for client in clients)
    rooms = (4, 4, 5, 9)
    right += "".join(f" {figure:>{n}}" for figure, n in zip(figures, rooms, strict=True))
    right += f" {result:4}"
    room = width - len(f"{protocol} {right}")
    if len(title.rstrip()) > room:
        title = f"{title[: room - 1]}…"
    return f"{protocol} {title[:room]}{right}".rstrip()


def summary(done: list[Done], seconds: float) -> None:
    out = console()
    different = sum(not one.same for one in done)
    quicker = sum(one.by_hand.seconds < one.by_library.seconds for one in done)
    out.print(
        f"\n{len(done)} jobs in {seconds:.1f} s: "
        + (f"{different} DIFFERENT" if different else "the same by hand and by library")
        + f"; quicker by hand in {quicker}.",
        style="bold red" if different else "bold green",
    )
    out.print(LEGEND, markup=False)
    out.print(NEXT, end="", markup=False)
