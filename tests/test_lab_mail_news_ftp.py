"""The Lab's SMTP, POP3, NNTP and FTP servers, asked by the standard library's clients.

The servers must be right whoever asks, so our own clients have no part in this file.
"""

import base64
import contextvars
import ftplib
import hmac
import io
import nntplib
import os
import poplib
import re
import resource
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from protoclients.fixtures import (
    Address,
    Lab,
    ftp_server,
    pop3_server,
    serving,
    smtp_server,
    store,
)
from protoclients.fixtures.store import SAMPLES

ME = "student@example.test"
MAIL = b"From: a@example.test\r\nSubject: dots\r\n\r\n.\r\n..\r\n.a\r\n\r\nend\r\n"
ARTICLE = (
    b"From: student@example.test\r\nNewsgroups: lab.protocols.help\r\n"
    b"Subject: A question\r\n\r\n.\r\n..two\r\nend\r\n"
)
WELCOME = "<announce.welcome@news.example.test>"  # article 1 of lab.announce


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


@pytest.fixture
def trust(lab: Lab) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=lab.cafile)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that no other Lab on this machine uses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def smtp(lab: Lab) -> smtplib.SMTP:
    return smtplib.SMTP(lab.smtp.host, lab.smtp.port, timeout=10)


def pop3(lab: Lab) -> poplib.POP3:
    return poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)


def drop(lab: Lab) -> poplib.POP3:
    client = pop3(lab)
    client.user(lab.pop3.user)
    client.pass_(lab.pop3.password)
    return client


def nntp(lab: Lab) -> nntplib.NNTP:
    return nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10)


def ftp(lab: Lab, user: str = "student") -> ftplib.FTP:
    client = ftplib.FTP(timeout=10)
    client.connect(lab.ftp.host, lab.ftp.port)
    client.login(user, lab.ftp.password)
    return client


def connect(address: Address) -> socket.socket:
    return socket.create_connection((address.host, address.port), timeout=10)


def say(address: Address, octets: bytes) -> bytes:
    """What the server says to all of it at once, until it closes."""
    with connect(address) as link:
        link.sendall(octets)
        return read_all(link)


def read_all(link: socket.socket) -> bytes:
    with link.makefile("rb") as stream:
        return stream.read()


def read_line(link: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        octet = link.recv(1)
        assert octet, f"the server closed after {line!r}"
        line += octet
    return line


def codes(said: bytes) -> str:
    """The codes of all replies. No line of the blocks asked for here looks like one."""
    return " ".join(re.findall(r"(?m)^(\d{3}) [A-Za-z0-9<]", said.decode()))


def block(text: bytes) -> bytes:
    """A text of lines with its dots stuffed and the last dot behind it."""
    return text.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def listing(lab: Lab, command: str) -> list[str]:
    """The lines of the block with which the news server answers one command."""
    said = say(lab.nntp, f"{command}\r\nQUIT\r\n".encode()).decode().split("\r\n")
    assert said[1].startswith("2"), said
    return said[2 : said.index(".")]


def lines_of(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def retrieved(client: poplib.POP3, number: int) -> bytes:
    return lines_of(client.retr(number)[1])


def fetched(client: ftplib.FTP, name: str, offset: int | None = None) -> bytes:
    blocks: list[bytes] = []
    client.retrbinary(f"RETR {name}", blocks.append, rest=offset)
    return b"".join(blocks)


def sample_mails() -> list[bytes]:
    return [path.read_bytes() for path in sorted((SAMPLES / "mail").iterdir())]


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


# SMTP


def test_smtp_mail_is_in_the_maildrop_octet_for_octet(lab: Lab) -> None:
    with smtp(lab) as sender:
        assert sender.sendmail("a@example.test", [ME], MAIL) == {}
    client = drop(lab)
    assert retrieved(client, client.stat()[0]) == MAIL
    client.quit()


def test_smtp_refuses_one_recipient_and_delivers_to_the_other(lab: Lab) -> None:
    before = len(lab.store.mailbox.mails)
    with smtp(lab) as client:
        refused = client.sendmail("a@example.test", [lab.refused, ME], MAIL)
    assert [*refused] == [lab.refused]
    assert refused[lab.refused][0] == 550
    assert len(lab.store.mailbox.mails) == before + 1


def test_smtp_relays_to_other_hosts_only_after_a_login(lab: Lab) -> None:
    with smtp(lab) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(ME, ["somebody@example.org"], MAIL)
        client.login(lab.smtp.user, lab.smtp.password)
        client.sendmail(ME, ["somebody@example.org"], MAIL)
    assert lab.store.relayed == [(ME, ("somebody@example.org",), MAIL)]


def test_smtp_takes_mail_from_nobody_for_the_postmaster(lab: Lab) -> None:
    with smtp(lab) as client:
        assert client.sendmail("", ["Postmaster@EXAMPLE.test"], MAIL) == {}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(("password", "code"), [("lab-secret", 235), ("wrong", 535)])
def test_smtp_auth(lab: Lab, mechanism: str, password: str, code: int) -> None:
    with smtp(lab) as client:
        client.ehlo()
        client.user, client.password = lab.smtp.user, password
        method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
        try:
            assert client.auth(mechanism, method)[0] == code
        except smtplib.SMTPAuthenticationError as refused:
            assert refused.smtp_code == code


def test_smtp_auth_can_be_cancelled(lab: Lab) -> None:
    with smtp(lab) as client:
        client.ehlo()
        assert client.docmd("AUTH", "CRAM-MD5")[0] == 334
        assert client.docmd("*")[0] == 501
        assert client.noop()[0] == 250


def test_smtp_offers_its_extensions(lab: Lab) -> None:
    with smtp(lab) as client:
        client.ehlo()
        offered = client.esmtp_features
    assert {"8bitmime", "smtputf8", "starttls", "pipelining", "help"} <= offered.keys()
    assert offered["size"] == str(smtp_server.MAX_MESSAGE)
    assert offered["auth"].split() == ["CRAM-MD5", "LOGIN", "PLAIN"]


def test_smtp_starttls_forgets_and_goes_on(lab: Lab, trust: ssl.SSLContext) -> None:
    with smtp(lab) as client:
        client.ehlo()
        assert client.starttls(context=trust)[0] == 220
        assert client.docmd("MAIL", "FROM:<a@example.test>")[0] == 503
        client.login(lab.smtp.user, lab.smtp.password)
        assert not client.has_extn("starttls")
        assert client.sendmail(ME, [ME], MAIL) == {}


def test_smtp_implicit_tls(lab: Lab, trust: ssl.SSLContext) -> None:
    port = lab.smtp.tls_port or 0
    with smtplib.SMTP_SSL("localhost", port, timeout=10, context=trust) as client:
        assert client.sendmail(ME, [ME], MAIL) == {}
        assert not client.has_extn("starttls")


def test_smtp_size_is_a_limit(lab: Lab) -> None:
    with smtp(lab) as client:
        client.ehlo()
        size = smtp_server.MAX_MESSAGE + 1
        assert client.docmd("MAIL", f"FROM:<{ME}> SIZE={size}")[0] == 552


def test_smtp_vrfy_and_help(lab: Lab) -> None:
    with smtp(lab) as client:
        assert client.verify(ME)[0] == 250
        assert client.verify(lab.refused)[0] == 550
        assert b"MAIL" in client.help()


def test_smtp_takes_international_mail(lab: Lab) -> None:
    mail = "Subject: Grüße\r\n\r\nsmörgåsbord\r\n".encode()
    with smtp(lab) as client:
        options = ["SMTPUTF8", "BODY=8BITMIME"]
        client.sendmail("jürgen@example.test", [ME], mail, mail_options=options)
    assert lab.store.mailbox.mails[-1].content == mail


def test_smtp_answers_a_pipeline(lab: Lab) -> None:
    envelope = f"MAIL FROM:<>\r\nRCPT TO:<{ME}>\r\nRCPT TO:<{lab.refused}>\r\nDATA\r\n"
    said = say(lab.smtp, b"EHLO x\r\n" + envelope.encode() + block(MAIL) + b"QUIT\r\n")
    assert codes(said) == "220 250 250 250 550 354 250 221"
    assert lab.store.mailbox.mails[-1].content == MAIL


def test_smtp_answers_what_came_before_a_half_close(lab: Lab) -> None:
    with connect(lab.smtp) as link:
        link.sendall(b"EHLO x\r\nNOOP\r\n")
        link.shutdown(socket.SHUT_WR)
        assert read_all(link).endswith(b"\r\n250 OK\r\n")


def test_smtp_lf_dot_lf_is_not_the_end_of_a_mail(lab: Lab) -> None:
    mail = b"Subject: smuggled\r\n\r\na\n.\nMAIL FROM:<>\r\nb\r\n"
    envelope = f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{ME}>\r\nDATA\r\n".encode()
    assert codes(say(lab.smtp, envelope + mail + b".\r\nQUIT\r\n"))[-7:] == "250 221"
    assert lab.store.mailbox.mails[-1].content == mail


# POP3


def test_pop3_gives_the_sample_mails_octet_for_octet(lab: Lab) -> None:
    client = drop(lab)
    count, octets = client.stat()
    mails = [retrieved(client, number) for number in range(1, count + 1)]
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    client.quit()
    assert mails[:-1] == [m if m.endswith(b"\r\n") else m + b"\r\n" for m in sample_mails()]
    assert [len(mail) for mail in mails] == sizes
    assert sum(sizes) == octets


def test_pop3_has_a_mail_without_a_final_newline(lab: Lab) -> None:
    number, mail = next(p for p in enumerate(sample_mails(), 1) if not p[1].endswith(b"\n"))
    said = say(lab.pop3, b"USER student\r\nPASS lab-secret\r\nLIST %d\r\nQUIT\r\n" % number)
    assert b"\r\n+OK %d %d\r\n" % (number, len(mail) + 2) in said


def test_pop3_has_a_mail_of_one_mebibyte(lab: Lab) -> None:
    body = lab.store.mailbox.mails[-1].content.partition(b"\r\n\r\n")[2]
    assert len(body) == 1024 * 1024
    assert b"\r\n." in body
    assert {len(line) for line in body.split(b"\r\n")[:-1]} == {62}


def test_pop3_deletes_only_in_the_update_state(lab: Lab) -> None:
    client = drop(lab)
    count = client.stat()[0]
    client.dele(1)
    client.dele(3)
    assert client.stat()[0] == count - 2
    with pytest.raises(poplib.error_proto):
        client.retr(1)
    assert client.list()[1][0].startswith(b"2 ")
    client.close()  # and no QUIT

    client = drop(lab)
    assert client.stat()[0] == count
    second = client.uidl()[1][1].split()[1]
    client.dele(2)
    client.rset()
    client.dele(1)
    client.quit()

    client = drop(lab)
    assert client.stat()[0] == count - 1
    assert client.uidl()[1][0].split()[1] == second
    client.quit()


def test_pop3_uids_are_unique_and_the_same_after_a_reset(lab: Lab) -> None:
    client = drop(lab)
    first = client.uidl()[1]
    client.quit()
    lab.reset()
    client = drop(lab)
    assert client.uidl()[1] == first
    assert len({line.split()[1] for line in first}) == len(first)
    client.quit()


def test_pop3_locks_the_maildrop(lab: Lab) -> None:
    first = drop(lab)
    second = pop3(lab)
    second.user(lab.pop3.user)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\]"):
        second.pass_(lab.pop3.password)
    first.quit()
    second.user(lab.pop3.user)
    second.pass_(lab.pop3.password)
    second.quit()


def test_pop3_waits_a_moment_for_a_session_that_has_hung_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3_server, "TRIES", 10_000)
    session = object()
    assert lab.store.mailbox.lock(session)
    with closing(pop3(lab)) as client:
        client.user(lab.pop3.user)
        client.sock.sendall(f"PASS {lab.pop3.password}\r\n".encode())
        pop3(lab).close()  # it has answered this one, so it has heard that one
        lab.store.mailbox.unlock(session)
        assert client.file.readline().startswith(b"+OK")


def test_pop3_shows_new_mail_in_the_next_session(lab: Lab) -> None:
    client = drop(lab)
    count = client.stat()[0]
    with smtp(lab) as sender:
        sender.sendmail(ME, [ME], MAIL)
    assert client.stat()[0] == count
    client.quit()
    client = drop(lab)
    assert client.stat()[0] == count + 1
    client.quit()


def test_pop3_apop(lab: Lab) -> None:
    client = pop3(lab)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.apop(lab.pop3.user, "wrong")
    client.apop(lab.pop3.user, lab.pop3.password)
    client.quit()


def test_pop3_wrong_password_has_its_code(lab: Lab) -> None:
    client = pop3(lab)
    client.user("nobody")
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        client.pass_(lab.pop3.password)
    client.quit()


LOGINS = {
    "PLAIN at once": [b"AUTH PLAIN " + b64("\0student\0lab-secret")],
    "PLAIN": [b"AUTH PLAIN", b64("\0student\0lab-secret")],
    "PLAIN, himself": [b"auth plain", b64("student\0student\0lab-secret")],
    "LOGIN": [b"AUTH LOGIN", b64("student"), b64("lab-secret")],
}


@pytest.mark.parametrize("lines", LOGINS.values(), ids=LOGINS.keys())
def test_pop3_auth(lab: Lab, lines: list[bytes]) -> None:
    with connect(lab.pop3) as link:
        read_line(link)
        for line in lines[:-1]:
            link.sendall(line + b"\r\n")
            assert read_line(link).startswith(b"+ ")
        link.sendall(lines[-1] + b"\r\n")
        assert read_line(link).startswith(b"+OK")


def test_pop3_auth_cram_md5(lab: Lab) -> None:
    with connect(lab.pop3) as link:
        read_line(link)
        link.sendall(b"AUTH CRAM-MD5\r\n")
        challenge = base64.b64decode(read_line(link)[2:])
        digest = hmac.new(lab.pop3.password.encode(), challenge, "md5").hexdigest()
        link.sendall(b64(f"student {digest}") + b"\r\n")
        assert read_line(link).startswith(b"+OK")


def test_pop3_auth_that_fails(lab: Lab) -> None:
    said = say(
        lab.pop3,
        b"AUTH PLAIN\r\n*\r\nAUTH PLAIN !\r\nAUTH PLAIN =\r\nAUTH GSSAPI\r\nAUTH\r\n"
        b"AUTH PLAIN " + b64("other\0student\0lab-secret") + b"\r\n"
        b"AUTH CRAM-MD5 eA==\r\nAUTH LOGIN\r\neA==\r\neA==\r\nQUIT\r\n",
    )
    answers = [re.sub(r" (?!\[).*", "", line) for line in said.decode().split("\r\n")]
    assert " ".join(answers) == (
        "+OK + -ERR -ERR -ERR [AUTH] -ERR -ERR -ERR [AUTH] -ERR + + -ERR [AUTH] +OK "
    )


def test_pop3_top(lab: Lab) -> None:
    client = drop(lab)
    head, empty, body = retrieved(client, 1).partition(b"\r\n\r\n")
    for count in (0, 1, 3, 10_000):
        lines = body.split(b"\r\n")[:-1][:count]
        assert lines_of(client.top(1, count)[1]) == head + empty + lines_of(lines)
    client.quit()


def test_pop3_commands_have_their_states_and_arguments(lab: Lab) -> None:
    said = say(
        lab.pop3,
        b"STAT\r\nPASS x\r\nUSER\r\nXYZZY\r\n\r\nUSER student\r\nPASS lab-secret\r\n"
        b"USER student\r\nRETR\r\nRETR 0\r\nRETR 99\r\nRETR -1\r\nRETR 1 2\r\nTOP 1\r\n"
        b"LIST \xd9\xa1\r\nSTAT 1\r\nSTLS\r\nNOOP\r\nnoop\nquit\r\n",
    )
    answers = "".join(line[:1] for line in said.decode().split("\r\n"))
    assert answers == "+" + "-----++" + "----------" + "+++"


def test_pop3_answers_a_pipeline(lab: Lab) -> None:
    count = len(lab.store.mailbox.mails)
    wanted = b"".join(b"RETR %d\r\n" % number for number in range(1, count + 1))
    said = say(lab.pop3, b"USER student\r\nPASS lab-secret\r\n" + wanted + b"QUIT\r\n")
    for mail in sample_mails():
        assert mail.replace(b"\r\n.", b"\r\n..") in said
    assert said.count(b"\r\n.\r\n") == count
    assert said.endswith(b".\r\n+OK POP3 server signing off\r\n")


def test_pop3_stls(lab: Lab, trust: ssl.SSLContext) -> None:
    client = pop3(lab)
    before = client.capa()
    client.stls(context=trust)
    after = client.capa()
    client.user(lab.pop3.user)
    client.pass_(lab.pop3.password)
    assert len(client.list()[1]) == len(lab.store.mailbox.mails)
    client.quit()
    one = {"TOP", "UIDL", "USER", "SASL", "STLS", "PIPELINING", "IMPLEMENTATION"}
    assert before.keys() == one | {"RESP-CODES", "AUTH-RESP-CODE"}
    assert before["SASL"] == ["PLAIN", "LOGIN", "CRAM-MD5"]
    assert before.keys() - after.keys() == {"STLS"}


def test_pop3_implicit_tls(lab: Lab, trust: ssl.SSLContext) -> None:
    port = lab.pop3.tls_port or 0
    client = poplib.POP3_SSL("localhost", port, timeout=10, context=trust)
    client.user(lab.pop3.user)
    client.pass_(lab.pop3.password)
    assert len(retrieved(client, client.stat()[0])) > 1024 * 1024
    client.quit()


# What comes before the handshake isn't taken for what comes in it (RFC 3207)

INJECTIONS = {
    "smtp": (b"STARTTLS\r\n", b"MAIL FROM:<a@example.test>\r\n"),
    "pop3": (b"STLS\r\n", b"USER student\r\nPASS lab-secret\r\n"),
    "nntp": (b"STARTTLS\r\n", b"GROUP lab.announce\r\n"),
}


@pytest.mark.parametrize("protocol", INJECTIONS)
def test_plaintext_before_the_handshake_is_dropped(
    lab: Lab, trust: ssl.SSLContext, protocol: str
) -> None:
    start, injected = INJECTIONS[protocol]
    with connect(getattr(lab, protocol)) as link:
        read_line(link)
        link.sendall(start + injected)
        read_line(link)
        with trust.wrap_socket(link, server_hostname="localhost") as secure:
            secure.sendall(b"NOOP\r\n")
            answer = read_line(secure)
    assert answer.startswith((b"250 OK", b"-ERR not in this state", b"500 "))


@pytest.mark.parametrize("protocol", INJECTIONS)
def test_a_broken_handshake_ends_its_connection_only(lab: Lab, protocol: str) -> None:
    address = getattr(lab, protocol)
    with connect(address) as link, suppress(ConnectionError):
        read_line(link)
        link.sendall(INJECTIONS[protocol][0])
        read_line(link)
        link.sendall(b"this is not TLS, whatever it is\r\n")
        read_all(link)
    assert say(address, b"QUIT\r\n")


# NNTP


def test_nntp_groups_have_their_numbers_and_gaps(lab: Lab) -> None:
    groups = [line.split() for line in listing(lab, "LIST")]
    with nntp(lab) as client:
        for name, high, low, _ in groups:
            numbers = sorted(int(p.stem) for p in (SAMPLES / "news" / name).glob("*.txt"))
            selected = client.group(name)[1:]
            assert selected == (len(numbers), numbers[0], numbers[-1], name)
            assert (int(low), int(high)) == (numbers[0], numbers[-1])
    assert len(groups) == 3
    assert {status for *_, status in groups} == {"y", "m"}


def test_nntp_articles_are_the_files_octet_for_octet(lab: Lab) -> None:
    with nntp(lab) as client:
        for folder in sorted((SAMPLES / "news").glob("lab.*")):
            client.group(folder.name)
            for path in folder.iterdir():
                lines = client.article(path.stem)[1].lines
                assert lines_of(lines) == path.read_bytes()


def test_nntp_names_an_article_in_three_ways(lab: Lab) -> None:
    said = say(
        lab.nntp,
        b"STAT\r\nSTAT 1\r\nSTAT <nobody@example.test>\r\nNEXT\r\nLAST\r\nGROUP lab.no\r\n"
        b"GROUP lab.announce\r\nSTAT\r\nSTAT 4\r\nSTAT 3\r\nNEXT\r\nLAST\r\nSTAT 1\r\n"
        b"LAST\r\nSTAT 9\r\nNEXT\r\nSTAT\r\nSTAT 99999999999999999\r\n"
        b"STAT no.brackets@example.test\r\nSTAT %s\r\nSTAT\r\nQUIT\r\n" % WELCOME.encode(),
    )
    assert codes(said) == (
        "200 412 412 430 412 412 411"
        " 211 223 423 223 223 223 223"
        " 422 223 421 223 501"
        " 501 223 223 205"
    )
    assert b"\r\n223 5 <" in said  # NEXT after 3 leaps over the gap
    assert f"\r\n223 0 {WELCOME}".encode() in said
    assert b"\r\n223 9 <" in said.partition(WELCOME.encode())[2]  # 9 is current still


def test_nntp_head_and_body_are_the_parts_of_an_article(lab: Lab) -> None:
    with nntp(lab) as client:
        client.group("lab.protocols.history")
        head, body = client.head("1")[1].lines, client.body("1")[1].lines
        assert [*head, b"", *body] == client.article("1")[1].lines


def test_nntp_overview_is_right(lab: Lab) -> None:
    with nntp(lab) as client:
        client.group("lab.announce")
        rows = client.over((1, 99))[1]
    assert [number for number, _ in rows] == [1, 2, 3, 5, 6, 7, 8, 9]
    for number, row in rows:
        content = (SAMPLES / "news" / "lab.announce" / f"{number}.txt").read_bytes()
        body = content.partition(b"\r\n\r\n")[2]
        assert row[":bytes"] == str(len(content))
        assert row[":lines"] == str(body.count(b"\r\n"))
        assert row["message-id"].encode() in content
        assert row["newsgroups"] == "lab.announce"
        assert "\t" not in row["subject"]


def test_nntp_over_and_hdr_take_ranges_ids_and_nothing(lab: Lab) -> None:
    said = say(
        lab.nntp,
        b"OVER\r\nOVER 1-\r\nHDR Subject\r\nOVER <no@example.test>\r\nOVER %s\r\n"
        b"GROUP lab.announce\r\nOVER\r\nOVER 4\r\nOVER 5-1\r\nOVER x\r\nXOVER 1-2\r\n"
        b"HDR subject 1-3\r\nHDR :lines 1\r\nHDR :odd 1\r\nHDR Nothing 1\r\n"
        b"HDR Message-ID %s\r\nQUIT\r\n" % (WELCOME.encode(), WELCOME.encode()),
    )
    assert codes(said) == (
        "200 412 412 412 430 224 211 224 423 423 501 224 225 225 503 225 225 205"
    )
    assert b"\r\n0\tWelcome to the lab\t" in said
    assert b"\r\n1 \r\n.\r\n" in said  # there is no such header
    assert f"\r\n0 {WELCOME}\r\n.\r\n".encode() in said


def test_nntp_listgroup(lab: Lab) -> None:
    assert " ".join(listing(lab, "LISTGROUP lab.announce")) == "1 2 3 5 6 7 8 9"
    assert listing(lab, "LISTGROUP lab.announce 3-5") == ["3", "5"]
    assert listing(lab, "LISTGROUP lab.announce 8-") == ["8", "9"]
    assert listing(lab, "LISTGROUP lab.announce 4") == []
    assert listing(lab, "LISTGROUP lab.announce 9-3") == []
    said = say(lab.nntp, b"LISTGROUP\r\nLISTGROUP lab.no\r\nQUIT\r\n")
    assert codes(said) == "200 412 411 205"


def test_nntp_list_has_its_variants(lab: Lab) -> None:
    assert len(listing(lab, "LIST ACTIVE lab.protocols.*")) == 2
    assert listing(lab, "LIST ACTIVE *,!lab.p*") == ["lab.announce 9 1 m"]
    assert listing(lab, "LIST COUNTS lab.a*") == ["lab.announce 9 1 8 m"]
    assert "protocols come from" in listing(lab, "LIST NEWSGROUPS *.history")[0]
    assert len(listing(lab, "LIST ACTIVE.TIMES")) == 3
    assert listing(lab, "LIST HEADERS") == [":", ":bytes", ":lines"]
    seven = ["Subject:", "From:", "Date:", "Message-ID:", "References:", ":bytes", ":lines"]
    assert listing(lab, "LIST OVERVIEW.FMT")[:7] == seven
    wrong = b"LIST NOTHING\r\nLIST ACTIVE u[ks].*\r\nLIST OVERVIEW.FMT *\r\nQUIT\r\n"
    assert codes(say(lab.nntp, wrong)) == "200 501 501 501 205"


def test_nntp_post_completes_and_files_an_article(lab: Lab) -> None:
    with nntp(lab) as client:
        last = client.group("lab.protocols.help")[3]
        assert client.post(io.BytesIO(ARTICLE)).startswith("240")
        assert client.group("lab.protocols.help")[3] == last + 1
        article = client.article(str(last + 1))[1]
    added, _, rest = lines_of(article.lines).partition(b"From:")
    assert b"From:" + rest == ARTICLE
    names = [line.split(b":")[0] for line in added.split(b"\r\n")[:-1]]
    assert names == [b"Path", b"Date", b"Message-ID"]
    assert article.message_id.encode() in added


REFUSED_ARTICLES = {
    "no subject": ARTICLE.replace(b"Subject", b"X-Subject"),
    "no from": ARTICLE.replace(b"From", b"X-From"),
    "no newsgroups": ARTICLE.replace(b"Newsgroups", b"X-Newsgroups"),
    "two subjects": b"Subject: x\r\n" + ARTICLE,
    "unknown group": ARTICLE.replace(b"lab.protocols.help", b"lab.no"),
    "no empty line": b"Subject: x\r\n",
    "nothing": b"",
    "no header": b"no header\r\n" + ARTICLE,
    "bare LF": ARTICLE.replace(b"end", b"a\nb"),
    "NUL": ARTICLE.replace(b"end", b"\0"),
    "known id": f"Message-ID: {WELCOME}\r\n".encode() + ARTICLE,
    "wrong id": b"Message-ID: here\r\n" + ARTICLE,
    "wrong date": b"Date: yesterday\r\n" + ARTICLE,
}


@pytest.mark.parametrize("article", REFUSED_ARTICLES.values(), ids=REFUSED_ARTICLES)
def test_nntp_post_refuses(lab: Lab, article: bytes) -> None:
    before = len(lab.store.newsgroups.articles)
    said = say(lab.nntp, b"POST\r\n" + block(article) + b"QUIT\r\n")
    assert codes(said) == "200 340 441 205"
    assert len(lab.store.newsgroups.articles) == before


def test_nntp_announcements_need_a_login_and_approval(lab: Lab) -> None:
    article = ARTICLE.replace(b"lab.protocols.help", b"lab.announce")
    with nntp(lab) as client:
        with pytest.raises(nntplib.NNTPTemporaryError, match="480"):
            client.post(io.BytesIO(article))
        client.login(lab.nntp.user, lab.nntp.password, usenetrc=False)
        with pytest.raises(nntplib.NNTPTemporaryError, match="441 a moderated"):
            client.post(io.BytesIO(article))
        client.post(io.BytesIO(b"Approved: student@example.test\r\n" + article))


def test_nntp_authinfo_has_its_order(lab: Lab) -> None:
    said = say(
        lab.nntp,
        b"AUTHINFO PASS x\r\nAUTHINFO USER student\r\nAUTHINFO PASS wrong\r\n"
        b"AUTHINFO PASS lab-secret\r\nAUTHINFO USER student\r\nCAPABILITIES\r\n"
        b"AUTHINFO PASS lab-secret\r\nAUTHINFO USER student\r\nSTARTTLS\r\n"
        b"CAPABILITIES\r\nAUTHINFO SASL PLAIN\r\nQUIT\r\n",
    )
    assert codes(said) == "200 482 381 481 482 381 101 281 502 502 101 501 205"
    before, after = re.findall(r"101 .*?\r\n\.\r\n", said.decode(), re.DOTALL)
    assert "AUTHINFO USER\r\n" in before and "STARTTLS\r\n" in before
    assert "AUTHINFO" not in after and "STARTTLS" not in after


def test_nntp_ihave(lab: Lab) -> None:
    head = (
        b"Path: x\r\nMessage-ID: <new@example.test>\r\nDate: 1 Oct 2026 10:00:00 +0000\r\n"
    )
    offer = b"IHAVE <new@example.test>\r\n"
    said = say(
        lab.nntp,
        f"IHAVE {WELCOME}\r\n".encode()
        + b"IHAVE <other@example.test>\r\n"
        + block(head + ARTICLE)
        + offer
        + block(head + ARTICLE)
        + offer
        + b"IHAVE\r\nQUIT\r\n",
    )
    assert codes(said) == "200 435 335 437 335 235 435 501 205"
    assert lab.store.newsgroups.articles["<new@example.test>"].content == head + ARTICLE


def test_nntp_tells_what_is_new(lab: Lab) -> None:
    with nntp(lab) as client:
        now = client.date()[1].replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
        client.post(io.BytesIO(ARTICLE))
        last = client.group("lab.protocols.help")[3]
        identity = client.stat(str(last))[2]
    stamp = f"{now:%Y%m%d %H%M%S} GMT"
    assert listing(lab, f"NEWNEWS lab.* {stamp}") == [identity]
    assert listing(lab, f"NEWNEWS lab.announce {stamp}") == []
    assert listing(lab, f"NEWGROUPS {stamp}") == []
    assert len(listing(lab, "NEWGROUPS 700101 000000")) == 3
    everything = listing(lab, "NEWNEWS * 19700101 000060 GMT")
    assert sorted(everything) == sorted(lab.store.newsgroups.articles)
    wrong = b"NEWGROUPS 20261301 000000 GMT\r\nNEWNEWS * 1 1\r\nQUIT\r\n"
    assert codes(say(lab.nntp, wrong)) == "200 501 501 205"


def test_nntp_starttls(lab: Lab, trust: ssl.SSLContext) -> None:
    with nntp(lab) as client:
        assert "STARTTLS" in client.getcapabilities()
        client.group("lab.announce")
        client.starttls(trust)
        assert "STARTTLS" not in client.getcapabilities()
        with pytest.raises(nntplib.NNTPTemporaryError, match="412"):
            client.stat()  # the group is forgotten (RFC 4642)
        client.login(lab.nntp.user, lab.nntp.password, usenetrc=False)


def test_nntp_implicit_tls(lab: Lab, trust: ssl.SSLContext) -> None:
    port = lab.nntp.tls_port or 0
    with nntplib.NNTP_SSL("localhost", port, timeout=10, ssl_context=trust) as client:
        assert client.group("lab.announce")[1] == 8


def test_nntp_other_commands(lab: Lab) -> None:
    said = say(
        lab.nntp,
        b"CAPABILITIES\r\nMODE READER\r\nMODE POSTER\r\nHELP\r\nXYZZY\r\n\r\nDATE 1\r\n"
        b" \t date  \r\nSTAT " + b"1" * 600 + b"\r\nDATE\nQUIT\r\n",
    )
    assert codes(said) == "200 101 200 501 100 500 500 501 111 501 111 205"
    assert b"101 capability list follows\r\nVERSION 2\r\n" in said


# FTP


def test_ftp_lists_the_names_that_are_hard(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        rows = dict(client.mlsd("pub"))
        names = {path.name for path in (SAMPLES / "ftp" / "pub").iterdir()}
        assert set(rows) == names | {"empty"}
        assert client.nlst("pub") == sorted(rows)
        assert client.nlst("pub/empty") == []
        assert any(" " in name for name in names)
        assert any(name.startswith("-") for name in names)
        assert not all(name.isascii() for name in names)
        for name in names - {"history"}:
            content = (SAMPLES / "ftp" / "pub" / name).read_bytes()
            assert fetched(client, f"pub/{name}") == content
            assert rows[name]["size"] == str(len(content))
            assert rows[name]["modify"] == "19851001000000"
        assert "unique" not in rows["empty"]


def test_ftp_stores_resumes_renames_and_deletes(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        client.mkd("new")
        client.cwd("new")
        assert client.pwd() == "/new"
        client.storbinary("STOR a", io.BytesIO(b"0123456789"))
        assert fetched(client, "a", offset=4) == b"456789"
        client.storbinary("STOR a", io.BytesIO(b"abc"), rest=8)
        client.storbinary("APPE a", io.BytesIO(b"!"))
        client.rename("a", "ü b")
        assert fetched(client, "ü b") == b"01234567abc!"
        assert (lab.store.files / "new" / "ü b").read_bytes() == b"01234567abc!"
        assert client.size("ü b") == 12
        client.delete("ü b")
        client.cwd("..")
        client.rmd("new")
        assert client.pwd() == "/"
        with pytest.raises(ftplib.error_perm, match="550"):
            client.cwd("new")


def test_ftp_offers_its_features(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        features = client.sendcmd("FEAT").split("\n")
    wanted = ("UTF8", "EPSV", "EPRT", "MDTM", "SIZE", "REST STREAM", "AUTH TLS", "PROT")
    assert {f" {feature}" for feature in wanted} <= set(features)


@pytest.mark.parametrize("passive", [True, False])
def test_ftp_data_comes_passive_or_active(lab: Lab, passive: bool) -> None:
    with closing(ftp(lab)) as client:
        client.set_pasv(passive)
        assert fetched(client, "README.txt") == (SAMPLES / "ftp/README.txt").read_bytes()


def test_ftp_epsv_over_ipv4(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        assert re.fullmatch(r"229 .*\(\|\|\|[0-9]+\|\)\.?", client.sendcmd("EPSV"))


def test_ftp_connects_to_nobody_but_the_client(lab: Lab) -> None:
    with closing(ftp(lab)) as client, pytest.raises(ftplib.error_perm, match="501"):
        client.sendcmd("PORT 192,0,2,1,100,1")


def test_ftp_anonymous_may_only_read(lab: Lab) -> None:
    with closing(ftp(lab, "anonymous")) as client:
        assert fetched(client, "README.txt")
        for command in ("DELE README.txt", "MKD x", "RNFR README.txt", "STOR x"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.sendcmd(command)


def test_ftp_wrong_password_is_refused_at_once(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        started = time.monotonic()
        with pytest.raises(ftplib.error_perm, match="530"):
            client.login("student", "wrong")
        assert time.monotonic() - started < 1
        client.login("student", lab.ftp.password)


def test_ftp_gives_nothing_outside_its_tree(lab: Lab) -> None:
    (lab.store.files / "link").symlink_to("/etc")
    secret = Path(lab.cafile)
    with closing(ftp(lab)) as client:
        for name in (f"../{secret.name}", str(secret), "link/hosts", "../../etc/hosts"):
            with pytest.raises(ftplib.error_perm, match="550"):
                fetched(client, name)
        with pytest.raises(ftplib.error_perm, match="550"):
            client.cwd("link")
        assert client.cwd("/../..").startswith("250")
        assert client.pwd() == "/"


def test_ftp_leaves_the_directory_of_the_process_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[object] = []
    monkeypatch.setattr(os, "chdir", changes.append)
    with closing(ftp(lab)) as client:
        client.cwd("pub")
        client.sendcmd("CDUP")
        assert client.pwd() == "/"
    assert changes == []


def test_ftp_list_shows_nothing_of_the_machine(lab: Lab) -> None:
    lines: list[str] = []
    with closing(ftp(lab)) as client:
        client.retrlines("LIST", lines.append)
    assert lines == sorted(lines, key=lambda line: line.split()[-1])
    assert all(line.split()[2:4] == ["student", "lab"] for line in lines)
    assert all("Oct 01  1985" in line for line in lines)


def test_ftp_storage_is_limited(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftp_server, "MAX_TREE", 200_000)
    with closing(ftp(lab)) as client:
        with pytest.raises(ConnectionError):
            client.storbinary("STOR big", io.BytesIO(bytes(10_000_000)))
        with pytest.raises(ftplib.error_perm, match="552"):
            client.voidresp()
        assert 0 < (client.size("big") or 0) <= 200_000


def test_ftp_tls_protects_control_and_data(lab: Lab, trust: ssl.SSLContext) -> None:
    with closing(ftplib.FTP_TLS(context=trust, timeout=10)) as client:
        client.connect("localhost", lab.ftp.port)
        client.login(lab.ftp.user, lab.ftp.password)
        client.prot_p()
        client.storbinary("STOR x", io.BytesIO(bytes(300_000)))
        assert fetched(client, "x") == bytes(300_000)
        assert client.nlst("pub/empty") == []
        assert "README.txt" in client.nlst()
        client.quit()


def test_ftp_ends_tls_rightly_even_without_data(lab: Lab, trust: ssl.SSLContext) -> None:
    with closing(ftplib.FTP_TLS(context=trust, timeout=10)) as client:
        client.connect("localhost", lab.ftp.port)
        client.login(lab.ftp.user, lab.ftp.password)
        client.prot_p()
        for command in ("NLST pub/empty", "RETR pub/empty.txt", "MLSD pub/empty") * 5:
            with client.transfercmd(command) as data:
                setattr(data, "suppress_ragged_eofs", False)  # noqa: B010  or any end would do
                assert data.recv(100) == b""
            client.voidresp()


class ImplicitTLS(ftplib.FTP_TLS):
    """ftplib can't begin with TLS: here the socket is wrapped as soon as it is set."""

    _sock: socket.socket | None = None

    @property
    def sock(self) -> socket.socket | None:
        return self._sock

    @sock.setter
    def sock(self, value: socket.socket | None) -> None:
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname="localhost")
        self._sock = value


def test_ftp_implicit_tls(lab: Lab, trust: ssl.SSLContext) -> None:
    with closing(ImplicitTLS(context=trust, timeout=10)) as client:
        client.connect("localhost", lab.ftp.tls_port or 0)
        client.login(lab.ftp.user, lab.ftp.password, secure=False)
        client.prot_p()
        assert fetched(client, "README.txt")
        client.quit()


# The Lab as a whole


def addresses(lab: Lab) -> list[Address]:
    return [lab.http, lab.smtp, lab.pop3, lab.ftp, lab.nntp, lab.telnet, lab.echo]


def test_the_certificate_is_for_localhost_and_its_address(
    lab: Lab, trust: ssl.SSLContext
) -> None:
    for address in addresses(lab):
        for name in ("localhost", "127.0.0.1") if address.tls_port else ():
            with (
                socket.create_connection((address.host, address.tls_port), 10) as link,
                trust.wrap_socket(link, server_hostname=name) as secure,
            ):
                assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_what_ftp_stores_http_shows(lab: Lab) -> None:
    with closing(ftp(lab)) as client:
        client.storbinary("STOR incoming/a b", io.BytesIO(MAIL))
    url = f"http://{lab.http.host}:{lab.http.port}/files/incoming/a%20b"
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == MAIL


def state(lab: Lab) -> object:
    tree = {str(path): path.stat().st_mtime for path in lab.store.files.rglob("*")}
    mails = [mail.content for mail in lab.store.mailbox.mails]
    return tree, mails, [*lab.store.newsgroups.articles], [*lab.store.relayed]


def test_reset_brings_everything_back(lab: Lab) -> None:
    before = state(lab)
    client = drop(lab)
    client.dele(1)
    client.quit()
    with smtp(lab) as sender:
        sender.login(lab.smtp.user, lab.smtp.password)
        sender.sendmail(ME, [ME, "x@example.org"], MAIL)
    with nntp(lab) as poster:
        poster.post(io.BytesIO(ARTICLE))
    with closing(ftp(lab)) as writer:
        writer.storbinary("STOR x", io.BytesIO(b"x"))
        writer.delete("README.txt")
    assert state(lab) != before
    lab.reset()
    assert state(lab) == before


def test_a_session_from_before_a_reset_harms_nothing(lab: Lab) -> None:
    old = drop(lab)
    old.dele(1)
    lab.reset()
    new = drop(lab)  # the lock is gone too
    old.quit()
    count = new.stat()[0]
    new.quit()
    assert count == len(lab.store.mailbox.mails) == len(sample_mails()) + 1


def test_two_labs_don_t_meet(lab: Lab) -> None:
    with Lab() as other:
        with smtp(other) as client:
            client.sendmail(ME, [ME], MAIL)
        with closing(ftp(other)) as writer:
            writer.storbinary("STOR x", io.BytesIO(b"x"))
        mails = other.store.mailbox.mails
        assert len(mails) == len(lab.store.mailbox.mails) + 1
        assert not (lab.store.files / "x").exists()


def test_the_end_is_quick_and_leaves_nothing(temporary: Path) -> None:
    threads = set(threading.enumerate())
    with ExitStack() as clients:
        with Lab() as lab:
            trust = ssl.create_default_context(cafile=lab.cafile)
            ports = {address.port for address in addresses(lab)}
            tls_ports = {a.tls_port for a in addresses(lab) if a.tls_port}
            for port in ports | tls_ports:
                clients.enter_context(socket.create_connection((lab.pop3.host, port)))
            for port in tls_ports:
                link = socket.create_connection((lab.pop3.host, port))
                secure = trust.wrap_socket(link, server_hostname="localhost")
                clients.enter_context(secure)
            assert len([*temporary.iterdir()]) == 1
            started = time.monotonic()
        assert time.monotonic() - started < 1
    assert [*temporary.iterdir()] == []
    assert set(threading.enumerate()) == threads
    for port in ports | tls_ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((lab.pop3.host, port))


def test_a_port_in_use_is_named_and_nothing_is_left(temporary: Path) -> None:
    with Lab() as first:
        threads = set(threading.enumerate())
        for name, port in (("smtp", first.smtp.port), ("echo", first.echo.port)):
            with pytest.raises(OSError, match=f"{name}.* {port} "), Lab(ports={name: port}):
                pass
        assert len([*temporary.iterdir()]) == 1
        assert set(threading.enumerate()) == threads


def test_an_unknown_port_name_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="gopher"):
        Lab(ports={"gopher": 70})


def test_given_ports_are_used() -> None:
    with Lab() as first:
        ports = {"pop3": first.pop3.port, "pop3s": first.pop3.tls_port or 0}
    with Lab(ports=ports) as second:
        assert {"pop3": second.pop3.port, "pop3s": second.pop3.tls_port} == ports


def test_ipv6() -> None:
    with Lab(host="::1") as lab:
        client = drop(lab)
        assert client.stat()[0] > 20
        client.quit()
        with closing(ftp(lab)) as reader:
            assert fetched(reader, "README.txt")


def test_the_servers_stay_out_of_the_caller_s_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = contextvars.ContextVar("mark", default="")
    seen: list[str] = []
    serve, handle = pop3_server.serve, ftp_server.Handler.handle

    async def serve_and_tell(*arguments: Any) -> None:
        seen.append(mark.get())
        await serve(*arguments)

    def handle_and_tell(handler: Any) -> None:
        seen.append(mark.get())
        handle(handler)

    monkeypatch.setattr(pop3_server, "serve", serve_and_tell)
    monkeypatch.setattr(ftp_server.Handler, "handle", handle_and_tell)
    mark.set("the caller's")
    with Lab() as lab:
        lab.reset()
        say(lab.pop3, b"QUIT\r\n")
        say(lab.ftp, b"QUIT\r\n")
    assert seen == ["", ""]


def test_a_process_that_forgets_its_lab_leaves_no_folder(tmp_path: Path) -> None:
    program = "from protoclients.fixtures import Lab; lab = Lab(); lab.__enter__()"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [*tmp_path.iterdir()] == []


def test_the_number_of_connections_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 3)
    with Lab() as lab, ExitStack() as clients:
        for _ in range(3):
            link = clients.enter_context(connect(lab.pop3))
            assert read_line(link).startswith(b"+OK")
        assert say(lab.pop3, b"") == b""
        assert say(lab.smtp, b"").startswith(b"421 ")


def test_what_the_lab_keeps_is_limited(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_OCTETS", 1024 * 1024)
    with smtp(lab) as sender, pytest.raises(smtplib.SMTPDataError, match="452"):
        sender.sendmail(ME, [ME], MAIL)
    with nntp(lab) as poster, pytest.raises(nntplib.NNTPTemporaryError, match="441"):
        poster.post(io.BytesIO(ARTICLE))


def test_silence_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(smtp_server, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(ftp_server.Handler, "timeout", 0.1)
    with Lab() as lab:
        for address in (lab.smtp, lab.pop3, lab.nntp, lab.ftp):
            assert say(address, b"")  # the greeting, and an end


@pytest.mark.parametrize("protocol", ["smtp", "pop3", "nntp", "ftp"])
def test_an_endless_line_does_no_harm(lab: Lab, protocol: str) -> None:
    address = getattr(lab, protocol)
    with connect(address) as link, suppress(ConnectionError):
        read_line(link)
        for _ in range(20):
            link.sendall(b"x" * 65536)
        link.sendall(b"\r\nQUIT\r\n")
        read_all(link)
    assert say(address, b"QUIT\r\n")


def visit(lab: Lab, number: int) -> bool:
    """One client's work, by turns in the four protocols."""
    address, words, end = [
        (lab.smtp, b"EHLO x\r\nNOOP\r\nQUIT\r\n", b"221 Bye\r\n"),
        (lab.pop3, b"CAPA\r\nQUIT\r\n", b"signing off\r\n"),
        (
            lab.nntp,
            b"GROUP lab.announce\r\nOVER 1-\r\nQUIT\r\n",
            b"\r\n205 connection closing\r\n",
        ),
        (lab.ftp, b"USER anonymous\r\nPASS\r\nPWD\r\nQUIT\r\n", b"221 Goodbye.\r\n"),
    ][number % 4]
    return say(address, words).endswith(end)


def test_1000_idle_and_200_busy_clients_at_once() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 3_000:
        pytest.skip("this machine allows too few open files: ulimit -H -n 3000")
    with Lab() as lab, ExitStack() as idle:
        four = (lab.smtp, lab.pop3, lab.nntp, lab.ftp)
        links = [idle.enter_context(connect(four[number % 4])) for number in range(1_000)]
        assert all(map(read_line, links))
        with ThreadPoolExecutor(200) as pool:
            assert all(pool.map(lambda number: visit(lab, number), range(400)))


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl: apt-get install curl")
def test_curl_agrees(lab: Lab, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.write_bytes(MAIL)
    user = f"{lab.pop3.user}:{lab.pop3.password}"
    trust = ("--cacert", lab.cafile, "--ssl-reqd")

    def curl(*arguments: str) -> bytes:
        command = ["curl", "-sS", "--max-time", "10", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    for secure in ((), trust):
        envelope = ("--mail-from", ME, "--mail-rcpt", ME, "--upload-file", str(mail))
        curl(f"smtp://localhost:{lab.smtp.port}", *envelope, *secure)
        url = f"pop3://localhost:{lab.pop3.port}/"
        last = curl(url, "-u", user, *secure).decode().split("\r\n")[-2].split()[0]
        assert curl(url + last, "-u", user, *secure) == MAIL
        url = f"ftp://localhost:{lab.ftp.port}/"
        curl(url + "incoming/x", "-u", user, "-T", str(mail), *secure)
        assert curl(url + "incoming/x", "-u", user, *secure) == MAIL
        assert b"README.txt" in curl(url, *secure)
    url = f"pop3s://localhost:{lab.pop3.tls_port}/1"
    assert curl(url, "-u", user, *trust) == sample_mails()[0]
    url = f"ftps://localhost:{lab.ftp.tls_port}/README.txt"
    assert curl(url, *trust) == (SAMPLES / "ftp/README.txt").read_bytes()
