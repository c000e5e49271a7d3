"""Hear what Python code says on its sockets, and which line of code said it.

    with record() as recording:
        poplib.POP3("localhost", 8110).quit()
    for call in recording.calls:
        print(call.name + call.arguments, "->", call.result, call.data, call.frames[0].text)

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

A call is noted when it ends, and once, as the code above made it: the `read` inside
`SSLSocket.recv` is no call of its own, a TLS handshake always is. A `connect` that
doesn't wait is noted with its BlockingIOError.

Asyncio's TLS (and that of anyio, trio and urllib3 inside TLS) works in memory. The
plaintext is noted as `read` and `write` on the socket that carries it, and the calls
of that socket itself carry ciphertext: they have counts, but neither direction nor
data. Where that socket can't be found, the plaintext has a number of its own.

Not heard: code in C that calls the system itself (pyOpenSSL, uvloop, curl), `_socket`
used directly, `os.read` and `os.write` on a descriptor, methods that were looked up
before the recording opened (trio does that when it is imported), sockets closed by the
garbage collector, and without `threads=True` asyncio's name look-ups, which are made
in other threads.
"""

import contextlib
import enum
import functools
import itertools
import linecache
import os
import select
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

_RECV = socket.socket.recv
_PEEK = int(socket.MSG_PEEK)  # as a plain number: to compare enumerations takes long

LIMIT = 64 * 1024  # octets kept of one call: a whole block of the largest usual size
TOTAL_LIMIT = 64 * 1024 * 1024  # octets kept of one recording, so that memory is safe
DEPTH = 40  # levels of the stack kept with a call

# Each call that is heard: which way its octets go, and its parameters.
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
    "getaddrinfo": ("", "host port family type proto flags"),
    "gethostbyname": ("", "hostname"),
    "gethostbyname_ex": ("", "hostname"),
    "gethostbyaddr": ("", "host"),
    "getnameinfo": ("", "sockaddr flags"),
}
DESCRIPTORS = {
    "sendfile": ("sent", "out_fd in_fd offset count"),
    "splice": ("received", "src dst count offset_src offset_dst flags"),
}


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


@dataclass(slots=True)
class Call:
    """One call on a socket, as the code above it made it, or one name look-up.

    Of a `sendall` that failed midway nobody knows what went out (only inside TLS, where
    Python sends piece by piece): its `data` is empty then, and `error` says so.
    """

    number: int  # 1, 2, ... in the order in which the calls ended
    time: float  # seconds from the start of the recording to that of the call
    duration: float  # seconds
    socket: int  # 1, 2, ...; kept when TLS is put on; 0 for a name look-up
    name: str
    direction: str  # "sent", "received", or "" if it moved no octets of the talk
    data: bytes  # the first octets, up to the recording's limits
    size: int  # how many there were
    address: Any  # that the call named or gave, else None
    local: Any  # the socket's two addresses, None where unknown
    remote: Any
    transport: str  # "tcp", "udp", "unix" or the family's name; "" for a look-up
    tls: bool  # the octets went through TLS, and are its plaintext
    frames: tuple[Frame, ...]  # innermost first
    arguments: str  # for display; octets are only counted: "(44 bytes)"
    result: str  # for display: "44 bytes", "None", or the error
    error: str  # "" or "TypeName: text"


@dataclass
class Recording:
    """What was heard."""

    calls: list[Call] = field(default_factory=list)
    _read: tuple[int, Any] = field(default=(-1, None), repr=False, compare=False)

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
        found: list[Conversation] = self._read[1]
        return found


@dataclass(slots=True)
class _Socket:
    """What a recording knows of one socket."""

    number: int
    transport: str = ""
    local: Any = None
    remote: Any = None
    carries_tls: bool = False  # its own octets are the ciphertext of an SSLObject


class _Attempt:
    """One call under way: what goes in and, once it has ended, what came out."""

    def __init__(
        self, name: str, direction: str, sock: Any, given: dict[str, Any], keep: int
    ) -> None:
        if name == "sendto" and "address" not in given:  # sendto(data, address)
            given["address"] = given.pop("flags", None)
        self.name, self.direction, self.sock = name, direction, sock
        self.given, self.keep = given, keep
        self.arguments = ", ".join([_shown(*item) for item in given.items()])
        self.address = given.get("address")
        self.inner: bytearray | None = None  # what calls inside this one have moved
        self.data = b""
        self.size = 0
        self.value: Any = None
        self.result = self.error = ""
        self.caller = sys._getframe(2)
        self.began = perf_counter()
        self.duration = 0.0

    def prepare(self, args: Any) -> Any:
        """Make readable what can be read only once; return the arguments to use."""
        given = self.given
        if self.name == "sendmsg" and isinstance(given.get("buffers"), Iterable):
            given["buffers"] = list(given["buffers"])
            return (self.sock, given["buffers"], *args[2:])
        if self.name == "splice" and self.sock.fileno() == args[0]:
            given["data"] = _peek(self.sock, min(args[2], self.keep))
            return (*args[:2], len(given["data"]) or args[2], *args[3:])
        return args

    def succeed(self, value: Any) -> None:
        """Note what came out: the octets, how many, from whom."""
        self.duration = perf_counter() - self.began
        if isinstance(value, tuple) and self.sock is not None:
            value, self.address = value[0], value[-1]
        self.value = value
        if self.direction:
            self._take(value)
            self.result = f"{self.size} bytes"
        elif self.name == "getaddrinfo":
            self.result = repr([found[-1] for found in value])
        elif self.name == "close" and self.sock.fileno() >= 0:
            self.result = "None; its makefile holds it open"
        else:
            self.result = _shown("", value)
        if self.direction == "received" and int(self.given.get("flags") or 0) & _PEEK:
            self.direction = ""

    def _take(self, value: Any) -> None:
        """Find the octets that were moved, in the result or in the arguments."""
        given, buffers = self.given, []
        if self.inner is not None:
            self.data = bytes(self.inner)
            return
        if isinstance(value, bytes):
            buffers = [value]
        elif "in_fd" in given:
            buffers = [_sent_from_file(given["in_fd"], given["offset"], value, self.keep)]
        elif "buffers" in given:
            buffers = given["buffers"]
        else:
            buffers = [given[name] for name in ("data", "buffer") if name in given]
        self.size = value if isinstance(value, int) else sum(map(_length, buffers))
        self.data = _first(buffers, min(self.size, self.keep))

    def fail(self, error: BaseException) -> None:
        """Note an error, and what calls inside this one had moved before it."""
        self.duration = perf_counter() - self.began
        self.result = self.error = f"{type(error).__name__}: {error}"
        if self.inner is not None:
            self.data = bytes(self.inner)
        elif self.name == "sendall" and isinstance(error, OSError):
            self.error += " (how much of it was sent is unknown)"
        if not self.size:
            self.direction = ""

    def add(self, inner: "_Attempt") -> None:
        """Take over what a call inside this one has moved on the same socket."""
        if inner.direction:
            self.inner = bytearray() if self.inner is None else self.inner
            self.inner += inner.data[: self.keep - len(self.inner)]
            self.size += inner.size


class _Ear:
    """What notes calls into one recording."""

    def __init__(
        self, limit: int, threads: bool, on_call: Callable[[Call], None] | None
    ) -> None:
        self.limit, self.threads, self.on_call = limit, threads, on_call
        self.recording = Recording()
        self.room = TOTAL_LIMIT
        self.open = True
        self.opened = perf_counter()
        self.sockets: WeakKeyDictionary[Any, _Socket] = WeakKeyDictionary()
        self.calls, self.numbers = itertools.count(1), itertools.count(1)
        # A signal handler or a finalizer may use a socket in the middle of a note.
        self.lock = threading.RLock()

    def note(self, attempt: _Attempt, frames: tuple[Frame, ...]) -> None:
        """Note a call that has ended, unless it only handed a connection on."""
        with self.lock:
            where = self._where(attempt)
            if where is None:
                return
            call = self._call(attempt, where, frames)
            self.recording.calls.append(call)
        if self.on_call is not None:
            token = _ears.set(())  # what it does on sockets itself isn't heard
            try:
                self.on_call(call)
            finally:
                _ears.reset(token)

    def _where(self, attempt: _Attempt) -> _Socket | None:
        """What is known of the call's socket; None if there is nothing to note."""
        sock, name = attempt.sock, attempt.name
        if sock is None:
            return _Socket(0)
        if name == "__init__" and (below := self.at(attempt.given.get("fileno"))):
            self.sockets[sock] = self.sockets[below]  # TLS is put on
            return None
        if name == "detach" and (sock not in self.sockets or self.at(attempt.value)):
            return None  # the same, from the other side
        known = self._known(sock, attempt.caller)
        if isinstance(sock, ssl.SSLObject):
            # It waits for ciphertext; the system wasn't called.
            return None if attempt.error.startswith("SSLWant") else known
        if known.remote is None and name != "__init__":
            with contextlib.suppress(OSError):
                known.local = sock.getsockname()
                known.remote = sock.getpeername()
        return known

    def _known(self, sock: Any, caller: FrameType) -> _Socket:
        known = self.sockets.get(sock)
        if known is None and isinstance(sock, ssl.SSLObject):
            below = self.at(_descriptor_under(caller))
            known = self.sockets[below] if below else _Socket(next(self.numbers))
            known.carries_tls = True
        elif known is None:
            known = _Socket(next(self.numbers), _transport(sock))
        self.sockets[sock] = known
        return known

    def at(self, descriptor: int) -> Any:
        """The open socket with a file descriptor, None if it wasn't heard yet."""
        with self.lock:
            for sock in self.sockets:
                if isinstance(sock, socket.socket) and sock.fileno() == descriptor:
                    return sock
        return None

    def _call(self, attempt: _Attempt, where: _Socket, frames: tuple[Frame, ...]) -> Call:
        sock, name, result = attempt.sock, attempt.name, attempt.result
        in_memory = isinstance(sock, ssl.SSLObject)
        if name == "accept" and not attempt.error:
            number = self._known(attempt.value, attempt.caller).number
            result = f"socket {number} from {attempt.address!r}"
        direction = "" if where.carries_tls and not in_memory else attempt.direction
        data = attempt.data[: min(self.limit, self.room)] if direction else b""
        self.room -= len(data)
        return Call(
            number=next(self.calls),
            time=attempt.began - self.opened,
            duration=attempt.duration,
            socket=where.number,
            name="socket" if name == "__init__" else name,
            direction=direction,
            data=data,
            size=attempt.size,
            address=attempt.address,
            local=where.local,
            remote=where.remote,
            transport=where.transport,
            tls=in_memory or _inside_tls(sock, name),
            frames=frames,
            arguments=f"({attempt.arguments})",
            result=result,
            error=attempt.error,
        )


def _length(buffer: Any) -> int:
    return len(buffer) if isinstance(buffer, bytes) else memoryview(buffer).nbytes


def _first(buffers: list[Any], count: int) -> bytes:
    """The first `count` octets of what lies in buffers of any format."""
    if len(buffers) == 1 and isinstance(buffers[0], bytes):
        return buffers[0][:count]
    taken = bytearray()
    for buffer in buffers:
        if _length(buffer):  # an empty one can't be cast
            taken += memoryview(buffer).cast("B")[: count - len(taken)]
    return bytes(taken)


def _sent_from_file(descriptor: int, offset: int | None, count: int, keep: int) -> bytes:
    """Read again what `os.sendfile` took from a file."""
    if offset is None:  # it took them where the file stood, and moved that
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) - count
    return os.pread(descriptor, min(count, keep), offset)


def _peek(sock: socket.socket, count: int) -> bytes:
    """Wait for octets as `os.splice` would, and look at them before it takes them."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not count or (sock.gettimeout() is not None and not poll.poll(0)):
        return b""
    return _RECV(sock, count, _PEEK)


def _transport(sock: socket.socket) -> str:
    family, kind = getattr(sock.family, "name", ""), getattr(sock.type, "name", "")
    if family not in ("AF_INET", "AF_INET6"):
        return family.removeprefix("AF_").lower()
    return {"SOCK_STREAM": "tcp", "SOCK_DGRAM": "udp"}.get(kind, kind[5:].lower())


def _shown(name: str, value: Any) -> str:
    """A value as in a source line. Octets are only counted: they may be a secret."""
    if name in ("data", "buffer"):
        with contextlib.suppress(TypeError):
            return f"{_length(value)} bytes"
    elif isinstance(value, enum.Enum):
        return value.name
    elif value is None or isinstance(value, int | str | bytes | tuple):
        return repr(value)
    return f"<{type(value).__name__}>"


def _stack(caller: FrameType) -> tuple[Frame, ...]:
    """The lines that are being run, innermost first, without the recorder's own."""
    frame: FrameType | None = caller
    places: list[int] = []
    while frame is not None and len(places) < 2 * DEPTH:
        places += id(frame.f_code), frame.f_lasti
        frame = frame.f_back
    known = _stacks.get(key := tuple(places))
    if known is None:
        known = _stacks[key] = _levels(caller)
    return known[0]


def _levels(frame: FrameType | None) -> tuple[tuple[Frame, ...], list[CodeType]]:
    """The levels of a stack, and its code, for as long as that is kept its id is too."""
    found: list[Frame] = []
    codes: list[CodeType] = []
    while frame is not None and len(codes) < DEPTH:
        code = frame.f_code
        codes.append(code)
        if code.co_filename != __file__:
            found.append(Frame(code.co_filename, frame.f_lineno or 0, code.co_qualname))
        frame = frame.f_back
    return tuple(found), codes


def _descriptor_under(frame: FrameType) -> int | None:
    """The descriptor of the socket under an SSLObject, which knows nothing of sockets.

    The object whose method uses it has the transport.
    """
    owner = frame.f_locals.get("self")
    for _ in range(4):
        if hasattr(owner, "get_extra_info"):  # asyncio's transport
            owner = owner.get_extra_info("socket")
        if hasattr(owner, "fileno"):
            return int(owner.fileno())
        names = "_transport", "transport_stream", "socket"  # asyncio, anyio, urllib3
        owner = next((getattr(owner, n) for n in names if hasattr(owner, n)), None)
    return None


def _inside_tls(sock: Any, name: str) -> bool:
    # A TLS socket that is just being made doesn't know its version yet.
    made = isinstance(sock, ssl.SSLSocket) and name != "__init__"
    return made and sock.version() is not None


class _Under(threading.local):
    attempt: _Attempt | None = None


_under = _Under()  # the call under way in this thread
_ears: ContextVar[tuple[_Ear, ...] | None] = ContextVar("recordings", default=None)
_followed: WeakKeyDictionary[threading.Thread, tuple[_Ear, ...]] = WeakKeyDictionary()
_stacks: dict[tuple[int, ...], tuple[tuple[Frame, ...], list[CodeType]]] = {}


def _listening() -> tuple[_Ear, ...]:
    """What hears this context."""
    ears = _ears.get()
    if ears is None:  # the first call in a new thread
        ears = _followed.get(threading.current_thread(), ()) if _followed else ()
        _ears.set(ears)
    return ears


def _noting(function: Any, owner: Any, name: str, row: tuple[str, str]) -> Any:
    """A function to stand in the place of one that is to be heard."""
    direction, names = row[0], row[1].split()
    if isinstance(owner, type):
        names.insert(0, "self")

    @functools.wraps(function)
    def heard(*args: Any, **keywords: Any) -> Any:
        ears = _listening()
        if not ears:
            return function(*args, **keywords)
        given = dict(zip(names, args, strict=False)) | keywords
        sock = given.pop("self", None) if owner is not os else _used(given, ears)
        if (owner is os and sock is None) or (name == "close" and sock.fileno() < 0):
            return function(*args, **keywords)
        keep = max([min(ear.limit, ear.room) for ear in ears])
        attempt = _Attempt(name, direction, sock, given, keep)
        outer, _under.attempt = _under.attempt, attempt
        try:
            value = function(*attempt.prepare(args), **keywords)
            attempt.succeed(value)
            return value
        except BaseException as error:
            attempt.fail(error)
            raise
        finally:
            _under.attempt = outer
            _ended(attempt, outer, ears)

    return heard


def _used(given: dict[str, Any], ears: tuple[_Ear, ...]) -> Any:
    """The socket of which an `os` function was given the descriptor, None if unheard."""
    for name in ("out_fd", "src", "dst"):
        for ear in ears:
            if name in given and (sock := ear.at(given[name])):
                return sock
    return None


def _ended(attempt: _Attempt, outer: _Attempt | None, ears: tuple[_Ear, ...]) -> None:
    """Give a call to the one it was made by, or note it if that is the code heard."""
    if outer is not None and attempt.name != "do_handshake":
        accepted = outer.name == "accept" and attempt.name == "__init__"
        if accepted or outer.sock is attempt.sock:
            outer.add(attempt)
            return
    frames = _stack(attempt.caller)
    for ear in ears:
        if ear.open:
            ear.note(attempt, frames)


def _following(start: Any) -> Any:
    """`threading.Thread.start`, for the recordings that want new threads as well."""

    @functools.wraps(start)
    def followed(thread: threading.Thread) -> None:
        if ears := tuple(ear for ear in _listening() if ear.threads):
            _followed[thread] = ears
        start(thread)

    return followed


def _places() -> Iterator[tuple[Any, str, Any]]:
    """What is replaced: the owner, the name, and what is put there."""
    for owner in (socket.socket, ssl.SSLSocket, ssl.SSLObject):
        inherits = owner is socket.socket  # most of its methods
        for name, row in METHODS.items():
            if name in vars(owner) or (inherits and hasattr(owner, name)):
                yield owner, name, _noting(getattr(owner, name), owner, name, row)
    for owner, rows in ((socket, LOOKUPS), (os, DESCRIPTORS)):
        for name, row in rows.items():
            if hasattr(owner, name):
                yield owner, name, _noting(getattr(owner, name), owner, name, row)
    yield threading.Thread, "start", _following(threading.Thread.start)


_guard = threading.Lock()
_open = 0  # recordings
_replaced: list[tuple[Any, str, Any, Any]] = []  # owner, name, what was there, what is


def _install() -> None:
    global _open
    with _guard:
        _open += 1
        if _open == 1:
            for owner, name, new in list(_places()):
                _replaced.append((owner, name, vars(owner).get(name), new))
                setattr(owner, name, new)


def _remove() -> None:
    global _open
    with _guard:
        _open -= 1
        while not _open and _replaced:
            owner, name, old, new = _replaced.pop()
            if vars(owner).get(name) is not new:  # replaced again since, by others
                continue
            if old is None:  # it was inherited
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        if not _open:
            _stacks.clear()


@contextlib.contextmanager
def record(
    *,
    limit: int = LIMIT,
    threads: bool = False,
    on_call: Callable[[Call], None] | None = None,
) -> Iterator[Recording]:
    """Hear every socket call that this context makes until the `with` block is left.

    `limit` is how many octets of one call are kept; all are counted. With `threads`,
    threads started meanwhile are heard as well. `on_call` is called with each Call as
    soon as it has ended; an error in it comes out of the call on the socket.
    """
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
