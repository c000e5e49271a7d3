"""TLS: against the Lab, against servers that nobody should believe, and cut off.

Also what TLS is for: no secret crosses a network in clear text unless the caller says so.
"""

import contextlib
import datetime
import io
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Refused, WireError, cli, link
from protoclients.errors import Disconnected, ProtocolError
from protoclients.fixtures import Lab
from protoclients.recorder import record

from .hostile.server import PATIENCE, playing, says

CLIENTS: dict[str, Callable[..., Any]] = {
    "http": HTTP, "smtp": SMTP, "pop3": POP3, "ftp": FTP, "nntp": NNTP,
}  # fmt: skip
BY_COMMAND = {"smtp": "starttls", "pop3": "stls", "ftp": "auth_tls", "nntp": "starttls"}
HELLO = {
    "http": b"", "smtp": b"220 hi\r\n", "pop3": b"+OK hi\r\n", "ftp": b"220 hi\r\n",
    "nntp": b"200 hi\r\n",
}  # fmt: skip
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOST = "127.0.0.1"
PASSWORD = "very-secret"

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost", HOST)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def cafile(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def context_for(certificate: trustme.LeafCert | trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate; that of an authority is signed by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(certificate, trustme.LeafCert):
        certificate.configure_cert(context)
        return context
    with trustme.Blob(
        certificate.private_key_pem.bytes() + certificate.cert_pem.bytes()
    ).tempfile() as path:
        context.load_cert_chain(path)
    return context


def expired() -> ssl.SSLContext:
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    before = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    return context_for(AUTHORITY.issue_cert(HOST, not_before=before, not_after=long_ago))


def outdated() -> ssl.SSLContext:
    context = context_for(CERTIFICATE)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


class Server:
    """Greets its clients, one after the other, and hears them out.

    Without a `context` it knows no TLS, and greets all the same.
    """

    def __init__(
        self, context: ssl.SSLContext | None, greeting: bytes, answer: bytes = b""
    ) -> None:
        self._context, self._greeting, self._answer = context, greeting, answer
        self.heard = b""
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread up
        self._thread.join(PATIENCE * 2)
        self._listener.close()
        assert not self._thread.is_alive(), "the client did not hang up"

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(PATIENCE)
                with connection, contextlib.suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._context:
            with self._context.wrap_socket(connection, server_side=True) as inside:
                self._talk(inside)
        else:
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self._greeting)
        while said := connection.recv(65536):
            self.heard += said
            if self._answer:
                connection.sendall(self._answer)


def trusting(cafile: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cafile)


# The Lab


def ask(protocol: str, client: Any) -> Any:
    """A question whose answer shows that the conversation works."""
    questions: dict[str, Callable[[], Any]] = {
        "http": lambda: client.get("/").status,
        "smtp": lambda: client.noop().code,
        "pop3": lambda: bool(client.capa()),
        "ftp": lambda: bool(client.nlst()),
        "nntp": lambda: bool(client.list()),
    }
    return questions[protocol]()


@pytest.mark.parametrize("protocol", CLIENTS)
def test_tls_from_the_first_octet(lab: Lab, protocol: str) -> None:
    where = getattr(lab, protocol)
    with CLIENTS[protocol](where.host, where.tls_port, tls=trusting(lab.cafile)) as client:
        assert client.wire.is_tls
        if protocol == "ftp":
            client.login(where.user, where.password)
        assert ask(protocol, client)


@pytest.mark.parametrize("protocol", BY_COMMAND)
def test_tls_by_command(lab: Lab, protocol: str) -> None:
    where = getattr(lab, protocol)
    with CLIENTS[protocol](where.host, where.port) as client:
        assert not client.wire.is_tls
        getattr(client, BY_COMMAND[protocol])(trusting(lab.cafile))
        assert client.wire.is_tls
        client.login(where.user, where.password)
        assert ask(protocol, client)


@pytest.mark.parametrize("by_command", [False, True])
def test_ftp_by_the_systems_authorities_has_its_data_connections_too(
    lab: Lab, by_command: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", lab.cafile)
    port = lab.ftp.port if by_command else lab.ftp.tls_port
    with FTP(lab.ftp.host, port, tls=not by_command) as client:
        if by_command:
            client.auth_tls()
        client.login(lab.ftp.user, lab.ftp.password)
        assert client.retr("README.txt")
        assert client.nlst()


@pytest.mark.parametrize("protocol", CLIENTS)
def test_the_labs_certificate_is_not_trusted_unasked(lab: Lab, protocol: str) -> None:
    where = getattr(lab, protocol)
    with pytest.raises(WireError, match="not the server's certificate"):
        CLIENTS[protocol](where.host, where.tls_port, tls=True)


# Servers that nobody should believe


def test_pop3_asks_for_pipelining_once_and_again_under_tls(lab: Lab) -> None:
    with record() as recording, POP3(lab.pop3.host, lab.pop3.port) as client:
        client.capa()
        client.stls(trusting(lab.cafile))
        client.login(lab.pop3.user, lab.pop3.password)
        client.top_many([1, 2])
        client.retr_many([1, 2])
    commands = [
        step.text.split()[0]
        for step in recording.conversations[0].steps
        if step.speaker == "C"
    ]
    assert commands.count("CAPA") == 2


BAD_SERVERS: dict[str, tuple[Callable[[], ssl.SSLContext | None], str]] = {
    "another host": (
        lambda: context_for(AUTHORITY.issue_cert("other.example.test")),
        "mismatch",
    ),
    "expired": (expired, "expired"),
    "unknown authority": (lambda: context_for(trustme.CA().issue_cert(HOST)), "issuer"),
    "self-signed": (lambda: context_for(trustme.CA()), "self-signed"),
    "an old version": (outdated, "version"),
    "no TLS at all": (lambda: None, "tls"),
}
old_versions_are_deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@old_versions_are_deprecated
@pytest.mark.parametrize("protocol", CLIENTS)
@pytest.mark.parametrize("name", BAD_SERVERS)
def test_a_server_that_nobody_should_believe(protocol: str, name: str, cafile: str) -> None:
    make, reason = BAD_SERVERS[name]
    greeting = HELLO[protocol] or PAGE
    with Server(make(), greeting) as server, pytest.raises(WireError) as caught:
        CLIENTS[protocol](HOST, server.port, tls=trusting(cafile), timeout=PATIENCE)
    sentence = str(caught.value)
    assert reason in sentence.lower()
    assert "\n" not in sentence and "_ssl.c" not in sentence
    assert not server.heard or name == "no TLS at all"  # nothing but a handshake


@old_versions_are_deprecated
@pytest.mark.parametrize("protocol", BY_COMMAND)
@pytest.mark.parametrize("name", ["another host", "expired", "self-signed"])
def test_the_same_by_command(protocol: str, name: str, cafile: str) -> None:
    make, reason = BAD_SERVERS[name]
    context = make()
    assert context
    with changing(HELLO[protocol], GO_AHEAD[protocol], context) as port:
        client = CLIENTS[protocol](HOST, port, timeout=PATIENCE)
        with pytest.raises(WireError, match=reason):
            getattr(client, BY_COMMAND[protocol])(trusting(cafile))
        assert client.wire.closed


@contextlib.contextmanager
def changing(greeting: bytes, go_ahead: bytes, context: ssl.SSLContext) -> Iterator[int]:
    """A server that changes to TLS by command."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)

        def run() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with connection, contextlib.suppress(OSError):
                connection.sendall(greeting)
                connection.recv(100)
                connection.sendall(go_ahead)
                with context.wrap_socket(connection, server_side=True) as inside:
                    inside.recv(100)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE * 2)


@pytest.mark.parametrize("protocol", CLIENTS)
def test_a_server_of_tls_on_a_plain_port(protocol: str) -> None:
    with Server(context_for(CERTIFICATE), HELLO[protocol]) as server:
        # Most wait for a greeting, and the server for a handshake: only the clock ends it.
        with (
            pytest.raises(WireError),
            CLIENTS[protocol](HOST, server.port, timeout=0.2) as client,
        ):
            client.get("/")
        assert not server.heard


# The same on the command line


class Run:
    """What a command line gave: its exit status and what it said on stderr."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *words: str) -> None:
        capfd.readouterr()
        self.status = cli.main(words)
        self.out, self.err = capfd.readouterr()


@old_versions_are_deprecated
@pytest.mark.parametrize("name", BAD_SERVERS)
def test_on_the_command_line_the_sentence_names_the_way_out(
    name: str, cafile: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, reason = BAD_SERVERS[name]
    context = make()
    with Server(context, b"" if context else PAGE, PAGE) as server:
        where = f"https://{HOST}:{server.port}/"
        run = Run(capfd, "http", where, "--cafile", cafile, "--timeout", "3")
    assert (run.status, run.out) == (3, "")
    assert reason in run.err.lower()
    assert run.err.count("\n") == 1
    if name != "no TLS at all":
        assert "--insecure" in run.err
    if name in ("unknown authority", "self-signed"):
        assert "--cafile" in run.err


@old_versions_are_deprecated
@pytest.mark.parametrize("name", [name for name in BAD_SERVERS if name != "no TLS at all"])
def test_in_the_laboratory_insecure_works_and_warns(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Server(BAD_SERVERS[name][0](), b"", PAGE) as server:
        run = Run(capfd, "http", f"https://{HOST}:{server.port}/", "--insecure")
    assert (run.status, run.out) == (0, "ok")
    assert "--insecure" in run.err


def test_the_process_exits_by_3_and_says_one_sentence() -> None:
    with Server(context_for(trustme.CA()), HELLO["pop3"]) as server:
        words = ["pop3", f"pop3s://student@{HOST}:{server.port}"]
        run = subprocess.run(
            [sys.executable, "-m", "protoclients", *words],
            capture_output=True,
            text=True,
            env={"PROTOCLIENTS_PASSWORD": PASSWORD, "NO_COLOR": "1"},
            cwd=Path(__file__).parents[1],
            timeout=PATIENCE * 4,
            check=False,
        )
    assert (run.returncode, run.stdout) == (3, "")
    assert "self-signed" in run.stderr and "--cafile" in run.stderr
    assert run.stderr.count("\n") == 1


# No downgrade, no injection

GO_AHEAD = {
    "smtp": b"220 go\r\n", "pop3": b"+OK go\r\n", "ftp": b"234 go\r\n", "nntp": b"382 go\r\n",
}  # fmt: skip
INJECTED = {
    "smtp": b"250-evil\r\n250 AUTH PLAIN\r\n", "pop3": b"+OK evil\r\n", "ftp": b"230 evil\r\n",
    "nntp": b"281 evil\r\n",
}  # fmt: skip


@pytest.mark.parametrize("protocol", BY_COMMAND)
@pytest.mark.parametrize("part", [1, 1000])
def test_plaintext_behind_the_go_ahead_is_an_error(
    protocol: str, part: int, cafile: str
) -> None:
    said = GO_AHEAD[protocol] + INJECTED[protocol][:part]
    with playing(says(HELLO[protocol], said)) as server:
        client = CLIENTS[protocol](HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ProtocolError, match="before it was asked"):
            getattr(client, BY_COMMAND[protocol])(trusting(cafile))
        assert client.wire.closed
    assert server.heard.count(b"\n") == 1  # the command, and no handshake


NOS = {
    "smtp": b"454 no\r\n",
    "pop3": b"-ERR no\r\n",
    "ftp": b"502 no\r\n",
    "nntp": b"580 no\r\n",
}


@pytest.mark.parametrize("protocol", BY_COMMAND)
def test_asked_for_tls_and_refused_no_secret_is_said(
    protocol: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROTOCLIENTS_PASSWORD", PASSWORD)
    action = {"smtp": [], "pop3": ["list"], "ftp": ["ls"], "nntp": ["groups"]}[protocol]
    with playing(says(HELLO[protocol], NOS[protocol])) as server:
        where = f"{HOST}:{server.port}"
        run = Run(capfd, protocol, "--starttls", "--user", "student", where, *action)
    assert run.status == 1
    assert "refused" in run.err
    assert server.heard.count(b"\n") == 1
    assert b"student" not in server.heard


@pytest.mark.parametrize("protocol", BY_COMMAND)
def test_a_refused_starttls_is_a_refusal_and_nothing_is_encrypted(protocol: str) -> None:
    with playing(says(HELLO[protocol], NOS[protocol])) as server:
        client = CLIENTS[protocol](HOST, server.port, timeout=PATIENCE)
        with pytest.raises(Refused):
            getattr(client, BY_COMMAND[protocol])()
        assert not client.wire.is_tls
        client.close()


# Cut off


def ending(connection: ssl.SSLSocket, properly: bool) -> None:
    """End a connection with TLS's goodbye, or without."""
    if properly:
        with contextlib.suppress(OSError):
            connection.unwrap()
    connection.close()


class HeldTickets(io.BytesIO):
    """A body to upload; when it is read, the server's session tickets come."""

    def __init__(self, body: bytes, come: Callable[[], None]) -> None:
        super().__init__(body)
        self._come = come

    def read(self, size: int | None = -1) -> bytes:
        self._come()
        return super().read(size)


@contextlib.contextmanager
def holding_tickets() -> Iterator[tuple[int, Callable[[], None]]]:
    """A server of TLS 1.3 that ends the handshake but for its session tickets; yields its
    port, and a function that lets them go. It answers a request of 1,000 octets of body."""
    incoming, outgoing, ready = ssl.MemoryBIO(), ssl.MemoryBIO(), threading.Event()
    inside = context_for(CERTIFICATE).wrap_bio(incoming, outgoing, server_side=True)
    connections: list[socket.socket] = []

    def ask(question: Callable[[], Any]) -> Any:
        while True:
            try:
                return question()
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    connections[0].sendall(outgoing.read())
                incoming.write(connections[0].recv(65536))

    def serve() -> None:
        connections.append(listener.accept()[0])
        connections[0].settimeout(PATIENCE)
        with connections[0], contextlib.suppress(OSError):
            ask(inside.do_handshake)
            ready.set()  # what is in `outgoing` now are the tickets
            heard = b""
            while len(heard.partition(b"\r\n\r\n")[2]) < 1000:
                incoming.write(connections[0].recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    while said := inside.read(65536):
                        heard += said
            inside.write(PAGE)
            connections[0].sendall(outgoing.read())
            connections[0].recv(65536)

    def come() -> None:
        assert ready.wait(PATIENCE)
        if outgoing.pending:
            connections[0].sendall(outgoing.read())

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], come
        thread.join(PATIENCE * 2)


def test_tickets_that_come_while_we_send_do_not_stop_the_sending(cafile: str) -> None:
    with holding_tickets() as (port, come):
        client = HTTP(HOST, port, tls=trusting(cafile), timeout=1)
        try:
            assert client.put("/x", HeldTickets(b"x" * 1000, come)).body == b"ok"
        finally:
            client.close()


@contextlib.contextmanager
def https(said: bytes, properly: bool) -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)

        def run() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with context_for(CERTIFICATE).wrap_socket(
                connection, server_side=True
            ) as inside:
                with contextlib.suppress(OSError):
                    inside.recv(65536)
                    inside.sendall(said)
                ending(inside, properly)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE * 2)


@pytest.mark.parametrize("body", [b"hello", b"x" * 100_000])
def test_http_a_body_until_close_ends_by_tls_goodbye(cafile: str, body: bytes) -> None:
    with https(b"HTTP/1.1 200 OK\r\n\r\n" + body, properly=True) as port:
        client = HTTP(HOST, port, tls=trusting(cafile), timeout=PATIENCE)
        assert client.get("/").body == body


@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 100_000])
def test_http_a_body_until_close_without_goodbye_is_cut_off(
    cafile: str, body: bytes
) -> None:
    with https(b"HTTP/1.1 200 OK\r\n\r\n" + body, properly=False) as port:
        client = HTTP(HOST, port, tls=trusting(cafile), timeout=PATIENCE)
        with pytest.raises(Disconnected):
            client.get("/")
        assert client.wire.closed


def test_http_a_counted_body_needs_no_goodbye(cafile: str) -> None:
    with https(PAGE, properly=False) as port:
        client = HTTP(HOST, port, tls=trusting(cafile), timeout=PATIENCE)
        assert client.get("/").body == b"ok"
        client.close()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_http_one_answer_too_many_inside_a_tls_record_is_seen(
    cafile: str, framing: str
) -> None:
    stray = PAGE.replace(b"ok", b"!!")
    records = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello" + stray]
    if framing == "chunks":
        chunk = b"hello\r\n0\r\n\r\n" + stray
        records = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", chunk]
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)

        def run() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with context_for(CERTIFICATE).wrap_socket(
                connection, server_side=True
            ) as inside:
                inside.recv(65536)
                for record in records:
                    inside.sendall(record)
                with contextlib.suppress(OSError):
                    if inside.recv(65536):
                        inside.sendall(PAGE)
                        inside.recv(65536)

        thread = threading.Thread(target=run)
        thread.start()
        client = HTTP(
            HOST, listener.getsockname()[1], tls=trusting(cafile), timeout=PATIENCE
        )
        try:
            assert client.get("/a").body == b"hello"
            with pytest.raises(ProtocolError, match="before it was asked"):
                client.get("/b")
        finally:
            client.close()
            thread.join(PATIENCE * 2)


class FTPS:
    """One RETR or STOR over TLS; `reused` is whether the data connection resumed the
    session. `verdict` is said at the end."""

    def __init__(
        self, content: bytes, properly: bool, verdict: bytes = b"226 done"
    ) -> None:
        self._content, self._properly, self.reused = content, properly, False
        self._verdict = verdict
        self._control = socket.create_server((HOST, 0))
        self._data = socket.create_server((HOST, 0))
        self.port: int = self._control.getsockname()[1]

    def run(self) -> None:
        context = context_for(CERTIFICATE)
        with self._control, self._data:
            self._control.settimeout(PATIENCE)
            self._data.settimeout(PATIENCE)
            connection = self._control.accept()[0]
            connection.settimeout(PATIENCE)
            with context.wrap_socket(connection, server_side=True) as control:
                self._serve(control, context)

    def _serve(self, control: ssl.SSLSocket, context: ssl.SSLContext) -> None:
        epsv = b"229 x (|||%d|)" % self._data.getsockname()[1]
        for reply in (b"220 hi", b"200 PBSZ", b"200 PROT", b"200 TYPE", epsv, b"150 go"):
            control.sendall(reply + b"\r\n")
            if reply != b"150 go":
                control.recv(65536)
        accepted = self._data.accept()[0]
        accepted.settimeout(PATIENCE)
        data = context.wrap_socket(accepted, server_side=True)
        self.reused = bool(data.session_reused)
        data.sendall(self._content)
        ending(data, self._properly)
        with contextlib.suppress(OSError):
            control.sendall(self._verdict + b"\r\n")
            control.recv(65536)


@pytest.mark.parametrize("properly", [True, False])
@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 100_000])
def test_ftp_a_file_over_tls_is_whole_only_with_the_goodbye(
    cafile: str, properly: bool, content: bytes
) -> None:
    server = FTPS(content, properly)
    thread = threading.Thread(target=server.run)
    thread.start()
    client = FTP(HOST, server.port, tls=trusting(cafile), timeout=PATIENCE)
    if properly:
        assert client.retr("x") == content
        client.close()
    else:
        with pytest.raises(Disconnected):
            client.retr("x")
        assert client.wire.closed
    thread.join(PATIENCE * 2)
    assert server.reused


def test_ftp_why_an_upload_over_tls_was_cut_off_is_heard(cafile: str) -> None:
    server = FTPS(b"", properly=False, verdict=b"552 quota")
    thread = threading.Thread(target=server.run)
    thread.start()
    client = FTP(HOST, server.port, tls=trusting(cafile), timeout=PATIENCE)
    with pytest.raises(Refused, match="552 quota"):
        client.stor("x", bytes(20 * 1024 * 1024))
    client.close()
    thread.join(PATIENCE * 2)


# Secrets in clear text

LOGINS: dict[str, tuple[str, list[bytes], Callable[..., Any]]] = {
    "POP3": ("pop3", [], lambda c, **how: c.login("u", PASSWORD, **how)),
    "POP3 AUTH PLAIN": (
        "pop3", [b"+OK\r\nSASL PLAIN\r\n.\r\n"],
        lambda c, **how: c.auth("u", PASSWORD, **how)),
    "SMTP PLAIN": (
        "smtp", [b"250-x\r\n250 AUTH PLAIN\r\n"],
        lambda c, **how: c.login("u", PASSWORD, **how)),
    "SMTP LOGIN": (
        "smtp", [b"250-x\r\n250 AUTH LOGIN\r\n"],
        lambda c, **how: c.login("u", PASSWORD, **how)),
    "FTP": ("ftp", [], lambda c, **how: c.login("u", PASSWORD, **how)),
    "NNTP": ("nntp", [], lambda c, **how: c.login("u", PASSWORD, **how)),
    "HTTP Basic": ("http", [], lambda c, **how: c.login("u", PASSWORD, **how)),
}  # fmt: skip
YES = {
    "pop3": b"+OK\r\n",
    "smtp": b"235 ok\r\n",
    "ftp": b"230 in\r\n",
    "nntp": b"281 in\r\n",
    "http": b"",
}


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server seems to be on another machine."""
    monkeypatch.setattr(link.Link, "peer", property(lambda self: ("192.0.2.1", 9)))


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("name", LOGINS)
def test_a_secret_does_not_cross_a_network_in_clear_text(name: str) -> None:
    protocol, answers, login = LOGINS[name]
    with playing(says(HELLO[protocol], *answers)) as server:
        client = CLIENTS[protocol](HOST, server.port, timeout=PATIENCE)
        with pytest.raises(ValueError, match="allow_cleartext"):
            login(client)
        assert not client.wire.closed
        client.close()
    assert server.heard.count(b"\n") == len(answers)
    assert not any(
        word in server.heard for word in (b"USER", b"PASS", b"AUTH", PASSWORD.encode())
    )


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("name", [name for name in LOGINS if name != "SMTP LOGIN"])
def test_it_does_if_the_caller_says_so(name: str) -> None:
    protocol, answers, login = LOGINS[name]
    with playing(says(HELLO[protocol], *answers, YES[protocol], YES[protocol])) as server:
        client = CLIENTS[protocol](HOST, server.port, timeout=PATIENCE)
        login(client, allow_cleartext=True)
        client.close()


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("protocol", ["smtp", "pop3"])
def test_cram_md5_says_no_secret_so_it_may(protocol: str) -> None:
    offers = {
        "smtp": b"250-x\r\n250 AUTH CRAM-MD5\r\n",
        "pop3": b"+OK\r\nSASL CRAM-MD5\r\n.\r\n",
    }
    asks = {"smtp": b"334 eA==\r\n", "pop3": b"+ eA==\r\n"}
    script = says(HELLO[protocol], offers[protocol], asks[protocol], YES[protocol])
    with playing(script) as server:
        client = CLIENTS[protocol](HOST, server.port, timeout=PATIENCE)
        (client.login if protocol == "smtp" else client.auth)("u", PASSWORD)
        client.close()
    assert PASSWORD.encode() not in server.heard


@pytest.mark.usefixtures("far_away")
def test_anonymous_is_no_secret() -> None:
    with playing(says(HELLO["ftp"], b"230 in\r\n")) as server:
        client = FTP(HOST, server.port, timeout=PATIENCE)
        client.login()
        client.close()


@pytest.mark.usefixtures("far_away")
def test_on_the_command_line_the_caller_says_allow_cleartext(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROTOCLIENTS_PASSWORD", PASSWORD)
    with playing(says(HELLO["pop3"])) as server:
        run = Run(capfd, "pop3", f"pop3://student@{HOST}:{server.port}", "list")
    assert run.status == 2
    assert "--allow-cleartext" in run.err and PASSWORD not in run.err
    assert b"USER" not in server.heard
