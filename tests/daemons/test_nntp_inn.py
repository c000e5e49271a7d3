"""protoclients.NNTP against INN."""

import io
import nntplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count

import pytest

from protoclients import NNTP
from protoclients.errors import LimitExceeded, Refused, WireError

from .inn import CREATED, GROUPS, cancel
from .running import Server

pytestmark = pytest.mark.daemons

BODY = b".\r\n..\r\n.dot\r\n\r\n\xc3\xbc \xff\r\nend\r\n"
SIXTEEN = b".123456789abcd\r\n" + b"0123456789abcd\r\n" * 15
LARGE = SIXTEEN * (20 * 2**12)  # 20 MiB
numbers = count(1)
History = dict[int, str]


def new_article(group: str, body: bytes = BODY) -> tuple[str, bytes]:
    """An article like no other, and its message-id."""
    number = next(numbers)
    message_id = f"<{number}.daemons@example.test>"
    header = (
        f"From: student@example.test\r\nNewsgroups: {group}\r\n"
        f"Subject: number {number}\r\nMessage-ID: {message_id}\r\n\r\n"
    )
    return message_id, header.encode() + body


@pytest.fixture(params=["clear", "starttls", "implicit"])
def client(
    request: pytest.FixtureRequest, inn: Server, trust: ssl.SSLContext
) -> Iterator[NNTP]:
    """A client without TLS, with TLS by command, and with TLS from the start."""
    tls = request.param == "implicit"
    port = inn.tls_port if tls else inn.port
    with NNTP(inn.host, port, timeout=10, tls=trust if tls else False) as client:
        if request.param == "starttls":
            client.starttls(trust)
        yield client


@pytest.fixture(scope="session")
def history(inn: Server) -> History:
    """The message-ids in lab.numbers by number: 1 to 100, and every tenth one is gone."""
    history = {}
    with NNTP(inn.host, inn.port, timeout=10) as client:
        for number in range(1, 101):
            history[number], article = new_article("lab.numbers", b"%d\r\n" % number)
            client.post(article)
    for number in range(10, 101, 10):
        cancel(inn, history.pop(number))
    return history


def test_the_session(client: NNTP) -> None:
    assert client.greeting.code == 200
    assert client.mode_reader().code == 200
    capabilities = client.capabilities()
    assert capabilities["VERSION"] == ["2"]
    assert {"READER", "POST", "OVER", "LIST"} <= capabilities.keys()
    assert ("STARTTLS" in capabilities) is (not client.wire.is_tls)
    now = datetime.strptime(client.date(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    assert "LISTGROUP" in client.help()
    assert client.quit().code == 205
    assert client.wire.closed


def test_the_lists(client: NNTP, history: History) -> None:
    assert ("lab.numbers", 100, 1, "y") in client.list()
    assert client.list("ACTIVE", "lab.e*") == [("lab.empty", 0, 1, "y")]
    assert ("lab.test", GROUPS["lab.test"]) in client.list("newsgroups")
    times = client.list("active.times")
    assert ("lab.test", CREATED, "usenet@example.test") in times
    assert ("Subject:",) in client.list("OVERVIEW.FMT")
    assert client.list("HEADERS")
    with pytest.raises(Refused, match="503"):
        client.list("MOTD")
    with pytest.raises(Refused, match="501"):
        client.list("NONSENSE")


def test_a_group_with_gaps(client: NNTP, history: History) -> None:
    group = client.group("lab.numbers")
    assert (group.name, group.first, group.last) == ("lab.numbers", 1, 100)
    assert 90 <= group.count <= 100  # an estimate, as RFC 3977 section 6.1.1 allows
    assert client.listgroup() == list(history)
    assert client.listgroup("lab.numbers", (25, 31)) == [25, 26, 27, 28, 29, 31]
    assert client.listgroup("lab.numbers", (98, None)) == [98, 99]
    assert client.listgroup("lab.empty") == []


def test_the_pointer_steps_over_gaps(client: NNTP, history: History) -> None:
    client.group("lab.numbers")
    assert client.stat() == (1, history[1], b"")
    assert client.stat(9).number == 9
    assert client.next().number == 11
    assert client.last().number == 9
    client.stat(1)
    with pytest.raises(Refused, match="422"):
        client.last()
    client.stat(99)
    with pytest.raises(Refused, match="421"):
        client.next()


def test_an_article_whole_and_in_parts(client: NNTP, history: History) -> None:
    client.group("lab.numbers")
    whole = client.article(11)
    assert (whole.number, whole.message_id) == (11, history[11])
    header, _, body = whole.content.partition(b"\r\n\r\n")
    assert body == b"11\r\n"
    assert client.head(11).content == header + b"\r\n"
    assert client.body().content == body
    by_id = client.article(history[11])
    assert (by_id.message_id, by_id.content) == whole[1:]
    for method in (client.article, client.head, client.body):
        file = io.BytesIO()
        size = method(11, into=file)
        assert file.getvalue() == method(11).content
        assert size == len(file.getvalue())


def test_over_tells_about_articles(client: NNTP, history: History) -> None:
    client.group("lab.numbers")
    rows = client.over((8, 12))
    assert [row.number for row in rows] == [8, 9, 11, 12]
    assert [row.fields["Message-ID"] for row in rows] == [
        history[n] for n in (8, 9, 11, 12)
    ]
    assert rows[0].fields["from"] == "student@example.test"
    assert rows[0].fields["Xref"] == "news.example.test lab.numbers:8"
    assert [row.number for row in client.over((98, None))] == [98, 99]
    client.stat(50 + 1)
    assert [row.number for row in client.over()] == [51]
    assert len(client.over((1, None))) == 90


def test_many_articles_in_one_round_trip(client: NNTP, history: History) -> None:
    client.group("lab.numbers")
    articles = client.article_many(history)
    assert [article[:2] for article in articles] == list(history.items())
    bodies = client.body_many(history.values())
    assert [article.content for article in bodies] == [b"%d\r\n" % n for n in history]
    heads = client.head_many([3, history[4]])
    assert [head.message_id for head in heads] == [history[3], history[4]]
    with pytest.raises(Refused, match="423") as caught:
        client.body_many([9, 10, 11])
    assert [number for number, _ in caught.value.done] == [9, 11]
    assert client.stat(1).number == 1


def test_what_is_refused_leaves_the_session_good(client: NNTP, history: History) -> None:
    with pytest.raises(Refused, match="412"):
        client.article()  # no group yet
    with pytest.raises(Refused, match="411"):
        client.group("lab.nowhere")
    with pytest.raises(Refused, match="430"):
        client.article("<nowhere@example.test>")
    client.group("lab.numbers")
    for refused in (client.article, client.head, client.body, client.stat, client.over):
        with pytest.raises(Refused, match="423"):
            refused(10)
    client.group("lab.empty")
    with pytest.raises(Refused, match="420"):
        client.article()
    with pytest.raises(Refused, match="441"):
        client.post(b"Newsgroups: lab.test\r\n\r\nno sender\r\n")
    assert client.date()


def test_what_is_posted_can_be_read(client: NNTP) -> None:
    message_id, article = new_article("lab.test")
    assert client.post(article).code == 240
    assert client.body(message_id).content == BODY
    with pytest.raises(Refused, match="441"):
        client.post(article)  # the same again
    message_id, article = new_article("lab.test", b"no line end")
    assert client.post(io.BytesIO(article)).code == 240
    assert client.body(message_id).content == b"no line end\r\n"
    message_id, article = new_article("lab.test", b"bare\n.\nline\rends")
    assert client.post(article).code == 240
    assert client.body(message_id).content == b"bare\r\n.\r\nline\r\nends\r\n"


def test_ihave_gives_what_is_not_there_yet(client: NNTP, inn: Server) -> None:
    client.login(inn.user, inn.password)
    message_id, article = new_article("lab.test")
    date = format_datetime(datetime.now(UTC)).encode()
    article = b"Path: elsewhere\r\nDate: " + date + b"\r\n" + article
    assert client.ihave(message_id, article).code == 235
    with pytest.raises(Refused, match="435"):
        client.ihave(message_id, article)
    assert client.body(message_id).content == BODY


@pytest.mark.parametrize("client", ["clear", "implicit"], indirect=True)
def test_20_mebibytes_up_and_down(client: NNTP) -> None:
    message_id, article = new_article("lab.large", LARGE)
    assert client.post(io.BytesIO(article)).code == 240
    assert client.body(message_id).content == LARGE
    file = io.BytesIO()
    assert client.body(message_id, into=file) == len(LARGE)
    assert file.getvalue() == LARGE
    with pytest.raises(LimitExceeded):
        client.body(message_id, limit=1000)
    assert client.wire.closed


def test_what_is_new(client: NNTP, inn: Server, history: History) -> None:
    client.login(inn.user, inn.password)
    before = datetime.now(UTC) - timedelta(hours=1)
    after = datetime.now(UTC) + timedelta(hours=1)
    assert set(client.newnews("lab.numbers", before)) == set(history.values())
    assert client.newnews("lab.numbers", after) == []
    groups = client.newgroups(datetime.fromtimestamp(CREATED - 1, UTC))
    assert {group for group, *_ in groups} == set(GROUPS)
    assert client.newgroups(before) == []


def test_a_login_opens_what_was_closed(client: NNTP, inn: Server) -> None:
    groups = {group for group, *_ in client.list()}
    assert "lab.private" not in groups
    with pytest.raises(Refused, match="480"):
        client.group("lab.private")
    with pytest.raises(Refused, match="481"):
        client.login(inn.user, "wrong")
    client.login(inn.user, inn.password)
    assert client.group("lab.private").count >= 0
    assert "lab.private" in {group for group, *_ in client.list()}


def test_starttls_twice_is_refused(inn: Server, trust: ssl.SSLContext) -> None:
    with NNTP(inn.host, inn.port, timeout=10) as client:
        client.starttls(trust)
        assert "STARTTLS" not in client.capabilities()
        with pytest.raises(Refused, match="502"):
            client.starttls(trust)
        assert client.date()


def test_a_certificate_by_a_stranger_is_refused(inn: Server) -> None:
    with pytest.raises(WireError, match="certificate"):
        NNTP(inn.host, inn.tls_port, tls=True)
    with NNTP(inn.host, inn.port) as client:
        with pytest.raises(WireError, match="certificate"):
            client.starttls()
        assert client.wire.closed


def test_nntplib_reads_the_same(inn: Server, history: History) -> None:
    with (
        nntplib.NNTP(inn.host, inn.port, timeout=10) as library,
        NNTP(inn.host, inn.port, timeout=10) as client,
    ):
        _, count, first, last, name = library.group("lab.numbers")
        group = client.group("lab.numbers")
        assert (group.name, group.count, group.first, group.last) == (
            name,
            count,
            first,
            last,
        )
        _, info = library.article(11)
        lines = b"".join(line + b"\r\n" for line in info.lines)
        assert client.article(11) == (info.number, info.message_id, lines)
        _, overviews = library.over((1, 20))
        ours = [(row.number, row.fields["Subject"]) for row in client.over((1, 20))]
        assert ours == [(number, fields["subject"]) for number, fields in overviews]
