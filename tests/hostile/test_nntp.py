"""NNTP servers that get one thing wrong each."""

import io

import pytest

from protoclients import NNTP, Refused
from protoclients.errors import Disconnected, ProtocolError
from protoclients.nntp import Article, Group

from .scripts import MAIL, nntp
from .server import HEAR, HEAR_DOT, PATIENCE, SILENT, Cases, Fails, play, playing

OVERVIEW_LINE = b"1\ts\tf\td\t<i@d>\t\t5\t1"
NNTP_CASES: Cases = {
    "201: you may not post": ([b"201 read only\r\n"], lambda c: c.greeting.code, 201),
    "a reply of several lines": (
        nntp(b"211-1 1 1 g\r\n211 x\r\n"), lambda c: c.group("g"),
        Fails(ProtocolError, "several")),
    "480 to any command": (
        nntp(b"480 who\r\n"), lambda c: c.group("g"), Fails(Refused, "480")),
    "480 in the middle of many": (
        nntp(b"220 1 <a@b>\r\na\r\n.\r\n", b"480 who\r\n", b"220 3 <c@b>\r\nc\r\n.\r\n"),
        lambda c: c.article_many([1, 2, 3]), Fails(Refused, "480")),
    "a bare LF in the second of many": (
        nntp(b"220 1 <a@b>\r\na\r\n.\r\n220 2 <a@b>\na\r\n.\r\n"),
        lambda c: c.article_many([1, 2]), Fails(ProtocolError, "bare LF")),
    "340 to STARTTLS": (
        nntp(b"340 go\r\n"), lambda c: c.starttls(), Fails(ProtocolError, "340")),
    "400: the server closes": (
        nntp(b"400 idle\r\n"), lambda c: c.group("g"), Fails(Refused, "400")),
    "a block where none is announced": (
        [*nntp(b"211 1 1 1 g\r\n1\r\n.\r\n"), SILENT],
        lambda c: (c.group("g"), c.date()), Fails(ProtocolError, "before it was asked")),
    "another code than the command's": (
        nntp(b"222 1 <a@b>\r\nx\r\n.\r\n"), lambda c: c.article(1),
        Fails(ProtocolError, "222")),
    "GROUP below nothing": (
        nntp(b"211 -1 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with a sign": (
        nntp(b"211 +1 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with huge numbers": (
        nntp(b"211 1 1 " + b"9" * 21 + b" g\r\n"), lambda c: c.group("g"),
        Fails(ProtocolError)),
    "GROUP with 64-bit numbers": (
        nntp(b"211 1 1 18446744073709551615 g\r\n"),
        lambda c: c.group("g"), Group("g", 1, 1, 2**64 - 1)),
    "GROUP that is empty": (
        nntp(b"211 0 5 4 g\r\n"), lambda c: c.group("g"), Group("g", 0, 5, 4)),
    "GROUP with a word": (
        nntp(b"211 many 1 1 g\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "GROUP with nothing": (nntp(b"211\r\n"), lambda c: c.group("g"), Fails(ProtocolError)),
    "LISTGROUP with a word": (
        nntp(b"211 1 1 1 g\r\n1\r\nx\r\n.\r\n"), lambda c: c.listgroup("g"),
        Fails(ProtocolError, "x")),
    "LISTGROUP below nothing": (
        nntp(b"211 1 1 1 g\r\n-1\r\n.\r\n"), lambda c: c.listgroup("g"),
        Fails(ProtocolError)),
    "an article with NUL and 8-bit octets": (
        nntp(b"220 1 <a@b>\r\n\0\xff\xfe\r\n.\r\n"), lambda c: c.article(1),
        Article(1, "<a@b>", b"\0\xff\xfe\r\n")),
    "an article without a message-id": (
        nntp(b"220 1\r\nx\r\n.\r\n"), lambda c: c.article(1), Fails(ProtocolError)),
    "an article with a negative number": (
        nntp(b"220 -1 <a@b>\r\nx\r\n.\r\n"), lambda c: c.article(1), Fails(ProtocolError)),
    "an article without an end": (
        nntp(b"220 1 <a@b>\r\nx\r\n"), lambda c: c.article(1), Fails(Disconnected)),
    "an article into a file without an end": (
        nntp(b"220 1 <a@b>\r\nx\r\n"), lambda c: c.article(1, into=io.BytesIO()),
        Fails(Disconnected)),
    "an empty article": (
        nntp(b"220 1 <a@b>\r\n.\r\n"), lambda c: c.article(1), Article(1, "<a@b>", b"")),
    "an article of a dot": (
        nntp(b"220 1 <a@b>\r\n..\r\n.\r\n"), lambda c: c.article(1).content, b".\r\n"),
    "OVER with too few fields": (
        nntp(b"224 x\r\n1\ts\tf\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError, "seven")),
    "OVER with too many fields": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\tXref: x y" * 50 + b"\r\n.\r\n"),
        lambda c: c.over(1)[0].fields["Xref"], "x y"),
    "OVER with a field that has no name": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\tx\t\t:\r\n.\r\n"),
        lambda c: c.over(1)[0].number, 1),
    "OVER below nothing": (
        nntp(b"224 x\r\n-" + OVERVIEW_LINE + b"\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError)),
    "OVER with a huge number": (
        nntp(b"224 x\r\n" + b"9" * 21 + OVERVIEW_LINE + b"\r\n.\r\n"), lambda c: c.over(1),
        Fails(ProtocolError, "not a number")),
    "OVER in superscript": (
        nntp("224 x\r\n²\ts\tf\td\ti\t\t5\t1\r\n.\r\n".encode()),
        lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with an empty line": (
        nntp(b"224 x\r\n\r\n.\r\n"), lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with a bare LF": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE + b"\n" + OVERVIEW_LINE + b"\r\n.\r\n"),
        lambda c: c.over(1), Fails(ProtocolError)),
    "OVER with 8-bit octets": (
        nntp(b"224 x\r\n" + OVERVIEW_LINE.replace(b"s", b"\xe9") + b"\r\n.\r\n"),
        lambda c: c.over(1)[0].fields["Subject"], "\udce9"),
    "LIST with a word for a number": (
        nntp(b"215 x\r\ng 1 x y\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST with a negative number": (
        nntp(b"215 x\r\ng -1 1 y\r\n.\r\n"), lambda c: c.list(), Fails(ProtocolError)),
    "LIST of nothing": (nntp(b"215 x\r\n.\r\n"), lambda c: c.list(), []),
    "DATE that is short": (
        nntp(b"111 2026\r\n"), lambda c: c.date(), Fails(ProtocolError, "date")),
    "DATE in Arabic digits": (
        nntp("111 ٢٠٢٦٠١٠١٠٠٠٠٠٠\r\n".encode()), lambda c: c.date(), Fails(ProtocolError)),
    "POST taken before it came": (
        nntp(b"240 thanks\r\n"), lambda c: c.post(MAIL), Fails(ProtocolError, "240")),
    "POST refused at the end": (
        nntp(b"340 go\r\n", HEAR_DOT, b"441 no\r\n"), lambda c: c.post(MAIL),
        Fails(Refused, "441")),
    "POST and a hang-up": (
        nntp(b"340 go\r\n", HEAR_DOT), lambda c: c.post(MAIL), Fails(Disconnected)),
    "a login that needs no password": (
        nntp(b"281 ok\r\n"), lambda c: c.login("u", "p"), None),
    "a login that asks twice": (
        nntp(b"381 more\r\n", b"381 more\r\n"), lambda c: c.login("u", "p"),
        Fails(ProtocolError, "381")),
    "QUIT answered by a hang-up": (nntp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
}  # fmt: skip


@pytest.mark.parametrize("name", NNTP_CASES)
def test_nntp(name: str) -> None:
    play(NNTP, NNTP_CASES[name])


def test_nntp_a_480_in_the_middle_of_many_keeps_the_others() -> None:
    with playing(NNTP_CASES["480 in the middle of many"][0]) as server:
        client = NNTP("127.0.0.1", server.port, timeout=PATIENCE)
        with pytest.raises(Refused) as caught:
            client.article_many([1, 2, 3])
        client.close()
    done = [(which, article.content) for which, article in caught.value.done]
    assert done == [(1, b"a\r\n"), (3, b"c\r\n")]
