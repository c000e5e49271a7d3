"""A server that gets one thing wrong, and the play of a client with it.

A play's script is octets that the server says, and in between what it waits for; then it
hangs up. A call ends in a value, in `Refused` with the connection still good, or in a
`WireError` with the connection closed.
"""

import contextlib
import enum
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from protoclients import Refused, WireError
from protoclients.errors import TooSlow

PATIENCE = 5.0  # in seconds: nothing here waits so long
IMPATIENCE = 0.1  # of a client whose server falls silent


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


class Pause(float):
    """So many seconds in which nothing is said."""


HEAR, HEAR_HEAD, HEAR_DOT, OPEN_DATA, END_DATA, RESET_DATA, _, SILENT, RESET = Do
LAST_WORDS = {Do.HEAR: b"\n", Do.HEAR_HEAD: b"\r\n\r\n", Do.HEAR_DOT: b"\r\n.\r\n"}
Step = bytes | Do | Forever | Pause
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
        if isinstance(step, Pause):
            threading.Event().wait(step)
        elif isinstance(step, Forever):
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
