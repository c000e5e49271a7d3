"""From socket calls to what was said: a Conversation of Steps.

    with record() as recording:
        poplib.POP3("localhost", 8110).quit()
    for step in recording.conversations[0].steps:
        print(step.speaker, step.shown(), "--", step.meaning, step.source)

TCP has no messages. One call may carry three replies, and one reply may take three calls.
A Step has the calls that carried it, the protocol's state before and after, what it means,
and where that stands; all of it comes from the protocol's grammar (see grammar/). Steps
stand in the order in which they were whole.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .grammar import echo, ftp, http1, nntp, plain, pop3, smtp, telnet
from .grammar.reading import OPENS, Piece, Reading, port
from .grammar.steps import Conversation, Step
from .grammar.telling import Telling
from .recorder import Call

__all__ = ["Conversation", "Listener", "Step", "conversations"]

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
ACCEPTED = re.compile(r"socket ([0-9]+) from ")


def conversations(calls: Iterable[Call], protocol: str | None = None) -> list[Conversation]:
    """What was said in recorded calls, a Conversation for each connection.

    `protocol` is the name of what they speak, where port and greeting don't tell. Another
    name than those in `GRAMMARS` is a `ValueError`.
    """
    listener = Listener(protocol)
    for call in calls:
        listener.hear(call)
    listener.end()
    return listener.conversations


@dataclass
class _Link:
    """One connection, and what is known of it."""

    talk: Conversation
    early: list[Call]  # calls on the socket before the connection
    reading: Reading | None = None  # as soon as the protocol is known
    telling: Telling | None = None  # until then
    untold: list[Call] = field(default_factory=list)
    channel: str = ""


class Listener:
    """Makes steps of calls as they come; `conversations` has what was made so far.

    See `conversations` for `protocol`.
    """

    def __init__(self, protocol: str | None = None) -> None:
        if protocol is not None and protocol not in GRAMMARS:
            raise ValueError(f"{protocol!r} is none of {', '.join(GRAMMARS)}")
        self.conversations: list[Conversation] = []
        self._protocol = protocol
        self._links: dict[int, _Link] = {}  # by socket
        self._early: dict[int, list[Call]] = {}  # calls on what is not a connection yet
        self._doors: dict[int, Conversation] = {}  # sockets that listen for FTP's data
        self._announced: dict[int, _Link] = {}  # FTP's control connections, by data port

    def hear(self, call: Call) -> Conversation | None:
        """Hear the next call; returns the conversation it belongs to, if it is known."""
        accepted = ACCEPTED.match(call.result) if call.name == "accept" else None
        number = int(accepted[1]) if accepted else call.socket
        if number not in self._links:
            opens = accepted or call.name in ("connect", "connect_ex")
            if not opens and not call.direction:
                self._set_aside(call)
                return None
            self._links[number] = self._open(call, is_accepted=bool(accepted))
        link = self._links[number]
        link.talk.calls.append(call)
        if link.channel != "data":
            _learn_addresses(link.talk, call)
        if link.reading is None:
            self._tell(link, call)
        else:
            self._add(link, link.reading.take(call))
        return link.talk

    def end(self) -> None:
        """There are no more calls: what is not whole is shown as far as it was heard."""
        for link in self._links.values():
            if link.telling:
                link.telling.end()
                self._begin(link, link.telling.name)
            if link.reading:
                self._add(link, link.reading.end())
        self.conversations = [talk for talk in self.conversations if not _is_wakeup(talk)]

    def _set_aside(self, call: Call) -> None:
        if call.socket in self._doors:
            self._doors[call.socket].calls.append(call)
        else:
            self._early.setdefault(call.socket, []).append(call)

    def _open(self, call: Call, is_accepted: bool) -> _Link:
        """A new connection: the beginning of a conversation, or FTP's for data."""
        early = self._lookups(call) + self._early.pop(call.socket, [])
        ports = {port(call.address), port(call.local), port(call.remote)} - {0}
        found = next((self._announced.pop(p) for p in ports if p in self._announced), None)
        if found and found.reading and isinstance(found.reading.grammar, ftp.Grammar):
            link = _Link(found.talk, early, channel="data")
            data = found.reading.grammar.open_data()
            link.reading = Reading(data, link.talk.side, "tcp", early, ftp.ANNOUNCED)
            if is_accepted:
                self._doors[call.socket] = link.talk
        else:
            link = self._begin_talk(call, early, is_accepted)
        link.talk.calls += early
        link.talk.connections += 1
        return link

    def _begin_talk(self, call: Call, early: list[Call], is_accepted: bool) -> _Link:
        was_bound = any(before.name == "bind" for before in early)
        answers = call.transport == "udp" and was_bound and call.direction == "received"
        talk = Conversation(transport=call.transport)
        talk.side = "server" if is_accepted or answers else "client"
        self.conversations.append(talk)
        _learn_addresses(talk, call)
        link = _Link(talk, early)
        if self._protocol:
            self._begin(link, self._protocol)
        else:
            link.telling = Telling(port(talk.server))
        return link

    def _lookups(self, call: Call) -> list[Call]:
        """The name look-ups that found the address which is connected to."""
        found = self._early.pop(0, []) if call.name in ("connect", "connect_ex") else []
        host = call.address[0] if isinstance(call.address, tuple | list) else None
        return [lookup for lookup in found if host and repr(host) in lookup.result]

    # Which protocol, and then its steps

    def _tell(self, link: _Link, call: Call) -> None:
        assert link.telling
        link.untold.append(call)
        if call.direction and call.size:
            # A datagram is whole, as a line is.
            data = call.data + b"\n" * (link.talk.transport == "udp")
            link.telling.hear("C" if link.talk.is_client(call) else "S", data)
        if link.telling.name:
            self._begin(link, link.telling.name)

    def _begin(self, link: _Link, protocol: str) -> None:
        """The protocol is known now: read what was heard so far."""
        if link.talk.transport == "udp" and protocol != "echo":
            protocol = "unknown"
        link.talk.protocol, link.telling = protocol, None
        link.channel = "control" if protocol == "ftp" else ""
        said = [call for call in link.untold if call.direction and call.size]
        # Of a connection that was open before the recording, the greeting wasn't heard.
        was_open = link.untold and link.untold[0].name not in OPENS
        greeting = not (was_open and said and link.talk.is_client(said[0]))
        side, transport = link.talk.side, link.talk.transport
        link.reading = Reading(GRAMMARS[protocol](greeting), side, transport, link.early)
        for call in link.untold:
            self._add(link, link.reading.take(call))
        link.untold.clear()

    def _add(self, link: _Link, pieces: list[Piece]) -> None:
        for piece in pieces:
            link.talk.add(piece, link.channel)
            if piece.said.port:
                self._announced[piece.said.port] = link


def _learn_addresses(talk: Conversation, call: Call) -> None:
    here, there = call.local, call.remote or call.address
    if talk.side == "server":
        here, there = there, here
    talk.client = talk.client or here
    talk.server = talk.server or there


def _is_wakeup(talk: Conversation) -> bool:
    """Asyncio wakes itself by a pair of sockets, with NUL octets or a signal's number:
    nobody else is there."""
    said = [call for call in talk.calls if call.data.strip(b"\0")]
    is_pair = talk.transport == "unix" and not talk.server
    return is_pair and all(
        any(frame.function.endswith("_read_from_self") for frame in call.frames)
        for call in said
    )
