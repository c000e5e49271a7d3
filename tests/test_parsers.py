"""What turns octets into values: tables of what the RFCs allow and what they do not, and
references written from the RFCs for what a table cannot hold."""

import contextlib
import gc
import io
import itertools
import re
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protoclients import (
    FTP,
    HTTP,
    NNTP,
    POP3,
    SMTP,
    LimitExceeded,
    ProtocolError,
    Refused,
    Telnet,
    WireError,
    sasl,
    telnet,
)
from protoclients.ftp import Said, extended_port, facts, passive_port, quoted
from protoclients.http1 import Headers, chunk_size, field_lines, request_line
from protoclients.nntp import moment
from protoclients.octets import many_objects
from protoclients.pop3 import checked, numbers
from protoclients.reply import Reply, expect

from .conversation_player import read
from .scripted_server import (
    PATIENCE,
    Server,
    dripping,
    listener,
    listening,
    receive,
    served,
)

quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def answer(kind: Any, call: str, script: str, **options: Any) -> Any:
    """What a method of a client makes of the server's side of a script."""
    with (
        served(Server(read(script).events)) as port,
        contextlib.closing(kind("127.0.0.1", port, timeout=PATIENCE, **options)) as client,
    ):
        return eval(f"client.{call}", {"client": client})


# Replies of three digits (RFC 5321 section 4.2, RFC 959 section 4.2, RFC 3977 section 3.2)


@pytest.mark.parametrize(
    "line",
    [
        "25 OK", "2500 OK", "25x OK", " 250 OK", "+25 OK", "2_0 OK", "-250 OK", "250_OK",
        "250OK", "099 OK", "600 OK", "999 OK", "\uff12\uff15\uff10 OK", "²50 OK", "", " ",
        "OK", "+OK",
        "HTTP/1.1 200 OK", "\\xff", "250\\x0b", "250\\tOK",
    ],
)  # fmt: skip
def test_what_is_no_reply_is_an_error(line: str) -> None:
    for kind in (SMTP, FTP, NNTP):
        with pytest.raises(ProtocolError):
            answer(kind, "noop()", f"S: {line}")


@pytest.mark.parametrize(
    ("said", "code", "lines"),
    [
        ("S: 220 ready", 220, ("ready",)),
        ("S: 220", 220, ("",)),
        ("S: 220\\x20", 220, ("",)),
        ("S: 220  two spaces", 220, (" two spaces",)),
        ("S: 299 \\xff\\xc3\\xa9\\0\\r.", 299, ("\udcffé\0\r.",)),
        ("S: 220-\nS: 220-x\nS: 220", 220, ("", "x", "")),
    ],
)
def test_a_reply_is_a_code_and_lines(said: str, code: int, lines: tuple[str, ...]) -> None:
    for kind in (SMTP, FTP):
        assert answer(kind, "greeting", said) == Reply(code, lines)


@pytest.mark.parametrize("last", ["220x end", "22 end", "221 end", " 220 end", "220-", "2"])
def test_a_reply_of_several_lines_ends_with_its_code(last: str) -> None:
    with pytest.raises(WireError):
        answer(SMTP, "greeting", f"S: 220-a\nS: {last}\nS*")
    found = answer(FTP, "greeting", f"S: 220-a\nS: {last}\nS: 220 z")
    assert found == Reply(220, ("a", last.removeprefix("220-"), "z"))


@pytest.mark.parametrize("line", ["220-more", "220-"])
def test_a_reply_of_nntp_is_one_line(line: str) -> None:
    with pytest.raises(ProtocolError):
        answer(NNTP, "greeting", f"S: {line}\nS: 220 end")


@pytest.mark.parametrize("line", ["220 a\\nb", "220 a\\n220 b"])
def test_a_bare_line_feed_ends_no_reply(line: str) -> None:
    for kind in (SMTP, FTP, NNTP):
        with pytest.raises(ProtocolError, match="bare LF"):
            answer(kind, "greeting", f"S: {line}")


@pytest.mark.parametrize("kind", [SMTP, FTP])
def test_a_reply_without_an_end_is_given_up(kind: Any) -> None:
    with pytest.raises(LimitExceeded):
        answer(kind, "greeting", "S: 220-" + "x" * 1000 + ("\nS: 220-" + "x" * 1000) * 1100)


def test_an_answer_is_wanted_refused_or_out_of_place() -> None:
    for wanted, code in itertools.product(("2xx", "25x", "250", "354"), range(100, 600)):
        digits = wanted.replace("x", ".")
        reply = Reply(code, ("text",))
        if re.fullmatch(digits, str(code)):
            assert expect(reply, wanted) is reply
        else:
            with pytest.raises(Refused if code >= 400 else ProtocolError):
                expect(reply, wanted)


FTP_PASSIVE = "S: 220\nC: TYPE I\nS: 200\nC: EPSV"


@pytest.mark.parametrize(
    ("kind", "call", "script"),
    [
        (SMTP, "data(b'')", "S: 220\nC: DATA\nS: 250 OK"),
        (SMTP, "data(b'')", "S: 220\nC: DATA\nS: 355 go on"),
        (SMTP, "noop()", "S: 220\nC: NOOP\nS: 354 go on"),
        (SMTP, "noop()", "S: 220\nC: NOOP\nS: 150 wait"),
        (SMTP, "greeting", "S: 354 go on"),
        (FTP, "pwd()", 'S: 220\nC: PWD\nS: 250 "/"'),
        (FTP, "size('a')", "S: 220\nC: TYPE I\nS: 200\nC: SIZE a\nS: 200 5"),
        (FTP, "mdtm('a')", "S: 220\nC: MDTM a\nS: 250 19980615100045"),
        (FTP, "rename('a', 'b')", "S: 220\nC: RNFR a\nS: 250 done"),
        (FTP, "retr('a')", f"{FTP_PASSIVE}\nS: 227 (|||{{port}}|)"),
        (FTP, "retr('a')", f"{FTP_PASSIVE}\nS: 229 (|||{{port}}|)\nC: RETR a\nS: 226 done"),
        (FTP, "noop()", "S: 220\nC: NOOP\nS: 350 go on"),
        (NNTP, "greeting", "S: 220 ready"),
        (NNTP, "capabilities()", "S: 200\nC: CAPABILITIES\nS: 200 yes"),
        (NNTP, "group('a')", "S: 200\nC: GROUP a\nS: 215 1 1 1 a"),
        (NNTP, "listgroup()", "S: 200\nC: LISTGROUP\nS: 215 list\nS: 1\nS: ."),
        (NNTP, "list()", "S: 200\nC: LIST ACTIVE\nS: 211 list\nS: ."),
        (NNTP, "article(1)", "S: 200\nC: ARTICLE 1\nS: 222 1 <1@a>\nS: ."),
        (NNTP, "article(1)", "S: 200\nC: ARTICLE 1\nS: 223 1 <1@a>"),
        (NNTP, "body(1)", "S: 200\nC: BODY 1\nS: 220 1 <1@a>\nS: ."),
        (NNTP, "stat(1)", "S: 200\nC: STAT 1\nS: 220 1 <1@a>\nS: ."),
        (NNTP, "over(1)", "S: 200\nC: OVER 1\nS: 221 x\nS: ."),
        (NNTP, "date()", "S: 200\nC: DATE\nS: 200 19990623135624"),
        (NNTP, "post(b'')", "S: 200\nC: POST\nS: 240 done"),
        (NNTP, "login('a', 'b')", "S: 200\nC: AUTHINFO USER a\nS: 200 yes"),
    ],
)
def test_a_yes_to_another_question_is_an_error(kind: Any, call: str, script: str) -> None:
    with pytest.raises(ProtocolError):
        answer(kind, call, script)


# POP3 (RFC 1939 section 3)


@pytest.mark.parametrize("line", ["+OK", "+OK ", "+OK -ERR", "+OK\tx"[:3]])
def test_ok_is_a_yes(line: str) -> None:
    assert checked(line.encode()) == line


@pytest.mark.parametrize("line", ["-ERR", "-ERR ", "-ERR +OK"])
def test_err_is_a_no(line: str) -> None:
    with pytest.raises(Refused):
        checked(line.encode())


@pytest.mark.parametrize(
    "line", ["", "+OKAY?", "+ OK", " +OK", "-ERROR", "OK", "+", "250 OK"]
)
def test_anything_else_is_neither(line: str) -> None:
    with pytest.raises(ProtocolError):
        checked(line.encode())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("+OK 2 320", (2, 320)),
        ("+OK 0 0", (0, 0)),
        ("+OK 2 320 octets", (2, 320)),
        ("+OK 02 00320", (2, 320)),
        ("+OK", None),
        ("+OK 2", None),
        ("+OK 2 320octets", None),
        ("+OK +2 320", None),
        ("+OK 2 -320", None),
        ("+OK 2 3_2", None),
        ("+OK \uff12 320", None),
        ("+OK 2 " + "9" * 30, None),
        ("+OK two 320", None),
    ],
)
def test_a_drop_listing_is_two_numbers(line: str, found: tuple[int, int] | None) -> None:
    if found:
        assert numbers(line) == found
    else:
        with pytest.raises(ProtocolError):
            numbers(line)


@pytest.mark.parametrize(
    "line", ["1", "1 x", "x 1", "+1 2", "1 2_0", "1  2", "", "1 2\\n3 4"]
)
def test_a_line_of_a_scan_listing_is_two_numbers(line: str) -> None:
    with pytest.raises(ProtocolError):
        answer(POP3, "list()", f"S: +OK\nC: LIST\nS: +OK\nS: 1 2\nS: {line}\nS: .")


@pytest.mark.parametrize("line", ["1", "1 ", "1 a b", "1 \\xe9", "x a", "1 " + "x" * 71])
def test_a_unique_id_is_one_word_of_up_to_70_characters(line: str) -> None:
    for script in (f"C: UIDL\nS: +OK\nS: {line}\nS: .", f"C: UIDL 1\nS: +OK {line}"):
        call = "uidl(1)" if "UIDL 1" in script else "uidl()"
        with pytest.raises(ProtocolError):
            answer(POP3, call, f"S: +OK\n{script}")


# FTP: addresses (RFC 959 section 4.1.2, RFC 1123 section 4.1.2.6, RFC 2428 section 3)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("Entering Passive Mode (127,0,0,1,4,1)", 1025),
        ("Entering Passive Mode (127,0,0,1,4,1).", 1025),
        ("Entering Passive Mode 127,0,0,1,4,1", 1025),
        ("=127,0,0,1,255,255", 65535),
        ("(127,000,000,001,004,001)", 1025),
        ("(192,0,2,1,0,21)", 21),
        ("(127,0,0,1,0,0)", None),
        ("(127,0,0,1,300,300)", None),
        ("(127,0,0,1,4,256)", None),
        ("(256,0,0,1,4,1)", None),
        ("(127,0,0,1,4)", None),
        ("(127,0,0,1,4,1000)", None),
        ("(127,0,0,1,4,-1)", None),
        ("(127,0,0,1,+4,1)", None),
        ("(127,0,0,1,\uff14,1)", None),
        ("Entering Passive Mode", None),
        ("", None),
    ],
)
def test_a_passive_port_is_two_octets(text: str, port: int | None) -> None:
    if port:
        assert passive_port(Reply(227, (text,))) == port
    else:
        with pytest.raises(ProtocolError):
            passive_port(Reply(227, (text,)))


@given(st.lists(st.integers(0, 299), min_size=6, max_size=6))
def test_any_six_octets_are_an_address(found: list[int]) -> None:
    port = found[4] * 256 + found[5]
    reply = Reply(227, (f"Entering Passive Mode ({','.join(map(str, found))})",))
    if max(found) < 256 and port:
        assert passive_port(reply) == port
    else:
        with pytest.raises(ProtocolError):
            passive_port(reply)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("Entering Extended Passive Mode (|||6446|)", 6446),
        ("(!!!6446!)", 6446),
        ("(really) in (~~~1~) mode", 1),
        ("(|||65535|)", 65535),
        ("(|||0|)", None),
        ("(|||65536|)", None),
        ("(|||064460|)", None),
        ("(||6446|)", None),
        ("(|||6446)", None),
        ("(||!6446|)", None),
        ("(|||+6446|)", None),
        ("(|||6_4|)", None),
        ("(|||\uff16\uff14|)", None),
        ("(   6446 )", None),
        ("|||6446|", None),
        ("(|2|::1|6446|)", None),
        ("", None),
    ],
)
def test_an_extended_port_stands_between_its_delimiters(
    text: str, port: int | None
) -> None:
    if port:
        assert extended_port(Reply(229, (text,))) == port
    else:
        with pytest.raises(ProtocolError):
            extended_port(Reply(229, (text,)))


def test_a_226_that_is_early_waits_for_the_data() -> None:
    script = (
        f"{FTP_PASSIVE}\nS: 229 (|||{{port}}|)\nC: RETR a\nS: 150\nS: 226\nD: late\\\nD*"
    )
    assert answer(FTP, "retr('a')", script) == b"late"


# FTP: paths (RFC 959 appendix II) and facts (RFC 3659 section 7.2)


@given(st.text(st.characters(exclude_characters="\r\n\0")))
@example('"')
@example('""')
def test_a_quoted_path_is_the_path(path: str) -> None:
    said = path.replace('"', '""')
    assert quoted(Reply(257, (f'"{said}" is current "directory"',))) == path


def test_a_path_whose_quotes_were_not_doubled_is_whole_all_the_same() -> None:
    assert quoted(Reply(257, ('"/a/d"d"" - made',))) == '/a/d"d"'
    assert quoted(Reply(257, ('"/d"d"',))) == '/d"d'


@pytest.mark.parametrize("text", ["", "/usr", '"/usr', '"/usr"x', "'/usr'"])
def test_a_path_without_its_quotes_is_an_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        quoted(Reply(257, (text,)))


@pytest.mark.parametrize(
    ("line", "name", "found"),
    [
        ("size=4;type=file; name", "name", {"size": "4", "type": "file"}),
        ("Size=4;TYPE=File; Name", "Name", {"size": "4", "type": "File"}),
        ("type=OS.unix=slink:/a; name", "name", {"type": "OS.unix=slink:/a"}),
        ("perm=; name", "name", {"perm": ""}),
        (" name", "name", {}),
        ("  name", " name", {}),
        ("type=file; a;b=c; d", "a;b=c; d", {"type": "file"}),
        # section 7.7.4 itself has a line without the last semicolon
        ("Type=dir;Perm=el test", "test", {"type": "dir", "perm": "el"}),
    ],
)
def test_facts_stand_before_the_first_space(
    line: str, name: str, found: dict[str, str]
) -> None:
    assert facts(f"{line}\r\n".encode(), Said()) == [(name, found)]


@pytest.mark.parametrize("line", ["", "name", "type=file;", "type=file; ", "type; name"])
def test_a_line_without_facts_or_name_is_an_error(line: str) -> None:
    with pytest.raises(ProtocolError):
        facts(f"{line}\r\n".encode(), Said())


# NNTP: overviews (RFC 3977 section 8.3.2)


FIELDS = r"Subject\tFrom\tDate\t<1@example.com>\t\t1234\t17"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"1\\t{FIELDS}", {}),
        (f"1\\t{FIELDS}\\t", {}),
        (f"1\\t{FIELDS}\\t\\tXref: a:1", {"Xref": "a:1"}),
        (f"1\\t{FIELDS}\\tXref: a:1\\tFor:  fi: x", {"Xref": "a:1", "For": "fi: x"}),
    ],
)  # fmt: skip
def test_an_overview_has_seven_fields_and_more(line: str, found: dict[str, str]) -> None:
    script = f"S: 200\nC: OVER 1\nS: 224\nS: {line}\nS: ."
    (row,) = answer(NNTP, "over(1)", script)
    names = ["Subject", "From", "Date", "Message-ID", "References", ":bytes", ":lines"]
    values = ["Subject", "From", "Date", "<1@example.com>", "", "1234", "17"]
    assert (row.number, row.fields) == (1, dict(zip(names, values, strict=True)) | found)
    assert row.fields["subject"] == "Subject"


@pytest.mark.parametrize(
    "line",
    ["", "1", f"x\\t{FIELDS}", f"-1\\t{FIELDS}", f"+1\\t{FIELDS}", f"1_0\\t{FIELDS}",
     FIELDS,
     f" 1\\t{FIELDS}", f"\uff11\\t{FIELDS}", "1\\ta\\tb\\tc\\td\\te\\tf",
     f"{'9' * 30}\\t{FIELDS}",
     f"1\\t{FIELDS}\\n2"],
)  # fmt: skip
def test_what_is_no_overview_is_an_error(line: str) -> None:
    with pytest.raises(ProtocolError):
        answer(NNTP, "over(1)", f"S: 200\nC: OVER 1\nS: 224\nS: {line}\nS: .")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("group('a')", "211 1 2 a"), ("group('a')", "211 1 2 3"),
        ("group('a')", "211 -1 2 3 a"),
        ("stat(1)", "223 1"), ("stat(1)", "223 x <1@a>"), ("stat(1)", "223 1 1@a"),
        ("stat(1)", "223 " + "9" * 30 + " <1@a>"), ("date()", "111 1999062313562"),
        ("date()", "111 1999-06-23"), ("date()", "111 \uff119990623135624"),
        ("date()", "111"),
    ],
)  # fmt: skip
def test_what_is_no_answer_to_the_command_is_an_error(call: str, line: str) -> None:
    command = {"group('a')": "GROUP a", "stat(1)": "STAT 1", "date()": "DATE"}[call]
    with pytest.raises(ProtocolError):
        answer(NNTP, call, f"S: 200\nC: {command}\nS: {line}")


# HTTP: heads (RFC 9112 sections 4 and 5)


def get(head: str, body: str = "", call: str = "get('/')") -> Any:
    """The response that a server gives in these octets, and hangs up."""
    verb = "HEAD" if call.startswith("head") else "GET"
    request = f"C: {verb} / HTTP/1.1\nC: Host: {{here}}\nC:"
    return answer(HTTP, call, f"{request}\n{head}\nS:\nS: {body}\\\nS*")


@pytest.mark.parametrize(
    "line",
    [
        "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 2_0 OK",
        "HTTP/1.1 OK",
        "HTTP/1.1  200 OK", "HTTP/2 200 OK", "HTTP/2.0 200 OK", "HTTP/11 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 \uff12\uff10\uff10 OK", "HTTP/1.1 099 OK",
        "HTTP/1.1 200OK", "200 OK", "",
        " HTTP/1.1 200 OK", "HTTP/1.1\\t200 OK", "HTTP/1.1 200 a\\0b", "ICY 200 OK",
        "220 ready",
    ],
)  # fmt: skip
def test_what_is_no_status_line_is_an_error(line: str) -> None:
    with pytest.raises(ProtocolError):
        get(f"S: {line}\nS: Content-Length: 0")


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length : 0", " Content-Length: 0", "Content-Length", ": 0",
        "Content Length: 0",
        "Content-Length\\t: 0", "X: a\\0b", "X: a\\rb", "X: a\\nY: b", "\\xe9: a",
        "(X): a", "X",
    ],
)  # fmt: skip
def test_what_is_no_field_line_is_an_error(line: str) -> None:
    with pytest.raises(ProtocolError):
        get(f"S: HTTP/1.1 200 OK\nS: {line}\nS: Content-Length: 0")


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("X:a", "a"), ("X: a", "a"), ("X:\\t a \\t", "a"), ("X:", ""), ("X:  ", ""),
        ("X: a: b", "a: b"),
        ("X: a\nS:  b", "a b"), ("X: a  \nS: \\t  b", "a b"),
        ("X: a\nS:  b\nS: \\tc", "a b c"),
        ("X: \\xe9", "\udce9"), ('X: "a, b"', '"a, b"'), ("x: a", "a"),
    ],
)  # fmt: skip
def test_a_field_is_a_name_and_a_value(lines: str, value: str) -> None:
    found = get(f"S: HTTP/1.1 200 OK\nS: {lines}\nS: Content-Length: 0")
    assert found.headers.get("X") == value
    assert len(found.headers) == 2


def test_a_head_without_an_end_is_given_up() -> None:
    for line in ("X: " + "x" * 1000, "X:" + " " * 60_000):
        with pytest.raises(LimitExceeded):
            get("S: HTTP/1.1 200 OK" + f"\nS: {line}" * (400 if len(line) < 2000 else 6))


def test_too_many_interim_responses_are_given_up() -> None:
    with pytest.raises(LimitExceeded):
        get("S: HTTP/1.1 103 Early Hints\nS:\n" * 100 + "S: HTTP/1.1 204 No Content")


def test_fields_of_one_name_are_found_in_any_case_and_in_order() -> None:
    headers = Headers([("A", "1"), ("b", "2, 3 ,,\t4"), ("a", "5")])
    assert (headers.get("a"), headers.get_all("A")) == ("1", ["1", "5"])
    assert (headers.get("c"), headers.get("c", "x"), headers.get_all("c")) == (
        None,
        "x",
        [],
    )
    assert headers.tokens("B") == ["2", "3", "4"]


# HTTP: how long a body is, in the order of RFC 9112 section 6.3

# Octets that can be read as a body of any kind.
BODY = b"5\r\nhello\r\n0\r\n\r\n"
ALL, NONE, CHUNKED = BODY, b"", b"hello"


def body(fields: str, method: str = "get", status: str = "HTTP/1.1 200 OK") -> bytes | str:
    """What is taken for the body of a response with these fields, or "error"."""
    lines = "".join(f"\nS: {field}" for field in fields.split("; ") if field)
    try:
        found = get(f"S: {status}{lines}", repr(BODY)[2:-1], f"{method}('/')")
        return bytes(found.body)
    except ProtocolError:
        return "error"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("", ALL),
        ("Content-Length: 0", NONE),
        ("Content-Length: 5", BODY[:5]),
        ("content-length: 005", BODY[:5]),
        ("Content-Length: 5; Content-Length: 5", BODY[:5]),
        ("Content-Length: 5, 5", BODY[:5]),
        ("Content-Length: 5; Content-Length: 6", "error"),
        ("Content-Length: 5, 6", "error"),
        ("Content-Length: 5, x", "error"),
        ("Content-Length: ", "error"),
        ("Content-Length: ,", "error"),
        ("Content-Length: +5", "error"),
        ("Content-Length: -5", "error"),
        ("Content-Length: 1_0", "error"),
        ("Content-Length: 0x5", "error"),
        ("Content-Length: 5.0", "error"),
        ("Content-Length: 5 5", "error"),
        ("Content-Length: \uff15", "error"),
        ("Content-Length: \u00b2", "error"),
        ("Content-Length: " + "1" + "0" * 20, "error"),
        ("Content-Length: five", "error"),
        ("Transfer-Encoding: chunked", CHUNKED),
        ("transfer-encoding: CHUNKED", CHUNKED),
        ("Transfer-Encoding: chunked; Content-Length: 5", "error"),
        ("Transfer-Encoding: chunked; Transfer-Encoding: chunked", "error"),
        ("Transfer-Encoding: chunked, chunked", "error"),
        ("Transfer-Encoding: gzip, chunked", "error"),
        ("Transfer-Encoding: chunked, gzip", "error"),
        ("Transfer-Encoding: gzip", "error"),
        ("Transfer-Encoding: identity", "error"),
        ("Transfer-Encoding: xchunked", "error"),
        ("Transfer-Encoding: chunked;q=1", "error"),
    ],
)
def test_a_body_is_as_long_as_one_can_be_sure_of(fields: str, found: bytes | str) -> None:
    assert body(fields) == found


@pytest.mark.parametrize("fields", ["", "Content-Length: 5", "Transfer-Encoding: chunked"])
def test_some_responses_have_no_body_whatever_they_say(fields: str) -> None:
    assert body(fields, "head") == NONE
    assert body(fields, status="HTTP/1.1 204 No Content") == NONE
    assert body(fields, status="HTTP/1.1 304 Not Modified") == NONE


def test_http_1_0_has_no_chunks() -> None:
    assert body("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK") == "error"
    assert body("Content-Length: 5", status="HTTP/1.0 200 OK") == BODY[:5]


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (b"5", 5), (b"00A", 10), (b"fF", 255), (b"5;x", 5), (b"5 ; x=y", 5),
        (b"5;x=\"a b\"", 5),
        (b"5\t", 5), (b"0", 0), (b"0x5", None), (b"+5", None), (b"-5", None),
        (b"1_0", None),
        (b"", None), (b" 5", None), (b";x", None), (b"5x", None), (b"5,", None),
        (b"5 5", None),
        (b"\xef\xbc\x95", None), (b"f" * 17, None), (b"5;\0", None), (b"5;\r", None),
        (b"g", None),
    ],
)  # fmt: skip
def test_the_size_of_a_chunk_is_hexadecimal_digits(line: bytes, size: int | None) -> None:
    if size is None:
        with pytest.raises(ProtocolError):
            chunk_size(line)
    else:
        assert chunk_size(line) == size


@pytest.mark.parametrize(
    "body",
    [
        "3\\r\\nabcd\\r\\n0\\r\\n\\r\\n", "5\\r\\nabc\\r\\n0\\r\\n\\r\\n",
        "3\\nabc\\n0\\n\\n",
        "3\\r\\nabc0\\r\\n\\r\\n", "3\\r\\nabc\\r\\n", "3\\r\\nabc\\r\\n0\\r\\n",
        "3\\r\\nabc\\r\\n0\\r\\nX : y\\r\\n\\r\\n", "3\\r\\nabc\\r\\n0\\r\\nX\\r\\n\\r\\n",
        "3;" + "x" * 70_000 + "\\r\\nabc\\r\\n0\\r\\n\\r\\n",
        "3\\r\\nabc\\n\\r\\n0\\r\\n\\r\\n",
    ],
)  # fmt: skip
def test_chunks_that_do_not_fit_are_an_error(body: str) -> None:
    with pytest.raises(WireError):
        get("S: HTTP/1.1 200 OK\nS: Transfer-Encoding: chunked", body)


@pytest.mark.parametrize(
    "body", ["3\\r\\nabcd\\r\\n0\\r\\n\\r\\n", "9000\\r\\n" + "x" * 40_000]
)
def test_a_chunk_that_is_longer_than_its_size_is_said_to_be(body: str) -> None:
    with pytest.raises(ProtocolError, match="chunk"):
        get("S: HTTP/1.1 200 OK\nS: Transfer-Encoding: chunked", body)


def test_a_body_may_have_its_limit_and_no_octet_more() -> None:
    for head in ("Content-Length: 5\nS: X: y", "Transfer-Encoding: chunked"):
        body = "5\\r\\nabcde\\r\\n0\\r\\n\\r\\n" if "chunked" in head else "abcde"
        assert (
            get(f"S: HTTP/1.1 200 OK\nS: {head}", body, "get('/', limit=5)").body
            == b"abcde"
        )
        with pytest.raises(LimitExceeded):
            get(f"S: HTTP/1.1 200 OK\nS: {head}", body, "get('/', limit=4)")


# HTTP: requests (RFC 9112 section 3)


def test_a_request_is_a_line_and_fields() -> None:
    assert request_line("GET", "/?q=%20") == "GET /?q=%20 HTTP/1.1\r\n"
    lines = field_lines([("Host", "a"), ("X-Empty", "")])
    assert re.fullmatch(r"Host: a\r\nX-Empty: ?\r\n\r\n", lines)


@pytest.mark.parametrize(
    ("method", "target", "name", "value"),
    [
        ("GET /", "/", "X", "y"), ("", "/", "X", "y"), ("GE\rT", "/", "X", "y"),
        ("GET", "", "X", "y"), ("GET", "/a b", "X", "y"), ("GET", "/\r\n", "X", "y"),
        ("GET", "/é", "X", "y"), ("GET", "/\x7f", "X", "y"), ("GET", "/", "", "y"),
        ("GET", "/", "X:", "y"), ("GET", "/", "X Y", "y"), ("GET", "/", "X", "y\r\nZ: z"),
        ("GET", "/", "X", "y\0"), ("GET", "/", "X\n", "y"),
    ],
)  # fmt: skip
def test_a_request_that_could_be_read_otherwise_is_not_sent(
    method: str, target: str, name: str, value: str
) -> None:
    with pytest.raises(ValueError):
        request_line(method, target) + field_lines([(name, value)])


class Pipe(io.RawIOBase):
    """A file that cannot be asked how long it is."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b"abc", "C: Content-Length: 3\nC:\nC: abc\\"),
        (io.BytesIO(b"abc"), "C: Content-Length: 3\nC:\nC: abc\\"),
        (Pipe([b"ab", b"c"]),
         "C: Transfer-Encoding: chunked\nC:\nC: 2\nC: ab\nC: 1\nC: c\nC: 0\nC:"),
        (Pipe([]), "C: Transfer-Encoding: chunked\nC:\nC: 0\nC:"),
    ],
)  # fmt: skip
def test_the_body_of_a_request_has_a_length_or_chunks(body: Any, sent: str) -> None:
    script = f"C: PUT /a HTTP/1.1\nC: Host: {{here}}\n{sent}\nS: HTTP/1.1 204 done\nS:"
    with (
        served(Server(read(script).events)) as port,
        HTTP("127.0.0.1", port, timeout=PATIENCE) as c,
    ):
        assert c.put("/a", body).status == 204


# Authentication (RFC 4616, RFC 2195)


def test_the_mechanisms_say_what_their_rfcs_print() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    said = sasl.cram_md5("tim", "tanstaaftanstaaf", challenge, 0)
    assert said == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert sasl.plain("tim", "tanstaaftanstaaf", b"", 0) == b"\0tim\0tanstaaftanstaaf"
    assert [sasl.login("a", "b", b"", turn) for turn in (0, 1)] == [b"a", b"b"]
    assert (
        sasl.plain("\udce9", "\udcff", b"", 0) == b"\0\xe9\0\xff"
    )  # no UTF-8, as in text()


def test_the_strongest_mechanism_is_chosen_unless_one_is_named() -> None:
    assert sasl.choose(["login", "plain", "GSSAPI", "cram-md5"]) == "CRAM-MD5"
    assert sasl.choose(["LOGIN", "PLAIN"]) == "PLAIN"
    assert sasl.choose(["LOGIN", "PLAIN"], "login") == "LOGIN"
    for offered, wanted in ((["GSSAPI"], None), ([], None), (["PLAIN"], "CRAM-MD5")):
        with pytest.raises(ValueError, match="the server offers"):
            sasl.choose(offered, wanted)


@pytest.mark.parametrize("challenge", ["!", "ab", "YQ", "YQ==x", "é", "Y Q=="])
def test_a_challenge_is_base64(challenge: str) -> None:
    assert sasl.decode("YQ==") == b"a"
    with pytest.raises(ProtocolError):
        sasl.decode(challenge)


# Telnet: data and commands (RFC 854)

IAC, SB, SE, NOP = telnet.IAC, telnet.SB, telnet.SE, 241
OPTION = st.sampled_from([telnet.ECHO, telnet.NAWS, telnet.TTYPE, telnet.BINARY, 99, 255])
PART = st.one_of(
    st.sampled_from([b"a", b"\r\n", b"\r\0", b"\r", b"\0", b"\xff\xff", bytes([IAC, NOP])]),
    st.tuples(st.sampled_from([251, 252, 253, 254]), OPTION).map(
        lambda two: bytes([IAC, *two])
    ),
    st.tuples(OPTION, st.sampled_from([b"", b"\1", b"x\xff\xffy", b"\xff\xff\xf0"])).map(
        lambda two: bytes([IAC, SB, two[0]]) + two[1] + bytes([IAC, SE])
    ),
)


@contextlib.contextmanager
def telnets(sizes: list[int], **options: Any) -> Iterator[tuple[Telnet, socket.socket]]:
    """A client that receives pieces of these sizes, and its server's end."""
    port = listening("telnet").getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", dripping(sizes))
        client = Telnet("127.0.0.1", port, timeout=PATIENCE, **options)
    server, _ = listener("telnet").accept()
    server.settimeout(PATIENCE)
    with server, client:
        yield client, server


def conversation(said: bytes, sizes: list[int]) -> tuple[bytes, bytes]:
    """What a client reads, and what it says."""
    agree = {telnet.ECHO, telnet.NAWS, telnet.TTYPE}
    with telnets(sizes, agree=agree) as (client, server):
        server.sendall(said)
        server.shutdown(socket.SHUT_WR)
        data = client.read_all()
        client.close()
        return data, receive(server, 10_000)


def data_of(said: bytes) -> bytes:
    """The data in a stream of whole commands, octet by octet. BINARY is never on."""
    data, octets = b"", iter(said)
    for octet in octets:
        if octet != IAC:
            data += bytes([octet])
        elif (command := next(octets)) == IAC:
            data += b"\xff"
        elif command in (251, 252, 253, 254):
            next(octets)
        elif command == SB:
            next(octets)
            while next(octets) != IAC or next(octets) == IAC:
                pass
    return data.replace(b"\r\0", b"\r")


@quick
@given(st.lists(PART, max_size=12).map(b"".join), st.lists(st.integers(1, 4), min_size=1))
@example(b"\r\xff\xf1\0", [1])
@example(b"\r\xff\xff\0", [2])
def test_telnet_is_read_alike_in_whatever_pieces_it_comes(
    said: bytes, sizes: list[int]
) -> None:
    data, answers = conversation(said, [100_000])
    assert data == data_of(said)
    assert conversation(said, sizes) == (data, answers)


@settings(deadline=None)
@given(st.binary(max_size=30))
def test_what_is_written_can_be_read_back(data: bytes) -> None:
    data = data.replace(b"\r", b"\r\n").replace(b"\r\n\n", b"\r\n")
    with telnets([100_000]) as (client, server):
        client.write(data)
        client.close()
        assert data_of(receive(server, 10_000)) == data


# Telnet: the Q method (RFC 1143 section 7)

YES, NO, WANTNO, WANTYES, EMPTY, OPPOSITE = (
    "YES",
    "NO",
    "WANTNO",
    "WANTYES",
    "EMPTY",
    "OPPOSITE",
)


class Side:
    """One side of one option, as RFC 1143 section 7 prints it, in words of `him`."""

    def __init__(self, agrees: bool) -> None:
        self.him, self.himq, self.agrees = NO, EMPTY, agrees
        self.said = ""

    def received_will(self) -> None:
        if self.him == NO:
            if self.agrees:
                self.him = YES
                self.said += "DO "
            else:
                self.said += "DONT "
        elif self.him == WANTNO:  # an error: DONT answered by WILL
            self.him = YES if self.himq == OPPOSITE else NO
            self.himq = EMPTY
        elif self.him == WANTYES:
            if self.himq == EMPTY:
                self.him = YES
            else:
                self.him, self.himq = WANTNO, EMPTY
                self.said += "DONT "

    def received_wont(self) -> None:
        if self.him == YES:
            self.him = NO
            self.said += "DONT "
        elif self.him == WANTNO:
            if self.himq == EMPTY:
                self.him = NO
            else:
                self.him, self.himq = WANTYES, EMPTY
                self.said += "DO "
        elif self.him == WANTYES:
            self.him, self.himq = NO, EMPTY

    def ask_to_enable(self) -> None:
        self.agrees = True  # who asks for an option agrees to it
        if self.him == NO:
            self.him = WANTYES
            self.said += "DO "
        elif self.him == WANTNO:
            self.himq = OPPOSITE
        elif self.him == WANTYES:
            self.himq = EMPTY

    def ask_to_disable(self) -> None:
        self.agrees = False
        if self.him == YES:
            self.him = WANTNO
            self.said += "DONT "
        elif self.him == WANTNO:
            self.himq = EMPTY
        elif self.him == WANTYES:
            self.himq = OPPOSITE


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_first_response_goes_with_auth_if_the_command_has_255_octets(
    more: int, fits: bool
) -> None:
    said: list[str] = []
    sasl.converse("PLAIN", "u", "p" * (177 + more), said.append)
    assert (said[0] != "AUTH PLAIN") is fits


@pytest.mark.parametrize(
    ("port", "tls", "host"),
    [(None, False, "h"), (80, True, "h:80"), (443, True, "h"), (443, False, "h:443")],
)
def test_host_names_the_port_unless_it_is_the_schemes_own(
    port: int | None, tls: bool, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protoclients.http1.Wire", lambda *_, **__: None)
    assert HTTP("h", port, tls=tls)._host == ("Host", host)


def test_a_moment_is_said_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    assert moment(datetime(2026, 1, 1, 2, tzinfo=east)) == "20251231 210000 GMT"


def test_the_collector_of_cycles_is_left_as_it_was() -> None:
    gc.disable()
    try:
        with many_objects():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    gc.freeze()
    try:
        with many_objects():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


EVENTS = ("received_will", "received_wont", "ask_to_enable", "ask_to_disable")
# For each side: what the peer says for yes and no, and what we say.
THEIRS = {"received_will": 251, "received_wont": 252, "DO": 253, "DONT": 254}
OURS = {"received_will": 253, "received_wont": 254, "DO": 251, "DONT": 252}
FREE = [option for option in range(32, 255) if option != telnet.NAWS]


@pytest.mark.parametrize("agrees", [True, False])
@pytest.mark.parametrize("names", [THEIRS, OURS], ids=["theirs", "ours"])
def test_options_are_negotiated_by_the_q_method(
    names: dict[str, int], agrees: bool
) -> None:
    every = [
        events for size in range(1, 6) for events in itertools.product(EVENTS, repeat=size)
    ]
    for start in range(0, len(every), len(FREE)):
        negotiate(every[start : start + len(FREE)], names, agrees)


def negotiate(every: list[tuple[str, ...]], names: dict[str, int], agrees: bool) -> None:
    """Play each sequence of events with an option of its own, all over one connection."""
    with telnets([100_000], agree=FREE if agrees else ()) as (client, server):
        for option, events in zip(FREE, every, strict=False):
            side = Side(agrees)
            for event in events:
                getattr(side, event)()
                if event in names:
                    server.sendall(bytes([IAC, names[event], option]) + b".")
                    assert client.read_until(b".") == b"."
                else:
                    client.ask(names["DO" if event == "ask_to_enable" else "DONT"], option)
            wanted = b"".join(
                bytes([IAC, names[word], option]) for word in side.said.split()
            )
            assert receive_now(client, server, len(wanted)) == wanted, (events, side.said)


def receive_now(client: Telnet, server: socket.socket, count: int) -> bytes:
    """What the client has said so far: so many octets, and none after them."""
    client.write(b"!")
    return receive(server, count + 1, until=b"!").removesuffix(b"!")
