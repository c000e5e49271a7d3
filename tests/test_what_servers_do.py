"""What servers in use do that an RFC does not have, or that few clients expect.

Seen in Apache, Node's http, mini_httpd, proftpd, pure-ftpd, Exim and aioftp.
"""

import contextlib
import io
import select
import socket
import threading
import time
from typing import Any

import pytest

from protoclients import (
    FTP,
    HTTP,
    NNTP,
    POP3,
    SMTP,
    Disconnected,
    LimitExceeded,
    Limits,
    ProtocolError,
    Refused,
    Telnet,
    TooSlow,
    WireError,
)
from protoclients.fixtures import Lab
from protoclients.http1 import Response
from protoclients.link import is_loopback
from protoclients.wire import Wire

from .hostile.scripts import EPSV, GO, HELLO, NOOP, TYPE, ftp, head
from .hostile.server import (
    END_DATA,
    HEAR,
    HEAR_DOT,
    HEAR_HEAD,
    PATIENCE,
    RESET_DATA,
    SILENT,
    Data,
    Script,
    Step,
    playing,
)

HOST = "127.0.0.1"
OK = b"250 ok\r\n"
LAST_WORDS = {"smtp": b"421 too long\r\n", "ftp": b"421 Idle timeout\r\n"}
LAST_WORDS |= {"nntp": b"400 idle\r\n"}
KINDS: dict[str, Any] = {"ftp": FTP, "nntp": NNTP, "pop3": POP3, "smtp": SMTP}


def wait_for_the_end(wire: Wire) -> None:
    """Until the server has said its last word and hung up."""
    poll = select.poll()
    poll.register(wire, select.POLLRDHUP)
    assert poll.poll(PATIENCE * 1000)


@pytest.mark.parametrize("protocol", LAST_WORDS)
def test_a_server_that_was_tired_of_waiting_has_hung_up(protocol: str) -> None:
    script: Script = [HELLO[protocol], LAST_WORDS[protocol]]
    words = LAST_WORDS[protocol].decode().strip()
    with playing(script) as server:
        client = KINDS[protocol](HOST, server.port, timeout=PATIENCE)
        wait_for_the_end(client.wire)
        with pytest.raises(Disconnected, match=words):
            getattr(client, NOOP[protocol])()


@pytest.mark.parametrize("protocol", LAST_WORDS)
def test_leaving_a_server_that_was_tired_of_waiting_is_no_error(protocol: str) -> None:
    script: Script = [HELLO[protocol], LAST_WORDS[protocol]]
    with (
        playing(script) as server,
        KINDS[protocol](HOST, server.port, timeout=PATIENCE) as client,
    ):
        wait_for_the_end(client.wire)


def test_after_a_408_that_nobody_asked_for_the_request_opens_a_new_connection() -> None:
    answers = [head(b"Connection: close", status=b"HTTP/1.1 408 Request Timeout")]
    answers += [head(b"Content-Length: 2") + b"ok"]
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    if b"408" not in answer:
                        connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        with HTTP(HOST, listener.getsockname()[1], timeout=PATIENCE) as http:
            wait_for_the_end(http.wire)
            assert http.get("/").body == b"ok"
        thread.join(PATIENCE)


def test_a_status_beyond_599_is_a_status() -> None:
    with playing([HEAR_HEAD, head(status=b"HTTP/1.1 999 Request denied")]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(http):
            assert http.get("/").status == 999


@pytest.mark.parametrize("fields", [b"A: b\n\nhi\n", b"A: b\nC: d\r\n", b"\nhi"])
def test_a_bare_lf_in_a_head_is_heard_at_once_though_the_server_stays(
    fields: bytes,
) -> None:
    with playing([HEAR_HEAD, b"HTTP/1.0 200 OK\r\n" + fields, SILENT]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ProtocolError, match="bare LF"):
            http.get("/")


def test_many_requests_may_be_answered_while_the_last_are_still_sent() -> None:
    count, answer = 20_000, head(b"Content-Length: 1") + b"x"
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            held = b""
            with connection:
                while more := connection.recv(4096):
                    *requests, held = (held + more).split(b"\r\n\r\n")
                    connection.sendall(answer * len(requests))

        thread = threading.Thread(target=run)
        thread.start()
        with HTTP(HOST, listener.getsockname()[1], timeout=PATIENCE) as http:
            found: list[Response] = http.get_many(["/" + "x" * 500] * count)
            assert len(found) == count
        thread.join(PATIENCE)


def test_an_answer_too_many_to_many_commands_is_told_at_once() -> None:
    capa = b"+OK\r\nPIPELINING\r\n.\r\n"
    answers = b"+OK\r\n+OK\r\n-ERR which?\r\n"
    with playing([b"+OK hi\r\n", HEAR, capa, HEAR, answers, SILENT]) as server:
        client = POP3(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client), pytest.raises(ProtocolError, match="-ERR which"):
            client.dele_many([1, 2])


def test_an_answer_too_many_to_a_chunk_is_not_the_answer_to_the_last() -> None:
    hello = b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
    script = [b"220 hi\r\n", HEAR, hello, HEAR, HEAR, OK * 2, HEAR, OK * 2, SILENT]
    with playing(script) as server:
        client = SMTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ProtocolError, match="before it was asked"):
            client.send("a@b", ["c@d"], io.BytesIO(b"x\r\n" * 50_000))
        assert client.wire.closed
        client.close()
    assert b"LAST" not in server.heard


@pytest.mark.parametrize("length", ["0", "7"])
def test_a_caller_cannot_make_two_requests_of_one(length: str) -> None:
    with playing([SILENT]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        for headers in ({"Content-Length": length}, {"transfer-encoding": "chunked"}):
            with pytest.raises(ValueError, match="follows from the body"):
                http.post("/", b"0\r\n\r\nGET /", headers)
            with pytest.raises(ValueError, match="follows from the body"):
                http.get("/", {**headers, "Content-Length": "7"})
        http.close()
    assert server.heard == b""


def test_a_length_that_the_caller_knows_is_said_once() -> None:
    with (
        playing([HEAR_HEAD, head(b"Content-Length: 0")]) as server,
        HTTP(HOST, server.port, timeout=PATIENCE) as http,
    ):
        http.post("/", b"hello", {"Content-Length": "5"})
    assert server.heard.lower().count(b"content-length: 5") == 1


def test_a_coding_is_known_by_letters_of_ascii_only() -> None:
    kelvin = "Transfer-Encoding: chun\u212aed".encode()
    with playing([HEAR_HEAD, head(kelvin) + b"0\r\n\r\n"]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(http), pytest.raises(ProtocolError, match="safely"):
            http.get("/")


@pytest.mark.parametrize("end", [END_DATA, RESET_DATA])
def test_ftp_how_much_went_is_in_the_error_when_the_server_gives_an_upload_up(
    end: Step,
) -> None:
    script = ftp(*TYPE, *EPSV, *GO, end, b"552 full\r\n")
    with playing(script) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client), pytest.raises(Refused, match="552") as info:
            client.stor("x", bytes(32 * 1024 * 1024))
    assert isinstance(info.value.done, int)


def test_telnet_a_sink_that_fails_leaves_no_gap_for_the_next_read() -> None:
    class Full(io.BytesIO):
        def write(self, octets: Any) -> int:
            if octets:
                raise ValueError("full")
            return 0

    with playing([b"abc", SILENT]) as server:
        telnet = Telnet(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ValueError, match="full"):
            telnet.read_all(into=Full())
        assert telnet.wire.closed


def test_a_server_that_will_close_is_not_asked_for_more() -> None:
    answer = head(b"Content-Length: 1", b"Connection: close") + b"x"
    with playing([HEAR_HEAD, HEAR_HEAD, answer]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Disconnected, match=r"closes after its last response.*/b"):
            http.get_many(["/a", "/b"])
        http.close()


@pytest.mark.parametrize("code", [b"503", b"530"])
def test_ftp_asks_again_for_protection_where_the_server_wants_a_login_first(
    monkeypatch: pytest.MonkeyPatch, code: bytes
) -> None:
    monkeypatch.setattr(Wire, "start_tls", lambda *_: None)
    refused = [HEAR, code + b" not logged in\r\n"]
    script = ftp(HEAR, b"234 go\r\n", *refused, HEAR, b"331 pw\r\n", HEAR, b"230 in\r\n")
    with playing([*script, *[HEAR, b"200 ok\r\n"] * 2]) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        client.auth_tls()
        client.login("u", "p")
        client.close()
    lines = server.heard.split(b"\r\n")
    assert lines[:-1] == [
        b"AUTH TLS", b"PBSZ 0", b"USER u", b"PASS p", b"PBSZ 0", b"PROT P",
    ]  # fmt: skip


def test_ftp_any_other_no_to_protection_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "start_tls", lambda *_: None)
    script = ftp(HEAR, b"234 go\r\n", HEAR, b"200 ok\r\n", HEAR, b"536 no\r\n")
    with playing(script) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client), pytest.raises(Refused, match="536"):
            client.auth_tls()


def test_only_who_is_called_anonymous_has_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Wire, "peer", property(lambda self: ("192.0.2.1", 9)))
    with playing(ftp(SILENT)) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client), pytest.raises(ValueError, match="cleartext"):
            client.login("anonymous2", "p")


def test_this_machine_is_what_its_addresses_say_and_no_other() -> None:
    here = ("::1", "127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1")
    there = ("::1234", "::1:2", "::ffff:192.0.2.1", "1.127.0.1", "::", "fe80::1")
    assert all(map(is_loopback, here))
    assert not any(map(is_loopback, there))


def test_ftp_sends_nothing_in_clear_that_was_to_be_protected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Wire, "start_tls", lambda *_: None)
    script = ftp(HEAR, b"234 go\r\n", HEAR, b"503 no\r\n", HEAR, b"200 type\r\n")
    with playing(script) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        client.auth_tls()
        with pytest.raises(ProtocolError, match="in clear"):
            client.retr("x")


CHUNKS = [b"220 hi\r\n", HEAR, b"250-x\r\n250 CHUNKING\r\n", HEAR, OK, HEAR, OK]
PIPELINED = [
    b"220 hi\r\n",
    HEAR,
    b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    HEAR,
    HEAR,
]


@pytest.mark.parametrize("script", [CHUNKS, [*PIPELINED, OK * 2]], ids=["", "pipelined"])
@pytest.mark.parametrize("no", [b"552 full\r\n", b"451 later\r\n"])
def test_smtp_after_a_no_to_a_chunk_there_is_no_last_and_no_doubt(
    script: list[Step], no: bytes
) -> None:
    with playing([*script, HEAR, no, SILENT]) as server:
        client = SMTP(HOST, server.port, timeout=0.5)
        with pytest.raises((Refused, WireError)) as info:
            client.send("a@b", ["c@d"], io.BytesIO(b"x" * 78 + b"\r\n" * 400_000))
        client.close()
    assert b"LAST" not in server.heard
    assert "deliver" not in str(info.value)


def test_smtp_a_421_to_one_of_many_chunks_is_what_is_told() -> None:
    script = [*PIPELINED, OK * 2, HEAR, b"421 bye\r\n", SILENT]
    with playing(script) as server:
        client = SMTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Refused, match="421"):
            client.send("a@b", ["c@d"], io.BytesIO(b"x" * 78 + b"\r\n" * 100_000))
        assert client.wire.closed


def test_http_a_connection_that_was_closed_stays_closed() -> None:
    last = head(b"Connection: close", b"Content-Length: 0")
    with playing([HEAR_HEAD, last]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        http.get("/")
        http.close()
        with pytest.raises(Disconnected):
            http.get("/")


def test_http_a_login_after_the_last_response_opens_a_new_connection() -> None:
    last = head(b"Connection: close", b"Content-Length: 0")
    with socket.create_server((HOST, 0)) as listener:
        heard: list[bytes] = []

        def run() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(last)

        thread = threading.Thread(target=run)
        thread.start()
        with HTTP(HOST, listener.getsockname()[1], timeout=PATIENCE) as http:
            http.get("/")
            http.login("u", "p")
            http.get("/")
        thread.join(PATIENCE)
    assert b"Authorization: Basic dTpw" in heard[1]


@pytest.mark.parametrize("silent", [False, True])
def test_ftp_in_active_mode_the_data_connection_has_the_same_limits_and_clock(
    silent: bool,
) -> None:
    over = threading.Event()
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"220 hi\r\n")
                connection.recv(999)
                connection.sendall(b"200 type\r\n")
                *_, high, low = connection.recv(999).split()[1].split(b",")
                connection.sendall(b"200 port\r\n")
                connection.recv(999)
                connection.sendall(b"150 go\r\n")
                where = HOST, int(high) * 256 + int(low)
                with socket.create_connection(where) as data:
                    data.sendall(b"hello")
                    over.wait(PATIENCE)

        thread = threading.Thread(target=run)
        thread.start()
        timeout, body = (0.3, 9) if silent else (PATIENCE, 4)
        limits = Limits(body=body)
        port = listener.getsockname()[1]
        client = FTP(HOST, port, timeout=timeout, passive=False, limits=limits)
        began = time.monotonic()
        with pytest.raises(TooSlow if silent else LimitExceeded):
            client.retr("x")
        assert time.monotonic() - began < 4
        over.set()
        thread.join(PATIENCE)


def test_nntp_neither_over_nor_xover_is_asked_for_once_each() -> None:
    no = [HEAR, b"500 what\r\n"]
    with playing([b"200 hi\r\n", *no * 3]) as server:
        client = NNTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            for _ in range(2):
                with pytest.raises(Refused, match="500"):
                    client.over(1)
    assert server.heard == b"OVER 1\r\nXOVER 1\r\nXOVER 1\r\n"


def test_nntp_a_yes_before_the_article_was_heard_is_none() -> None:
    script = [b"200 hi\r\n", HEAR, b"340 go\r\n", HEAR, b"240 ok\r\n", SILENT]
    with playing(script) as server:
        client = NNTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ProtocolError, match="heard all"):
            client.post((b"x" * 998 + b"\r\n") * 30_000)


def test_http_a_login_gives_way_to_what_the_caller_says() -> None:
    with (
        playing([HEAR_HEAD, head(b"Content-Length: 0")]) as server,
        HTTP(HOST, server.port, timeout=PATIENCE) as http,
    ):
        http.login("u", "p")
        http.get("/", {"authorization": "Bearer x"})
        with pytest.raises(ValueError, match="colon"):
            http.login("a:b", "p")
    assert b"authorization: Bearer x\r\n" in server.heard
    assert b"Basic" not in server.heard


def test_http_what_a_caller_does_to_a_head_is_forgotten_with_it() -> None:
    early = head(b"A: 17", status=b"HTTP/1.1 103 Early")
    answer = early + head(b"A: 17", b"Content-Length: 0")
    with (
        playing([HEAR_HEAD, answer, HEAR_HEAD, answer]) as server,
        HTTP(HOST, server.port, timeout=PATIENCE) as http,
    ):
        first = http.get("/")
        first.headers.clear()
        first.interim[0].headers.clear()
        again = http.get("/")
    assert (again.headers.get("a"), again.interim[0].headers.get("a")) == ("17", "17")


def test_http_patch_without_a_body_says_so() -> None:
    with (
        playing([HEAR_HEAD, head(b"Content-Length: 0")]) as server,
        HTTP(HOST, server.port, timeout=PATIENCE) as http,
    ):
        http.request("PATCH", "/")
    assert b"Content-Length: 0\r\n" in server.heard


def test_smtp_an_umlaut_in_the_text_alone_needs_no_smtputf8() -> None:
    hello = b"250-x\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"
    script = [b"220 hi\r\n", HEAR, hello, HEAR, OK, HEAR, OK, HEAR, b"354 go\r\n"]
    with playing([*script, HEAR_DOT, OK]) as server:
        client = SMTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            client.send("a@b", ["c@d"], "Subject: x\r\n\r\ncaf\u00e9\r\n".encode())
    assert b"MAIL FROM:<a@b> BODY=8BITMIME\r\n" in server.heard


@pytest.mark.parametrize("end", [[], [SILENT]])
def test_what_came_before_the_end_of_the_clock_is_in_the_error(end: list[Step]) -> None:
    with playing([b"Welcome", *end]) as server:
        telnet = Telnet(HOST, server.port, timeout=0.5)
        with pytest.raises(WireError) as info:
            telnet.read_until(b"login: ")
    assert info.value.done == b"Welcome"
    with playing([b"+OK hi\r\n", HEAR, b"+OK\r\n1 a\r\n2 b\r\n3 ", *end]) as server:
        pop3 = POP3(HOST, server.port, timeout=0.5)
        with pytest.raises(WireError) as info:
            pop3.uidl()
    assert info.value.done == [(1, "a"), (2, "b")]
    with playing([HEAR_HEAD, head(b"Content-Length: 10") + b"hello", *end]) as server:
        http = HTTP(HOST, server.port, timeout=0.5)
        with pytest.raises(WireError) as info:
            http.get("/")
    assert info.value.done == b"hello"


def test_nntp_over_is_xover_where_the_server_knows_no_other() -> None:
    line = b"1\ts\tf\td\t<i@d>\t\t5\t1\r\n"
    answers = [b"500 what\r\n", HEAR, b"224 x\r\n" + line + b".\r\n"]
    script: Script = [b"200 hi\r\n", HEAR, *answers, HEAR, b"224 x\r\n.\r\n"]
    with playing(script) as server:
        client = NNTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            assert [row.number for row in client.over((1, 5))] == [1]
            assert client.over((6, None)) == []
    assert server.heard == b"OVER 1-5\r\nXOVER 1-5\r\nXOVER 6-\r\n"


def test_nntp_listgroup_keeps_to_its_span_where_the_server_does_not() -> None:
    numbers = b"211 x\r\n" + b"".join(b"%d\r\n" % n for n in range(10, 40)) + b".\r\n"
    with playing([b"200 hi\r\n", HEAR, numbers, HEAR, numbers]) as server:
        client = NNTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            assert client.listgroup("g", (1, 12)) == [10, 11, 12]
            assert client.listgroup("g", (38, None)) == [38, 39]


def test_ftp_a_directory_is_made_though_the_server_does_not_say_where() -> None:
    with playing(ftp(HEAR, b"257 \r\n", HEAR, b"250 made\r\n")) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            assert client.mkd("a") == "a"
            assert client.mkd("/b") == "/b"


def test_what_came_before_a_hang_up_is_in_the_error() -> None:
    with playing([HEAR_HEAD, head(b"Content-Length: 10") + b"hello"]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Disconnected, match="5 octets to come") as info:
            http.get("/")
        assert info.value.done == b"hello"


@pytest.mark.parametrize("into", [None, io.BytesIO])
def test_what_came_before_nonsense_or_a_limit_is_in_the_error(into: Any) -> None:
    nonsense = head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\nnonsense\r\n"
    too_much = head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n1000\r\n, wor"
    for said, limit in ((nonsense, None), (too_much, 7)):
        with playing([HEAR_HEAD, said]) as server:
            http = HTTP(HOST, server.port, timeout=PATIENCE)
            with pytest.raises((ProtocolError, LimitExceeded)) as info:
                http.get("/", into=into and into(), limit=limit)
        assert info.value.done == (5 if into else b"hello")


def test_the_lines_that_came_before_a_hang_up_are_in_the_error() -> None:
    with playing([b"+OK hi\r\n", HEAR, b"+OK\r\n1 a\r\n2 b\r\n3 "]) as server:
        client = POP3(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Disconnected) as info:
            client.uidl()
        assert info.value.done == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("end", [END_DATA, RESET_DATA])
def test_ftp_what_came_of_a_transfer_without_a_last_reply_is_in_the_error(
    end: Step,
) -> None:
    with playing(ftp(*TYPE, *EPSV, *GO, Data(b"hel"), end)) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client), pytest.raises(Disconnected) as info:
            client.retr("x")
    assert info.value.done == b"hel"


@pytest.mark.parametrize("end", [END_DATA, RESET_DATA])
def test_ftp_what_came_of_a_transfer_given_up_is_in_the_error(end: Step) -> None:
    given_up = [*EPSV, *GO, Data(b"hel"), end, b"426 cut\r\n"]
    script = ftp(*TYPE, *given_up, *given_up, *TYPE, *given_up, HEAR, b"200 yes\r\n")
    with playing(script) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            with pytest.raises(Refused, match="426") as info:
                client.retr("x")
            assert info.value.done == b"hel"
            with pytest.raises(Refused, match="426") as info:
                client.retr("x", into=io.BytesIO())
            assert info.value.done == 3
            with pytest.raises(Refused, match="426") as info:
                client.nlst()
            assert info.value.done == ["hel"][: end is END_DATA]
            client.noop()


# FTP: a command that comes during a transfer


def test_pyftpdlib_gives_up_a_transfer_and_nobody_takes_the_rest_for_a_file(
    lab: Lab,
) -> None:
    client = FTP(HOST, lab.ftp.port, timeout=PATIENCE)
    client.login(lab.ftp.user, lab.ftp.password)
    first, again = client.retr_many(["README.txt"] * 2)
    assert first == again
    with pytest.raises(ProtocolError, match="ahead=True") as caught:
        client.retr_many(["README.txt"] * 2, ahead=True)
    assert caught.value.done == []
    assert client.wire.closed
