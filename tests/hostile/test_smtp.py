"""SMTP servers that get one thing wrong each."""

from typing import Any

import pytest

from protoclients import SMTP, Refused
from protoclients.errors import Disconnected, ProtocolError, TooSlow

from .scripts import MAIL, PIPELINING, smtp
from .server import HEAR, HEAR_DOT, PATIENCE, SILENT, Cases, Fails, play, playing

MANY = b"".join(b"250-X%03d a b\r\n" % n for n in range(1000))
BEFORE_TEXT = (
    b"250 x\r\n",
    b"250 ok\r\n",
    b"250 ok\r\n",
    b"354 go\r\n",
)  # EHLO MAIL RCPT DATA


def send(client: SMTP) -> Any:
    return client.send("a@b", ["c@d"], MAIL)


def send_two(client: SMTP) -> Any:
    return sorted(client.send("a@b", ["c@d", "e@f"], MAIL))


SMTP_CASES: Cases = {
    "a code that changes": (
        smtp(b"250-a\r\n251 b\r\n"), lambda c: c.noop(),
        Fails(ProtocolError, "250, then 251")),
    "a reply that goes on without a code": (
        smtp(b"250-a\r\nb\r\n250 c\r\n"), lambda c: c.noop(), Fails(ProtocolError)),
    "a reply that is cut between its lines": (
        smtp(b"250-a\r\n250-b\r\n"), lambda c: c.noop(), Fails(Disconnected)),
    "421 to a chunk": (
        smtp(b"250-x\r\n250 CHUNKING\r\n", b"250 ok\r\n", b"250 ok\r\n", b"421 bye\r\n"),
        lambda c: c.send("a@b", ["c@d"], MAIL), Fails(Refused, "421")),
    "a bare code": (smtp(b"250\r\n"), lambda c: c.noop().code, 250),
    "lines without text": (smtp(b"250-\r\n250 \r\n"), lambda c: c.noop().lines, ("", "")),
    "8-bit octets, NUL and CR in a text": (
        smtp(b"250 \xe9\0\rx\r\n"), lambda c: c.noop().text, "\udce9\0\rx"),
    "250 that is long ago": (
        smtp(b"354 go\r\n"), lambda c: c.noop(), Fails(ProtocolError, "354")),
    "1yz, which SMTP has not": (
        smtp(b"150 x\r\n"), lambda c: c.noop(), Fails(ProtocolError, "150")),
    "421 to any command": (
        smtp(b"421 bye\r\n"), lambda c: c.noop(), Fails(Refused, "421 bye")),
    "521 to MAIL": (smtp(b"521 no\r\n"), lambda c: c.mail("a@b"), Fails(Refused, "521")),
    "EHLO with 1,000 extensions": (
        smtp(b"250-x\r\n" + MANY + b"250 END\r\n"), lambda c: len(c.ehlo()), 1001),
    "EHLO with odd lines": (
        smtp(b"250-x\r\n250-\r\n250- \r\n250-=AUTH x\r\n250 size 5\r\n"),
        lambda c: c.ehlo(), {"=AUTH": ["x"], "SIZE": ["5"]}),
    "EHLO unknown, so HELO": (
        smtp(b"500 what\r\n", b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n",
        b"354 go\r\n", HEAR_DOT,
             b"250 ok\r\n"),
        send, {}),
    "EHLO not now, and no HELO": (
        smtp(b"450 later\r\n", SILENT), send, Fails(Refused, "450")),
    "SIZE is a lie": (
        smtp(b"250-x\r\n250 SIZE abc\r\n", *BEFORE_TEXT[1:], HEAR_DOT,
        b"250 ok\r\n"), send, {}),
    "SIZE smaller than the mail": (
        smtp(b"250-x\r\n250 SIZE 1\r\n", b"552 too big\r\n", b"250 ok\r\n"), send,
        Fails(Refused, "552")),
    "354 to MAIL": (
        smtp(b"354 go\r\n"), lambda c: c.mail("a@b"), Fails(ProtocolError, "354")),
    "250 to DATA": (
        smtp(b"250 ok\r\n"), lambda c: c.data(MAIL), Fails(ProtocolError, "250 ok")),
    "no to DATA": (smtp(b"554 none\r\n"), lambda c: c.data(MAIL), Fails(Refused, "554")),
    "one recipient refused": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"550 no\r\n", b"250 ok\r\n",
        b"354 go\r\n", HEAR_DOT,
             b"250 ok\r\n"),
        send_two, ["c@d"]),
    "all refused": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"550 no\r\n", b"550 no\r\n", b"250 ok\r\n"),
        send_two, Fails(Refused, "550")),
    "a recipient answered by 354": (
        smtp(b"250 x\r\n", b"250 ok\r\n", b"354 go\r\n", b"503 no\r\n"), send,
        Fails(ProtocolError, "354")),
    "4yz after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"451 hm\r\n"), send, Fails(Refused, "delivered")),
    "5yz after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"554 spam\r\n"), send, Fails(Refused, "554 spam")),
    "hangs up after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT), send, Fails(Disconnected, "delivered")),
    "half an answer to the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"250 o"), send, Fails(Disconnected, "delivered")),
    "nonsense after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"ok\r\n"), send, Fails(ProtocolError, "delivered")),
    "silence after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, SILENT), send, Fails(TooSlow, "delivered")),
    "354 after the dot": (
        smtp(*BEFORE_TEXT, HEAR_DOT, b"354 go\r\n"), send, Fails(ProtocolError, "354")),
    "pipelined, and an answer is missing": (
        smtp(PIPELINING, b"250 ok\r\n", b"250 ok\r\n"), send, Fails(Disconnected)),
    "pipelined, and the last answer changes its code": (
        smtp(PIPELINING, b"250 ok\r\n", b"250-ok\r\n354 go\r\n"), send,
        Fails(ProtocolError)),
    "pipelined, and one answer too many": (
        [*smtp(PIPELINING, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n250 ok\r\n"), SILENT],
        send, Fails(ProtocolError)),
    "an answer before the mail": (
        smtp(*BEFORE_TEXT[:3], b"354 go\r\n250 taken\r\n", SILENT), send,
        Fails(ProtocolError, "spoke before")),
    "AUTH that asks for ever": (
        smtp(b"250-x\r\n250 AUTH LOGIN\r\n", *[b"334 eA==\r\n"] * 9),
        lambda c: c.login("u", "p"), Fails(ProtocolError, "asks and asks")),
    "AUTH with a challenge that is no base64": (
        smtp(b"250-x\r\n250 AUTH CRAM-MD5\r\n", b"334 caf\xe9\r\n"),
        lambda c: c.login("u", "p"), Fails(ProtocolError, "base64")),
    "AUTH offers nothing that is known": (
        smtp(b"250-x\r\n250 AUTH GSSAPI XOAUTH2\r\n"),
        lambda c: c.login("u", "p"), Fails(ValueError, "GSSAPI, XOAUTH2")),
    "AUTH is not offered": (
        smtp(b"250 x\r\n"), lambda c: c.login("u", "p"), Fails(ValueError, "none")),
    "AUTH refused": (
        smtp(b"250-x\r\n250 AUTH PLAIN\r\n", b"535 no\r\n"),
        lambda c: c.login("u", "p"), Fails(Refused, "535")),
    "QUIT answered by a hang-up": (smtp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "QUIT answered by a no": (
        smtp(b"500 what\r\n"), lambda c: c.quit(), Fails(Refused, "500")),
}  # fmt: skip


@pytest.mark.parametrize("name", SMTP_CASES)
def test_smtp(name: str) -> None:
    play(SMTP, SMTP_CASES[name])


def test_smtp_all_refused_and_354_ends_the_mail_with_a_lone_dot() -> None:
    answers = [
        b"250 ok\r\n",
        b"550 no\r\n",
        b"550 no\r\n",
        b"354 go\r\n",
        b"554 none\r\n",
        b"250 ok\r\n",
    ]
    heard = play(SMTP, (smtp(PIPELINING, *answers), send_two, Fails(Refused, "550")))
    assert heard.split(b"DATA\r\n")[1].startswith(b".\r\n")
    assert b"text" not in heard


def test_smtp_a_5yz_after_the_dot_leaves_no_doubt() -> None:
    with playing(smtp(*BEFORE_TEXT, HEAR_DOT, b"554 spam\r\n")) as server:
        client = SMTP("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(Refused) as caught:
            send(client)
        client.close()
    assert "delivered" not in str(caught.value)
