"""A Conversation for a terminal: one line for each line that was said, as in the RFCs.

    C: RETR 1
    S: +OK 120 octets
    S: From: student@example.test

`C:` is the client, `S:` the server, and `--` what was done without words. CR LF at the end
of a line isn't shown, any other line end is. A line that is too long goes on in the next,
without `C:` or `S:`. On request there are more lines between: the code that did it
("@"), the calls on the socket ("socket 1:"), what it means.
"""

import os
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from rich.cells import cell_len

from protoclients.conversation import Conversation, Step
from protoclients.grammar import verb
from protoclients.grammar.reading import address
from protoclients.grammar.showing import dump
from protoclients.grammar.steps import LINES, OPAQUE
from protoclients.recorder import Call, Frame

from .program import clean, lines_above, place, secrets_of, source_line, without

NARROWEST = 40
MOST_LINES = 50  # of one step; of a body or block, that are shown
MOST_OF_BODY = 12
LONGEST = 1000  # characters of one line that are shown
MOST_CALLS = 3  # of one kind that follow each other
LF_ALONE = "\u240a (LF without CR)"
STYLES = {"C": "36", "S": "32", "-": "35", "heading": "1", "aside": "2"}


@dataclass(frozen=True, slots=True)
class Look:
    """How much is shown, and how."""

    width: int = 80  # columns; 40 at least
    colour: bool = False  # with a terminal's escape sequences
    code: bool = False  # the lines of the program
    sockets: bool = False  # the calls on sockets
    meanings: bool = False  # what it means, where that stands, the protocol's state
    show_secrets: bool = False


def text(talks: Conversation | Iterable[Conversation], look: Look | None = None) -> str:
    """One or more conversations, one after the other, as lines."""
    talks = [talks] if isinstance(talks, Conversation) else list(talks)
    teller = Teller(look or Look())
    for talk in talks:  # a line of code may be run before its secret is heard
        teller.learn(talk.steps)
    lines: list[str] = []
    for talk in talks:
        for step in talk.steps:
            lines += teller.step(talk, step)
        lines += teller.end(talk)
    return "".join(f"{line}\n" for line in lines)


def has_colour(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody objects."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


class Teller:
    """Tells steps in lines as they come, of one conversation or of several at once."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.width = max(look.width, NARROWEST)
        self._now: Conversation | None = None
        self._number: dict[int, int] = {}  # of the conversations, by identity
        self._verb = ""
        self._code: list[str] = []
        self._state = ""
        self._calls: set[int] = set()  # that were told
        self._secrets: dict[str, None] = {}  # in the order in which they were learned
        self._sources: dict[Frame, tuple[str, int]] = {}  # without so many of them

    def learn(self, steps: Iterable[Step]) -> None:
        """Learn the secrets that are to be hidden in the lines of code, too."""
        if self.look.code and not self.look.show_secrets:
            for step in steps:
                self._secrets.update(dict.fromkeys(secrets_of(step)))

    def step(self, talk: Conversation, step: Step) -> list[str]:
        """The lines for the next step of a conversation."""
        self.learn([step])
        lines = self._turn_to(talk)
        if step.speaker == "C":
            self._verb = "" if 0 in (a for a, _ in step.spans) else verb(step.data)
        if self.look.code:
            lines += self._code_above(step)
        if self.look.sockets:
            lines += self._told(step.calls)
        for line in step_lines(step, self.look.show_secrets):
            if step.speaker == "-":
                lines += self._paragraph(f"-- {line}", "-")
            else:
                lines += self._folded(f"{step.speaker}:", line, step.speaker)
        if self.look.meanings:
            lines += self._meaning(step)
        return lines

    def end(self, talk: Conversation) -> list[str]:
        """The lines at the end of a conversation: the calls that are left, the figures."""
        lines = self._turn_to(talk)
        if self.look.sockets:
            lines += self._told(talk.calls)
        return lines + self._aside(figures(talk), "")

    def _turn_to(self, talk: Conversation) -> list[str]:
        """A heading, if it was another conversation before."""
        if talk is self._now:
            return []
        first, self._now = self._now is None, talk
        self._code, self._state = [], ""
        number = self._number.setdefault(id(talk), len(self._number) + 1)
        with_whom = talk.server if talk.side == "client" else talk.client
        head = f"{number}. {talk.protocol} with {address(with_whom)}"
        return [*([] if first else [""]), *self._paragraph(head, "heading")]

    # What stands between the lines

    def _code_above(self, step: Step) -> list[str]:
        found = [
            f"{place(frame)}  {self._source(frame)}".rstrip()
            for frame in lines_above(step, self._verb)
        ]
        if found == self._code:
            return []
        self._code = found
        room = self.width - 5
        return [self._painted(f"   @ {_cut(clean(line), room)}", "aside") for line in found]

    def _source(self, frame: Frame) -> str:
        if self.look.show_secrets:
            return frame.text
        text, known = self._sources.get(frame) or (source_line(frame), 0)
        text = without(islice(self._secrets, known, None), text)
        self._sources[frame] = text, len(self._secrets)
        return text

    def _told(self, calls: Iterable[Call]) -> list[str]:
        """Calls that were not told yet; of many of a kind the first ones."""
        new = [call for call in calls if call.number not in self._calls]
        self._calls.update(call.number for call in new)
        lines: list[str] = []
        for (socket, name), group in groupby(new, lambda call: (call.socket, call.name)):
            alike = list(group)
            where = f"socket {socket}: " if socket else ""
            for call in alike[:MOST_CALLS]:
                lines += self._aside(where + _call(call))
            if rest := alike[MOST_CALLS:]:
                size = sum(call.size for call in rest)
                lines += self._aside(f"{where}… {len(rest)} more {name}, {size} bytes")
        return lines

    def _meaning(self, step: Step) -> list[str]:
        lines: list[str] = []
        if step.meaning:
            where = f" ({step.source})" if step.source else ""
            lines += self._aside(f"means: {step.meaning}{where}")
        if step.after != self._state:
            before = f"{step.before} -> " if step.before not in ("", step.after) else ""
            self._state = step.after
            lines += self._aside(f"state: {before}{step.after or 'none'}")
        for note in step.notes:
            lines += self._aside(f"note: {note}")
        return lines

    # Lines

    def _aside(self, words: str, indent: str = "   ") -> list[str]:
        return self._paragraph(words, "aside", indent)

    def _paragraph(self, words: str, style: str, indent: str = "") -> list[str]:
        wrapped = textwrap.wrap(
            clean(words), self.width, initial_indent=indent, subsequent_indent="     "
        )
        parts = [part for line in wrapped for part in _pieces(line, self.width)]
        return [self._painted(part, style) for part in parts]

    def _folded(self, who: str, line: str, style: str) -> Iterator[str]:
        for part in _pieces(line, self.width - len(who) - 1):
            yield self._painted(f"{who} {part}" if part else who, style)
            who = " " * len(who)

    def _painted(self, line: str, style: str) -> str:
        return f"\033[{STYLES[style]}m{line}\033[0m" if self.look.colour else line


def figures(talk: Conversation) -> str:
    """What a conversation cost, in words."""
    trips = talk.round_trips
    return (
        f"{trips} round trip{'s' * (trips != 1)}, {talk.sent:,} octets sent, "
        f"{talk.received:,} received, {talk.calls_made:,} calls, "
        f"{talk.seconds * 1000:.1f} ms"
    )


def _call(call: Call) -> str:
    tls = " (inside TLS)" if call.tls and call.direction else ""
    return f"{call.name}{call.arguments} -> {call.result}{tls}"


def step_lines(step: Step, show_secrets: bool = False) -> list[str]:
    """The lines of a step; of a long one the first ones, and the last."""
    where = "[data] " if step.channel == "data" else ""
    if is_binary(step):
        return [f"{where}{step.text[:47]} … {step.size:,} octets, binary"]
    lines = step.shown(show_secrets).replace("\t", "\\t").split("\n")
    ends = _odd_ends(step)
    if len(lines) not in (len(ends), len(ends) + 1):  # a secret had line ends in it
        ends = []
    most = MOST_OF_BODY if step.kind in (*OPAQUE, "block") else MOST_LINES
    wanted = list(range(len(lines)))
    if len(lines) > most:
        wanted = [*wanted[: most - 2], -1, wanted[-1]]
    said = []
    for n in wanted:
        if n < 0:
            left = len(lines) - most + 1
            said.append(f"… {left:,} more lines; {step.size:,} octets in all")
        else:
            said.append(where + _shortened(lines[n]) + "".join(ends[n : n + 1]))
    return said


def is_binary(step: Step) -> bool:
    """Whether a step is shown as octets, because they are no text."""
    is_dump = step.kind in (*OPAQUE, "unknown") and not step.spans
    return is_dump and bool(step.data) and step.text == dump(step.data, step.size)


def _odd_ends(step: Step) -> list[str]:
    """For each line end what there is to say about it: nothing if it is CR LF."""
    if step.kind not in LINES:
        return []
    *lines, _ = step.data.split(b"\n")
    return ["" if line.endswith(b"\r") else f" {LF_ALONE}" for line in lines]


def _shortened(line: str) -> str:
    more = len(line) - LONGEST
    return line if more <= 0 else f"{line[:LONGEST]}… {more:,} more characters"


def _cut(line: str, room: int) -> str:
    """A line in one piece: what is too much is left out."""
    return line if cell_len(line) <= room else _pieces(line, room - 1)[0] + "…"


def _pieces(line: str, room: int) -> list[str]:
    """A line in pieces of at most `room` columns. Nothing is left out."""
    pieces = []
    while cell_len(line) > room:
        cut = room
        while cut > 1 and cell_len(line[:cut]) > room:
            cut -= 1
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]
