"""Hear what Python code says on its sockets, and which line of code said it.

    with record() as recording:
        poplib.POP3("localhost", 8110).quit()
    for call in recording.calls:
        print(call.frames[0].text, call.name + call.arguments, call.result, call.data)

While a recording is open, the methods of `socket.socket` and `ssl.SSLSocket` and the
name look-ups are replaced by functions that pass each call on and note it. So any
library that uses them is heard, inside TLS as plaintext, without a proxy. When the
last recording closes, the classes are as they were.

A recording hears the context that opened it (`contextvars`): this thread, and the
asyncio tasks made in it. Other threads are heard only with `threads=True`, and only if
they start meanwhile (a free-threaded Python hands the context to new threads anyway).
Recordings may be nested; each hears everything. A socket that was open before is
numbered when it is first heard; of one that lives on, nothing is heard after the end.
A forked child has its own copy of the recording, which hears the child alone.

A call is noted when it ends, and as the code above made it: the `read` inside
`SSLSocket.recv` is no call of its own, but a TLS handshake always is. A `connect` that
doesn't wait is noted with its BlockingIOError.

The TLS of asyncio, anyio, and urllib3 inside TLS works in memory. Its plaintext is
noted as `read` and `write` on the socket that carries it; the calls on that socket
itself are of ciphertext, and have counts but neither direction nor data. Where the
socket can't be found, the plaintext has a number of its own; and if such a connection is
older than the recording, the ciphertext that is heard first is taken for data. The pair
of sockets by which asyncio wakes itself is heard as well.

Not heard: code in C that calls the system itself (pyOpenSSL, uvloop, curl), `_socket`
used directly, `os.read`, `os.write` and `os.splice` on a descriptor, methods that were
looked up before the recording opened (trio does so when it is imported), a socket that
the garbage collector closes, and without `threads=True` the name look-ups of asyncio,
which makes them in other threads.
"""

import contextlib
import enum
import functools
import itertools
import linecache
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .conversation import Conversation

LIMIT = 1024 * 1024  # octets kept of one call: as many as our own clients move at once
TOTAL_LIMIT = 64 * 1024 * 1024  # octets kept of one recording, so that memory is safe
DEPTH = 40  # levels of the stack kept with a call
PEEK = int(socket.MSG_PEEK)  # a plain number: reckoning with enumerations is slow

# What is heard: which way the octets go, and the parameters after the socket itself.
METHODS = {
    "__init__": ("", "family type proto fileno"),
    "bind": ("", "address"),
    "listen": ("", "backlog"),
    "accept": ("", ""),
    "connect": ("", "address"),
    "connect_ex": ("", "address"),
    "do_handshake": ("", "block"),
    "send": ("sent", "data flags"),
    "sendall": ("sent", "data flags"),
    "sendto": ("sent", "data flags address"),
    "sendmsg": ("sent", "buffers ancdata flags address"),
    "sendfile": ("sent", "file offset count"),
    "write": ("sent", "data"),
    "recv": ("received", "bufsize flags"),
    "recvfrom": ("received", "bufsize flags"),
    "recvmsg": ("received", "bufsize ancbufsize flags"),
    "recv_into": ("received", "buffer nbytes flags"),
    "recvfrom_into": ("received", "buffer nbytes flags"),
    "recvmsg_into": ("received", "buffers ancbufsize flags"),
    "read": ("received", "len buffer"),
    "shutdown": ("", "how"),
    "unwrap": ("", ""),
    "detach": ("", ""),
    "close": ("", ""),
}
LOOKUPS = {
    "getaddrinfo": "host port family type proto flags",
    "gethostbyname": "hostname",
    "gethostbyname_ex": "hostname",
    "gethostbyaddr": "host",
    "getnameinfo": "sockaddr flags",
}
SENDFILE = "out_fd in_fd offset count"  # of the os module


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of the stack above a call."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The source line, without its indentation; "" if there is no source."""
        return linecache.getline(self.file, self.line).strip()


@dataclass(slots=True, eq=False)  # or pytest would show the secrets in two that differ
class Call:
    """One call on a socket, as the code above it made it, or one name look-up.

    Of a `sendall` that failed midway nobody knows how much was sent: `data` is empty then,
    and `error` says so.
    """

    number: int  # 1, 2, ... in the order in which the calls ended
    time: float  # seconds from the start of the recording to that of the call
    duration: float  # seconds
    socket: int  # 1, 2, ...; the same when TLS is put on; 0 for a name look-up
    name: str
    direction: str  # "sent", "received", or "" if it moved no octets of the talk
    data: bytes = field(repr=False)  # the first octets, up to the recording's limits
    size: int  # how many there were
    address: Any  # that the call named or gave, else None
    local: Any  # the socket's two addresses, None where unknown
    remote: Any
    transport: str  # "tcp", "udp", "unix" or the family's name; "" for a look-up
    tls: bool  # the octets are the plaintext inside TLS
    frames: tuple[Frame, ...] = field(repr=False)  # innermost first
    arguments: str  # for display; octets are only counted: "(44 bytes)"
    result: str  # for display: "44 bytes", "None", or the error
    error: str  # "" or "TypeName: text"


@dataclass
class Recording:
    """What was heard."""

    calls: list[Call] = field(default_factory=list)
    _read: "tuple[int, list[Conversation]]" = field(
        default=(-1, []), init=False, repr=False, compare=False
    )

    def sent(self, socket: int | None = None) -> bytes:
        """The octets sent (as far as they were kept) on one socket, or on all."""
        return self._octets("sent", socket)

    def received(self, socket: int | None = None) -> bytes:
        """The octets received (as far as they were kept) on one socket, or on all."""
        return self._octets("received", socket)

    def _octets(self, direction: str, number: int | None) -> bytes:
        found = (call for call in self.calls if call.direction == direction)
        return b"".join(call.data for call in found if number in (None, call.socket))

    @property
    def conversations(self) -> "list[Conversation]":
        """The calls, read as what was said: one Conversation a connection."""
        from .conversation import conversations

        if self._read[0] != len(self.calls):
            self._read = len(self.calls), conversations(self.calls)
        return self._read[1]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.conversations)) or "nothing was said"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from .views import as_html

        return as_html.table(self.conversations)


class _Attempt:
    """One call: what goes in, and when it has ended, what came out."""

    value: Any = None
    size, duration = 0, 0.0
    arguments = result = error = ""
    frames: tuple[Frame, ...] = ()

    def __init__(
        self, owner: Any, name: str, direction: str, sock: Any, given: dict[str, Any]
    ) -> None:
        self.owner, self.name, self.direction = owner, name, direction
        self.sock, self.given = sock, given
        self.address = given.get("address")
        if name == "sendto" and len(given) == 2:  # without flags
            self.address = given.get("flags")
        self.data: bytes | bytearray = b""
        self.began = perf_counter()

    def succeed(self, value: Any, keep: int) -> None:
        """Note the result, and the octets: in the result or in what was given."""
        self.duration = perf_counter() - self.began
        self.value = value
        if isinstance(value, tuple) and self.sock is not None:
            value, self.address = value[0], value[-1]
        if not self.direction:
            self.result = _outcome(self.name, self.sock, value)
            return
        if not self.size:  # no calls that are parts of this one have moved anything
            self.data, self.size = _moved(self.given, value, keep)
        self.result = f"{self.size} bytes"
        flags = self.given.get("flags")
        if flags and self.direction == "received" and int(flags) & PEEK:
            self.direction = ""

    def fail(self, error: BaseException) -> None:
        self.duration = perf_counter() - self.began
        self.error = f"{type(error).__name__}: {error}"
        if self.name == "sendall" and isinstance(error, OSError):
            self.error += " (nobody knows how much of it was sent)"
        self.result = self.error
        if not self.size:  # unless calls that are parts of this one have moved something
            self.direction = ""

    def inside_tls(self) -> bool:
        if self.owner is ssl.SSLSocket and self.name != "socket":
            return self.sock.version() is not None
        return self.owner is ssl.SSLObject

    def made(self, inner: "_Attempt") -> bool:
        """Whether a call made meanwhile is a part of this one."""
        if inner.name == "do_handshake":
            return False
        return inner.sock is self.sock or (self.name, inner.name) == ("accept", "socket")

    def take(self, inner: "_Attempt", keep: int) -> None:
        """Count what a part of this call has moved."""
        if inner.direction:
            self.data = self.data or bytearray()
            self.data += inner.data[: keep - len(self.data)]
            self.size += inner.size


@dataclass(slots=True)
class _Socket:
    """What a recording knows of one socket."""

    number: int
    transport: str = ""
    local: Any = None
    remote: Any = None
    carries_tls: bool = False  # its own octets are the ciphertext of an SSLObject

    def look(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.local = sock.getsockname()
            self.remote = sock.getpeername()


class _Ear:
    """What notes calls into one recording."""

    def __init__(
        self, limit: int, threads: bool, on_call: Callable[[Call], None] | None
    ) -> None:
        self.recording = Recording()
        self.limit, self.threads, self.on_call = limit, threads, on_call
        self.keep: int = max(limit, *(ear.keep for ear in _listening()), 0)
        self.room = TOTAL_LIMIT
        self.open = True
        self.opened = perf_counter()
        self.sockets: WeakKeyDictionary[Any, _Socket] = WeakKeyDictionary()
        self.calls, self.numbers = itertools.count(1), itertools.count(1)
        # A signal handler or a finalizer may use a socket in the middle of a note.
        self.lock = threading.RLock()

    def note(self, attempt: _Attempt) -> None:
        """Put a call into the recording."""
        with self.lock:
            where = self._where(attempt)
            if where is None or not self.open:
                return
            call = self._call(attempt, where)
            self.recording.calls.append(call)
        if self.on_call is not None:
            token = _ears.set(())  # what it does on sockets itself isn't heard
            try:
                self.on_call(call)
            finally:
                _ears.reset(token)

    def _call(self, attempt: _Attempt, where: _Socket) -> Call:
        name, direction, result = attempt.name, attempt.direction, attempt.result
        data = b""
        if where.carries_tls and attempt.owner is not ssl.SSLObject:
            direction = ""
        if direction:
            data = bytes(attempt.data[: min(self.limit, self.room)])
            self.room -= len(data)
        if name == "accept" and not attempt.error:
            new = attempt.value[0]
            number = (self.sockets.get(new) or self._meet(new)).number
            result = f"socket {number} from {attempt.address!r}"
        elif name == "socket" and not attempt.error:
            result = f"socket {where.number}"
        # Field after field: by their names, it would take three times as long.
        return Call(
            next(self.calls),
            attempt.began - self.opened,
            attempt.duration,
            where.number,
            name,
            direction,
            data,
            attempt.size,
            attempt.address,
            where.local,
            where.remote,
            where.transport,
            attempt.inside_tls(),
            attempt.frames,
            attempt.arguments,
            result,
            attempt.error,
        )

    def _where(self, attempt: _Attempt) -> _Socket | None:
        """What is known of the socket of a call; None if there is nothing to note."""
        sock, name = attempt.sock, attempt.name
        if sock is None:
            return _Socket(0)
        if name == "socket" and (below := self.at(attempt.given.get("fileno"))):
            self.sockets[sock] = self.sockets[below]  # the connection goes on under TLS
            return None
        if name == "detach" and (sock not in self.sockets or self.at(attempt.value)):
            return None  # the same, from the other side
        known = self.sockets.get(sock) or self._meet(sock)
        if attempt.owner is ssl.SSLObject:
            # Perhaps it only waits for ciphertext, and the system wasn't called.
            return None if attempt.error.startswith("SSLWant") else known
        if known.remote is None and name != "socket":
            known.look(sock)
        return known

    def _meet(self, sock: Any) -> _Socket:
        """Number a socket that is heard for the first time."""
        below = self.at(_descriptor_under()) if isinstance(sock, ssl.SSLObject) else None
        if below is not None:
            known = self.sockets[below]
            known.carries_tls = True
        else:
            known = _Socket(next(self.numbers), _transport(sock))
        self.sockets[sock] = known
        return known

    def at(self, descriptor: int | None) -> Any:
        """The socket that has a file descriptor, None if none was heard yet."""
        with self.lock:
            for sock in self.sockets:
                if isinstance(sock, socket.socket) and sock.fileno() == descriptor:
                    return sock
        return None


def _moved(given: dict[str, Any], value: Any, keep: int) -> tuple[bytes, int]:
    """The first octets that a call moved, and how many there were."""
    if isinstance(value, bytes):
        return value[:keep], len(value)
    if "buffers" in given:
        return _join(given["buffers"], min(value, keep)), value
    if "in_fd" in given:
        return _reread(given["in_fd"], given["offset"], value, keep), value
    buffer = given.get("data", given.get("buffer", b""))
    size = _length(buffer) if value is None else value
    return _first(buffer, min(size, keep)), size


def _length(buffer: Any) -> int:
    return len(buffer) if isinstance(buffer, bytes) else memoryview(buffer).nbytes


def _first(buffer: Any, count: int) -> bytes:
    """The first octets of a buffer of any format."""
    if isinstance(buffer, bytes):
        return buffer[:count]
    return memoryview(buffer).cast("B")[:count].tobytes() if count else b""


def _join(buffers: Iterable[Any], count: int) -> bytes:
    """The first octets of what lies in several buffers."""
    joined = bytearray()
    for buffer in buffers:
        joined += _first(buffer, min(_length(buffer), count - len(joined)))
    return bytes(joined)


def _reread(descriptor: int, offset: int | None, count: int, keep: int) -> bytes:
    """Read again what `os.sendfile` took from a file."""
    if offset is None:  # it took them where the file stood, and moved that
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) - count
    return os.pread(descriptor, min(count, keep), offset)


def _transport(sock: Any) -> str:
    family = getattr(getattr(sock, "family", None), "name", "")
    kind = getattr(getattr(sock, "type", None), "name", "")
    if family in ("AF_INET", "AF_INET6"):
        return {"SOCK_STREAM": "tcp", "SOCK_DGRAM": "udp"}.get(kind, kind[5:].lower())
    return family.removeprefix("AF_").lower()


def _arguments(given: dict[str, Any], keywords: dict[str, Any]) -> str:
    shown = [_shown(value) for value in given.values()]
    if keywords:
        pairs = zip(given, shown, strict=True)
        shown = [f"{name}={text}" if name in keywords else text for name, text in pairs]
    return f"({', '.join(shown)})"


def _outcome(name: str, sock: Any, value: Any) -> str:
    if name == "getaddrinfo":
        return repr([found[-1] for found in value])
    if name == "close" and sock.fileno() >= 0:
        return "None; its makefile holds it open"
    return _shown(value)


_SHOWN: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((int, bool, str, tuple, type(None)), repr),
    **dict.fromkeys((bytes, bytearray), lambda octets: f"{len(octets)} bytes"),
    memoryview: lambda octets: f"{octets.nbytes} bytes",
}


def _shown(value: Any) -> str:
    """A value as in a source line. Octets are only counted: they may be a secret."""
    show = _SHOWN.get(type(value))
    if show is not None:
        return show(value)
    return (
        f"{value._name_}" if isinstance(value, enum.Enum) else f"<{type(value).__name__}>"
    )


_stacks: dict[tuple[int, ...], tuple[list[CodeType], tuple[Frame, ...]]] = {}


def _stack(caller: FrameType) -> tuple[Frame, ...]:
    """The lines that are being run, innermost first, without the recorder's own."""
    codes: list[CodeType] = []
    places: list[int] = [id(caller.f_code)]
    frame: FrameType | None = caller
    while frame is not None:
        codes.append(frame.f_code)
        places.append(frame.f_lasti)
        frame = frame.f_back
    # To name the lines takes long, and a program comes by the same way many times.
    known = _stacks.get(key := tuple(places))
    if known is None or known[0] != codes:
        known = _stacks[key] = codes, tuple(itertools.islice(_lines(caller), DEPTH))
    return known[1]


def _lines(frame: FrameType | None) -> Iterator[Frame]:
    while frame is not None:
        code = frame.f_code
        if code.co_filename != __file__:
            yield Frame(code.co_filename, frame.f_lineno or 0, code.co_qualname)
        frame = frame.f_back


def _descriptor_under() -> int | None:
    """The descriptor of the socket under the SSLObject in use, None if unknown.

    The SSLObject itself knows of no socket. The object whose method uses it does.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    owner: Any = frame and frame.f_locals.get("self")
    for _ in range(4):
        if hasattr(owner, "get_extra_info"):  # asyncio's transport
            owner = owner.get_extra_info("socket")
        if hasattr(owner, "fileno"):
            return int(owner.fileno())
        names = "_transport", "transport_stream", "socket"  # asyncio, anyio, urllib3
        owner = next((getattr(owner, n) for n in names if hasattr(owner, n)), None)
    return None


class _Under(threading.local):
    attempt: _Attempt | None = None


_under = _Under()  # the call that this thread is making
_ears: ContextVar[tuple[_Ear, ...] | None] = ContextVar("recordings", default=None)
_followed: WeakKeyDictionary[threading.Thread, tuple[_Ear, ...]] = WeakKeyDictionary()


def _listening() -> tuple[_Ear, ...]:
    """What hears this context."""
    ears = _ears.get()
    if ears is None:  # the first call in a new thread
        ears = _followed.get(threading.current_thread(), ()) if _followed else ()
        _ears.set(ears)
    return ears


def _noting(owner: Any, name: str, direction: str, parameters: str) -> Any:
    """What stands in the place of a method or function while it is heard."""
    function, names = getattr(owner, name), parameters.split()
    shown = "socket" if name == "__init__" else name
    closes, several, of_os = name == "close", "buffers" in names, owner is os

    @functools.wraps(function)
    def heard(*args: Any, **keywords: Any) -> Any:
        ears = _ears.get()
        if ears is None:
            ears = _listening()
        if not ears:
            return function(*args, **keywords)
        given = dict(zip(names, args, strict=False))
        if keywords:
            given |= keywords
        sock = _sender(given, ears) if of_os else given.pop("self", None)
        if (of_os and sock is None) or (closes and sock.fileno() < 0):
            return function(*args, **keywords)
        if several and isinstance(given.get("buffers"), Iterable):
            given["buffers"] = list(given["buffers"])  # it may be possible only once
            args = sock, given["buffers"], *args[2:]
        attempt = _Attempt(owner, shown, direction, sock, given)
        attempt.arguments = _arguments(given, keywords)
        return _make(attempt, ears, function, args, keywords)

    return heard


def _make(
    attempt: _Attempt, ears: tuple[_Ear, ...], function: Any, args: Any, keywords: Any
) -> Any:
    """Make a call. Note it, or count it to the call on the socket that it is a part of."""
    outer, keep = _under.attempt, ears[-1].keep
    try:
        _under.attempt = attempt
        value = function(*args, **keywords)
        attempt.succeed(value, keep)
        return value
    except BaseException as error:
        attempt.fail(error)
        raise
    finally:
        _under.attempt = outer
        if outer is not None and outer.made(attempt):
            outer.take(attempt, keep)
        else:
            attempt.frames = _stack(sys._getframe(2))
            for ear in ears:
                ear.note(attempt)


def _sender(given: dict[str, Any], ears: tuple[_Ear, ...]) -> Any:
    """The socket whose descriptor `os.sendfile` was given, None if it isn't heard."""
    descriptor, attempt = given.get("out_fd"), _under.attempt
    under = attempt.sock if attempt is not None else None
    if isinstance(under, socket.socket) and under.fileno() == descriptor:
        return under  # its own method has called
    return next((sock for ear in ears if (sock := ear.at(descriptor))), None)


def _start() -> Any:
    """What stands in the place of `threading.Thread.start`."""
    function = threading.Thread.start

    @functools.wraps(function)
    def start(thread: threading.Thread) -> None:
        if ears := tuple(ear for ear in _listening() if ear.threads and ear.open):
            _followed[thread] = ears
        function(thread)

    return start


def _places() -> Iterator[tuple[Any, str, Any]]:
    """All that is replaced while a recording is open: owner, name, and what by."""
    for name, (direction, parameters) in METHODS.items():
        for owner in (socket.socket, ssl.SSLSocket, ssl.SSLObject):
            inherits = owner is socket.socket and hasattr(owner, name)
            if inherits or name in vars(owner):
                yield owner, name, _noting(owner, name, direction, f"self {parameters}")
    for name, parameters in LOOKUPS.items():
        yield socket, name, _noting(socket, name, "", parameters)
    if hasattr(os, "sendfile"):
        yield os, "sendfile", _noting(os, "sendfile", "sent", SENDFILE)
    yield threading.Thread, "start", _start()


_guard = threading.Lock()
_recordings = 0  # that are open
_replaced: list[tuple[Any, str, Any, Any]] = []  # owner, name, what was there, what is


def _install() -> None:
    global _recordings
    with _guard:
        _recordings += 1
        if _recordings == 1:
            for owner, name, new in list(_places()):
                _replaced.append((owner, name, vars(owner).get(name), new))
                setattr(owner, name, new)


def _remove() -> None:
    global _recordings
    with _guard:
        _recordings -= 1
        while _replaced and not _recordings:
            owner, name, old, new = _replaced.pop()
            if vars(owner).get(name) is not new:
                continue  # others have put theirs there since
            if old is None:  # it was inherited
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        if not _recordings:
            _stacks.clear()


@contextlib.contextmanager
def record(
    *,
    limit: int = LIMIT,
    threads: bool = False,
    on_call: Callable[[Call], None] | None = None,
) -> Iterator[Recording]:
    """Hear every call on a socket that this context makes, until the block is left.

    `limit` is how many octets of one call are kept; all are counted. With `threads`,
    threads that start meanwhile are heard as well. `on_call` gets each Call as soon as
    it has ended; an error in it comes out of the call on the socket. A negative `limit` is
    a ValueError.
    """
    if limit < 0:
        raise ValueError("limit is a number of octets")
    ear = _Ear(limit, threads, on_call)
    _install()
    _ears.set((*_listening(), ear))
    try:
        yield ear.recording
    finally:
        ear.open = False
        # Not by a token: the block may be left in another context than it was entered.
        _ears.set(tuple(other for other in _listening() if other is not ear))
        _remove()
