"""Reads one connection, whose protocol is known: from calls to pieces with a meaning.

The grammar says what comes next on each of the two streams; here it is cut off as soon as
it is whole, and given to the grammar to read. So pieces come in the order in which they
were whole, and all that was heard is in one of them: nothing is lost, and nothing twice.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import NOTHING, Grammar, Next, Row, Said
from .framing import Stream, end

if TYPE_CHECKING:
    from protoclients.recorder import Call

OPENS = ("connect", "connect_ex", "accept")
CLOSES = ("close", "shutdown", "unwrap")
NOT_YET = ("BlockingIOError", "InterruptedError", "SSLWant")  # these errors are none
OPENED: Row = ("a connection is opened; nothing is said yet", "9293 3.5")
ADDRESSED: Row = ("only notes the address: UDP has no connections", "768")
SECURED: Row = ("from here on all is encrypted; here you see it in clear text", "8446")
UNHEARD = "its end was not heard"


@dataclass(slots=True)
class Piece:
    """Something said or done: octets, the calls that carried them, what a grammar says."""

    speaker: str  # "C", "S", or "-" for what was done
    said: Said
    data: bytes  # those octets that were kept
    size: int  # how many there were
    calls: "tuple[Call, ...]"
    before: str
    after: str


class Reading:
    """One connection, seen from `side`, which is "client" or "server".

    `transport` is a Call's; `early` are calls on the socket before the connection;
    `opened` is what it means that this is made.
    """

    def __init__(
        self,
        grammar: Grammar,
        side: str,
        transport: str,
        early: "list[Call]",
        opened: Row = OPENED,
    ) -> None:
        self.grammar = grammar
        self._me, self._peer = ("C", "S") if side == "client" else ("S", "C")
        self._streams = {"C": Stream(), "S": Stream()}
        self._is_udp = transport == "udp"
        self._opened = ADDRESSED if self._is_udp else opened
        self._idle = early  # calls that belong to what is done next
        self._made: list[Piece] = []
        self._folded: list[Piece] = []
        self._is_closed = False

    def take(self, call: "Call") -> list[Piece]:
        """The pieces that are whole now that this call was made."""
        self._made = []
        if call.direction and self._is_udp and (call.size or not call.error):
            self._datagram(call)
        elif call.direction and call.size:
            self._feed(call)
        if call.error:
            self._failed(call)
        elif call.name in OPENS:
            verb = "connection from" if call.name == "accept" else "connect to"
            self._done("connect", call, f"{verb} {address(call.address)}", self._opened)
        elif call.name == "do_handshake":
            self._secured(call)
        elif call.name in CLOSES:
            self._closes(call)
        elif call.direction == "received" and not call.size and not self._is_udp:
            row = self._closed()
            self._ends(self._peer)
            self._done("close", call, f"{_name(self._peer)} closes", row)
        elif not call.direction and not call.size:  # else it is ciphertext, or a look ahead
            self._idle.append(call)
        return self._made

    def end(self) -> list[Piece]:
        """The pieces that are left, not whole, when there are no more calls."""
        self._made = []
        for speaker in "CS":
            self._rest(speaker, UNHEARD)
        self._unfold()
        return self._made

    # What was said

    def _feed(self, call: "Call") -> None:
        speaker = self._me if call.direction == "sent" else self._peer
        other = "S" if speaker == "C" else "C"
        self._turn(other)
        self._streams[speaker].feed(call)
        while self._next(other) or self._next(speaker):
            pass
        carried = [piece for piece in self._made if piece.calls[-1] is call]
        if len(carried) > 1:
            kinds = Counter(piece.said.kind for piece in carried)
            what = " and ".join(counted(kind, count) for kind, count in kinds.items())
            carried[0].said.notes.append(f"{what} in one {way(call)}")

    def _next(self, speaker: str) -> bool:
        """Cut off what is whole, if anything is."""
        count = end(self._streams[speaker], self.grammar.next(speaker))
        if count:
            self._cut(speaker, count)
        return count > 0

    def _cut(self, speaker: str, count: int, cut_short: str = "") -> None:
        """Cut off so many octets, and have them read; `cut_short` is why it isn't whole."""
        what = self.grammar.next(speaker)._replace(octets=count)
        data, calls = self._streams[speaker].take(count)
        before = self.grammar.state
        said = self.grammar.read(speaker, what, data)
        after = before if cut_short else self.grammar.state
        said.notes += [cut_short] if cut_short else []
        self._add(Piece(speaker, said, data, count, calls, before, after))

    def _datagram(self, call: "Call") -> None:
        speaker = self._me if call.direction == "sent" else self._peer
        before = self.grammar.state
        what = Next("datagram", "datagram", max(call.size, len(call.data)))
        said = self.grammar.read(speaker, what, call.data)
        after = self.grammar.state
        self._add(Piece(speaker, said, call.data, what.octets, (call,), before, after))

    def _turn(self, speaker: str) -> None:
        """Cut off what has no other end than that something else is said or done."""
        while count := end(self._streams[speaker], self.grammar.next(speaker), turn=True):
            self._cut(speaker, count)

    def _rest(self, speaker: str, why: str) -> None:
        """Cut off what is left, and isn't whole."""
        self._turn(speaker)
        if size := self._streams[speaker].size:
            self._cut(speaker, size, why)

    def _ends(self, speaker: str) -> None:
        """This side has said all."""
        stream, how = self._streams[speaker], self.grammar.next(speaker).how
        if how == "close" and stream.size:
            self._cut(speaker, stream.size)
        self._rest(speaker, UNHEARD)

    def _add(self, piece: Piece) -> None:
        if piece.said.fold:
            self._folded.append(piece)
        else:
            self._unfold()
            self._made.append(piece)

    def _unfold(self) -> None:
        """Make one piece of those that were folded."""
        if not self._folded:
            return
        pieces, self._folded = self._folded, []
        first, last = pieces[0], pieces[-1]
        calls = {id(call): call for piece in pieces for call in piece.calls}
        many = counted(first.said.kind, len(pieces))
        notes = [f"{many} in {counted(way(first.calls[0]), len(calls))}"]
        self._made.append(
            Piece(
                first.speaker,
                replace(first.said, notes=notes),
                b"".join(piece.data for piece in pieces),
                sum(piece.size for piece in pieces),
                tuple(calls.values()),
                first.before,
                last.after,
            )
        )

    # What was done

    def _done(self, kind: str, call: "Call", text: str, row: Row, before: str = "") -> None:
        self._unfold()
        calls, state = (*self._idle, call), self.grammar.state
        self._idle = []
        said = Said(kind, row, text=text)
        self._made.append(Piece("-", said, b"", 0, calls, before or state, state))

    def _failed(self, call: "Call") -> None:
        where = f" to {address(call.address)}" if call.name in OPENS else ""
        if call.error.startswith(NOT_YET):
            if call.name in OPENS:
                self._done("connect", call, f"connect{where}", self._opened)
            return
        kinds = dict.fromkeys(OPENS, "connect") | {"do_handshake": "tls"}
        kind = kinds.get(call.name, "unknown" if "Timeout" in call.error else "close")
        self._done(kind, call, f"{call.name}{where}: {call.error}", NOTHING)

    def _secured(self, call: "Call") -> None:
        for speaker in "CS":
            self._rest(speaker, "said before the TLS handshake")
        before = self.grammar.state
        self.grammar = self.grammar.secured()
        self._done("tls", call, "TLS handshake", SECURED, before)

    def _closes(self, call: "Call") -> None:
        """Our side closes, or says that it has said all."""
        me = _name(self._me)
        if "holds it open" in call.result:
            self._idle.append(call)
        elif call.name == "unwrap":
            self._done("tls", call, f"{me} ends TLS", NOTHING)
        elif call.name == "shutdown":
            self._turn(self._peer)
            row = self._closed() if self.grammar.next(self._me).how == "close" else NOTHING
            self._ends(self._me)
            self._done("close", call, f"{me} has said all (shutdown)", row)
        else:
            row = self._closed()
            self._ends(self._me)
            self._rest(self._peer, UNHEARD)
            self._done("close", call, f"{me} closes", row)

    def _closed(self) -> Row:
        """What it means that the connection ends; to be asked before the rest is read."""
        self._turn("C")
        self._turn("S")
        row = NOTHING if self._is_closed else self.grammar.closed()
        self._is_closed = True
        return row


def _name(speaker: str) -> str:
    return "the client" if speaker == "C" else "the server"


def way(call: "Call") -> str:
    """In one word what kind of call it is."""
    return "recv" if call.direction == "received" else "send"


def counted(kind: str, count: int) -> str:
    """Such as "1 reply" or "3 bodies"."""
    many = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{count} {kind if count == 1 or kind == 'data' else many}"


def address(where: Any) -> str:
    """An address as it is written: "127.0.0.1:110", "[::1]:110", or a path."""
    if isinstance(where, tuple | list) and len(where) > 1:
        host = f"[{where[0]}]" if ":" in str(where[0]) else where[0]
        return f"{host}:{where[1]}"
    return str(where or "")


def port(where: Any) -> int:
    """The port in an address, 0 if it has none."""
    has_one = isinstance(where, tuple | list) and len(where) > 1
    return where[1] if has_one and isinstance(where[1], int) else 0
