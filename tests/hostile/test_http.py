"""HTTP servers that get one thing wrong each."""

import pytest

from protoclients import HTTP
from protoclients.errors import Disconnected, LimitExceeded, ProtocolError, TooSlow
from protoclients.http1 import Response

from .scripts import head, http
from .server import HEAR_HEAD, PATIENCE, RESET, SILENT, Cases, Fails, Script, play, playing


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


FIVE = b"5\r\nhello\r\n"
TEN = b"10\r\n0123456789abcdef\r\n"
HTTP_CASES |= {
    f"a chunk longer than its size, after {count} alike": (
        chunked(before + b"5\r\nhelloXX" + FIVE * 3 + b"0\r\n\r\n"),
        get, Fails(ProtocolError, "longer"))
    for count, before in (*((n, FIVE * n) for n in range(6)), ("odd", FIVE * 2 + TEN + FIVE * 2))
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
