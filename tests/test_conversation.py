"""Conversations: nothing heard is lost, whoever speaks, and however it was cut."""

import asyncio
import base64
import ftplib
import hashlib
import html
import http.client
import io
import os
import poplib
import re
import signal
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Telnet, echo
from protoclients.conversation import GRAMMARS, Conversation, Listener, conversations
from protoclients.fixtures import Lab
from protoclients.grammar.telling import Telling
from protoclients.jobs import Job, all_jobs
from protoclients.recorder import Call, Recording, record

from .spoken import (
    by_socket,
    by_step,
    bytewise,
    call,
    dialogue,
    essence,
    kinds,
    numbered,
    only,
    shown,
)

WHOLE = 1 << 24  # octets of a call: more than any here has


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    shared_lab.reset()
    return shared_lab


@pytest.fixture
def trusting(shared_lab: Lab) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=shared_lab.cafile)


def secrets_of(lab: Lab) -> list[str]:
    """The password, in every form in which it may cross the wire."""
    user, password = lab.smtp.user, lab.smtp.password
    forms = [password, f"\0{user}\0{password}", f"{user}:{password}"]
    return [password, *(base64.b64encode(form.encode()).decode() for form in forms)]


def all_that_is_shown(talk: Conversation) -> str:
    texts = [str(talk), talk._repr_html_(), repr([step.shown() for step in talk.steps])]
    return "\n".join(
        texts + [f"{s.before}{s.after}{s.meaning}{s.notes}" for s in talk.steps]
    )


def check(recording: Recording, lab: Lab) -> list[Conversation]:
    """What holds for every recording."""
    talks = recording.conversations
    assert by_step(talks) == by_socket(recording.calls)
    for talk in talks:
        assert talk.protocol != "unknown"
        assert [step.number for step in talk.steps] == list(range(1, len(talk.steps) + 1))
        for secret in secrets_of(lab):
            assert secret not in all_that_is_shown(talk)
        for step in talk.steps:
            assert step.kind != "unknown"
            assert step.calls
            assert step.meaning or step.speaker == "-"
            assert len(step.secrets) == len(step.hidden)
            assert not any("nobody asked" in note for note in step.notes)
            assert not any("its end was not heard" in note for note in step.notes)
    return talks


# Every job of every protocol, by hand and by library


@pytest.mark.parametrize("side", ["by_hand", "by_library"])
@pytest.mark.parametrize("job", all_jobs(), ids=lambda job: f"{job.protocol}-{job.name}")
def test_every_job_is_understood_to_the_last_octet(lab: Lab, job: Job, side: str) -> None:
    with record(limit=WHOLE) as recording:
        getattr(job, side)(lab)
    talks = check(recording, lab)
    assert job.protocol in {talk.protocol for talk in talks}
    if sum(c.size for c in recording.calls) < 10_000:
        cut = conversations(bytewise(recording.calls))
        assert [essence(talk) for talk in cut] == [essence(talk) for talk in talks]


# One session a protocol, line by line


def lines_of(recording: Recording) -> list[str]:
    """The first line of each step, with what differs from run to run left out."""
    (talk,) = recording.conversations
    firsts = [f"{s.speaker} {s.kind}: {s.shown().splitlines()[0]}" for s in talk.steps]
    firsts = [first.replace("\u2039", "<<").replace("\u203a", ">>") for first in firsts]
    firsts = [re.sub(r"127\.0\.0\.1:[0-9]+", "HOST:PORT", first) for first in firsts]
    return [re.sub("<[0-9a-f]{16}@.*>", "<STAMP>", first) for first in firsts]


def test_a_pop3_session_step_by_step(lab: Lab) -> None:
    with record() as recording, POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        pop3.list(1)
        pop3.retr(1)
        pop3.dele(1)
        pop3.rset()
    count, octets = next(s.text for s in recording.conversations[0].steps if "(" in s.text)[
        4:
    ].split(" messages (")
    assert lines_of(recording) == [
        "- connect: connect to HOST:PORT",
        "S reply: +OK POP3 server ready <STAMP>",
        "C command: USER student",
        "S reply: +OK send PASS",
        "C command: PASS <<10 octets hidden>>",
        f"S reply: +OK {count} messages ({octets}",
        "C command: LIST 1",
        "S reply: +OK 1 1231",
        "C command: RETR 1",
        "S reply: +OK 1231 octets",
        "S block: Return-Path: <lecturer@example.test>",
        "C command: DELE 1",
        "S reply: +OK message 1 deleted",
        "C command: RSET",
        f"S reply: +OK {count} messages ({octets}",
        "C command: QUIT",
        "S reply: +OK POP3 server signing off",
        "- close: the client closes",
    ]


def test_an_smtp_session_step_by_step(lab: Lab) -> None:
    with record() as recording:
        client = smtplib.SMTP(lab.smtp.host, lab.smtp.port, local_hostname="desk")
        client.login(lab.smtp.user, lab.smtp.password, initial_response_ok=False)
        client.sendmail(
            "a@example.test", [f"{lab.smtp.user}@example.test"], "Subject: x\n\n.\n"
        )
        client.quit()
    # Python 3.11 says FROM: and TO:, later ones from: and to:
    lines = "\n".join(lines_of(recording)).replace("FROM:", "from:").replace("TO:", "to:")
    assert lines.split("\n") == [
        "- connect: connect to HOST:PORT",
        "S reply: 220 lab.example.test ESMTP protoclients Lab",
        "C command: ehlo desk",
        "S reply: 250-lab.example.test",
        "C command: AUTH CRAM-MD5",
        next(line for line in lines_of(recording) if "334" in line),
        "C command: <<56 octets hidden>>",
        "S reply: 235 2.7.0 Authentication successful",
        "C command: mail from:<a@example.test> size=17",
        "S reply: 250 OK",
        "C command: rcpt to:<student@example.test>",
        "S reply: 250 OK",
        "C command: data",
        "S reply: 354 End data with <CR><LF>.<CR><LF>",
        "C block: Subject: x",
        "S reply: 250 OK, delivered",
        "C command: quit",
        "S reply: 221 Bye",
        "- close: the client closes",
    ]
    block = next(s for s in recording.conversations[0].steps if s.kind == "block")
    assert block.data == b"Subject: x\r\n\r\n..\r\n.\r\n"


def test_an_nntp_session_step_by_step(lab: Lab) -> None:
    with record() as recording, NNTP(lab.nntp.host, lab.nntp.port) as nntp:
        nntp.group("lab.announce")
        nntp.over((1, 2))
        nntp.next()
    assert lines_of(recording) == [
        "- connect: connect to HOST:PORT",
        "S reply: 200 protoclients Lab news server ready, posting allowed",
        "C command: GROUP lab.announce",
        "S reply: 211 8 1 9 lab.announce",
        "C command: OVER 1-2",
        "S reply: 224 overview information follows",
        next(line for line in lines_of(recording) if line.startswith("S block: 1\t")),
        "C command: NEXT",
        next(line for line in lines_of(recording) if line.startswith("S reply: 223 2 ")),
        "C command: QUIT",
        "S reply: 205 connection closing",
        "- close: the client closes",
    ]


def test_an_ftp_session_step_by_step(lab: Lab) -> None:
    with record() as recording:
        client = ftplib.FTP()
        client.connect(lab.ftp.host, lab.ftp.port)
        client.login(lab.ftp.user, lab.ftp.password)
        client.retrbinary("RETR README.txt", lambda data: None)
        client.quit()
    lines = [re.sub(r"\(.*\)", "(ADDRESS)", line) for line in lines_of(recording)]
    lines = [re.sub("reply: 1.*", "reply: 1..", line) for line in lines]  # 125 or 150
    (talk,) = recording.conversations
    channels = [f"{s.channel} {line}" for s, line in zip(talk.steps, lines, strict=True)]
    assert [line for line in channels if not line.startswith("data")] == [
        "control - connect: connect to HOST:PORT",
        "control S reply: 220 protoclients Lab FTP server ready",
        "control C command: USER student",
        "control S reply: 331 Username ok, send password.",
        "control C command: PASS <<10 octets hidden>>",
        "control S reply: 230 Login successful.",
        "control C command: TYPE I",
        "control S reply: 200 Type set to: Binary.",
        "control C command: PASV",
        "control S reply: 227 Entering passive mode (ADDRESS).",
        "control C command: RETR README.txt",
        "control S reply: 1..",
        "control S reply: 226 Transfer complete.",
        "control C command: QUIT",
        "control S reply: 221 Goodbye.",
        "control - close: the client closes",
    ]
    data = [step for step in talk.steps if step.channel == "data"]
    assert [step.kind for step in data] == ["connect", "data", "close", "close"]
    assert "for RETR README.txt" in data[1].notes
    assert data[1].data == (lab.store.files / "README.txt").read_bytes()
    assert talk.connections == 2


def test_an_http_session_step_by_step(lab: Lab) -> None:
    with record() as recording:
        client = http.client.HTTPConnection(lab.http.host, lab.http.port)
        client.request("GET", "/chunked")
        client.getresponse().read()
        client.close()
    assert lines_of(recording) == [
        "- connect: connect to HOST:PORT",
        "C head: GET /chunked HTTP/1.1",
        "S head: HTTP/1.1 200 OK",
        "S chunk: 25;kind=verse",
        "S chunk: 2a;kind=verse",
        "S chunk: 28;kind=verse",
        "S chunk: 26;kind=verse",
        "S chunk: 0",
        next(line for line in lines_of(recording) if "trailer" in line),
        "- close: the client closes",
    ]


def test_a_telnet_session_step_by_step(lab: Lab) -> None:
    with record() as recording, Telnet(lab.telnet.host, lab.telnet.port) as telnet:
        telnet.read_until(b"login: ")
        telnet.write(b"student\r\n")
        telnet.read_until(b"Password: ")
        telnet.write(lab.telnet.password.encode() + b"\r\n")
        telnet.read_until(b"lab> ")
        telnet.write(b"exit\r\n")
        telnet.read_all()
    (talk,) = check(recording, lab)
    typed = [
        step.shown() for step in talk.steps if f"{step.speaker} {step.kind}" == "C data"
    ]
    assert typed == [
        "student",
        "\u203910 octets hidden\u203a",
        "exit",
    ]
    said = [step.text for step in talk.steps if step.kind == "negotiation"]
    assert said[:4] == ["IAC WILL ECHO", "IAC WILL SGA", "IAC DO TTYPE", "IAC DO NAWS"]


def test_echo_step_by_step(lab: Lab) -> None:
    with record() as recording:
        echo.tcp_client(lab.echo.host, lab.echo.port, b"hello")
        echo.udp_client(lab.echo.host, lab.echo.port, b"hello")
    tcp, udp = recording.conversations
    assert shown(tcp) == shown(udp) == ["C: hello", "S: hello"]
    assert kinds(tcp) == ["C data", "S data"]
    assert kinds(udp) == ["C datagram", "S datagram"]
    assert tcp.steps[1].after == "5 octets on their way"
    assert (udp.transport, udp.server[1], udp.round_trips) == ("udp", lab.echo.port, 1)


# FTP's data connections


def one_transfer(lab: Lab, **known: Any) -> Conversation:
    with record() as recording, FTP(lab.ftp.host, lab.ftp.port, **known) as ftp:
        ftp.login(lab.ftp.user, lab.ftp.password)
        ftp.stor("new.bin", b"octets")
        ftp.nlst()
    (talk,) = check(recording, lab)
    return talk


@pytest.mark.parametrize("passive", [True, False])
def test_data_connections_belong_to_the_control_connection(lab: Lab, passive: bool) -> None:
    talk = one_transfer(lab, passive=passive)
    data = [step for step in talk.steps if step.kind == "data"]
    assert [step.notes[0] for step in data] == ["for STOR new.bin", "for NLST"]
    assert [step.speaker for step in data] == ["C", "S"]
    assert data[0].data == b"octets"
    assert talk.connections == 3
    stor = next(step.number for step in talk.steps if step.text == "STOR new.bin")
    whole = next(step.number for step in talk.steps if step.text.startswith("226"))
    assert stor < data[0].number < whole


def test_eprt_announces_a_port_too() -> None:
    calls = [
        *dialogue("S: 220 FTP\nC: EPRT |1|127.0.0.1|5001|\nS: 200 OK\nC: NLST\nS: 150 OK"),
        call(
            "accept", socket=2, local=("127.0.0.1", 5001), result="socket 3 from ('x', 1)"
        ),
        call("recv", b"name\r\n", socket=3, local=("127.0.0.1", 5001), remote=("x", 1)),
        call("recv", socket=3),
        call("recv", b"226 whole\r\n"),
    ]
    (talk,) = conversations(numbered(calls))
    assert [step.text for step in talk.steps if step.channel == "data"][1] == "name"


def test_data_over_tls_is_read_as_well(lab: Lab, trusting: ssl.SSLContext) -> None:
    with record() as recording, FTP("localhost", lab.ftp.port) as ftp:
        ftp.auth_tls(trusting)
        ftp.login(lab.ftp.user, lab.ftp.password)
        ftp.nlst()
    (talk,) = check(recording, lab)
    assert [s.kind for s in talk.steps if s.channel == "data"][:3] == [
        "connect",
        "tls",
        "data",
    ]


# TLS


def test_starttls_resets_the_state_of_each_protocol(
    lab: Lab, trusting: ssl.SSLContext
) -> None:
    with record() as recording:
        with SMTP("localhost", lab.smtp.port) as smtp:
            smtp.ehlo()
            smtp.starttls(trusting)
            smtp.login(lab.smtp.user, lab.smtp.password, "LOGIN")
        with POP3("localhost", lab.pop3.port) as pop3:
            pop3.stls(trusting)
            pop3.login(lab.pop3.user, lab.pop3.password)
        with NNTP("localhost", lab.nntp.port) as nntp:
            nntp.starttls(trusting)
            nntp.login(lab.nntp.user, lab.nntp.password)
    talks = check(recording, lab)
    states = [next((s.before, s.after) for s in t.steps if s.kind == "tls") for t in talks]
    assert states[0] == ("greeted", "connected")
    assert states[1] == ("AUTHORIZATION", "AUTHORIZATION")


def test_tls_from_the_first_octet_is_read_as_clear_text(
    lab: Lab, trusting: ssl.SSLContext
) -> None:
    with record() as recording, HTTP("localhost", lab.http.tls_port, tls=trusting) as web:
        web.get("/poem.txt")
    (talk,) = check(recording, lab)
    assert [step.kind for step in talk.steps] == [
        "connect",
        "tls",
        "head",
        "head",
        "body",
        "close",
    ]


def test_what_was_said_before_the_handshake_is_noted() -> None:
    script = "S: 220 ESMTP\nC: STARTTLS\nS: 220 go\\r\\n250 inj\ndo_handshake\nS: 250 x"
    calls = dialogue(script)
    calls[3] = replace(calls[3], data=b"220 go\r\n250 inj", size=15)
    talk = only(calls)
    assert talk.steps[4].notes[-1] == "said before the TLS handshake"


# What calls did and what went wrong


def test_a_call_that_carries_several_steps_says_so() -> None:
    calls = [
        call("connect"),
        call("recv", b"220 x SMTP\r\n"),
        call("send", b"NOOP\r\nNOOP\r\n"),
    ]
    talk = only(numbered([*calls, call("recv", b"250 OK\r\n250 OK\r\n")]))
    assert talk.steps[2].notes == ("2 commands in one send",)
    assert talk.steps[4].notes == ("2 replies in one recv",)
    assert talk.steps[4].calls == talk.steps[5].calls


def test_a_step_that_takes_several_calls_says_so() -> None:
    calls = [
        call("connect"),
        *(call("recv", octet) for octet in (b"+O", b"K hel", b"lo\r\n")),
    ]
    talk = only(numbered(calls))
    assert talk.steps[1].notes == ("this reply took 3 recvs",)
    assert len(talk.steps[1].calls) == 3
    assert talk.steps[1].time == calls[1].time + 0.002


def test_a_line_that_ends_in_lf_alone_says_so() -> None:
    talk = only(numbered([call("connect"), call("recv", b"+OK\n")]), "pop3")
    assert talk.steps[1].notes == ("a line ends in LF without CR",)


def test_a_refused_connection_is_a_conversation() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with record() as recording, pytest.raises(ConnectionRefusedError):
            socket.create_connection(unused.getsockname())
    (talk,) = recording.conversations
    assert "ConnectionRefusedError" in talk.steps[0].text
    assert talk.steps[0].kind == "connect"


def test_a_timeout_and_a_reset_are_shown() -> None:
    calls = [
        *dialogue("S: +OK"),
        call("recv", direction="", error="TimeoutError: timed out"),
        call("recv", direction="", error="BlockingIOError: later"),
        call("recv", direction="", error="ConnectionResetError: reset"),
    ]
    assert [step.text for step in only(numbered(calls)).steps[2:]] == [
        "recv: TimeoutError: timed out",
        "recv: ConnectionResetError: reset",
    ]


def test_a_certificate_that_is_not_trusted_is_shown(lab: Lab) -> None:
    with record() as recording, pytest.raises(ssl.SSLCertVerificationError):
        poplib.POP3_SSL(
            "localhost", lab.pop3.tls_port or 0, context=ssl.create_default_context()
        )
    (talk,) = recording.conversations
    assert "SSLCertVerificationError" in next(s for s in talk.steps if s.kind == "tls").text


def test_the_name_look_up_belongs_to_the_connect(lab: Lab) -> None:
    with record() as recording:
        socket.create_connection(("localhost", lab.echo.port)).close()
    connect = recording.conversations[0].steps[0]
    assert [c.name for c in connect.calls] == ["getaddrinfo", "socket", "connect"]


def test_figures(lab: Lab) -> None:
    with record() as recording, POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        pop3.noop()
    (talk,) = recording.conversations
    assert talk.round_trips == 4  # USER, PASS, NOOP, QUIT; the greeting comes by itself
    assert talk.sent == len(b"USER student\r\nPASS lab-secret\r\nNOOP\r\nQUIT\r\n")
    assert talk.received == len(recording.received())
    assert (talk.segments, talk.connections) == (9, 1)
    assert talk.calls_made == len([c for c in recording.calls if c.socket])
    assert 0 < talk.seconds < 30
    assert (talk.server, talk.side) == ((lab.pop3.host, lab.pop3.port), "client")


def test_both_sides_of_one_talk_say_the_same(lab: Lab) -> None:
    ports: list[int] = []
    ready = threading.Event()

    def listening(address: tuple[str, int]) -> None:
        ports.append(address[1])
        ready.set()

    with record(threads=True) as recording:
        server = threading.Thread(target=echo.tcp_server, kwargs={"listening": listening})
        server.start()
        ready.wait(5)
        echo.tcp_client("127.0.0.1", ports[0], b"hello")
        server.join(5)
    talks = sorted(recording.conversations, key=lambda talk: talk.side)
    assert [talk.side for talk in talks] == ["client", "server"]
    assert shown(talks[0]) == shown(talks[1]) == ["C: hello", "S: hello"]
    assert talks[0].server == talks[1].server
    assert talks[0].client == talks[1].client
    assert (talks[1].sent, talks[1].received, talks[1].round_trips) == (5, 5, 1)


def test_a_signal_that_wakes_asyncio_is_no_conversation(lab: Lab) -> None:
    async def wait() -> None:
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await heard.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    with record() as recording:
        asyncio.run(wait())
    assert recording.calls
    assert recording.conversations == []


def test_two_that_are_compared_tell_no_secret() -> None:
    talks = [only(dialogue(f"S: +OK\nC: PASS {secret}")) for secret in ("one", "two")]
    for one, two in (talks, [t.steps[-1] for t in talks], [t.calls[-1] for t in talks]):
        assert one != two
        assert type(one).__eq__ is object.__eq__  # or pytest looks at every field


def test_asyncio_is_read_too(lab: Lab, trusting: ssl.SSLContext) -> None:
    async def talk() -> None:
        port = lab.pop3.tls_port or 0
        reader, writer = await asyncio.open_connection("localhost", port, ssl=trusting)
        await reader.readline()
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    with record() as recording:
        asyncio.run(talk())
    (found,) = recording.conversations
    assert kinds(found) == ["S reply", "C command", "S reply"]


# What the recording did not keep


def test_a_long_body_keeps_its_true_size(lab: Lab) -> None:
    with record(limit=1000) as recording, HTTP(lab.http.host, lab.http.port) as web:
        size = web.get("/large?octets=1000000", into=io.BytesIO()).size
        web.get("/poem.txt")
    (talk,) = recording.conversations
    bodies = [step for step in talk.steps if step.kind == "body"]
    assert bodies[0].size == size > len(bodies[0].data)
    assert bodies[0].text.endswith(f"[{size - len(bodies[0].data):,} more octets]")
    assert kinds(talk)[-3:] == ["C head", "S head", "S body"]
    assert sum(s.size for s in talk.steps) == talk.sent + talk.received


def test_chunks_whose_sizes_were_not_kept_are_the_rest_of_the_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    get = call("send", b"GET / HTTP/1.1\r\n\r\n")
    calls = [get, call("recv", head + b"3\r\nabc\r\n"), call("recv", b"fff", size=9000)]
    talk = only(numbered([*calls, get, call("recv", b"HTTP/1.1 204 No\r\n\r\n")]))
    assert kinds(talk)[2:] == ["S chunk", "S body", "C head", "S head"]
    assert talk.steps[3].text == "fff\n[8,997 more octets]"


def test_a_block_whose_end_was_not_kept_ends_where_the_client_speaks(lab: Lab) -> None:
    with record(limit=40) as recording, POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        message = pop3.retr(1)
        pop3.noop()
    (talk,) = recording.conversations
    assert kinds(talk)[-4:] == ["C command", "S reply", "C command", "S reply"]
    (block,) = (step for step in talk.steps if step.kind == "block")
    assert block.size >= len(message)
    assert sum(s.size for s in talk.steps) == talk.sent + talk.received


# Which protocol it is


@pytest.mark.parametrize(
    ("said", "protocol"),
    [
        (["S: 220 mail ESMTP ready"], "smtp"),
        (["S: 220 (vsFTPd 3.0.3)"], "ftp"),
        (["S: 220 ready", "C: EHLO x"], "smtp"),
        (["S: 220 ready", "C: USER x"], "ftp"),
        (["S: 220 ready", "C: AUTH TLS"], "ftp"),
        (["S: +OK"], "pop3"),
        (["S: -ERR busy"], "pop3"),
        (["S: 201 news"], "nntp"),
        (["C: GET / HTTP/1.1"], "http"),
        (["C: CAPA"], "pop3"),
        ([r"S: \xff\xfd\x18"], "telnet"),
        (["C: hello", "S: hello"], "echo"),
        (["C: *1", "S: +OK"], "unknown"),
        (["C: what", "S: 200 ever"], "unknown"),
        (["S: * OK IMAP4rev1", "C: a1 NOOP"], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_protocol_is_told_by_the_first_words(said: list[str], protocol: str) -> None:
    calls = dialogue("\n".join(said))
    assert only(calls).protocol == protocol
    assert only(bytewise(calls)).protocol == protocol


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        (25, "smtp"),
        (465, "smtp"),
        (990, "ftp"),
        (80, "http"),
        (8119, "nntp"),
        (8080, "http"),
    ],
)
def test_the_protocol_is_told_by_the_port(port: int, protocol: str) -> None:
    there = ("127.0.0.1", port)
    calls = [call("connect", address=there, remote=there)]
    calls += [call("recv", b"x\r\n", remote=there), call("send", b"y\r\n", remote=there)]
    assert only(numbered(calls)).protocol == protocol


def test_the_first_words_say_more_than_a_usual_port() -> None:
    telling = Telling(8110)
    telling.hear("C", b"GET / HTTP/1.1\r\n")
    assert telling.name == "http"


def test_the_protocol_can_be_said() -> None:
    assert only(dialogue("S: hello"), "nntp").protocol == "nntp"
    with pytest.raises(ValueError, match="gopher"):
        conversations([], "gopher")


def test_a_connection_that_was_open_before_needs_no_greeting() -> None:
    calls = dialogue("C: CAPA\nS: +OK\nS: TOP\nS: .\nC: STAT\nS: +OK 1 2")[1:]
    assert kinds(only(calls)) == [
        "C command",
        "S reply",
        "S block",
        "C command",
        "S reply",
    ]


def test_steps_can_be_had_as_they_come(lab: Lab) -> None:
    listener = Listener()
    seen: list[list[str]] = []

    def hear(one: Call) -> None:
        listener.hear(one)
        seen.append([step.kind for talk in listener.conversations for step in talk.steps])

    with record(on_call=hear) as recording, POP3(lab.pop3.host, lab.pop3.port):
        pass
    listener.end()
    assert all(after[: len(before)] == before for before, after in pairwise(seen))
    assert essence(listener.conversations[0]) == essence(recording.conversations[0])


# Secrets, in all shapes


def test_every_way_to_log_in_hides_the_password(lab: Lab) -> None:
    user, password = lab.smtp.user, lab.smtp.password
    with record() as recording:
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            for initial in (True, False):
                client = smtplib.SMTP(lab.smtp.host, lab.smtp.port)
                client.ehlo()
                client.user, client.password = user, password
                method = "auth_" + mechanism.lower().replace("-", "_")
                client.auth(mechanism, getattr(client, method), initial_response_ok=initial)
                client.quit()
        pop3 = poplib.POP3(lab.pop3.host, lab.pop3.port)
        pop3.apop(user, password)
        pop3.quit()
        web = HTTP(lab.http.host, lab.http.port)
        web.login(user, password, allow_cleartext=True)
        web.get("/headers")  # says again what it was told
        web.close()
    talks = check(recording, lab)
    everything = "".join(map(all_that_is_shown, talks))
    stamp = re.search("<.*>", talks[6].steps[1].text)
    assert stamp
    assert hashlib.md5((stamp[0] + password).encode()).hexdigest() not in everything
    assert "APOP student \u203932 octets hidden\u203a" in everything
    for talk in talks[:6]:
        answers = [s for s in talk.steps if s.hidden]
        assert answers
        assert all(
            password in s.shown(show_secrets=True) or s.hidden[0] > 7 for s in answers
        )


def test_a_conversation_shows_itself() -> None:
    talk = only(
        dialogue("S: +OK <b>\nC: PASS lab-secret\nS: +OK\nC: LIST\nS: +OK\nS: .\nclose")
    )
    assert str(talk).splitlines()[0] == "pop3 with 127.0.0.1:40000, 2 round trips"
    assert html.escape("+OK <b>") in talk._repr_html_()
    assert "lab-secret" not in str(talk) + talk._repr_html_()


# Whatever is said

SNIPPETS = [
    *(
        b"220 ESMTP\r\n",
        b"220-\r\n",
        b"250 \r\n",
        b"354 go\r\n",
        b"334 x\r\n",
        b"150 x\r\n",
    ),
    *(
        b"+OK\r\n",
        b"-ERR\r\n",
        b"+ \r\n",
        b".\r\n",
        b"..\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
    ),
    *(b"EHLO x\r\n", b"AUTH PLAIN x\r\n", b"DATA\r\n", b"BDAT 3 LAST\r\n", b"BDAT 99\r\n"),
    *(
        b"RETR 1\r\n",
        b"LIST\r\n",
        b"PASS x\r\n",
        b"APOP a b\r\n",
        b"POST\r\n",
        b"340 x\r\n",
    ),
    *(b"TAKETHIS <a>\r\n", b"GROUP x\r\n", b"211 1 1 1 x\r\n", b"AUTHINFO SASL X\r\n"),
    *(b"383 x\r\n", b"227 (1,2,3,4,5,6)\r\n", b"229 (|||9|)\r\n", b"EPRT |1|x|9|\r\n"),
    *(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n", b"REIN\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"4\r\nabcd\r\n",
        b"0\r\n",
        b"fffffffffffffffff\r\n",
    ),
    *(
        b"Content-Length: 99999999999999999999\r\n",
        b"HTTP/1.1 101 x\r\n\r\n",
        b"CWD ..\r\n",
    ),
    *(b"\xff", b"\xff\xff", b"\xff\xfb\x01", b"\xff\xfa\x1f", b"\xff\xf0", b"Password: "),
    *(b"\xff\xfa\x18\x00\xff\xf0", "\u202eé".encode(), b"\xe9", b"211-x\r\n", b"PWD\r\n"),
]
pieces = st.one_of(st.sampled_from(SNIPPETS), st.binary(max_size=20))
octets = st.lists(pieces, max_size=6).map(b"".join)
PLACES = [("127.0.0.1", 1286), ("127.0.0.1", 9), ("127.0.0.1", 40000), None, "/path"]


@st.composite
def any_call(draw: st.DrawFn) -> Call:
    name = draw(
        st.sampled_from(
            ["send"] * 4
            + ["recv"] * 4
            + ["connect", "accept", "close", "do_handshake", "socket"]
        )
    )
    data = draw(octets) if name in ("send", "recv") else b""
    gap = draw(st.sampled_from([0, 0, 0, 0, 7, 100000]))
    return call(
        name,
        data,
        size=len(data) + (gap if data else 0),
        socket=draw(st.integers(0, 4)),
        address=draw(st.sampled_from(PLACES)),
        local=draw(st.sampled_from(PLACES)),
        remote=draw(st.sampled_from(PLACES)),
        transport=draw(st.sampled_from(["tcp", "tcp", "udp", "unix"])),
        error=draw(st.sampled_from(["", "", "", "OSError: x", "TimeoutError: x"])),
        result=draw(st.sampled_from(["None", "socket 3 from ('x', 1)"])),
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(any_call(), max_size=25), st.sampled_from([None, *GRAMMARS]))
def test_any_calls_make_steps_of_all_their_octets(
    calls: list[Call], protocol: str | None
) -> None:
    talks = conversations(numbered(calls), protocol)
    heard = {key: value for key, value in by_socket(calls).items() if value.strip(b"\0")}
    told = {key: value for key, value in by_step(talks).items() if value.strip(b"\0")}
    assert {key: heard[key] for key in told} == told
    for talk in talks:
        assert sum(s.size for s in talk.steps) == sum(
            max(c.size, len(c.data)) for c in talk.calls if c.direction
        )
        all_that_is_shown(talk)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["send", "recv"]), octets), max_size=12),
    st.sampled_from([*GRAMMARS]),
)
def test_any_split_makes_the_same_steps(
    said: list[tuple[str, bytes]], protocol: str
) -> None:
    calls = [call("connect"), *(call(name, data) for name, data in said if data)]
    whole = only(numbered(calls), protocol)
    assert essence(only(bytewise(calls), protocol)) == essence(whole)
    assert by_step([whole]) == by_socket(calls)


HOSTILE: list[bytes] = [
    b"\0" * 1000,
    b"\xff" * 1001,
    b"220-" * 500,
    b"250-x\r\n" * 300,
    b"\r\n" * 500,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
    "220 ١٢٣ \u202e\x1b[2J SMTP\r\n".encode(),
    b"\xff\xfa" + b"x" * 5000,
    b"+OK\r\n" + b"." * 3000,
]


@pytest.mark.parametrize("protocol", [*GRAMMARS, None])
@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_octets_are_shown_as_they_are(said: bytes, protocol: str | None) -> None:
    calls = [call("connect"), call("send", b"GET / HTTP/1.1\r\n\r\nLIST\r\n")]
    calls += [call("recv", said), call("send", said), call("recv", said), call("recv")]
    talk = only(numbered(calls), protocol)
    assert by_step([talk]) == by_socket(calls)
    texts = "".join(step.shown() for step in talk.steps)
    assert not set(texts) & {"\x1b", "\0", "\u202e", "\r"}


def test_twenty_thousand_calls_are_read_in_a_moment() -> None:
    calls = dialogue("S: +OK\n" + "C: RETR 1\nS: +OK\\r\\nhello\\r\\n.\n" * 10_000)
    talk = only(calls)
    assert len(talk.steps) == 30_002
