"""POP3 servers that get one thing wrong each."""

import hashlib

import pytest

from protoclients import POP3, Refused
from protoclients.errors import Disconnected, ProtocolError

from .scripts import pop3
from .server import HEAR, SILENT, Cases, Fails, Script, play, refused, says


def block(octets: bytes) -> Script:
    return pop3(b"+OK\r\n" + octets)


STAMP = b"<!#$%&'*+-/=?^_`{|}~.1@[127.0.0.1]>"
POP3_CASES: Cases = {
    "+OKAY is not +OK": (
        pop3(b"+OKAY 1 2\r\n"), lambda c: c.stat(), Fails(ProtocolError, "+OKAY")),
    "+OK and no space": (pop3(b"+OK1 2\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "-ERROR is not -ERR": (pop3(b"-ERROR x\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "an -ERR with octets that are no UTF-8": (
        pop3(b"-ERR caf\xe9\r\n"), lambda c: c.stat(), Fails(Refused, "caf\udce9")),
    "an -ERR with NUL and CR": (
        pop3(b"-ERR a\0b\rc\r\n"), lambda c: c.stat(), Fails(Refused, "a\0b\rc")),
    "STAT of one number": (
        pop3(b"+OK 2\r\n"), lambda c: c.stat(), Fails(ProtocolError, "two")),
    "STAT with words": (pop3(b"+OK two 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with a sign": (pop3(b"+OK +2 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT below nothing": (
        pop3(b"+OK -1 320\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with an underscore": (
        pop3(b"+OK 1_0 32\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT in Arabic digits": (
        pop3("+OK ٢ ٣\r\n".encode()), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT beyond all numbers": (
        pop3(b"+OK 1 " + b"9" * 5000 + b"\r\n"), lambda c: c.stat(), Fails(ProtocolError)),
    "STAT with more to ignore": (pop3(b"+OK 2 320 x y\r\n"), lambda c: c.stat(), (2, 320)),
    "LIST with gaps": (
        block(b"2 20\r\n9 90\r\n.\r\n"), lambda c: c.list(), [(2, 20), (9, 90)]),
    "LIST of nothing": (block(b".\r\n"), lambda c: c.list(), []),
    "LIST with a word": (
        block(b"1 20\r\n2 x\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError, "2 x")),
    "LIST with an empty line": (
        block(b"1 2\r\n\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a bare LF": (
        block(b"1 2\n2 3\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a huge number": (
        block(b"9" * 21 + b" 1\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST without an end": (
        block(b"1 20\r\n2 30\r\n"), lambda c: c.list(), Fails(Disconnected)),
    "LIST of a message with a word": (
        pop3(b"+OK 1 big\r\n"), lambda c: c.list(1), Fails(ProtocolError)),
    "UIDL with a space in an id": (
        block(b"1 a b\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError, "a b")),
    "UIDL without an id": (block(b"1\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL with 71 characters": (
        block(b"1 " + b"x" * 71 + b"\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL with 8-bit octets": (
        block(b"1 caf\xe9\r\n.\r\n"), lambda c: c.uidl(), Fails(ProtocolError)),
    "UIDL of a message with a space": (
        pop3(b"+OK 1 a b\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "UIDL of a message with NUL": (
        pop3(b"+OK 1 a\0b\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "UIDL of a message with nothing": (
        pop3(b"+OK\r\n"), lambda c: c.uidl(1), Fails(ProtocolError)),
    "an empty block": (block(b".\r\n"), lambda c: c.retr(1), b""),
    "a line of two dots": (block(b"..\r\n.\r\n"), lambda c: c.retr(1), b".\r\n"),
    "dots everywhere": (
        block(b"..\r\n...\r\na.\r\n..b\r\n\r\n..\r\n.\r\n"), lambda c: c.retr(1),
        b".\r\n..\r\na.\r\n.b\r\n\r\n.\r\n"),
    "two dots are all, and no end": (
        block(b"..\r\n"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block without an end": (
        block(b"a\r\nb\r\n"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block cut after the dot": (
        block(b"a\r\n."), lambda c: c.retr(1), Fails(Disconnected)),
    "a block cut before the last LF": (
        block(b"a\r\n.\r"), lambda c: c.retr(1), Fails(Disconnected)),
    "a block that is only a dot and CR": (
        block(b".\r"), lambda c: c.retr(1), Fails(Disconnected)),
    "LF dot LF is no end": (
        block(b"a\n.\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\n.\nb\r\n"),
    "LF dot CR LF is no end": (
        block(b"a\n.\r\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\n.\r\nb\r\n"),
    "CR LF dot LF is no end": (
        block(b"a\r\n.\nb\r\n.\r\n"), lambda c: c.retr(1), b"a\r\n\nb\r\n"),
    "CR LF dot CR is no end": (
        block(b"a\r\n.\rb\r\n.\r\n"), lambda c: c.retr(1), b"a\r\n\rb\r\n"),
    "a message with every octet": (
        block(bytes(range(256)) + b"\r\n.\r\n"),
        lambda c: c.retr(1), bytes(range(256)) + b"\r\n"),
    "the size before a message is a lie": (
        pop3(b"+OK 5 octets\r\n" + b"x" * 50 + b"\r\n.\r\n"), lambda c: c.retr(1),
        b"x" * 50 + b"\r\n"),
    "octets after the end of a block": (
        [*block(b"a\r\n.\r\nb\r\n.\r\n"), SILENT],
        lambda c: (c.retr(1), c.retr(2)), Fails(ProtocolError, "before it was asked")),
    "no block after an -ERR": (
        pop3(b"-ERR none\r\n", b"+OK 1 2\r\n"),
        lambda c: (refused(c.retr, 1), c.stat())[1], (1, 2)),
    "CAPA with an empty line": (
        block(b"TOP\r\n\r\nUIDL\r\n.\r\n"), lambda c: c.capa(), {"TOP": [], "UIDL": []}),
    "APOP without a stamp": (
        pop3(SILENT), lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with a space in the stamp": (
        [b"+OK <a b@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with no @ in the stamp": (
        [b"+OK <abc>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with a stamp that is cut": (
        [b"+OK <abc@d\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with 8-bit octets in the stamp": (
        [b"+OK <a\xe9@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP with control characters in the stamp": (
        [b"+OK <a\x01\x7f@c>\r\n"], lambda c: c.apop("u", "p"), Fails(ValueError, "stamp")),
    "APOP refused": (
        says(b"+OK <a@b>\r\n", b"-ERR no\r\n"), lambda c: c.apop("u", "p"),
        Fails(Refused, "no")),
    "AUTH with a challenge that is no base64": (
        pop3(b"+OK\r\nSASL LOGIN\r\n.\r\n", b"+ !!!\r\n"),
        lambda c: c.auth("u", "p"), Fails(ProtocolError, "base64")),
    "AUTH that asks for ever": (
        pop3(b"+OK\r\nSASL LOGIN\r\n.\r\n", *[b"+ eA==\r\n"] * 9),
        lambda c: c.auth("u", "p"), Fails(ProtocolError, "asks and asks")),
    "AUTH offers nothing that is known": (
        pop3(b"+OK\r\nSASL GSSAPI NTLM\r\n.\r\n"),
        lambda c: c.auth("u", "p"), Fails(ValueError, "GSSAPI, NTLM")),
    "QUIT answered by a hang-up": (pop3(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "QUIT that could not delete": (
        pop3(b"-ERR some left\r\n"), lambda c: c.quit(), Fails(Refused, "some left")),
    "messages at once, one refused": (
        pop3(b"+OK\r\nPIPELINING\r\n.\r\n", b"+OK\r\na\r\n.\r\n", b"-ERR no\r\n",
        b"+OK\r\nc\r\n.\r\n"),
        lambda c: c.retr_many([1, 2, 3]), Fails(Refused, "no")),
    "messages at once, one without an end": (
        pop3(b"+OK\r\nPIPELINING\r\n.\r\n", b"+OK\r\na\r\n.\r\n", b"+OK\r\nb"),
        lambda c: c.retr_many([1, 2, 3]), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", POP3_CASES)
def test_pop3(name: str) -> None:
    play(POP3, POP3_CASES[name])


def test_apop_digests_an_odd_but_right_stamp_exactly() -> None:
    script = says(b"+OK x " + STAMP + b" y\r\n", b"+OK\r\n")
    heard = play(POP3, (script, lambda c: c.apop("u", "p"), None))
    assert heard.strip() == b"APOP u " + hashlib.md5(STAMP + b"p").hexdigest().encode()
