"""What a recording becomes: a Conversation, which is a list of Steps."""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from . import Ranges, merged, source
from .reading import Piece, address, way
from .showing import dump, is_text, shown

if TYPE_CHECKING:
    from protoclients.recorder import Call

OPAQUE = ("body", "chunk", "data", "datagram", "text")  # may be anything
LINES = ("command", "reply", "head", "trailer", "block")  # end in CR LF
REMEMBERED = 32  # secrets of a conversation, hidden wherever they turn up again
SHORTEST = 6  # octets of those: a shorter one may be any word
HIDDEN = "\u2039{} octets hidden\u203a"


@dataclass(slots=True, repr=False, eq=False)
class Step:
    """One thing that was said; or that was done: connect, TLS, close.

    The kinds: connect tls close command reply block head body chunk trailer data
    negotiation datagram text unknown.
    """

    number: int
    time: float  # seconds since the recording opened, of its first call
    duration: float  # seconds, to the end of its last call
    speaker: str  # "C" client, "S" server, "-" for connect, TLS and close
    kind: str
    text: str  # lines joined by newlines, what is no text escaped; secrets not masked
    data: bytes  # the octets, as far as the recording kept them
    size: int  # how many there were
    calls: "tuple[Call, ...]"  # that carried it; one call may have carried several steps
    channel: str  # "control" or "data" in FTP, else ""
    before: str  # the protocol's state, in words
    after: str
    meaning: str
    source: str  # where that stands, such as "RFC 1939 section 5", or ""
    secrets: tuple[tuple[int, int], ...] = ()  # where they are in the text
    notes: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()  # where the same are in the octets

    def __repr__(self) -> str:
        return f"<Step {self.number} {self.speaker} {self.kind}: {self.shown()[:60]!r}>"

    @property
    def hidden(self) -> tuple[int, ...]:
        """How many octets each secret has."""
        return tuple(end - start for start, end in self.spans)

    def shown(self, show_secrets: bool = False) -> str:
        """The text, with a mark in the place of each secret unless they are wanted."""
        text = self.text
        if not show_secrets:
            places = list(zip(self.secrets, self.hidden, strict=False))
            for (start, end), count in reversed(places):
                text = text[:start] + HIDDEN.format(count) + text[end:]
        return text


@dataclass(eq=False)  # two runs are never equal; pytest would show the secrets in them
class Conversation:
    """One connection, or FTP's control connection with its data connections."""

    protocol: str = ""
    steps: list[Step] = field(default_factory=list)
    server: Any = None  # the two addresses, None where unknown
    client: Any = None
    transport: str = ""
    side: str = "client"  # the one that was recorded, or "server"
    calls: "list[Call]" = field(default_factory=list, repr=False)
    connections: int = 0
    _secrets: deque[bytes] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED), repr=False
    )

    @property
    def sent(self) -> int:
        """Octets that the client sent."""
        return sum(call.size for call in self._said() if self.is_client(call))

    @property
    def received(self) -> int:
        """Octets that the client received."""
        return sum(call.size for call in self._said() if not self.is_client(call))

    @property
    def calls_made(self) -> int:
        """Calls on the sockets, of any kind."""
        return sum(1 for call in self.calls if call.socket)

    @property
    def segments(self) -> int:
        """Calls that sent or received something."""
        return len(self._said())

    @property
    def seconds(self) -> float:
        """From the beginning of the first call to the end of the last."""
        ends = [call.time + call.duration for call in self.calls]
        return max(ends) - min(call.time for call in self.calls) if ends else 0.0

    @property
    def round_trips(self) -> int:
        """How often the client waited for the server after it had spoken. What connecting
        and TLS cost is not counted."""
        speakers = [self.is_client(call) for call in self._said()]
        return sum(1 for before, now in pairwise(speakers) if before and not now)

    def _said(self) -> "list[Call]":
        return [call for call in self.calls if call.direction and call.size]

    def is_client(self, call: "Call") -> bool:
        """Whether the client sent what the call moved."""
        return (call.direction == "sent") == (self.side == "client")

    def add(self, piece: Piece, channel: str) -> None:
        """Make the next step of a piece."""
        first, last = piece.calls[0], piece.calls[-1]
        kind, said = piece.said.kind, piece.said
        spans = self._hidden(piece)
        places: Ranges = []
        if said.text is not None and not spans:
            text = said.text
        elif kind in OPAQUE and not spans and not is_text(piece.data):
            text = dump(piece.data, piece.size)
            kind = "unknown" if kind == "text" else kind
        else:
            text, places = shown(piece.data, spans, piece.size)
        self.steps.append(
            Step(
                number=len(self.steps) + 1,
                time=first.time,
                duration=max(0.0, last.time + last.duration - first.time),
                speaker=piece.speaker,
                kind=kind,
                text=text,
                data=piece.data,
                size=piece.size,
                calls=piece.calls,
                channel=channel,
                before=piece.before,
                after=piece.after,
                meaning=said.row[0],
                source=source(said.row),
                secrets=tuple(places),
                notes=(*said.notes, *_notes(piece)),
                spans=tuple(spans),
            )
        )

    def _hidden(self, piece: Piece) -> Ranges:
        """Where the secrets are: by grammar, and those that were secret before."""
        data, spans = piece.data, list(piece.said.secrets)
        for secret in self._secrets:
            at = data.find(secret)
            while at >= 0:
                spans.append((at, at + len(secret)))
                at = data.find(secret, at + len(secret))
        for start, end in piece.said.secrets:
            secret = data[start:end].strip()
            if len(secret) >= SHORTEST and secret not in self._secrets:
                self._secrets.append(secret)
        return merged(sorted(spans))

    def __str__(self) -> str:
        trips = self.round_trips
        head = f"{self.protocol} with {address(self.server)}, {trips} round trip"
        return "\n".join([head + "s" * (trips != 1), *map(_line, self.steps)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from protoclients.views import as_html

        return as_html.table([self])


def _notes(piece: Piece) -> list[str]:
    """What the calls and the line ends have to teach."""
    notes, count = [], len(piece.calls)
    if count > 1 and piece.speaker != "-" and not piece.said.fold:
        notes.append(f"this {piece.said.kind} took {count} {way(piece.calls[0])}s")
    if piece.said.kind in LINES and piece.data.count(b"\n") != piece.data.count(b"\r\n"):
        notes.append("a line ends in LF without CR")
    return notes


def _line(step: Step) -> str:
    lines = step.shown().split("\n")
    more = f" [{len(lines) - 1} more lines]" if len(lines) > 1 else ""
    return f"{step.speaker}: {lines[0]}{more}"
