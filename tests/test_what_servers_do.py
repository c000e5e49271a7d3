"""What servers in use do that an RFC does not have, or that few clients expect.

Seen in Apache, Node's http, mini_httpd, proftpd, pure-ftpd, Exim and aioftp.
"""

import contextlib
import io
import select
import socket
import threading
from typing import Any

import pytest

from protoclients import (
    FTP,
    HTTP,
    NNTP,
    POP3,
    SMTP,
    Disconnected,
    ProtocolError,
    Refused,
)
from protoclients.fixtures import Lab
from protoclients.http1 import Response
from protoclients.wire import Wire

from .hostile.scripts import EPSV, GO, HELLO, NOOP, TYPE, ftp, head
from .hostile.server import (
    END_DATA,
    HEAR,
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


def test_a_server_that_will_close_is_not_asked_for_more() -> None:
    answer = head(b"Content-Length: 1", b"Connection: close") + b"x"
    with playing([HEAR_HEAD, HEAR_HEAD, answer]) as server:
        http = HTTP(HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Disconnected, match=r"closes after its last response.*/b"):
            http.get_many(["/a", "/b"])
        http.close()


def test_ftp_asks_again_for_protection_where_the_server_wants_a_login_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Wire, "start_tls", lambda *_: None)
    refused = [HEAR, b"503 not logged in\r\n"]
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
