"""Servers that do not end, that hardly begin, and that do not listen.

What never ends is stopped by a named limit, in bounded memory. What drips is stopped by the
clock. Two sides never wait for each other for ever, however small the buffers are.
"""

import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, cli
from protoclients.errors import LimitExceeded, ProtocolError, TooSlow, WireError
from protoclients.limits import LIMITS, Limits
from protoclients.link import Link
from protoclients.telnet import Telnet

from .hostile.scripts import PIPELINING, agreeing, file, ftp, head, nntp, smtp
from .hostile.server import (
    END_DATA,
    HEAR,
    HEAR_DOT,
    HEAR_HEAD,
    OPEN_DATA,
    PATIENCE,
    SILENT,
    Data,
    Forever,
    Pause,
    Script,
    playing,
)

HOST = "127.0.0.1"
MIB = 1024 * 1024
BOUND = 200  # MiB

# Calls the clients in a process of its own, to see what memory they take. Linux counts the
# peak anew when 5 is written to clear_refs.
WORKER = """
import io, json, sys
from protoclients import *
from protoclients.telnet import ECHO, TTYPE

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

def peak():
    return status("VmHWM:")

sink = open("/dev/null", "wb")
for line in sys.stdin:
    opener, call, port = json.loads(line)
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before, client, said = peak(), None, ["nothing", ""]
    try:
        client = eval(opener)("127.0.0.1", port, timeout=10)
        said = ["value", repr(eval(call))[:80]]
    except Exception as error:
        said = [type(error).__name__, str(error)[:200]]
        assert client is None or client.wire.closed
    finally:
        if client:
            client.close()
    print(json.dumps([*said, peak() - before]), flush=True)
"""


class Worker:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def call(self, opener: str, call: str, port: int) -> tuple[str, str, float]:
        """Make a call; return the name of its error, or "value", its text, and the MiB
        that it took at its peak."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([opener, call, port]) + "\n")
        self._process.stdin.flush()
        kind, said, peak = json.loads(self._process.stdout.readline())
        return kind, said, peak

    def end(self) -> None:
        self._process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells a process's peak of memory")
    worker = Worker()
    yield worker
    worker.end()


# Endless servers


def web(*steps: Any) -> Script:
    return [HEAR_HEAD, *steps]


GO: Script = [HEAR, b"150 go\r\n", OPEN_DATA]
LISTING: Script = ftp(HEAR, b"229 x (|||{port}|)\r\n", *GO)
CHUNKED = head(b"Transfer-Encoding: chunked")
LINES = b"x" * 76 + b"\r\n"
OVER = b"1" + b"\t" * 7 + b"\r\n"
POP: Script = [b"+OK hi\r\n", HEAR, b"+OK\r\n"]
NEWS: Script = [b"200 hi\r\n", HEAR]

# opener, call, script, and a word of the LimitExceeded
Endless = tuple[str, str, Script, str]
ENDLESS: dict[str, Endless] = {
    "a greeting of one line": ("POP3", "0", [Forever(b"+OK")], "a line of more than 65536"),
    "a greeting of many lines": ("SMTP", "0", [Forever(b"220-x\r\n")], "a reply of more"),
    "a greeting of many empty lines": (
        "SMTP", "0", [Forever(b"220-\r\n")], "a reply of more"),
    "free text in a reply": (
        "FTP", "client.stat()", ftp(HEAR, b"211-x\r\n",
        Forever(b"x\r\n")), "a reply of more"),
    "empty lines in a reply": (
        "FTP", "client.stat()", ftp(HEAR, b"211-x\r\n",
        Forever(b"\r\n")), "a reply of more"),
    "EHLO": ("SMTP", "client.ehlo()", smtp(Forever(b"250-X y\r\n")), "a reply of more"),
    "a message": ("POP3", "client.retr(1)", [*POP, Forever(LINES)], "67108864 octets"),
    "a message of one line": (
        "POP3", "client.retr(1)", [*POP, Forever(b"x")], "67108864 octets"),
    "a message of empty lines": (
        "POP3", "client.retr(1)", [*POP, Forever(b"\r\n")], "67108864"),
    "a message of dots": (
        "POP3", "client.retr(1, limit=9999999)", [*POP, Forever(b"..\r\n")], "9999999"),
    "a message into a file, and a limit": (
        "POP3", "client.retr(1, sink, limit=5000000)", [*POP, Forever(LINES)], "5000000"),
    "the header of a message": (
        "POP3", "client.top(1)", [*POP, Forever(LINES)], "67108864"),
    "a scan listing": ("POP3", "client.list()", [*POP, Forever(b"1 1\r\n")], "limit"),
    "unique ids": ("POP3", "client.uidl()", [*POP, Forever(b"1 1\r\n")], "limit"),
    "capabilities": ("POP3", "client.capa()", [*POP, Forever(b"X Y Z\r\n")], "limit"),
    "an article": (
        "NNTP", "client.article(1)", [*NEWS, b"220 1 <a@b>\r\n",
        Forever(LINES)], "67108864"),
    "an article into a file, and a limit": (
        "NNTP", "client.article(1, sink, limit=5000000)", [*NEWS,
        b"220 1 <a@b>\r\n", Forever(LINES)],
        "5000000"),
    "an overview": (
        "NNTP", "client.over((1, None))", [*NEWS, b"224 x\r\n", Forever(OVER)], "limit"),
    "a list of groups": (
        "NNTP", "client.list()", [*NEWS, b"215 x\r\n", Forever(b"g 1 1 y\r\n")], "limit"),
    "help": ("NNTP", "client.help()", [*NEWS, b"100 x\r\n", Forever(b"\r\n")], "limit"),
    "a status line": (
        "HTTP", "client.get('/')", web(Forever(b"HTTP/1.1 200 ")), "a line of more"),
    "field lines": (
        "HTTP", "client.get('/')", web(b"HTTP/1.1 200 OK\r\n",
        Forever(b"A: b\r\n")), "a head of more"),
    "one field line": (
        "HTTP", "client.get('/')", web(b"HTTP/1.1 200 OK\r\nA: b",
        Forever(b"b")), "a head of more"),
    "a folded field line": (
        "HTTP", "client.get('/')", web(b"HTTP/1.1 200 OK\r\nA: b\r\n",
        Forever(b" b\r\n")), "a head of more"),
    "spaces in a field line": (
        "HTTP", "client.get('/')", web(b"HTTP/1.1 200 OK\r\nA:",
        Forever(b" ")), "a head of more"),
    "interim responses": (
        "HTTP", "client.get('/')", web(Forever(b"HTTP/1.1 100 Go\r\n\r\n")), "21 interim"),
    "a chunk extension": (
        "HTTP", "client.get('/')", web(CHUNKED, b"5;",
        Forever(b"x")), "a line of more than 4096"),
    "the digits of a chunk size": (
        "HTTP", "client.get('/')", web(CHUNKED, Forever(b"0")), "a line of more than 4096"),
    "trailers": (
        "HTTP", "client.get('/')", web(CHUNKED, b"0\r\n",
        Forever(b"A: b\r\n")), "a head of more"),
    "chunks": (
        "HTTP", "client.get('/')", web(CHUNKED,
        Forever(b"1000\r\n" + b"x" * 4096 + b"\r\n")), "67108864"),
    "little chunks": (
        "HTTP", "client.get('/', limit=999999)", web(CHUNKED,
        Forever(b"1\r\nx\r\n")), "999999"),
    "a body until the close": (
        "HTTP", "client.get('/')", web(head(), Forever(b"x")), "67108864"),
    "a body of a length beyond all memory": (
        "HTTP", "client.get('/')", web(head(b"Content-Length: 999999999999999999"), Forever(b"x")), "67108864"),
    "a body into a file, and a limit": (
        "HTTP", "client.get('/', into=sink, limit=5000000)", web(head(),
        Forever(b"x")), "5000000"),
    "a file": (
        "FTP", "client.retr('x')",
        file(*GO, Forever(b"x", on_data=True)), "67108864"),
    "a file into a file, and a limit": (
        "FTP", "client.retr('x', sink, limit=5000000)",
        file(*GO, Forever(b"x", on_data=True)), "5000000"),
    "names": ("FTP", "client.nlst()", [*LISTING, Forever(b"x\r\n", on_data=True)], "limit"),
    "facts": (
        "FTP", "client.mlsd()", [*LISTING, Forever(b"a=b; x\r\n", on_data=True)], "limit"),
    "a subnegotiation": (
        "Telnet", "client.read_all()", [b"\xff\xfa\x18", Forever(b"x")], "1024 octets"),
    "WILL": ("Telnet", "client.read_all()", [Forever(b"\xff\xfb\x01")], "10000 commands"),
    "WILL and WONT, which have to be answered": (
        "Telnet", "client.read_all()", [Forever(b"\xff\xfb\x01\xff\xfc\x01")], "10000 commands"),
    "WILL of what is refused, which has to be answered": (
        "Telnet", "client.read_all()", [Forever(b"\xff\xfb\x63")], "10000 commands"),
    "no prompt": (
        "Telnet", "client.read_until(b'login', limit=9999999)", [Forever(b"lo")], "9999999"),
    "text": ("Telnet", "client.read_all()", [Forever(b"x")], "67108864"),
    "text into a file, and a limit": (
        "Telnet", "client.read_all(sink, limit=5000000)", [Forever(b"\xff\xff")], "5000000"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_stopped_by_a_limit(name: str, worker: Worker) -> None:
    opener, call, script, word = ENDLESS[name]
    with playing(script) as server:
        kind, said, peak = worker.call(opener, call, server.port)
    assert (kind, word in said) == ("LimitExceeded", True), f"{kind}: {said}"
    # A million lines with facts are a million dictionaries.
    assert peak < (2 * BOUND if name == "facts" else BOUND)


ENTRIES: dict[str, Endless] = {
    "a scan listing": (
        "POP3", "client.list()", [*POP, b"1 1\r\n" * (LIMITS.entries + 1) + b".\r\n"], ""),
    "group numbers": (
        "NNTP", "client.listgroup()", [*NEWS,
        b"211 1 1 1 g\r\n" + b"1\r\n" * (LIMITS.entries + 1) + b".\r\n"], ""),
    "an overview": (
        "NNTP", "client.over()", [*NEWS,
        b"224 x\r\n" + OVER * (LIMITS.entries + 1) + b".\r\n"], ""),
    "names": (
        "FTP", "client.nlst()",
        [*LISTING, Data(b"x\r\n" * (LIMITS.entries + 1)), END_DATA, b"226 done\r\n"], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_a_listing_has_a_million_lines_at_the_most(name: str, worker: Worker) -> None:
    opener, call, script, _ = ENTRIES[name]
    with playing(script) as server:
        kind, said, peak = worker.call(opener, call, server.port)
    assert (kind, str(LIMITS.entries) in said) == ("LimitExceeded", True), f"{kind}: {said}"
    assert peak < BOUND


LARGE = 64 * MIB
INTO: dict[str, Endless] = {
    "POP3": ("POP3", "client.retr(1, sink)", [*POP, LINES * (LARGE // 78), b".\r\n"], ""),
    "NNTP": (
        "NNTP", "client.article(1, sink)", [*NEWS,
        b"220 1 <a@b>\r\n", LINES * (LARGE // 78), b".\r\n"], ""),
    "HTTP": (
        "HTTP", "client.get('/', into=sink).size", web(head(b"Content-Length: %d" % LARGE), b"x" * LARGE), ""),
    "HTTP, chunked": (
        "HTTP", "client.get('/', into=sink).size",
        web(CHUNKED, (b"10000\r\n" + b"x" * 65536 + b"\r\n") * (LARGE // 65536),
        b"0\r\n\r\n"), ""),
    "FTP": (
        "FTP", "client.retr('x', sink)", file(*GO, Data(b"x" * LARGE), END_DATA,
        b"226 done\r\n"), ""),
    "Telnet": ("Telnet", "client.read_all(sink)", [b"x" * LARGE], ""),
}  # fmt: skip


@pytest.mark.parametrize("protocol", INTO)
def test_64_mib_into_a_file_take_next_to_no_memory(protocol: str, worker: Worker) -> None:
    opener, call, script, _ = INTO[protocol]
    with playing(script) as server:
        kind, said, peak = worker.call(opener, call, server.port)
    assert (kind, LARGE - 78 < int(said) <= LARGE) == ("value", True), f"{kind}: {said}"
    assert peak < 3


# Servers that drip

TIMEOUT = 0.15  # in seconds
DRIP = Forever(b"x", pause=0.05)
DATA_DRIP = Forever(b"x", on_data=True, pause=0.05)
Drip = tuple[Callable[..., Any], Script, Callable[[Any], Any]]
DRIPS: dict[str, Drip] = {
    "a greeting": (SMTP, [b"220 ", DRIP], lambda c: None),
    "a reply": (POP3, [b"+OK hi\r\n", HEAR, b"+OK ", DRIP], lambda c: c.stat()),
    "lines of a reply": (
        SMTP, smtp(Forever(b"250-\r\n", pause=0.02)), lambda c: c.noop()),
    "a status line": (HTTP, web(b"HTTP/1.1 200 ", DRIP), lambda c: c.get("/")),
    "a head": (HTTP, web(b"HTTP/1.1 200 OK\r\nA: ", DRIP), lambda c: c.get("/")),
    "interim responses": (
        HTTP, web(Forever(b"HTTP/1.1 100\r\n\r\n", pause=0.02)), lambda c: c.get("/")),
    "a counted body": (
        HTTP, web(head(b"Content-Length: 9999"), DRIP), lambda c: c.get("/")),
    "a chunked body": (
        HTTP, web(CHUNKED, Forever(b"1\r\nx\r\n", pause=0.02)), lambda c: c.get("/")),
    "a body until the close": (HTTP, web(head(), DRIP), lambda c: c.get("/")),
    "a message": (POP3, [*POP, DRIP], lambda c: c.retr(1, io.BytesIO())),
    "a message of stuffed dots": (
        POP3, [*POP, Forever(b"..\r\n", pause=0.02)], lambda c: c.retr(1)),
    "an article": (NNTP, nntp(b"220 1 <a@b>\r\n", DRIP), lambda c: c.article(1)),
    "a file": (FTP, file(*GO, DATA_DRIP), lambda c: c.retr("x")),
    "names": (FTP, [*LISTING, DATA_DRIP], lambda c: c.nlst()),
    "text": (Telnet, [DRIP], lambda c: c.read_all()),
    "a prompt": (Telnet, [DRIP], lambda c: c.read_until(b"login")),
    "commands": (agreeing, [Forever(b"\xff\xf1", pause=0.02)], lambda c: c.read_some()),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIPS)
def test_a_drip_ends_with_the_clock(name: str) -> None:
    opener, script, call = DRIPS[name]
    with playing(script) as server:
        began = time.monotonic()
        with pytest.raises(TooSlow):
            call(opener(HOST, server.port, timeout=TIMEOUT))
        assert time.monotonic() - began < 2 * TIMEOUT + 0.5


@contextlib.contextmanager
def slow(greeting: bytes, answers: list[bytes]) -> Iterator[int]:
    """A server that greets at once, and then takes its time for each of its answers."""
    over = threading.Event()
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(greeting)
                for answer in answers:
                    connection.recv(65536)
                    over.wait(0.7 * TIMEOUT)
                    connection.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join(PATIENCE)


OK_250 = b"250 ok\r\n"
SLOW: dict[str, tuple[Callable[..., Any], bytes, list[bytes], Callable[[Any], Any]]] = {
    "POP3 login": (POP3, b"+OK\r\n", [b"+OK\r\n"] * 2, lambda c: c.login("u", "p")),
    "POP3 auth": (
        POP3, b"+OK\r\n", [b"+OK\r\nSASL PLAIN\r\n.\r\n", b"+OK\r\n"],
        lambda c: c.auth("u", "p")),
    "NNTP login": (
        NNTP, b"200 hi\r\n", [b"381 go\r\n", b"281 in\r\n"], lambda c: c.login("u", "p")),
    "SMTP send": (
        SMTP, b"220 hi\r\n", [OK_250, OK_250, OK_250, b"354 go\r\n", OK_250],
        lambda c: c.send("a@b", ["c@d"], b"x")),
    "FTP rename": (
        FTP, b"220 hi\r\n", [b"350 to?\r\n", b"250 done\r\n"],
        lambda c: c.rename("a", "b")),
    "FTP retr": (
        FTP, b"220 hi\r\n", [b"200 I\r\n", b"500 EPSV\r\n", b"500 PASV\r\n"],
        lambda c: c.retr("a")),
    "Telnet options": (
        Telnet, b"\xff\xfb\x63", [b"\xff\xfb\x63"] * 3, lambda c: c.read_some()),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_a_call_of_several_commands_has_one_clock(name: str) -> None:
    opener, greeting, answers, call = SLOW[name]
    with slow(greeting, answers) as port:
        client = opener(HOST, port, timeout=TIMEOUT)
        began = time.monotonic()
        with pytest.raises(TooSlow):
            call(client)
        assert time.monotonic() - began < 2 * TIMEOUT + 0.5


def test_each_of_many_things_has_a_clock_of_its_own() -> None:
    articles = [b"220 %d <%d@b>\r\nx\r\n.\r\n" % (n, n) for n in range(3)]
    with slow(b"200 hi\r\n", [articles[0] + articles[1][:15], articles[1][15:]]) as port:
        client = NNTP(HOST, port, timeout=2 * TIMEOUT)
        with pytest.raises(TooSlow) as info:
            client.article_many([0, 1, 2])
        assert len(info.value.done) == 1


@pytest.mark.parametrize(
    ("call", "answer"), [("retr_many", b"+OK\r\n.\r\n"), ("dele_many", b"+OK\r\n")]
)
def test_each_of_many_things_said_one_by_one_has_a_clock_of_its_own(
    monkeypatch: pytest.MonkeyPatch, call: str, answer: bytes
) -> None:
    now = 0.0

    def receive(link: Link, *args: Any, **kwargs: Any) -> memoryview:
        nonlocal now
        now += 0.7 * PATIENCE
        return really(link, *args, **kwargs)

    really = Link._receive
    monkeypatch.setattr("protoclients.link.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(Link, "_receive", receive)
    answers = [HEAR, b"+OK\r\nUIDL\r\n.\r\n", *[HEAR, answer] * 3]
    with playing([b"+OK\r\n", *answers]) as server:
        client = POP3(HOST, server.port, timeout=PATIENCE)
        with contextlib.closing(client):
            getattr(client, call)([1, 2, 3])


RAISED: dict[str, tuple[Callable[..., Any], Script, Callable[[Any], Any], Limits]] = {
    "a line": (
        POP3, [b"+OK\r\n", HEAR, b"+OK " + b"1" * 70_000 + b"\r\n"],
        lambda c: c.noop(), Limits(line=80_000)),
    "a reply": (
        SMTP, [*smtp(b"250-" + b"x" * 1000 + b"\r\n"), b"250-x\r\n" * 300000 + OK_250],
        lambda c: c.ehlo(), Limits(reply=4 * MIB)),
    "a body": (
        HTTP, web(head(b"Content-Length: 67108865"), b"x" * 67_108_865),
        lambda c: c.get("/"), Limits(body=65 * MIB)),
    "a head": (
        HTTP, web(head(*[b"A: b"] * 50_000, b"Content-Length: 0")),
        lambda c: c.get("/"), Limits(head=MIB)),
    "interim responses": (
        HTTP, web(b"HTTP/1.1 103 x\r\n\r\n" * 30 + head(b"Content-Length: 0")),
        lambda c: c.get("/"), Limits(interim=30)),
    "the line before a chunk": (
        HTTP, web(CHUNKED, b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n"),
        lambda c: c.get("/"), Limits(chunk_line=6000)),
    "entries": (
        POP3, [*POP, b"1 1\r\n" * 1_000_001 + b".\r\n"],
        lambda c: c.list(), Limits(entries=1_000_001)),
    "a subnegotiation": (
        Telnet, [b"\xff\xfa\x63" + b"x" * 2000 + b"\xff\xf0ok"],
        lambda c: c.read_until(b"ok"), Limits(subnegotiation=2000)),
    "commands": (
        Telnet, [b"\xff\xf1" * 10_001 + b"ok"],
        lambda c: c.read_until(b"ok"), Limits(commands=10_001)),
}  # fmt: skip


@pytest.mark.parametrize("name", RAISED)
def test_a_limit_is_one_unless_the_caller_raises_it(name: str) -> None:
    opener, script, call, limits = RAISED[name]
    with playing(script) as server:
        client = opener(HOST, server.port, timeout=PATIENCE, limits=limits)
        with contextlib.closing(client):
            call(client)
    with playing(script) as server, pytest.raises(LimitExceeded):
        call(opener(HOST, server.port, timeout=PATIENCE))


LOWERED: dict[str, tuple[Callable[..., Any], Script, Callable[[Any], Any], Limits]] = {
    "a head that comes in one piece": (
        HTTP, web(head(*[b"A: b"] * 30)), lambda c: c.get("/"), Limits(head=100)),
    "a status line that does": (
        HTTP, web(head()), lambda c: c.get("/"), Limits(line=16)),
    "capabilities": (
        POP3, [*POP, b"A\r\nB\r\nC\r\n.\r\n"], lambda c: c.capa(), Limits(entries=2)),
    "the facts of one line": (
        FTP, [*LISTING, Data(b"a=1;b=2;c=3; x\r\n"), END_DATA, b"226 done\r\n"],
        lambda c: c.mlsd(), Limits(entries=2)),
    "the facts of all lines": (
        FTP, [*LISTING, Data((b"a=1;" * 11 + b" x\r\n") * 4), END_DATA, b"226 ok\r\n"],
        lambda c: c.mlsd(), Limits(entries=4)),
    "a line of a listing": (
        FTP, [*LISTING, Data(b"x\r\n" + b"y" * 100 + b"\r\nz\r\n"), END_DATA, b"226 ok\r\n"],
        lambda c: c.nlst(), Limits(line=100)),
    "a message that is here already": (
        POP3, [*POP, b"abc\r\n.\r\n"], lambda c: c.retr(1, limit=4), LIMITS),
    "the second of two articles that are": (
        NNTP, [*NEWS, b"220 1 <a@b>\r\na\r\n.\r\n220 2 <a@b>\r\nabc\r\n.\r\n"],
        lambda c: c.article_many([1, 2], limit=4), LIMITS),
    "the line before the second": (
        NNTP, [*NEWS, b"220 1 <a@b>\r\na\r\n.\r\n220 2 <a@b> xxxxx\r\na\r\n.\r\n"],
        lambda c: c.article_many([1, 2]), Limits(line=14)),
    "a line of a listing without its end": (
        POP3, [*POP, b"1 " + b"9" * 50, SILENT], lambda c: c.list(), Limits(line=20)),
    "a reply, by one octet": (
        SMTP, smtp(b"250-abc\r\n250 defg\r\n"), lambda c: c.noop(), Limits(reply=18)),
    "a file": (
        FTP, file(*GO, Data(b"hello"), END_DATA, b"226 ok\r\n"),
        lambda c: c.retr("x"), Limits(body=4)),
    "what comes with a prompt": (
        Telnet, [b"welcome, login:"],
        lambda c: c.read_until(b"login:", limit=14), LIMITS),
}  # fmt: skip


@pytest.mark.parametrize("name", LOWERED)
def test_a_limit_holds_however_the_octets_come(name: str) -> None:
    opener, script, call, limits = LOWERED[name]
    with playing(script) as server:
        client = opener(HOST, server.port, timeout=PATIENCE, limits=limits)
        with pytest.raises(LimitExceeded):
            call(client)
        assert client.wire.closed


def test_a_reply_may_have_its_limit() -> None:
    with playing(smtp(b"250-abc\r\n250 def\r\n")) as server:
        client = SMTP(HOST, server.port, timeout=PATIENCE, limits=Limits(reply=18))
        with contextlib.closing(client):
            assert client.noop().lines == ("abc", "def")


@pytest.mark.parametrize("call", ["read_some", "read_ready", "read_all"])
def test_the_limit_of_commands_is_for_each_read(call: str) -> None:
    said = b"\xff\xf1\xff\xf1x"
    with playing([said, HEAR, said]) as server:
        telnet = Telnet(HOST, server.port, timeout=PATIENCE, limits=Limits(commands=3))
        with contextlib.closing(telnet):
            assert telnet.read_until(b"x") == b"x"
            telnet.write(b"\r\n")
            assert getattr(telnet, call)() == b"x"


# What comes before the body, what the body is cut into, and what comes after it.
MOVING: dict[str, tuple[Callable[..., Any], Script, Callable[[bytes], bytes], bytes, Any]] = {
    "until the close": (
        HTTP, [HEAR_HEAD, head()], bytes, b"", lambda c: c.get("/").body),
    "counted": (
        HTTP, [HEAR_HEAD, head(b"Content-Length: 3000")], bytes, b"",
        lambda c: c.get("/").body),
    "little chunks": (
        HTTP, [HEAR_HEAD, CHUNKED],
        lambda piece: b"".join(b"a\r\n%b\r\n" % piece[:10] for _ in range(0, len(piece), 10)),
        b"0\r\n\r\n", lambda c: c.get("/").body),
    "a message": (POP3, POP, bytes, b"\r\n.\r\n", lambda c: c.retr(1).strip()),
    "text": (Telnet, [], bytes, b"", lambda c: c.read_all()),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVING)
def test_a_slow_body_that_moves_on_may_take_longer_than_the_timeout(name: str) -> None:
    opener, script, framed, end, call = MOVING[name]
    timeout = 4 * TIMEOUT
    piece = b"x" * int(LIMITS.rate * timeout)
    body: Script = [Pause(timeout / 3), framed(piece)] * 5
    with playing([*script, *body, end]) as server:
        client = opener(HOST, server.port, timeout=timeout)
        with contextlib.closing(client):
            assert call(client) == 5 * piece


@pytest.fixture
def little_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_options(link: Link) -> None:
        really(link)
        link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    really = Link._set_options
    monkeypatch.setattr(Link, "_set_options", set_options)


UPLOADS: dict[str, tuple[Callable[..., Any], bytes, Callable[[Any], Any]]] = {
    "a body": (HTTP, head(b"Content-Length: 0"), lambda c: c.put("/", bytes(300_000))),
    "text": (Telnet, b"", lambda c: c.write(b"x" * 300_000)),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_slow_upload_that_moves_on_may_take_longer_than_the_timeout(
    name: str, little_buffers: None
) -> None:
    opener, answer, call = UPLOADS[name]
    tick = threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind((HOST, 0))
        listener.listen()

        def run() -> None:
            connection, _ = listener.accept()
            heard = 0
            with connection:
                while heard < 300_000:
                    heard += len(connection.recv(65536))
                    tick.wait(0.01)
                connection.sendall(answer)
                connection.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        client = opener(HOST, listener.getsockname()[1], timeout=4 * TIMEOUT)
        with contextlib.closing(client):
            call(client)
        thread.join(PATIENCE)


class Lazy(io.BytesIO):
    """A file that takes its time for each piece."""

    def read(self, size: int | None = -1) -> bytes:
        threading.Event().wait(1.2 * TIMEOUT)
        return super().read(4)


LAZY: dict[str, tuple[Callable[..., Any], Script, Callable[[Any], Any]]] = {
    "SMTP data": (
        SMTP, smtp(b"354 go\r\n", HEAR_DOT, OK_250), lambda c: c.data(Lazy(bytes(12)))),
    "HTTP put": (
        HTTP, web(head(b"Content-Length: 0")), lambda c: c.put("/", Lazy(bytes(12)))),
    "NNTP post": (
        NNTP, nntp(b"340 go\r\n", HEAR_DOT, b"240 ok\r\n"),
        lambda c: c.post(Lazy(bytes(12)))),
    "FTP stor": (
        FTP, file(*GO, b"226 done\r\n"), lambda c: c.stor("x", Lazy(bytes(12)))),
}  # fmt: skip


@pytest.mark.parametrize("name", LAZY)
def test_the_time_that_our_own_file_takes_is_not_the_servers(name: str) -> None:
    opener, script, call = LAZY[name]
    with playing(script) as server:
        client = opener(HOST, server.port, timeout=2 * TIMEOUT)
        with contextlib.closing(client):
            call(client)


@contextlib.contextmanager
def full() -> Iterator[int]:
    """A port whose queue is full: who connects has no answer."""
    with contextlib.ExitStack() as at_end:
        listener = at_end.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = at_end.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


def test_all_addresses_of_a_host_have_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as port:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (HOST, port))] * 3
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        began = time.monotonic()
        with pytest.raises(TooSlow):
            POP3("host.example.test", port, timeout=4 * TIMEOUT)
        assert time.monotonic() - began < 8 * TIMEOUT


def test_the_data_connection_of_ftp_has_what_the_control_connection_has_left() -> None:
    with full() as data:
        port = b"229 (|||%d|)\r\n" % data
        script = ftp(HEAR, b"200 I\r\n", HEAR, Pause(0.8), port, SILENT)
        with playing(script) as server:
            client = FTP(HOST, server.port, timeout=1)
            began = time.monotonic()
            with pytest.raises(TooSlow):
                client.retr("x")
            assert time.monotonic() - began < 1.6


def test_each_of_many_mails_has_a_clock_of_its_own_without_pipelining() -> None:
    mail = [HEAR, OK_250, HEAR, OK_250, HEAR, Pause(0.6), b"354 go\r\n", HEAR_DOT, OK_250]
    with playing([b"220 hi\r\n", HEAR, b"250 x\r\n", *mail, *mail]) as server:
        client = SMTP(HOST, server.port, timeout=1)
        with contextlib.closing(client):
            assert client.send_many([("a@b", ["c@d"], b"x")] * 2) == [{}, {}]


@contextlib.contextmanager
def deaf(greeting: bytes, answer: bytes = b"") -> Iterator[int]:
    """A server that greets, has small buffers, and reads nothing for as long as it lives;
    or reads one octet, and gives its `answer`."""
    with socket.create_server((HOST, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        over = threading.Event()

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                if answer and connection.recv(1):
                    connection.sendall(answer)
                over.wait(PATIENCE)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join(PATIENCE)


BIG = b"x" * 16 * MIB
DEAF: dict[str, tuple[Callable[..., Any], bytes, Callable[[Any], Any]]] = {
    "an upload": (HTTP, b"", lambda c: c.put("/", BIG)),
    "requests": (HTTP, b"", lambda c: c.get_many(["/" + "x" * 5000] * 2000)),
    "articles": (
        NNTP, b"200 hi\r\n", lambda c: c.article_many(["<" + "x" * 200 + "@b>"] * 50_000)),
    "text": (Telnet, b"", lambda c: c.write(BIG)),
}  # fmt: skip


@pytest.mark.parametrize("name", DEAF)
def test_a_server_that_does_not_listen_ends_with_the_clock(name: str) -> None:
    opener, greeting, call = DEAF[name]
    with deaf(greeting) as port:
        client = opener(HOST, port, timeout=TIMEOUT)
        began = time.monotonic()
        with pytest.raises(TooSlow):
            call(client)
        assert client.wire.closed
        assert time.monotonic() - began < 2 * TIMEOUT + 1


def test_answers_that_come_before_the_requests_are_said_are_no_answers() -> None:
    with deaf(b"", head(b"Content-Length: 0") * 2000) as port:
        http = HTTP(HOST, port, timeout=PATIENCE)
        with pytest.raises(ProtocolError, match="before it had heard all"):
            http.get_many(["/" + "x" * 5000] * 2000)
        assert http.wire.closed


def test_options_that_nobody_hears_the_answers_to_end_with_a_limit_or_the_clock() -> None:
    with deaf(b"\xff\xfb\x63" * 2000) as port, pytest.raises(WireError):
        Telnet(HOST, port, timeout=TIMEOUT).read_all()


# Many commands, small buffers

Answer = Callable[[bytes], bytes]
COUNT = 3000
LONG = "x" * 600


class Small:
    """A server with small buffers that reads, answers, reads, … or answers only when it
    has read all of `count` commands; a command ends with `mark`. CAPA is answered at once.
    """

    def __init__(self, greeting: bytes, mark: bytes, answer: Answer, count: int) -> None:
        self._greeting, self._mark, self._answer, self._count = (
            greeting,
            mark,
            answer,
            count,
        )
        self._listener = socket.create_server((HOST, 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        with self._listener:
            connection, _ = self._listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.settimeout(PATIENCE)
        with connection, contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(self._greeting)
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        unread, asked = b"", 0
        answers: list[bytes] = []
        while more := connection.recv(65536):
            *commands, unread = (unread + more).split(self._mark)
            answers += map(self._answer, commands)
            asked += len(commands)
            if asked >= self._count or commands[-1:] == [b"CAPA"]:
                connection.sendall(b"".join(answers))
                answers = []


@contextlib.contextmanager
def small(*how: Any) -> Iterator[int]:
    server = Small(*how)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.port
    thread.join(PATIENCE * 2)
    assert not thread.is_alive()


def maildrop(command: bytes) -> bytes:
    if command == b"CAPA":
        return b"+OK\r\nPIPELINING\r\n.\r\n"
    return b"+OK\r\n" + b"y" * 600 + b"\r\n.\r\n"


def news(command: bytes) -> bytes:
    return b"220 0 <a@b>\r\n" + b"y" * 600 + b"\r\n.\r\n"


def page(request: bytes) -> bytes:
    return head(b"Content-Length: 600") + b"y" * 600


def relay(line: bytes) -> bytes:
    """The answers of an SMTP server, line by line; lines of a mail have none."""
    verb = line[:4]
    answers = {b"EHLO": PIPELINING, b"DATA": b"354 go\r\n", b".": b"250 taken\r\n"}
    return answers.get(verb, b"250 ok\r\n" if verb in (b"MAIL", b"RCPT") else b"")


@pytest.mark.parametrize(
    "patient", [False, True], ids=["answers at once", "reads all first"]
)
def test_many_messages_at_once_never_deadlock(patient: bool) -> None:
    numbers = range(10**8, 10**8 + 10 * COUNT)
    with small(b"+OK hi\r\n", b"\r\n", maildrop, 1 + len(numbers) * patient) as port:
        client = POP3(HOST, port, timeout=PATIENCE)
        assert len(client.retr_many(numbers)) == len(numbers)
        client.close()


@pytest.mark.parametrize("first", [1, COUNT], ids=["answers at once", "reads all first"])
def test_many_articles_at_once_never_deadlock(first: int) -> None:
    with small(b"200 hi\r\n", b"\r\n", news, first) as port:
        client = NNTP(HOST, port, timeout=PATIENCE)
        found = client.article_many([f"<{'x' * 200}@b>"] * COUNT)
        client.close()
    assert {article.content for article in found} == {b"y" * 600 + b"\r\n"}
    assert len(found) == COUNT


@pytest.mark.parametrize("first", [1, COUNT], ids=["answers at once", "reads all first"])
def test_many_requests_at_once_never_deadlock(first: int) -> None:
    with small(b"", b"\r\n\r\n", page, first) as port:
        client = HTTP(HOST, port, timeout=PATIENCE)
        found = client.get_many([f"/{LONG}"] * COUNT)
        client.close()
    assert {response.body for response in found} == {b"y" * 600}
    assert len(found) == COUNT


def test_many_mails_at_once_never_deadlock() -> None:
    recipients = [f"{'r' * 60}{n}@example.test" for n in range(100)]
    mail = ("a@example.test", recipients, b"Subject: x\r\n\r\n" + LINES * 1000)
    with small(b"220 hi\r\n", b"\r\n", relay, 1) as port:
        client = SMTP(HOST, port, timeout=PATIENCE)
        assert client.send_many([mail] * 20) == [{}] * 20
        client.close()


# On the command line


def test_the_command_line_follows_no_loop_of_redirects(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def redirect(request: bytes) -> bytes:
        return head(b"Location: /again", b"Content-Length: 0", status=b"HTTP/1.1 302 Found")

    asked = []
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        asked.append(connection.recv(65536))
                        connection.sendall(redirect(asked[-1]))
                        connection.recv(65536)

        thread = threading.Thread(target=run)
        thread.start()
        status = cli.main(["http", "-L", f"http://{HOST}:{listener.getsockname()[1]}/"])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
    assert status == 3
    assert "more than 10 redirects" in capfd.readouterr().err
    assert len(asked) == 11


@pytest.mark.parametrize(
    "place", ["ftp://127.0.0.1/", "file:///etc/hostname", "//", "http://[", "https:"]
)
def test_the_command_line_follows_no_redirect_that_leads_elsewhere(
    place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    response = head(
        b"Location: " + place.encode(), b"Content-Length: 0", status=b"HTTP/1.1 302 x"
    )
    with playing([HEAR_HEAD, response]) as server:
        status = cli.main(["http", "-L", f"http://{HOST}:{server.port}/", "--timeout", "1"])
    assert status == 3
    assert capfd.readouterr().err.count("\n") == 1
