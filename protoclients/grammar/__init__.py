"""What the lines of each protocol mean: one file a protocol, most of it tables.

A grammar reads one connection. It is asked what a side says `next`, which is how the end
of it is found; once that much was heard it is given the octets to `read`, and tells what
they mean. Between the two it keeps the protocol's `state`, and nothing else.

    smtp.py …       commands, replies, states, explanations, RFC sections, secrets
    plain.py        what has no grammar
    telling.py      which protocol is it? by the port, or by the first words
    framing.py      lines, dot-blocks, heads, counted bodies: where things end
    reading.py      one connection: cuts off what is whole, and has it read
    showing.py      octets as text that can be printed
    steps.py        what comes of it: Step and Conversation

A new explanation is a new row in a table. A grammar never raises, whatever it reads.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Row = tuple[str, str]  # what it means, and where that stands: "5321 4.1.1.1"
Table = Mapping[str, Row]
Ranges = list[tuple[int, int]]

NOTHING: Row = ("", "")
# An argument to be hidden goes to the end of the line, and the line end stays.
REST = rb"(.*?)\r?\n?\Z"
WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.-]*")


class Next(NamedTuple):
    """What one side says next: how its end is found (see framing.py), and what it is."""

    how: str
    kind: str
    octets: int = 0  # that it has: to count, and when it is read


LINE = Next("line", "command")
WAIT = Next("wait", "unknown")  # only the answer to what was said tells what follows
ALL = Next("turn", "text")  # a stream without marks: until the other side speaks


@dataclass(slots=True)
class Said:
    """What a grammar makes of the octets of one step."""

    kind: str
    row: Row = NOTHING
    secrets: Ranges = field(default_factory=list)  # in the octets
    notes: list[str] = field(default_factory=list)
    text: str | None = None  # where the octets themselves can't be read
    port: int = 0  # of a data connection that was announced
    fold: bool = False  # one of many: may be shown together with the next


class Grammar(Protocol):
    """What every grammar has. Each connection has one of its own."""

    @property
    def state(self) -> str: ...

    def next(self, speaker: str) -> Next:
        """What "C" or "S" says next."""

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        """What was said, and was expected to be `what`. It may be cut at its end."""

    def secured(self) -> "Grammar":
        """TLS was put on the connection: the grammar to go on with."""

    def closed(self) -> Row:
        """What it means that the connection ends here."""


def source(row: Row) -> str:
    """Where the explanation stands: "5321 4.1.1.1" becomes "RFC 5321 section 4.1.1.1"."""
    number, _, section = row[1].partition(" ")
    return f"RFC {number}" + (f" section {section}" if section else "") if number else ""


def explain(table: Table, *keys: str) -> Row:
    """The row of the first key that has one."""
    return next((table[key] for key in keys if key in table), NOTHING)


def words(line: bytes) -> list[str]:
    """The words of a line, whatever octets it has; of a long line, the first of them."""
    text = line[:1000].decode("utf-8", "backslashreplace")
    return ["".join(filter(str.isprintable, word)) for word in text.split()]


def verb(line: bytes) -> str:
    """The first word of a command in capital letters, "" if that is no word."""
    found = WORD.match(line.lstrip(b" \t"))
    return found[0].decode("ascii").upper() if found else ""


def hidden(patterns: list[re.Pattern[bytes]], data: bytes) -> Ranges:
    """Where the secrets are that a grammar's patterns find: group 1 of each match."""
    found = [match.span(1) for pattern in patterns for match in pattern.finditer(data)]
    return merged(sorted(span for span in found if span[0] < span[1]))


def merged(spans: Ranges) -> Ranges:
    """Sorted ranges, those that overlap made one."""
    whole: Ranges = []
    for start, end in spans:
        if whole and start <= whole[-1][1]:
            start, last = whole.pop()
            end = max(last, end)
        whole.append((start, end))
    return whole


def whole_line(data: bytes) -> Ranges:
    """All of a line is secret, but for its end."""
    end = len(data.rstrip(b"\r\n"))
    return [(0, end)] if end else []


def stuffed_lines(block: bytes) -> list[str]:
    """The note about the lines of a dot-block that begin with one dot too many."""
    count = block.count(b"\n..") + block.startswith(b"..")
    lines = "dot-stuffed line" + "s" * (count > 1)
    return [f"{count} {lines}: the first dot is taken off again"] if count else []
