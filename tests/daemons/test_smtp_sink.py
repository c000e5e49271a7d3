"""protoclients.SMTP against smtp-sink, which does on request what no server should."""

import contextlib
import io

import pytest

from protoclients import SMTP
from protoclients.errors import Disconnected, ProtocolError, Refused, TooSlow, WireError

from .conftest import Sink
from .running import Server

pytestmark = pytest.mark.daemons

HEADER = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: a test\r\n\r\n"
MAIL = HEADER + b".\r\n..\r\nend\r\n"
SIXTEEN = b".123456789abcd\r\n" + b"0123456789abcd\r\n" * 15
LARGE = HEADER + SIXTEEN * (20 * 2**12)  # 20 MiB
TO = ["b@example.test", "c@example.test"]
MAY_BE_DELIVERED = "may be delivered"


def smtp(server: Server, timeout: float = 10) -> contextlib.closing[SMTP]:
    """A client that hangs up at the end, whatever QUIT would bring."""
    return contextlib.closing(SMTP(server.host, server.port, timeout=timeout))


def send(server: Server, mail: bytes | io.BytesIO = MAIL, timeout: float = 10) -> None:
    with smtp(server, timeout) as client:
        assert client.send("a@example.test", TO, mail) == {}


def taken(server: Server) -> tuple[list[bytes], bytes]:
    """The envelope lines and the mail that smtp-sink wrote down, with LF for CR LF."""
    (file,) = (server.place / "mail").iterdir()
    lines, _, mail = file.read_bytes().partition(b"From: ")
    envelope = [line for line in lines.splitlines() if line.startswith(b"X-")]
    return envelope, b"From: " + mail


def test_a_mail_arrives_as_it_was_sent(sink: Sink) -> None:
    server = sink()
    send(server)
    envelope, mail = taken(server)
    assert envelope[-3:] == [
        b"X-Mail-Args: <a@example.test>",
        b"X-Rcpt-Args: <b@example.test>",
        b"X-Rcpt-Args: <c@example.test>",
    ]
    assert mail == MAIL.replace(b"\r\n", b"\n") + b"\n"


@pytest.mark.parametrize("switch", ["-e", "-p", "-8", "-a", "-E", "-P", "-N"])
def test_a_mail_arrives_where_an_extension_is_missing(sink: Sink, switch: str) -> None:
    server = sink(switch)
    send(server)
    assert taken(server)[1] == MAIL.replace(b"\r\n", b"\n") + b"\n"


def test_eight_bits_are_declared_where_the_server_knows_them(sink: Sink) -> None:
    mail = HEADER + "Grüße\r\n".encode()
    knows, knows_not = sink(), sink("-8")
    send(knows, mail)
    send(knows_not, mail)
    assert taken(knows)[0][-3] == b"X-Mail-Args: <a@example.test> BODY=8BITMIME"
    assert taken(knows_not)[0][-3] == b"X-Mail-Args: <a@example.test>"
    assert taken(knows)[1] == taken(knows_not)[1] == mail.replace(b"\r\n", b"\n") + b"\n"


def test_a_server_without_auth_is_told_by_name(sink: Sink) -> None:
    with smtp(sink("-a")) as client:
        with pytest.raises(ValueError, match="offers none"):
            client.login("student", "secret")
        client.noop()


def test_a_server_from_before_1995_is_greeted_with_helo(sink: Sink) -> None:
    with smtp(sink("-f", "EHLO")) as client:
        client.send("a@example.test", TO, MAIL)
        assert client.extensions == {}


def test_lmtp_is_not_taken_for_smtp(sink: Sink) -> None:
    with smtp(sink("-L")) as client, pytest.raises(Refused):
        client.send("a@example.test", TO, MAIL)


@pytest.mark.parametrize(("switch", "code"), [("-r", 450), ("-f", 500)])
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
def test_a_no_in_the_middle_leaves_the_connection_good(
    sink: Sink, switch: str, code: int, command: str
) -> None:
    server = sink(switch, command)
    with smtp(server) as client:
        with pytest.raises(Refused) as caught:
            client.send("a@example.test", TO, MAIL)
        assert caught.value.reply.code == code
        assert (MAY_BE_DELIVERED in str(caught.value)) == (command == "." and code == 450)
        if command == "RCPT":
            assert [recipient for recipient, _ in caught.value.done] == TO
        client.noop()
        client.rset()


@pytest.mark.parametrize(("switch", "code"), [("-r", 450), ("-f", 500), ("-Q", 421)])
def test_a_server_that_greets_with_a_no_is_refused(
    sink: Sink, switch: str, code: int
) -> None:
    server = sink(switch, "CONNECT")
    with pytest.raises(Refused) as caught:
        SMTP(server.host, server.port)
    assert caught.value.reply.code == code


def test_ehlo_refused_for_now_is_not_followed_by_helo(sink: Sink) -> None:
    with smtp(sink("-r", "EHLO")) as client:
        with pytest.raises(Refused, match="450"):
            client.send("a@example.test", TO, MAIL)
        assert client.helo().code == 250


@pytest.mark.parametrize("switch", ["-r", "-f", "-Q"])
@pytest.mark.parametrize("command", ["HELO", "NOOP", "RSET", "VRFY", "QUIT"])
def test_a_single_command_is_refused(sink: Sink, switch: str, command: str) -> None:
    with smtp(sink(switch, command)) as client:
        method = getattr(client, command.lower())
        with pytest.raises(Refused):
            method("a@example.test") if command == "VRFY" else method()


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_hang_up_is_not_taken_for_an_answer(
    sink: Sink, command: str, pipelining: bool
) -> None:
    server = sink("-q", command, *([] if pipelining else ["-p"]))
    with smtp(server) as client:
        with pytest.raises(Disconnected) as caught:
            client.send("a@example.test", TO, MAIL)
        assert client.wire.closed
    assert (MAY_BE_DELIVERED in str(caught.value)) == (command == ".")


def test_a_hang_up_at_once_is_not_taken_for_a_greeting(sink: Sink) -> None:
    server = sink("-q", "CONNECT")
    with pytest.raises(Disconnected):
        SMTP(server.host, server.port)


@pytest.mark.parametrize("switch", ["-q", "-Q", "-r", "-f"])
def test_no_answer_to_the_goodbye_takes_a_mail_back(sink: Sink, switch: str) -> None:
    server = sink(switch, "QUIT")
    with SMTP(server.host, server.port) as client:
        client.send("a@example.test", TO, MAIL)
    with smtp(server) as client, pytest.raises((Disconnected, Refused)):
        client.quit()


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_421_is_never_lost(sink: Sink, command: str, pipelining: bool) -> None:
    server = sink("-Q", command, *([] if pipelining else ["-p"]))
    with smtp(server) as client, pytest.raises((Refused, WireError), match="421"):
        client.send("a@example.test", TO, MAIL)


def test_20_mebibytes_arrive(sink: Sink) -> None:
    server = sink()
    send(server, LARGE)
    assert taken(server)[1] == LARGE.replace(b"\r\n", b"\n") + b"\n"


def test_20_mebibytes_arrive_from_a_file_where_the_server_reads_late(sink: Sink) -> None:
    server = sink("-H", "1")
    send(server, io.BytesIO(LARGE))
    assert taken(server)[1] == LARGE.replace(b"\r\n", b"\n") + b"\n"


def test_a_server_that_reads_too_late_is_too_slow(sink: Sink) -> None:
    with smtp(sink("-H", "2"), timeout=0.2) as client:
        with pytest.raises(TooSlow) as caught:
            client.send("a@example.test", TO, LARGE)
        assert client.wire.closed
    # The last dot was never said, so nobody can have delivered anything.
    assert MAY_BE_DELIVERED not in str(caught.value)


def test_a_server_that_waits_at_data_is_too_slow(sink: Sink) -> None:
    with pytest.raises(TooSlow):
        send(sink("-w", "1"), timeout=0.2)


def test_a_no_in_the_middle_of_a_large_mail_is_heard(sink: Sink) -> None:
    said = "550 This violates SMTP"
    with pytest.raises((Refused, ProtocolError, Disconnected), match=said):
        send(sink("-A", "0"), LARGE)
