"""NNTP (RFC 3977): SMTP's replies of three digits, POP3's dot-blocks, and a pointer.

The state is the group that was chosen, and the article in it that commands without an
argument mean. Whether a block follows a reply depends on its code *and* on the command.
"""

import re
from collections import deque

from . import (
    LINE,
    NOTHING,
    REST,
    WAIT,
    Next,
    Row,
    Said,
    Table,
    explain,
    hidden,
    stuffed_lines,
    verb,
    whole_line,
    words,
)

COMMANDS: Table = {
    "CAPABILITIES": ("asks what the server can do", "3977 5.2"),
    "MODE READER": ("wants to read, not to hand on articles", "3977 5.3"),
    "MODE STREAM": ("wants to hand on articles without waiting", "4644 2.3"),
    "QUIT": ("ends the session", "3977 5.4"),
    "GROUP": ("chooses a group, and points at its first article", "3977 6.1.1"),
    "LISTGROUP": ("chooses a group, and asks for its articles' numbers", "3977 6.1.2"),
    "LAST": ("points at the article before", "3977 6.1.3"),
    "NEXT": ("points at the article after", "3977 6.1.4"),
    "ARTICLE": ("asks for an article", "3977 6.2.1"),
    "HEAD": ("asks for an article's header", "3977 6.2.2"),
    "BODY": ("asks for an article's body", "3977 6.2.3"),
    "STAT": ("asks whether an article is there; by its number, points at it", "3977 6.2.4"),
    "POST": ("asks to post an article", "3977 6.3.1"),
    "IHAVE": ("offers an article to hand on", "3977 6.3.2"),
    "CHECK": ("asks whether the server wants an article", "4644 2.4"),
    "TAKETHIS": ("hands an article on, at once", "4644 2.5"),
    "DATE": ("asks for the server's time, in UTC", "3977 7.1"),
    "HELP": ("asks for help, in words for people", "3977 7.2"),
    "NEWGROUPS": ("asks for the groups that are new since then", "3977 7.3"),
    "NEWNEWS": ("asks for the articles that are new since then", "3977 7.4"),
    "LIST ACTIVE": ("asks for the groups, with their first and last number", "3977 7.6.3"),
    "LIST ACTIVE.TIMES": ("asks when each group was made, and by whom", "3977 7.6.4"),
    "LIST NEWSGROUPS": ("asks what each group is about", "3977 7.6.6"),
    "LIST OVERVIEW.FMT": ("asks which fields OVER has", "3977 8.4"),
    "LIST HEADERS": ("asks which fields HDR can show", "3977 8.6"),
    "LIST": ("asks for a list; without a keyword it is ACTIVE", "3977 7.6.1"),
    "OVER": ("asks for a line about each article", "3977 8.3"),
    "XOVER": ("asks for a line about each article, by the older name", "2980 2.8"),
    "HDR": ("asks for one field of each article", "3977 8.5"),
    "XHDR": ("asks for one field of each article, by the older name", "2980 2.6"),
    "XPAT": ("asks for the articles whose field fits a pattern", "2980 2.9"),
    "STARTTLS": ("asks to go on inside TLS", "4642 2.2"),
    "AUTHINFO USER": ("says who one is; the password comes next", "4643 2.3"),
    "AUTHINFO PASS": ("the password, in clear text", "4643 2.3"),
    "AUTHINFO SASL": ("says who one is, by the mechanism named", "4643 2.4"),
}
UNKNOWN: Row = ("not a command that is known here", "3977 3.2.1")
RESPONSE: Row = ("the answer to the server's challenge, in base64", "4643 2.4")
CANCEL: Row = ("gives up the authentication", "4643 2.4")
ARTICLE: Row = ("the article; a line that is only a dot ends it", "3977 3.1.1")
REPLIES: Table = {
    "greeting 200": ("the server is ready, and one may post", "3977 5.1"),
    "greeting 201": ("the server is ready, but one may not post", "3977 5.1"),
    "greeting 400": ("no service for now", "3977 5.1"),
    "greeting 502": ("no service for you", "3977 5.1"),
    "MODE READER 200": ("ready to be read, and one may post", "3977 5.3"),
    "MODE READER 201": ("ready to be read, but one may not post", "3977 5.3"),
    "CAPABILITIES 101": ("a capability in each line follows", "3977 5.2"),
    "GROUP 211": ("about how many, the first, the last, the group", "3977 6.1.1"),
    "LISTGROUP 211": ("the group is chosen; the numbers follow", "3977 6.1.2"),
    "LIST 215": ("the list follows", "3977 7.6.1"),
    "POST 340": ("send the article, and a line with only a dot", "3977 6.3.1"),
    "POST 440": ("one may not post", "3977 6.3.1"),
    "POST article 240": ("the article was received", "3977 6.3.1"),
    "POST article 441": ("the article was refused", "3977 6.3.1"),
    "IHAVE 335": ("send the article, and a line with only a dot", "3977 6.3.2"),
    "IHAVE 435": ("the server doesn't want it", "3977 6.3.2"),
    "IHAVE 436": ("not now; try again later", "3977 6.3.2"),
    "IHAVE article 235": ("the article was received", "3977 6.3.2"),
    "IHAVE article 436": ("that failed; try again later", "3977 6.3.2"),
    "IHAVE article 437": ("refused; do not try again", "3977 6.3.2"),
    "TAKETHIS article 239": ("the article was received", "4644 2.5"),
    "TAKETHIS article 439": ("refused; do not try again", "4644 2.5"),
    "CHECK 238": ("send it", "4644 2.4"),
    "CHECK 438": ("the server doesn't want it", "4644 2.4"),
    "DATE 111": ("year, month, day, hour, minute, second, in UTC", "3977 7.1"),
    "STARTTLS 382": ("the handshake may begin", "4642 2.2"),
    "STARTTLS 580": ("TLS is not to be had", "4642 2.2"),
    "AUTHINFO USER 381": ("go on with AUTHINFO PASS", "4643 2.3"),
    "AUTHINFO SASL 383": ("a challenge in base64, to be answered", "4643 2.4"),
    "QUIT 205": ("goodbye; the server closes the connection", "3977 5.4"),
    "281": ("the server believes it", "4643 2.3"),
    "283": ("the server believes it, and proves who it is itself", "4643 2.4"),
    "481": ("the server doesn't believe it", "4643 2.3"),
    "482": ("not in this order", "4643 2.3"),
    "100": ("help follows", "3977 7.2"),
    "220": ("number and message-id; header and body follow", "3977 6.2.1"),
    "221": ("number and message-id; the header follows", "3977 6.2.2"),
    "222": ("number and message-id; the body follows", "3977 6.2.3"),
    "223": ("number and message-id; 0 if it was asked for by its message-id", "3977 6.2.4"),
    "224": ("the lines follow", "3977 8.3"),
    "225": ("the fields follow", "3977 8.5"),
    "230": ("the message-ids follow", "3977 7.4"),
    "231": ("the groups follow", "3977 7.3"),
    "400": ("the server has to close the connection", "3977 3.2.1"),
    "401": ("the server is in the wrong mode for this", "3977 3.2.1"),
    "403": ("an error of the server", "3977 3.2.1"),
    "411": ("there is no such group", "3977 6.1.1"),
    "412": ("no group is chosen", "3977 6.1.1"),
    "420": ("the pointer is at no article", "3977 6.2.1"),
    "421": ("there is no article after this one", "3977 6.1.4"),
    "422": ("there is no article before this one", "3977 6.1.3"),
    "423": ("there is no article with this number", "3977 6.2.1"),
    "430": ("there is no article with this message-id", "3977 6.2.1"),
    "480": ("first say who you are", "3977 3.2.1"),
    "483": ("only inside TLS", "3977 3.2.1"),
    "500": ("the server doesn't know the command", "3977 3.2.1"),
    "501": ("the command is known, its argument isn't understood", "3977 3.2.1"),
    "502": ("not for you, or not at this point", "3977 3.2.1"),
    "503": ("known, but not done here", "3977 3.2.1"),
    "504": ("this is not base64", "3977 3.2.1"),
    "1": ("information", "3977 3.2"),
    "2": ("done", "3977 3.2"),
    "3": ("go on: the server waits for the rest", "3977 3.2"),
    "4": ("no: the command was right, but it couldn't be done", "3977 3.2"),
    "5": ("no: not known, not done here, or an error", "3977 3.2"),
}
NO_REPLY: Row = ("not a reply: it should begin with three digits", "3977 3.2")
WITHOUT_QUIT: Row = ("the connection ends without QUIT", "3977 5.4")
CLOSED: Row = ("the session is over", "3977 5.4")
# The commands that are answered by a block, the codes that announce it, what is in it.
BLOCKS: dict[str, tuple[str, Row]] = {
    "CAPABILITIES": ("101", ("a capability in each line", "3977 5.2")),
    "HELP": ("100", ("words for people", "3977 7.2")),
    "LISTGROUP": ("211", ("the number of each article that is there", "3977 6.1.2")),
    "ARTICLE": ("220", ("header, an empty line, body", "3977 6.2.1")),
    "HEAD": ("221", ("the header", "3977 6.2.2")),
    "BODY": ("222", ("the body", "3977 6.2.3")),
    "LIST": ("215", ("an entry in each line", "3977 7.6.1")),
    "NEWGROUPS": ("231", ("group, last number, first number, status", "3977 7.3")),
    "NEWNEWS": ("230", ("a message-id in each line", "3977 7.4")),
    "OVER": ("224", ("number and fields of each article, tabs between", "3977 8.3")),
    "XOVER": ("224", ("number and fields of each article, tabs between", "2980 2.8")),
    "HDR": ("225", ("number and field of each article", "3977 8.5")),
    "XHDR": ("221", ("number and field of each article", "2980 2.6")),
    "XPAT": ("221", ("number and field of each article", "2980 2.9")),
    "XGTITLE": ("282", ("a group and what it is about in each line", "2980 2.4")),
}
TWO_WORDS = ("AUTHINFO", "MODE", "LIST")
SENDS = {"POST": "340", "IHAVE": "335"}  # the codes after which an article is sent
POINTING = ("ARTICLE", "HEAD", "BODY", "STAT", "NEXT", "LAST")
POINTS = ("220", "221", "222", "223")  # number, message-id
SECRETS = [
    re.compile(rb"(?is)\A\s*AUTHINFO[ \t]+PASS[^\w\r\n]" + REST),
    re.compile(rb"(?is)\A\s*AUTHINFO[ \t]+(?:SASL|GENERIC)[ \t]+\S+[ \t]+" + REST),
]
REPLY = re.compile(rb"([1-5][0-9]{2})(?=[ \r\n]|\Z)")


class Grammar:
    """What was asked and not answered yet, the group, and the pointer."""

    def __init__(self, greeting: bool = True) -> None:
        # each with its argument, which may be a message-id
        self._asked = deque([("greeting", "")] if greeting else [])
        self._group = ""
        self._article = ""
        self._block = ""  # the command whose block comes next
        self._sending = ""  # the command whose article comes next
        self._challenged = False
        self._is_over = False

    @property
    def state(self) -> str:
        if not self._group:
            return "no group"
        return f"group {self._group}, {self._article or 'no article'}"

    def next(self, speaker: str) -> Next:
        if speaker == "S":
            return Next("dot", "block") if self._block else Next("line", "reply")
        if self._sending:
            return Next("dot", "block")
        last = "" if self._challenged or not self._asked else self._asked[-1][0]
        return WAIT if last in (*SENDS, "AUTHINFO SASL") else LINE

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        if what.how == "wait":
            in_exchange = self._asked[-1][0] == "AUTHINFO SASL"
            return Said(what.kind, NOTHING, whole_line(data) * in_exchange)
        if what.kind == "block":
            return Said("block", self._end_block(speaker), notes=stuffed_lines(data))
        if speaker == "S":
            return self._reply(data)
        return self._answer(data) if self._challenged else self._command(data)

    def _end_block(self, speaker: str) -> Row:
        if speaker == "S":
            row, self._block = BLOCKS[self._block][1], ""
            return row
        self._asked.append((f"{self._sending} article", ""))
        self._sending = ""
        return ARTICLE

    def _command(self, data: bytes) -> Said:
        name, arguments = verb(data), words(data)[1:]
        if name in TWO_WORDS and arguments:
            name = f"{name} {arguments[0].upper()}"
        if name == "TAKETHIS":
            self._sending = name
        else:
            self._asked.append((name, " ".join(arguments)))
        row = explain(COMMANDS, name, name.split(" ")[0]) or UNKNOWN
        return Said("command" if name else "unknown", row, hidden(SECRETS, data))

    def _answer(self, data: bytes) -> Said:
        self._challenged = False
        self._asked.append(("AUTHINFO SASL", ""))
        if data.strip() == b"*":
            return Said("command", CANCEL)
        return Said("command", RESPONSE, whole_line(data))

    def _reply(self, data: bytes) -> Said:
        found = REPLY.match(data)
        if not found:
            return Said("unknown", NO_REPLY)
        code, fields = found[1].decode("ascii"), words(data)[1:]
        name, argument = self._asked.popleft() if self._asked else ("", "")
        first = name.split(" ")[0]
        self._challenged = name == "AUTHINFO SASL" and code == "383"
        self._is_over = self._is_over or code == "205"
        if SENDS.get(name) == code:
            self._sending = name
        if first in BLOCKS and BLOCKS[first][0] == code:
            self._block = first
        self._point(first, argument, code, fields)
        row = explain(REPLIES, f"{name} {code}", f"{first} {code}", code, code[0])
        return Said("reply", row, notes=[] if name else ["nobody asked"])

    def _point(self, name: str, argument: str, code: str, fields: list[str]) -> None:
        """The group and the pointer, after a reply."""
        if name in ("GROUP", "LISTGROUP") and code == "211" and len(fields) > 3:
            count, first, _, self._group = fields[:4]
            self._article = "" if count == "0" else f"article {first}"
        elif code in POINTS and name in POINTING and argument[:1] != "<" and fields:
            self._article = f"article {fields[0]}"

    def secured(self) -> "Grammar":
        return Grammar(greeting=("greeting", "") in self._asked)

    def closed(self) -> Row:
        return CLOSED if self._is_over else WITHOUT_QUIT
