"""NNTP: read and post the articles of newsgroups (RFC 3977).

    connected   200, or 201: you may not post
        |       CAPABILITIES, MODE READER, STARTTLS (RFC 4642), AUTHINFO (RFC 4643)
        |       GROUP name: 211 count first last name
    in a group  with a pointer to one of its articles: NEXT, LAST
        |       ARTICLE, HEAD, BODY, STAT     of the article with a number,
        |                                     with a message-id, or at the pointer
        |       OVER                          a line about each article
        |       POST 340, the article, 240
        |       QUIT 205

A reply is one line. Whether a dot-block follows depends on the code *and on the command*
(section 3.2): 211 after GROUP stands alone, 211 after LISTGROUP does not. See `BLOCKS`.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple, Self, overload

from .blocks import stuffed
from .errors import Disconnected, ProtocolError, Refused
from .octets import as_line, check_sink, check_source, rows, text
from .reply import Reply, expect, line_reply, read_line_reply
from .wire import LIMITS, TLS, Limits, Wire, exchange

PORT, TLS_PORT = 119, 563

# The commands that are answered by a dot-block, and the code that announces it.
BLOCKS = {
    "ARTICLE": "220",
    "BODY": "222",
    "CAPABILITIES": "101",
    "HEAD": "221",
    "HELP": "100",
    "LIST": "215",
    "LISTGROUP": "211",
    "NEWGROUPS": "231",
    "NEWNEWS": "230",
    "OVER": "224",
    "XOVER": "224",
}
# The fields of an overview line after the number; further ones name themselves (s. 8.3.2).
OVERVIEW_LINE = re.compile(r"[0-9]{1,20}(?:\t[^\t\n]*){7,}")
OVERVIEW = ("Subject", "From", "Date", "Message-ID", "References", ":bytes", ":lines")

GROUP = re.compile(
    r"([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,20}) (\S+)(?: .*)?"
)  # section 6.1.1
# The reply about an article, with its code (section 6.2.1)
ARTICLE = re.compile(rb"22[0-3] ([0-9]{1,20}) (<[^<>\s]+>)(?: .*)?", re.DOTALL)
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,248}>")  # section 3.6, < and > kept out
DATE = re.compile(r"[0-9]{14}")  # section 7.1
NUMBER_LINE = re.compile(r"^([0-9]{1,20})\r\n", re.MULTILINE)
ANY_LINE = re.compile(r"^([^\r\n]*)\r\n", re.MULTILINE)
# What LIST says of each group, by keyword (sections 7.6.3 to 7.6.6); else a line is a line.
LISTS = {
    "ACTIVE": re.compile(r"^(\S+) +([0-9]{1,20}) +([0-9]{1,20}) +(\S+)\r\n", re.MULTILINE),
    "ACTIVE.TIMES": re.compile(r"^(\S+) +([0-9]{1,20}) ++([^\r\n]*+)\r\n", re.MULTILINE),
    "NEWSGROUPS": re.compile(r"^(\S+)[ \t]++([^\r\n]*+)\r\n", re.MULTILINE),
}

Names = list[str]
Numbers = list[int]
Rows = list[Any]
Table = list[tuple[Any, ...]]
Which = int | str | None
Span = int | str | tuple[int, int | None] | None


@dataclass(frozen=True, slots=True)
class Group:
    """A newsgroup: about how many articles, and the numbers of the first and last."""

    name: str
    count: int
    first: int
    last: int


class Article(NamedTuple):
    """An article, or its head or body: `number` is 0 if it was asked for by message-id."""

    number: int
    message_id: str
    content: bytes = b""


class Fields(dict[str, str]):
    """Overview fields by name, which may be given in any case."""

    def __missing__(self, name: str) -> str:
        for known in self:
            if known.lower() == name.lower():
                return self[known]
        raise KeyError(name)


class Overview(NamedTuple):
    """A line about an article, and the number that it begins with."""

    number: int
    line: str

    @property
    def fields(self) -> Fields:
        """The fields by name: Subject, From, Date, Message-ID, References, :bytes, :lines,
        and what else the server has."""
        _, *values = self.line.split("\t")
        fields = Fields(zip(OVERVIEW, values, strict=False))
        for more in filter(None, values[len(OVERVIEW) :]):  # empty: not in this article
            name, _, value = more.partition(":")
            fields[name] = value.strip(" ")
        return fields


Articles = list[Article]
Overviews = list[Overview]


class NNTP:
    """A session with a news server, from its greeting to QUIT.

    `port` is 119, or 563 with `tls`. `tls` is True, or an `ssl.SSLContext`, to encrypt from
    the first octet; see `starttls` for later. `timeout` is in seconds, for each call, and
    `limits` are on what the server says. Every method may raise `WireError`, and `Refused`
    for a reply of 4yz or 5yz. Leaving `with` without an error quits.

    `which` is an article's number in the group, or its message-id, or nothing for the one
    at the pointer.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
    ) -> None:
        port = (TLS_PORT if tls else PORT) if port is None else port
        self.wire = Wire(host, port, timeout=timeout, tls=tls, limits=limits)
        self._over = "OVER"
        with self.wire.hanging_up():
            self.greeting = expect(read_line_reply(self.wire), "20x")

    # Session administration (section 5)

    @exchange
    def capabilities(self) -> dict[str, list[str]]:
        """What the server can do now: {NAME: [argument, …]} (section 5.2)."""
        words = (found.split() for found in self._rows(ANY_LINE, "CAPABILITIES"))
        return {name.upper(): arguments for name, *arguments in filter(None, words)}

    @exchange
    def mode_reader(self) -> Reply:
        """Ask for the commands of a reader; 200, or 201: you may not post (section 5.3)."""
        return self._command("MODE READER", "20x")

    @exchange
    def starttls(self, tls: TLS = True) -> None:
        """Encrypt from here on (RFC 4642). Capabilities heard before are void."""
        self._command("STARTTLS", "382")
        self.wire.start_tls(tls)

    @exchange
    def login(self, user: str, password: str, *, allow_cleartext: bool = False) -> None:
        """Say who you are by AUTHINFO USER and PASS (RFC 4643 section 2.3).

        Raises `ValueError` if the password would cross the network in clear text, unless
        `allow_cleartext`.
        """
        self.wire.guard(user, password, allow_cleartext=allow_cleartext)
        reply = self._ask(f"AUTHINFO USER {user}")
        if reply.code == 381:
            reply = self._ask(f"AUTHINFO PASS {password}")
        expect(reply, "281")

    # Groups (section 6.1)

    @exchange
    def group(self, name: str) -> Group:
        """Select a group; the pointer goes to its first article."""
        reply = self._command(f"GROUP {name}", "211")
        count, first, last, found = parts(GROUP, reply)
        return Group(found, int(count), int(first), int(last))

    @exchange
    def listgroup(self, name: str = "", span: Span = None) -> Numbers:
        """Select a group, or keep the one there is; the numbers of its articles, or of
        those in `span`: a number, or (first, last), or (first, None)."""
        lines = self._rows(NUMBER_LINE, "LISTGROUP", name, argument(span))
        found = [int(number) for number in lines]
        if isinstance(span, tuple):  # which servers from before RFC 3977 pass over
            first, last = span
            found = [n for n in found if first <= n and (last is None or n <= last)]
        return found

    @exchange
    def next(self) -> Article:
        """Move the pointer to the next article; `content` is empty."""
        return Article(*found(self._say("NEXT"), "223"))

    @exchange
    def last(self) -> Article:
        """Move the pointer to the article before; `content` is empty."""
        return Article(*found(self._say("LAST"), "223"))

    # Articles (section 6.2)

    @overload
    def article(self, which: Which = None, *, limit: int | None = None) -> Article: ...
    @overload
    def article(
        self, which: Which = None, *, into: BinaryIO, limit: int | None = None
    ) -> int: ...
    @exchange
    def article(
        self, which: Which = None, into: BinaryIO | None = None, *, limit: int | None = None
    ) -> Article | int:
        """Fetch an article; or write it to `into` and return how many octets it has.
        `limit` is the most octets that may come."""
        return self._fetch("ARTICLE", which, into, limit)

    @overload
    def head(self, which: Which = None, *, limit: int | None = None) -> Article: ...
    @overload
    def head(
        self, which: Which = None, *, into: BinaryIO, limit: int | None = None
    ) -> int: ...
    @exchange
    def head(
        self, which: Which = None, into: BinaryIO | None = None, *, limit: int | None = None
    ) -> Article | int:
        """Fetch the header of an article: see `article`."""
        return self._fetch("HEAD", which, into, limit)

    @overload
    def body(self, which: Which = None, *, limit: int | None = None) -> Article: ...
    @overload
    def body(
        self, which: Which = None, *, into: BinaryIO, limit: int | None = None
    ) -> int: ...
    @exchange
    def body(
        self, which: Which = None, into: BinaryIO | None = None, *, limit: int | None = None
    ) -> Article | int:
        """Fetch the body of an article: see `article`."""
        return self._fetch("BODY", which, into, limit)

    @exchange
    def stat(self, which: Which = None) -> Article:
        """Ask whether an article is there; `content` is empty."""
        return Article(*found(self._say(words("STAT", argument(which))), "223"))

    def _fetch(
        self, verb: str, which: Which, into: BinaryIO | None, limit: int | None
    ) -> Article | int:
        check_sink(into)
        line = self._say(words(verb, argument(which)))
        if into is None:
            return Article(*found(line, BLOCKS[verb]), self.wire.read_block(limit))
        expect(line_reply(line), BLOCKS[verb])
        return self.wire.deliver(self.wire.block(), into, limit)

    # Many at once: every server takes these commands in one piece (section 3.5)

    @exchange
    def article_many(self, which: Iterable[Which], *, limit: int | None = None) -> Articles:
        """Fetch several articles in one round trip; `limit` is the most octets for each.

        If some are refused the others come all the same: then the first `Refused` is
        raised, with what came in `done`, as pairs of what was asked for and the article.
        """
        return self._many("ARTICLE", which, limit)

    @exchange
    def head_many(self, which: Iterable[Which], *, limit: int | None = None) -> Articles:
        """Fetch the headers of several articles: see `article_many`."""
        return self._many("HEAD", which, limit)

    @exchange
    def body_many(self, which: Iterable[Which], *, limit: int | None = None) -> Articles:
        """Fetch the bodies of several articles: see `article_many`."""
        return self._many("BODY", which, limit)

    def _many(self, verb: str, which: Iterable[Which], limit: int | None) -> Articles:
        said = [(one, as_line(f"{verb} {argument(one)}".rstrip(" "))) for one in which]
        heard = self.wire.lines_and_blocks(BLOCKS[verb].encode(), limit)

        def check(answer: tuple[bytes, bytes]) -> Article:
            line, content = answer
            return Article(*found(line, BLOCKS[verb]), content)

        return [article for _, article in self.wire.answers(said, heard, check, True)]

    @exchange
    def post(self, article: bytes | BinaryIO) -> Reply:
        """Post an article, with its header: octets, or a binary file (section 6.3.1)."""
        return self._offer("POST", article, "340", "240")

    @exchange
    def ihave(self, message_id: str, article: bytes | BinaryIO) -> Reply:
        """Offer an article to a server that may not have it yet (section 6.3.2)."""
        return self._offer(f"IHAVE {argument(message_id)}", article, "335", "235")

    def _offer(self, said: str, article: bytes | BinaryIO, go_on: str, done: str) -> Reply:
        check_source(article)
        self._command(said, go_on)
        self.wire.send_ahead(stuffed(article))
        reply = read_line_reply(self.wire)
        self.wire.check_all_said(str(reply))
        return expect(reply, done)

    # Information (sections 7 and 8)

    @exchange
    def over(self, which: Span = None, *, limit: int | None = None) -> Overviews:
        """Lines about articles: for a number, for (first, last), for (first, None) to the
        end, for a message-id, or for the one at the pointer (section 8.3). `limit` is the
        most octets that may come. A server from before there was OVER knows XOVER (RFC 2980
        section 2.8)."""
        try:
            return self._listing(overviews, limit, self._over, argument(which))
        except Refused as error:
            if error.reply.code != 500 or self._over == "XOVER" or isinstance(which, str):
                raise
        self._over = "XOVER"
        return self._listing(overviews, limit, self._over, argument(which))

    @exchange
    def list(self, keyword: str = "ACTIVE", wildmat: str | None = None) -> Table:
        """What the server says of its groups (section 7.6), a tuple for each line:
        "ACTIVE" gives (group, last, first, status), "NEWSGROUPS" (group, description),
        "ACTIVE.TIMES" (group, seconds since 1970, creator), and others (line,)."""
        keyword = keyword.upper()
        form = LISTS.get(keyword, ANY_LINE)
        return table(keyword, self._rows(form, "LIST", keyword, wildmat or ""))

    @exchange
    def newgroups(self, since: datetime) -> Table:
        """The groups made since then, as `list` gives them (section 7.3)."""
        return table("ACTIVE", self._rows(LISTS["ACTIVE"], "NEWGROUPS", moment(since)))

    @exchange
    def newnews(self, wildmat: str, since: datetime) -> Names:
        """The message-ids of articles that came since then (section 7.4)."""
        return self._rows(ANY_LINE, "NEWNEWS", wildmat, moment(since))

    @exchange
    def date(self) -> str:
        """The server's time in UTC: "YYYYMMDDHHMMSS" (section 7.1)."""
        reply = self._command("DATE", "111")
        if not DATE.fullmatch(reply.text.strip()):
            raise ProtocolError(f"not a date: {reply}")
        return reply.text.strip()

    @exchange
    def help(self) -> str:
        """Help, in words for people (section 7.2)."""
        return "\n".join(self._rows(ANY_LINE, "HELP"))

    @exchange
    def quit(self) -> Reply:
        """End the session (section 5.4)."""
        reply = self._command("QUIT", "2xx")
        self.close()
        return reply

    def close(self) -> None:
        """Hang up without QUIT."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None and not self.wire.closed:
                self.quit()
        except (Disconnected, Refused):
            pass  # every article has had its answer; a missing goodbye takes none back
        finally:
            self.close()

    # Commands and replies (section 3)

    def _say(self, said: str) -> bytes:
        self.wire.send_line(said)
        return self.wire.read_line()

    def _ask(self, said: str) -> Reply:
        return line_reply(self._say(said))

    def _command(self, said: str, wanted: str) -> Reply:
        return expect(self._ask(said), wanted)

    def _listing(
        self,
        read: Callable[[bytes], Iterable[Any]],
        limit: int | None,
        verb: str,
        *arguments: str,
    ) -> Rows:
        """Say a command that is answered by lines; `read` makes rows of them."""
        self._command(words(verb, *arguments), BLOCKS[verb])
        return self.wire.read_lines(self.wire.block(), read, limit)

    def _rows(self, form: re.Pattern[str], verb: str, *arguments: str) -> Rows:
        """The same, with each line taken apart by `form`."""
        return self._listing(functools.partial(rows, form), None, verb, *arguments)


def found(line: bytes, code: str) -> tuple[int, str]:
    """The number and the message-id in a reply about an article: "223 3000 <id>"."""
    match = ARTICLE.fullmatch(line)
    if not match or line[:3].decode() != code:
        reply = expect(line_reply(line), code)
        raise ProtocolError(f"not the answer to this command: {reply}")
    return int(match[1]), text(match[2])


def words(*given: str) -> str:
    """A command and the arguments that are not empty."""
    return " ".join(filter(None, given))


def argument(which: Span) -> str:
    """An article as it is named in a command: number, range, message-id, or nothing."""
    if isinstance(which, tuple):
        first, last = which
        return f"{int(first)}-{'' if last is None else int(last)}"
    if isinstance(which, str) and not MESSAGE_ID.fullmatch(which):
        raise ValueError(f"not a message-id in < and >: {which!r}")
    return "" if which is None else str(which)


def moment(since: datetime) -> str:
    """A time as NEWGROUPS and NEWNEWS want it; without a time zone it is local time."""
    return since.astimezone(UTC).strftime("%Y%m%d %H%M%S GMT")


def overviews(listing: bytes) -> Iterable[Overview]:
    """Lines of an overview: a number, and at least seven fields (section 8.3.2)."""
    count, lines = listing.count(b"\n"), text(listing).split("\r\n")[:-1]
    numbers = [line.partition("\t")[0] for line in lines]
    # Whether all are right is asked at once: it takes half of the time.
    right = re.fullmatch("[0-9]*", "".join(numbers)) and count == len(lines)
    lengths, tabs = {*map(len, numbers)}, map(str.count, lines, itertools.repeat("\t"))
    if not right or lengths - {*range(1, 21)} or min(tabs, default=7) < len(OVERVIEW):
        odd = next((line for line in lines if not OVERVIEW_LINE.fullmatch(line)), "")
        raise ProtocolError(
            f"not a number and the seven fields of an overview: {odd[:80]!r}"
        )
    pairs = zip(map(int, numbers), lines, strict=True)
    # As `Overview(*pair)` for each, in a third of the time.
    return map(tuple.__new__, itertools.repeat(Overview), pairs)


def table(keyword: str, found: Rows) -> Table:
    """The rows of a LIST as tuples, with numbers where they are numbers."""
    if keyword == "ACTIVE":
        return [
            (group, int(last), int(first), status) for group, last, first, status in found
        ]
    if keyword == "ACTIVE.TIMES":
        return [(name, int(created), creator) for name, created, creator in found]
    return found if keyword in LISTS else [(line,) for line in found]


def parts(form: re.Pattern[str], reply: Reply) -> tuple[Any, ...]:
    """The groups of `form` in the text of a reply."""
    match = form.fullmatch(reply.text)
    if not match:
        raise ProtocolError(f"not the answer to this command: {reply}")
    return match.groups()
