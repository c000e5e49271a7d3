"""The recorder: true to the octet, whoever talks, and gone without a trace when closed."""

import array
import asyncio
import contextlib
import ftplib
import http.client
import imaplib
import io
import os
import poplib
import random
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from protoclients import HTTP, POP3, recorder
from protoclients.fixtures import Lab
from protoclients.fixtures.certificates import server_context
from protoclients.jobs import Job, all_jobs, removed_module
from protoclients.recorder import Call, Recording, record

from .relay import Relay

PATCHED = socket.socket, ssl.SSLSocket, ssl.SSLObject, threading.Thread
MODULES = socket, os


def everything() -> list[list[tuple[str, int]]]:
    """All that a recording could leave changed, as it stands."""
    return [
        [(name, id(value)) for name, value in vars(x).items()] for x in PATCHED + MODULES
    ]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """After every test, everything is as it was."""
    before = everything()
    yield
    assert everything() == before


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


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def names(recording: Recording) -> list[str]:
    return [call.name for call in recording.calls]


def only(recording: Recording, name: str) -> Call:
    """The one call with a name."""
    (call,) = (call for call in recording.calls if call.name == name)
    return call


def talk_with(recording: Recording, port: int) -> tuple[bytes, bytes]:
    """What was sent to a port and received from it, one connection after the other."""
    mine = [call for call in recording.calls if call.remote and call.remote[1] == port]
    numbers = sorted({call.socket for call in mine})
    sent = b"".join(recording.sent(number) for number in numbers)
    return sent, b"".join(recording.received(number) for number in numbers)


# True to the octet, beside a plain relay

PLAIN = "http", "smtp", "pop3", "ftp", "nntp", "telnet"
WHOLE = 1 << 24


@contextlib.contextmanager
def behind_relays(lab: Lab) -> Iterator[tuple[Any, list[Relay]]]:
    """The Lab's addresses, with a relay in front of each plain port."""
    known: dict[str, Any] = {name: getattr(lab, name) for name in (*PLAIN, "echo")}
    known |= {"cafile": lab.cafile, "refused": lab.refused, "store": lab.store}
    relays = []
    with contextlib.ExitStack() as stack:
        for name in PLAIN:
            relay = stack.enter_context(Relay(known[name].host, known[name].port))
            known[name] = replace(known[name], host="127.0.0.1", port=relay.port)
            relays.append(relay)
        yield SimpleNamespace(**known), relays


@pytest.mark.parametrize("side", ["by_hand", "by_library"])
@pytest.mark.parametrize("job", all_jobs(), ids=lambda job: f"{job.protocol}-{job.name}")
def test_every_job_is_heard_as_the_relay_sees_it(lab: Lab, job: Job, side: str) -> None:
    with behind_relays(lab) as (addresses, relays), record(limit=WHOLE) as recording:
        getattr(job, side)(addresses)
    assert recording.calls
    with_tls = {call.remote for call in recording.calls if call.tls}
    assert with_tls or job.protocol == "echo" or any(relay.sent for relay in relays)
    for relay in relays:
        if ("127.0.0.1", relay.port) not in with_tls:  # there it sees only ciphertext
            assert talk_with(recording, relay.port) == (relay.sent, relay.received)


def data_port_relayed(client: ftplib.FTP, relays: contextlib.ExitStack) -> list[Relay]:
    """Put a relay in front of each data connection."""
    found: list[Relay] = []
    real = client.makepasv

    def makepasv() -> tuple[str, int]:
        found.append(relays.enter_context(Relay(*real())))
        return "127.0.0.1", found[-1].port

    relays.enter_context(mock.patch.object(client, "makepasv", makepasv))
    return found


def test_ftplib_data_connections_are_heard_as_a_relay_sees_them(lab: Lab) -> None:
    content = random.Random(1).randbytes(300_000)
    with (
        contextlib.ExitStack() as stack,
        record(limit=WHOLE) as recording,
        ftplib.FTP() as client,
    ):
        client.connect(lab.ftp.host, lab.ftp.port, timeout=10)
        client.login(lab.ftp.user, lab.ftp.password)
        relays = data_port_relayed(client, stack)
        client.storbinary("STOR new", io.BytesIO(content))
        client.retrbinary("RETR new", io.BytesIO().write)
        client.quit()
    up, down = relays
    assert talk_with(recording, up.port) == (content, b"") == (up.sent, up.received)
    assert talk_with(recording, down.port) == (b"", content) == (down.sent, down.received)


def test_ftplib_active_data_connection_is_heard(lab: Lab) -> None:
    with record() as recording, ftplib.FTP() as client:
        client.connect(lab.ftp.host, lab.ftp.port, timeout=10)
        client.login(lab.ftp.user, lab.ftp.password)
        client.set_pasv(False)
        client.retrbinary("RETR README.txt", io.BytesIO().write)
        client.quit()
    accept = only(recording, "accept")
    number = int(accept.result.split()[1])
    assert accept.result.startswith(f"socket {number} from ('127.0.0.1', ")
    assert recording.received(number) == (lab.store.files / "README.txt").read_bytes()


def with_requests(url: str) -> None:
    requests = pytest.importorskip("requests", reason="requests isn't installed")
    with requests.Session() as session:
        session.get(url, timeout=10)
        session.post(url, data=b"abc", timeout=10)


def with_urllib3(url: str) -> None:
    urllib3 = pytest.importorskip("urllib3", reason="requests isn't installed")
    with urllib3.PoolManager() as pool:
        pool.request("GET", url)


def with_httpx(url: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx isn't installed")
    with httpx.Client(trust_env=False) as client:
        client.get(url)
        client.post(url, content=b"abc")


def with_httpx_and_asyncio(url: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx isn't installed")

    async def get() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(url)

    asyncio.run(get())


def with_asyncio(url: str) -> None:
    asyncio.run(get_with_asyncio(int(url.rpartition(":")[2].strip("/")), None))


async def get_with_asyncio(port: int, tls: ssl.SSLContext | None) -> bytes:
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname=name
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await writer.drain()
    octets = await reader.read()
    writer.close()
    await writer.wait_closed()
    return octets


OTHERS = [with_requests, with_urllib3, with_httpx, with_httpx_and_asyncio, with_asyncio]


@pytest.mark.parametrize("get", OTHERS)
def test_other_http_clients_are_heard_as_a_relay_sees_them(
    lab: Lab, get: Callable[[str], None]
) -> None:
    with Relay(lab.http.host, lab.http.port) as relay, record() as recording:
        get(f"http://127.0.0.1:{relay.port}/")
    assert relay.sent.startswith(b"GET / HTTP/1.1\r\n")
    assert talk_with(recording, relay.port) == (relay.sent, relay.received)


class Scripted:
    """A server for one client: it answers a line by its verb, and notes the plaintext.

    In an answer, % stands for the first word of the line.
    """

    def __init__(self, greeting: bytes, answers: dict[bytes, bytes]) -> None:
        self.greeting, self.answers = greeting, answers
        self.heard, self.said = b"", b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> "Scripted":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.thread.join(10)
        self.listener.close()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        self.say(connection, self.greeting)
        while line := self.line(connection):
            verb = next(verb for verb in self.answers if verb in line.upper())
            self.say(connection, self.answers[verb].replace(b"%", line.split()[0]))
            if verb in (b"STARTTLS", b"STLS", b"AUTH"):
                connection = server_context().wrap_socket(connection, server_side=True)
        connection.close()

    def say(self, connection: socket.socket, octets: bytes) -> None:
        self.said += octets
        connection.sendall(octets)

    def line(self, connection: socket.socket) -> bytes:
        line = b""
        while not line.endswith(b"\n") and (octet := connection.recv(1)):
            line += octet
        self.heard += line
        return line


SCRIPTS = {
    "smtp": {
        b"EHLO": b"250-x\r\n250 STARTTLS\r\n",
        b"STARTTLS": b"220 \r\n",
        b"QUIT": b"221 \r\n",
    },
    "pop3": {
        b"CAPA": b"+OK\r\nSTLS\r\n.\r\n",
        b"STLS": b"+OK\r\n",
        b"QUIT": b"+OK\r\n",
    },
    "imap": {
        b"CAPABILITY": b"* CAPABILITY IMAP4REV1 STARTTLS\r\n% OK done\r\n",
        b"STARTTLS": b"% OK done\r\n",
        b"NOOP": b"% OK done\r\n",
        b"LOGOUT": b"* BYE\r\n% OK done\r\n",
    },
    "nntp": {
        b"CAPABILITIES": b"101 \r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n.\r\n",
        b"STARTTLS": b"382 \r\n",
        b"DATE": b"111 20260101000000\r\n",
        b"QUIT": b"205 \r\n",
    },
    "ftp": {
        b"AUTH": b"234 \r\n",
        b"USER": b"331 \r\n",
        b"PASS": b"230 \r\n",
        b"QUIT": b"221 \r\n",
    },
}
GREETINGS = {"pop3": b"+OK\r\n", "imap": b"* OK\r\n", "nntp": b"200 \r\n"}


def starttls_smtplib(port: int, tls: ssl.SSLContext) -> None:
    with smtplib.SMTP("localhost", port, "[127.0.0.1]", 10) as client:
        client.starttls(context=tls)
        client.ehlo()


def stls_poplib(port: int, tls: ssl.SSLContext) -> None:
    client = poplib.POP3("localhost", port, timeout=10)
    client.stls(tls)
    client.capa()
    client.quit()


def starttls_imaplib(port: int, tls: ssl.SSLContext) -> None:
    with imaplib.IMAP4("localhost", port, 10) as client:
        client.starttls(tls)
        client.noop()


def starttls_nntplib(port: int, tls: ssl.SSLContext) -> None:
    with removed_module("nntplib").NNTP("localhost", port, timeout=10) as client:
        client.starttls(tls)
        client.date()


def auth_tls_ftplib(port: int, tls: ssl.SSLContext) -> None:
    client = ftplib.FTP_TLS(context=tls)
    client.connect("localhost", port, 10)
    client.login("student", "secret")
    client.quit()


async def start_tls(port: int, tls: ssl.SSLContext) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for command in b"EHLO x\r\n", b"STARTTLS\r\n":
        await reader.readuntil(b"\r\n")
        writer.write(command)
    await reader.readuntil(b"220 \r\n")
    await writer.start_tls(tls, server_hostname="localhost")
    writer.write(b"EHLO x\r\n")
    await reader.readuntil(b"250 STARTTLS\r\n")
    writer.write(b"QUIT\r\n")
    await reader.readuntil(b"221 \r\n")
    writer.close()
    await writer.wait_closed()


STARTTLS = {
    "smtp": starttls_smtplib,
    "pop3": stls_poplib,
    "imap": starttls_imaplib,
    "nntp": starttls_nntplib,
    "ftp": auth_tls_ftplib,
}


@pytest.mark.parametrize("protocol", STARTTLS)
def test_inside_starttls_the_plaintext_is_heard_on_the_same_socket(
    protocol: str, trusting: ssl.SSLContext
) -> None:
    greeting = GREETINGS.get(protocol, b"220 \r\n")
    with Scripted(greeting, SCRIPTS[protocol]) as server, record() as recording:
        STARTTLS[protocol](server.port, trusting)
    assert talk_with(recording, server.port) == (server.heard, server.said)
    handshake = only(recording, "do_handshake")
    assert handshake.tls
    assert (handshake.direction, handshake.data, handshake.size) == ("", b"", 0)
    assert [call.tls for call in recording.calls if call.data and call.tls] != []
    assert {call.socket for call in recording.calls if call.data} == {handshake.socket}
    assert not any(call.tls for call in recording.calls[: handshake.number - 1])
    assert names(recording).count("close") == 1


def test_inside_the_start_tls_of_asyncio_the_plaintext_is_heard_on_the_same_socket(
    trusting: ssl.SSLContext,
) -> None:
    with Scripted(b"220 \r\n", SCRIPTS["smtp"]) as server, record() as recording:
        asyncio.run(start_tls(server.port, trusting))
    assert talk_with(recording, server.port) == (server.heard, server.said)
    (handshake,) = (c for c in recording.calls if c.name == "do_handshake")
    ciphertext = [c for c in recording.calls if c.size and not c.direction]
    assert {call.socket for call in ciphertext} == {handshake.socket}
    assert not any(call.tls or call.data for call in ciphertext)


def https_client(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    client = http.client.HTTPSConnection("localhost", port, context=tls, timeout=10)
    client.request("GET", "/")
    client.getresponse().read()
    client.close()


def https_urllib(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    with urllib.request.urlopen(f"https://localhost:{port}/", context=tls) as response:
        response.read()


def https_requests(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    requests = pytest.importorskip("requests", reason="requests isn't installed")
    with requests.Session() as session:
        session.get(f"https://localhost:{port}/", timeout=10, verify=cafile)


def https_httpx(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx isn't installed")
    with httpx.Client(trust_env=False, verify=tls) as client:
        client.get(f"https://localhost:{port}/")


def https_httpx_and_asyncio(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx isn't installed")

    async def get() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=tls) as client:
            await client.get(f"https://localhost:{port}/")

    asyncio.run(get())


def https_asyncio(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    asyncio.run(get_with_asyncio(port, tls))


def smtps_smtplib(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    here = "[127.0.0.1]"
    with smtplib.SMTP_SSL("localhost", port, here, timeout=10, context=tls) as client:
        client.ehlo()


def pop3s_poplib(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    client = poplib.POP3_SSL("localhost", port, timeout=10, context=tls)
    client.capa()
    client.quit()


def nntps_nntplib(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    nntp = removed_module("nntplib").NNTP_SSL
    with nntp("localhost", port, ssl_context=tls, timeout=10) as client:
        client.group("lab.announce")


def https_by_hand(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    with HTTP("localhost", port, tls=tls) as client:
        client.get("/")


def pop3s_by_hand(port: int, tls: ssl.SSLContext, cafile: str) -> None:
    with POP3("localhost", port, tls=tls) as client:
        client.capa()


TLS = [
    *(https_client, https_urllib, https_requests, https_httpx, https_httpx_and_asyncio),
    *(https_asyncio, smtps_smtplib, pop3s_poplib, nntps_nntplib),
    *(https_by_hand, pop3s_by_hand),
]


@pytest.mark.parametrize("client", TLS)
def test_inside_tls_the_plaintext_is_heard_as_a_relay_with_the_key_sees_it(
    client: Callable[[int, ssl.SSLContext, str], None], lab: Lab, trusting: ssl.SSLContext
) -> None:
    protocol = client.__name__.partition("_")[0].removesuffix("s")
    port = getattr(lab, protocol).tls_port
    with (
        Relay("127.0.0.1", port, (server_context(), trusting)) as relay,
        record() as recording,
    ):
        client(relay.port, trusting, lab.cafile)
    assert relay.sent
    assert talk_with(recording, relay.port) == (relay.sent, relay.received)
    assert all(
        call.tls for call in recording.calls if call.data and call.transport == "tcp"
    )


def test_an_ftplib_data_connection_inside_tls_is_heard(
    lab: Lab, trusting: ssl.SSLContext
) -> None:
    with record() as recording, ftplib.FTP_TLS(context=trusting) as client:
        client.connect("localhost", lab.ftp.port, 10)
        client.login(lab.ftp.user, lab.ftp.password)
        client.prot_p()
        client.retrbinary("RETR README.txt", io.BytesIO().write)
        client.quit()
    control, data = sorted({call.socket for call in recording.calls if call.tls})
    assert recording.received(data) == (lab.store.files / "README.txt").read_bytes()
    assert b"RETR README.txt\r\n" in recording.sent(control)
    assert only(recording, "unwrap").socket == data


@pytest.mark.parametrize("over_tcp", [False, True])
def test_dnspython_is_heard(over_tcp: bool) -> None:
    dns = pytest.importorskip("dns", reason="dnspython isn't installed")
    pytest.importorskip("dns.query")
    query = dns.message.make_query("example.test", "A")
    reply = dns.message.make_response(query).to_wire()
    kind = socket.SOCK_STREAM if over_tcp else socket.SOCK_DGRAM
    with socket.socket(type=kind) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=answer_dns, args=(server, reply), daemon=True)
        if over_tcp:
            server.listen()
        thread.start()
        ask = dns.query.tcp if over_tcp else dns.query.udp
        with record() as recording:
            ask(query, "127.0.0.1", 10, server.getsockname()[1])
        thread.join(10)
    octets = query.to_wire(), reply
    if over_tcp:
        octets = tuple(struct.pack("!H", len(text)) + text for text in octets)
    assert (recording.sent(), recording.received()) == octets
    transports = {call.transport for call in recording.calls if call.socket}
    assert transports == {"tcp" if over_tcp else "udp"}


def answer_dns(server: socket.socket, reply: bytes) -> None:
    if server.type == socket.SOCK_STREAM:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(struct.pack("!H", len(reply)) + reply)
    else:
        _, address = server.recvfrom(1000)
        server.sendto(reply, address)


# Each method of a socket


def test_a_tcp_talk_is_heard_call_by_call_on_both_sides() -> None:
    with record() as recording, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        address = listener.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect(address)
            server, ours = listener.accept()
            with server:
                client.sendall(b"hello")
                server.recv(100)
                client.shutdown(socket.SHUT_WR)
                server.recv(100)
    said = [(c.socket, c.name, c.arguments, c.result, c.direction) for c in recording.calls]
    assert said == [
        (1, "socket", "()", "socket 1", ""),
        (1, "bind", "(('127.0.0.1', 0))", "None", ""),
        (1, "listen", "(1)", "None", ""),
        (2, "socket", "(AF_INET, SOCK_STREAM)", "socket 2", ""),
        (2, "connect", f"({address})", "None", ""),
        (1, "accept", "()", f"socket 3 from {ours}", ""),
        (2, "sendall", "(5 bytes)", "5 bytes", "sent"),
        (3, "recv", "(100)", "5 bytes", "received"),
        (2, "shutdown", "(1)", "None", ""),
        (3, "recv", "(100)", "0 bytes", "received"),
        (3, "close", "()", "None", ""),
        (2, "close", "()", "None", ""),
        (1, "close", "()", "None", ""),
    ]
    assert [call.number for call in recording.calls] == list(range(1, 14))
    assert {call.transport for call in recording.calls} == {"tcp"}
    assert (only(recording, "bind").address, only(recording, "bind").local) == (
        ("127.0.0.1", 0),
        address,
    )
    assert only(recording, "connect").address == address
    assert only(recording, "accept").address == ours
    assert (only(recording, "sendall").local, only(recording, "sendall").remote) == (
        ours,
        address,
    )
    assert recording.sent(2) == recording.received(3) == b"hello"
    assert recording.sent(3) == b""


def test_times_go_up_and_a_duration_is_that_of_the_call(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    with record() as recording:
        timer = threading.Timer(0.05, theirs.sendall, [b"late"])
        timer.start()
        ours.recv(10)
        ours.send(b"x")
    timer.join()
    wait, send = recording.calls
    assert 0 <= wait.time < send.time
    assert wait.duration >= 0.04 > send.duration
    assert wait.time + wait.duration <= send.time


Pair = tuple[socket.socket, socket.socket]
SENDING: dict[str, Callable[[socket.socket], Any]] = {
    "send bytes": lambda s: s.send(b"abcdef"),
    "send bytearray": lambda s: s.send(bytearray(b"abcdef")),
    "send a window": lambda s: s.send(memoryview(b"..abcdef..")[2:8]),
    "send numbers": lambda s: s.send(array.array("H", b"abcdef")),
    "sendall": lambda s: s.sendall(b"abcdef"),
    "sendall numbers": lambda s: s.sendall(array.array("H", b"abcdef")),
    "sendmsg": lambda s: s.sendmsg([b"abc", bytearray(b""), memoryview(b"def")]),
    "sendmsg generator": lambda s: s.sendmsg(part for part in (b"abc", b"def")),
    "makefile": lambda s: write_file(s),
    "sendfile": lambda s: s.sendfile(file_of(b"abcdef")),
    "sendfile from": lambda s: s.sendfile(file_of(b"..abcdef"), 2),
    "sendfile part": lambda s: s.sendfile(file_of(b"..abcdef.."), offset=2, count=6),
    "sendfile memory": lambda s: s.sendfile(io.BytesIO(b"..abcdef.."), 2, 6),
}


def file_of(content: bytes) -> Any:
    file = open_files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


open_files = contextlib.ExitStack()


def write_file(sock: socket.socket) -> None:
    with sock.makefile("wb") as file:
        file.write(b"abcdef")


@pytest.mark.parametrize("way", SENDING)
def test_what_is_sent_is_heard_once_and_whole(way: str, pair: Pair) -> None:
    ours, theirs = pair
    with open_files, record() as recording:
        SENDING[way](ours)
    (call,) = recording.calls
    assert theirs.recv(100) == b"abcdef"
    assert (call.direction, call.data, call.size) == ("sent", b"abcdef", 6)
    assert call.name == {"makefile": "send"}.get(way, way.split()[0])
    assert call.result == "6 bytes"


def read_file(sock: socket.socket) -> None:
    with sock.makefile("rb") as file:
        file.read(6)


RECEIVING: dict[str, Callable[[socket.socket], Any]] = {
    "recv": lambda s: s.recv(6),
    "recv_into bytearray": lambda s: s.recv_into(bytearray(100), 6),
    "recv_into a window": lambda s: s.recv_into(memoryview(bytearray(100))[90:96]),
    "recv_into numbers": lambda s: s.recv_into(array.array("I", bytes(100)), 6),
    "recv_into by name": lambda s: s.recv_into(flags=0, nbytes=6, buffer=bytearray(100)),
    "recvfrom": lambda s: s.recvfrom(6),
    "recvfrom_into": lambda s: s.recvfrom_into(bytearray(100), 6),
    "recvmsg": lambda s: s.recvmsg(6),
    "recvmsg_into": lambda s: s.recvmsg_into([bytearray(4), memoryview(bytearray(9))[7:]]),
    "recvmsg_into generator": lambda s: s.recvmsg_into(bytearray(3) for _ in range(2)),
    "makefile": read_file,
}


@pytest.mark.parametrize("way", RECEIVING)
def test_what_is_received_is_heard_once_and_exactly(way: str, pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"abcdef")
    with record() as recording:
        RECEIVING[way](ours)
    (call,) = recording.calls
    assert (call.direction, call.data, call.size) == ("received", b"abcdef", 6)
    assert call.name == {"makefile": "recv_into"}.get(way, way.split()[0])


@pytest.mark.parametrize(
    "look",
    [
        lambda s: s.recv(6, socket.MSG_PEEK),
        lambda s: s.recv_into(bytearray(6), 6, socket.MSG_PEEK),
        lambda s: s.recv_into(bytearray(6), flags=socket.MSG_PEEK | socket.MSG_DONTWAIT),
        lambda s: s.recvfrom(6, socket.MSG_PEEK),
        lambda s: s.recvmsg(6, 0, socket.MSG_PEEK),
    ],
)
def test_a_look_ahead_is_no_data(look: Callable[[socket.socket], Any], pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"abcdef")
    with record() as recording:
        look(ours)
        ours.recv(6)
    peek, _ = recording.calls
    assert (peek.direction, peek.data, peek.result) == ("", b"", "6 bytes")
    assert recording.received() == b"abcdef"


def test_os_sendfile_is_heard_where_the_socket_was(pair: Pair) -> None:
    ours, theirs = pair
    with open_files, record() as recording:
        file = file_of(b"0123456789")
        ours.send(b"-")  # now the socket is known
        os.sendfile(ours.fileno(), file.fileno(), 2, 3)
        file.seek(6)
        os.sendfile(ours.fileno(), file.fileno(), None, 3)
    assert theirs.recv(100) == b"-234678" == recording.sent()
    assert names(recording) == ["send", "sendfile", "sendfile"]


def test_udp_datagrams_are_heard_with_their_addresses() -> None:
    with (
        record() as recording,
        socket.socket(type=socket.SOCK_DGRAM) as ours,
        socket.socket(type=socket.SOCK_DGRAM) as theirs,
    ):
        theirs.bind(("127.0.0.1", 0))
        there = theirs.getsockname()
        ours.sendto(b"one", there)
        ours.sendto(b"two", 0, there)
        ours.sendto(b"", there)
        heard = [theirs.recvfrom(100) for _ in range(3)]
        ours.connect(there)
        ours.sendmsg([b"four"])
        theirs.recvmsg(100)
    moved = [call for call in recording.calls if call.direction]
    assert [call.data for call in moved if call.direction == "sent"] == [
        *(b"one", b"two", b"", b"four")
    ]
    assert [(c.data, c.address) for c in moved if c.name == "recvfrom"] == heard
    assert {call.address for call in moved if call.name == "sendto"} == {there}
    assert {call.transport for call in recording.calls} == {"udp"}
    assert moved[-1].address == only(recording, "sendmsg").local


def test_name_look_ups_are_heard_without_a_socket() -> None:
    with record() as recording:
        socket.getaddrinfo("127.0.0.1", 25, type=socket.SOCK_STREAM)
        socket.gethostbyname("127.0.0.1")
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("no.such.name.invalid.", None, flags=socket.AI_NUMERICHOST)
    first, second, third = recording.calls
    assert first.arguments == "('127.0.0.1', 25, type=SOCK_STREAM)"
    assert first.result == "[('127.0.0.1', 25)]"
    assert second.result == "'127.0.0.1'"
    assert third.error.startswith("gaierror: ")
    assert {(c.socket, c.transport, c.direction) for c in recording.calls} == {(0, "", "")}


def test_a_call_that_fails_is_noted_with_its_error(pair: Pair) -> None:
    ours, theirs = pair
    ours.setblocking(False)
    with record() as recording:
        with pytest.raises(BlockingIOError):
            ours.recv(10)
        with pytest.raises(TypeError):
            ours.send(cast(bytes, "text"))
        theirs.close()
        with pytest.raises(BrokenPipeError):
            ours.sendall(b"secret")
        with pytest.raises(ConnectionRefusedError), socket.socket() as nobody:
            nobody.connect(("127.0.0.1", 1))
    waited, mistaken, _, broken, _, refused, _ = recording.calls
    assert waited.error.startswith("BlockingIOError: ")
    assert waited.result == waited.error
    assert mistaken.error.startswith("TypeError: ")
    assert broken.error.endswith("(nobody knows how much of it was sent)")
    assert refused.address == ("127.0.0.1", 1)
    assert {(call.direction, call.data, call.size) for call in recording.calls} == {
        ("", b"", 0)
    }
    assert not any("secret" in call.arguments for call in recording.calls)


def test_a_partial_send_counts_what_was_accepted(pair: Pair) -> None:
    ours, _ = pair
    ours.setblocking(False)
    content = random.Random(2).randbytes(10_000_000)
    with record(limit=WHOLE) as recording:
        count = ours.send(content)
    assert 0 < count < len(content)
    assert recording.calls[0].size == count
    assert recording.sent() == content[:count]


def test_a_sendfile_that_fails_midway_is_heard_as_far_as_it_came(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(0.1)
    with open_files, record(limit=WHOLE) as recording, pytest.raises(TimeoutError):
        ours.sendfile(file_of(random.Random(3).randbytes(10_000_000)))
    ours.close()
    with theirs.makefile("rb") as file:
        assert file.read() == recording.sent()
    (call,) = (call for call in recording.calls if call.name == "sendfile")
    assert call.error.startswith("TimeoutError")
    assert call.size == len(call.data) > 0


@contextlib.contextmanager
def tls_pair(
    trusting: ssl.SSLContext,
) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Two sockets that talk TLS with each other."""
    ours, theirs = socket.socketpair()
    made: list[ssl.SSLSocket] = []
    wrap = server_context().wrap_socket
    thread = threading.Thread(target=lambda: made.append(wrap(theirs, server_side=True)))
    thread.start()
    with trusting.wrap_socket(ours, server_hostname="localhost") as client:
        thread.join(10)
        with made[0] as server:
            yield client, server


def test_the_methods_of_a_tls_socket_are_heard_once(trusting: ssl.SSLContext) -> None:
    with tls_pair(trusting) as (client, server), open_files, record() as recording:
        client.sendall(b"one")
        client.send(b"two")
        client.write(b"three")
        client.sendfile(file_of(b"four"))
        server.recv(3)
        server.recv_into(bytearray(3))
        server.read(2)
        with server.makefile("rb", 0) as file:
            file.read(3)
        with server.makefile("rb") as file:
            file.read(4)
    assert names(recording)[:4] == ["sendall", "send", "write", "sendfile"]
    assert names(recording)[4:8] == ["recv", "recv_into", "read", "recv_into"]
    assert recording.sent() == recording.received() == b"onetwothreefour"
    assert all(call.tls for call in recording.calls)


def test_a_tls_socket_that_connects_itself_is_heard(
    lab: Lab, trusting: ssl.SSLContext
) -> None:
    tls_port = lab.pop3.tls_port
    with record() as recording:
        plain = socket.socket()
        with trusting.wrap_socket(plain, server_hostname="localhost") as client:
            client.connect(("127.0.0.1", tls_port))
            greeting = client.recv(100)
    assert recording.received() == greeting
    assert len({call.socket for call in recording.calls}) == 1
    assert names(recording)[-4:] == ["do_handshake", "connect", "recv", "close"]


def test_a_tls_server_that_accepts_is_heard(trusting: ssl.SSLContext) -> None:
    def talk(port: int) -> None:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(b"hello")

    with (
        socket.create_server(("127.0.0.1", 0)) as plain,
        server_context().wrap_socket(plain, server_side=True) as listener,
    ):
        thread = threading.Thread(target=talk, args=[listener.getsockname()[1]])
        thread.start()
        with record() as recording:
            server, _ = listener.accept()
            with server:
                server.recv(5)
        thread.join(10)
    handshake, accept, recv, _ = recording.calls
    assert (handshake.name, accept.name) == ("do_handshake", "accept")
    assert accept.result.startswith(f"socket {recv.socket} from ")
    assert handshake.socket == recv.socket != accept.socket
    assert recording.received(recv.socket) == b"hello"


def test_after_unwrap_the_socket_is_plain_again(trusting: ssl.SSLContext) -> None:
    with tls_pair(trusting) as (client, server):
        thread = threading.Thread(target=server.unwrap)
        thread.start()
        with record() as recording:
            client.unwrap()
            client.send(b"plain")
        thread.join(10)
    unwrap, send = recording.calls
    assert (unwrap.name, unwrap.data) == ("unwrap", b"")
    assert (send.data, send.tls) == (b"plain", False)


def test_tls_in_memory_without_a_socket_has_a_number_of_its_own(
    trusting: ssl.SSLContext,
) -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up, server_hostname="localhost")
    server = server_context().wrap_bio(up, down, server_side=True)
    with record() as recording:
        for _ in range(2):
            for side in client, server:
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        client.write(b"hello")
        server.read(100)
    done, also_done, write, read = recording.calls
    assert (done.name, also_done.name) == ("do_handshake", "do_handshake")
    assert (write.data, read.data) == (b"hello", b"hello")
    assert write.tls and read.tls
    assert (done.socket, also_done.socket) == (write.socket, read.socket) == (1, 2)


def test_a_close_while_a_makefile_is_open_is_told_from_the_real_one() -> None:
    with record() as recording:
        ours, theirs = socket.socketpair()
        file = ours.makefile("rb")
        ours.close()
        theirs.sendall(b"late\n")
        assert file.readline() == b"late\n"
        file.close()
        ours.close()  # a third time: nothing happens
        theirs.close()
    closes = [call.result for call in recording.calls if call.name == "close"]
    assert closes == ["None; its makefile holds it open", "None", "None"]


def test_detach_is_heard(pair: Pair) -> None:
    with record() as recording:
        pair[0].send(b"x")
        descriptor = pair[0].detach()
    os.close(descriptor)
    assert only(recording, "detach").result == str(descriptor)


# What is heard, and what is not


def test_nothing_is_heard_before_and_after() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"before")
        with record() as recording:
            ours.send(b"meanwhile")
        ours.send(b"after")
        assert recording.sent() == b"meanwhile"
        with record() as again:
            theirs.recv(100)
    assert [call.socket for call in recording.calls] == [1]
    assert again.received() == b"beforemeanwhileafter"


def test_nested_recordings_both_hear(pair: Pair) -> None:
    ours, theirs = pair
    with record() as outer:
        ours.send(b"one")
        with record(limit=2) as inner:
            theirs.recv(3)
            theirs.send(b"two")
        ours.recv(3)
    assert (outer.sent(), outer.received()) == (b"onetwo", b"onetwo")
    assert (inner.sent(), inner.received()) == (b"tw", b"on")
    assert [call.number for call in inner.calls] == [1, 2]
    assert [call.socket for call in inner.calls] == [1, 1]
    assert [call.socket for call in outer.calls] == [1, 2, 2, 1]


def test_recordings_may_end_in_any_order(pair: Pair) -> None:
    ours, _ = pair
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    one = first.enter_context(record())
    two = second.enter_context(record())
    first.close()
    ours.send(b"x")
    second.close()
    assert (one.sent(), two.sent()) == (b"", b"x")


def test_concurrent_recordings_in_threads_do_not_mix() -> None:
    heard: dict[int, bytes] = {}
    barrier = threading.Barrier(4, timeout=10)

    def talk(number: int) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, record() as recording:
            barrier.wait()
            for _ in range(50):
                ours.send(bytes([number]))
                theirs.recv(1)
        heard[number] = recording.sent() + recording.received()

    threads = [threading.Thread(target=talk, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heard == {number: bytes([number]) * 100 for number in range(4)}


class Greeter(threading.Thread):
    """A thread with a `run` of its own."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.sock = sock

    def run(self) -> None:
        self.sock.send(b"own run")


@pytest.mark.parametrize("threads", [False, True])
def test_new_threads_are_heard_only_if_asked_for(threads: bool, pair: Pair) -> None:
    ours, theirs = pair
    begin = threading.Event()
    old = threading.Thread(target=lambda: begin.wait(10) and theirs.send(b"old"))
    old.start()
    with record(threads=threads) as recording:
        for thread in threading.Thread(target=ours.send, args=[b"new"]), Greeter(ours):
            thread.start()
            thread.join(10)
            assert "run" not in vars(thread)
        begin.set()
        old.join(10)
    assert recording.sent() == (b"newown run" if threads else b"")


def test_a_thread_that_outlives_the_recording_is_not_heard_after_it(pair: Pair) -> None:
    ours, theirs = pair
    first, go_on = threading.Event(), threading.Event()

    def talk() -> None:
        ours.send(b"during")
        first.set()
        go_on.wait(10)
        ours.send(b"after")

    thread = threading.Thread(target=talk)
    with record(threads=True) as recording:
        thread.start()
        first.wait(10)
    with record() as another:
        go_on.set()
        thread.join(10)
    assert theirs.recv(100) == b"duringafter"
    assert (recording.sent(), another.sent()) == (b"during", b"")


def test_threads_of_threads_are_heard_as_well(pair: Pair) -> None:
    ours, _ = pair

    def start_another() -> None:
        another = threading.Thread(target=ours.send, args=[b"far"])
        another.start()
        another.join(10)

    with record(threads=True) as recording:
        thread = threading.Thread(target=start_another)
        thread.start()
        thread.join(10)
    assert recording.sent() == b"far"
    assert recording.calls[0].frames[-1].file == threading.__file__


def test_many_threads_are_noted_in_one_order() -> None:
    def talk() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for _ in range(100):
                ours.send(b"x")
                theirs.recv(1)

    with record(threads=True) as recording:
        threads = [threading.Thread(target=talk) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [call.number for call in recording.calls] == list(
        range(1, len(recording.calls) + 1)
    )
    assert len({call.socket for call in recording.calls}) == 8
    assert len(recording.sent()) == len(recording.received()) == 400


def test_asyncio_tasks_made_inside_are_heard_and_others_are_not() -> None:
    async def main() -> tuple[bytes, bytes]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        begin = asyncio.Event()

        async def outside() -> None:
            await begin.wait()
            await loop.sock_sendall(theirs, b"outside")

        task = asyncio.create_task(outside())
        with ours, theirs, record() as recording:
            begin.set()
            inside = asyncio.create_task(loop.sock_sendall(ours, b"inside"))
            await asyncio.gather(inside, task)
        return recording.sent(), recording.received()

    assert asyncio.run(main()) == (b"inside", b"")


def test_a_forked_child_hears_itself_and_not_its_parent(pair: Pair) -> None:
    ours, theirs = pair
    with record() as recording:
        ours.send(b"parent")
        child = os.fork()
        if not child:
            ours.send(b"child")
            os._exit(recording.sent() != b"parentchild")
        assert os.waitpid(child, 0)[1] == 0
    assert recording.sent() == b"parent"
    assert theirs.recv(100) == b"parentchild"


def test_a_signal_handler_that_talks_is_heard(pair: Pair) -> None:
    ours, theirs = pair
    other, another = socket.socketpair()

    def handler(number: int, frame: Any) -> None:
        other.send(b"signal")
        theirs.send(b"go on")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with other, another, record() as recording:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            ours.recv(10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [call.data for call in recording.calls[:3]] == [b"signal", b"go on", b"go on"]


# Closed, it leaves nothing


def test_everything_is_restored_after_an_error_in_the_middle() -> None:
    before = everything()
    with pytest.raises(ZeroDivisionError), record(), record(threads=True):
        assert everything() != before
        raise ZeroDivisionError
    assert everything() == before


def test_inherited_methods_are_not_left_behind() -> None:
    with record():
        assert "recv" in vars(socket.socket)
    assert "recv" not in vars(socket.socket)


def test_recordings_opened_and_closed_in_many_threads_leave_nothing() -> None:
    def open_and_close() -> None:
        for _ in range(50):
            with record():
                pass

    threads = [threading.Thread(target=open_and_close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def test_what_others_put_in_place_meanwhile_is_left_alone() -> None:
    def mine(sock: socket.socket, *args: Any) -> bytes:
        return b"mine"

    with record():
        # Not by `mock`, which would put the recorder's back.
        socket.socket.recv = mine  # type: ignore[method-assign,assignment]
    assert vars(socket.socket)["recv"] is mine
    del socket.socket.recv


def test_a_socket_is_forgotten_with_its_last_reference() -> None:
    import gc
    import weakref

    with record() as recording:
        ours, theirs = socket.socketpair()
        gone = weakref.ref(ours)
        ours.close()
        theirs.close()
        del ours
        gc.collect()
        assert gone() is None
    assert recording.calls


# Limits


def test_data_is_kept_up_to_the_limit_and_counted_past_it(pair: Pair) -> None:
    ours, theirs = pair
    with record(limit=3) as recording:
        ours.sendall(b"abcdef")
        ours.sendmsg([b"ab", b"cdef"])
        theirs.recv(12)
    assert [(call.data, call.size) for call in recording.calls] == [
        *((b"abc", 6), (b"abc", 6), (b"abc", 12))
    ]


def test_a_recording_keeps_only_so_much_in_all(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TOTAL_LIMIT", 10)
    with record() as recording:
        for _ in range(3):
            pair[0].send(b"abcdef")
    assert [(call.data, call.size) for call in recording.calls] == [
        *((b"abcdef", 6), (b"abcd", 6), (b"", 6))
    ]


# The lines of code


def test_frames_name_the_lines_from_the_library_to_the_caller(lab: Lab) -> None:
    smtp = smtplib.SMTP(lab.smtp.host, lab.smtp.port, "[127.0.0.1]", 10)
    with smtp as client, record() as recording:
        client.noop()  # the caller
    noop = next(call for call in recording.calls if call.data.lower() == b"noop\r\n")
    functions = [frame.function for frame in noop.frames]
    assert functions[:4] == ["SMTP.send", "SMTP.putcmd", "SMTP.docmd", "SMTP.noop"]
    assert noop.frames[0].file == smtplib.__file__
    assert noop.frames[0].text == "self.sock.sendall(s)"
    assert noop.frames[4].file == __file__
    assert noop.frames[4].text == "client.noop()  # the caller"
    assert not any(f.file == recorder.__file__ for c in recording.calls for f in c.frames)


def test_two_calls_on_one_line_and_a_loop_have_the_right_lines(pair: Pair) -> None:
    ours, theirs = pair
    with record() as recording:
        for _ in range(2):
            ours.send(b"a")
            theirs.recv(1), theirs.send(b"b")
        ours.recv(2)
    lines = [call.frames[0].text for call in recording.calls]
    both = 'theirs.recv(1), theirs.send(b"b")'
    assert lines == ['ours.send(b"a")', both, both] * 2 + ["ours.recv(2)"]


def test_equal_code_of_two_files_is_told_apart(pair: Pair) -> None:
    source = "def f(s):\n    s.send(b'x')\n"
    files: list[str] = []
    with record() as recording:
        for file in "one.py", "two.py":
            space: dict[str, Any] = {}
            exec(compile(source, file, "exec"), space)
            space["f"](pair[0])
    files = [call.frames[0].file for call in recording.calls]
    assert files == ["one.py", "two.py"]
    assert recording.calls[0].frames[0].text == ""


def test_a_deep_stack_is_cut_at_its_outer_end(pair: Pair) -> None:
    def dig(depth: int) -> None:
        if depth:
            dig(depth - 1)
        else:
            pair[0].send(b"x")

    with record() as recording:
        dig(100)
    frames = recording.calls[0].frames
    assert len(frames) == recorder.DEPTH
    assert frames[0].text == 'pair[0].send(b"x")'


# Callbacks, and the rest


def test_on_call_is_called_with_each_call_and_is_not_heard_itself(pair: Pair) -> None:
    ours, theirs = pair
    seen: list[Call] = []

    def show(call: Call) -> None:
        seen.append(call)
        theirs.send(b"shown")

    with record(on_call=show) as recording:
        ours.send(b"one")
        ours.recv(10)
    assert seen == recording.calls
    assert names(recording) == ["send", "recv"]


def test_an_error_in_on_call_comes_out_and_everything_is_restored(pair: Pair) -> None:
    def stop(call: Call) -> None:
        raise KeyError(call.number)

    with pytest.raises(KeyError), record(on_call=stop) as recording:
        pair[0].send(b"x")
    assert len(recording.calls) == 1


def test_a_recording_can_be_left_in_another_context(pair: Pair) -> None:
    import contextvars

    manager = record()
    context = contextvars.copy_context()
    recording = context.run(manager.__enter__)
    context.run(pair[0].send, b"inside")
    pair[0].send(b"outside")
    manager.__exit__(None, None, None)
    assert recording.sent() == b"inside"


def test_subclasses_of_socket_are_heard() -> None:
    class Counting(socket.socket):
        count = 0

        def send(self, *args: Any) -> int:
            self.count += 1
            return super().send(*args)

    with record() as recording, Counting(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 9))
        sock.send(b"x")
    assert recording.sent() == b"x"
    assert recording.calls[2].frames[0].function.endswith("Counting.send")


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError), record(limit=-1):
        pass


def test_an_interrupt_does_not_lose_what_follows(pair: Pair) -> None:
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with record() as recording:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                pair[0].recv(1)
            pair[0].send(b"x")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [call.error for call in recording.calls] == ["KeyboardInterrupt: ", ""]


def test_a_recording_that_was_never_opened_costs_an_import_and_nothing_else() -> None:
    code = "import socket, ssl; a = list(vars(socket.socket).items());"
    code += "import protoclients.recorder; assert a == list(vars(socket.socket).items())"
    subprocess.run([sys.executable, "-c", code], check=True)
