"""The Lab's HTTP, Telnet and Echo servers, seen by the standard library's clients.

Where a client would be too polite, the test speaks on a bare socket.
"""

import base64
import hashlib
import re
import select
import socket
import ssl
import subprocess
import sys
import telnetlib
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote

import pytest

from protoclients.fixtures import Address, Lab

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    shared_lab.store.uploads.clear()
    return shared_lab


def connect(server: Address) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def converse(server: Address, octets: bytes, step: int = 0) -> bytes:
    """Send the octets, `step` at a time, and nothing more; return what comes back."""
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = step or len(octets) or 1
        for start in range(0, len(octets), step):
            connection.sendall(octets[start : start + step])
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def until(connection: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        piece = connection.recv(65536)
        assert piece, got
        got += piece
    return got


# HTTP


def fetch(
    lab: Lab,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(lab.http.host, lab.http.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"Date: [^\r]*\r\n", b"", answer)


FORKS = """
import os, sys
from protoclients import HTTP
from protoclients.fixtures import Lab
with Lab() as lab:
    if not (child := os.fork()):
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(HTTP(lab.http.host, lab.http.port).get("/").status)
"""


def test_a_forked_child_leaves_the_lab_to_its_parent() -> None:
    done = subprocess.run((sys.executable, "-c", FORKS), capture_output=True, timeout=30)
    assert done.stdout == b"7\n200\n", done.stderr


def test_before_it_runs_it_says_so() -> None:
    with pytest.raises(AttributeError, match="no http before it runs: use `with Lab"):
        _ = Lab().http
    with pytest.raises(AttributeError, match="no attribute 'htpp'"):
        _ = Lab().htpp
    with pytest.raises(ValueError, match="no host"):
        Lab(host="")
    with pytest.raises(ValueError, match="smtp 70000"):
        Lab(ports={"smtp": 70_000})


def test_every_file_of_the_site_is_served_octet_for_octet(lab: Lab) -> None:
    files = [path for path in lab.store.site.rglob("*") if path.is_file()]
    for path in files:
        name = path.relative_to(lab.store.site).as_posix()
        response, body = fetch(lab, "/" + quote(name))
        assert (response.status, body) == (200, path.read_bytes())
    assert {"index.html", "packet.png", "poem.txt"} <= {path.name for path in files}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/packet.png", "image/png"),
        ("/poem.txt", "text/plain; charset=utf-8"),
    ],
)
def test_content_type_follows_the_file_name(lab: Lab, path: str, kind: str) -> None:
    assert fetch(lab, path)[0].getheader("Content-Type") == kind


def test_a_file_of_the_ftp_tree_is_under_files(lab: Lab) -> None:
    name = "-grüße & mehr #1.txt"
    (lab.store.files / name).write_bytes(b"\0\xff" * 100_000)
    response, body = fetch(lab, "/files/" + quote(name))
    assert (response.status, body) == (200, b"\0\xff" * 100_000)


def test_a_directory_lists_links_that_lead_to_its_files(lab: Lab) -> None:
    (lab.store.files / "<new>").mkdir()
    (lab.store.files / "<new>" / "a b&c.txt").write_bytes(b"found")
    response, _ = fetch(lab, "/files/%3Cnew%3E")
    assert response.status == 301
    location = response.getheader("Location") or ""
    listing = fetch(lab, location)[1].decode()
    assert "&lt;new&gt;" in listing
    assert "a b&amp;c.txt" in listing
    (link,) = re.findall('href="[.]/([^"]*)"', listing)
    assert fetch(lab, location + link)[1] == b"found"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/files/../secret.txt",
        "/files/..%2fsecret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/x/../../secret.txt",
        "/files//etc/passwd",
        "/files/%2fetc/passwd",
        "/files/link",
        "/files/linked/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "/%00",
        "/files/%00",
        "/files/" + "x" * 5_000,
        "/files/%ff%fe",
        "/uploads/../secret.txt",
    ],
)
def test_nothing_outside_the_site_and_the_tree_is_served(lab: Lab, path: str) -> None:
    (lab.store.files.parent / "secret.txt").write_text("secret")
    (lab.store.files / "link").symlink_to("/etc/passwd")
    (lab.store.files / "linked").symlink_to("/etc")
    try:
        answer = converse(lab.http, get(path))
    finally:
        (lab.store.files / "link").unlink()
        (lab.store.files / "linked").unlink()
        (lab.store.files.parent / "secret.txt").unlink()
    assert statuses(answer) == [404]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/packet.png",
        "/files/",
        "/chunked",
        "/close",
        "/no-content",
        "/redirect",
        "/form",
        "/basic-auth",
        "/large",
        "/headers",
        "/cookies",
        "/nothing",
    ],
)
def test_head_is_the_head_of_get(lab: Lab, path: str) -> None:
    close = "Connection: close"
    whole = converse(lab.http, get(path, close))
    head = converse(lab.http, get(path, close).replace(b"GET", b"HEAD", 1))
    expected = without_date(whole).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    if path != "/headers":  # its length is that of another request
        assert without_date(head) == expected
    assert head.endswith(b"\r\n\r\n")


def test_chunked_has_extensions_and_the_announced_trailer(lab: Lab) -> None:
    answer = converse(lab.http, get("/chunked"))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"\r\nTrailer: Content-Digest" in head
    body = b""
    while not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.removesuffix(b";kind=verse"), 16)
        assert b";" in size
        body += rest[:length]
        assert rest[length : length + 2] == b"\r\n"
        rest = rest[length + 2 :]
    digest = base64.b64encode(hashlib.sha256(body).digest())
    assert rest == b"0\r\nContent-Digest: sha-256=:" + digest + b":\r\n\r\n"
    assert fetch(lab, "/chunked")[1] == body


def test_close_tells_its_end_by_closing(lab: Lab) -> None:
    answer = converse(lab.http, get("/close") + get("/"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert statuses(answer) == [200]
    assert b"Connection: close" in head
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head
    assert body.endswith(b"ends.\n")


def test_early_hints_come_before_the_answer(lab: Lab) -> None:
    answer = converse(lab.http, get("/early-hints"))
    assert statuses(answer) == [103, 200]
    assert b"\r\nLink: </style.css>; rel=preload" in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("path", ["/early-hints", "/chunked", "/large-chunked"])
def test_http_1_0_gets_no_1xx_and_no_chunks_and_the_connection_ends(
    lab: Lab, path: str
) -> None:
    with connect(lab.http) as connection:
        connection.sendall(get(path, "Expect: 100-continue", version="1.0"))
        answer = read_all(connection)
    assert statuses(answer) == [200]
    assert b"Transfer-Encoding" not in answer
    assert b"Trailer" not in answer


def test_statuses_without_a_body_have_none(lab: Lab) -> None:
    etag = fetch(lab, "/not-modified")[0].getheader("ETag") or ""
    both = get("/no-content") + get("/not-modified", "If-None-Match: " + etag)
    answer = converse(lab.http, both)
    assert statuses(answer) == [204, 304]
    assert b"Content-Length" not in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("known", "status"),
    [('"other"', 200), ("*", 304), ('"other", W/"first-edition"', 304)],
)
def test_if_none_match_is_a_list_of_etags(lab: Lab, known: str, status: int) -> None:
    response, _ = fetch(lab, "/not-modified", headers={"If-None-Match": known})
    assert response.status == status


@pytest.mark.parametrize(
    ("path", "status", "target"),
    [
        ("/redirect", 302, "/poem.txt"),
        ("/moved", 301, "/poem.txt"),
        ("/see-other", 303, "/poem.txt"),
        ("/temporary", 307, "/poem.txt"),
        ("/permanent", 308, "/poem.txt"),
        ("/loop", 302, "/loop"),
    ],
)
def test_redirects(lab: Lab, path: str, status: int, target: str) -> None:
    response, _ = fetch(lab, path)
    assert (response.status, response.getheader("Location")) == (status, target)


def test_307_and_308_send_a_post_to_where_it_can_be_posted_again(lab: Lab) -> None:
    for path in ("/temporary", "/permanent"):
        response, _ = fetch(lab, path, "POST", b"a=1", FORM)
        location = response.getheader("Location") or ""
        assert fetch(lab, location, "POST", b"a=1", FORM)[1] == b"a = 1\n"


def test_urllib_follows_to_the_poem_and_gives_up_on_the_loop(lab: Lab) -> None:
    url = f"http://{lab.http.host}:{lab.http.port}"
    with urllib.request.urlopen(url + "/redirect") as response:
        assert response.read() == (lab.store.site / "poem.txt").read_bytes()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "/loop")
    caught.value.close()
    assert caught.value.code == 302


def test_the_form_answers_its_fields_sorted(lab: Lab) -> None:
    assert b'action="/form"' in fetch(lab, "/form")[1]
    body = b"name=Gr%C3%BC%C3%9Fe&message=two+words&a=&name=B"
    answer = "a = \nmessage = two words\nname = B\nname = Grüße\n"
    assert fetch(lab, "/form", "POST", body, FORM)[1] == answer.encode()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=%ff", FORM["Content-Type"], 400),
        (b"a=\xff", FORM["Content-Type"], 400),
        (b"&".join([b"a=1"] * 2_000), FORM["Content-Type"], 400),
        (b"{}", "application/json", 415),
    ],
)
def test_a_form_that_is_none_is_refused(
    lab: Lab, body: bytes, kind: str, status: int
) -> None:
    response, _ = fetch(lab, "/form", "POST", body, {"Content-Type": kind})
    assert response.status == status


def test_basic_auth_asks_for_the_users_password(lab: Lab) -> None:
    response, _ = fetch(lab, "/basic-auth")
    assert response.status == 401
    assert response.getheader("WWW-Authenticate") == 'Basic realm="lab"'
    for secret, status in ((lab.store.password, 200), ("wrong", 401)):
        token = base64.b64encode(f"{lab.store.user}:{secret}".encode()).decode()
        response, _ = fetch(lab, "/basic-auth", headers={"Authorization": "basic " + token})
        assert response.status == status


def test_cookies_are_two_fields(lab: Lab) -> None:
    cookies = fetch(lab, "/cookies")[0].headers.get_all("Set-Cookie") or []
    assert len(cookies) == 2


def test_headers_answers_the_head_as_it_came(lab: Lab) -> None:
    head = get("/headers", "x-ODD:   spaces\t ", "X-Latin: \xe9")
    assert converse(lab.http, head).partition(b"\r\n\r\n")[2] == head


def test_an_upload_lives_from_put_to_delete(lab: Lab) -> None:
    body, path = bytes(range(256)) * 1_000, "/uploads/new%20name.png"
    seen = [fetch(lab, path)[0].status]
    seen += [fetch(lab, path, "PUT", b"first")[0].status]
    seen += [fetch(lab, path, "PUT", body)[0].status]
    response, got = fetch(lab, path)
    assert (got, response.getheader("Content-Type")) == (body, "image/png")
    assert lab.store.uploads["new name.png"] == body
    seen += [fetch(lab, path, "DELETE")[0].status for _ in range(2)]
    assert seen == [404, 201, 204, 204, 404]


def test_uploads_end_where_the_room_ends(lab: Lab) -> None:
    lab.store.uploads["big"] = bytes(64 * 1024 * 1024)
    assert fetch(lab, "/uploads/one-more", "PUT", b"x")[0].status == 507
    assert fetch(lab, "/uploads/big", "PUT", b"x")[0].status == 204
    assert fetch(lab, "/uploads/one-more", "PUT", b"x")[0].status == 201
    head = b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n"
    assert statuses(converse(lab.http, head)) == [413]


def test_bodies_on_their_way_share_one_room(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protoclients.fixtures.http_request.MAX_ARRIVING", 1_000)
    head = b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n"
    with connect(lab.http) as one, connect(lab.http) as two:
        one.sendall(head + bytes(600))
        two.sendall(head + bytes(600))
        refused = select.select([one, two], [], [], 10)[0][0]
        assert statuses(read_all(refused)) == [503]
        other = two if refused is one else one
        other.sendall(bytes(100))
        assert statuses(until(other, b"Created\n")) == [201]


def test_an_empty_upload_takes_room_too(lab: Lab) -> None:
    lab.store.uploads.update((str(number), b"") for number in range(1_000))
    assert fetch(lab, "/uploads/one-more", "PUT", b"")[0].status == 507


def test_large_has_exactly_the_octets_asked_for(lab: Lab) -> None:
    for octets in (0, 1, 65_535, 65_536, 200_001):
        response, body = fetch(lab, f"/large?octets={octets}")
        assert response.getheader("Content-Length") == str(octets)
        assert len(body) == octets
        assert fetch(lab, f"/large-chunked?octets={octets}")[1] == body
        line = body[:64]
        assert body == (line * (octets // 64 + 1))[:octets]
    assert fetch(lab, "/large", "HEAD")[0].getheader("Content-Length") == "10485760"


@pytest.mark.parametrize("path", ["/large?octets=-1", "/large-chunked?octets=1e3"])
def test_a_number_that_is_none_is_a_bad_request(lab: Lab, path: str) -> None:
    assert fetch(lab, path)[0].status == 400
    assert fetch(lab, "/slow?ms=x")[0].status == 400


def test_slow_answers_in_the_end(lab: Lab) -> None:
    assert fetch(lab, "/slow?ms=20")[1] == b"This took 20 ms.\n"


def test_xmlrpc_calls_and_faults(lab: Lab) -> None:
    url = f"http://{lab.http.host}:{lab.http.port}/xmlrpc"
    proxy: Any = xmlrpc.client.ServerProxy(url)
    with proxy as server:
        assert server.add(40, 2) == 42
        assert server.echo(["Grüße", {"a": 1.5}]) == ["Grüße", {"a": 1.5}]
        title = "Post Office Protocol - Version 3"
        assert server.rfc(1939) == {"number": 1939, "title": title, "year": 1996}
        assert {"add", "echo", "rfc"} <= set(server.system.listMethods())
        for unknown, argument in ((server.rfc, 1), (server.nothing, 1)):
            with pytest.raises(xmlrpc.client.Fault):
                unknown(argument)
    assert b"<fault>" in fetch(lab, "/xmlrpc", "POST", b"no XML")[1]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/poem.txt", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/xmlrpc", 405, "POST, OPTIONS"),
        ("HEAD", "/xmlrpc", 405, "POST, OPTIONS"),
        ("POST", "/uploads/x", 405, "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("OPTIONS", "/form", 204, "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS", "*", 204, "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
        ("DELETE", "/nothing", 404, None),
        ("BREW", "/", 501, None),
    ],
)
def test_a_method_that_is_not_allowed_hears_which_are(
    lab: Lab, method: str, path: str, status: int, allow: str | None
) -> None:
    response, _ = fetch(lab, path, method)
    assert (response.status, response.getheader("Allow")) == (status, allow)


def test_three_requests_use_one_connection(lab: Lab) -> None:
    connection = HTTPConnection(lab.http.host, lab.http.port, timeout=10)
    connection.connect()
    first = connection.sock
    for path in ("/", "/chunked", "/no-content", "/nothing", "/"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


PIPELINE = (
    get("/poem.txt")
    + get("/chunked")
    + b"\r\n"  # one empty line between requests is forgiven
    + b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    + b'2;a="b"\r\na=\r\n1\r\n1\r\n0\r\nX-Trailer: yes\r\n\r\n'
    + b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "
    + b"HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n"
    + b"GET http://elsewhere.example/poem.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    + b"GET /headers HTTP/1.1\nHost: x\n\n"
    + get("/", "Connection: Close")
)


def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    answer = converse(lab.http, PIPELINE)
    assert statuses(answer) == [200, 200, 200, 201, 200, 200, 200, 200]
    assert b"\r\n\r\na = 1\nHTTP/1.1 201" in answer
    assert answer.count((lab.store.site / "poem.txt").read_bytes()) == 2


def test_requests_in_single_octets_are_answered_the_same(lab: Lab) -> None:
    whole = converse(lab.http, PIPELINE)
    lab.store.uploads.clear()
    assert without_date(converse(lab.http, PIPELINE, 1)) == without_date(whole)


def test_expect_is_answered_before_the_body_is_sent(lab: Lab) -> None:
    head = b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
    with connect(lab.http) as connection:
        connection.sendall(head + b"Expect: 100-Continue\r\n\r\n")
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert statuses(until(connection, b"Created\n")) == [201]


@pytest.mark.parametrize(
    ("path", "length", "expect", "status"),
    [
        ("/poem.txt", 10, "100-continue", 405),
        ("/nothing", 10, "100-continue", 404),
        ("/uploads/x", 10**9, "100-continue", 413),
        ("/uploads/x", 10, "miracles", 417),
    ],
)
def test_a_body_that_is_not_wanted_is_refused_before_it_is_sent(
    lab: Lab, path: str, length: int, expect: str, status: int
) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    with connect(lab.http) as connection:
        connection.sendall(f"{head}Expect: {expect}\r\n\r\n".encode())
        answer = read_all(connection)
    assert statuses(answer) == [status]
    assert b"Connection: close" in answer


BOTH_LENGTHS = "Content-Length: 5\r\nTransfer-Encoding: chunked"
BAD_HEADS = [
    ("nonsense", 400),
    ("GET /", 400),
    ("GET  / HTTP/1.1", 400),
    ("GET / HTTP/1.1 ", 400),
    ("GET / http/1.1", 400),
    ("GET /\x80 HTTP/1.1", 400),
    ("GET poem.txt HTTP/1.1\r\nHost: x", 400),
    ("GET * HTTP/1.1\r\nHost: x", 400),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: x", 400),
    ("PRI * HTTP/2.0", 505),
    ("GET / HTTP/1.1", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nHost: x", 400),
    ("GET / HTTP/1.0\r\nHost: x\r\nHost: y", 400),
    ("GET / HTTP/1.1\r\nHost: a b", 400),
    ("GET / HTTP/1.1\r\nHost : x", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: folded\r\n line", 400),
    ("GET / HTTP/1.1\r\n Host: x", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nno colon", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\n: no name", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: nul\0", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: bare\rcr", 400),
    ("GET /" + "x" * 8_000 + " HTTP/1.1\r\nHost: x", 414),
    ("GET /" + "x" * 100_000, 414),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: " + "x" * 8_000, 431),
    ("GET / HTTP/1.1\r\nHost: x\r\nX: " + "x" * 100_000, 431),
    ("GET / HTTP/1.1\r\nHost: x" + "\r\nX: y" * 200, 431),
    ("GET / HTTP/1.1\r\nHost: x" + ("\r\nX: " + "y" * 7_000) * 10, 431),
    ("POST /form HTTP/1.1\r\nHost: x\r\n" + BOTH_LENGTHS, 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: +5", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: -1", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length:", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: " + "9" * 19, 413),
    ("POST /form HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked", 400),
    ("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked", 501),
    ("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:", 400),
]
CHUNKED = "POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = [
    ("0x5", 400),
    ("-1", 400),
    ("+5", 400),
    ("1_0", 400),
    ("", 400),
    (" 5", 400),
    ("5\nhello", 400),
    ("5\r\nhello!", 400),
    ("5\r\nhello\n0", 400),
    ("f" * 17, 400),
    ("f" * 16, 413),
    ("200000", 413),
    ("5;" + "x" * 9_000, 400),
    ("0\r\nbad trailer", 400),
    ("0" + "\r\nX: y" * 200, 431),
]


@pytest.mark.parametrize(
    ("request_text", "status"),
    BAD_HEADS + [(CHUNKED + chunks, status) for chunks, status in BAD_CHUNKS],
    ids=lambda value: repr(value)[:50] if isinstance(value, str) else "",
)
def test_a_wrong_request_gets_one_status_and_the_connection_ends(
    lab: Lab, request_text: str, status: int
) -> None:
    with connect(lab.http) as connection:
        connection.sendall(request_text.encode("latin-1") + b"\r\n\r\n" + get("/"))
        answer = read_all(connection)
    assert statuses(answer) == [status]
    assert b"\r\nConnection: close\r\n" in answer


def test_a_wrong_head_request_gets_no_body(lab: Lab) -> None:
    answer = converse(lab.http, b"HEAD / HTTP/1.1\r\n\r\n")
    assert statuses(answer) == [400]
    assert answer.endswith(b"\r\n\r\n")


def test_the_refusal_of_a_long_body_reaches_a_client_that_sends_it_all(
    lab: Lab,
) -> None:
    response, _ = fetch(lab, "/nothing", "PUT", bytes(1_000_000))
    assert response.status == 404


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_request_cut_off_is_never_obeyed(lab: Lab, cut: int) -> None:
    octets = b"PUT /uploads/cut HTTP/1.1\r\nHost: x\r\nContent-Length: 150\r\n\r\n"
    octets += b"x" * 149
    assert statuses(converse(lab.http, octets[: cut + 1])) == []
    assert lab.store.uploads == {}


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(lab: Lab) -> None:
    for path in ("/large?octets=100000000", "/large-chunked?octets=100000000"):
        with connect(lab.http) as connection:
            connection.sendall(get(path))
            connection.recv(1000)
    assert fetch(lab, "/poem.txt")[0].status == 200


def test_https_is_the_same_server(lab: Lab) -> None:
    context = ssl.create_default_context(cafile=lab.cafile)
    url = f"https://localhost:{lab.http.tls_port}"
    for path in ("/poem.txt", "/close", "/chunked"):
        with urllib.request.urlopen(url + path, context=context) as response:
            assert response.read() == fetch(lab, path)[1]


# Telnet

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
GA, EL, EC, AYT, IP, BRK, DM, NOP = 249, 248, 247, 246, 244, 243, 242, 241
ECHO, SGA, TTYPE, NAWS, BINARY = 1, 3, 24, 31, 0
OPENING = bytes([IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, TTYPE, IAC, DO, NAWS])
AGREE = bytes([IAC, DO, ECHO, IAC, DO, SGA])
REFUSE = bytes([IAC, DONT, ECHO, IAC, DONT, SGA, IAC, WONT, TTYPE, IAC, WONT, NAWS])
LOGIN = b"student\r\nlab-secret\r\n"
SEND_TTYPE = bytes([IAC, SB, TTYPE, 1, IAC, SE])


def subnegotiation(option: int, value: bytes) -> bytes:
    value = value.replace(b"\xff", b"\xff\xff")
    return bytes([IAC, SB, option]) + value + bytes([IAC, SE])


def shell(lab: Lab, commands: bytes, options: bytes = AGREE) -> bytes:
    """What the shell answers after a login, from its first prompt on."""
    answer = converse(lab.telnet, options + LOGIN + commands)
    return answer.partition(b"Try help.\r\n")[2]


def test_telnetlib_logs_in_and_receives_the_octet_255(lab: Lab) -> None:
    with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
        telnet.read_until(b"login: ")
        telnet.write(lab.store.user.encode() + b"\r\n")
        telnet.read_until(b"Password: ")
        telnet.write(lab.store.password.encode() + b"\r\n")
        telnet.read_until(b"lab> ")
        telnet.write(b"echo <\\xff>\r\n")
        assert telnet.read_until(b"lab> ") == b"<\xff>\r\nlab> "
        telnet.write(b"exit\r\n")
        assert telnet.read_all() == b"Goodbye.\r\n"


def test_the_opening_asks_for_four_options(lab: Lab) -> None:
    answer = converse(lab.telnet, b"")
    assert answer.startswith(OPENING)
    assert answer.endswith(b"\r\nlogin: ")
    assert bytes([IAC]) not in answer[len(OPENING) :]


def test_the_password_is_not_echoed_and_the_name_is(lab: Lab) -> None:
    answer = converse(lab.telnet, AGREE + LOGIN + b"exit\r\n")
    assert b"login: student\r\nPassword: \r\nWelcome" in answer
    assert answer.endswith(b"lab> exit\r\nGoodbye.\r\n")


def test_backspace_in_a_password_shows_nothing_and_counts(lab: Lab) -> None:
    typed = b"student\r\nlab-seX\x7fcret" + bytes([IAC, AYT]) + b"\r\n"
    answer = converse(lab.telnet, AGREE + typed)
    assert b"Welcome" in answer
    assert b"lab-se" not in answer
    assert b"\b" not in answer


def test_three_wrong_passwords_end_the_connection(lab: Lab) -> None:
    with connect(lab.telnet) as connection:
        connection.sendall(b"student\r\nwrong\r\n" * 3 + LOGIN)
        answer = read_all(connection)
    assert answer.count(b"Login incorrect\r\n") == 3
    assert b"Welcome" not in answer


def test_a_client_that_refuses_everything_is_served_too(lab: Lab) -> None:
    answer = converse(lab.telnet, REFUSE + LOGIN + b"echo \\xff\r\noptions\r\nexit\r\n")
    go_ahead = bytes([IAC, GA])
    assert b"student" not in answer
    assert b"lab> " + go_ahead + b"\xff\xff\r\n" in answer
    assert answer.count(go_ahead) == 4  # all prompts but the first
    assert b"ECHO    no     no\r\n" in answer
    assert b"TTYPE   no     no\r\n" in answer
    assert answer.endswith(b"Goodbye.\r\n")
    verbs = answer.replace(b"\xff\xff", b"")[len(OPENING) :]
    assert not re.search(rb"\xff[\xfa-\xfe]", verbs)


SESSION = (
    bytes([IAC, WILL, TTYPE, IAC, WILL, NAWS])
    + subnegotiation(NAWS, bytes([0, 255, 255, 255]))
    + AGREE
    + b"student\r\0lab-secret\n"
    + subnegotiation(TTYPE, b"\0XTERM-256COLOR")
    + b"size\r\nterm\r\n"
    + b"echo abd\x7fc\x08c\r\n"
    + b"echo \xff\xff\\xFF\\x0d|\r\n"
    + bytes([IAC, NOP, IAC, DM, IAC, AYT])
    + b"options\r\nhelp\r\nlogout\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_session_in_pieces_is_answered_like_the_whole_one(lab: Lab, step: int) -> None:
    whole = converse(lab.telnet, SESSION)
    assert b"255 columns, 65535 rows\r\n" in whole
    assert b"XTERM-256COLOR\r\n" in whole
    assert b"abc\r\nlab> " in whole
    assert b"\xff\xff\xff\xff\r\0|\r\n" in whole
    assert whole.endswith(b"Goodbye.\r\n")
    assert converse(lab.telnet, SESSION, step) == whole


def test_the_terminal_type_is_asked_for_once(lab: Lab) -> None:
    answer = converse(lab.telnet, bytes([IAC, WILL, TTYPE]) * 3)
    assert answer.count(SEND_TTYPE) == 1


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ((WILL, 5), (DONT, 5)),  # STATUS and 200: unknown here
        ((DO, 200), (WONT, 200)),
        ((WILL, ECHO), (DONT, ECHO)),  # he must not echo, we do
        ((DO, BINARY), (WILL, BINARY)),
        ((WILL, BINARY), (DO, BINARY)),
        ((WILL, SGA), (DO, SGA)),
        ((DO, ECHO), ()),  # the answer to our own question
        ((DONT, ECHO), ()),
        ((WONT, TTYPE), ()),
        ((WONT, 200), ()),  # already so
        ((DONT, 200), ()),
        ((DO, TTYPE), (WONT, TTYPE)),
    ],
)
def test_an_option_is_answered_by_the_q_method(
    lab: Lab, said: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    expected = bytes([IAC, *answer]) if answer else b""
    before = converse(lab.telnet, b"")
    assert converse(lab.telnet, bytes([IAC, *said])) == before + expected


def test_an_option_can_be_given_up_and_taken_again(lab: Lab) -> None:
    said = bytes([IAC, DO, ECHO, IAC, DONT, ECHO, IAC, DONT, ECHO, IAC, DO, ECHO] * 2)
    answer = converse(lab.telnet, said)
    # the first DO is an answer; from then on each change is confirmed once
    changes = bytes([IAC, WONT, ECHO, IAC, WILL, ECHO, IAC, WONT, ECHO, IAC, WILL, ECHO])
    assert answer.endswith(b"login: " + changes)


@pytest.mark.parametrize("end", [b"\r\n", b"\r\0", b"\n", b"\r"])
def test_every_kind_of_line_end_ends_one_line(lab: Lab, end: bytes) -> None:
    answer = shell(lab, b"echo a" + end + b"echo b" + end)
    assert answer == b"lab> echo a\r\na\r\nlab> echo b\r\nb\r\nlab> "


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (b"echo ax\x7f", b"echo ax\b \b\r\na\r\n"),
        (b"echo ax\x08", b"echo ax\b \b\r\na\r\n"),
        (b"echo ax\xff\xf7", b"echo ax\b \b\r\na\r\n"),
        (b"\x7f\x7fecho a", b"echo a\r\na\r\n"),
        ("echo aü\x7f".encode(), "echo aü\b \b\r\na\r\n".encode()),
        (b"junk\xff\xf8echo a", b"junk\r\nlab> echo a\r\na\r\n"),  # EL
        (b"junk\xff\xf4echo a", b"junk\r\nlab> echo a\r\na\r\n"),  # IP
        (b"junk\xff\xf3echo a", b"junk\r\nlab> echo a\r\na\r\n"),  # BRK
        (b"ec\xff\xf6ho a", b"ec\r\n[Yes, I am here.]\r\nlab> echo a\r\na\r\n"),
        (b"e\xff\xf1\xff\xf2\xff\xf5\xff\xf0\xff\x01cho a", b"echo a\r\na\r\n"),
        (b"e\0\x01c\x1bho a", b"echo a\r\na\r\n"),
        (b"wrong", b"wrong\r\nwrong: unknown command. Try help.\r\n"),
        (b"", b"\r\n"),
        (b"  ECHO  a", b"  ECHO  a\r\n a\r\n"),
    ],
)
def test_a_line_is_edited_as_it_is_typed(lab: Lab, typed: bytes, shown: bytes) -> None:
    assert shell(lab, typed + b"\r\n") == b"lab> " + shown + b"lab> "


def test_urgent_data_mark_stays_in_its_place(lab: Lab) -> None:
    with connect(lab.telnet) as connection:
        connection.sendall(AGREE + b"stu" + bytes([IAC]))
        connection.send(bytes([DM]), socket.MSG_OOB)
        connection.sendall(b"dent\r\n")
        assert b"login: student\r\n" in until(connection, b"Password: ")


def test_a_line_has_a_limit(lab: Lab) -> None:
    answer = shell(lab, b"echo " + b"x" * 5_000 + b"\r\n", b"\xff\xfd\x03")
    assert answer == b"lab> " + b"x" * 1_019 + b"\r\nlab> "


@pytest.mark.parametrize(
    ("said", "command", "answer"),
    [
        (bytes([IAC, WILL, NAWS]), b"size", b"unknown"),
        (subnegotiation(NAWS, bytes([0, 80, 0, 24])), b"size", b"unknown"),  # not agreed
        (
            bytes([IAC, WILL, NAWS]) + subnegotiation(NAWS, bytes([0, 80, 0, 24])),
            b"size",
            b"80 columns, 24 rows",
        ),
        (bytes([IAC, WILL, NAWS]) + subnegotiation(NAWS, b"\0"), b"size", b"unknown"),
        (
            bytes([IAC, WILL, TTYPE]) + subnegotiation(TTYPE, b"\0" + b"X" * 9_999),
            b"term",
            b"unknown",
        ),
        (
            bytes([IAC, WILL, TTYPE]) + subnegotiation(TTYPE, b"\0A\r\nB"),
            b"term",
            b"unknown",
        ),
    ],
)
def test_subnegotiations_are_believed_if_they_are_agreed_on_and_right(
    lab: Lab, said: bytes, command: bytes, answer: bytes
) -> None:
    assert shell(lab, command + b"\r\n", said).endswith(answer + b"\r\nlab> ")


def test_a_binary_cr_is_sent_alone(lab: Lab) -> None:
    binary = bytes([IAC, DO, BINARY])
    assert b"a\rb\r\n" in shell(lab, b"echo a\\x0db\r\n", binary)
    assert b"a\r\0b\r\n" in shell(lab, b"echo a\\x0db\r\n", b"")


def test_date_is_in_utc(lab: Lab) -> None:
    answer = shell(lab, b"date\r\n")
    assert re.search(rb"\r\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\r\n", answer)


def test_a_storm_of_options_ends_with_the_client(lab: Lab) -> None:
    storm = bytes([IAC, WILL, 99, IAC, DO, 99, IAC, SB, IAC]) * 10_000
    answer = converse(lab.telnet, storm)
    assert answer.startswith(OPENING)
    assert shell(lab, b"echo a\r\n").endswith(b"a\r\nlab> ")


# Echo


def test_echo_sends_back_everything_after_the_client_has_finished(lab: Lab) -> None:
    octets = bytes(range(256)) * 500
    assert converse(lab.echo, octets) == octets
    assert converse(lab.echo, b"") == b""


def test_echo_does_not_read_from_a_client_that_does_not_read(lab: Lab) -> None:
    block, sent = bytes(65536), 0
    with connect(lab.echo) as connection:
        connection.setblocking(False)
        while select.select([], [connection], [], 0.3)[1]:
            sent += connection.send(block)
            assert sent < 64 * 1024 * 1024
        connection.settimeout(10)
        connection.shutdown(socket.SHUT_WR)
        assert len(read_all(connection)) == sent


@pytest.mark.parametrize("size", [0, 1, 1_400, 60_000])
def test_echo_sends_a_datagram_back(lab: Lab, size: int) -> None:
    datagram = bytes(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(datagram, (lab.echo.host, lab.echo.port))
        assert client.recvfrom(65536) == (datagram, (lab.echo.host, lab.echo.port))
