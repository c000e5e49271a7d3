"""Where does it end? The one question that every protocol answers in its own way.

TCP has no messages: what comes is octets, in pieces that nobody chose. A `Stream` is one
direction of a connection; the functions below find the end of what comes next in it.

    line        the next line end
    reply       a line with a space after the code; "250-" is followed by more
    free reply  likewise, but lines between may be anything (FTP)
    dot         a line that is only a dot
    head        an empty line
    counted     so many octets
    chunk       a line with the size, the octets, a line end (HTTP)
    telnet      a command that begins with IAC, or the text before the next one
    turn        the other side speaks
    close       the connection ends
    wait        not before the other side has answered

A recording keeps only the first octets of a long call. What was not kept is counted, and
is a gap in the stream, in which an end may be hidden.
"""

import re
from collections import deque
from typing import TYPE_CHECKING

from . import Next

if TYPE_CHECKING:
    from protoclients.recorder import Call

CODE = re.compile(rb"[0-9]{3}-")
LAST = re.compile(rb"[0-9]{3}[ \r\n]")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?=[ \t;\r\n])")
# Text, in which 255 is doubled; a command, which may have a value up to IAC SE.
RUN = re.compile(rb"[^\xff]*(?:\xff\xff[^\xff]*)*")
COMMAND = re.compile(
    rb"\xff(?:[\xfb-\xfe].|\xfa[^\xff]*+(?:\xff[^\xf0][^\xff]*+)*+\xff\xf0|[^\xfa-\xff])",
    re.DOTALL,
)


class Stream:
    """What one side said and nobody has read yet, and the calls that carried it."""

    def __init__(self) -> None:
        self.octets = bytearray()  # those that were kept
        self.size = 0  # how many there were
        self.scanned = 0  # before this one, no end was found
        self._pieces: deque[tuple[Call, int, int]] = deque()  # octets kept, and in all

    def feed(self, call: "Call") -> None:
        """Add the octets of a call."""
        size = max(call.size, len(call.data))
        self.octets += call.data
        self.size += size
        self._pieces.append((call, len(call.data), size))

    @property
    def has_gap(self) -> bool:
        return self.size > len(self.octets)

    def line_end(self) -> int:
        """Where the first line ends, if no gap comes before; else -1."""
        at = self.octets.find(b"\n")
        return -1 if self.has_gap and self.before(at + 1) != at + 1 else at

    def before(self, kept: int) -> int:
        """How many octets there were, up to the octet that is number `kept` of the kept."""
        size = 0
        for _, here, whole in self._pieces:
            if kept <= here:
                break
            kept -= here
            size += whole
        return size + kept

    def take(self, count: int) -> tuple[bytes, "tuple[Call, ...]"]:
        """Take the first `count` octets: those of them that were kept, and their calls."""
        kept, left, calls = 0, count, []
        while left:
            call, here, whole = self._pieces.popleft()
            calls.append(call)
            if whole > left:
                used = min(here, left)
                self._pieces.appendleft((call, here - used, whole - left))
                here, whole = used, left
            kept += here
            left -= whole
        data = bytes(self.octets[:kept])
        del self.octets[:kept]
        self.size -= count
        self.scanned = 0
        return data, tuple(calls)


def end(stream: Stream, what: Next, turn: bool = False) -> int:
    """How many octets the next step has; 0 if its end was not heard yet.

    With `turn` the other side begins to speak: that ends what has no other mark, and what
    has lost its mark in a gap.
    """
    if not stream.size:
        return 0
    if what.how == "counted":
        return what.octets if stream.size >= what.octets else 0
    if what.how == "turn":
        return stream.size if turn else 0
    if what.how == "telnet":
        return _telnet(stream, turn)
    if what.how not in FINDERS:
        return 0
    found = FINDERS[what.how](stream, what.how)
    lost = stream.has_gap and (what.how != "chunk" or stream.line_end() < 0)
    return stream.size if turn and lost and not found else found


def _line(stream: Stream, how: str) -> int:
    at = stream.octets.find(b"\n", stream.scanned)
    stream.scanned = len(stream.octets)
    return stream.before(at + 1) if at >= 0 else 0


def _lines(stream: Stream, how: str) -> int:
    """The end of the first line that `how` says is the last."""
    octets = stream.octets
    while (at := octets.find(b"\n", stream.scanned)) >= 0:
        line = bytes(octets[stream.scanned : at + 1])
        if _is_last(line, octets[:4], stream.scanned == 0, how):
            return stream.before(at + 1)
        stream.scanned = at + 1
    return 0


def _is_last(line: bytes, start: bytearray, is_first: bool, how: str) -> bool:
    if how == "head":
        return line in (b"\r\n", b"\n")
    if is_first:
        return not CODE.match(line)
    same = line[:3] == start[:3]
    return LAST.match(line) is not None and (how == "reply" or same)


def _dot(stream: Stream, how: str) -> int:
    octets = stream.octets
    if octets.startswith(b".\r\n"):
        return stream.before(3)
    at = octets.find(b"\r\n.\r\n", max(0, stream.scanned - 4))
    stream.scanned = len(octets)
    return stream.before(at + 5) if at >= 0 else 0


def _chunk(stream: Stream, how: str) -> int:
    line, size = stream.line_end() + 1, chunk_size(stream.octets)
    if not line:
        return 0
    if size <= 0:
        return line
    return line + size + 2 if stream.size >= line + size + 2 else 0


def _telnet(stream: Stream, turn: bool) -> int:
    octets = stream.octets
    if octets[:1] == b"\xff" and octets[1:2] != b"\xff":
        command = COMMAND.match(octets)
        return stream.before(command.end()) if command else 0
    run = RUN.match(octets, stream.scanned)
    at = stream.scanned = run.end() if run else 0
    if at == len(octets):
        return stream.size if turn else 0
    # A single IAC at the end may be the first half of a doubled one.
    return stream.before(at) if turn or len(octets) > at + 1 else 0


def chunk_size(chunk: bytes | bytearray) -> int:
    """The size that a chunk gives for itself, in octets; -1 if it gives none."""
    found = CHUNK.match(chunk)
    return int(found[1], 16) if found else -1


FINDERS = {
    "line": _line,
    "reply": _lines,
    "free reply": _lines,
    "dot": _dot,
    "head": _lines,
    "chunk": _chunk,
}
