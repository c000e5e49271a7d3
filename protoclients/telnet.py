"""Telnet: a stream of text, and commands inside it (RFC 854).

There is no request and no response: both sides may speak at any time. The octet 255, IAC,
makes a command of what follows:

    IAC WILL option    I would do this        IAC DO option      please do this
    IAC WONT option    I will not             IAC DONT option    please don't
    IAC SB option … IAC SE                    what has to be said about an option
    IAC IAC                                   the octet 255 itself

An option is two: one for each side. Nobody has to agree to any, and everybody has to agree
to a no. Answer only what changes something, or two sides thank each other for ever: the
rules for that are RFC 1143's, the table `Q` below.
"""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Self, overload

from .errors import Disconnected, LimitExceeded, ProtocolError, WireError
from .octets import WINDOW, check_sink, octets
from .wire import LIMITS, TLS, Limits, Wire, exchange

PORT, TLS_PORT = 23, 992

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, ECHO, SGA, TTYPE, NAWS = 0, 1, 3, 24, 31  # RFC 856, 857, 858, 1091, 1073
IS, SEND = 0, 1  # inside SB TTYPE

FF = bytes([IAC])
CR_NUL = re.compile(rb"\r\0")

# The Q method (RFC 1143 section 7). For each state of one side of an option: the state
# after a yes or a no from the peer, or from our own user, and what is said about it.
YES, NO, NOTHING = True, False, None
Step = tuple[str, bool | None]
Q: dict[tuple[str, str], Step] = {
    ("peer says yes", "YES"): ("YES", NOTHING),
    ("peer says yes", "WANTNO"): ("NO", NOTHING),  # a no answered by a yes: their mistake
    ("peer says yes", "WANTNO OPPOSITE"): ("YES", NOTHING),
    ("peer says yes", "WANTYES"): ("YES", NOTHING),
    ("peer says yes", "WANTYES OPPOSITE"): ("WANTNO", NO),
    ("peer says no", "NO"): ("NO", NOTHING),
    ("peer says no", "YES"): ("NO", NO),
    ("peer says no", "WANTNO"): ("NO", NOTHING),
    ("peer says no", "WANTNO OPPOSITE"): ("WANTYES", YES),
    ("peer says no", "WANTYES"): ("NO", NOTHING),
    ("peer says no", "WANTYES OPPOSITE"): ("NO", NOTHING),
    ("we want it", "NO"): ("WANTYES", YES),
    ("we want it", "WANTNO"): ("WANTNO OPPOSITE", NOTHING),
    ("we want it", "WANTYES OPPOSITE"): ("WANTYES", NOTHING),
    ("we don't want it", "YES"): ("WANTNO", NO),
    ("we don't want it", "WANTNO OPPOSITE"): ("WANTNO", NOTHING),
    ("we don't want it", "WANTYES"): ("WANTYES OPPOSITE", NOTHING),
}

# Which side a command of the peer is about, and whether it is a yes.
PEER_SAYS = {
    DO: ("us", "peer says yes"),
    DONT: ("us", "peer says no"),
    WILL: ("them", "peer says yes"),
    WONT: ("them", "peer says no"),
}
WE_SAY = {("us", YES): WILL, ("us", NO): WONT, ("them", YES): DO, ("them", NO): DONT}

# One command in the stream, whole: an option's, a subnegotiation, or IAC and one octet.
COMMAND = re.compile(
    rb"\xff(?:([\xfb-\xfe])(.)|\xfa(.)((?:[^\xff]|\xff\xff)*)\xff([^\xff])|[^\xfa-\xfe])",
    re.DOTALL,
)


class Telnet:
    """A Telnet connection.

    `port` is 23, or 992 with `tls`, which is True or an `ssl.SSLContext`. `timeout` is in
    seconds, for each read or write, and `limits` are on what the server says. Options are
    refused unless they are in `agree`, a collection of their numbers such as `{ECHO, SGA,
    TTYPE, NAWS, BINARY}`: then they may be on, on either side. `terminal` is the name that
    TTYPE gives, `window` the width and height that NAWS gives, in characters. Every method
    may raise `WireError`.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
        agree: Iterable[int] = (),
        terminal: str = "UNKNOWN",
        window: tuple[int, int] = (80, 24),
    ) -> None:
        port = (TLS_PORT if tls else PORT) if port is None else port
        self.agree = frozenset(agree)
        self.terminal = octets(terminal)
        if not all(0 <= size < 65536 for size in window):
            raise ValueError(f"not a width and a height from 0 to 65535: {window!r}")
        self.window = window
        # The state of each side of each option that was ever spoken of (RFC 1143).
        self.options: dict[tuple[str, int], str] = {}
        self._held = b""  # a command whose end has not come yet
        self._unread = b""  # decoded, and not yet read
        self._after_cr = False
        self._commands = 0
        self._finished = False
        self.wire = Wire(host, port, timeout=timeout, tls=tls, limits=limits)

    # Reading and writing, by the names of the telnetlib that was

    @exchange
    def read_until(self, expected: bytes, *, limit: int | None = None) -> bytes:
        """Read up to and with `expected`, which must come within `limit` octets, or
        `Limits.body`.

        Raises `TooSlow` or `Disconnected` if it does not; `done` has what came.
        """
        self._commands = 0
        read, searched = bytearray(self._take()), 0
        limit = self.wire.limits.body if limit is None else limit
        try:
            while (end := read.find(expected, searched)) < 0:
                self._limit(len(read), limit, expected)
                searched = max(0, len(read) - len(expected) + 1)
                more = self._data()
                if more is None:
                    raise Disconnected(f"{self.wire.host} hung up before {expected!r} came")
                read += more
            end += len(expected)
            self._limit(end, limit, expected)
        except WireError as error:
            error.done = bytes(read)
            raise
        self._unread = bytes(read[end:])
        return bytes(read[:end])

    def _limit(self, count: int, most: int, expected: bytes) -> None:
        if count > most:
            raise LimitExceeded(f"more than {most} octets without {expected!r}")

    @exchange
    def read_some(self) -> bytes:
        """Wait for data and return what is there; b"" is the end."""
        self._commands = 0
        read = self._take()
        while not read and (more := self._data()) is not None:
            read = more
        return read

    @exchange
    def read_ready(self) -> bytes | None:
        """Return the data in what is there, waiting for something to be there: perhaps
        none, where it was only commands. None is the end."""
        self._commands = 0
        return self._take() or self._data()

    @overload
    def read_all(self, into: None = None, *, limit: int | None = None) -> bytes: ...
    @overload
    def read_all(self, into: BinaryIO, *, limit: int | None = None) -> int: ...
    @exchange
    def read_all(
        self, into: BinaryIO | None = None, *, limit: int | None = None
    ) -> bytes | int:
        """Read to the end; or write it to `into` and return how many octets it was.
        `limit` is the most octets that may come."""
        check_sink(into)
        self._commands = 0
        return self.wire.deliver(self._all(), into, limit)

    def _all(self) -> Iterator[bytes]:
        yield self._take()
        while (more := self._data()) is not None:
            self.wire.progress(len(more))
            yield more

    @exchange
    def write(self, data: bytes) -> None:
        """Send data: 255 is doubled, and unless BINARY is on, a CR that no LF follows gets
        a NUL (RFC 854, "The NVT printer and keyboard")."""
        if self.options.get(("us", BINARY)) != "YES":
            data = data.replace(b"\r", b"\r\0").replace(b"\r\0\n", b"\r\n")
        self._say(data.replace(FF, FF + FF))

    def interact(self) -> None:
        """Join this terminal to the connection, until either side ends."""
        from .terminal import join

        join(self)

    # Options

    @exchange
    def ask(self, command: int, option: int) -> None:
        """Say WILL, WONT, DO or DONT for an option, if that changes anything. To ask for
        an option is to agree to it."""
        side = "us" if command in (WILL, WONT) else "them"
        wanted = command in (WILL, DO)
        self.agree = self.agree | {option} if wanted else self.agree - {option}
        self._turn(side, option, "we want it" if wanted else "we don't want it")

    def _turn(self, side: str, option: int, event: str) -> None:
        """One step of the Q method."""
        state = self.options.get((side, option), "NO")
        if (event, state) == ("peer says yes", "NO"):
            step: Step = ("YES", YES) if option in self.agree else ("NO", NO)
        else:
            step = Q.get((event, state), (state, NOTHING))
        state, answer = step
        self.options[side, option] = state
        if answer is not NOTHING:
            self._say(bytes([IAC, WE_SAY[side, answer], option]))
        if (side, option, state) == ("us", NAWS, "YES") and event == "peer says yes":
            width, height = self.window
            self._subnegotiate(NAWS, width.to_bytes(2, "big") + height.to_bytes(2, "big"))

    def _subnegotiate(self, option: int, content: bytes) -> None:
        content = content.replace(FF, FF + FF)  # a window of 255 columns has one
        self._say(bytes([IAC, SB, option]) + content + bytes([IAC, SE]))

    @exchange
    def finish(self) -> None:
        """Say that no more will be written; the server may still have much to say."""
        self._finished = True
        if not self.wire.is_tls:  # TLS cannot close one half alone
            self.wire.finish()

    def _say(self, octets: bytes) -> None:
        if not self._finished:
            self.wire.send_more(octets)

    # The stream, and the commands inside it

    def _take(self) -> bytes:
        unread, self._unread = self._unread, b""
        return unread

    def _data(self) -> bytes | None:
        """Wait for octets and return the data in them, perhaps none; None is the end."""
        piece = self.wire.piece(WINDOW)
        if piece:
            return self._decode(bytes(piece))
        if self._held:
            raise Disconnected(f"{self.wire.host} hung up in the middle of a command")
        return None

    def _decode(self, octets: bytes) -> bytes:
        """The data in `octets`; the commands are obeyed, wherever they are cut."""
        octets, self._held = self._held + octets, b""
        if FF not in octets:
            return self._printer(octets)
        # Where all are doubled, every second part between them is empty. CPython looks
        # for one octet much faster than for two.
        parts = octets.split(FF)
        if len(parts) % 2 and not any(parts[1::2]):
            return self._printer(FF.join(parts[::2]))
        return b"".join(self._data_and_commands(octets))

    def _data_and_commands(self, octets: bytes) -> Iterator[bytes]:
        at = 0
        while (iac := octets.find(FF, at)) >= 0:
            yield self._printer(octets[at:iac])
            command = COMMAND.match(octets, iac)
            if not command:
                self._held = octets[iac:]
                self._check_size(self._held)
                return
            at = command.end()
            if command[0] == FF + FF:
                yield self._printer(FF)
            else:
                self._obey(command)
        yield self._printer(octets[at:])

    def _obey(self, command: re.Match[bytes]) -> None:
        self._commands += 1
        if self._commands > self.wire.limits.commands:
            most = self.wire.limits.commands
            raise LimitExceeded(f"more than {most} commands in one read")
        verb, option, about, content, end = command.groups()
        if verb:
            side, event = PEER_SAYS[verb[0]]
            self._turn(side, option[0], event)
        elif about:
            if end[0] != SE:
                raise ProtocolError(f"not a subnegotiation: {command[0][:40]!r}")
            self._check_size(content)
            wants_name = about[0] == TTYPE and content == bytes([SEND])
            if wants_name and self.options.get(("us", TTYPE)) == "YES":
                self._subnegotiate(TTYPE, bytes([IS]) + self.terminal)

    def _check_size(self, command: bytes) -> None:
        most = self.wire.limits.subnegotiation
        if len(command) > most:
            raise LimitExceeded(f"a command of more than {most} octets")

    def _printer(self, data: bytes) -> bytes:
        """Data as the sender meant it: CR NUL is a CR that no LF follows (RFC 854, "The NVT
        printer and keyboard")."""
        if not data or self.options.get(("them", BINARY)) == "YES":
            return data
        if self._after_cr:
            data = data.removeprefix(b"\0")
        self._after_cr = data.endswith(b"\r")
        return CR_NUL.sub(b"\r", data) if b"\0" in data else data

    def close(self) -> None:
        """Close the connection; Telnet has no goodbye."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
