"""The wire: one TCP connection, seen as lines, dot-blocks and counted octets.

TCP has no messages. `recv` gives the octets that happen to be there, from one to as many
as were asked for, and the protocol above has to say where a thing ends:

    a line          ends with CR LF                               every protocol here
    a dot-block     ends with a line that is only a dot           SMTP, POP3, NNTP
    counted octets  end when so many have come                    HTTP
    the rest        ends when the peer closes                     HTTP, FTP data

Those four, the clock, the limits and TLS live here, once. The wire knows no command, and
the clients above know no socket: `_receive` is the one place that receives, and `_send`
the one that sends.
"""

import contextlib
import functools
import os
import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, cast

from .errors import Disconnected, LimitExceeded, ProtocolError, Refused, TooSlow, WireError
from .octets import CRLF, DOT_LINE, WINDOW, Buffer, as_line, deliver, octets, text

# A line, in octets. The RFCs ask for 512 (SMTP and POP3 replies, NNTP), mail has lines of
# 998, HTTP suggests at least 8,000 (RFC 9112 section 3); 64 KiB is what http.client takes.
MAX_LINE = 64 * 1024
# A long body restarts the clock as it moves on, but only at this rate, in octets a second.
# Slower than any modem, and faster than a server that means to hold us for ever.
MIN_RATE = 1000
# The first window is for commands and replies; see `_receive`.
FIRST_WINDOW = 16 * 1024
# A chunk so small that copying it costs less than handling it by itself.
LITTLE = 4096
# The most that one TLS record holds (RFC 8446 section 5.1).
TLS_RECORD = 16 * 1024
# How far beyond its clock an exchange may go, in seconds, to save calls.
SLACK = 0.05
WINDOWS = os.name == "nt"
# Windows has no such flag, and waits.
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

TLS = bool | ssl.SSLContext

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Method = TypeVar("Method", bound=Callable[..., Any])


def exchange(method: Method) -> Method:
    """Make a client's method an exchange: it ends in an answer, or it hangs up.

    A `Refused` is an answer, and a `ValueError` comes before anything is said. Whatever
    else ends the method early (a `WireError`, Ctrl-C, a full disk) leaves an answer half
    read on the connection: nobody may take the rest of it for the next one. A constructor
    that fails hangs up in any case.
    """

    @functools.wraps(method)
    def speak(client: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(client, *args, **kwargs)
        except BaseException as error:
            answered = isinstance(error, (Refused, ValueError))
            if hasattr(client, "wire") and not (answered and method.__name__ != "__init__"):
                client.wire.close()
            raise

    return cast(Method, speak)


def tls_context(tls: TLS) -> ssl.SSLContext:
    """The context to use for `tls`: the caller's own, or Python's default, which checks
    the certificate and the host name."""
    return tls if isinstance(tls, ssl.SSLContext) else ssl.create_default_context()


class Wire:
    """One TCP connection to `host` and `port`.

    `timeout` is one clock, in seconds, for a whole exchange: it starts when we speak and
    stops at the last octet of the answer. Looking up the host's name is up to the
    operating system and its own timeouts.
    """

    def __init__(
        self, host: str, port: int, *, timeout: float = 30.0, tls: TLS = False
    ) -> None:
        if not host or re.search("[\r\n\0]", host):
            raise ValueError(f"not a host name: {host!r}")
        if not 0 < port < 65536:
            raise ValueError(f"not a port number from 1 to 65535: {port!r}")
        self._set_up(host, timeout)
        self._socket = self._connect(port)
        if tls:
            with self._hanging_up():
                self.start_tls(tls)

    @classmethod
    def adopt(cls, accepted: socket.socket, host: str, timeout: float) -> "Wire":
        """A wire over a connection that the server opened (FTP's active mode)."""
        wire = cls.__new__(cls)
        wire._set_up(host, timeout)
        wire._socket = accepted
        wire._set_options()
        return wire

    def _set_up(self, host: str, timeout: float) -> None:
        if not timeout > 0:
            raise ValueError(f"the timeout is a number of seconds above 0: {timeout!r}")
        self.host = host
        self.timeout = float(timeout)
        self.is_tls = False
        self.closed = False
        self._buffer = b""  # received,
        self._at = 0  # and read up to here
        self._window = memoryview(bytearray(FIRST_WINDOW))
        self._ahead: Iterator[Buffer] | None = None  # to be said while we listen
        self._unsent = memoryview(b"")
        self._armed = -1.0
        self.restart_clock()

    def _connect(self, port: int) -> socket.socket:
        """Try the addresses of the host one after the other, on one clock."""
        problem: OSError = OSError("no address")
        found = self._addresses(port)
        for family, kind, protocol, _, address in found:
            self._socket = socket.socket(family, kind, protocol)
            try:
                self._socket.settimeout(self.remaining())
                self._socket.connect(address)
            except OSError as error:
                self._socket.close()
                problem = error
            else:
                self._set_options()
                return self._socket
        self.closed = True
        if isinstance(problem, TimeoutError):
            raise self._too_slow() from problem
        reason = problem.strerror or problem
        raise Disconnected(f"{self.host}, port {port}: {reason}") from problem

    def _addresses(self, port: int) -> list[Any]:
        if re.fullmatch(r"[0-9.]+", self.host):  # IPv4 in numbers: nothing to look up
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (self.host, port))]
        try:
            return socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise WireError(f"no such host: {self.host} ({error.strerror})") from error

    def _set_options(self) -> None:
        # Every message is sent whole, so there is nothing for Nagle's algorithm to collect.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        self._poll = None if WINDOWS else select.poll()
        if self._poll:
            self._poll.register(self._socket, select.POLLIN)

    @contextlib.contextmanager
    def _hanging_up(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    # Who is there

    @property
    def peer(self) -> tuple[str, int]:
        """The address and port at the other end."""
        return self._address(self._socket.getpeername)

    @property
    def local(self) -> tuple[str, int]:
        """The address and port at this end."""
        return self._address(self._socket.getsockname)

    def _address(self, ask: Callable[[], Any]) -> tuple[str, int]:
        try:
            host, port = ask()[:2]
        except OSError as error:
            raise Disconnected("the connection is closed") from error
        return host, port

    def guard(self, *secrets: str, allow_cleartext: bool) -> None:
        """Raise `ValueError` unless `secrets` may be said here: they have no line end, and
        the connection is under TLS, or within this machine, or the caller allows it."""
        for secret in secrets:
            octets(secret)
        if not (allow_cleartext or self.is_tls or is_loopback(self.peer[0])):
            raise ValueError(
                f"the password would cross the network to {self.host} in clear text: "
                "use TLS, or pass allow_cleartext=True"
            )

    # The clock

    def restart_clock(self) -> None:
        """Give the peer the whole timeout again, from now."""
        self._deadline = time.monotonic() + self.timeout
        self._moved = 0

    def remaining(self) -> float:
        """The seconds left; raises `TooSlow` when there are none."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise self._too_slow()
        return remaining

    def progress(self, count: int) -> None:
        """Note that `count` more octets of something long have passed."""
        self._moved += count
        if self._moved >= MIN_RATE * self.timeout:
            self.restart_clock()

    def _too_slow(self) -> TooSlow:
        return TooSlow(f"{self.host}: no whole answer within {self.timeout:g} seconds")

    def _arm(self, wait: bool = True) -> None:
        """See to it that the next call on the socket ends with the clock, or at once.

        `settimeout` would make Python ask the kernel twice for each call, so the kernel's
        own timer is used where there is one. Setting it is a call as well: it stays as it
        is while it overruns the clock by no more than `SLACK`.
        """
        if self.closed:
            raise Disconnected(f"{self.host}: the connection is closed on this side")
        remaining = self.remaining()
        if not wait or self.is_tls or WINDOWS:
            self._socket.settimeout(remaining if wait else 0.0)
        elif not remaining <= self._armed <= remaining + SLACK:
            self._armed = self.timeout if remaining > self.timeout - SLACK else remaining
            # Two numbers, seconds and microseconds; both 0 would mean: for ever.
            limit = struct.pack("@ll", int(self._armed), int(self._armed % 1 * 1e6) or 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    # The two choke points

    def _receive(self, most: int = WINDOW, *, wait: bool = True) -> memoryview:
        """Wait for octets and return them, `most` at the most; none is the peer's end.

        They lie in a window that the next call uses again. It begins small and grows for
        a connection that fills it.
        """
        if self._ahead is not None:
            self._send_ahead()
        window = self._window if most >= len(self._window) else self._window[:most]
        self._arm(wait)
        try:
            count = self._socket.recv_into(window)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError) as error:
            raise self._too_slow() from error
        except ssl.SSLEOFError as error:
            raise Disconnected(f"{self.host}: cut off without TLS's goodbye") from error
        except OSError as error:
            raise self._lost(error) from error
        if count == len(self._window) < WINDOW:
            self._window = memoryview(bytearray(WINDOW))
        return window[:count]

    def _send(self, data: Buffer, flags: int = 0) -> int:
        """Hand octets to the kernel and return how many it took."""
        self._arm()
        try:
            return self._socket.send(data, flags)
        except (BlockingIOError, TimeoutError) as error:
            if flags:  # it was not to wait
                return 0
            raise self._too_slow() from error
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> WireError:
        if isinstance(error, ConnectionError):
            return Disconnected(f"{self.host}: connection lost ({error.strerror})")
        return WireError(f"{self.host}: {error}")

    def _is_readable(self) -> bool:
        """Whether there is anything to receive now. Asked before all that is said."""
        return bool(self._poll.poll(0)) if self._poll else self._ready(0)[0]

    def _ready(self, wait: float, sending: bool = False) -> tuple[bool, bool]:
        """Whether octets can be received, and sent, within `wait` seconds."""
        if WINDOWS:
            outward = [self._socket] if sending else []
            found = select.select([self._socket], outward, [], wait)
            return bool(found[0]), bool(found[1])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT * sending))
        events = sum(event for _, event in poll.poll(wait * 1000))
        return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)

    # Speaking

    def send_line(self, line: str) -> None:
        """Say one line, given without its CRLF. This begins an exchange.

        Raises `ValueError` for CR, LF or NUL inside it.
        """
        self.send(as_line(line))

    def send(self, data: Buffer) -> None:
        """Say `data`, as it is. This begins an exchange, so the clock starts.

        What has come before it was asked for is nobody's answer: it would be taken for
        the answer to this, so it is a `ProtocolError`.
        """
        self._hear_nothing()
        self.restart_clock()
        self.send_more(data)

    def send_more(self, data: Buffer) -> None:
        """Say `data` within an exchange that has begun."""
        count = self._send(data)
        while count < len(data):
            self.progress(count)
            data = memoryview(data)[count:]
            count = self._send(data)

    def send_ahead(self, pieces: Iterable[Buffer]) -> None:
        """Say `pieces` while listening: they go out whenever an answer is waited for.

        Two sides that only send wait for each other for ever once all buffers between
        them are full. So a long message, or many commands at once, go this way.
        """
        self._hear_nothing()
        self.restart_clock()
        self._ahead = iter(pieces)

    @property
    def is_sending(self) -> bool:
        """Whether an answer came before all of `send_ahead` was said."""
        return self._ahead is not None

    def check_all_said(self, answer: str) -> None:
        """Raise `ProtocolError` if `answer` came before all of `send_ahead` was said."""
        if self.is_sending:
            raise ProtocolError(f"{self.host} answered before it had heard all: {answer}")

    def _send_ahead(self) -> None:
        while self._ahead is not None:
            if not self._unsent:
                piece = next(self._ahead, None)
                if piece is None:
                    self._ahead = None
                    return
                self._unsent = memoryview(piece)
                continue
            count = 0 if self.is_tls else self._send(self._unsent[:WINDOW], DONT_WAIT)
            if not count:
                readable, writable = self._ready(self.remaining(), sending=True)
                if readable:
                    return
                if self.is_tls and writable:  # a record fits where anything does
                    count = self._send(self._unsent[:TLS_RECORD])
            self.progress(count)
            self._unsent = self._unsent[count:]

    def _hear_nothing(self) -> None:
        if self.closed:
            raise Disconnected(f"{self.host}: the connection is closed on this side")
        if self._at == len(self._buffer) and self._is_readable():
            # TLS may have something to read that is no data: session tickets, say.
            with contextlib.suppress(TooSlow):
                self._fill(wait=False)
        if self._at < len(self._buffer):
            unasked = text(self._buffer[self._at : self._at + 80])
            raise ProtocolError(f"{self.host} spoke before it was asked: {unasked!r}")

    # Listening

    def _fill(self, *, wait: bool = True) -> None:
        """Add what is there to the buffer. An end is too early here."""
        received = self._receive(wait=wait)
        if not received:
            raise Disconnected(f"{self.host} hung up before its answer was whole")
        self._buffer = self._buffer[self._at :] + received
        self._at = 0

    def read_line(self, limit: int = MAX_LINE) -> bytes:
        """Read one line of at most `limit` octets and return it without its CRLF.

        Raises `ProtocolError` for a line that ends with a bare LF: what one side takes for
        the end of a line and the other does not is how messages are smuggled.
        """
        end = self._buffer.find(b"\n", self._at)
        while end < 0:
            searched = len(self._buffer) - self._at
            if searched >= limit:
                break
            self._fill()
            end = self._buffer.find(b"\n", searched)
        line = self._buffer[self._at : end + 1]
        if end < 0 or len(line) > limit:
            raise LimitExceeded(f"{self.host}: a line of more than {limit} octets")
        self._at = end + 1
        if not line.endswith(CRLF):
            raise ProtocolError(f"{self.host}: a line ends with a bare LF: {line[-60:]!r}")
        return line[:-2]

    def read_section(self, limit: int) -> bytes:
        """Read lines up to an empty one, `limit` octets of them, and return them with
        their line ends, without the empty one."""
        searched = 0
        while not self._buffer.startswith(CRLF, self._at):
            end = self._buffer.find(CRLF + CRLF, self._at + searched)
            size = (len(self._buffer) if end < 0 else end) - self._at
            if size > limit:
                raise LimitExceeded(f"{self.host}: a head of more than {limit} octets")
            if end >= 0:
                section = self._buffer[self._at : end + 2]
                self._at = end + 4
                return section
            searched = max(0, size - 3)
            self._fill()
        self._at += 2
        return b""

    def piece(self, most: int = WINDOW) -> memoryview:
        """What is there, `most` octets at the most; nothing at the peer's end."""
        if self._at < len(self._buffer):
            found = memoryview(self._buffer)[self._at : self._at + most]
            self._at += len(found)
        else:
            found = self._receive(most)
        return found

    def counted(self, count: int) -> Iterator[Buffer]:
        """The next `count` octets, piece by piece."""
        while count:
            found = self.piece(count)
            if not found:
                raise Disconnected(f"{self.host} hung up with {count} octets to come")
            count -= len(found)
            self.progress(len(found))
            yield found

    def chunks(self, size_of: Callable[[bytes], int], limit: int) -> Iterator[Buffer]:
        """The octets of chunks: a line that says a size, so many octets, CR LF; the last
        has size 0 (RFC 9112 section 7.1). `size_of` reads the line, which must end within
        `limit` octets.

        Little chunks are taken many at a time from what is here already.
        """
        while True:
            found, at = [], self._at
            while 0 <= (end_of_line := self._buffer.find(CRLF, at)) - at < limit:
                begin = end_of_line + len(CRLF)
                size = size_of(self._buffer[at:end_of_line])
                end = begin + size
                if not 0 < size <= LITTLE or self._buffer[end : end + len(CRLF)] != CRLF:
                    break  # large, the last, or not all here
                found.append(self._buffer[begin:end])
                at = end + len(CRLF)
            self._at = at
            if found:
                yield self._note(b"".join(found))
            size = size_of(self.read_line(limit))
            if not size:
                return
            yield from self.counted(size)
            if self.read_line(len(CRLF)):
                raise ProtocolError(f"{self.host}: a chunk is longer than its size")

    def _note(self, found: bytes) -> bytes:
        self.progress(len(found))
        return found

    def rest(self) -> Iterator[Buffer]:
        """All octets until the peer says that it has no more, piece by piece."""
        while found := self.piece():
            self.progress(len(found))
            yield found

    def block(self) -> Iterator[Buffer]:
        """The octets of a dot-block, piece by piece (RFC 1939 section 3).

        The line that is only a dot ends it and is no part of it. Any other line that
        begins with a dot was given that dot by the sender: it is taken off again.
        """
        while len(self._buffer) - self._at < len(b".\r\n"):  # the shortest block
            self._fill()
        if self._buffer.startswith(b".\r\n", self._at):
            self._at += 3
            return
        self._at += self._buffer.startswith(b".", self._at)
        while True:
            # The last octets may be the first of the end, or of a stuffed line: they wait
            # for what follows, unless they are all of the end.
            held = max(n for n in range(6) if self._buffer.endswith(DOT_LINE[:n])) % 5
            there = self._buffer[self._at : len(self._buffer) - held]
            # One pass finds the end and takes off the dots. A single octet is found some
            # fifty times faster: without a dot there is nothing to do.
            lines = there.split(b"\r\n.") if b"." in there else [there]
            end = next((n for n in range(1, len(lines)) if is_end(lines, n)), None)
            found = CRLF.join(lines[:end])
            self.progress(len(found))
            if end is not None:
                self._at += len(found) + end - 1 + len(DOT_LINE)
                yield found + CRLF
                return
            self._at += len(there)
            yield found
            self._fill()

    def read_block(self, limit: int | None = None) -> bytes:
        """Read a dot-block of at most `limit` octets into memory."""
        # Most messages are small and here already, perhaps with others behind them: then
        # one look for the end is enough.
        dot = self._buffer.find(b".", self._at)
        end = (
            self._buffer.find(DOT_LINE, max(self._at, dot - len(CRLF))) if dot >= 0 else -1
        )
        if end < 0 or dot == self._at:
            return deliver(self.block(), None, limit)
        found = self._buffer[self._at : end + len(CRLF)]
        if dot < end:
            found = found.replace(b"\r\n.", CRLF)
        self._at = end + len(DOT_LINE)
        return deliver([found], None, limit)

    def answers(
        self,
        commands: Sequence[tuple[Asked, bytes]],
        answer: Callable[[], Answer],
        pipeline: bool,
    ) -> list[tuple[Asked, Answer]]:
        """Say many commands, each given with what it asks for; `answer` reads one answer.

        With `pipeline` all are said at once and answered in one round trip, else one by
        one; each answer has a clock of its own. What is refused does not stop the others:
        the first `Refused` is raised at the end. Any error has in `done` what was answered.
        """
        done: list[tuple[Asked, Answer]] = []
        refusal: Refused | None = None
        if pipeline:
            self.send_ahead([b"".join(said for _, said in commands)])
        try:
            for asked, said in commands:
                if pipeline:
                    self.restart_clock()
                else:
                    self.send(said)
                try:
                    done.append((asked, answer()))
                except Refused as error:
                    refusal = refusal or error
        except WireError as error:
            error.done = done
            raise
        if refusal:
            refusal.done = done
            raise refusal
        return done

    def has_ended(self) -> bool:
        """Whether the peer hung up since it last spoke; what else it said is an error."""
        try:
            self._hear_nothing()
        except Disconnected:
            return True
        return False

    # TLS, and the end

    def start_tls(self, tls: TLS, session: ssl.SSLSession | None = None) -> None:
        """Encrypt from here on, and check who the server is.

        What was received before the handshake would count as the server's word after it,
        though anybody on the way may have put it there: it is a `ProtocolError`.
        """
        self._hear_nothing()
        try:
            self._socket.settimeout(self.remaining())
            self._socket = tls_context(tls).wrap_socket(
                self._socket,
                server_hostname=self.host,
                suppress_ragged_eofs=False,
                session=session,
            )
            self.is_tls = True
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message.rstrip(".")
            raise WireError(f"not the server's certificate: {reason}") from error
        except TimeoutError as error:
            raise self._too_slow() from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or "hung up"
            raise WireError(f"no TLS with {self.host}: {reason}") from error

    @property
    def session(self) -> ssl.SSLSession | None:
        """The TLS session, for another connection to the same server to resume."""
        return getattr(self._socket, "session", None)

    def finish(self) -> None:
        """Say that nothing more will be said: TLS's goodbye, or TCP's."""
        with contextlib.suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(self.remaining())
                self._socket.unwrap()
            else:
                self._socket.shutdown(socket.SHUT_WR)

    def fileno(self) -> int:
        """The socket's number, to wait for it together with others."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up, without a word."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._socket.close()


class Door:
    """A port of ours to which the peer of `wire` is to connect (FTP's active mode)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        family = socket.AF_INET6 if ":" in wire.local[0] else socket.AF_INET
        self._socket = socket.create_server((wire.local[0], 0), family=family, backlog=1)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def __enter__(self) -> "Door":
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def accept(self) -> Wire:
        """Wait for the connection, on the clock of `wire`, and close the door.

        Raises `ProtocolError` if somebody else comes in.
        """
        try:
            self._socket.settimeout(self._wire.remaining())
            accepted, address = self._socket.accept()
        except TimeoutError as error:
            raise TooSlow(f"{self._wire.host} did not connect back") from error
        if address[0] != self._wire.peer[0]:
            accepted.close()
            raise ProtocolError(f"{address[0]} came in place of {self._wire.host}")
        return Wire.adopt(accepted, self._wire.host, self._wire.timeout)


def is_end(lines: list[bytes], n: int) -> bool:
    """Whether of `lines`, which stood apart by CR LF and a dot, the one before `n` is the
    last: after the dot comes CR LF, its own or that of the next dot."""
    return lines[n].startswith(CRLF) or (not lines[n] and n + 1 < len(lines))


def is_loopback(address: str) -> bool:
    """Whether `address`, in numbers, is this very machine."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")
