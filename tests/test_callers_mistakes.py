"""A CR, LF or NUL in any argument of any method: `ValueError`, and not an octet is sent.

The methods and their parameters are taken from the signatures, so a new one is tested as
soon as it is there. The server greets and says nothing more: a client that speaks is heard.
"""

import contextlib
import inspect
import io
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Telnet, echo

from .scripted_server import PATIENCE, POOL, listener, listening, receive

GREETINGS = {FTP: b"220\r\n", HTTP: b"", NNTP: b"200\r\n", POP3: b"+OK <a@b>\r\n"}
GREETINGS |= {SMTP: b"220\r\n", Telnet: b""}
BAD = ["\r", "\n", "\0", "\r\n"]

# A good value for each parameter that is not the one with the mistake.
GOOD: dict[str, Any] = {
    "article": b"", "body": b"", "command": 251, "expected": b"x", "headers": [],
    "into": None, "keyword": "ACTIVE", "limit": None, "mails": [], "mechanism": None,
    "message": b"", "message_id": "<a@b>", "method": "GET", "number": 1, "offset": 0,
    "option": 1, "recipients": ["a@example.test"], "source": b"", "span": None,
    "target": "/", "which": None, "since": datetime(2026, 9, 1, tzinfo=UTC),
}  # fmt: skip
# Octets that travel as they are: what is in them is the caller's own.
CONTENT = {"article", "body", "data", "message", "source", "expected"}
# What never is part of a line, or is no text.
SILENT = {
    "ahead",
    "into",
    "limit",
    "tls",
    "allow_cleartext",
    "since",
    "command",
    "option",
    "agree",
}


def methods() -> Iterator[tuple[type[Any], str, str]]:
    """Each method of each client with each of its parameters that may be said."""
    for kind in GREETINGS:
        for name, method in vars(kind).items():
            if name.startswith("_") or not inspect.isfunction(method):
                continue
            for parameter in list(inspect.signature(method).parameters)[1:]:
                if parameter not in CONTENT | SILENT:
                    yield kind, name, parameter


CASES = list(methods())


def mistaken(value: Any, bad: str) -> Iterator[Any]:
    """Values like `value`, of the same shape, with a mistake in them."""
    text = f"a{bad}b"
    if isinstance(value, list) and value:  # the mistake is in the second of them
        yield from ([*value, each] for each in mistaken(value[0], bad))
    elif isinstance(value, tuple):
        for place in range(len(value)):
            for each in mistaken(value[place], bad):
                yield (*value[:place], each, *value[place + 1 :])
    elif isinstance(value, str) and value.startswith("<"):
        yield f"<{text}@b>"
    elif isinstance(value, int):
        yield f"1{bad}2"
    elif not isinstance(value, bytes):
        yield text


SHAPES: dict[str, list[Any]] = {
    "headers": [[("X", "y")], {"X": "y"}],
    "mails": [[("a@example.test", ["b@example.test"], b"")]],
    "numbers": [[1]],
    "paths": [["a"]],
    "targets": [["/"]],
    "which": ["<a@b>", (1, 2)],
    "span": ["<a@b>", (1, 2)],
    "recipients": [["b@example.test"]],
    "parameters": ["a"],
}


def values(name: str, parameter: str, bad: str) -> list[Any]:
    """What a caller could pass to a method by mistake."""
    shapes = SHAPES.get(parameter, [GOOD.get(parameter, "a")])
    if name.endswith("_many") and parameter == "which":
        shapes = [[1], ["<a@b>"]]
    found = [value for shape in shapes for value in mistaken(shape, bad)]
    if parameter == "headers":
        found += [{f"a{bad}b": "y"}, {"X": f"a{bad}b"}]
    return found


def arguments(method: Any, parameter: str, value: Any) -> tuple[list[Any], dict[str, Any]]:
    """Arguments for a call in which all but one are good."""
    positional, named = [], {}
    for name, each in list(inspect.signature(method).parameters.items())[1:]:
        given = value if name == parameter else GOOD.get(name, "a")
        if each.kind is each.VAR_POSITIONAL:
            positional += [given] if name == parameter else []
        elif each.kind is each.KEYWORD_ONLY:
            if name == parameter:
                named[name] = given
        else:
            positional.append(given)
    return positional, named


def greet(kind: type[Any]) -> socket.socket:
    """Let a client in, and say no more to it than good day."""
    connection, _ = listener("mistakes").accept()
    connection.settimeout(PATIENCE)
    connection.sendall(GREETINGS[kind])
    return connection


def heard_of(kind: type[Any], name: str, parameter: str, value: Any) -> tuple[bytes, Any]:
    """What a server hears of a call, and what the call raises."""
    port = listening("mistakes").getsockname()[1]
    greeting = POOL.submit(greet, kind)
    client = kind("127.0.0.1", port, timeout=0.2)
    error: Any = None
    with greeting.result() as connection, contextlib.closing(client):
        positional, named = arguments(getattr(kind, name), parameter, value)
        try:
            getattr(client, name)(*positional, **named)
        except Exception as raised:
            error = raised
        closed = client.wire.closed
        client.close()
        assert not (closed and isinstance(error, ValueError)), "the connection is closed"
        return receive(connection, 10_000), error


@pytest.mark.parametrize(("kind", "name", "parameter"), CASES)
def test_a_line_end_in_an_argument_is_an_error_before_an_octet_is_sent(
    kind: type[Any], name: str, parameter: str
) -> None:
    for bad in BAD:
        for value in values(name, parameter, bad):
            heard, error = heard_of(kind, name, parameter, value)
            assert heard == b"", f"{value!r} was sent"
            assert isinstance(error, ValueError), f"{value!r} raised {error!r}"


@pytest.mark.parametrize("bad", BAD)
def test_a_line_end_in_the_name_of_a_host_is_an_error(bad: str) -> None:
    calls: list[Any] = [*GREETINGS, lambda host, port: echo.tcp_client(host, port, b"")]
    calls += [lambda host, port: echo.udp_client(host, port, b"")]
    for call in calls:
        for host in ("", f"localhost{bad}", f"{bad}localhost"):
            with pytest.raises(ValueError):
                call(host, 9)


# Text in place of octets would be found when half is said.


NO_OCTETS: list[Any] = ["text", io.StringIO("text"), None, 7, Path("file")]
NO_SINKS: list[Any] = ["name", io.StringIO(), b"", Path("file")]
SOURCES = {
    "FTP stor": (FTP, lambda c, it: c.stor("x", it)),
    "FTP appe": (FTP, lambda c, it: c.appe("x", it)),
    "HTTP post": (HTTP, lambda c, it: c.post("/", it)),
    "NNTP post": (NNTP, lambda c, it: c.post(it)),
    "NNTP ihave": (NNTP, lambda c, it: c.ihave("<a@b>", it)),
    "SMTP data": (SMTP, lambda c, it: c.data(it)),
    "SMTP send": (SMTP, lambda c, it: c.send("a@b", ["c@d"], it)),
    "SMTP send_many": (SMTP, lambda c, it: c.send_many([("a@b", ["c@d"], it)])),
}
SINKS = {
    "FTP retr": (FTP, lambda c, it: c.retr("x", it)),
    "HTTP get": (HTTP, lambda c, it: c.get("/", into=it)),
    "NNTP body": (NNTP, lambda c, it: c.body(1, into=it)),
    "POP3 retr": (POP3, lambda c, it: c.retr(1, it)),
    "Telnet read_all": (Telnet, lambda c, it: c.read_all(it)),
}
WRONG_KINDS = [
    (name, kind, call, it, word)
    for calls, things, word in ((SOURCES, NO_OCTETS, "'rb'"), (SINKS, NO_SINKS, "'wb'"))
    for name, (kind, call) in calls.items()
    for it in things
]


@pytest.mark.parametrize(("name", "kind", "call", "it", "word"), WRONG_KINDS)
def test_text_where_octets_belong_is_an_error_before_an_octet_is_sent(
    name: str, kind: Any, call: Any, it: Any, word: str
) -> None:
    port = listening("mistakes").getsockname()[1]
    greeting = POOL.submit(greet, kind)
    client = kind("127.0.0.1", port, timeout=PATIENCE)
    with greeting.result() as connection:
        with pytest.raises(ValueError, match=word):
            call(client, it)
        assert not client.wire.closed
        client.close()
        assert receive(connection, 10_000) == b""


# A file that is closed is the caller's mistake too, but an answer is half read by then.


def closed_file() -> io.BytesIO:
    file = io.BytesIO()
    file.close()
    return file


CLOSED_FILES = {
    "POP3 retr": lambda lab: (POP3, lab.pop3, lambda c: c.retr(1, closed_file())),
    "NNTP article": lambda lab: (
        NNTP, lab.nntp, lambda c: (c.group("lab.announce"), c.article(1, closed_file()))),
    "NNTP post": lambda lab: (NNTP, lab.nntp, lambda c: c.post(closed_file())),
    "SMTP send": lambda lab: (
        SMTP, lab.smtp, lambda c: c.send("a@b.test", ["student@example.test"], closed_file())),
    "FTP retr": lambda lab: (FTP, lab.ftp, lambda c: c.retr("README.txt", closed_file())),
    "FTP stor": lambda lab: (FTP, lab.ftp, lambda c: c.stor("incoming/x", closed_file())),
    "HTTP get": lambda lab: (HTTP, lab.http, lambda c: c.get("/", into=closed_file())),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED_FILES)
def test_a_closed_file_leaves_no_half_answer_for_the_next_command(
    name: str, lab: Any
) -> None:
    kind, where, call = CLOSED_FILES[name](lab)
    client = kind(where.host, where.port)
    with contextlib.closing(client):
        if kind in (POP3, FTP):
            client.login(where.user, where.password)
        with pytest.raises(ValueError, match="closed file"):
            call(client)
        assert client.wire.closed
