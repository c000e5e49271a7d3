"""The comparison: both conversations aligned, and what was done unasked."""

import contextlib
import functools
import gc
import json
import re
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import protoclients.jobs
from protoclients import alignment, unasked
from protoclients import comparison as module
from protoclients.alignment import MOST_CELLS, Key, aligned, in_words, paired
from protoclients.cli import main
from protoclients.commands import compare as verb
from protoclients.commands import demo
from protoclients.comparison import Comparison, compare, differing
from protoclients.conversation import conversations
from protoclients.fixtures import Lab
from protoclients.jobs import FILES, Job, all_jobs, jobs_of
from protoclients.recorder import Call
from protoclients.unasked import RULES
from protoclients.views.aligned import as_dict, text, wrapped

ALL = all_jobs()
EACH = pytest.mark.parametrize("job", ALL, ids=lambda job: f"{job.protocol}-{job.name}")
MARKS = {"same", "differs", "only by hand", "only by library"}
# The Lab's password, and what is made of it.
SECRETS = ("lab-secret", "c3R1ZGVudDpsYWItc2VjcmV0", "AHN0dWRlbnQAbGFiLXNlY3JldA")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@functools.cache
def cached(job: Job, lab: Lab) -> Comparison:
    return compare(job, lab)


def of(lab: Lab, protocol: str, name: str) -> Comparison:
    (job,) = (job for job in jobs_of(protocol) if job.name == name)
    return cached(job, lab)


# Every job


@EACH
def test_each_step_is_in_one_row_and_in_its_order(job: Job, lab: Lab) -> None:
    found = cached(job, lab)
    assert [row.left for row in found.rows if row.left] == found.by_hand.steps
    assert [row.right for row in found.rows if row.right] == found.by_library.steps
    for row in found.rows:
        assert row.mark in MARKS
        assert (row.left is None) == (row.mark == "only by library")
        assert (row.right is None) == (row.mark == "only by hand")
        assert row.why or row.mark != "differs"
        if row.left and row.right:
            assert (row.left.speaker, row.left.kind) == (row.right.speaker, row.right.kind)


@EACH
def test_results_are_equal_and_figures_are_there(job: Job, lab: Lab) -> None:
    found = cached(job, lab)
    assert (found.same, found.difference, found.timed) == (True, "", True)
    for side in (found.by_hand, found.by_library):
        figures = side.figures()
        assert side.seconds > 0
        assert min(figures.values()) > 0
        assert figures["calls_made"] > figures["segments"] > figures["round_trips"]


@EACH
def test_nothing_is_wider_than_told(job: Job, lab: Lab) -> None:
    for width, code in ((40, False), (80, True), (100, True), (132, False)):
        shown = text(cached(job, lab), width, code=code)
        assert max(map(cell_len, shown.split("\n"))) <= width
        assert not re.search("[\0-\x09\x0b-\x1f]", shown)
        painted = text(cached(job, lab), width, code=code, colour=True)
        assert re.sub(r"\x1b\[[0-9]*m", "", painted) == shown


@EACH
def test_no_secret_is_in_any_output(job: Job, lab: Lab) -> None:
    found = cached(job, lab)
    outputs = [
        text(found, 80, code=True),
        text(found, 120),
        str(found),
        found._repr_html_(),
    ]
    outputs.append(json.dumps(as_dict(found)))
    for shown in outputs:
        assert not [secret for secret in SECRETS if secret in shown]


@EACH
def test_json_has_every_row(job: Job, lab: Lab) -> None:
    found = cached(job, lab)
    read = json.loads(json.dumps(as_dict(found)))
    assert (read["protocol"], read["job"], read["same"]) == (job.protocol, job.name, True)
    assert [row["mark"] for row in read["rows"]] == [row.mark for row in found.rows]
    assert read["by_hand"]["client"] == job.hand
    assert read["by_library"]["round_trips"] == found.by_library.figures()["round_trips"]


@EACH
def test_every_remark_has_a_reason(job: Job, lab: Lab) -> None:
    found = cached(job, lab)
    for remark in (*found.unasked_by_hand, *found.unasked_by_library):
        assert remark.what and remark.why and remark.times > 0
        assert re.fullmatch(r"(RFC \d+( section [\d.]+)?)?", remark.source)


# What each library does unasked: told by its source


def told(remarks: list[Any]) -> list[tuple[str, str, int]]:
    return [
        (re.sub(r"(?<=:)\d{4,5}$", "PORT", remark.what), remark.source[4:], remark.times)
        for remark in remarks
    ]


HOST = ("Host: 127.0.0.1:PORT", "9112 section 3.2", 1)
IDENTITY = ("Accept-Encoding: identity", "9110 section 12.5.3", 1)
QUIT = {
    "smtp": ("QUIT", "5321 section 4.1.1.10", 1),
    "pop3": ("QUIT, and so UPDATE", "1939 section 6", 1),
    "nntp": ("QUIT", "3977 section 5.4", 1),
    "ftp": ("QUIT", "959 section 4.1.1", 1),
}
IMAGE = ("TYPE I", "959 section 3.1.1.3", 1)
NOT_FOLLOWED = ("the host 127,0,0,1 not followed", "959 section 4.1.2", 1)
REFUSED = "answered IAC DONT ECHO, DONT SGA, WONT TTYPE, WONT NAWS"
DOTS = ("a dot put before a dot", "5321 section 4.5.2", 3)
REPLY = ("read, and not returned: 250 OK, delivered", "5321 section 4.2.5", 1)
GREETING = "read, and thrown away: 220 lab.example.test ESMTP protoclients Lab"
FROM_TO = "ehlo, mail from:, rcpt to:, data"


def version(**python: str) -> str:
    """What is so in this version of Python."""
    import sys

    return python["old"] if sys.version_info < (3, 13) else python["new"]


def test_http_by_url(lab: Lab) -> None:
    found = of(lab, "http", "page-by-url")
    assert told(found.unasked_by_hand) == [HOST]
    *fields, agent, close = told(found.unasked_by_library)
    assert fields == [HOST, IDENTITY]
    assert re.fullmatch(r"User-Agent: Python-urllib/3\.\d+", agent[0])
    assert agent[1:] == ("9110 section 10.1.5", 1)
    assert close == ("Connection: close", "9112 section 9.6", 1)


def test_http_form_and_xml_rpc_get_a_content_type(lab: Lab) -> None:
    form = told(of(lab, "http", "form").unasked_by_library)
    kind = "Content-Type: application/x-www-form-urlencoded"
    assert (kind, "9110 section 8.3", 1) in form
    assert ("Content-Length: 39", "9112 section 6.2", 1) in form
    call = told(of(lab, "http", "xml-rpc").unasked_by_library)
    assert ("Content-Type: text/xml", "9110 section 8.3", 1) in call
    assert ("Accept-Encoding: gzip", "9110 section 12.5.3", 1) in call
    # by hand the job says the type itself
    assert told(of(lab, "http", "form").unasked_by_hand) == [
        HOST,
        ("Content-Length: 39", "9112 section 6.2", 1),
    ]


def test_http_103_401_and_trailer(lab: Lab) -> None:
    hints = of(lab, "http", "early-hints")
    taken = ("HTTP/1.1 103 Early Hints: taken for the response", "9110 section 15.2", 1)
    kept = ("HTTP/1.1 103 Early Hints: read, and kept in .interim", "9110 section 15.2", 1)
    assert told(hints.unasked_by_library)[-1] == taken
    assert told(hints.unasked_by_hand)[-1] == kept
    again = told(of(lab, "http", "basic-auth").unasked_by_library)
    what = "HTTP/1.1 401 Unauthorized: answered by a second request"
    assert (what, "9110 section 15.5.2", 1) in again
    trailer = told(of(lab, "http", "chunked-page").unasked_by_library)[-1]
    assert trailer[0].startswith("read and thrown away: Content-Digest: ")
    assert trailer[1] == "9112 section 7.1.2"


def test_smtp_send(lab: Lab) -> None:
    found = of(lab, "smtp", "awkward-dots")
    assert told(found.unasked_by_hand) == [
        ("EHLO [127.0.0.1]", "5321 section 3.2", 1),
        ("SIZE=165 on MAIL", "1870 section 6", 1),
        ("MAIL, RCPT and DATA in one go", "2920 section 3.1", 1),
        DOTS,
        REPLY,
        QUIT["smtp"],
    ]
    lower = version(
        old=FROM_TO.replace("from:", "FROM:").replace("to:", "TO:"), new=FROM_TO
    )
    assert told(found.unasked_by_library) == [
        (GREETING, "5321 section 3.1", 1),
        (f"in lower case: {lower}", "5321 section 2.4", 5),
        ("ehlo [127.0.0.1]", "5321 section 3.2", 1),
        ("size=165 on MAIL", "1870 section 6", 1),
        DOTS,
        REPLY,
        QUIT["smtp"],
    ]


def test_smtp_ehlo_is_said_again_after_tls_and_rset_after_a_no(lab: Lab) -> None:
    login = of(lab, "smtp", "login-under-tls")
    assert ("ehlo [127.0.0.1]", "5321 section 3.2", 2) in told(login.unasked_by_library)
    assert ("EHLO [127.0.0.1]", "5321 section 3.2", 1) in told(login.unasked_by_hand)
    chosen = ("CRAM-MD5 chosen to log in by", "4954 section 3", 1)
    assert chosen in told(login.unasked_by_library)
    nobody = of(lab, "smtp", "nobody-left")
    assert ("rset", "5321 section 4.1.1.5", 1) in told(nobody.unasked_by_library)
    assert ("RSET", "5321 section 4.1.1.5", 1) in told(nobody.unasked_by_hand)


def test_smtp_what_the_job_says_itself_is_asked_for(lab: Lab) -> None:
    step_by_step = of(lab, "smtp", "step-by-step")
    assert told(step_by_step.unasked_by_hand) == [DOTS, QUIT["smtp"]]
    umlauts = of(lab, "smtp", "umlauts")
    by_hand = told(umlauts.unasked_by_hand)
    assert ("BODY=8BITMIME on MAIL", "6152 section 3", 1) in by_hand
    assert ("SMTPUTF8 on MAIL", "6531 section 3.4", 1) in by_hand
    by_library = {what for what, _, _ in told(umlauts.unasked_by_library)}
    assert not {"BODY=8BITMIME on MAIL", "SMTPUTF8 on MAIL"} & by_library


def test_pop3_three_mails(lab: Lab) -> None:
    found = of(lab, "pop3", "fetch-at-once")
    capa = ("CAPA before the first of many", "2449 section 6.6", 1)
    assert told(found.unasked_by_hand) == [capa, QUIT["pop3"]]
    assert told(found.unasked_by_library) == [
        ("blocks cut into lines, without their ends", "1939 section 3", 3),
        ("shutdown() before close()", "", 1),
    ]


def test_pop3_capa_before_stls(lab: Lab) -> None:
    found = told(of(lab, "pop3", "start-tls").unasked_by_library)
    assert ("CAPA before STLS", "2595 section 4", 1) in found


def test_pop3_hanging_up_was_asked_for(lab: Lab) -> None:
    assert told(of(lab, "pop3", "delete").unasked_by_hand) == []


def test_nntp_overview(lab: Lab) -> None:
    found = of(lab, "nntp", "table-of-contents")
    assert told(found.unasked_by_hand) == [QUIT["nntp"]]
    assert told(found.unasked_by_library) == [
        ("CAPABILITIES", "3977 section 5.2", 1),
        ("blocks cut into lines, without their ends", "3977 section 3.1.1", 3),
        ("LIST OVERVIEW.FMT", "3977 section 8.4", 1),
        QUIT["nntp"],
    ]


def test_nntp_login_is_in_lower_case_and_asks_again(lab: Lab) -> None:
    found = told(of(lab, "nntp", "post-after-login").unasked_by_library)
    assert ("CAPABILITIES", "3977 section 5.2", 2) in found
    lower = "in lower case: authinfo user, authinfo pass"
    assert (lower, "3977 section 3.1", 2) in found


def test_ftp_fetch(lab: Lab) -> None:
    found = of(lab, "ftp", "fetch")
    epsv = ("EPSV", "2428 section 3", 1)
    assert told(found.unasked_by_hand) == [IMAGE, epsv, QUIT["ftp"]]
    pasv = ("PASV", "959 section 4.1.2", 1)
    assert told(found.unasked_by_library) == [IMAGE, pasv, NOT_FOLLOWED, QUIT["ftp"]]


def test_ftp_by_url(lab: Lab) -> None:
    found = {what for what, _, _ in told(of(lab, "ftp", "fetch-by-url").unasked_by_library)}
    passed_over = "read, and passed over: 226 Transfer complete."
    assert {"CWD pub/history", "no QUIT", passed_over, "TYPE I", "PASV"} <= found


def test_ftp_tls_and_types(lab: Lab) -> None:
    tls = of(lab, "ftp", "both-under-tls")
    assert ("AUTH TLS before USER", "4217 section 4", 1) in told(tls.unasked_by_library)
    assert ("PROT P", "4217 section 9", 1) in told(tls.unasked_by_hand)
    assert "PROT P" not in {what for what, _, _ in told(tls.unasked_by_library)}
    ascii_type = ("TYPE A", "959 section 3.1.1.1", 1)
    assert ascii_type in told(of(lab, "ftp", "listing").unasked_by_library)
    # the job says one TYPE I itself
    assert IMAGE in told(of(lab, "ftp", "resume").unasked_by_library)
    active = ("PORT", "959 section 4.1.2", 1)
    assert active in told(of(lab, "ftp", "active").unasked_by_library)


def test_telnet_255(lab: Lab) -> None:
    found = of(lab, "telnet", "octet-255")
    rest = [
        ("read and left out: IAC GA", "854", 3),
        ("255 doubled", "854", 1),
        ("255 halved", "854", 1),
    ]
    assert told(found.unasked_by_hand) == [(REFUSED, "1143 section 7", 4), *rest]
    by_library = [one for one in told(found.unasked_by_library) if "pieces" not in one[0]]
    assert by_library == [(REFUSED, "854", 4), *rest]


def test_echo_does_nothing_unasked(lab: Lab) -> None:
    for job in jobs_of("echo"):
        found = cached(job, lab)
        assert (found.unasked_by_hand, found.unasked_by_library) == ([], [])


def test_every_rule_is_well_formed() -> None:
    for rule in RULES:
        assert all(name in FILES for name in rule.protocol.split("|"))
        assert re.match("[CS-] [a-z]+", rule.of)
        re.compile(rule.pattern)
        assert rule.what.format("x") and rule.why and "\n" not in rule.why
        assert re.fullmatch(r"(\d+( [\d.]+)?)?", rule.source)


# Steps beside each other


def keys(words: str) -> list[Key]:
    """A word is a step: what stands before the slash has to be the same in a row."""
    return [Key((word.partition("/")[0],), word, word, 1) for word in words.split()]


@pytest.mark.parametrize(
    ("left", "right", "rows"),
    [
        ("", "", ""),
        ("a b c", "a b c", "aa bb cc"),
        ("a c", "a b c", "aa .b cc"),
        ("a b c", "c", "a. b. cc"),
        ("a/1 a/2", "a/2", "1. 22"),
        ("a/1", "a/2 a/1", ".2 11"),
        ("a b", "b a", "a. bb .a"),
    ],
)
def test_what_has_the_most_in_common_stands_together(
    left: str, right: str, rows: str
) -> None:
    ours, theirs = keys(left), keys(right)
    found = [
        ("." if a is None else ours[a].text[-1])
        + ("." if b is None else theirs[b].text[-1])
        for a, b in paired(ours, theirs)
    ]
    assert " ".join(found) == rows


@given(st.text("abc", max_size=12), st.text("abc", max_size=12), st.booleans())
def test_alignment_loses_nothing(left: str, right: str, rough: bool) -> None:
    ours, theirs = (keys(" ".join(side)) for side in (left, right))
    find = alignment._roughly_paired if rough else paired
    pairs = find(ours, theirs)
    assert [a for a, _ in pairs if a is not None] == [*range(len(ours))]
    assert [b for _, b in pairs if b is not None] == [*range(len(theirs))]
    assert all(a is not None or b is not None for a, b in pairs)


def test_very_long_conversations_are_aligned_soon() -> None:
    many = int(MOST_CELLS**0.5) + 10
    ours = keys(" ".join(f"a/{n}" for n in range(many)))
    assert paired(ours, ours[1:])[:2] == [(0, None), (1, 0)]


@pytest.mark.parametrize(
    ("kind", "left", "right", "words"),
    [
        ("command", "MAIL FROM:<a> SIZE=1", "mail from:<a> size=1", "case"),
        ("command", "MAIL FROM:<a>", "MAIL FROM:<a> SIZE=1",
         "parameter added by library: SIZE=1"),
        ("command", "MAIL FROM:<a> SIZE=1", "mail FROM:<a>",
         "case; parameter added by hand: SIZE=1"),
        ("command", "MAIL FROM:<a> BODY=7BIT SIZE=1", "MAIL FROM:<a> SIZE=1 BODY=7BIT",
         "another order"),
        ("command", "EPSV", "PASV", "another command: EPSV by hand, PASV by library"),
        ("command", "RETR a/b", "RETR b", "a/b by hand, b by library"),
        ("command", "LIST  ACTIVE", "LIST ACTIVE", "spaces or line ends"),
        ("reply", "229 a", "227 a", "another reply: 229 by hand, 227 by library"),
        ("reply", "250 a", "250 b", "text"),
        ("reply", "250-a\n250-b\n250 c", "250-b\n250-a\n250 c", "another order"),
        ("block", "a\nb\n.", "a\n.", "1 line only by hand"),
        ("head", "GET / HTTP/1.1\nHost: a", "GET / HTTP/1.1\nHost: a\nX: 1\nY: 2",
         "headers added by library: X, Y"),
        ("head", "GET / HTTP/1.1\nA: 1\nB: 2", "GET / HTTP/1.1\nB: 2\nA: 1",
         "another order"),
        ("head", "GET / HTTP/1.1\nA: 1", "GET / HTTP/1.1\na: 2", "another value: A; case"),
        ("head", "GET /a HTTP/1.1", "GET /b HTTP/1.1",
         "first line: GET /a HTTP/1.1 by hand, GET /b HTTP/1.1 by library"),
        ("data", "", "x", "text"),
    ],
)  # fmt: skip
def test_what_differs_is_told_in_words(
    kind: str, left: str, right: str, words: str
) -> None:
    assert in_words(kind, left, right) == words


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Date: Sun, 22 Nov 2026 14:36:40 GMT", "Date: Mon, 23 Nov 2026 01:02:03 GMT"),
        ("227 Entering (127,0,0,1,180,4).", "227 Entering (127,0,0,1,9,44)."),
        ("229 Extended (|||4242|)", "229 Extended (|||50505|)"),
        ("EPRT |1|127.0.0.1|4242|", "EPRT |1|127.0.0.1|50505|"),
        ("+OK <1896.697170952@host.example>", "+OK <1d2e3f4a5b6c@host.example>"),
        ("111 20261122143640", "111 20261123010203"),
        ("213 20261122143640.123", "213 20261123010203"),
        ("250 2.0.0 Ok: queued as 4FZ1", "250 2.0.0 Ok: queued as 5GX2"),
        ("334 PDE4OTYuNjk3MTcwOTUyQGE+", "334 PDE4OTcuNjk3MTcwOTUzQGE+"),
        ("connect to 127.0.0.1:50505", "connect to 127.0.0.1:4242"),
    ],
)
def test_what_varies_with_time_is_no_difference(left: str, right: str) -> None:
    assert alignment.normal(left) == alignment.normal(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [("RETR 1", "RETR 2"), ("OVER 1-30", "OVER 1-31"), ("250 SIZE 10", "250 SIZE 20")],
)
def test_what_was_meant_is_a_difference(left: str, right: str) -> None:
    assert alignment.normal(left) != alignment.normal(right)


def test_pipelined_replies_are_another_order(lab: Lab) -> None:
    rows = of(lab, "pop3", "fetch-at-once").rows
    said = {(row.mark, row.why) for row in rows if row.why.startswith("another order")}
    assert said == {
        ("only by library", "another order: it is later by hand"),
        ("only by hand", "another order: it is earlier by library"),
    }


def test_the_request_with_the_password_stands_beside_the_second_one(lab: Lab) -> None:
    rows = of(lab, "http", "basic-auth").rows
    for line in ("GET /basic-auth HTTP/1.1", "HTTP/1.1 200"):
        (row,) = (row for row in rows if row.left and row.left.text.startswith(line))
        assert row.right is not None
        assert row.right.text.startswith(line)
        assert ("Authorization" in row.right.text) == line.startswith("GET")


# Results


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (b"abcd", b"abxd", "from octet 2 on b'cd' by hand, b'xd' by library"),
        ("a", "ab", "1 and 2 characters, from character 1 on '' by hand, 'b' by library"),
        ([1, (2, b"x")], [1, (2, b"y")],
         "at [1][1]: from octet 0 on b'x' by hand, b'y' by library"),
        ({"a": 1}, {"a": 2}, "at ['a']: 1 by hand, 2 by library"),
        ({"a": 1}, {"b": 1}, "{'a': 1} by hand, {'b': 1} by library"),
        (1, "1", "1 by hand, '1' by library"),
        ([1], [1, 2], "[1] by hand, [1, 2] by library"),
        (None, None, ""),
    ],
)  # fmt: skip
def test_where_results_differ_is_told(left: Any, right: Any, words: str) -> None:
    assert differing(left, right) == words


def a_job(by_hand: Any, by_library: Any, protocol: str = "pop3") -> Job:
    return Job(
        protocol, "a-job", "A job", "protoclients.X", "a.library", by_hand, by_library
    )


def test_an_error_on_one_side_is_shown_and_not_raised(lab: Lab) -> None:
    def fails(lab: Lab) -> None:
        raise RuntimeError("no luck")

    found = compare(a_job(lambda lab: 1, fails), lab)
    assert not found.same
    assert found.difference == "by library: RuntimeError: no luck"
    assert "The results DIFFER: by library: RuntimeError: no luck" in text(found)
    assert as_dict(found)["by_library"]["error"] == "RuntimeError: no luck"


def test_where_nothing_can_be_reset_each_side_is_done_once() -> None:
    done: list[str] = []
    job = a_job(lambda lab: done.append("hand"), lambda lab: done.append("library"))
    found = compare(job, SimpleNamespace())
    assert done == ["hand", "library"]
    assert not found.timed
    assert "with the recorder" in text(found)


# Odd conversations


@contextlib.contextmanager
def saying(octets: bytes) -> Iterator[tuple[str, int]]:
    """A server that says this to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = door.accept()
                    with connection:
                        connection.sendall(octets)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(4096):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # libraries leave sockets open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("protocol", ["smtp", "pop3", "nntp", "ftp", "telnet", "http"])
@pytest.mark.parametrize(
    "octets", [b"", b"\xff\xfa", b"220 \x1b[2J\xff\r\n250", b"+OK\r\n" * 40, b"HTTP/1.1 9"]
)
def test_a_server_that_talks_nonsense_is_shown_as_it_is(
    protocol: str, octets: bytes
) -> None:
    with saying(octets) as (host, port):
        there = SimpleNamespace(
            host=host, port=port, tls_port=None, user="student", password="lab-secret"
        )
        name = verb.TELLING[protocol]
        (job,) = (job for job in jobs_of(protocol) if job.name == name)
        found = compare(job, SimpleNamespace(**{protocol: there}, refused="nobody@x.test"))
    gc.collect()
    for width in (80, 120):
        shown = text(found, width, code=True)
        assert max(map(cell_len, shown.split("\n"))) <= width
        assert "\x1b" not in shown and "lab-secret" not in shown
    json.dumps(as_dict(found))


def a_call(number: int, direction: str, data: bytes) -> Call:
    address, name = ("127.0.0.1", 110), "send" if direction == "sent" else "recv"
    return Call(
        number, number / 1000, 0.0001, 1, name, direction, data, len(data), None,
        ("127.0.0.1", 40000), address, "tcp", False, (), "", "", "",
    )  # fmt: skip


SAID = st.lists(
    st.tuples(
        st.sampled_from(["sent", "received"]),
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from(
                [b"+OK\r\n", b"250 a\r\n", b"DATA\r\n", b"..\r\n.\r\n", b"\xff\xfb"]
            ),
        ),
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(SAID, SAID, st.sampled_from([*FILES]))
def test_any_conversations_can_be_compared(ours: Any, theirs: Any, protocol: str) -> None:
    sides = []
    for said in (ours, theirs):
        calls = [a_call(n, *one) for n, one in enumerate(said, 1) if one[1]]
        sides.append(module.Side(conversations=conversations(calls, protocol)))
    left, right = sides
    rows = aligned(left.conversations, right.conversations)
    assert [row.left for row in rows if row.left] == left.steps
    assert [row.right for row in rows if row.right] == right.steps
    asker = unasked.asking(a_job(len, len, protocol), "x.y", len)
    remarks = [unasked.unasked(side.conversations, asker) for side in sides]
    found = Comparison(a_job(len, len, protocol), left, right, rows, *remarks, False)
    for width in (40, 100):
        assert max(map(cell_len, text(found, width, code=True).split("\n"))) <= width
    json.dumps(as_dict(found))


# The view


def test_each_line_tells_whose_it_is(lab: Lab) -> None:
    lines = text(of(lab, "smtp", "awkward-dots"), 80).splitlines()
    assert "hand     C: EHLO [127.0.0.1]" in lines
    assert "library  C: ehlo [127.0.0.1]" in lines
    assert "            differs: case" in lines
    assert "both     S: 221 Bye" in lines


def test_both_stand_beside_each_other_where_there_is_room(lab: Lab) -> None:
    found = of(lab, "smtp", "awkward-dots")
    lines = text(found, 100).splitlines()
    assert any(
        re.fullmatch(r"C: EHLO \[127.0.0.1\] +≠ C: ehlo \[127.0.0.1\]", x) for x in lines
    )
    assert not any(line.startswith("both ") for line in lines)


def test_a_header_that_one_side_added_has_a_line_of_its_own(lab: Lab) -> None:
    lines = text(of(lab, "http", "page-by-url"), 80).splitlines()
    assert "library     Accept-Encoding: identity" in lines
    assert "both     C: GET /poem.txt HTTP/1.1" in lines


def test_code_is_the_line_in_the_client_and_that_of_the_job(lab: Lab) -> None:
    shown = text(of(lab, "pop3", "look-at-the-drop"), 80, code=True)
    assert re.search(r"hand +@ jobs/pop3.py:\d+  return pop3.stat\(\)", shown)
    assert re.search(r'hand +@ pop3.py:\d+  .*"STAT"', shown)
    assert re.search(r"library +@ jobs/pop3.py:\d+  total = pop3.stat\(\)", shown)
    assert re.search(r"library +@ poplib.py:\d+  .*'STAT'", shown)
    assert "wire.py" not in shown and "socket.py" not in shown


def test_secrets_are_there_only_if_asked_for(lab: Lab) -> None:
    found = of(lab, "pop3", "fetch-at-once")
    assert "octets hidden" in text(found)
    assert "PASS lab-secret" in text(found, show_secrets=True)
    assert "lab-secret" in json.dumps(as_dict(found, show_secrets=True))


@given(st.text(max_size=60), st.integers(10, 30))
def test_wrapped_lines_fit(shown: str, width: int) -> None:
    shown = "".join(filter(str.isprintable, shown))
    assert all(cell_len(line) <= width for line in wrapped(shown, width))


# The command line


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["compare", *words])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def with_lab(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The commands get the Lab that runs."""
    monkeypatch.setattr("protoclients.fixtures.Lab", lambda: contextlib.nullcontext(lab))
    for name in ("COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return lab


def test_without_a_job_it_is_the_most_telling_one(
    with_lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "smtp")
    assert status == 0
    assert out.startswith("Awkward dots, one refused\n")
    assert "no server named" in err
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_every_protocol_has_a_telling_job() -> None:
    assert [*verb.TELLING] == [*verb.PORTS] == [*FILES]
    for protocol, name in verb.TELLING.items():
        assert name in {job.name for job in jobs_of(protocol)}


def test_jobs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--list")
    assert len(out.splitlines()) == len(ALL)
    status, out, _ = run(capsys, "ftp", "--list")
    assert status == 0
    assert len(out.splitlines()) == len(jobs_of("ftp"))
    assert re.search("^ftp fetch +Fetch: 150, the data, 226$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "which protocol?"),
        (("gopher",), "gopher"),
        (("smtp", "nothing"), "no job or server 'nothing'"),
        (("smtp", "verify", "a:1", "b"), "no job or server 'b'"),
        (("smtp", "ftp://localhost"), "smtp://, smtps://"),
        (("smtp", "--width", "wide"), "--width"),
        (("pop3", "pop3://student@192.0.2.1"), "in clear text; say --allow-cleartext"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert sentence in err


def test_json_is_for_machines(with_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "pop3", "start-tls", "--json")
    read = json.loads(out)
    assert (status, read["job"], read["same"]) == (0, "start-tls", True)
    assert "lab-secret" not in out
    _, out, _ = run(capsys, "pop3", "start-tls", "--json", "--show-secrets")
    assert "lab-secret" in out


def test_width_is_that_of_the_terminal_or_as_told(
    with_lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    _, out, _ = run(capsys, "echo")
    assert "─" * 132 in out
    _, out, _ = run(capsys, "echo", "--width", "60")
    assert max(map(len, out.splitlines())) <= 60


def test_no_color_means_none(
    with_lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert "\x1b[" in run(capsys, "telnet")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run(capsys, "telnet")[1]


def test_a_server_can_be_named(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROTOCLIENTS_PASSWORD", lab.pop3.password)
    lab.reset()
    address = f"pop3://{lab.pop3.user}@{lab.pop3.host}:{lab.pop3.port}"
    status, out, err = run(capsys, "pop3", "top", address)
    assert (status, err) == (0, "")
    assert "The milliseconds are with the recorder." in out
    tls = f"pop3s://{lab.pop3.user}@{lab.pop3.host}:{lab.pop3.tls_port}"
    status, out, _ = run(capsys, "pop3", "tls-first", tls, "--cafile", lab.cafile)
    assert status == 0
    status, out, _ = run(capsys, "http", f"{lab.http.host}:{lab.http.port}")
    assert status == 0


def test_without_a_lab_smtp_sends_nothing_unless_told(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    mails = len(lab.store.mailbox.mails)
    address = f"{lab.smtp.host}:{lab.smtp.port}"
    status, out, _ = run(capsys, "smtp", address)
    assert (status, len(lab.store.mailbox.mails)) == (0, mails)
    assert out.startswith("EHLO: what can you do?\n")
    status, out, _ = run(capsys, "smtp", "awkward-dots", address)
    assert status == 1
    assert "the job needs pop3 too, and only a Lab has that" in " ".join(out.split())
    lab.reset()


def test_a_server_that_is_not_there_is_an_error_on_both_sides(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    status, out, _ = run(capsys, "nntp", f"127.0.0.1:{port}")
    assert status == 1
    assert re.search("DIFFER: by hand: .*refused.*by library: .*refused", out, re.DOTALL)


# The demo


def test_the_demo_tells_round_trips_and_octets(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("protoclients.fixtures.Lab", lambda: contextlib.nullcontext(lab))
    monkeypatch.setattr(protoclients.jobs, "all_jobs", lambda: jobs_of("smtp"))
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    line = next(line for line in out.splitlines() if "Awkward dots, one refused" in line)
    assert re.search(r" +[\d.]+ +[\d.]+ +9:12 +989:989 same$", line)
    assert "protoclients compare" in out
    assert main(["demo", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    (dots,) = (job for job in jobs if job["job"] == "awkward-dots")
    assert (dots["round_trips_by_hand"], dots["round_trips_by_library"]) == (9, 12)
    assert (dots["octets_by_hand"], dots["octets_by_library"]) == (989, 989)


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (9949, "9.9k"), (9950, "10k"),
     (999_499, "999k"), (999_500, "1.0M"), (4_194_513, "4.2M")],
)  # fmt: skip
def test_octets_are_told_in_four_characters(number: int, shown: str) -> None:
    assert demo.short(number) == shown


def test_titles_leave_room_for_the_figures() -> None:
    assert max(len(job.title) for job in ALL) <= 27
