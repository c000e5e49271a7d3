"""protoclients.HTTP against nginx."""

import gzip
import io
import select
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from protoclients import HTTP
from protoclients.errors import Disconnected, LimitExceeded, WireError

from .conftest import Curl
from .nginx import PAGES
from .running import Server

pytestmark = pytest.mark.daemons

LARGE = PAGES["large"]


def http(server: Server) -> HTTP:
    return HTTP(server.host, server.port, timeout=10)


def https(server: Server, trust: ssl.SSLContext) -> HTTP:
    return HTTP(server.host, server.tls_port, timeout=10, tls=trust)


@pytest.fixture(params=["http", "https"])
def client(
    request: pytest.FixtureRequest, nginx: Server, trust: ssl.SSLContext
) -> Iterator[HTTP]:
    """A client, over TCP and over TLS."""
    with http(nginx) if request.param == "http" else https(nginx, trust) as client:
        yield client


def test_a_page_is_what_the_file_is(client: HTTP, nginx: Server) -> None:
    page = client.get("/poem.txt")
    assert (page.version, page.status, page.reason) == ("1.1", 200, "OK")
    assert page.headers.get("content-type") == "text/plain"
    assert page.body == (nginx.place / "site" / "poem.txt").read_bytes()
    assert page.size == len(page.body) == int(page.headers.get("Content-Length") or 0)


def test_head_tells_the_length_and_brings_no_body(client: HTTP) -> None:
    head = client.head("/large")
    assert head.headers.get("Content-Length") == str(len(LARGE))
    assert (head.status, head.body) == (200, b"")
    assert client.get("/not-modified").body == PAGES["not-modified"]


def test_a_chunked_body_is_put_together_and_its_trailer_read(client: HTTP) -> None:
    page = client.get("/chunked")
    assert page.headers.get("Transfer-Encoding") == "chunked"
    assert page.body == b"<p>This is /chunked, in chunks.</p>\n" * 1000
    assert page.trailers.get_all("expires") == ["when the page has ended"]


def test_a_body_that_ends_with_the_connection_is_whole(client: HTTP) -> None:
    page = client.get("/close")
    assert page.headers.get("Content-Length") is None
    assert page.body == b"<p>This is /close, and the end.</p>\n" * 1000
    assert client.get("/nothing").status == 204  # on a new connection


def test_a_coding_that_was_asked_for_is_left_to_the_caller(client: HTTP) -> None:
    page = client.get("/zipped", {"Accept-Encoding": "gzip"})
    assert page.headers.get("Content-Encoding") == "gzip"
    assert gzip.decompress(page.body) == PAGES["zipped"]


def test_204_and_304_have_no_body_and_the_connection_stays(client: HTTP) -> None:
    before = client.wire
    assert client.get("/nothing").status == 204
    tag = client.get("/not-modified").headers.get("ETag") or ""
    again = client.get("/not-modified", {"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert client.get("/not-modified").body == PAGES["not-modified"]
    assert client.wire is before


def test_a_redirect_is_an_answer_and_not_followed(client: HTTP) -> None:
    answer = client.get("/redirect")
    assert (answer.status, answer.headers.get("Location")) == (302, "/poem.txt")


def test_a_part_of_a_page_can_be_asked_for(client: HTTP) -> None:
    part = client.get("/large", {"Range": "bytes=256-260"})
    assert (part.status, part.body) == (206, b"\x00\x01\x02\x03\x04")


def test_post_says_what_it_brings(client: HTTP) -> None:
    answer = client.post("/form", b"a=b", [("Content-Type", "text/x-test")])
    assert answer.body == b"POST text/x-test\n"


def test_put_get_and_delete(client: HTTP) -> None:
    assert client.put("/uploads/note", b"first").status == 201
    assert client.put("/uploads/note", b"second").status == 204
    assert client.get("/uploads/note").body == b"second"
    assert client.delete("/uploads/note").status == 204
    assert client.get("/uploads/note").status == 404


def test_a_method_that_the_server_does_not_know_is_an_answer(client: HTTP) -> None:
    assert client.request("OPTIONS", "/poem.txt").status == 405
    assert client.get("/not-modified").status == 200


def test_a_password_opens_and_a_wrong_one_does_not(client: HTTP, nginx: Server) -> None:
    asked = client.get("/basic-auth")
    assert asked.status == 401
    assert (asked.headers.get("WWW-Authenticate") or "").startswith("Basic ")
    client.login(nginx.user, "wrong")
    assert client.get("/basic-auth").status == 401
    client.login(nginx.user, nginx.password)
    assert client.get("/basic-auth").body == PAGES["basic-auth"]


def test_many_pages_in_one_round_trip(client: HTTP) -> None:
    before = client.wire
    targets = ["/not-modified", "/chunked", "/nothing", "/zipped"] * 25
    pages = client.get_many(targets)
    assert [page.status for page in pages] == [200, 200, 204, 200] * 25
    assert pages[-1].body == PAGES["zipped"]
    assert client.wire is before


def test_what_a_closing_server_left_unanswered_is_named(client: HTTP) -> None:
    with pytest.raises(Disconnected, match="not answered: /zipped /nothing") as caught:
        client.get_many(["/not-modified", "/goodbye", "/zipped", "/nothing"])
    pages = dict(caught.value.done)
    assert list(pages) == ["/not-modified", "/goodbye"]
    assert pages["/goodbye"].body == PAGES["goodbye"]


def test_after_a_goodbye_the_next_request_has_a_new_connection(client: HTTP) -> None:
    assert client.get("/goodbye").headers.get("Connection") == "close"
    assert client.get("/not-modified").body == PAGES["not-modified"]


def test_a_connection_that_the_server_ended_in_silence_is_replaced(client: HTTP) -> None:
    before = client.wire
    assert client.get("/brief").headers.get("Connection") == "keep-alive"
    assert select.select([before], [], [], 10)[0]  # until nginx has had enough
    assert client.put("/uploads/brief", b"content").status in (201, 204)
    assert client.wire is not before


def test_20_mebibytes_down_into_memory_and_into_a_file(client: HTTP) -> None:
    assert client.get("/large").body == LARGE
    file = io.BytesIO()
    page = client.get("/large", into=file)
    assert (page.size, page.body, file.getvalue()) == (len(LARGE), b"", LARGE)


def test_20_mebibytes_up_from_memory_and_from_a_file(client: HTTP, nginx: Server) -> None:
    stored = nginx.place / "site" / "uploads" / "large"
    assert client.put("/uploads/large", LARGE).status in (201, 204)
    assert stored.read_bytes() == LARGE
    assert client.put("/uploads/large", io.BytesIO(LARGE)).status == 204
    assert stored.read_bytes() == LARGE


def test_a_pipe_goes_up_in_chunks(client: HTTP, nginx: Server) -> None:
    with subprocess.Popen(("seq", "1", "200000"), stdout=subprocess.PIPE) as seq:
        assert isinstance(seq.stdout, io.BufferedReader)
        assert client.put("/uploads/sequence", seq.stdout).status in (201, 204)
    lines = (nginx.place / "site" / "uploads" / "sequence").read_bytes().splitlines()
    assert lines == [b"%d" % number for number in range(1, 200_001)]


def test_100_continue_comes_before_the_answer(client: HTTP) -> None:
    answer = client.put("/uploads/continued", b"x" * 500, {"Expect": "100-continue"})
    assert [interim.status for interim in answer.interim] == [100]
    assert answer.status in (201, 204)


def test_a_no_before_the_body_is_out_is_heard(client: HTTP) -> None:
    assert client.put("/uploads/small/large", LARGE).status == 413
    assert client.get("/not-modified").body == PAGES["not-modified"]


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/" + "x" * 20_000, {}, 414),
        ("/poem.txt", {"Cookie": "x" * 40_000}, 400),
        ("/poem.txt", {"Host": "a b"}, 400),
    ],
)
def test_a_request_that_the_server_cannot_bear_gets_its_answer(
    client: HTTP, target: str, headers: dict[str, str], status: int
) -> None:
    assert client.get(target, headers).status == status
    assert client.get("/not-modified").status == 200


def test_a_body_beyond_the_limit_ends_the_connection(client: HTTP) -> None:
    with pytest.raises(LimitExceeded):
        client.get("/large", limit=1000)
    assert client.wire.closed


def test_a_certificate_by_a_stranger_is_refused(nginx: Server) -> None:
    with pytest.raises(WireError, match="certificate"):
        HTTP(nginx.host, nginx.tls_port, tls=True)


def test_a_server_that_speaks_no_tls_is_told_from_one_that_does(
    nginx: Server, trust: ssl.SSLContext
) -> None:
    with pytest.raises(WireError, match="no TLS"):
        HTTP(nginx.host, nginx.port, tls=trust)
    with http(nginx) as client:
        client.close()
    with HTTP(nginx.host, nginx.tls_port) as client:
        assert client.get("/").status == 400  # "sent to HTTPS port", in clear text


def test_curl_gets_the_same_octets(client: HTTP, nginx: Server, curl: Curl) -> None:
    url = f"https://{nginx.host}:{nginx.tls_port}"
    for target in ("/chunked", "/close", "/large", "/nothing", "/redirect"):
        assert client.get(target).body == curl(url + target)
