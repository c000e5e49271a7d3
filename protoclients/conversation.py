"""From socket calls to what was said: a Conversation of Steps.

    with record() as recording:
        poplib.POP3("localhost", 8110).quit()
    for step in recording.conversations[0].steps:
        print(step.speaker, step.shown(), "--", step.meaning, step.source)

TCP has no messages. One call may carry three replies, and one reply may take three calls.
What makes steps of the octets is the protocol's grammar (see grammar/): it is asked what
comes next, and told when that is whole. Steps stand in the order in which they were whole.
"""

import html
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .grammar import NOTHING, Grammar, Next, Ranges, Row, Said, ftp, merged, source
from .grammar import echo, http1, nntp, plain, pop3, smtp, telnet
from .grammar.framing import Stream, end
from .grammar.showing import dump, is_text, shown
from .grammar.telling import by_first_lines, by_port
from .recorder import Call

GRAMMARS: dict[str, Any] = {
    "echo": echo.Grammar,
    "ftp": ftp.Grammar,
    "http": http1.Grammar,
    "nntp": nntp.Grammar,
    "pop3": pop3.Grammar,
    "smtp": smtp.Grammar,
    "telnet": telnet.Grammar,
    "unknown": plain.Grammar,
}
OPENS = ("connect", "connect_ex", "accept")
CLOSES = ("close", "shutdown", "unwrap")
# Errors that only say "not yet".
NOT_YET = ("BlockingIOError", "InterruptedError", "SSLWant")
OPAQUE = ("body", "chunk", "data", "datagram", "text", "unknown")  # may be no text at all
ACCEPTED = re.compile(r"socket ([0-9]+) from ")
REMEMBERED = 32  # secrets, to be hidden where they turn up again
SHORTEST = 6  # octets of a secret that is looked for: shorter ones are common words


@dataclass(slots=True)
class Step:
    """One thing that was said; or that was done: connect, TLS, close."""

    number: int
    time: float  # seconds since the recording opened, of its first call
    duration: float  # seconds, to the end of its last call
    speaker: str  # "C" client, "S" server, "-" for connect, TLS and close
    # connect tls close command reply block head body chunk trailer data negotiation
    # datagram text unknown
    kind: str
    text: str  # lines joined by newlines, what is no text escaped; secrets not masked
    data: bytes  # the octets, as far as the recording kept them
    size: int  # how many there were
    calls: tuple[Call, ...]  # that carried it; one call may have carried several steps
    channel: str  # "control" or "data" in FTP, else ""
    before: str  # the protocol's state, in words
    after: str
    meaning: str
    source: str  # where that stands, such as "RFC 1939 section 5", or ""
    secrets: tuple[tuple[int, int], ...] = ()  # where they are in the text
    notes: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()  # how many octets each secret has

    def shown(self, show_secrets: bool = False) -> str:
        """The text, with a mark in the place of each secret unless they are wanted."""
        text = self.text
        if not show_secrets:
            for (start, stop), count in zip(self.secrets[::-1], self.hidden[::-1]):
                text = f"{text[:start]}‹{count} octets hidden›{text[stop:]}"
        return text


@dataclass
class Conversation:
    """One connection, or FTP's control connection with its data connections."""

    protocol: str = "unknown"
    steps: list[Step] = field(default_factory=list)
    server: Any = None  # addresses
    client: Any = None
    transport: str = ""
    side: str = "client"  # the side that was recorded
    calls: list[Call] = field(default_factory=list, repr=False)
    connections: int = 0

    def _octets(self, direction: str) -> int:
        return sum(call.size for call in self.calls if call.direction == direction)

    @property
    def sent(self) -> int:
        """Octets that the client sent."""
        return self._octets("sent" if self.side == "client" else "received")

    @property
    def received(self) -> int:
        """Octets that the client received."""
        return self._octets("received" if self.side == "client" else "sent")

    @property
    def calls_made(self) -> int:
        """Calls on the sockets, of any kind."""
        return sum(1 for call in self.calls if call.socket)

    @property
    def segments(self) -> int:
        """Calls that sent or received something."""
        return sum(1 for call in self.calls if call.direction and call.size)

    @property
    def seconds(self) -> float:
        """From the beginning of the first call to the end of the last."""
        if not self.calls:
            return 0.0
        last = max(call.time + call.duration for call in self.calls)
        return last - min(call.time for call in self.calls)

    @property
    def round_trips(self) -> int:
        """How often the client had to wait for the server after it had spoken. What the
        connecting and TLS cost is not counted."""
        asks = "sent" if self.side == "client" else "received"
        said = [call.direction == asks for call in self.calls if call.direction and call.size]
        return sum(1 for before, now in zip(said, said[1:]) if before and not now)

    def __str__(self) -> str:
        head = f"{self.protocol} with {address(self.server)}, {self.round_trips} round trips"
        return "\n".join([head, *map(_line, self.steps)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def conversations(calls: Iterable[Call], protocol: str | None = None) -> list[Conversation]:
    """What was said in recorded calls, a Conversation for each connection.

    `protocol` is the name of the protocol they speak, where port and greeting don't tell;
    another name than those of `GRAMMARS` is a `ValueError`.
    """
    listener = Listener(protocol)
    for call in calls:
        listener.hear(call)
    listener.end()
    return listener.conversations


class Listener:
    """Makes steps of calls as they come; `conversations` has what was made so far."""

    def __init__(self, protocol: str | None = None) -> None:
        if protocol is not None and protocol not in GRAMMARS:
            raise ValueError(f"no grammar for {protocol!r}; there are {', '.join(GRAMMARS)}")
        self.conversations: list[Conversation] = []
        self._protocol = protocol or ""
        self._links: dict[int, _Link] = {}  # by socket
        self._early: dict[int, list[Call]] = {}  # calls on what is not a connection yet
        self._doors: dict[int, _Link] = {}  # sockets that listen for a data connection
        self._announced: dict[int, _Link] = {}  # FTP's control connections, by port

    def hear(self, call: Call) -> None:
        """Take the next call."""
        number = call.socket
        accepted = ACCEPTED.match(call.result) if call.name == "accept" else None
        if accepted:
            number = int(accepted[1])
        elif number not in self._links:
            if number in self._doors:
                self._doors[number].talk.calls.append(call)
                return
            if call.name not in OPENS[:2] and not call.direction:
                self._early.setdefault(number, []).append(call)
                return
        if number not in self._links:
            self._links[number] = self._open(call, is_server=bool(accepted))
        link = self._links[number]
        link.hear(call)
        for port in link.ports:
            self._announced[port] = link
        link.ports.clear()

    def end(self) -> None:
        """There are no more calls: what is not whole yet is shown as it is."""
        for link in self._links.values():
            link.end()
        self.conversations = [talk for talk in self.conversations if not _is_wakeup(talk)]

    def _open(self, call: Call, is_server: bool) -> "_Link":
        """A new connection: of a conversation of its own, or FTP's for data."""
        early = self._early.pop(call.socket, []) + self._lookups(call)
        ports = {_port(call.address) if call.name in OPENS[:2] else 0}
        ports |= {_port(call.local), _port(call.remote)} - {0}
        control = next((self._announced[p] for p in ports if p in self._announced), None)
        if control:
            if call.name == "accept":
                self._doors[call.socket] = control
            return control.open_data(early)
        binds = any(before.name == "bind" for before in early)
        if call.transport == "udp" and binds and call.direction == "received":
            is_server = True
        talk = Conversation(
            transport=call.transport, side="server" if is_server else "client"
        )
        self.conversations.append(talk)
        name = self._protocol
        if call.transport == "udp" and name != "echo":
            name = ""
        return _Link(talk, early, name)

    def _lookups(self, call: Call) -> list[Call]:
        """The name look-ups that found the address of a connection."""
        found = self._early.pop(0, []) if call.name in OPENS[:2] else []
        host = call.address[0] if isinstance(call.address, tuple | list) else ""
        return [lookup for lookup in found if host and repr(host) in lookup.result]


class _Link:
    """One connection: its two streams, and the grammar that reads them."""

    def __init__(
        self,
        talk: Conversation,
        early: list[Call],
        protocol: str = "",
        control: "_Link | None" = None,
    ) -> None:
        self.talk = talk
        self.ports: list[int] = []  # of data connections, just announced
        self._early = early
        self._control = control
        self._channel = "data" if control else ""
        self._grammar: Grammar | None = None
        self._untold: list[Call] = []  # heard before the protocol is known
        self._first = {"sent": b"", "received": b""}
        self._streams = {"C": Stream(), "S": Stream()}
        self._folded: list[tuple[Said, bytes, int, tuple[Call, ...]]] = []
        self._made: list[Step] = []
        self._secrets: deque[bytes] = (
            control._secrets if control else deque(maxlen=REMEMBERED)
        )
        talk.calls += early
        talk.connections += 1
        if control and isinstance(control._grammar, ftp.Grammar):
            self._grammar = control._grammar.open_data()
        elif protocol:
            self._begin(protocol)

    def open_data(self, early: list[Call]) -> "_Link":
        """A data connection that was announced on this control connection."""
        return _Link(self.talk, early, control=self)

    def hear(self, call: Call) -> None:
        self.talk.calls.append(call)
        self._learn_addresses(call)
        if self._grammar:
            self._take(call)
            return
        self._untold.append(call)
        if name := self._told(call):
            self._begin(name)

    def end(self) -> None:
        """The recording ends here."""
        if not self._grammar:
            self._begin(self._told(None) or "unknown")
        self._rest("its end was not heard")

    # Which protocol

    def _learn_addresses(self, call: Call) -> None:
        if self._control or call.name == "accept":
            return
        here, there = call.local, call.remote or call.address
        if self.talk.side == "server":
            here, there = there, here
        self.talk.client = self.talk.client or here
        self.talk.server = self.talk.server or there

    def _told(self, call: Call | None) -> str:
        """The protocol's name, as soon as it is clear. None: there is no more to come."""
        port = _port(self.talk.server)
        if by_port(port):
            return by_port(port)
        if call and not (call.direction and call.size):
            return ""
        if call and len(self._first[call.direction]) < 1024:
            self._first[call.direction] += call.data[:1024]
        spoken = [c.direction for c in self._untold if c.direction and c.size]
        asks, answers = ("sent", "received")[:: 1 if self.talk.side == "client" else -1]
        return by_first_lines(
            self._first[asks],
            self._first[answers],
            port,
            server_first=spoken[:1] == [answers],
            is_over=call is None,
        )

    def _begin(self, protocol: str) -> None:
        """Now the protocol is known: read what was heard so far."""
        self.talk.protocol = protocol
        self._channel = "control" if protocol == "ftp" else ""
        opened = any(call.name in OPENS for call in self._untold) or not self._untold
        asks = "sent" if self.talk.side == "client" else "received"
        first = next((c.direction for c in self._untold if c.direction and c.size), "")
        # One that was open before the recording: the greeting was not heard.
        self._grammar = GRAMMARS[protocol](greeting=opened or first != asks)
        untold, self._untold = self._untold, []
        for call in untold:
            self._take(call)

    # What a call is

    def _take(self, call: Call) -> None:
        if call.transport == "udp" and call.direction and not call.error:
            self._datagram(call)
        elif call.direction and call.size:
            self._feed(call)
        elif call.error:
            self._failed(call)
        elif call.name in OPENS:
            self._event("connect", call, f"{_does(call)} {address(call.address)}", self._opened())
        elif call.name == "do_handshake":
            self._handshake(call)
        elif call.name in CLOSES:
            self._close(call)
        elif call.direction == "received":
            self._rest("", self._speaker(call))
            self._event("close", call, f"{self._name(call)} has said all", self._closed())
        else:
            self._early.append(call)

    def _failed(self, call: Call) -> None:
        if call.error.startswith(NOT_YET):
            if call.name in OPENS:
                text = f"connect to {address(call.address)}"
                self._event("connect", call, text, self._opened())
            return
        kind = "connect" if call.name in OPENS else "close"
        kind = "tls" if call.name == "do_handshake" else kind
        if "Timeout" in call.error:
            kind = "unknown"
        where = f" to {address(call.address)}" if call.name in OPENS else ""
        self._event(kind, call, f"{call.name}{where}: {call.error}", NOTHING)

    def _handshake(self, call: Call) -> None:
        assert self._grammar
        self._rest("said before the TLS handshake")
        before = self._grammar.state
        self._grammar = self._grammar.secured()
        self._event("tls", call, "TLS handshake", ("from here on all is encrypted", "8446"))
        self._made[-1].before = before

    def _close(self, call: Call) -> None:
        me = self._name(call)
        if call.name == "unwrap":
            self._event("tls", call, f"{me} ends TLS", NOTHING)
        elif call.name == "shutdown":
            self._rest("", "C" if self.talk.side == "client" else "S")
            self._event("close", call, f"{me} has said all", NOTHING)
        elif "holds it open" in call.result:
            self._early.append(call)
        else:
            self._rest("its end was not heard")
            self._event("close", call, f"{me} closes the connection", self._closed())

    # What was said

    def _speaker(self, call: Call) -> str:
        is_client = (call.direction != "received") == (self.talk.side == "client")
        return "C" if is_client else "S"

    def _name(self, call: Call) -> str:
        return "client" if self._speaker(call) == "C" else "server"

    def _feed(self, call: Call) -> None:
        """Add the octets of a call to its stream, and make steps of all that is whole."""
        assert self._grammar
        speaker = self._speaker(call)
        other = "S" if speaker == "C" else "C"
        while count := end(self._streams[other], self._grammar.next(other), turn=True):
            self._step(other, count)
        self._made = []
        self._streams[speaker].feed(call)
        while self._one(other) or self._one(speaker):
            pass
        count = len(self._made)
        if count > 1:
            kinds = {step.kind for step in self._made}
            what = _plural(kinds.pop()) if len(kinds) == 1 else "steps"
            self._made[0].notes += (f"{count} {what} in one {_way(call)}",)
