"""What goes wrong alike in every protocol whose server greets: at the greeting, after it,
and at the end."""

from typing import Any

import pytest

from protoclients import POP3, Refused
from protoclients.errors import Disconnected, ProtocolError, TooSlow

from .scripts import HELLO, NOOP, OPENERS, pop3
from .server import (
    HEAR,
    PATIENCE,
    RESET,
    SILENT,
    Fails,
    Script,
    nothing,
    play,
    playing,
    says,
)

DONE = {
    "pop3": b"+OK 1 2\r\n", "smtp": b"250 ok\r\n", "ftp": b"200 ok\r\n",
    "nntp": b"111 20260101000000\r\n",
}  # fmt: skip

GREETINGS: dict[str, tuple[Script, Fails]] = {
    "hangs up at once": ([], Fails(Disconnected, "hung up")),
    "breaks off at once": ([RESET], Fails(Disconnected)),
    "never greets": ([SILENT], Fails(TooSlow, "0.1 seconds")),
    "half a greeting, and silence": ([b"2", SILENT], Fails(TooSlow)),
    "a greeting without its end": ([b"220 hi"], Fails(Disconnected, "hung up")),
    "a greeting that ends in CR": ([b"220 hi\r"], Fails(Disconnected, "hung up")),
    "a greeting that ends in LF": ([b"220 hi\n"], Fails(ProtocolError, "bare LF")),
    "an empty line": ([b"\r\n"], Fails(ProtocolError)),
    "speaks HTTP": ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Fails(ProtocolError, "HTTP")),
    "speaks SSH": ([b"SSH-2.0-OpenSSH_9.6\r\n"], Fails(ProtocolError, "SSH")),
    "speaks IMAP": ([b"* OK IMAP4rev1\r\n"], Fails(ProtocolError, "IMAP")),
    "speaks Telnet": ([b"\xff\xfd\x18\xff\xfd\x20login: \r\n"], Fails(ProtocolError)),
    "speaks TLS": ([b"\x15\x03\x01\x00\x02\x02\x0a\r\n"], Fails(ProtocolError)),
}  # fmt: skip


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("name", GREETINGS)
def test_a_bad_greeting(protocol: str, name: str) -> None:
    script, wanted = GREETINGS[name]
    play(OPENERS[protocol], (script, nothing, wanted))


WRONG_GREETINGS: dict[str, dict[bytes, Fails]] = {
    "pop3": {
        b"-ERR busy\r\n": Fails(Refused, "busy"),
        b"+OKAY\r\n": Fails(ProtocolError, "neither"),
        b"+ok hi\r\n": Fails(ProtocolError, "neither"),
        b"220 mail\r\n": Fails(ProtocolError, "220 mail"),
    },
    "smtp": {
        b"500 no\r\n": Fails(Refused, "500 no"),
        b"521 no mail here\r\n": Fails(Refused, "521"),
        b"421 too busy\r\n": Fails(Refused, "421"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"354 go\r\n": Fails(ProtocolError, "354"),
        b"+OK pop\r\n": Fails(ProtocolError, "+OK"),
    },
    "ftp": {
        b"500 no\r\n": Fails(Refused, "500 no"),
        b"421 too many\r\n": Fails(Refused, "421"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"331 password\r\n": Fails(ProtocolError, "331"),
    },
    "nntp": {
        b"502 not you\r\n": Fails(Refused, "502"),
        b"400 not now\r\n": Fails(Refused, "400"),
        b"4yz no\r\n": Fails(ProtocolError, "4yz"),
        b"220 ready\r\n": Fails(ProtocolError, "220"),
        b"200-hi\r\n200 hi\r\n": Fails(ProtocolError, "several"),
    },
}


@pytest.mark.parametrize(
    ("protocol", "said"),
    [(name, said) for name, rows in WRONG_GREETINGS.items() for said in rows],
)
def test_a_greeting_that_is_a_no_or_nonsense(protocol: str, said: bytes) -> None:
    play(OPENERS[protocol], ([said], nothing, WRONG_GREETINGS[protocol][said]))


NOT_REPLIES = [
    b"22 x", b"2500 x", b"2x0 x", b"+25 x", b" 250 x", b"-250 x", b"250_x", b"250:x",
    b"250\tx",
    "²⁵⁰ x".encode(), "٢٥٠ x".encode(), "\uff12\uff15\uff10 x".encode(), b"x", b"", b"25", b"000 x",
    b"050 x",
    b"600 x", b"999 x", b"2 50 x", b"\xff\xff\xff x", b"\0250 x", b"\xef\xbb\xbf250 x",
    b"\r250 x", b"250x ok",
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "nntp"])
@pytest.mark.parametrize("line", NOT_REPLIES)
def test_a_code_that_is_not_three_digits_of_ascii(protocol: str, line: bytes) -> None:
    script = says(HELLO[protocol], line + b"\r\n")
    call = NOOP[protocol]
    wanted = Fails(ProtocolError, "not a reply")
    play(OPENERS[protocol], (script, lambda c: getattr(c, call)(), wanted))


AFTER_HELLO: dict[str, tuple[Script, Fails]] = {
    "hangs up": ([], Fails(Disconnected, "hung up")),
    "hangs up when it hears a command": ([HEAR], Fails(Disconnected, "hung up")),
    "breaks off": ([HEAR, RESET], Fails(Disconnected)),
    "falls silent": ([HEAR, SILENT], Fails(TooSlow)),
    "half an answer": ([HEAR, b"2"], Fails(Disconnected)),
    "a bare LF": ([HEAR, b"250 ok\n250 ok\r\n"], Fails(ProtocolError, "bare LF")),
    "an answer that CR ends": ([HEAR, b"250 ok\r"], Fails(Disconnected)),
    "LF CR": ([HEAR, b"250 ok\n\r"], Fails(ProtocolError, "bare LF")),
    "an answer nobody asked for": (
        [b"421 too slow\r\n", SILENT],
        Fails(ProtocolError, "before"),
    ),
    "half an answer nobody asked for": ([b"4", SILENT], Fails(ProtocolError, "before")),
}


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("name", AFTER_HELLO)
def test_after_the_greeting(protocol: str, name: str) -> None:
    steps, wanted = AFTER_HELLO[name]
    # The greeting and what follows are one segment: nothing here hangs on timing.
    first = steps[0] if steps and isinstance(steps[0], bytes) else b""
    script: Script = [HELLO[protocol] + first, *(steps[1:] if first else steps)]
    play(OPENERS[protocol], (script, lambda c: getattr(c, NOOP[protocol])(), wanted))


@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize(
    "stray", [b"421 timeout\r\n", b"-ERR timeout\r\n", b"\r\n", b"2", b"\0"]
)
def test_one_answer_too_many_is_not_the_answer_to_the_next_call(
    protocol: str, stray: bytes
) -> None:
    script = says(HELLO[protocol], DONE[protocol] + stray + DONE[protocol], SILENT)

    def twice(client: Any) -> None:
        getattr(client, NOOP[protocol])()
        getattr(client, NOOP[protocol])()

    heard = play(
        OPENERS[protocol], (script, twice, Fails(ProtocolError, "before it was asked"))
    )
    assert heard.count(b"\r\n") == 1


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "nntp"])
@pytest.mark.parametrize("end", [[HEAR], [HEAR, RESET], [], [HEAR, b"421 bye\r\n"]])
def test_leaving_with_passes_over_a_missing_goodbye(protocol: str, end: Script) -> None:
    with playing([HELLO[protocol], *end]) as server:
        with OPENERS[protocol]("127.0.0.1", server.port, timeout=PATIENCE) as client:
            pass
        assert client.wire.closed


def test_leaving_pop3_tells_that_nobody_knows_what_was_deleted() -> None:
    with (
        playing(pop3(b"+OK\r\n", HEAR)) as server,
        pytest.raises(Disconnected),
        POP3("127.0.0.1", server.port, timeout=PATIENCE) as client,
    ):
        client.dele(1)
