"""Servers that get one thing wrong each: what the server says, the call, what comes of it.

A row of a table is a play. Its script is octets that the server says, and in between what
it waits for; then it hangs up. Each is played twice: the client's socket gives all that is
there, and one octet at a time. A call ends in a value, in `Refused` with the connection
still good, or in a `WireError` with the connection closed.
"""

import atexit
import contextlib
import enum
import hashlib
import io
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Refused, WireError, echo
from protoclients.errors import Disconnected, LimitExceeded, ProtocolError, TooSlow
from protoclients.http1 import Response
from protoclients.limits import LIMITS
from protoclients.nntp import Article, Group
from protoclients.telnet import ECHO, NAWS, TTYPE, Telnet

from .scripted_server import dripping

PATIENCE = 5.0  # in seconds: nothing here waits so long
IMPATIENCE = 0.1  # of a client whose server falls silent
MAIL = b"Subject: x\r\n\r\ntext\r\n"


class Do(enum.Enum):
    """What a server does besides saying things."""

    HEAR = "wait for one line"
    HEAR_HEAD = "wait for an empty line"
    HEAR_DOT = "wait for a line that is only a dot"
    OPEN_DATA = "accept FTP's data connection"
    END_DATA = "close it"
    RESET_DATA = "break it off"
    CONNECT_BACK = "connect to the port that PORT names, from 127.0.0.2"
    SILENT = "fall silent, and stay"
    RESET = "break off"


class Data(bytes):
    """Said on FTP's data connection."""


class Forever(NamedTuple):
    """Said again and again until the client hangs up; or only an octet of it each `pause`
    seconds."""

    said: bytes
    on_data: bool = False
    pause: float = 0.0

    def say(self, connection: socket.socket) -> None:
        if self.pause:
            tick = threading.Event()
            for octet in itertools.cycle(self.said):
                connection.sendall(bytes([octet]))
                tick.wait(self.pause)
        block = self.said * (65536 // len(self.said) + 1)
        while True:
            connection.sendall(block)


HEAR, HEAR_HEAD, HEAR_DOT, OPEN_DATA, END_DATA, RESET_DATA, _, SILENT, RESET = Do
LAST_WORDS = {Do.HEAR: b"\n", Do.HEAR_HEAD: b"\r\n\r\n", Do.HEAR_DOT: b"\r\n.\r\n"}
Step = bytes | Do | Forever
Script = list[Step]


class Fails(NamedTuple):
    """An error of exactly this kind, with this word in its text."""

    kind: type[Exception]
    word: str = ""


Case = tuple[Script, Callable[[Any], Any], Any]
Cases = dict[str, Case]


class Server:
    """One play of a script for one client, on `port`; `heard` is what the client said."""

    def __init__(self, script: Script) -> None:
        self.script, self.heard, self._unread = script, b"", b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._data_listener = socket.create_server(("127.0.0.1", 0))
        self._data: socket.socket | None = None
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        with self._listener, self._data_listener, contextlib.suppress(OSError):
            self._listener.settimeout(PATIENCE)
            self._data_listener.settimeout(PATIENCE)
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for step in self.script:
                    self._step(connection, step)
                if SILENT not in self.script:
                    connection.shutdown(socket.SHUT_WR)
                while said := connection.recv(65536):
                    self.heard += said
        if self._data:
            self._data.close()

    def _step(self, connection: socket.socket, step: Step) -> None:
        if isinstance(step, Forever):
            step.say(self._data if step.on_data and self._data else connection)
        elif isinstance(step, Data):
            assert self._data
            self._data.sendall(step)
        elif isinstance(step, bytes):
            connection.sendall(self._with_port(step))
        elif step in LAST_WORDS:
            self._hear(connection, LAST_WORDS[step])
        elif step is OPEN_DATA:
            self._data, _ = self._data_listener.accept()
        elif step is Do.CONNECT_BACK:
            words = self.heard.split(b"PORT ")[-1].split(b"\r\n")[0].split(b",")
            port = int(words[-2]) * 256 + int(words[-1])
            self._data = socket.create_connection(
                ("127.0.0.1", port), PATIENCE, ("127.0.0.2", 0)
            )
        elif step is END_DATA and self._data:
            self._data.close()
        elif step is RESET_DATA and self._data:
            break_off(self._data)
        elif step is RESET:
            break_off(connection)

    def _with_port(self, said: bytes) -> bytes:
        port = self._data_listener.getsockname()[1]
        said = said.replace(b"{p1},{p2}", b"%d,%d" % divmod(port, 256))
        return said.replace(b"{port}", b"%d" % port)

    def _hear(self, connection: socket.socket, last: bytes) -> None:
        while last not in self._unread:
            more = connection.recv(65536)
            if not more:
                raise ConnectionAbortedError
            self.heard += more
            self._unread += more
        self._unread = self._unread.partition(last)[2]


def break_off(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    connection.close()


@contextlib.contextmanager
def playing(script: Script) -> Iterator[Server]:
    """A server beside the client. At the end the client has hung up, or the test fails."""
    server = Server(script)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        thread.join(PATIENCE * 2)
    assert not thread.is_alive(), "the client did not hang up"


def play(opener: Callable[..., Any], case: Case) -> bytes:
    """Play one row, check what comes of it, and return what the server heard."""
    script, call, wanted = case
    timeout = IMPATIENCE if waits_in_vain(wanted) else PATIENCE
    began = time.monotonic()
    with playing(script) as server:
        client = None
        try:
            client = opener("127.0.0.1", server.port, timeout=timeout)
            found = call(client)
        except Exception as error:
            check_error(error, wanted, client)
        else:
            assert not isinstance(wanted, Fails), f"{found!r}, in place of {wanted}"
            assert found == wanted
        finally:
            if client is not None:
                client.close()
    # A call of several commands has the timeout for each.
    assert time.monotonic() - began < 4 * timeout + 0.5
    return server.heard


def waits_in_vain(wanted: Any) -> bool:
    return isinstance(wanted, Fails) and wanted.kind is TooSlow


def check_error(error: Exception, wanted: Any, client: Any) -> None:
    if not isinstance(wanted, Fails) or type(error) is not wanted.kind:
        raise error
    assert wanted.word in str(error)
    if isinstance(error, WireError) and client is not None:
        assert client.wire.closed, "a broken conversation goes on"
    if isinstance(error, Refused) and client is not None and "421" not in str(error):
        assert not client.wire.closed, "a no is no reason to hang up"


def says(*answers: Step) -> Script:
    """A greeting, or none, and an answer to each line of the client."""
    script: Script = []
    for answer in answers:
        waits = script and isinstance(script[-1], bytes) and not isinstance(answer, Do)
        script += [HEAR, answer] if waits else [answer]
    return script


def nothing(client: Any) -> None:
    """No call: opening the connection is enough."""


def refused(call: Callable[..., Any], argument: Any) -> bool:
    with pytest.raises(Refused):
        call(argument)
    return True


# What holds for every protocol that greets

OPENERS: dict[str, Callable[..., Any]] = {
    "pop3": POP3,
    "smtp": SMTP,
    "ftp": FTP,
    "nntp": NNTP,
}
HELLO = {
    "pop3": b"+OK hi\r\n",
    "smtp": b"220 hi\r\n",
    "ftp": b"220 hi\r\n",
    "nntp": b"200 hi\r\n",
}
NOOP = {"pop3": "stat", "smtp": "noop", "ftp": "noop", "nntp": "date"}
DONE = {
    "pop3": b"+OK 1 2\r\n", "smtp": b"250 ok\r\n", "ftp": b"200 ok\r\n",
    "nntp": b"111 20260101000000\r\n",
}  # fmt: skip

GREETINGS: dict[str, tuple[Script, Fails]] = {
    "hangs up at once": ([], Fails(Disconnected, "hung up")),
    "breaks off at once": ([RESET], Fails(Disconnected)),
    "never greets": ([SILENT], Fails(TooSlow, "0.1 seconds")),
    "half a greeting, and silence": ([b"2", SILENT], Fails(TooSlow)),
    "a greeting without its end": ([b"220 hi"], Fails(Disconnected, "hung up")),
    "a greeting that ends in CR": ([b"220 hi\r"], Fails(Disconnected, "hung up")),
    "a greeting that ends in LF": ([b"220 hi\n"], Fails(ProtocolError, "bare LF")),
    "an empty line": ([b"\r\n"], Fails(ProtocolError)),
    "speaks HTTP": ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Fails(ProtocolError, "HTTP")),
    "speaks SSH": ([b"SSH-2.0-OpenSSH_9.6\r\n"], Fails(ProtocolError, "SSH")),
    "speaks IMAP": ([b"* OK IMAP4rev1\r\n"], Fails(ProtocolError, "IMAP")),
    "speaks Telnet": ([b"\xff\xfd\x18\xff\xfd\x20login: \r\n"], Fails(ProtocolError)),
    "speaks TLS": ([b"\x15\x03\x01\x00\x02\x02\x0a\r\n"], Fails(ProtocolError)),
}  # fmt: skip


@pytest.fixture(autouse=True, params=["whole", "octet by octet"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the client's socket gives what has come."""
    if request.param != "whole":
        monkeypatch.setattr(socket, "socket", dripping([1]))


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("name", GREETINGS)
def test_a_bad_greeting(protocol: str, name: str) -> None:
    script, wanted = GREETINGS[name]
    play(OPENERS[protocol], (script, nothing, wanted))


WRONG_GREETINGS: dict[str, dict[bytes, Fails]] = {
    "pop3": {
        b"-ERR busy\r\n": Fails(Refused, "busy"),
        b"+OKAY\r\n": Fails(ProtocolError, "neither"),
        b"+ok hi\r\n": Fails(ProtocolError, "neither"),
        b"220 mail\r\n": Fails(ProtocolError, "220 mail"),
    },
    "smtp": {
        b"500 no\r\n": Fails(Refused, "500 no"),
        b"521 no mail here\r\n": Fails(Refused, "521"),
        b"421 too busy\r\n": Fails(Refused, "421"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"354 go\r\n": Fails(ProtocolError, "354"),
        b"+OK pop\r\n": Fails(ProtocolError, "+OK"),
    },
    "ftp": {
        b"500 no\r\n": Fails(Refused, "500 no"),
        b"421 too many\r\n": Fails(Refused, "421"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"331 password\r\n": Fails(ProtocolError, "331"),
    },
    "nntp": {
        b"502 not you\r\n": Fails(Refused, "502"),
        b"400 not now\r\n": Fails(Refused, "400"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"220 ready\r\n": Fails(ProtocolError, "220"),
        b"200-hi\r\n200 hi\r\n": Fails(ProtocolError, "several"),
    },
}


@pytest.mark.parametrize(
    ("protocol", "said"),
    [(name, said) for name, rows in WRONG_GREETINGS.items() for said in rows],
)
def test_a_greeting_that_is_a_no_or_nonsense(protocol: str, said: bytes) -> None:
    play(OPENERS[protocol], ([said], nothing, WRONG_GREETINGS[protocol][said]))


NOT_REPLIES = [
    b"22 x", b"2500 x", b"2x0 x", b"+25 x", b" 250 x", b"-250 x", b"250_x", b"250:x",
    b"250\tx",
    "²⁵⁰ x".encode(), "٢٥٠ x".encode(), "\uff12\uff15\uff10 x".encode(), b"x", b"", b"25", b"000 x",
    b"050 x",
    b"600 x", b"999 x", b"2 50 x", b"\xff\xff\xff x", b"\0250 x", b"\xef\xbb\xbf250 x",
    b"\r250 x", b"250x ok",
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "nntp"])
@pytest.mark.parametrize("line", NOT_REPLIES)
def test_a_code_that_is_not_three_digits_of_ascii(protocol: str, line: bytes) -> None:
    script = says(HELLO[protocol], line + b"\r\n")
    call = NOOP[protocol]
    wanted = Fails(ProtocolError, "not a reply")
    play(OPENERS[protocol], (script, lambda c: getattr(c, call)(), wanted))


AFTER_HELLO: dict[str, tuple[Script, Fails]] = {
    "hangs up": ([], Fails(Disconnected, "hung up")),
    "hangs up when it hears a command": ([HEAR], Fails(Disconnected, "hung up")),
    "breaks off": ([HEAR, RESET], Fails(Disconnected)),
    "falls silent": ([HEAR, SILENT], Fails(TooSlow)),
    "half an answer": ([HEAR, b"2"], Fails(Disconnected)),
    "a bare LF": ([HEAR, b"250 ok\n250 ok\r\n"], Fails(ProtocolError, "bare LF")),
    "an answer that CR ends": ([HEAR, b"250 ok\r"], Fails(Disconnected)),
    "LF CR": ([HEAR, b"250 ok\n\r"], Fails(ProtocolError, "bare LF")),
    "an answer nobody asked for": (
        [b"421 too slow\r\n", SILENT],
        Fails(ProtocolError, "before"),
    ),
    "half an answer nobody asked for": ([b"4", SILENT], Fails(ProtocolError, "before")),
}


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("name", AFTER_HELLO)
def test_after_the_greeting(protocol: str, name: str) -> None:
    steps, wanted = AFTER_HELLO[name]
    # The greeting and what follows are one segment: nothing here hangs on timing.
    first = steps[0] if steps and isinstance(steps[0], bytes) else b""
    script: Script = [HELLO[protocol] + first, *(steps[1:] if first else steps)]
    play(OPENERS[protocol], (script, lambda c: getattr(c, NOOP[protocol])(), wanted))


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize(
    "stray", [b"421 timeout\r\n", b"-ERR timeout\r\n", b"\r\n", b"2", b"\0"]
)
def test_one_answer_too_many_is_not_the_answer_to_the_next_call(
    protocol: str, stray: bytes
) -> None:
    script = says(HELLO[protocol], DONE[protocol] + stray + DONE[protocol], SILENT)

    def twice(client: Any) -> None:
        getattr(client, NOOP[protocol])()
        getattr(client, NOOP[protocol])()

    heard = play(
        OPENERS[protocol], (script, twice, Fails(ProtocolError, "before it was asked"))
    )
    assert heard.count(b"\r\n") == 1


# POP3


def pop3(*answers: Step) -> Script:
    return says(b"+OK hi\r\n", *answers)


def block(octets: bytes) -> Script:
    return pop3(b"+OK\r\n" + octets)


STAMP = b"<!#$%&'*+-/=?^_`{|}~.1@[127.0.0.1]>"
POP3_CASES: Cases = {
    "+OKAY is not +OK": (
        pop3(b"+OKAY 1 2\r\n"), lambda c: c.stat(), Fails(ProtocolError, "+OKAY")),
    "+OK and no space": (pop3(b"+OK1 2\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "-ERROR is not -ERR": (pop3(b"-ERROR x\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "an -ERR with octets that are no UTF-8": (
        pop3(b"-ERR caf\xe9\r\n"), lambda c: c.stat(), Fails(Refused, "caf\udce9")),
    "an -ERR with NUL and CR": (
        pop3(b"-ERR a\0b\rc\r\n"), lambda c: c.stat(), Fails(Refused, "a\0b\rc")),
    "STAT of one number": (
        pop3(b"+OK 2\r\n"), lambda c: c.stat(), Fails(ProtocolError, "two")),
    "STAT with words": (pop3(b"+OK two 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with a sign": (pop3(b"+OK +2 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT below nothing": (
        pop3(b"+OK -1 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with an underscore": (
        pop3(b"+OK 1_0 32\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT in Arabic digits": (
        pop3("+OK ٢ ٣\r\n".encode()), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT beyond all numbers": (
        pop3(b"+OK 1 " + b"9" * 5000 + b"\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with more to ignore": (pop3(b"+OK 2 320 x y\r\n"), lambda c: c.stat(), (2, 320)),
    "LIST with gaps": (
        block(b"2 20\r\n9 90\r\n.\r\n"), lambda c: c.list(), [(2, 20), (9, 90)]),
    "LIST of nothing": (block(b".\r\n"), lambda c: c.list(), []),
    "LIST with a word": (
        block(b"1 20\r\n2 x\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError, "2 x")),
    "LIST with an empty line": (
        block(b"1 2\r\n\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a bare LF": (
        block(b"1 2\n2 3\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a huge number": (
        block(b"9" * 21 + b" 1\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST without an end": (
        block(b"1 20\r\n2 30\r\n"), lambda c: c.list(), Fails(Disconnected)),
    "LIST of a message with a word": (
        pop3(b"+OK 1 big\r\n"), lambda c: c.list(1), Fails(ProtocolError)),
    "UIDL with a space in an id": (
        block(b"1 a b\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError, "a b")),
    "UIDL without an id": (block(b"1\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL with 71 characters": (
        block(b"1 " + b"x" * 71 + b"\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL with 8-bit octets": (
        block(b"1 caf\xe9\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL of a message with a space": (
        pop3(b"+OK 1 a b\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "UIDL of a message with NUL": (
        pop3(b"+OK 1 a\0b\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "UIDL of a message with nothing": (
        pop3(b"+OK\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "an empty block": (block(b".\r\n"), lambda c: c.retr(1), b""),
    "a line of two dots": (block(b"..\r\n.\r\n"), lambda c: c.retr(1), b".\r\n"),
    "dots everywhere": (
        block(b"..\r\n...\r\na.\r\n..b\r\n\r\n..\r\n.\r\n"), lambda c: c.retr(1),
        b".\r\n..\r\na.\r\n.b\r\n\r\n.\r\n"),
    "two dots are all, and no end": (
        block(b"..\r\n"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block without an end": (
        block(b"a\r\nb\r\n"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block cut after the dot": (
        block(b"a\r\n."), lambda c: c.retr(1), Fails(Disconnected)),
    "a block cut before the last LF": (
        block(b"a\r\n.\r"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block that is only a dot and CR": (
        block(b".\r"), lambda c: c.retr(1), Fails(Disconnected)),
    "LF dot LF is no end": (
        block(b"a\n.\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\n.\nb\r\n"),
    "LF dot CR LF is no end": (
        block(b"a\n.\r\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\n.\r\nb\r\n"),
    "CR LF dot LF is no end": (
        block(b"a\r\n.\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\r\n\nb\r\n"),
    "CR LF dot CR is no end": (
        block(b"a\r\n.\rb\r\n.\r\n"), lambda c: c.retr(1), b"a\r\n\rb\r\n"),
    "a message with every octet": (
        block(bytes(range(256)) + b"\r\n.\r\n"),
        lambda c: c.retr(1), bytes(range(256)) + b"\r\n"),
    "the size before a message is a lie": (
        pop3(b"+OK 5 octets\r\n" + b"x" * 50 + b"\r\n.\r\n"), lambda c: c.retr(1),
        b"x" * 50 + b"\r\n"),
    "octets after the end of a block": (
        [*block(b"a\r\n.\r\nb\r\n.\r\n"), SILENT],
        lambda c: (c.retr(1), c.retr(2)), Fails(ProtocolError, "before it was asked")),
    "no block after an -ERR": (
        pop3(b"-ERR none\r\n", b"+OK 1 2\r\n"),
        lambda c: (refused(c.retr, 1), c.stat())[1], (1, 2)),
    "CAPA with an empty line": (
        block(b"TOP\r\n\r\nUIDL\r\n.\r\n"), lambda c: c.capa(), {"TOP": [], "UIDL": []}),
    "APOP without a stamp": (
        pop3(SILENT), lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with a space in the stamp": (
        [b"+OK <a b@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with no @ in the stamp": (
        [b"+OK <abc>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with a stamp that is cut": (
        [b"+OK <abc@d\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with 8-bit octets in the stamp": (
        [b"+OK <a\xe9@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with control characters in the stamp": (
        [b"+OK <a\x01\x7f@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP refused": (
        says(b"+OK <a@b>\r\n", b"-ERR no\r\n"), lambda c: c.apop("u", "p"),
        Fails(Refused, "no")),
    "AUTH with a challenge that is no base64": (
        pop3(b"+OK\r\nSASL LOGIN\r\n.\r\n", b"+ !!!\r\n"),
        lambda c: c.auth("u", "p"), Fails(ProtocolError, "base64")),
    "AUTH that asks for ever": (
        pop3(b"+OK\r\nSASL LOGIN\r\n.\r\n", *[b"+ eA==\r\n"] * 9),
        lambda c: c.auth("u", "p"), Fails(ProtocolError, "asks and asks")),
    "AUTH offers nothing that is known": (
        pop3(b"+OK\r\nSASL GSSAPI NTLM\r\n.\r\n"),
        lambda c: c.auth("u", "p"), Fails(ValueError, "GSSAPI, NTLM")),
    "QUIT answered by a hang-up": (pop3(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "QUIT that could not delete": (
        pop3(b"-ERR some left\r\n"), lambda c: c.quit(), Fails(Refused, "some left")),
    "messages at once, one refused": (
        pop3(b"+OK\r\nPIPELINING\r\n.\r\n", b"+OK\r\na\r\n.\r\n", b"-ERR no\r\n",
        b"+OK\r\nc\r\n.\r\n"),
        lambda c: c.retr_many([1, 2, 3]), Fails(Refused, "no")),
    "messages at once, one without an end": (
        pop3(b"+OK\r\nPIPELINING\r\n.\r\n", b"+OK\r\na\r\n.\r\n", b"+OK\r\nb"),
        lambda c: c.retr_many([1, 2, 3]), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", POP3_CASES)
def test_pop3(name: str) -> None:
    play(POP3, POP3_CASES[name])


def test_apop_digests_an_odd_but_right_stamp_exactly() -> None:
    script = says(b"+OK x " + STAMP + b" y\r\n", b"+OK\r\n")
    heard = play(POP3, (script, lambda c: c.apop("u", "p"), None))
    assert heard.strip() == b"APOP u " + hashlib.md5(STAMP + b"p").hexdigest().encode()


# SMTP


def smtp(*answers: Step) -> Script:
    return says(b"220 hi\r\n", *answers)


MANY = b"".join(b"250-X%03d a b\r\n" % n for n in range(1000))
PIPELINING = b"250-x\r\n250 PIPELINING\r\n"
BEFORE_TEXT = (
    b"250 x\r\n",
    b"250 ok\r\n",
    b"250 ok\r\n",
    b"354 go\r\n",
)  # EHLO MAIL RCPT DATA


def send(client: SMTP) -> Any:
    return client.send("a@b", ["c@d"], MAIL)


def send_two(client: SMTP) -> Any:
    return sorted(client.send("a@b", ["c@d", "e@f"], MAIL))


SMTP_CASES: Cases = {
    "a code that changes": (
        smtp(b"250-a\r\n251 b\r\n"), lambda c: c.noop(),
        Fails(ProtocolError, "250, then 251")),
    "a reply that goes on without a code": (
        smtp(b"250-a\r\nb\r\n250 c\r\n"), lambda c: c.noop(), Fails(ProtocolError)),
    "a reply that is cut between its lines": (
        smtp(b"250-a\r\n250-b\r\n"), lambda c: c.noop(), Fails(Disconnected)),
    "a bare code": (smtp(b"250\r\n"), lambda c: c.noop().code, 250),
    "lines without text": (smtp(b"250-\r\n250 \r\n"), lambda c: c.noop().lines, ("", "")),
    "8-bit octets, NUL and CR in a text": (
        smtp(b"250 \xe9\0\rx\r\n"), lambda c: c.noop().text, "\udce9\0\rx"),
    "250 that is long ago": (
        smtp(b"354 go\r\n"), lambda c: c.noop(), Fails(ProtocolError, "354")),
    "1yz, which SMTP has not": (
        smtp(b"150 x\r\n"), lambda c: c.noop(), Fails(ProtocolError, "150")),
    "421 to any command": (
        smtp(b"421 bye\r\n"), lambda c: c.noop(), Fails(Refused, "421 bye")),
    "521 to MAIL": (smtp(b"521 no\r\n"), lambda c: c.mail("a@b"), Fails(Refused, "521")),
    "EHLO with 1,000 extensions": (
        smtp(b"250-x\r\n" + MANY + b"250 END\r\n"), lambda c: len(c.ehlo()), 1001),
    "EHLO with odd lines": (
        smtp(b"250-x\r\n250-\r\n250- \r\n250-=AUTH x\r\n250 size 5\r\n"),
        lambda c: c.ehlo(), {"=AUTH": ["x"], "SIZE": ["5"]}),
    "EHLO unknown, so HELO": (
        smtp(b"500 what\r\n", b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n",
        b"354 go\r\n", HEAR_DOT,
             b"250 ok\r\n"),
        send, {}),
    "EHLO not now, and no HELO": (
        smtp(b"450 later\r\n", SILENT), send, Fails(Refused, "450")),
    "SIZE is a lie": (
        smtp(b"250-x\r\n250 SIZE abc\r\n", *BEFORE_TEXT[1:], HEAR_DOT,
        b"250 ok\r\n"), send, {}),
    "SIZE smaller than the mail": (
        smtp(b"250-x\r\n250 SIZE 1\r\n", b"552 too big\r\n", b"250 ok\r\n"), send,
        Fails(Refused, "552")),
    "354 to MAIL": (
        smtp(b"354 go\r\n"), lambda c: c.mail("a@b"), Fails(ProtocolError, "354")),
    "250 to DATA": (
        smtp(b"250 ok\r\n"), lambda c: c.data(MAIL), Fails(ProtocolError, "250 ok")),
    "no to DATA": (smtp(b"554 none\r\n"), lambda c: c.data(MAIL), Fails(Refused, "554")),
    "one recipient refused": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"550 no\r\n", b"250 ok\r\n",
        b"354 go\r\n", HEAR_DOT,
             b"250 ok\r\n"),
        send_two, ["c@d"]),
    "all refused": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"550 no\r\n", b"550 no\r\n", b"250 ok\r\n"),
        send_two, Fails(Refused, "550")),
    "a recipient answered by 354": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"354 go\r\n", b"503 no\r\n"), send,
        Fails(ProtocolError, "354")),
    "4yz after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"451 hm\r\n"), send, Fails(Refused, "delivered")),
    "5yz after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"554 spam\r\n"), send, Fails(Refused, "554 spam")),
    "hangs up after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT), send, Fails(Disconnected, "delivered")),
    "half an answer to the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"250 o"), send, Fails(Disconnected, "delivered")),
    "nonsense after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"ok\r\n"), send, Fails(ProtocolError, "delivered")),
    "silence after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, SILENT), send, Fails(TooSlow, "delivered")),
    "354 after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"354 go\r\n"), send, Fails(ProtocolError, "354")),
    "pipelined, and an answer is missing": (
        smtp(PIPELINING, b"250 ok\r\n", b"250 ok\r\n"), send, Fails(Disconnected)),
    "pipelined, and the last answer changes its code": (
        smtp(PIPELINING, b"250 ok\r\n", b"250-ok\r\n354 go\r\n"), send,
        Fails(ProtocolError)),
    "pipelined, and one answer too many": (
        [*smtp(PIPELINING, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n250 ok\r\n"), SILENT],
        send, Fails(ProtocolError)),
    "an answer before the mail": (
        smtp(*BEFORE_TEXT[:3], b"354 go\r\n250 taken\r\n", SILENT), send,
        Fails(ProtocolError, "spoke before")),
    "AUTH that asks for ever": (
        smtp(b"250-x\r\n250 AUTH LOGIN\r\n", *[b"334 eA==\r\n"] * 9),
        lambda c: c.login("u", "p"), Fails(ProtocolError, "asks and asks")),
    "AUTH with a challenge that is no base64": (
        smtp(b"250-x\r\n250 AUTH CRAM-MD5\r\n", b"334 caf\xe9\r\n"),
        lambda c: c.login("u", "p"), Fails(ProtocolError, "base64")),
    "AUTH offers nothing that is known": (
        smtp(b"250-x\r\n250 AUTH GSSAPI XOAUTH2\r\n"),
        lambda c: c.login("u", "p"), Fails(ValueError, "GSSAPI, XOAUTH2")),
    "AUTH is not offered": (
        smtp(b"250 x\r\n"), lambda c: c.login("u", "p"), Fails(ValueError, "none")),
    "AUTH refused": (
        smtp(b"250-x\r\n250 AUTH PLAIN\r\n", b"535 no\r\n"),
        lambda c: c.login("u", "p"), Fails(Refused, "535")),
    "QUIT answered by a hang-up": (smtp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "QUIT answered by a no": (
        smtp(b"500 what\r\n"), lambda c: c.quit(), Fails(Refused, "500")),
}  # fmt: skip


@pytest.mark.parametrize("name", SMTP_CASES)
def test_smtp(name: str) -> None:
    play(SMTP, SMTP_CASES[name])


def test_smtp_all_refused_and_354_ends_the_mail_with_a_lone_dot() -> None:
    answers = [
        b"250 ok\r\n",
        b"550 no\r\n",
        b"550 no\r\n",
        b"354 go\r\n",
        b"554 none\r\n",
        b"250 ok\r\n",
    ]
    heard = play(SMTP, (smtp(PIPELINING, *answers), send_two, Fails(Refused, "550")))
    assert heard.split(b"DATA\r\n")[1].startswith(b".\r\n")
    assert b"text" not in heard


def test_smtp_a_5yz_after_the_dot_leaves_no_doubt() -> None:
    with playing(smtp(*BEFORE_TEXT, HEAR_DOT, b"554 spam\r\n")) as server:
        client = SMTP("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(Refused) as caught:
            send(client)
        client.close()
    assert "delivered" not in str(caught.value)


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "nntp"])
@pytest.mark.parametrize("end", [[HEAR], [HEAR, RESET], [], [HEAR, b"421 bye\r\n"]])
def test_leaving_with_passes_over_a_missing_goodbye(protocol: str, end: Script) -> None:
    with playing([HELLO[protocol], *end]) as server:
        with OPENERS[protocol]("127.0.0.1", server.port, timeout=PATIENCE) as client:
            pass
        assert client.wire.closed


def test_leaving_pop3_tells_that_nobody_knows_what_was_deleted() -> None:
    with (
        playing(pop3(b"+OK\r\n", HEAR)) as server,
        pytest.raises(Disconnected),
        POP3("127.0.0.1", server.port, timeout=PATIENCE) as client,
    ):
        client.dele(1)


# NNTP


def nntp(*answers: Step) -> Script:
    return says(b"200 hi\r\n", *answers)


OVERVIEW_LINE = b"1\ts\tf\td\t<i@d>\t\t5\t1"
NNTP_CASES: Cases = {
    "201: you may not post": ([b"201 read only\r\n"], lambda c: c.greeting.code, 201),
    "a reply of several lines": (
        nntp(b"211-1 1 1 g\r\n211 x\r\n"), lambda c: c.group("g"),
        Fails(ProtocolError, "several")),
    "480 to any command": (
        nntp(b"480 who\r\n"), lambda c: c.group("g"), Fails(Refused, "480")),
    "480 in the middle of many": (
        nntp(b"220 1 <a@b>\r\na\r\n.\r\n", b"480 who\r\n", b"220 3 <c@b>\r\nc\r\n.\r\n"),
        lambda c: c.article_many([1, 2, 3]), Fails(Refused, "480")),
    "400: the server closes": (
        nntp(b"400 idle\r\n"), lambda c: c.group("g"), Fails(Refused, "400")),
    "a block where none is announced": (
        [*nntp(b"211 1 1 1 g\r\n1\r\n.\r\n"), SILENT],
        lambda c: (c.group("g"), c.date()), Fails(ProtocolError, "before it was asked")),
    "another code than the command's": (
        nntp(b"222 1 <a@b>\r\nx\r\n.\r\n"), lambda c: c.article(1),
        Fails(ProtocolError, "222")),
    "GROUP below nothing": (
        nntp(b"211 -1 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with a sign": (
        nntp(b"211 +1 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with huge numbers": (
        nntp(b"211 1 1 " + b"9" * 21 + b" g\r\n"), lambda c: c.group("g"),
        Fails(ProtocolError)),
    "GROUP with 64-bit numbers": (
        nntp(b"211 1 1 18446744073709551615 g\r\n"),
        lambda c: c.group("g"), Group("g", 1, 1, 2**64 - 1)),
    "GROUP that is empty": (
        nntp(b"211 0 5 4 g\r\n"), lambda c: c.group("g"), Group("g", 0, 5, 4)),
    "GROUP with a word": (
        nntp(b"211 many 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with nothing": (nntp(b"211\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "LISTGROUP with a word": (
        nntp(b"211 1 1 1 g\r\n1\r\nx\r\n.\r\n"), lambda c: c.listgroup("g"),
        Fails(ProtocolError, "x")),
    "LISTGROUP below nothing": (
        nntp(b"211 1 1 1 g\r\n-1\r\n.\r\n"), lambda c: c.listgroup("g"),
        Fails(ProtocolError)),
    "an article with NUL and 8-bit octets": (
        nntp(b"220 1 <a@b>\r\n\0\xff\xfe\r\n.\r\n"), lambda c: c.article(1),
        Article(1, "<a@b>", b"\0\xff\xfe\r\n")),
    "an article without a message-id": (
        nntp(b"220 1\r\nx\r\n.\r\n"), lambda c: c.article(1), Fails(ProtocolError)),
    "an article with a negative number": (
        nntp(b"220 -1 <a@b>\r\nx\r\n.\r\n"), lambda c: c.article(1), Fails(ProtocolError)),
    "an article without an end": (
        nntp(b"220 1 <a@b>\r\nx\r\n"), lambda c: c.article(1), Fails(Disconnected)),
    "an article into a file without an end": (
        nntp(b"220 1 <a@b>\r\nx\r\n"), lambda c: c.article(1, into=io.BytesIO()),
        Fails(Disconnected)),
    "an empty article": (
        nntp(b"220 1 <a@b>\r\n.\r\n"), lambda c: c.article(1), Article(1, "<a@b>", b"")),
    "an article of a dot": (
        nntp(b"220 1 <a@b>\r\n..\r\n.\r\n"), lambda c: c.article(1).content, b".\r\n"),
    "OVER with too few fields": (
        nntp(b"224 x\r\n1\ts\tf\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError, "seven")),
    "OVER with too many fields": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\tXref: x y" * 50 + b"\r\n.\r\n"),
        lambda c: c.over(1)[0].fields["Xref"], "x y"),
    "OVER with a field that has no name": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\tx\t\t:\r\n.\r\n"),
        lambda c: c.over(1)[0].number, 1),
    "OVER below nothing": (
        nntp(b"224 x\r\n-" + OVERVIEW_LINE + b"\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError)),
    "OVER with a huge number": (
        nntp(b"224 x\r\n" + b"9" * 21 + OVERVIEW_LINE + b"\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError, "not a number")),
    "OVER in superscript": (
        nntp("224 x\r\n²\ts\tf\td\ti\t\t5\t1\r\n.\r\n".encode()),
        lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with an empty line": (
        nntp(b"224 x\r\n\r\n.\r\n"), lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with a bare LF": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\n" + OVERVIEW_LINE + b"\r\n.\r\n"),
        lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with 8-bit octets": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE.replace(b"s", b"\xe9") + b"\r\n.\r\n"),
        lambda c: c.over(1)[0].fields["Subject"], "\udce9"),
    "LIST with a word for a number": (
        nntp(b"215 x\r\ng 1 x y\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a negative number": (
        nntp(b"215 x\r\ng -1 1 y\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST of nothing": (nntp(b"215 x\r\n.\r\n"), lambda c: c.list(), []),
    "DATE that is short": (
        nntp(b"111 2026\r\n"), lambda c: c.date(), Fails(ProtocolError, "date")),
    "DATE in Arabic digits": (
        nntp("111 ٢٠٢٦٠١٠١٠٠٠٠٠٠\r\n".encode()), lambda c: c.date(), Fails(ProtocolError)),
    "POST taken before it came": (
        nntp(b"240 thanks\r\n"), lambda c: c.post(MAIL), Fails(ProtocolError, "240")),
    "POST refused at the end": (
        nntp(b"340 go\r\n", HEAR_DOT, b"441 no\r\n"), lambda c: c.post(MAIL),
        Fails(Refused, "441")),
    "POST and a hang-up": (
        nntp(b"340 go\r\n", HEAR_DOT), lambda c: c.post(MAIL), Fails(Disconnected)),
    "a login that needs no password": (
        nntp(b"281 ok\r\n"), lambda c: c.login("u", "p"), None),
    "a login that asks twice": (
        nntp(b"381 more\r\n", b"381 more\r\n"), lambda c: c.login("u", "p"),
        Fails(ProtocolError, "381")),
    "QUIT answered by a hang-up": (nntp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", NNTP_CASES)
def test_nntp(name: str) -> None:
    play(NNTP, NNTP_CASES[name])


def test_nntp_a_480_in_the_middle_of_many_keeps_the_others() -> None:
    with playing(NNTP_CASES["480 in the middle of many"][0]) as server:
        client = NNTP("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(Refused) as caught:
            client.article_many([1, 2, 3])
        client.close()
    done = [(which, article.content) for which, article in caught.value.done]
    assert done == [(1, b"a\r\n"), (3, b"c\r\n")]


# HTTP


def http(*answers: bytes) -> Script:
    return [step for answer in answers for step in (HEAR_HEAD, answer)]


def head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *fields, b"", b""])


def get(client: HTTP) -> bytes:
    return client.get("/").body


def get_twice(client: HTTP) -> list[bytes]:
    return [client.get("/a").body, client.get("/b").body]


def chunked(octets: bytes) -> Script:
    return http(head(b"Transfer-Encoding: chunked") + octets)


def length(value: bytes) -> Script:
    return http(head(b"Content-Length: " + value) + b"hello, world, hello")


UNSAFE = Fails(ProtocolError, "cannot be read safely")
NO_LENGTH = Fails(ProtocolError, "not a length")
NO_CHUNK = Fails(ProtocolError, "not the size of a chunk")
NO_STATUS = Fails(ProtocolError, "not a status line")
OK = head(b"Content-Length: 2") + b"ok"
HTTP_CASES: Cases = {
    "hangs up at once": ([], get, Fails(Disconnected)),
    "hangs up after the request": ([HEAR_HEAD], get, Fails(Disconnected)),
    "breaks off after the request": ([HEAR_HEAD, RESET], get, Fails(Disconnected)),
    "falls silent": ([HEAR_HEAD, SILENT], get, Fails(TooSlow)),
    "an empty line before the status line": (http(b"\r\n" + OK), get, NO_STATUS),
    "speaks SMTP": ([b"220 mail\r\n", SILENT], get, Fails(ProtocolError, "2")),
    "HTTP/0.9": (http(b"<html>hello</html>\r\n"), get, NO_STATUS),
    "HTTP/2": (http(b"HTTP/2 200\r\n\r\n"), get, NO_STATUS),
    "small letters": (http(b"http/1.1 200 OK\r\n\r\n"), get, NO_STATUS),
    "a version of two digits": (http(b"HTTP/1.10 200 OK\r\n\r\n"), get, NO_STATUS),
    "a status of two digits": (http(b"HTTP/1.1 20 OK\r\n\r\n"), get, NO_STATUS),
    "a status of four digits": (http(b"HTTP/1.1 2000 OK\r\n\r\n"), get, NO_STATUS),
    "a status with a sign": (http(b"HTTP/1.1 +20 OK\r\n\r\n"), get, NO_STATUS),
    "a status of 099": (http(b"HTTP/1.1 099 x\r\n\r\n"), get, NO_STATUS),
    "a status in Arabic digits": (http("HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode()), get, NO_STATUS),
    "a status line with NUL": (http(b"HTTP/1.1 200 O\0K\r\n\r\n"), get, NO_STATUS),
    "a status line with a bare CR": (http(b"HTTP/1.1 200 O\rK\r\n\r\n"), get, NO_STATUS),
    "a status line with a bare LF": (
        http(b"HTTP/1.1 200 OK\n\n"), get, Fails(ProtocolError, "bare LF")),
    "no reason": (http(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"), get, b"ok"),
    "8-bit octets in the reason": (
        http(b"HTTP/1.1 404 caf\xe9\r\nContent-Length: 0\r\n\r\n"),
        lambda c: c.get("/").reason, "café"),
    "a head that is cut": (
        http(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), get, Fails(Disconnected)),
    "both lengths": (
        http(head(b"Content-Length: 5",
        b"Transfer-Encoding: chunked") + b"0\r\n\r\n"), get, UNSAFE),
    "two lengths": (
        http(head(b"Content-Length: 5", b"Content-Length: 6") + b"hello!"), get, NO_LENGTH),
    "two lengths in a list": (length(b"5, 6"), get, NO_LENGTH),
    "the same length twice": (
        http(head(b"Content-Length: 5", b"content-length: 5") + b"hello"), get, b"hello"),
    "a length of +5": (length(b"+5"), get, NO_LENGTH),
    "a length of 1_0": (length(b"1_0"), get, NO_LENGTH),
    "a length of 0x5": (length(b"0x5"), get, NO_LENGTH),
    "a length of -1": (length(b"-1"), get, NO_LENGTH),
    "a length of 5.0": (length(b"5.0"), get, NO_LENGTH),
    "a length of 5 5": (length(b"5 5"), get, NO_LENGTH),
    "a length in Arabic digits": (length("٥".encode()), get, NO_LENGTH),
    "a length of 10 to the 20th": (length(b"1" + b"0" * 20), get, NO_LENGTH),
    "a length of 10 to the 18th": (
        length(b"1" + b"0" * 18), get, Fails(Disconnected, "to come")),
    "a length of nothing": (length(b""), get, NO_LENGTH),
    "a body shorter than its length": (length(b"99"), get, Fails(Disconnected, "to come")),
    "a body longer than its length": (
        [*length(b"5"), SILENT], get_twice, Fails(ProtocolError, "before it was asked")),
    "a space before the colon": (
        http(head(b"Content-Length : 5") + b"hello"), get, Fails(ProtocolError)),
    "a field without a name": (http(head(b": x")), get, Fails(ProtocolError)),
    "a field without a colon": (http(head(b"Content-Length 5")), get, Fails(ProtocolError)),
    "a field name with 8-bit octets": (
        http(head(b"caf\xe9: x")), get, Fails(ProtocolError)),
    "a field with NUL": (http(head(b"A: b\0c")), get, Fails(ProtocolError)),
    "a field with a bare CR": (
        http(head(b"A: b\rContent-Length: 5")), get, Fails(ProtocolError)),
    "a field with a bare LF": (
        http(head(b"A: b\nContent-Length: 5")), get, Fails(ProtocolError)),
    "obs-fold": (
        http(head(b"A: b", b"  c", b"\td", b"Content-Length: 0")),
        lambda c: c.get("/").headers.get("a"), "b c d"),
    "obs-fold before any field": (
        http(b"HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 0\r\n\r\n"), get,
        Fails(ProtocolError)),
    "chunked, gzip": (http(head(b"Transfer-Encoding: chunked, gzip")), get, UNSAFE),
    "gzip, chunked": (http(head(b"Transfer-Encoding: gzip, chunked")), get, UNSAFE),
    "chunked, chunked": (http(head(b"Transfer-Encoding: chunked, chunked")), get, UNSAFE),
    "chunked twice": (
        http(head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
        get, UNSAFE),
    "xchunked": (http(head(b"Transfer-Encoding: xchunked")), get, UNSAFE),
    "chunked with a vertical tab": (
        http(head(b"Transfer-Encoding: \x0bchunked")), get, UNSAFE),
    "chunked with a parameter": (
        http(head(b"Transfer-Encoding: chunked;q=1")), get, UNSAFE),
    "identity": (http(head(b"Transfer-Encoding: identity")), get, UNSAFE),
    "Chunked": (
        http(head(b"Transfer-Encoding: Chunked") + b"2\r\nok\r\n0\r\n\r\n"), get, b"ok"),
    "chunked with HTTP/1.0": (
        http(head(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK") + b"0\r\n\r\n"), get, UNSAFE),
    "a body on 204": (
        [*http(head(b"Content-Length: 5", status=b"HTTP/1.1 204 No") + b"hello"), SILENT],
        get_twice, Fails(ProtocolError, "before it was asked")),
    "a body on 304": (
        [*http(head(status=b"HTTP/1.1 304 No") + OK), SILENT],
        get_twice, Fails(ProtocolError, "before it was asked")),
    "chunked on 304": (
        http(head(b"Transfer-Encoding: chunked", status=b"HTTP/1.1 304 No"), OK),
        get_twice, [b"", b"ok"]),
    "a body on HEAD": (
        [*http(head(b"Content-Length: 5") + b"hello"), SILENT],
        lambda c: (c.head("/"), c.get("/")), Fails(ProtocolError, "before it was asked")),
    "a length and no body on HEAD": (
        http(head(b"Content-Length: 5"), OK),
        lambda c: (c.head("/").body, c.get("/").body), (b"", b"ok")),
    "101 unasked": (
        http(head(b"Upgrade: x", status=b"HTTP/1.1 101 Switching")), get,
        Fails(ProtocolError, "changes")),
    "a thousand 1xx": (
        http(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK), get,
        Fails(LimitExceeded, "interim")),
    "a few 1xx": (http(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * 20 + OK), get, b"ok"),
    "1xx and no more": (http(b"HTTP/1.1 100 Continue\r\n\r\n"), get, Fails(Disconnected)),
    "two responses to one request": (
        [*http(OK + OK), SILENT], get_twice, Fails(ProtocolError, "before it was asked")),
    "408 nobody asked for": (
        [*http(OK + head(b"Content-Length: 0", status=b"HTTP/1.1 408 Timeout")), SILENT],
        get_twice, Fails(ProtocolError, "before it was asked")),
    "chunks": (
        chunked(b"5;a=b\r\nhello\r\n1 ; c\r\n!\r\n0\r\nT: x\r\n\r\n"), get, b"hello!"),
    "a chunk of 0x5": (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of +5": (chunked(b"+5\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of -5": (chunked(b"-5\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of 1_0": (chunked(b"1_0\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of nothing": (chunked(b"\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of 17 digits": (
        chunked(b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk of 16 Fs": (
        chunked(b"F" * 16 + b"\r\nhello"), get, Fails(Disconnected, "to come")),
    "a space before the size of a chunk": (
        chunked(b" 5\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk line with NUL": (chunked(b"5;\0\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk line with a bare CR": (chunked(b"5;\rx\r\nhello\r\n0\r\n\r\n"), get, NO_CHUNK),
    "a chunk line with a bare LF": (
        chunked(b"5\nhello\r\n0\r\n\r\n"), get, Fails(ProtocolError)),
    "a chunk longer than its size": (
        chunked(b"4\r\nhello\r\n0\r\n\r\n"), get,
        Fails(ProtocolError, "a chunk is longer")),
    "a chunk shorter than its size": (
        chunked(b"6\r\nhello\r\n0\r\n\r\n"), get, Fails(ProtocolError)),
    "a chunk that is cut": (chunked(b"5\r\nhel"), get, Fails(Disconnected)),
    "no last chunk": (chunked(b"5\r\nhello\r\n"), get, Fails(Disconnected)),
    "a last chunk that is cut": (chunked(b"5\r\nhello\r\n0\r\n"), get, Fails(Disconnected)),
    "a trailer that is cut": (chunked(b"0\r\nA: b\r\n"), get, Fails(Disconnected)),
    "a trailer that is no field": (chunked(b"0\r\nA b\r\n\r\n"), get, Fails(ProtocolError)),
    "octets after the last chunk": (
        [*chunked(b"0\r\n\r\nx"), SILENT], get_twice,
        Fails(ProtocolError, "before it was asked")),
    "a body until the close": (http(head() + b"hello"), get, b"hello"),
    "a body until the server breaks off": (
        [HEAR_HEAD, head() + b"hello", RESET], get, Fails(Disconnected)),
    "a body until the close that never comes": (
        [HEAR_HEAD, head() + b"hello", SILENT], get, Fails(TooSlow)),
}  # fmt: skip


@pytest.mark.parametrize("name", HTTP_CASES)
def test_http(name: str) -> None:
    play(HTTP, HTTP_CASES[name])


def test_http_what_many_requests_had_by_a_hang_up_is_kept() -> None:
    with playing([HEAR_HEAD, OK]) as server:
        client = HTTP("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(Disconnected, match="not answered: /b /c") as caught:
            client.get_many(["/a", "/b", "/c"])
    ((target, response),) = caught.value.done
    assert (target, response.body) == ("/a", b"ok")
    assert isinstance(response, Response)


# FTP

TYPE: Script = [HEAR, b"200 ok\r\n"]
EPSV: Script = [HEAR, b"229 x (|||{port}|)\r\n"]
GO: Script = [HEAR, b"150 go\r\n", OPEN_DATA]


def ftp(*steps: Step) -> Script:
    return [b"220 hi\r\n", *steps]


def file(*steps: Step) -> Script:
    """The script of a RETR whose data connection is agreed on."""
    return ftp(*TYPE, *EPSV, *steps)


def passive(reply: bytes) -> Script:
    """A file by PASV; EPSV is not known."""
    whole = [*GO, Data(b"hello"), END_DATA, b"226 done\r\n"]
    return ftp(*TYPE, HEAR, b"500 what\r\n", HEAR, reply, *whole)


def extended(reply: bytes) -> Script:
    return ftp(*TYPE, HEAR, reply, *GO, Data(b"hello"), END_DATA, b"226 done\r\n")


def listing(octets: bytes) -> Script:
    return ftp(*EPSV, *GO, Data(octets), END_DATA, b"226 done\r\n")


# A port that is taken, so that nobody else gets it, and at which nobody listens.
DEAF = socket.socket()
DEAF.bind(("127.0.0.1", 0))
atexit.register(DEAF.close)


def nobodys_port() -> bytes:
    return b"%d" % DEAF.getsockname()[1]


def retr(client: FTP) -> bytes:
    return client.retr("x")


def retr_and_pwd(client: FTP) -> tuple[bytes, str]:
    return client.retr("x"), client.pwd()


NO_ADDRESS = Fails(ProtocolError, "no address")
NO_PORT = Fails(ProtocolError, "no port")
FTP_CASES: Cases = {
    "120 and then 220": (
        [b"120 in a minute\r\n220 hi\r\n"], lambda c: c.greeting.code, 220),
    "a reply with free text inside": (
        ftp(HEAR, b"211-a\r\n 211 b\r\n212 c\r\n211-d\r\n211 e\r\n"),
        lambda c: c.stat().lines, ("a", " 211 b", "212 c", "d", "e")),
    "a reply that never comes to its last line": (
        ftp(HEAR, b"211-a\r\n212 b\r\n"), lambda c: c.stat(), Fails(Disconnected)),
    "a data connection that works": (
        file(*GO, Data(b"hello"), END_DATA, b"226 done\r\n"), retr, b"hello"),
    "an empty file": (file(*GO, END_DATA, b"226 done\r\n"), retr, b""),
    "data before the 150": (
        file(OPEN_DATA, Data(b"hello"), END_DATA, HEAR, b"150 go\r\n226 done\r\n"),
        retr, b"hello"),
    "226 before the data ends": (
        file(*GO, Data(b"hel"), b"226 done\r\n", Data(b"lo"), END_DATA), retr, b"hello"),
    "226 and no 150": (
        file(OPEN_DATA, Data(b"hello"), END_DATA, HEAR, b"226 done\r\n"), retr,
        Fails(ProtocolError, "226")),
    "150 twice": (
        file(*GO, Data(b"hello"), END_DATA, b"150 go\r\n226 done\r\n"), retr,
        Fails(ProtocolError, "150")),
    "no 226, and a hang-up": (
        file(*GO, Data(b"hello"), END_DATA), retr, Fails(Disconnected)),
    "no 226, and silence": (
        file(*GO, Data(b"hello"), END_DATA, SILENT), retr, Fails(TooSlow)),
    "half a 226": (
        file(*GO, Data(b"hello"), END_DATA, b"226 do"), retr, Fails(Disconnected)),
    "226 twice": (
        [*file(*GO, Data(b"hello"), END_DATA, b"226 done\r\n226 done\r\n"), SILENT],
        retr_and_pwd, Fails(ProtocolError, "before it was asked")),
    "data that never ends": (file(*GO, Data(b"hello"), SILENT), retr, Fails(TooSlow)),
    "data broken off": (
        file(*GO, Data(b"hello"), RESET_DATA, b"226 done\r\n"), retr, Fails(Disconnected)),
    "data, and then an error": (
        file(*GO, Data(b"hel"), END_DATA, b"426 cut\r\n"), retr, Fails(Refused, "426")),
    "data broken off, and the reply says why": (
        file(*GO, Data(b"hel"), RESET_DATA, b"426 cut\r\n"), retr, Fails(Refused, "426")),
    "a listing broken off, and the reply says why": (
        ftp(*EPSV, *GO, Data(b"a\r\n"), RESET_DATA, b"451 disk\r\n"),
        lambda c: c.nlst(), Fails(Refused, "451")),
    "data broken off for the next EPSV": (
        file(*GO, Data(b"hel"), RESET_DATA, b"229 (|||1|)\r\n"),
        lambda c: c.retr_many(["x", "y"], ahead=True), Fails(ProtocolError, "ahead=True")),
    "an error, and data all the same": (
        file(HEAR, b"550 none\r\n", OPEN_DATA,
        Data(b"hello"), END_DATA, HEAR, b'257 "/"\r\n'),
        lambda c: (refused(c.retr, "x"), c.pwd())[1], "/"),
    "data refused": (
        ftp(*TYPE, HEAR, b"229 x (|||" + nobodys_port() + b"|)\r\n", HEAR, b"150 go\r\n"),
        retr, Fails(Disconnected, "refused")),
    "PASV names another host": (
        passive(b"227 x (192,0,2,1,{p1},{p2})\r\n"), retr, b"hello"),
    "PASV names no host": (passive(b"227 x (0,0,0,0,{p1},{p2})\r\n"), retr, b"hello"),
    "PASV without brackets": (passive(b"227 =127,0,0,1,{p1},{p2}\r\n"), retr, b"hello"),
    "PASV with port 0": (passive(b"227 x (127,0,0,1,0,0)\r\n"), retr, NO_ADDRESS),
    "PASV with 300 in the port": (
        passive(b"227 x (127,0,0,1,300,1)\r\n"), retr, NO_ADDRESS),
    "PASV with 300 in the host": (
        passive(b"227 x (300,0,0,1,{p1},{p2})\r\n"), retr, NO_ADDRESS),
    "PASV with five numbers": (passive(b"227 x (127,0,0,1,4)\r\n"), retr, NO_ADDRESS),
    "PASV with a negative number": (
        passive(b"227 x (127,0,0,1,-4,1)\r\n"), retr, NO_ADDRESS),
    "PASV with four digits": (passive(b"227 x (1127,0,0,1,4,1)\r\n"), retr, NO_ADDRESS),
    "PASV in Arabic digits": (
        passive("227 x (127,0,0,1,٤,١)\r\n".encode()), retr, NO_ADDRESS),
    "PASV with nothing": (passive(b"227\r\n"), retr, NO_ADDRESS),
    "PASV with another code": (
        passive(b"200 (127,0,0,1,{p1},{p2})\r\n"), retr, Fails(ProtocolError, "227")),
    "PASV refused": (passive(b"425 no\r\n"), retr, Fails(Refused, "425")),
    "EPSV with exclamation marks": (extended(b"229 x (!!!{port}!)\r\n"), retr, b"hello"),
    "EPSV with digits for delimiters": (
        extended(b"229 x (111{port}1)\r\n"), retr, b"hello"),
    "EPSV with two delimiters": (extended(b"229 x (|!|{port}|)\r\n"), retr, NO_PORT),
    "EPSV with a host": (extended(b"229 x (|1|192.0.2.1|{port}|)\r\n"), retr, NO_PORT),
    "EPSV with port 0": (extended(b"229 x (|||0|)\r\n"), retr, NO_PORT),
    "EPSV with port 65536": (extended(b"229 x (|||65536|)\r\n"), retr, NO_PORT),
    "EPSV with a negative port": (extended(b"229 x (|||-1|)\r\n"), retr, NO_PORT),
    "EPSV in Arabic digits": (extended("229 x (|||٤٤٤٤|)\r\n".encode()), retr, NO_PORT),
    "EPSV without brackets": (extended(b"229 |||{port}|\r\n"), retr, NO_PORT),
    "EPSV with nothing": (extended(b"229 x\r\n"), retr, NO_PORT),
    "EPSV not now": (extended(b"425 no\r\n"), retr, Fails(Refused, "425")),
    "no to an upload": (
        file(HEAR, b"553 no\r\n"), lambda c: c.stor("x", b"y"), Fails(Refused, "553")),
    "a no after an upload": (
        file(*GO, END_DATA, b"552 full\r\n"), lambda c: c.stor("x", b"y"),
        Fails(Refused, "552")),
    "an upload broken off": (
        file(*GO, RESET_DATA, b"451 disk\r\n"), lambda c: c.stor("x",
        b"y" * 9_000_000), Fails(Refused, "451")),
    "an upload and no 226": (
        file(*GO, END_DATA), lambda c: c.stor("x", b"y"), Fails(Disconnected)),
    "names with CR": (listing(b"a\rb\r\nc\r\n"), lambda c: c.nlst(), ["a\rb", "c"]),
    "names with LF alone between them": (
        listing(b"a\nb\n"), lambda c: c.nlst(), ["a", "b"]),
    "a last name without an end": (listing(b"a\r\nb"), lambda c: c.nlst(), ["a", "b"]),
    "names in Latin-1 and with NUL": (
        listing(b"\xe9\0\r\n"), lambda c: c.nlst(), ["\udce9\0"]),
    "other line ends of Unicode in a name": (
        listing("a\x0bb\u2028c\x85d\r\n".encode()),
        lambda c: c.nlst(), ["a\x0bb\u2028c\x85d"]),
    "a listing of nothing": (listing(b""), lambda c: c.list(), []),
    "a listing and no 226": (
        ftp(*EPSV, *GO, Data(b"a\r\nb\r\n"), END_DATA), lambda c: c.nlst(),
        Fails(Disconnected)),
    "MLSD without a space": (
        listing(b"type=file;x\r\n"), lambda c: c.mlsd(), Fails(ProtocolError, "not facts")),
    "MLSD with a fact and no value": (
        listing(b"type; x\r\n"), lambda c: c.mlsd(), Fails(ProtocolError, "not facts")),
    "MLSD with spaces and signs in the name": (
        listing(b"Type=file;  a;b = c\r\n"),
        lambda c: c.mlsd(), [(" a;b = c", {"type": "file"})]),
    "MLSD with an empty line": (
        listing(b"type=file; x\r\n\r\n"), lambda c: c.mlsd(), Fails(ProtocolError)),
    "SIZE below nothing": (
        ftp(*TYPE, HEAR, b"213 -1\r\n"), lambda c: c.size("x"),
        Fails(ProtocolError, "SIZE")),
    "SIZE with an underscore": (
        ftp(*TYPE, HEAR, b"213 1_0\r\n"), lambda c: c.size("x"), Fails(ProtocolError)),
    "SIZE with a word": (
        ftp(*TYPE, HEAR, b"213 big\r\n"), lambda c: c.size("x"), Fails(ProtocolError)),
    "SIZE beyond all numbers": (
        ftp(*TYPE, HEAR, b"213 " + b"9" * 5000 + b"\r\n"), lambda c: c.size("x"),
        Fails(ProtocolError)),
    "MDTM with a word": (
        ftp(HEAR, b"213 today\r\n"), lambda c: c.mdtm("x"), Fails(ProtocolError)),
    "PWD without quotes": (
        ftp(HEAR, b"257 /x\r\n"), lambda c: c.pwd(), Fails(ProtocolError, "quotes")),
    "PWD with one quote": (
        ftp(HEAR, b'257 "/x\r\n'), lambda c: c.pwd(), Fails(ProtocolError)),
    "PWD with doubled quotes": (
        ftp(HEAR, b'257 "/a""b" x "c"\r\n'), lambda c: c.pwd(), '/a"b'),
    "RNFR answered by 250": (
        ftp(HEAR, b"250 ok\r\n"), lambda c: c.rename("x", "y"),
        Fails(ProtocolError, "250")),
    "USER answered by 230": (ftp(HEAR, b"230 in\r\n"), lambda c: c.login().code, 230),
    "PASS answered by 331": (
        ftp(HEAR, b"331 more\r\n", HEAR, b"331 more\r\n"), lambda c: c.login(),
        Fails(ProtocolError, "331")),
    "QUIT answered by a hang-up": (ftp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "no to REST": (
        file(HEAR, b"502 no\r\n"), lambda c: c.retr("x", None, 5), Fails(Refused, "502")),
}  # fmt: skip


@pytest.mark.parametrize("name", FTP_CASES)
def test_ftp(name: str) -> None:
    play(FTP, FTP_CASES[name])


def active(*where: Any, **how: Any) -> FTP:
    return FTP(*where, passive=False, **how)


ACTIVE_CASES: Cases = {
    "nobody connects back": (
        ftp(*TYPE, *TYPE, HEAR, b"150 go\r\n", SILENT), retr,
        Fails(TooSlow, "did not connect back")),
    "somebody else connects": (
        ftp(*TYPE, *TYPE, HEAR, b"150 go\r\n", Do.CONNECT_BACK, SILENT),
        retr, Fails(ProtocolError, "127.0.0.2")),
    "the server cannot connect": (
        ftp(*TYPE, *TYPE, HEAR, b"425 cannot\r\n"), retr, Fails(Refused, "425")),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVE_CASES)
def test_ftp_active(name: str) -> None:
    play(active, ACTIVE_CASES[name])


# Telnet

IAC, SE, SB, WILL, WONT, DO, DONT = (
    bytes([n]) for n in (255, 240, 250, 251, 252, 253, 254)
)
ALL = {ECHO, TTYPE, NAWS}


def agreeing(*where: Any, **how: Any) -> Telnet:
    return Telnet(*where, agree=ALL, **how)


def read_all(client: Telnet) -> bytes:
    return client.read_all()


TELNET_CASES: Cases = {
    "nothing at all": ([], read_all, b""),
    "IAC at the very end": ([b"x" + IAC], read_all, Fails(Disconnected, "middle")),
    "WILL at the very end": ([b"x" + IAC + WILL], read_all, Fails(Disconnected, "middle")),
    "SB without SE": ([IAC + SB + b"\x18\x01"], read_all, Fails(Disconnected, "middle")),
    "SB without SE, and silence": (
        [IAC + SB + b"\x18\x01", SILENT], read_all, Fails(TooSlow)),
    "SB and IAC": ([IAC + SB + b"\x18" + IAC], read_all, Fails(Disconnected)),
    "SB without an option": ([IAC + SB + IAC + SE + b"x"], read_all, Fails(Disconnected)),
    "SB with another command inside": (
        [IAC + SB + b"\x18\x01" + IAC + WILL + b"\x01" + IAC + SE], read_all,
        Fails(ProtocolError, "not a subnegotiation")),
    "SB with IAC IAC inside": (
        [IAC + SB + b"\x63a" + IAC + IAC + IAC + SE + b"x"], read_all, b"x"),
    "SB longer than the limit": (
        [IAC + SB + b"\x63" + b"x" * (LIMITS.subnegotiation + 100), SILENT],
        read_all, Fails(LimitExceeded, "1024")),
    "SE without SB": ([b"a" + IAC + SE + b"b"], read_all, b"ab"),
    "commands of two octets": (
        [b"a" + IAC + b"\xf1" + IAC + b"\xf9" + IAC + b"\xf6b"], read_all, b"ab"),
    "a command that does not exist": ([b"a" + IAC + b"\x07b"], read_all, b"ab"),
    "IAC IAC": ([b"a" + IAC + IAC + b"b" + IAC + IAC], read_all, b"a\xffb\xff"),
    "three IACs and the end": ([IAC * 3], read_all, Fails(Disconnected)),
    "CR NUL": ([b"a\r\0b\r\nc\r"], read_all, b"a\rb\r\nc\r"),
    "every octet": (
        [bytes(range(1, 255)) + IAC + IAC], read_all, bytes(range(1, 256))),
    "a prompt that does not come": (
        [b"Welcome"], lambda c: c.read_until(b"login: "), Fails(Disconnected, "login")),
    "a prompt, and silence": (
        [b"Welcome", SILENT], lambda c: c.read_until(b"login: "), Fails(TooSlow)),
    "a prompt with a command inside": (
        [b"log" + IAC + WILL + b"\x01in: x"], lambda c: c.read_until(b"login: "),
        b"login: "),
    "broken off": (
        [b"x", RESET], lambda c: (c.read_some(), c.read_all()), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", TELNET_CASES)
def test_telnet(name: str) -> None:
    play(agreeing, TELNET_CASES[name])


LOOPS = {
    "WILL again and again": ((IAC + WILL + b"\x01") * 50, IAC + DO + b"\x01"),
    "DO again and again": ((IAC + DO + b"\x18") * 50, IAC + WILL + b"\x18"),
    "WILL of what is not agreed to": (IAC + WILL + b"\x63", IAC + DONT + b"\x63"),
    "DO of what is not agreed to": (IAC + DO + b"\x63", IAC + WONT + b"\x63"),
    "WONT of what is off": ((IAC + WONT + b"\x01") * 50, b""),
    "DONT of what is off": ((IAC + DONT + b"\x01") * 50, b""),
    "SB TTYPE SEND before DO": (IAC + SB + b"\x18\x01" + IAC + SE, b""),
    "SB of what nobody spoke of": (IAC + SB + b"\x63\x01\x02" + IAC + SE, b""),
}


@pytest.mark.parametrize("name", LOOPS)
def test_telnet_answers_only_what_changes_something(name: str) -> None:
    said, answer = LOOPS[name]
    assert play(agreeing, ([said], read_all, b"")) == answer


def test_telnet_an_option_that_flaps_is_answered_each_time_and_no_more() -> None:
    flap = IAC + WILL + b"\x01" + IAC + WONT + b"\x01"
    answers = IAC + DO + b"\x01" + IAC + DONT + b"\x01"
    assert play(agreeing, ([flap * 20], read_all, b"")) == answers * 20


def test_telnet_a_storm_of_commands_has_a_limit() -> None:
    storm = (IAC + WONT + b"\x01") * (LIMITS.commands + 10)
    play(agreeing, ([storm], read_all, Fails(LimitExceeded, "10000 commands")))


# Echo


class Echo:
    """An echo client has no connection that outlives its call."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.where, self.timeout = (host, port), timeout

    def tcp(self, message: bytes) -> bytes:
        return echo.tcp_client(*self.where, message, timeout=self.timeout)

    def close(self) -> None:
        pass


ECHO_CASES: Cases = {
    "hangs up at once": ([], lambda c: c.tcp(b"hello"), Fails(Disconnected, "0 octets")),
    "hangs up in the middle": (
        [b"hel"],
        lambda c: c.tcp(b"hello"),
        Fails(Disconnected, "3 octets"),
    ),
    "falls silent": ([b"hel", SILENT], lambda c: c.tcp(b"hello"), Fails(TooSlow)),
    "says more than it heard": ([b"hello, world"], lambda c: c.tcp(b"hello"), b"hello"),
}


@pytest.mark.parametrize("name", ECHO_CASES)
def test_echo_over_tcp(name: str) -> None:
    script, call, wanted = ECHO_CASES[name]
    with playing(script) as server:
        client = Echo(
            "127.0.0.1", server.port, IMPATIENCE if waits_in_vain(wanted) else PATIENCE
        )
        if not isinstance(wanted, Fails):
            assert call(client) == wanted
            return
        with pytest.raises(WireError) as caught:
            call(client)
    if wanted.word and type(caught.value) is Disconnected and "reset" in str(caught.value):
        return  # hung up with our octets unread: then the kernel breaks off
    assert type(caught.value) is wanted.kind
    assert wanted.word in str(caught.value)


@contextlib.contextmanager
def datagrams(answer: Callable[[socket.socket, bytes, Any], Any]) -> Iterator[int]:
    """A UDP server that gets one datagram and does what `answer` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=lambda: answer(server, *server.recvfrom(65536)))
        thread.start()
        yield server.getsockname()[1]
        thread.join(PATIENCE)


def test_echo_passes_over_a_datagram_from_somebody_else() -> None:
    def answer(server: socket.socket, said: bytes, client: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
            for _ in range(20):
                somebody.sendto(b"not you", client)
        server.sendto(said, client)

    with datagrams(answer) as port:
        assert echo.udp_client("127.0.0.1", port, b"hello", timeout=PATIENCE) == b"hello"


def test_echo_gives_up_if_only_somebody_else_answers() -> None:
    def answer(server: socket.socket, said: bytes, client: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
            somebody.sendto(said, client)

    with datagrams(answer) as port, pytest.raises(TooSlow):
        echo.udp_client("127.0.0.1", port, b"hello", timeout=IMPATIENCE)


def test_echo_takes_the_largest_datagram_and_none_larger() -> None:
    message = b"x" * echo.MAX_DATAGRAM
    with datagrams(
        lambda server, said, client: server.sendto(said, client) and None
    ) as port:
        assert echo.udp_client("127.0.0.1", port, message, timeout=PATIENCE) == message
        with pytest.raises(ValueError, match="65507"):
            echo.udp_client("127.0.0.1", port, message + b"x", timeout=PATIENCE)


def test_echo_an_empty_datagram_is_an_answer() -> None:
    with datagrams(
        lambda server, said, client: server.sendto(b"", client) and None
    ) as port:
        assert echo.udp_client("127.0.0.1", port, b"hello", timeout=PATIENCE) == b""
