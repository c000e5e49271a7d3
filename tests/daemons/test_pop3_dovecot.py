"""protoclients.POP3 against Dovecot."""

import io
import poplib
import ssl
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from protoclients import POP3
from protoclients.errors import Refused, WireError
from protoclients.fixtures.store import SAMPLES

from .conftest import Curl
from .dovecot import fill
from .running import Server

pytestmark = pytest.mark.daemons

HEADER = b"From: a@example.test\r\nSubject: a test\r\n\r\n"
DOTS = HEADER + b".\r\n..\r\n.dot\r\n\r\nend\r\n"
OCTETS = HEADER + b"\xc3\xbc \xff\r\n" + b"x" * 998 + b"\r\n"
EMPTY = HEADER
MAILS = [DOTS, OCTETS, EMPTY]
SIXTEEN = b".123456789abcd\r\n" + b"0123456789abcd\r\n" * 15
LARGE = HEADER + SIXTEEN * (20 * 2**12)  # 20 MiB
numbers = count(1)

Open = Callable[[], POP3]


@pytest.fixture(params=["clear", "stls", "implicit"])
def connect(request: pytest.FixtureRequest, dovecot: Server, trust: ssl.SSLContext) -> Open:
    """A function that opens a session: without TLS, by command, or from the start."""

    def open_session() -> POP3:
        if request.param == "implicit":
            return POP3(dovecot.host, dovecot.tls_port, timeout=10, tls=trust)
        client = POP3(dovecot.host, dovecot.port, timeout=10)
        if request.param == "stls":
            client.stls(trust)
        return client

    return open_session


def new_drop(server: Server, mails: list[bytes] = MAILS) -> str:
    """The user of a new maildrop with `mails`."""
    user = f"student{next(numbers)}"
    fill(server, user, mails)
    return user


@pytest.fixture
def session(connect: Open, dovecot: Server) -> Iterator[POP3]:
    """A session in the TRANSACTION state, with `MAILS`."""
    user = new_drop(dovecot)
    with connect() as session:
        session.login(user, dovecot.password)
        yield session


def test_capa_before_and_after_the_login(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot)
    with connect() as session:
        before = session.capa()
        assert before["SASL"] == ["PLAIN", "LOGIN", "CRAM-MD5"]
        assert ("STLS" in before) is (not session.wire.is_tls)
        session.login(user, dovecot.password)
        assert {"TOP", "UIDL", "PIPELINING", "RESP-CODES"} <= session.capa().keys()


def test_stat_list_and_uidl(session: POP3) -> None:
    sizes = [len(mail) for mail in MAILS]
    assert session.stat() == (3, sum(sizes))
    assert session.list() == list(enumerate(sizes, 1))
    assert session.list(2) == (2, sizes[1])
    ids = session.uidl()
    assert [number for number, _ in ids] == [1, 2, 3]
    assert session.uidl(3) == ids[2]


def test_every_mail_comes_octet_for_octet(session: POP3) -> None:
    assert [session.retr(number) for number in (1, 2, 3)] == MAILS
    assert session.retr_many([3, 1, 2]) == [EMPTY, DOTS, OCTETS]


def test_a_mail_goes_into_a_file(session: POP3) -> None:
    file = io.BytesIO()
    assert session.retr(1, file) == len(DOTS)
    assert file.getvalue() == DOTS


def test_top_gives_the_header_and_some_lines(session: POP3) -> None:
    assert session.top(1) == HEADER
    assert session.top(1, 2) == HEADER + b".\r\n..\r\n"
    assert session.top_many([1, 2, 3]) == [HEADER] * 3
    assert session.top_many([1, 3], 1) == [HEADER + b".\r\n", HEADER]


def test_what_is_not_there_is_refused_and_the_session_goes_on(session: POP3) -> None:
    for refused in (session.list, session.uidl, session.retr, session.top, session.dele):
        with pytest.raises(Refused, match="-ERR"):
            refused(4)
    with pytest.raises(Refused) as caught:
        session.retr_many([1, 4, 3])
    assert caught.value.done == [(1, DOTS), (3, EMPTY)]
    session.noop()
    assert session.stat()[0] == 3


def test_only_quit_deletes(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot)

    def log_in() -> POP3:
        session = connect()
        session.login(user, dovecot.password)
        return session

    session = log_in()
    session.dele(1)
    assert [number for number, _ in session.list()] == [2, 3]
    session.close()
    with log_in() as session:
        session.dele_many([1, 2])
        session.rset()
        assert session.stat()[0] == 3
        session.dele_many([1, 3])
    with log_in() as session:
        assert session.retr(1) == OCTETS
        assert session.stat() == (1, len(OCTETS))


def test_an_empty_drop(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot, [])
    with connect() as session:
        session.login(user, dovecot.password)
        assert (session.stat(), session.list(), session.uidl()) == ((0, 0), [], [])
        assert session.retr_many([]) == []


def test_200_mails_in_one_round_trip(connect: Open, dovecot: Server) -> None:
    mails = [HEADER + b".%d\r\n" % number * 500 for number in range(200)]
    user = new_drop(dovecot, mails)
    with connect() as session:
        session.login(user, dovecot.password)
        assert session.retr_many(range(1, 201)) == mails


@pytest.mark.parametrize("connect", ["clear", "implicit"], indirect=True)
def test_20_mebibytes_into_memory_and_into_a_file(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot, [LARGE])
    with connect() as session:
        session.login(user, dovecot.password)
        assert session.retr(1) == LARGE
        file = io.BytesIO()
        assert session.retr(1, file) == len(LARGE)
        assert file.getvalue() == LARGE


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", None])
def test_auth(connect: Open, dovecot: Server, mechanism: str | None) -> None:
    user = new_drop(dovecot)
    with connect() as session:
        session.auth(user, dovecot.password, mechanism)
        assert session.stat()[0] == 3


def test_apop(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot)
    with connect() as session:
        session.apop(user, dovecot.password)
        assert session.stat()[0] == 3


@pytest.mark.parametrize("connect", ["stls"], indirect=True)  # Dovecot waits after each
def test_a_wrong_password_is_refused_and_another_may_be_tried(
    connect: Open, dovecot: Server
) -> None:
    user = new_drop(dovecot)
    with connect() as session:
        with pytest.raises(Refused, match="AUTH"):
            session.login(user, "wrong")
        with pytest.raises(Refused, match="AUTH"):
            session.auth(user, "wrong", "CRAM-MD5")
        session.login(user, dovecot.password)
        assert session.stat()[0] == 3


def test_a_wrong_apop_digest_is_refused(dovecot: Server) -> None:
    user = new_drop(dovecot)
    with POP3(dovecot.host, dovecot.port, timeout=10) as session:
        with pytest.raises(Refused, match="AUTH"):
            session.apop(user, "wrong")
        session.apop(user, dovecot.password)


def test_a_mechanism_that_nobody_has_is_told_by_name(dovecot: Server) -> None:
    with POP3(dovecot.host, dovecot.port, timeout=10) as session:
        with pytest.raises(ValueError, match="PLAIN, LOGIN, CRAM-MD5"):
            session.auth("student", "secret", "SCRAM-SHA-256")
        assert session.capa()


def test_commands_in_the_wrong_state_are_refused(connect: Open, dovecot: Server) -> None:
    user = new_drop(dovecot)
    with connect() as session:
        with pytest.raises(Refused):
            session.stat()
        session.login(user, dovecot.password)
        with pytest.raises(Refused):
            session.login(user, dovecot.password)
        with pytest.raises(Refused):
            session.stls()
        session.noop()


def test_a_certificate_by_a_stranger_is_refused(dovecot: Server) -> None:
    with pytest.raises(WireError, match="certificate"):
        POP3(dovecot.host, dovecot.tls_port, tls=True)
    with POP3(dovecot.host, dovecot.port) as session:
        with pytest.raises(WireError, match="certificate"):
            session.stls()
        assert session.wire.closed


def test_the_sample_mails_come_as_they_are(connect: Open, dovecot: Server) -> None:
    mails = [path.read_bytes() for path in sorted((SAMPLES / "mail").iterdir())]
    user = new_drop(dovecot, mails)
    whole = [mail if mail.endswith(b"\n") else mail + b"\r\n" for mail in mails]
    with connect() as session:
        session.login(user, dovecot.password)
        assert session.retr_many(range(1, len(mails) + 1)) == whole


def test_poplib_and_curl_fetch_the_same_octets(
    dovecot: Server, trust: ssl.SSLContext, curl: Curl
) -> None:
    user = new_drop(dovecot)
    assert dovecot.tls_port
    library = poplib.POP3_SSL(dovecot.host, dovecot.tls_port, context=trust, timeout=10)
    library.user(user)
    library.pass_(dovecot.password)
    lines = library.retr(1)[1]
    library.quit()
    assert b"".join(line + b"\r\n" for line in lines) == DOTS
    url = f"pop3s://{user}:{dovecot.password}@{dovecot.host}:{dovecot.tls_port}"
    assert curl(f"{url}/2") == OCTETS
