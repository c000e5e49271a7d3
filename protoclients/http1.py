"""HTTP/1.1: a request, and a response to it (RFC 9110, the meaning; RFC 9112, the form).

    GET /poem.txt HTTP/1.1      request line: method, target, version   (RFC 9112 section 3)
    Host: www.example.org       field lines, in any order               (section 5)
                                an empty line, and perhaps a body       (section 6)

    HTTP/1.1 103 Early Hints    any number of interim responses         (RFC 9110 s. 15.2)

    HTTP/1.1 200 OK             status line                             (section 4)
    Content-Length: 120         field lines
                                an empty line
    …                           the body: where does it end?            (section 6.3)

        no body             to HEAD, and with 1xx, 204, 304
        chunked             pieces that say their size, the last has 0  (section 7.1)
        Content-Length      so many octets
        neither             when the server closes the connection

The connection stays open for the next request unless one side says otherwise (section 9.3).
"""

import functools
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple, Self

from . import sasl
from .errors import Disconnected, LimitExceeded, ProtocolError, WireError
from .octets import CRLF, Buffer, check_sink, check_source, in_pieces, octets, rows
from .wire import LIMITS, TLS, Limits, Wire, exchange

PORT, TLS_PORT = 80, 443

# status-line = HTTP-version SP status-code SP [ reason-phrase ] (section 4). Some servers
# leave out the last SP with the phrase.
STATUS_LINE = re.compile(rb"HTTP/(1\.[0-9]) ([1-9][0-9][0-9])(?: ([^\r\n\0]*))?")
# field-line = field-name ":" OWS field-value OWS (section 5): no space before the colon.
FIELD_LINE = re.compile(
    r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\r\n\0]*+)\r\n", re.MULTILINE
)
# A line that begins with a space goes on with the value before (section 5.2).
OBS_FOLD = re.compile(rb"(?<![ \t])[ \t]*+(?:\r\n[ \t]++)+")
# chunk = chunk-size [ chunk-ext ] CRLF … (section 7.1)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?")
LENGTH = re.compile(r"[0-9]{1,19}")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What a target may consist of once it is percent-encoded (section 3.2)
TARGET = re.compile(r"[!-~]+")

# Of ASCII only: the Kelvin sign is no k.
LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

# What a caller may say of a body that is not there.
NO_BODY = (("Content-Length", "0"),)
CHUNKED = -1  # in the place of a length
# A server says much the same head again and again, so some that were taken apart are
# remembered; in octets, how long a head is worth it.
LITTLE_HEAD = 4096

Field = tuple[str, str]
Fields = Iterable[Field] | Mapping[str, str]
Body = bytes | BinaryIO


class Headers(list[Field]):
    """The field lines of a message: pairs of name and value, in the order they came."""

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of the field `name`, in any case, or `default`."""
        return next(iter(self.get_all(name)), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of the field `name`, in any case."""
        name = name.lower()
        return [value for field, value in self if field.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """The members of a field that is a list, in lower case (RFC 9110 section 5.6.1)."""
        words = ",".join(self.get_all(name)).translate(LOWER).split(",")
        return [word.strip(" \t") for word in words if word.strip(" \t")]


class Head(NamedTuple):
    """The head of a response, and what follows from it: how long the body is (see
    `body_length`), and whether the connection takes another request after it."""

    version: str
    status: int
    reason: str
    headers: Headers
    length: int | None
    stays_open: bool


class Response(NamedTuple):
    """A response: `body` is empty where it went to a file; `size` is its octets in any
    case. `trailers` came after a chunked body, `interim` (1xx) before the response."""

    version: str
    status: int
    reason: str
    headers: Headers
    body: bytes
    size: int
    trailers: Headers
    interim: "list[Response]"


class HTTP:
    """A connection to an HTTP/1.1 server, for one request after the other.

    `port` is 80, or 443 with `tls`, which is True or an `ssl.SSLContext`. `timeout` is in
    seconds, for each request, and `limits` are on what the server says. Every method may
    raise `WireError`; a status of 404 is an answer like another. Where the server closes
    after a response, as it may, the next request opens a new connection.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
    ) -> None:
        default = TLS_PORT if tls else PORT
        port = default if port is None else port
        name = f"[{host}]" if ":" in host else host
        self._host = ("Host", name if port == default else f"{name}:{port}")
        self._open = functools.partial(
            Wire, host, port, timeout=timeout, tls=tls, limits=limits
        )
        self._authorization: list[Field] = []
        self._usual = field_lines([self._host])  # where the caller gives none
        self._done = False  # the server closes after the response, so open anew
        self.wire = self._open()

    # Requests (section 3)

    def get(
        self,
        target: str,
        headers: Fields = (),
        *,
        into: BinaryIO | None = None,
        limit: int | None = None,
    ) -> Response:
        """Ask for what is at `target`, such as "/poem.txt?line=2". See `request`."""
        return self.request("GET", target, headers, into=into, limit=limit)

    def head(self, target: str, headers: Fields = ()) -> Response:
        """Ask for the head alone that `get` would bring."""
        return self.request("HEAD", target, headers)

    def post(self, target: str, body: Body = b"", headers: Fields = ()) -> Response:
        """Give `body` to what is at `target`, to make of it what it does."""
        return self.request("POST", target, headers, body)

    def put(self, target: str, body: Body = b"", headers: Fields = ()) -> Response:
        """Store `body` at `target`."""
        return self.request("PUT", target, headers, body)

    def delete(self, target: str, headers: Fields = ()) -> Response:
        """Take away what is at `target`."""
        return self.request("DELETE", target, headers)

    @exchange
    def login(self, user: str, password: str, *, allow_cleartext: bool = False) -> None:
        """Say who you are with every request from now on, by Basic (RFC 7617).

        Raises `ValueError` if the password would cross the network in clear text, unless
        `allow_cleartext`; base64 is clear text.
        """
        if self._done:
            self._be_connected()
        self.wire.guard(user, password, allow_cleartext=allow_cleartext)
        if ":" in user:
            raise ValueError(f"a colon cannot be in a user name: {user!r}")
        credentials = sasl.encode(octets(f"{user}:{password}"))
        self._authorization = [("Authorization", f"Basic {credentials}")]
        self._usual = field_lines([self._host, *self._authorization])

    @exchange
    def request(
        self,
        method: str,
        target: str,
        headers: Fields = (),
        body: Body = b"",
        *,
        into: BinaryIO | None = None,
        limit: int | None = None,
    ) -> Response:
        """Send a request, and return the response to it.

        `target` is a path with its query, percent-encoded; `headers` are pairs, or a
        dictionary; `body` is octets, or a binary file to read them from. Host is added,
        and Content-Length, or Transfer-Encoding for a file of unknown length. The body of
        the response goes to `into` if given. `limit` is the most octets that it may have.
        """
        check_sink(into)
        length, pieces = framed(method, body)
        lines = request_line(method, target) + self._field_lines(headers, *length)
        head = lines.encode("utf-8", "surrogateescape")
        self._be_connected()
        if pieces:
            self.wire.send_ahead(itertools.chain([head], pieces))
        else:
            self.wire.send_more(head)
        response = self._response(method, into, limit)
        if self.wire.is_sending:  # it would take the rest of the body for a request
            self._hang_up()
        return response

    @exchange
    def get_many(
        self, targets: Iterable[str], headers: Fields = (), *, limit: int | None = None
    ) -> list[Response]:
        """Send several GETs at once and return the responses in order (section 9.3.2).
        `limit` is the most octets that a body may have.

        If the server closes before it has answered all, as it may, `Disconnected` says
        which are missing, and has in `done` the pairs of target and response that came.
        """
        lines = self._field_lines(headers)
        requests = [(target, request_line("GET", target) + lines) for target in targets]
        said = [(t, head.encode("utf-8", "surrogateescape")) for t, head in requests]
        self._be_connected()
        heard = iter(functools.partial(self._response, "GET", None, limit), None)
        try:
            found = self.wire.answers(said, heard, lambda response: response, True)
            return [response for _, response in found]
        except WireError as error:
            missing = [target for target, _ in said[len(error.done) :]]
            if missing:
                error.args = (f"{error}; not answered: {' '.join(missing)}",)
            raise

    def _be_connected(self) -> None:
        """Open a new connection if the server has closed the last one, as it may between
        a response and a request (section 9.5): nothing of this request is sent yet."""
        if self._done or (not self.wire.closed and self.wire.has_ended()):
            self.wire.close()
            self.wire = self._open()
            self._done = False

    def _field_lines(self, headers: Fields, *framing: Field) -> str:
        """The field lines of a request, with what the caller leaves to us."""
        if not headers and not framing:
            return self._usual
        given = Headers(headers.items() if isinstance(headers, Mapping) else headers)
        for name in ("Content-Length", "Transfer-Encoding"):
            values = given.get_all(name)  # another would make two requests of one
            fitting = [value for field, value in framing or NO_BODY if field == name]
            if values and values != fitting:
                raise ValueError(f"{name} follows from the body, and is not {values}")
        host = [self._host] if given.get("Host") is None else []
        ours = (*self._authorization, *framing)
        unsaid = [(name, value) for name, value in ours if given.get(name) is None]
        return field_lines([*host, *given, *unsaid])

    # Responses (section 4)

    def _response(self, method: str, into: BinaryIO | None, limit: int | None) -> Response:
        if self._done:
            raise Disconnected(f"{self.wire.host} closes after its last response")
        interim: list[Response] = []
        version, status, reason, headers, length, stays_open = self._final(method, interim)
        trailers = Headers()
        if into is None and length is not None and length != CHUNKED:
            body, size = self.wire.read_counted(length, limit), length
        else:
            found = self.wire.deliver(self._pieces(length, trailers), into, limit)
            body, size = (found, len(found)) if isinstance(found, bytes) else (b"", found)
        if length is None or not stays_open:
            self._hang_up()
        return Response(
            version, status, reason, Headers(headers), body, size, trailers, interim
        )

    def _final(self, method: str, interim: list[Response]) -> Head:
        """Read the head of the final response; what comes before it goes to `interim`."""
        while (head := self._head(method)).status < 200:
            headers = Headers(head.headers)
            interim.append(Response(*head[:3], headers, b"", 0, Headers(), []))
            if head.status == 101:
                raise ProtocolError("the server changes to another protocol, unasked")
            if len(interim) > self.wire.limits.interim:
                raise LimitExceeded(f"{len(interim)} interim responses, and no other")
        return head

    def _head(self, method: str) -> Head:
        head = self.wire.read_head(status_line)
        return (remembered_head if len(head) <= LITTLE_HEAD else parse_head)(method, head)

    def _pieces(self, length: int | None, trailers: Headers) -> Iterator[Buffer]:
        """The octets of a body; what comes after the last chunk goes to `trailers`."""
        if length == CHUNKED:
            yield from self.wire.chunks(chunk_size)
            trailers += parse_fields(self.wire.read_section())
        else:
            yield from self.wire.rest() if length is None else self.wire.counted(length)

    def _hang_up(self) -> None:
        self._done = True
        self.wire.close()

    def close(self) -> None:
        """Close the connection."""
        self._done = False
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def request_line(method: str, target: str) -> str:
    """The first line of a request. Raises `ValueError` for what is no method, and for a
    target with a character that has to be percent-encoded."""
    if not TOKEN.fullmatch(method) or method == "CONNECT":
        raise ValueError(f"not a method that can be sent here: {method!r}")
    if not TARGET.fullmatch(target):
        raise ValueError(f"not a target, or not percent-encoded: {target!r}")
    return f"{method} {target} HTTP/1.1\r\n"


def field_lines(fields: Iterable[Field]) -> str:
    """The lines after the first, and the empty one. Raises `ValueError` for what is no
    name, and for CR, LF or NUL in a value."""
    lines = []
    for name, value in fields:
        if not TOKEN.fullmatch(name) or re.search("[\r\n\0]", value):
            raise ValueError(f"not a field: {name!r}: {value!r}")
        lines.append(f"{name}: {value}\r\n")
    return "".join([*lines, "\r\n"])


def framed(method: str, body: Body) -> tuple[list[Field], Iterable[Buffer] | None]:
    """The fields that say how long the body of a request is, and its pieces (section 6)."""
    check_source(body)
    if not body and method not in ("POST", "PUT", "PATCH"):
        return [], None
    if isinstance(body, bytes):
        return [("Content-Length", str(len(body)))], in_pieces(body)
    pieces = in_pieces(body)
    try:
        start = body.tell()
        length = body.seek(0, io.SEEK_END) - start
        body.seek(start)
    except (OSError, AttributeError):  # a pipe, say: only its end tells its length
        return [("Transfer-Encoding", "chunked")], chunked(pieces)
    if length > 0:
        return [("Content-Length", str(length))], exactly(length, pieces)
    first = next(pieces, b"")
    if first:  # a file that the kernel makes up, as those in /proc, has no length
        return [("Transfer-Encoding", "chunked")], chunked(itertools.chain([first], pieces))
    return [("Content-Length", "0")], []


def exactly(length: int, pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """So many octets of `pieces`: a file may have become longer since it was measured, and
    the rest would be taken for another request. Raises `ValueError` if it is shorter."""
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return
    if length:
        raise ValueError(f"the file lacks {length} of the octets that it had")


def chunked(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """The octets of `pieces` in chunks, and the last chunk (section 7.1)."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), bytes(piece))
    yield b"0\r\n\r\n"


@functools.lru_cache(maxsize=1024)
def chunk_size(line: bytes) -> int:
    """The size of a chunk, from the line before it (section 7.1)."""
    match = CHUNK_LINE.fullmatch(line)
    if not match:
        raise ProtocolError(f"not the size of a chunk: {line[:80]!r}")
    return int(match[1], 16)


def status_line(line: bytes) -> tuple[str, int, str]:
    """The version, status and reason of a response (section 4)."""
    match = STATUS_LINE.fullmatch(line)
    if not match:
        raise ProtocolError(f"not a status line: {line[:80]!r}")
    version, status, reason = (part.decode("latin-1") for part in match.groups(b""))
    return version, int(status), reason


def parse_head(method: str, head: bytes) -> Head:
    """The head of a response to `method`: status line and field lines."""
    line, _, section = head.partition(CRLF)
    version, status, reason = status_line(line)
    headers = parse_fields(section)
    length = body_length(method, version, status, headers)
    options = headers.tokens("Connection")  # section 9.3
    stays_open = "close" not in options and (version != "1.0" or "keep-alive" in options)
    return Head(version, status, reason, headers, length, stays_open)


remembered_head = functools.lru_cache(maxsize=64)(parse_head)


def parse_fields(section: bytes) -> Headers:
    """The fields of a head, or of a trailer section (section 5)."""
    if b"\n " in section or b"\n\t" in section:  # seldom, and slow to mend
        section = OBS_FOLD.sub(b" ", section)
    return Headers((name, value.rstrip(" \t")) for name, value in rows(FIELD_LINE, section))


def body_length(method: str, version: str, status: int, headers: Headers) -> int | None:
    """How long the body of a response is: in octets, or `CHUNKED`, or None if it ends when
    the server closes. In the order of section 6.3; a message that can be read in two ways
    is read in none."""
    if method == "HEAD" or status < 200 or status in (204, 304):
        return 0
    codings, lengths = headers.tokens("Transfer-Encoding"), headers.tokens("Content-Length")
    if codings:
        if lengths or version == "1.0" or codings != ["chunked"]:
            raise ProtocolError(f"a body that cannot be read safely: {headers!r}")
        return CHUNKED
    if headers.get("Content-Length") is None:
        return None
    length, *others = {*lengths} or {""}
    if others or not LENGTH.fullmatch(length):
        raise ProtocolError(f"not a length: {headers.get_all('Content-Length')}")
    return int(length)
