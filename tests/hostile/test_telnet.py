"""Telnet servers that get one thing wrong each."""

import pytest

from protoclients.errors import Disconnected, LimitExceeded, ProtocolError, TooSlow
from protoclients.limits import LIMITS
from protoclients.telnet import Telnet

from .scripts import agreeing
from .server import RESET, SILENT, Cases, Fails, play

IAC, SE, SB, WILL, WONT, DO, DONT = (
    bytes([n]) for n in (255, 240, 250, 251, 252, 253, 254)
)


def read_all(client: Telnet) -> bytes:
    return client.read_all()


TELNET_CASES: Cases = {
    "nothing at all": ([], read_all, b""),
    "IAC at the very end": ([b"x" + IAC], read_all, Fails(Disconnected, "middle")),
    "WILL at the very end": ([b"x" + IAC + WILL], read_all, Fails(Disconnected, "middle")),
    "SB without SE": ([IAC + SB + b"\x18\x01"], read_all, Fails(Disconnected, "middle")),
    "SB without SE, and silence": (
        [IAC + SB + b"\x18\x01", SILENT], read_all, Fails(TooSlow)),
    "SB and IAC": ([IAC + SB + b"\x18" + IAC], read_all, Fails(Disconnected)),
    "SB without an option": ([IAC + SB + IAC + SE + b"x"], read_all, Fails(Disconnected)),
    "SB with another command inside": (
        [IAC + SB + b"\x18\x01" + IAC + WILL + b"\x01" + IAC + SE], read_all,
        Fails(ProtocolError, "not a subnegotiation")),
    "SB with IAC IAC inside": (
        [IAC + SB + b"\x63a" + IAC + IAC + IAC + SE + b"x"], read_all, b"x"),
    "SB longer than the limit": (
        [IAC + SB + b"\x63" + b"x" * (LIMITS.subnegotiation + 100), SILENT],
        read_all, Fails(LimitExceeded, "1024")),
    "SE without SB": ([b"a" + IAC + SE + b"b"], read_all, b"ab"),
    "commands of two octets": (
        [b"a" + IAC + b"\xf1" + IAC + b"\xf9" + IAC + b"\xf6b"], read_all, b"ab"),
    "a command that does not exist": ([b"a" + IAC + b"\x07b"], read_all, b"ab"),
    "IAC IAC": ([b"a" + IAC + IAC + b"b" + IAC + IAC], read_all, b"a\xffb\xff"),
    "three IACs and the end": ([IAC * 3], read_all, Fails(Disconnected)),
    "CR NUL": ([b"a\r\0b\r\nc\r"], read_all, b"a\rb\r\nc\r"),
    "every octet": (
        [bytes(range(1, 255)) + IAC + IAC], read_all, bytes(range(1, 256))),
    "a prompt that does not come": (
        [b"Welcome"], lambda c: c.read_until(b"login: "), Fails(Disconnected, "login")),
    "a prompt, and silence": (
        [b"Welcome", SILENT], lambda c: c.read_until(b"login: "), Fails(TooSlow)),
    "a prompt with a command inside": (
        [b"log" + IAC + WILL + b"\x01in: x"], lambda c: c.read_until(b"login: "),
        b"login: "),
    "broken off": (
        [b"x", RESET], lambda c: (c.read_some(), c.read_all()), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", TELNET_CASES)
def test_telnet(name: str) -> None:
    play(agreeing, TELNET_CASES[name])


LOOPS = {
    "WILL again and again": ((IAC + WILL + b"\x01") * 50, IAC + DO + b"\x01"),
    "DO again and again": ((IAC + DO + b"\x18") * 50, IAC + WILL + b"\x18"),
    "WILL of what is not agreed to": (IAC + WILL + b"\x63", IAC + DONT + b"\x63"),
    "DO of what is not agreed to": (IAC + DO + b"\x63", IAC + WONT + b"\x63"),
    "WONT of what is off": ((IAC + WONT + b"\x01") * 50, b""),
    "DONT of what is off": ((IAC + DONT + b"\x01") * 50, b""),
    "SB TTYPE SEND before DO": (IAC + SB + b"\x18\x01" + IAC + SE, b""),
    "SB of what nobody spoke of": (IAC + SB + b"\x63\x01\x02" + IAC + SE, b""),
}


@pytest.mark.parametrize("name", LOOPS)
def test_telnet_answers_only_what_changes_something(name: str) -> None:
    said, answer = LOOPS[name]
    assert play(agreeing, ([said], read_all, b"")) == answer


def test_telnet_an_option_that_flaps_is_answered_each_time_and_no_more() -> None:
    flap = IAC + WILL + b"\x01" + IAC + WONT + b"\x01"
    answers = IAC + DO + b"\x01" + IAC + DONT + b"\x01"
    assert play(agreeing, ([flap * 20], read_all, b"")) == answers * 20


def test_telnet_a_storm_of_commands_has_a_limit() -> None:
    storm = (IAC + WONT + b"\x01") * (LIMITS.commands + 10)
    play(agreeing, ([storm], read_all, Fails(LimitExceeded, "10000 commands")))
