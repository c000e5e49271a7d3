"""One job done twice, by hand and by library: what is the same, what differs, and why.

    with Lab() as lab:
        for job in jobs_of("smtp"):
            print(compare(job, lab))

Both sides are heard by the same ear. `alignment` puts their steps beside each other, and
`unasked` tells what a side did that nobody asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from .alignment import Row, aligned
from .conversation import Conversation, Step
from .jobs import Job, Lab
from .recorder import record
from .unasked import Remark, asking, unasked

TURNS = 2  # of each side, for the time: the first has more to set up


@dataclass
class Side:
    """What one way of doing a job came to. `error` is "" if it came to an end."""

    result: Any = None
    error: str = ""
    seconds: float = 0.0  # see `Comparison.timed`
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        """The steps of all conversations, one conversation after the other."""
        return [step for talk in self.conversations for step in talk.steps]

    def figures(self) -> dict[str, int]:
        """Sums over the conversations, with `Conversation`'s own names."""
        names = ("round_trips", "sent", "received", "calls_made", "segments", "connections")
        return {n: sum(getattr(talk, n) for talk in self.conversations) for n in names}


@dataclass
class Comparison:
    """A job done both ways. `print` shows it, and so does a notebook."""

    job: Job
    by_hand: Side
    by_library: Side
    rows: list[Row]
    unasked_by_hand: list[Remark]
    unasked_by_library: list[Remark]
    timed: bool  # the seconds are those of a turn without the recorder

    @property
    def difference(self) -> str:
        """In which way the results differ, in words; "" if they are equal."""
        errors = [
            f"{way}: {side.error}"
            for way, side in (("by hand", self.by_hand), ("by library", self.by_library))
            if side.error
        ]
        return "; ".join(errors) or differing(self.by_hand.result, self.by_library.result)

    @property
    def same(self) -> bool:
        """Whether both sides gave the same result."""
        return not self.difference

    def __str__(self) -> str:
        from .views import aligned

        return aligned.text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def compare(job: Job, lab: Lab) -> Comparison:
    """Do `job` by hand and by library, and put the two conversations beside each other.

    `lab` is a Lab, which is reset before each side; or any object with the addresses that
    the job uses, where each side is done once only. What goes wrong on one side is told,
    not raised.
    """
    hand, library = both_ways(job, lab)
    return Comparison(
        job,
        hand,
        library,
        aligned(hand.conversations, library.conversations),
        unasked(hand.conversations, asking(job, job.hand, job.by_hand)),
        unasked(library.conversations, asking(job, job.library, job.by_library)),
        timed=hasattr(lab, "reset"),
    )


def both_ways(job: Job, lab: Lab) -> list[Side]:
    """Do `job` by hand and by library, each under a recorder; and then, if `lab` can be
    reset, each again without it, to see how long it takes at its quickest."""
    ways = (job.by_hand, job.by_library)
    sides = [heard(way, lab) for way in ways]
    for side, way in zip(sides, ways, strict=True):
        if hasattr(lab, "reset") and not side.error:
            side.seconds = min(done(way, lab).seconds for _ in range(TURNS))
    return sides


def heard(way: Callable[[Lab], Any], lab: Lab) -> Side:
    """Do a job one way, under a recorder. Threads that it starts are heard too."""
    with record(threads=True) as recording:
        side = done(way, lab)
    side.conversations = recording.conversations
    return side


def done(way: Callable[[Lab], Any], lab: Lab) -> Side:
    """Do a job one way, and see how long it takes."""
    if hasattr(lab, "reset"):
        lab.reset()
    side, begun = Side(), perf_counter()
    try:
        side.result = way(lab)
    except Exception as problem:  # whatever it is, the other side is done all the same
        words = " ".join(f"{type(problem).__name__}: {problem}".split())
        side.error = "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)
    side.seconds = perf_counter() - begun
    return side


# The results


def differing(left: Any, right: Any, place: str = "") -> str:
    """Where two results differ first, in words; "" if they are equal."""
    where = f"at {place}: " if place else ""
    if type(left) is not type(right):
        return f"{where}{brief(left)} by hand, {brief(right)} by library"
    if left == right:
        return ""
    if isinstance(left, dict) and left.keys() == right.keys():
        parts = [(f"[{key!r}]", left[key], right[key]) for key in left]
    elif isinstance(left, list | tuple) and len(left) == len(right):
        parts = [(f"[{n}]", *pair) for n, pair in enumerate(zip(left, right, strict=True))]
    elif isinstance(left, bytes | str):
        return where + differing_text(left, right)
    else:
        return f"{where}{brief(left)} by hand, {brief(right)} by library"
    found = (differing(ours, theirs, place + key) for key, ours, theirs in parts)
    return next(filter(None, found), f"{where}not equal")


def differing_text(left: Any, right: Any) -> str:
    unit = "octet" if isinstance(left, bytes) else "character"
    pairs = zip(left, right, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
    sizes = "" if len(left) == len(right) else f"{len(left)} and {len(right)} {unit}s, "
    ours, theirs = left[at : at + 16], right[at : at + 16]
    return f"{sizes}from {unit} {at} on {ours!r} by hand, {theirs!r} by library"


def brief(value: Any, room: int = 48) -> str:
    """A value in about so many characters."""
    shown = repr(value)
    kind = type(value).__name__
    return shown if len(shown) <= room else f"{shown[: room - len(kind) - 4]}… ({kind})"
