"""No regular expression takes longer than in proportion to what it is given.

A server that says 64 KiB of spaces where one is usual may not hold a client for half a
minute: no clock runs while an expression is at work.
"""

import re
import time
from typing import Any

import pytest

from protoclients import ftp, http1, nntp, pop3, reply, smtp
from protoclients.blocks import BEGUN, DOT, SURE_DOT
from protoclients.errors import ProtocolError
from protoclients.grammar import http1 as http1_grammar
from protoclients.unasked import RULES
from protoclients.wire import BARE_LF

PASSIVE_HOST = next(
    re.compile(rule.pattern) for rule in RULES if rule.what == "the host {} not followed"
)
# Quadratic time would be a minute, in proportion it is a hundredth of a second.
MANY = 100_000
AT_MOST = 2.0

# An expression and its method; what a line begins with, what comes again and again in it,
# and what breaks it at its end.
CASES: dict[str, tuple[re.Pattern[Any], str, str, str, str]] = {
    "spaces before a field's value": (http1.FIELD_LINE, "findall", "A:", " ", "\0\r\n"),
    "a field's name": (http1.FIELD_LINE, "findall", "", "a", "\r\n"),
    "spaces before a fold": (http1.OBS_FOLD, "sub", "A: b", " ", "x\r\n"),
    "spaces in a fold": (http1.OBS_FOLD, "sub", "A: b\r\n c", " ", "x\r\n"),
    "folds": (http1.OBS_FOLD, "sub", "A: b", "\r\n ", "x"),
    "blanks after a chunk's size": (http1.CHUNK_LINE, "fullmatch", "1", " ", "x"),
    "a chunk's extension": (http1.CHUNK_LINE, "fullmatch", "1;", " ", "\0"),
    "a reason": (http1.STATUS_LINE, "fullmatch", "HTTP/1.1 200 ", " ", "\0"),
    "spaces in ACTIVE": (nntp.LISTS["ACTIVE"], "findall", "g 1", " ", "\rx\r\n"),
    "spaces in ACTIVE.TIMES": (
        nntp.LISTS["ACTIVE.TIMES"],
        "findall",
        "g 1",
        " ",
        "\rx\r\n",
    ),
    "blanks in NEWSGROUPS": (nntp.LISTS["NEWSGROUPS"], "findall", "g", "\t", "\rx\r\n"),
    "a name in NEWSGROUPS": (nntp.LISTS["NEWSGROUPS"], "findall", "", "g", "\r\n"),
    "an overview's tabs": (nntp.OVERVIEW_LINE, "fullmatch", "1", "\t", "\n"),
    "a group's name": (nntp.GROUP, "fullmatch", "1 1 1 ", "a", "\t"),
    "a message-id": (nntp.ARTICLE, "fullmatch", "220 1 <", "a", "<"),
    "ats in a timestamp": (pop3.TIMESTAMP, "search", "+OK <", "@", ""),
    "less-thans before a timestamp": (pop3.TIMESTAMP, "search", "+OK ", "<a@", ""),
    "a scan listing": (pop3.SCAN_LISTING, "findall", "1 1 ", " ", "\rx\r\n"),
    "lines of unique-ids": (pop3.UNIQUE_ID_LISTING, "match", "", "1 a\r\n", "x"),
    "digits of a drop listing": (pop3.TWO_NUMBERS, "match", "+OK ", "1", "x"),
    "commas after PASV": (ftp.HOST_PORT, "search", "227 ", "1,", "x"),
    "brackets after EPSV": (ftp.EXTENDED_PORT, "search", "229 ", "(|||", "x"),
    "quotes after PWD": (ftp.QUOTED, "match", '"', '"', "x"),
    "a path without a quote": (ftp.NOT_DOUBLED, "match", '"', "a", ""),
    "quotes that are not doubled": (ftp.NOT_DOUBLED, "match", '"', '"a', ""),
    "quotes that are doubled": (ftp.QUOTED, "match", '"', '""', "x"),
    "digits of a host that is not followed": (PASSIVE_HOST, "search", "227 ", "1", ""),
    "names in parts of a form": (
        http1_grammar.BODY_SECRETS["multipart"][0],
        "findall",
        "",
        'name="pass"\r\n',
        "",
    ),
    "words in a name": (
        http1_grammar.BODY_SECRETS["urlencoded"][0],
        "findall",
        "&",
        "pass_",
        "",
    ),
    "words in a name in JSON": (
        http1_grammar.BODY_SECRETS["json"][0],
        "findall",
        '"',
        "pass_",
        "",
    ),
    "URLs in a URL": (http1_grammar.SECRETS[4], "findall", "", "%3A%2F%2Fu%3A", ""),
    "a reply's line": (reply.REPLY_LINE, "fullmatch", "250 ", " ", ""),
    "an address in quotes": (smtp.PATH, "fullmatch", '"', "\\a", "<"),
    "dots": (DOT, "findall", "", "\r\n.", ""),
    "ends": (SURE_DOT, "findall", "", "\r\n.\r", ""),
    "what may become an end": (BEGUN, "search", "", "\r\n.\r", ""),
    "bare LFs": (BARE_LF, "search", "", "\r\n", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_line_takes_no_longer_than_in_proportion(case: str) -> None:
    pattern, how, begin, again, end = CASES[case]
    said: Any = begin + again * MANY + end
    if isinstance(pattern.pattern, bytes):
        said = said.encode("latin-1")
    arguments = (b" ", said) if how == "sub" else (said,)
    began = time.process_time()
    getattr(pattern, how)(*arguments)
    assert time.process_time() - began < AT_MOST


def test_a_head_of_spaces_is_an_error_at_once() -> None:
    began = time.process_time()
    with pytest.raises(ProtocolError):
        http1.parse_fields(b"A:" + b" " * MANY + b"\0\r\n")
    assert time.process_time() - began < AT_MOST
