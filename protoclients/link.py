"""The link: one TCP connection, its clock, its TLS, and the two choke points.

`_receive` is the one place that receives and `_send` the one that sends, for all clients.
So what holds for every octet is held here: one clock for a whole exchange, and errors of
one kind. The link knows no lines; the wire above it does.
"""

import contextlib
import os
import re
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from .errors import Disconnected, ProtocolError, TooSlow, WireError
from .limits import LIMITS, Limits
from .octets import PIECE, WINDOW, Buffer, octets

if TYPE_CHECKING:
    import ssl  # at run time only with TLS: it is a quarter of what a start takes

# In seconds, 24 days: what is longer is a mistake, and `poll` has 31 bits for milliseconds.
MAX_TIMEOUT = 24 * 24 * 3600
# The first window is for commands and replies; see `_receive`.
FIRST_WINDOW = 16 * 1024
# The most that one TLS record holds (RFC 8446 section 5.1).
TLS_RECORD = 16 * 1024
# How often to look for octets before going to sleep: for some 50 µs. To be woken takes
# longer, on a virtual machine at least, than a server nearby takes to go on. So small
# exchanges with it are twice as fast, and long bodies by half. If there is one processor
# only, the server needs it.
LOOKS = 100 if (os.cpu_count() or 1) > 1 else 1
WINDOWS = os.name == "nt"
# Linux alone has it. See `_wait`.
QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)

# A name or an address, IPv6 without brackets, and no URL; getaddrinfo knows the rest.
HOST = re.compile(r"[^\s\0/:\[\]]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[^\s\0/]+)?")

TLS: TypeAlias = "bool | ssl.SSLContext"


class Link:
    """One TCP connection to `host` and `port`.

    `timeout` is one clock, in seconds, for a whole exchange: it starts with the call of a
    client's method and stops at the last octet of the answer. Looking up the host's name
    is up to the operating system and its own timeouts. `limits` are on what is heard.
    """

    # How a socket says that it has nothing yet, and that nothing more will come. Under TLS
    # it has other words for it.
    _nothing_yet: tuple[type[OSError], ...] = (BlockingIOError, TimeoutError)
    _cut_off: tuple[type[OSError], ...] = ()

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
    ) -> None:
        if not isinstance(host, str) or not HOST.fullmatch(host):
            raise ValueError(f"not a host name, without scheme, port or path: {host!r}")
        if not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"not a port number from 1 to 65535: {port!r}")
        if not isinstance(tls, bool) and not hasattr(tls, "wrap_socket"):
            raise ValueError(f"not True, False or an ssl.SSLContext: {tls!r}")
        self._set_up(host, timeout, limits)
        self._socket = self._connect(port)
        if tls:
            with self.hanging_up():
                try:
                    self.start_tls(tls)
                except ProtocolError as error:  # a plain server has greeted
                    raise ProtocolError(f"no TLS on port {port}: {error}") from error

    @classmethod
    def adopt(cls, accepted: socket.socket, like: "Link") -> Self:
        """A connection that the peer of the link `like` opened (FTP's active mode), with
        the same timeout and limits, on the clock that runs."""
        link = cls.__new__(cls)
        link._set_up(like.host, like.timeout, like.limits)
        link._deadline = like._deadline
        link._socket = accepted
        link._set_options()
        return link

    def _set_up(self, host: str, timeout: float, limits: Limits) -> None:
        if not isinstance(timeout, int | float) or not 0 < timeout <= MAX_TIMEOUT:
            raise ValueError(f"not a timeout in seconds, above 0: {timeout!r}")
        if not isinstance(limits, Limits):
            raise ValueError(f"not Limits(...): {limits!r}")
        self.host = host
        self.timeout = float(timeout)
        self.limits = limits
        self._tls: ssl.SSLSocket | None = None
        self.closed = False
        self.in_exchange = False
        self.speaking = False  # something was said, and its answer is not all read
        self._window = memoryview(bytearray(FIRST_WINDOW))
        self._ahead: Iterator[Buffer] | None = None  # to be said while we listen
        self._unsent = memoryview(b"")
        self._went = 0  # octets of it
        self._heard = False  # something, since we last spoke
        self.restart_clock()

    def _connect(self, port: int) -> socket.socket:
        """Try the addresses of the host one after the other, on one clock."""
        problem: OSError = OSError("no address")
        found = self._addresses(port)
        for family, kind, protocol, _, address in found:
            try:
                self._socket = socket.socket(family, kind, protocol)
            except OSError as error:  # no IPv6 on this machine, say
                problem = error
                continue
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
        # It is `_wait` that waits: the kernel's own timer for `recv` and `send` would begin
        # anew with every signal that comes, and Python's would ask twice for each call.
        self._socket.settimeout(0)
        self._poll = None if WINDOWS else select.poll()
        if self._poll:
            self._poll.register(self._socket, select.POLLIN)

    @contextlib.contextmanager
    def hanging_up(self) -> Iterator[None]:
        """Hang up if what comes in between fails."""
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

    @property
    def is_tls(self) -> bool:
        """Whether all that is said is encrypted."""
        return self._tls is not None

    def guard(self, *secrets: str, allow_cleartext: bool) -> None:
        """Raise `ValueError` unless `secrets` may be said here: they have no line end, and
        the connection is under TLS, or within this machine, or the caller allows it."""
        for secret in secrets:
            octets(secret)
        if not (allow_cleartext or self._tls or is_loopback(self.peer[0])):
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
        if self._moved >= self.limits.rate * self.timeout:
            self.restart_clock()

    def _too_slow(self) -> TooSlow:
        return TooSlow(f"{self.host}: no whole answer within {self.timeout:g} seconds")

    def _arm(self, wait: bool = True) -> None:
        """See to it that the next call on the socket is in time, and does not wait; unless
        it is TLS's, which waits by itself."""
        if self.closed:
            raise Disconnected(f"{self.host}: the connection is closed on this side")
        remaining = self.remaining()
        if self._tls:
            self._socket.settimeout(remaining if wait else 0.0)

    # The two choke points

    def _receive(self, most: int = WINDOW, *, wait: bool = True) -> memoryview:
        """Wait for octets and return them, `most` at the most; none is the peer's end.

        They lie in a window that the next call uses again. It begins small and grows for
        a connection that fills it.
        """
        window = self._window if most >= len(self._window) else self._window[:most]
        while (count := self._receive_into(window, wait)) < 0:
            pass
        if count == len(self._window) < most:
            self._window = memoryview(bytearray(min(4 * count, most)))
        return window[:count]

    def _receive_into(self, window: memoryview, wait: bool) -> int:
        """One try. -1 says that TLS had something, but no octets for us: session tickets,
        say. While there is more to send, that must not be what is waited for."""
        if self._ahead is not None:
            self._send_ahead()
        still_sending = self._tls and self._ahead is not None
        self._arm(wait and not still_sending)
        if wait:
            self._wait()
        try:
            count = self._socket.recv_into(window)
            self._heard = self.speaking = True
        except self._nothing_yet as error:
            if wait and still_sending:
                return -1
            raise self._too_slow() from error
        except self._cut_off as error:
            raise Disconnected(f"{self.host}: cut off without TLS's goodbye") from error
        except OSError as error:
            raise self._lost(error) from error
        return count

    def _wait(self) -> None:
        """Wait for octets, until the clock has run down. Before it goes to sleep it looks a
        while; but where the program has other threads they may need the interpreter, and
        one of them may be the server. What TLS has decrypted already cannot be seen."""
        in_vain = threading.active_count() > 1 or (self._tls and self._heard)
        if self._poll and not in_vain:
            for _ in range(LOOKS):
                if self._poll.poll(0):
                    return
        if self._heard and QUICK_ACK:
            # A server that writes its answer in parts may hold back the next one until the
            # last is acknowledged (Nagle's algorithm), which takes 40 ms unless the kernel
            # is told that there is nothing to wait for.
            with contextlib.suppress(OSError):  # the connection is lost: `recv` will tell
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        if not self._tls and not self._is_readable(self.remaining()):
            raise self._too_slow()

    def _send(self, data: Buffer, *, wait: bool = True) -> int:
        """Hand octets to the kernel and return how many it took; without `wait` perhaps
        none."""
        self._arm()
        self._heard, self.speaking = False, True
        while True:
            try:
                return self._socket.send(data)
            except (BlockingIOError, TimeoutError) as error:
                if not wait:
                    return 0
                if self._tls or not any(
                    self._ready(self.remaining(), receiving=False, sending=True)
                ):
                    raise self._too_slow() from error
            except OSError as error:
                raise self._lost(error) from error

    def _lost(self, error: OSError) -> WireError:
        if self.closed:  # by another thread
            return Disconnected(f"{self.host}: the connection is closed on this side")
        if isinstance(error, (ConnectionError, *self._cut_off)):
            return Disconnected(f"{self.host}: connection lost ({error.strerror})")
        return WireError(f"{self.host}: {error}")

    def _is_readable(self, wait: float = 0.0) -> bool:
        """Whether there is anything to receive, now or within `wait` seconds. Asked before
        all that is said."""
        if self._tls and self._tls.pending():
            return True  # decrypted already, with what was asked for
        return bool(self._poll.poll(wait * 1000)) if self._poll else self._ready(wait)[0]

    def _ready(
        self, wait: float, *, receiving: bool = True, sending: bool = False
    ) -> tuple[bool, bool]:
        """Whether octets can be received, and sent, within `wait` seconds."""
        if WINDOWS:
            one = [self._socket]
            found = select.select(one * receiving, one * sending, [], wait)
            return bool(found[0]), bool(found[1])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN * receiving | select.POLLOUT * sending)
        events = sum(event for _, event in poll.poll(wait * 1000))
        return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)

    # Sending while the peer may have something to say

    def send_more(self, data: Buffer) -> None:
        """Say `data` within an exchange that has begun."""
        count = self._send(data)
        while count < len(data):
            self.progress(count)
            data = memoryview(data)[count:]
            count = self._send(data)

    def _send_ahead(self) -> None:
        while self._ahead is not None:
            if not self._unsent:
                asked = time.monotonic()
                piece = next(self._ahead, None)
                self._deadline += time.monotonic() - asked  # our own time, not the peer's
                if piece is None:  # all is said: now it is the peer's turn
                    self._ahead = None
                    if self._went > PIECE:
                        self.restart_clock()
                    return
                self._unsent = memoryview(piece)
                continue
            try:
                count = 0 if self._tls else self._send(self._unsent[:PIECE], wait=False)
                if not count:
                    if self._tls and self._is_readable():
                        return
                    readable, writable = self._ready(self.remaining(), sending=True)
                    if readable:
                        return
                    if self._tls and writable:  # a record fits where anything does
                        count = self._send(self._unsent[:TLS_RECORD])
            except Disconnected:
                return  # it may have said why before it hung up
            self.progress(count)
            self._went += count
            self._unsent = self._unsent[count:]

    @property
    def unsent(self) -> int:
        """How many octets of the piece that `send_ahead` is at have not gone out yet."""
        return len(self._unsent)

    @property
    def is_sending(self) -> bool:
        """Whether an answer came before all of `send_ahead` was said."""
        return self._ahead is not None

    def check_all_said(self, answer: str) -> None:
        """Raise `ProtocolError` if `answer` came before all of `send_ahead` was said."""
        if self.is_sending:
            raise ProtocolError(f"{self.host} answered before it had heard all: {answer}")

    # TLS, and the end

    def start_tls(self, tls: TLS, session: "ssl.SSLSession | None" = None) -> None:
        """Encrypt from here on, and check who the server is: in a context of the caller's,
        or as Python does by default."""
        import ssl

        self._nothing_yet = (BlockingIOError, TimeoutError, ssl.SSLWantReadError)
        self._cut_off = (ssl.SSLEOFError,)
        context = tls if isinstance(tls, ssl.SSLContext) else ssl.create_default_context()
        try:
            self._socket.settimeout(self.remaining())
            self._socket = self._tls = context.wrap_socket(
                self._socket,
                server_hostname=self.host,
                suppress_ragged_eofs=False,
                session=session,
            )
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message.rstrip(".")
            raise WireError(f"not the server's certificate: {reason}") from error
        except TimeoutError as error:
            raise self._too_slow() from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or "hung up"
            raise WireError(f"no TLS with {self.host}: {reason}") from error

    @property
    def context(self) -> TLS:
        """The TLS context, for another connection to the same server; False without TLS."""
        return self._tls.context if self._tls else False

    @property
    def session(self) -> "ssl.SSLSession | None":
        """The TLS session, for another connection in the same context to resume."""
        return self._tls.session if self._tls else None

    def finish(self) -> None:
        """Say that nothing more will be said: TLS's goodbye, or TCP's."""
        with contextlib.suppress(OSError):
            if self._tls:
                self._tls.settimeout(self.remaining())
                self._tls.unwrap()
            else:
                self._socket.shutdown(socket.SHUT_WR)

    @property
    def has_unread(self) -> bool:
        """Whether something was received that nobody has read."""
        return False

    def fileno(self) -> int:
        """The socket's number, to wait for it together with others."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up, without a word."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._socket.close()


AnyLink = TypeVar("AnyLink", bound=Link)


class Door(Generic[AnyLink]):
    """A port of ours to which the peer of `wire` is to connect (FTP's active mode)."""

    def __init__(self, wire: AnyLink) -> None:
        self._wire = wire
        family = socket.AF_INET6 if ":" in wire.local[0] else socket.AF_INET
        self._socket = socket.create_server((wire.local[0], 0), family=family, backlog=1)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def accept(self) -> AnyLink | None:
        """Wait for the connection, on the clock of `wire`, and return it; or None if the
        peer says something on `wire` instead.

        Raises `ProtocolError` if somebody else comes in.
        """
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._socket, selectors.EVENT_READ)
            waiting.register(self._wire, selectors.EVENT_READ)
            # A reply that is here already ends the waiting: what it follows has come too.
            wait = 0 if self._wire.has_unread else self._wire.remaining()
            ready = [key.fileobj for key, _ in waiting.select(wait)]
        if not ready and not self._wire.has_unread:
            raise TooSlow(f"{self._wire.host} did not connect back")
        if self._socket not in ready:
            return None
        accepted, address = self._socket.accept()
        if address[0] != self._wire.peer[0]:
            accepted.close()
            raise ProtocolError(f"{address[0]} came in place of {self._wire.host}")
        return type(self._wire).adopt(accepted, self._wire)


def is_loopback(address: str) -> bool:
    """Whether `address`, in numbers, is this very machine."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")
