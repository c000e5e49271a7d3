"""A server that follows a script: it says its lines, and checks the client's.

It runs in a thread beside the client, on a free port of this machine. It knows no protocol.
"""

import contextlib
import functools
import itertools
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

# In seconds. Nothing here needs more than a few milliseconds: who waits longer waits for
# something that does not come.
PATIENCE = 3.0

POOL = ThreadPoolExecutor(1, "scripted server")


class Mismatch(AssertionError):
    """The client said something else than the script has; `heard` is what."""

    def __init__(self, wanted: str, heard: bytes) -> None:
        super().__init__(f"{wanted}, and said {heard!r}")
        self.heard = heard


@dataclass
class Event:
    """What happens next: the server says "S", or "R", which only the close ends, or hangs
    up, "S*"; it hears "C". On FTP's data connection it says "D", ends it, "D*", or hears
    "U". `call` is the number of the client's call during which it happens."""

    kind: str
    data: bytes = b""
    call: int = 0


class Server:
    """One play of a script, on `port`.

    The server says `most` octets, of S and D, and hangs up. With `chatty`, an S event, it
    says a line too many after it. With `any_case`, the client's capitals and small letters
    are the same.
    """

    def __init__(
        self,
        events: Sequence[Event],
        *,
        most: int = 10**9,
        chatty: Event | None = None,
        any_case: bool = False,
    ) -> None:
        self._events, self._chatty, self._any_case = events, chatty, any_case
        self._left = most
        self._sockets: list[socket.socket] = []
        self._control: socket.socket | None = None
        self._data: socket.socket | None = None
        self._data_used = False
        self.port: int = listening("control").getsockname()[1]

    def run(self) -> None:
        """Follow the script to its end, or to where it is cut. Raises `Mismatch`."""
        try:
            for event in self._events:
                self._do(event)
                if self._left < 0 or event is self._chatty:
                    break
            if self._left >= 0:
                self._expect_end()
        finally:
            for each in self._sockets:
                each.close()

    def _do(self, event: Event) -> None:
        if event.kind in ("D", "D*", "U"):
            self._use_data(event)
            return
        if self._control is None:
            self._control = self._accept("control")
        if event.kind == "C":
            self._hear(self._control, event.data)
            return
        if self._data_used:
            self._close_data()
        if event.kind == "S*":
            self._control.close()
            self._control = None
        else:
            self._say(self._control, event)

    # Speaking and listening

    def _say(self, connection: socket.socket, event: Event) -> None:
        data = self._with_port(event.data) if b"{p" in event.data else event.data
        if event.kind != "R":
            self._left -= len(event.data)
        if self._left < 0:
            data = data[: self._left]
        elif event is self._chatty:
            data += b"unasked\r\n"
        # The client may have had enough: what it made of it is its own test.
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)

    def _hear(self, connection: socket.socket, wanted: bytes) -> None:
        if b"{active}" in wanted or b"{ignored}" in wanted:
            self._connect_back(connection, wanted)
            return
        wanted = wanted.replace(b"{here}", b"127.0.0.1:%d" % self.port)
        heard = receive(connection, len(wanted))
        if heard != wanted and not (self._any_case and heard.upper() == wanted.upper()):
            raise Mismatch(f"the client should say {wanted!r}", heard)

    def _expect_end(self) -> None:
        more = receive(self._control, 1) if self._control else b""
        if more:
            raise Mismatch("the client should say nothing", more)

    # FTP's data connection

    def _with_port(self, data: bytes) -> bytes:
        port = listening("data").getsockname()[1]
        data = data.replace(b"{p1},{p2}", b"%d,%d" % divmod(port, 256))
        return data.replace(b"{port}", b"%d" % port)

    def _connect_back(self, connection: socket.socket, wanted: bytes) -> None:
        heard = receive(connection, 100, until=b"\n")
        form = re.sub(rb"\\{\w+\\}", rb"(\\d+),(\\d+)", re.escape(wanted))
        match = re.fullmatch(form, heard)
        if not match:
            raise Mismatch(f"the client should say {wanted!r}", heard)
        if b"{ignored}" in wanted:
            return
        address = ("127.0.0.1", int(match[1]) * 256 + int(match[2]))
        self._data = socket.create_connection(address, PATIENCE)
        self._sockets.append(self._data)

    def _use_data(self, event: Event) -> None:
        if self._data is None:
            self._data = self._accept("data")
        self._data_used = True
        if event.kind == "D":
            self._say(self._data, event)
        elif event.kind == "D*":
            self._close_data()
        elif (heard := receive(self._data, 10**9)) != event.data:
            raise Mismatch(f"the client should upload {event.data!r}", heard)

    def _close_data(self) -> None:
        if self._data:
            self._data.close()
        self._data, self._data_used = None, False

    def _accept(self, purpose: str) -> socket.socket:
        accepted, _ = listener(purpose).accept()
        accepted.settimeout(PATIENCE)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(accepted)
        return accepted


@functools.cache
def listener(purpose: str) -> socket.socket:
    """A listening socket, the same for all plays: the kernel keeps a port for a minute
    after each, and looks long for a new one when many thousands are kept."""
    return socket.create_server(("127.0.0.1", 0))


def listening(purpose: str) -> socket.socket:
    """A listening socket at which nobody waits any more who came for the play before."""
    found = listener(purpose)
    found.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            found.accept()[0].close()
    found.settimeout(PATIENCE)
    return found


def dripping(sizes: Iterable[int]) -> type[socket.socket]:
    """A kind of socket that receives, call after call, no more octets than `sizes` says; at
    the end of `sizes` it begins again."""
    turns = itertools.cycle(sizes)

    class Dripping(socket.socket):
        def recv_into(self, buffer: Any, *more: int) -> int:
            return super().recv_into(memoryview(buffer)[: next(turns)], *more)

    return Dripping


def receive(connection: socket.socket, most: int, until: bytes = b"") -> bytes:
    """`most` octets from a connection; less if it ends or falls silent, or if a piece ends
    with `until`."""
    heard = b""
    try:
        while len(heard) < most and (
            more := connection.recv(min(65536, most - len(heard)))
        ):
            heard += more
            if until and heard.endswith(until):
                break
    except (ConnectionError, TimeoutError):
        pass
    return heard


@contextlib.contextmanager
def served(server: Server) -> Iterator[int]:
    """Run a server while the client runs, and give its port. What the server has to
    complain of comes first: the client's trouble is its consequence."""
    playing: Future[None] = POOL.submit(server.run)
    try:
        yield server.port
    except BaseException:
        problem = playing.exception(PATIENCE * 3)
        if isinstance(problem, Mismatch) and problem.heard:
            raise problem from None
        raise
    playing.result(PATIENCE * 3)
