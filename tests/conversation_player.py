"""Conversation files, and how they are played.

A file in `conversations/` is a session as the RFCs print them, with the calls in between:

    # RFC 1939 section 5                 a comment
    client: POP3()                       the client; host, port and timeout are added
    S: +OK POP3 server ready             the server says this line; CR LF is added
    call: stat()                         a method of the client,
    C: STAT                              what it has to say,
    S: +OK 2 320                         what it hears,
    gives: (2, 320)                      and what comes of it
    raises: Refused -ERR no such         or an error, and the beginning of its text

    R: the rest                          said by the server, and only the close ends it
    S*                                   the server hangs up
    D: a line    D*                      the server's line on FTP's data connection; its end
    U: a line                            the client's line on the data connection

In lines `\\xff`, `\\r`, `\\n`, `\\t`, `\\0`, `\\\\` are octets, and a backslash at the end
means that no CR LF follows. `{IAC DO NAWS}` are octets by their Telnet names or in decimal.
`{here}` is the server's host and port, `{port}` and `{p1},{p2}` are the port of its next
data connection, and in a `C:` line `{active}` is the one where the client waits for it,
in vain if it is `{ignored}`. What comes after `call:`, `gives:` or `client:` is Python;
it goes on in lines that begin with a space. A call may be a list that uses `client`.
"""

import functools
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Telnet, WireError, errors, telnet
from protoclients.nntp import Article, Group
from protoclients.reply import Reply

from .scripted_server import PATIENCE, Event, Server, served

CLIENTS = {"FTP": FTP, "HTTP": HTTP, "NNTP": NNTP, "POP3": POP3, "SMTP": SMTP}
CLIENTS |= {"Telnet": Telnet}
OCTETS = {name: getattr(telnet, name) for name in ("IAC", "WILL", "WONT", "DO", "DONT")}
OCTETS |= {name: getattr(telnet, name) for name in ("SB", "SE", "BINARY", "ECHO", "SGA")}
OCTETS |= {"TTYPE": telnet.TTYPE, "NAWS": telnet.NAWS, "SEND": 1, "IS": 0}
WORDS = {"Article": Article, "Group": Group, "Reply": Reply, "UTC": UTC, **OCTETS}
WORDS |= {"datetime": datetime}

ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([rnt0\\]))|\{([A-Z0-9 ]+)\}")
SINGLE = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


@dataclass
class Call:
    """One call, and what has to come of it."""

    said: str
    gives: str = ""
    raises: str = ""


@dataclass
class Script:
    """A conversation file, taken apart. Call number 0 opens the connection."""

    name: str
    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @functools.cached_property
    def heard(self) -> list[int]:
        """How many octets, of those that can be cut, are said by the end of each call."""
        said = [0] * len(self.calls)
        for event in self.events:
            said[event.call] += len(event.data) * (event.kind in ("S", "D"))
        return list(accumulate(said))


# Reading a file


def load(path: Path) -> Script:
    """Read the conversation file at `path`."""
    script = read(path.read_text("utf-8"), path.stem)
    missing = [call.said for call in script.calls if not (call.gives or call.raises)]
    assert script.calls and not missing, f"{path.name}: no outcome for {missing}"
    return script


def read(text: str, name: str = "script") -> Script:
    """Read a conversation. Without calls it is the server's side alone."""
    script = Script(name)
    for line in joined(text):
        _add(script, line, f"{name}: {line!r}")
    return script


def joined(text: str) -> Iterator[str]:
    """The lines of a file without comments and empty ones; a line that begins with a space
    goes on with the one before."""
    text = re.sub(r"\n +", " ", text)
    return (line for line in text.split("\n") if line and not line.startswith("#"))


def _add(script: Script, line: str, where: str) -> None:
    kind, colon, rest = line.partition(":")
    rest = rest.removeprefix(" ")
    if kind in ("client", "call"):
        script.calls.append(Call(rest, gives="" if kind == "call" else "None"))
    elif kind in ("gives", "raises"):
        setattr(script.calls[-1], kind, rest)
    else:
        assert line in ("S*", "D*") or (colon and kind in ("C", "S", "R", "D", "U")), where
        _say(script, kind, octets(rest) if colon else b"")


def _say(script: Script, kind: str, data: bytes) -> None:
    """Add octets to the last event if they belong to it."""
    events, call = script.events, len(script.calls) - 1
    if events and (events[-1].kind, events[-1].call) == (kind, call):
        events[-1].data += data
    else:
        events.append(Event(kind, data, call))


def octets(line: str) -> bytes:
    """A line of a file as it travels."""
    raw = line.encode("utf-8")
    open_ended = (len(raw) - len(raw.rstrip(b"\\"))) % 2
    return ESCAPE.sub(_octet, raw[:-1]) if open_ended else ESCAPE.sub(_octet, raw) + b"\r\n"


def _octet(match: re.Match[bytes]) -> bytes:
    number, single, names = match.groups()
    if number:
        return bytes([int(number, 16)])
    if single:
        return SINGLE[single]
    words = names.decode("ascii").split()
    return bytes(OCTETS[word] if word in OCTETS else int(word) for word in words)


# Playing it


class Session:
    """The client's side of one play."""

    def __init__(self, port: int) -> None:
        self.client: Any = None
        self._names: dict[str, Any] = dict(WORDS, sink=io.BytesIO())
        for name, kind in CLIENTS.items():
            opener = functools.partial(kind, "127.0.0.1", port, timeout=PATIENCE)
            self._names[name] = opener

    def make(self, call: Call) -> Any:
        """Make one call; return what it gives, or raise what it raises."""
        if self.client is None:
            self._names["client"] = self.client = evaluate(call.said, self._names)
            return None
        said = call.said if call.said.startswith("[") else f"client.{call.said}"
        return evaluate(said, self._names)

    def check(self, call: Call) -> None:
        """Make one call, which must have the outcome that the file gives."""
        if not call.raises:
            result, wanted = self.make(call), evaluate(call.gives, self._names)
            assert result == wanted, f"{call.said} gave {result!r}, not {wanted!r}"
            return
        name, _, text = call.raises.partition(" ")
        with pytest.raises(getattr(errors, name, ValueError)) as caught:
            self.make(call)
        error = caught.value
        assert type(error).__name__ == name, f"{call.said} raised {error!r}"
        assert str(error).startswith(text), f"{call.said} raised {error!r}"
        if isinstance(error, WireError):
            self.check_closed(call)

    def check_broken(self, call: Call, kind: type[WireError]) -> None:
        """Make one call, which must raise an error of this kind, and not for want of time;
        then the connection is closed."""
        try:
            result = self.make(call)
        except kind as error:
            assert not isinstance(error, errors.TooSlow), call.said
            self.check_closed(call)
        else:
            pytest.fail(f"{call.said} gave {result!r}, and should raise {kind.__name__}")

    def check_closed(self, call: Call) -> None:
        """Check that the connection is closed on this side."""
        assert self.client is None or self.client.wire.closed, f"still open: {call.said}"


@functools.cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<conversation>", "eval")


def evaluate(expression: str, names: dict[str, Any]) -> Any:
    """The value of an expression in a conversation file."""
    return eval(_compiled(expression), dict(names))


@contextmanager
def session(server: Server) -> Iterator[Session]:
    """A client's side with the server's side beside it."""
    with served(server) as port:
        client = Session(port)
        try:
            yield client
        finally:
            if client.client is not None:
                client.client.close()


def play(script: Script) -> None:
    """Play a conversation from its first word to its last."""
    with session(Server(script.events)) as client:
        for call in script.calls:
            client.check(call)


def play_cut(script: Script, most: int) -> None:
    """Play a conversation whose server hangs up after `most` octets. Calls that had their
    answer by then go well, and the one that had not raises a `WireError`."""
    with session(Server(script.events, most=most)) as client:
        for call, heard in zip(script.calls, script.heard, strict=True):
            if heard > most:
                client.check_broken(call, WireError)
                return
            client.check(call)


def play_chatty(script: Script, number: int) -> None:
    """Play a conversation whose server says a line too many in answer to call `number`: the
    next call that speaks must see it, and say nothing. A call of many commands may see it
    itself, if it comes with the last answer."""
    said = [event for event in script.events if (event.kind, event.call) == ("S", number)]
    with session(Server(script.events, chatty=said[-1])) as client:
        for n, call in enumerate(script.calls):
            if n > number and script.heard[n] > script.heard[n - 1]:
                client.check_broken(call, errors.ProtocolError)
                return
            try:
                client.check(call)
            except errors.ProtocolError:
                assert n == number and "_many(" in call.said
                client.check_closed(call)
                return


def can_be_chatty(script: Script) -> list[int]:
    """The calls after which a line too many would be taken for the next answer: the server
    stays, and another call comes."""
    if script.calls[0].said.startswith("Telnet"):  # both sides speak when they like
        return []
    answered = {event.call for event in script.events if event.kind == "S"}
    ended = {event.call for event in script.events if event.kind in ("R", "S*")}
    broken = {
        number
        for number, call in enumerate(script.calls)
        if call.raises.partition(" ")[0] not in ("", "Refused", "ValueError")
    }
    return sorted(answered - ended - broken - {max(answered, default=0)})
