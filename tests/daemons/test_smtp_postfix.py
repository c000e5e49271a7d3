"""protoclients.SMTP against Postfix."""

import io
import smtplib
import ssl
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from protoclients import SMTP
from protoclients.errors import Refused, WireError

from .conftest import Curl
from .running import Server, eventually

pytestmark = pytest.mark.daemons

SENDER, STUDENT = "lecturer@example.test", "student@example.test"
ELSEWHERE = "somebody@elsewhere.test"
SIXTEEN = b".123456789abcd\r\n" + b"0123456789abcd\r\n" * 15
LARGE = SIXTEEN * (20 * 2**12)  # 20 MiB
numbers = count(1)


def new_mail(body: bytes) -> bytes:
    """A mail that is like no other, so that it can be found."""
    return (
        b"From: lecturer@example.test\r\nTo: student@example.test\r\n"
        b"Subject: a test\r\nDate: Sun, 1 Nov 2026 12:00:00 +0000\r\n"
        b"Message-ID: <%d@example.test>\r\n\r\n" % next(numbers)
    ) + body


def with_body(mail: bytes, body: bytes) -> bytes:
    return mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body


def delivered(server: Server, mail: bytes) -> bool:
    """Whether `mail` comes into the mailbox, after the lines that Postfix puts before it;
    in a Unix file lines end with LF."""
    inbox = server.place / "mail" / "inbox" / "new"
    expected = mail.replace(b"\r\n", b"\n")

    def arrived() -> bool:
        files = list(inbox.iterdir()) if inbox.exists() else []
        return any(tail(file, len(expected)) == expected for file in files)

    return eventually(arrived)


def tail(path: Path, count: int) -> bytes:
    """The last `count` octets of a file."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - count))
        return file.read()


@pytest.fixture(params=["clear", "starttls", "implicit"])
def client(
    request: pytest.FixtureRequest, postfix: Server, trust: ssl.SSLContext
) -> Iterator[SMTP]:
    """A client without TLS, with TLS by command, and with TLS from the start."""
    tls = request.param == "implicit"
    port = postfix.tls_port if tls else postfix.port
    with SMTP(postfix.host, port, timeout=10, tls=trust if tls else False) as client:
        if request.param == "starttls":
            client.ehlo()
            client.starttls(trust)
        yield client


def test_ehlo_lists_what_the_server_can_do(client: SMTP) -> None:
    extensions = client.ehlo()
    assert extensions["SIZE"] == ["32000000"]
    assert extensions["AUTH"] == ["PLAIN", "LOGIN", "CRAM-MD5"]
    assert {"PIPELINING", "8BITMIME", "SMTPUTF8"} <= extensions.keys()
    assert ("STARTTLS" in extensions) is (not client.wire.is_tls)


def test_a_mail_step_by_step(client: SMTP, postfix: Server) -> None:
    mail = new_mail(b"step by step\r\n")
    assert client.greeting.code == 220
    client.ehlo("client.example.test")
    assert client.mail(SENDER, f"SIZE={len(mail)}").code == 250
    assert client.rcpt(STUDENT).code == 250
    assert client.data(mail).code == 250
    assert client.noop().code == 250
    assert client.quit().code == 221
    assert delivered(postfix, mail)


def test_a_mail_after_helo(client: SMTP, postfix: Server) -> None:
    mail = new_mail(b"as in 1982\r\n")
    assert client.helo("client.example.test").code == 250
    assert client.send(SENDER, [STUDENT], mail) == {}
    assert delivered(postfix, mail)


def test_dots_line_ends_and_octets_arrive_right(client: SMTP, postfix: Server) -> None:
    body = b".\r\n..\r\n.dot\r\n\r\n\xc3\xbc \xff\r\n" + b"x" * 998 + b"\r\n.\r\nend"
    mail = new_mail(body)
    assert client.send(SENDER, [STUDENT], mail) == {}
    assert delivered(postfix, mail + b"\r\n")


def test_bare_line_ends_become_cr_lf(client: SMTP, postfix: Server) -> None:
    mail = new_mail(b"one\ntwo\n.\nthree\rfour\r\n")
    assert client.send(SENDER, [STUDENT], mail) == {}
    assert delivered(postfix, with_body(mail, b"one\r\ntwo\r\n.\r\nthree\r\nfour\r\n"))


def test_mail_within_mail_does_not_smuggle(client: SMTP, postfix: Server) -> None:
    mail = new_mail(b"x\n.\nMAIL FROM:<evil@example.test>\r\n.\rRCPT TO:<b@example.test>\n")
    assert client.send(SENDER, [STUDENT], mail) == {}
    assert client.noop().code == 250
    body = b"x\r\n.\r\nMAIL FROM:<evil@example.test>\r\n.\r\nRCPT TO:<b@example.test>\r\n"
    assert delivered(postfix, with_body(mail, body))


@pytest.mark.parametrize("client", ["clear", "implicit"], indirect=True)
def test_20_mebibytes_arrive_from_memory_and_from_a_file(
    client: SMTP, postfix: Server
) -> None:
    for wrap in (bytes, io.BytesIO):
        mail = new_mail(LARGE)
        assert client.send(SENDER, [STUDENT], wrap(mail)) == {}
        assert delivered(postfix, mail)


def test_several_mails_on_one_connection(client: SMTP, postfix: Server) -> None:
    mails = [new_mail(b"one of many\r\n") for _ in range(20)]
    for mail in mails:
        assert client.send("", [STUDENT], mail) == {}
    assert all(delivered(postfix, mail) for mail in mails)


def test_a_refused_recipient_does_not_stop_the_others(
    client: SMTP, postfix: Server
) -> None:
    mail = new_mail(b"to one of two\r\n")
    refused = client.send(SENDER, ["nobody@example.test", STUDENT, ELSEWHERE], mail)
    assert {who: reply.code for who, reply in refused.items()} == {
        "nobody@example.test": 550,
        ELSEWHERE: 554,
    }
    assert delivered(postfix, mail)


def test_all_recipients_refused_is_refused_and_another_mail_may_follow(
    client: SMTP, postfix: Server
) -> None:
    with pytest.raises(Refused) as caught:
        client.send(SENDER, ["nobody@example.test", ELSEWHERE], new_mail(b"no\r\n"))
    assert [reply.code for _, reply in caught.value.done] == [550, 554]
    mail = new_mail(b"yes\r\n")
    assert client.send(SENDER, [STUDENT], mail) == {}
    assert delivered(postfix, mail)


def test_a_thousand_recipients_in_one_round_trip(client: SMTP, postfix: Server) -> None:
    client.login(postfix.user, postfix.password)
    recipients = [f"student{number}@elsewhere.test" for number in range(1010)]
    refused = client.send(SENDER, recipients, new_mail(b"to all\r\n"))
    assert list(refused) == recipients[1000:]  # smtpd_recipient_limit
    assert {reply.code for reply in refused.values()} == {452}


def test_too_many_refused_recipients_end_in_a_421_that_is_said(client: SMTP) -> None:
    recipients = [f"nobody{number}@example.test" for number in range(30)]
    with pytest.raises((Refused, WireError), match="421"):
        client.send(SENDER, recipients, new_mail(b"no\r\n"))


def test_an_address_in_utf8_is_declared(client: SMTP, postfix: Server) -> None:
    client.login(postfix.user, postfix.password)
    assert (
        client.send("lektorin-ü@example.test", ["żółw@elsewhere.test"], new_mail(b"")) == {}
    )


def test_a_quoted_local_part_may_have_a_space(client: SMTP, postfix: Server) -> None:
    mail = new_mail(b"quoted\r\n")
    assert client.send('"a lecturer"@example.test', [STUDENT], mail) == {}
    assert delivered(postfix, mail)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", None])
def test_who_logs_in_may_send_elsewhere(
    client: SMTP, postfix: Server, mechanism: str | None
) -> None:
    assert client.ehlo()
    with pytest.raises(Refused, match="554"):
        client.send(SENDER, [ELSEWHERE], new_mail(b""))
    with pytest.raises(Refused, match="535"):
        client.login(postfix.user, "wrong", mechanism)
    client.login(postfix.user, postfix.password, mechanism)
    assert client.send(SENDER, [ELSEWHERE], new_mail(b"")) == {}


def test_a_mechanism_that_nobody_has_is_told_by_name(client: SMTP) -> None:
    with pytest.raises(ValueError, match="PLAIN, LOGIN, CRAM-MD5"):
        client.login("student", "secret", "SCRAM-SHA-256")
    assert client.noop().code == 250


def test_commands_out_of_order_are_refused_and_the_session_goes_on(client: SMTP) -> None:
    client.ehlo()
    with pytest.raises(Refused, match="503"):
        client.rcpt(STUDENT)
    with pytest.raises(Refused, match="503"):
        client.data(b"")
    client.mail(SENDER)
    with pytest.raises(Refused, match="503"):
        client.mail(SENDER)
    with pytest.raises(Refused, match="554"):
        client.data(b"")
    client.rset()
    client.mail(SENDER)


def test_a_mail_too_large_is_refused_before_it_is_sent(client: SMTP) -> None:
    client.ehlo()
    with pytest.raises(Refused, match="552"):
        client.mail(SENDER, "SIZE=33000000")
    assert client.noop().code == 250


@pytest.mark.parametrize("client", ["clear"], indirect=True)
def test_a_mail_too_large_from_a_file_is_refused_at_its_end(client: SMTP) -> None:
    with pytest.raises(Refused, match="552"):
        client.send(SENDER, [STUDENT], io.BytesIO(b"0123456789abcd\r\n" * 2_100_000))
    assert client.noop().code == 250


def test_vrfy_and_help(client: SMTP) -> None:
    assert client.vrfy(STUDENT).code == 252
    with pytest.raises(Refused, match="550"):
        client.vrfy("nobody@example.test")
    with pytest.raises(Refused, match="500"):
        client.help()  # Postfix has none
    assert client.noop().code == 250


def test_starttls_begins_anew(postfix: Server, trust: ssl.SSLContext) -> None:
    with SMTP(postfix.host, postfix.port, timeout=10) as client:
        client.ehlo()
        client.starttls(trust)
        assert client.extensions is None
        assert "STARTTLS" not in client.ehlo()
        with pytest.raises(Refused, match="554"):
            client.starttls(trust)
        assert client.noop().code == 250


def test_a_certificate_by_a_stranger_is_refused(postfix: Server) -> None:
    with pytest.raises(WireError, match="certificate"):
        SMTP(postfix.host, postfix.tls_port, tls=True)
    with SMTP(postfix.host, postfix.port) as client:
        with pytest.raises(WireError, match="certificate"):
            client.starttls()
        assert client.wire.closed


def test_smtplib_and_curl_deliver_the_same_octets(
    postfix: Server, trust: ssl.SSLContext, curl: Curl
) -> None:
    mail = new_mail(b".\r\n..\r\n.dot\r\nend\r\n")
    with smtplib.SMTP(postfix.host, postfix.port, timeout=10) as library:
        library.starttls(context=trust)
        library.sendmail(SENDER, [STUDENT], mail)
    assert delivered(postfix, mail)
    mail = new_mail(b".\r\n..\r\n.dot\r\nend\r\n")
    url = f"smtps://{postfix.host}:{postfix.tls_port}"
    options = ("--mail-from", SENDER, "--mail-rcpt", STUDENT, "--upload-file", "-")
    curl(url, *options, input=mail)
    assert delivered(postfix, mail)
