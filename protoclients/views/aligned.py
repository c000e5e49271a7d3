"""A Comparison for a terminal, and for machines.

Where there is room, the two conversations stand beside each other:

    C: MAIL FROM:<a@example.test>      ≠ C: mail from:<a@example.test>
                                         differs: case

Where there is none (below 100 columns), one stands in the other, each line with a word that
tells whose it is: both, hand, library. Below them are the results, the figures, and what
each side did unasked. Nothing is wider than `width`, and colour is never the only mark.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

from rich.cells import cell_len

from protoclients.alignment import Row, normal, verb
from protoclients.comparison import Comparison, Side, brief
from protoclients.conversation import Step
from protoclients.unasked import Remark

from . import as_json
from .program import HIDDEN, lines_above, place, secrets_of, source_line

TWO_COLUMNS = 100  # columns of a terminal from which on both fit
NARROWEST = 40
MOST_COMPARED = 200  # lines of one step that are put beside each other
MOST_SHOWN = 12  # lines of one step that follow each other and have the same mark
MOST_AGAIN = 4  # of those that the other side has elsewhere
LONGEST = 240  # characters of a line that differs in nothing
STYLES = {"hand": "36", "library": "35", "differs": "33", "title": "1", "code": "2"}
SIGNS = {"both": "=", "differs": "≠", "hand": "<", "library": ">", "code": " "}
FIGURES = {
    "round_trips": "round trips",
    "sent": "octets sent",
    "received": "octets received",
    "calls_made": "calls on sockets",
    "segments": "sends and receives",
    "connections": "connections",
}


class Line(NamedTuple):
    """A line of both sides: "both", "differs", "hand", "library" or "code"."""

    mark: str
    left: str
    right: str


def text(
    comparison: Comparison,
    width: int = 80,
    *,
    colour: bool = False,
    show_secrets: bool = False,
    code: bool = False,
) -> str:
    """The comparison in lines that are at most `width` columns wide, at least 40.

    `colour` adds the escape sequences of a terminal, `code` the line of the program above
    each step. Secrets are hidden unless `show_secrets`.
    """
    width = max(width, NARROWEST)
    page = _Page(width, colour)
    page.put(comparison.job.title, "title")
    _heading(page, comparison)
    secrets = set() if show_secrets else _secrets(comparison)
    above = _Code(secrets)
    for row in comparison.rows:
        lines = list(_lines(row, show_secrets))
        if code:
            lines = above.above(row) + lines
        if _begins(row) and row is not comparison.rows[0]:
            page.put("")
        page.put_row(lines, row)
    page.put("")
    _results(page, comparison, secrets)
    _figures(page, comparison)
    for client, remarks in (
        (comparison.job.hand, comparison.unasked_by_hand),
        (comparison.job.library, comparison.unasked_by_library),
    ):
        _remarks(page, client, remarks)
    return "\n".join(page.lines).rstrip() + "\n"


# The page


class _Page:
    """Lines, in columns or in one."""

    def __init__(self, width: int, colour: bool) -> None:
        self.width, self.colour = width, colour
        self.lines: list[str] = []
        self.column = (width - 3) // 2 if width >= TWO_COLUMNS else 0

    def painted(self, shown: str, style: str) -> str:
        if not self.colour or style not in STYLES or not shown.strip():
            return shown
        return f"\033[{STYLES[style]}m{shown}\033[0m"

    def put(self, shown: str, style: str = "", indent: str = "") -> None:
        """A paragraph; `indent` stands before its lines, from the second on."""
        for number, part in enumerate(wrapped(shown, self.width - len(indent))):
            self.lines.append(self.painted(f"{indent if number else ''}{part}", style))

    def put_row(self, lines: list[Line], row: Row) -> None:
        alone = not (row.left and row.right)
        if not self.column:  # the code of one side, then that of the other
            code = [line for line in lines if line.mark == "code"]
            ours = [Line("code", line.left, "") for line in code if line.left]
            theirs = [Line("code", "", line.right) for line in code if line.right]
            lines = [*ours, *theirs, *lines[len(code) :]]
        if self.column and alone:
            lines = _told(lines, f"({row.why or row.mark})")
        before = ""
        for line in lines:
            self._beside(line) if self.column else self._below(line, before)
            before = line.mark
        if row.mark == "differs":
            self._aside(f"differs: {row.why}")
        elif row.why and not (self.column and alone):
            self._aside(f"(same, {row.why})" if row.mark == "same" else row.why)

    def _aside(self, words: str) -> None:
        """What there is to say about a row, below it."""
        indent = " " * (self.column + 6 if self.column else 12)
        for part in wrapped(words, self.width - len(indent)):
            self.lines.append(indent + self.painted(part, "differs"))

    def _beside(self, line: Line) -> None:
        styles = ("hand", "library") if line.mark == "differs" else (line.mark, line.mark)
        cut = _cut if line.mark == "code" else wrapped
        pieces = (cut(line.left, self.column), cut(line.right, self.column))
        sign = SIGNS[line.mark]
        for left, right in zip_longest(*pieces, fillvalue=""):
            gap = " " * (self.column - cell_len(left.rstrip(" ")))
            ours = self.painted(left.rstrip(" "), styles[0])
            theirs = self.painted(right.rstrip(" "), styles[1])
            middle = self.painted(
                f" {sign} " if right.strip(" ") else f" {sign}", line.mark
            )
            self.lines.append(f"{ours}{gap}{middle}{theirs}".rstrip())

    def _below(self, line: Line, before: str) -> None:
        if line.mark in ("both", "hand"):
            self._one(line.mark, line.left, line.mark == before)
        elif line.mark == "library":
            self._one(line.mark, line.right, line.mark == before)
        elif line.left or line.right:
            style = "code" if line.mark == "code" else ""
            for mark, shown in (("hand", line.left), ("library", line.right)):
                if shown:
                    self._one(mark, shown, False, style)

    def _one(self, mark: str, shown: str, again: bool, style: str = "") -> None:
        cut = _cut if style == "code" else wrapped
        for number, part in enumerate(cut(shown, self.width - 9)):
            word = mark if not again and not number else ""
            self.lines.append(self.painted(f"{word:8} {part}".rstrip(), style or mark))


def wrapped(shown: str, width: int) -> list[str]:
    """A line in pieces of at most `width` columns, cut between words where there are."""
    pieces = []
    while cell_len(shown) > width:
        cut = width
        while cell_len(shown[:cut]) > width:
            cut -= 1
        space = shown.rfind(" ", width // 2, cut)
        cut = max(space + 1 if space > 0 else cut, 1)
        pieces.append(shown[:cut].rstrip(" "))
        shown = "   " * shown.startswith(("C:", "S:", "   ")) + shown[cut:]
    return [*pieces, shown]


def _cut(shown: str, width: int) -> list[str]:
    """A line in one piece: what is too much is left out."""
    pieces = wrapped(shown, width)
    return pieces if len(pieces) == 1 else [wrapped(shown, width - 1)[0] + "…"]


# The rows


def _heading(page: _Page, comparison: Comparison) -> None:
    job = comparison.job
    hand, library = f"by hand: {job.hand}", f"by library: {job.library}"
    page.put("")
    if page.column:
        page.lines.append(page.painted(f"{hand:{page.column + 3}}{library}", "title"))
        page.lines.append("─" * page.width)
    else:
        page.put(f"{'hand':8} {job.hand}", "hand")
        page.put(f"{'library':8} {job.library}", "library")
        page.put("")


def _begins(row: Row) -> bool:
    """Whether another connection begins, and not one for data."""
    step = row.left or row.right
    return step is not None and step.kind == "connect" and step.channel != "data"


def _lines(row: Row, show_secrets: bool) -> Iterator[Line]:
    """The lines of a row, where there are many of a kind only the first ones."""
    left, right = (_said(step, show_secrets) for step in (row.left, row.right))
    run: list[Line] = []
    for line in [*_diff(left, right, row.mark), Line("", "", "")]:
        if run and line.mark != run[0].mark:
            again = row.why.startswith("another order") and not (row.left and row.right)
            yield from _clipped(run, MOST_AGAIN if again else MOST_SHOWN)
            run = []
        run.append(line)


def _clipped(run: list[Line], most: int) -> Iterator[Line]:
    kept = run if len(run) <= most else run[: most - 1]
    for line in kept:
        whole = line.mark == "differs" or max(map(len, line)) <= LONGEST
        yield line if whole else Line(line.mark, *map(_shortened, line[1:]))
    if kept is not run:
        more = f"   … {len(run) - len(kept)} more lines"
        mark = run[0].mark
        yield Line(mark, more * (mark != "library"), more * (mark != "hand"))


def _shortened(shown: str) -> str:
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def _told(lines: list[Line], words: str) -> list[Line]:
    """The lines of a step that is alone, with words in the empty column beside it."""
    at = next((n for n, line in enumerate(lines) if line.mark != "code"), None)
    if at is not None:
        mark, left, right = lines[at]
        words_line = Line(mark, left, words) if mark == "hand" else Line(mark, words, right)
        lines = [*lines[:at], words_line, *lines[at + 1 :]]
    return lines


def _diff(left: list[str], right: list[str], mark: str) -> Iterator[Line]:
    if mark == "same":
        yield from (Line("both", *pair) for pair in zip_longest(left, right, fillvalue=""))
        return
    keys = [[normal(line) for line in side] for side in (left, right)]
    for tag, a, a_end, b, b_end in SequenceMatcher(
        None, keys[0], keys[1], False
    ).get_opcodes():
        ours, theirs = left[a:a_end], right[b:b_end]
        if tag == "equal" or (tag == "replace" and len(ours) == len(theirs) == 1):
            kind = "both" if tag == "equal" else "differs"
            yield from (Line(kind, *pair) for pair in zip(ours, theirs, strict=True))
        else:
            yield from (Line("hand", line, "") for line in ours)
            yield from (Line("library", "", line) for line in theirs)


def _said(step: Step | None, show_secrets: bool) -> list[str]:
    """The lines of a step, with who says them before the first one."""
    if step is None:
        return []
    shown = step.shown(show_secrets).rstrip("\n").replace("\t", "\\t")
    lines = shown.split("\n")
    if len(lines) > MOST_COMPARED:
        left_out = len(lines) - MOST_COMPARED
        lines = [
            *lines[:MOST_COMPARED],
            f"… {left_out} more lines, {step.size} octets in all",
        ]
    who = "-- " if step.speaker == "-" else f"{step.speaker}: "
    where = "[data] " * (step.channel == "data")
    return [who + where + lines[0], *("   " + line for line in lines[1:])]


# The code


class _Code:
    """The lines of code above the rows; those that were shown just before are left out."""

    def __init__(self, secrets: set[str]) -> None:
        self.secrets = secrets
        self.verbs, self.shown = ["", ""], [[""], [""]]

    def above(self, row: Row) -> list[Line]:
        """The lines of a row: of the job, and of the client."""
        sides: list[list[str]] = [[], []]
        for n, step in enumerate((row.left, row.right)):
            if step is None:
                continue
            if step.speaker == "C":
                self.verbs[n] = verb(step)
            frames = lines_above(step, self.verbs[n])[::-1]
            lines = [f"@ {place(f)}  {source_line(f, self.secrets)}" for f in frames]
            if lines != self.shown[n]:
                sides[n] = self.shown[n] = lines
        return [Line("code", *pair) for pair in zip_longest(*sides, fillvalue="")]


# What is below the rows


def _secrets(comparison: Comparison) -> set[str]:
    """All that was hidden in the conversations, to be hidden elsewhere too."""
    sides = (comparison.by_hand, comparison.by_library)
    return set().union(*(secrets_of(step) for side in sides for step in side.steps))


def _hidden(shown: str, secrets: set[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    return shown


def _results(page: _Page, comparison: Comparison, secrets: set[str]) -> None:
    if comparison.same:
        result = brief(comparison.by_hand.result, page.width - 24)
        page.put(f"The results are equal: {_hidden(result, secrets)}", "title")
    else:
        different = _hidden(comparison.difference, secrets)
        page.put(f"The results DIFFER: {different}", "title")
    page.put("")


def _figures(page: _Page, comparison: Comparison) -> None:
    ours, theirs = comparison.by_hand, comparison.by_library
    page.put(f"{'':22}{'by hand':>10}{'by library':>12}", "title")
    for name, words in FIGURES.items():
        page.put(f"{words:22}{ours.figures()[name]:10,}{theirs.figures()[name]:12,}")
    page.put(f"{'milliseconds':22}{ours.seconds * 1000:10.1f}{theirs.seconds * 1000:12.1f}")
    how = "without" if comparison.timed else "with"
    page.put(f"The milliseconds are {how} the recorder.")
    page.put("")


def _remarks(page: _Page, client: str, remarks: list[Remark]) -> None:
    page.put(f"What {client} did that you did not ask for", "title")
    for remark in remarks:
        times = f" ({remark.times} times)" if remark.times > 1 else ""
        page.put(f"  * {remark.what}{times}".replace("\t", "\\t"), indent="    ")
        where = f" ({remark.source})" if remark.source else ""
        for part in wrapped(f"{remark.why}{where}", page.width - 4):
            page.lines.append("    " + page.painted(part, "code"))
    if not remarks:
        page.put("  nothing")
    page.put("")


# For machines


def as_dict(comparison: Comparison, *, show_secrets: bool = False) -> dict[str, Any]:
    """The comparison as what JSON can hold. Secrets are hidden unless `show_secrets`."""
    secrets = set() if show_secrets else _secrets(comparison)
    job = comparison.job
    sides = comparison.by_hand, comparison.by_library
    steps = {
        id(step): shown
        for side in sides
        for talk in side.conversations
        for step, shown in zip(
            talk.steps,
            as_json.as_dict(talk, show_secrets=show_secrets)["steps"],
            strict=True,
        )
    }
    return {
        "protocol": job.protocol,
        "job": job.name,
        "title": job.title,
        "same": comparison.same,
        "difference": _hidden(comparison.difference, secrets),
        "by_hand": _side(sides[0], job.hand, secrets),
        "by_library": _side(sides[1], job.library, secrets),
        "seconds_without_recorder": comparison.timed,
        "rows": [
            {
                "mark": row.mark,
                "why": row.why,
                "by_hand": row.left and steps[id(row.left)],
                "by_library": row.right and steps[id(row.right)],
            }
            for row in comparison.rows
        ],
        "unasked_by_hand": [*map(_remark, comparison.unasked_by_hand)],
        "unasked_by_library": [*map(_remark, comparison.unasked_by_library)],
    }


def _side(side: Side, client: str, secrets: set[str]) -> dict[str, Any]:
    return {
        "client": client,
        "result": _hidden(brief(side.result), secrets),
        "error": _hidden(side.error, secrets),
        "seconds": round(side.seconds, 6),
        **side.figures(),
    }


def _remark(remark: Remark) -> dict[str, Any]:
    names = ("what", "why", "source", "times")
    return {**{name: getattr(remark, name) for name in names}, "step": remark.step.number}
