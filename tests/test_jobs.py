"""The jobs: both ways of each give the same value, and the value is the right one."""

import ast
import gc
import hashlib
import inspect
import re
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from protoclients.fixtures import Lab
from protoclients.fixtures.store import SAMPLES
from protoclients.jobs import FILES, Job, Side, all_jobs, jobs_of

ALL = all_jobs()
EACH = pytest.mark.parametrize("job", ALL, ids=lambda job: f"{job.protocol}-{job.name}")

MOST_LINES = 16  # of code in one way of a job: what a slide can hold
TITLE = 44  # characters

FTP = SAMPLES / "ftp" / "pub"
MAILS = [path.read_bytes() for path in sorted((SAMPLES / "mail").iterdir())]
NEWS = SAMPLES / "news"
POEM = (SAMPLES / "site" / "poem.txt").read_bytes()
BINARY = (FTP / "packet.bin").read_bytes()
PORTS = (FTP / "history" / "ports-20-and-21.txt").read_bytes()
TABLE = (FTP / "rfc-index.txt").read_bytes()
ECHO = b"What goes out comes back,\r\nin order, or not at all.\r\n"
VERSE = b"A chunk begins with its size in hex,\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


def value(lab: Lab, name: str) -> Any:
    """What the job with that "protocol/name" gives, the same both ways."""
    protocol, _, name = name.partition("/")
    (job,) = (job for job in jobs_of(protocol) if job.name == name)
    by_hand = job.by_hand(lab)
    lab.reset()
    assert job.by_library(lab) == by_hand
    return by_hand


def is_plain(found: Any) -> bool:
    if isinstance(found, list | tuple):
        return all(map(is_plain, found))
    if isinstance(found, dict):
        return is_plain([*found.items()])
    return found is None or type(found) in (str, int, bytes, bool)


def parts(found: Any) -> Iterator[Any]:
    """What a plain value is made of."""
    if isinstance(found, dict):
        found = [*found.items()]
    if isinstance(found, list | tuple):
        for part in found:
            yield from parts(part)
    else:
        yield found


def function(side: Side) -> ast.FunctionDef:
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(side))).body
    assert isinstance(found, ast.FunctionDef)
    return found


def lines_of_code(side: Side) -> int:
    """Below the `def`, as the formatter has laid them out."""
    first = function(side).body[0].lineno - 1
    lines = map(str.strip, inspect.getsource(side).splitlines()[first:])
    return sum(1 for line in lines if line and not line.startswith("#"))


def names_in(side: Side) -> set[str]:
    return {node.id for node in ast.walk(function(side)) if isinstance(node, ast.Name)}


def ended(octets: bytes) -> bytes:
    """A mail as POP3 gives it: its last line has an end."""
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


# What holds for every job


@EACH
def test_both_ways_give_the_same_plain_value_and_leave_no_socket_open(
    job: Job, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclosed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unclosed.append)
    by_hand = job.by_hand(lab)
    lab.reset()
    by_library = job.by_library(lab)
    assert by_hand == by_library
    assert type(by_hand) is type(by_library)
    assert is_plain(by_hand)
    assert any(parts(by_hand)), "a value that says nothing"
    gc.collect()
    assert [str(found.exc_value) for found in unclosed] == []


@EACH
def test_both_ways_fit_a_slide(job: Job) -> None:
    assert 0 < lines_of_code(job.by_hand) <= MOST_LINES
    assert 0 < lines_of_code(job.by_library) <= MOST_LINES


@EACH
def test_names_and_title_have_their_form(job: Job) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", job.name)
    assert 8 < len(job.title) <= TITLE
    assert not job.title.endswith(".")
    assert re.fullmatch(r"protoclients\.(echo|HTTP|SMTP|POP3|FTP|NNTP|Telnet)", job.hand)
    assert re.fullmatch(r"[a-z]\w*(\.\w+)+", job.library)


@EACH
def test_each_way_uses_the_client_that_it_names(job: Job) -> None:
    ours = job.hand.removeprefix("protoclients.")
    assert ours in names_in(job.by_hand)
    assert ours not in names_in(job.by_library)
    # what urlopen does too, but without proxies, is an opener's
    theirs = {job.library.split(".")[0], job.library.split(".")[-1], "opener"}
    assert theirs & names_in(job.by_library)


def test_there_are_jobs_for_every_protocol_in_the_order_of_the_lectures() -> None:
    assert [*dict.fromkeys(job.protocol for job in ALL)] == [*FILES]
    assert len(ALL) >= 24
    assert all(len(jobs_of(protocol)) >= 3 for protocol in FILES)
    assert [job for protocol in FILES for job in jobs_of(protocol)] == ALL


def test_names_and_titles_are_unique_in_a_protocol() -> None:
    assert len({(job.protocol, job.name) for job in ALL}) == len(ALL)
    assert len({(job.protocol, job.title) for job in ALL}) == len(ALL)


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(ValueError, match="'gopher'"):
        jobs_of("gopher")


def test_whoever_changes_the_list_changes_a_copy() -> None:
    jobs_of("pop3").clear()
    assert jobs_of("pop3")


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import protoclients.jobs, sys; print('smtplib' in sys.modules)", "False"),
        (
            "from protoclients.jobs import jobs_of; import sys;"
            "jobs_of('echo'); print('smtplib' in sys.modules, 'ftplib' in sys.modules)",
            "False False",
        ),
        ("from protoclients.jobs import all_jobs; print(len(all_jobs()))", str(len(ALL))),
        (
            "from protoclients.jobs import all_jobs; import warnings; all_jobs();"
            "warnings.simplefilter('error', DeprecationWarning); print('quiet')",
            "quiet",
        ),
    ],
    ids=["one for all", "one protocol", "all", "filters as before"],
)
def test_import_is_lazy_and_without_warnings(code: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout.strip(), done.stderr) == (printed, "")


def test_titles_are_optional_where_docstrings_are_stripped() -> None:
    code = "from protoclients.jobs import jobs_of; print(jobs_of('echo')[0].title)"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout.strip(), done.stderr) == ("over-tcp", "")


# What the values are


@pytest.mark.parametrize("name", ["over-tcp", "over-udp"])
def test_echo_comes_back(lab: Lab, name: str) -> None:
    assert value(lab, f"echo/{name}") == ECHO


def test_echo_client_and_server_are_both_there(lab: Lab) -> None:
    host, echoed, octets = value(lab, "echo/every-tcp-call")
    assert (host, echoed, octets) == (socket.gethostname(), ECHO, len(ECHO))
    assert value(lab, "echo/every-udp-call") == (ECHO, len(ECHO))


def test_echo_by_bare_sockets_shows_every_call_that_a_lecture_lists() -> None:
    sides = {job.name: inspect.getsource(job.by_library) for job in jobs_of("echo")}
    for call in ("bind", "listen", "accept", "connect", "recv", "send", "gethostname"):
        assert f".{call}(" in sides["every-tcp-call"]
    for call in ("bind", "sendto", "recvfrom"):
        assert f".{call}(" in sides["every-udp-call"]


def test_http_page_is_the_poem(lab: Lab) -> None:
    kind = "text/plain; charset=utf-8"
    assert value(lab, "http/page") == (200, "OK", kind, POEM)
    assert value(lab, "http/page-by-url") == (200, POEM)
    assert value(lab, "http/page-over-tls") == (200, POEM)


def test_http_bodies_end_in_every_way(lab: Lab) -> None:
    trailer, body = value(lab, "http/chunked-page")
    assert trailer == "Content-Digest"
    assert body.startswith(VERSE) and body.count(b"\n") == 4
    length, body = value(lab, "http/until-close")
    assert length is None
    assert body.endswith(b"this ends where the connection ends.\n")
    size = str((SAMPLES / "site" / "packet.png").stat().st_size)
    assert value(lab, "http/head") == (200, size, b"")


@pytest.mark.parametrize("name", ["three-requests", "pipeline"])
def test_http_three_pages_come_in_order(lab: Lab, name: str) -> None:
    poem, picture, chunks = value(lab, f"http/{name}")
    assert poem == POEM
    assert picture == (SAMPLES / "site" / "echo.svg").read_bytes()
    assert chunks.startswith(VERSE)


def test_http_form_arrives_decoded(lab: Lab) -> None:
    assert value(lab, "http/form") == (200, "message = me & you\nname = Grüße\n")


def test_http_upload_is_stored_and_taken_away(lab: Lab) -> None:
    created, note, gone = value(lab, "http/upload")
    assert (created, gone) == (201, 204)
    assert b"\r\n.\r\n" in note
    assert lab.store.uploads == {}


def test_http_hint_comes_before_the_page(lab: Lab) -> None:
    hint, link, status, body = value(lab, "http/early-hints")
    assert (hint, status) == (103, 200)
    assert link.startswith("</style.css>")
    assert b"RFC 8297" in body


def test_http_status_codes_are_acted_upon(lab: Lab) -> None:
    assert value(lab, "http/not-modified") == (200, '"first-edition"', 304, b"")
    assert value(lab, "http/redirect") == (302, "/poem.txt", POEM)
    assert value(lab, "http/basic-auth") == (200, b"Welcome, student.\n")


def test_http_carries_a_procedure_call(lab: Lab) -> None:
    rfc = {"number": 1939, "title": "Post Office Protocol - Version 3", "year": 1996}
    assert value(lab, "http/xml-rpc") == rfc


def test_http_large_body_is_whole(lab: Lab) -> None:
    octets = (bytes(range(0x30, 0x6F)) + b"\n") * 65_536
    digest = hashlib.sha256(octets).hexdigest()
    assert value(lab, "http/large") == (4 * 1024 * 1024, digest)


def test_smtp_extensions_are_those_of_the_lab(lab: Lab) -> None:
    extensions = value(lab, "smtp/extensions")
    assert extensions["AUTH"] == ["CRAM-MD5", "LOGIN", "PLAIN"]
    assert extensions["SIZE"][0].isdigit()
    assert {"8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING"} <= extensions.keys()


def test_smtp_mail_is_delivered_step_by_step(lab: Lab) -> None:
    assert value(lab, "smtp/step-by-step") == [250, 250, 250]
    assert lab.store.mailbox.mails[-1].content.endswith(b"\r\n..\r\n")


def test_smtp_dots_arrive_as_they_were_and_one_recipient_is_refused(lab: Lab) -> None:
    refused, mail = value(lab, "smtp/awkward-dots")
    assert refused == {lab.refused: 550}
    assert mail.partition(b"\r\n\r\n")[2] == (
        b".\r\nThe dot above is not the end.\r\n.profile, .. and .\r\n..\r\n"
    )
    assert mail == lab.store.mailbox.mails[-1].content


def test_smtp_session_goes_on_after_a_no(lab: Lab) -> None:
    assert value(lab, "smtp/nobody-left") == ({lab.refused: 550}, 250)
    assert value(lab, "smtp/verify") == (250, 550)
    assert len(lab.store.mailbox.mails) == len(MAILS) + 1


def test_smtp_login_lets_mail_out_to_others(lab: Lab) -> None:
    refused, mail = value(lab, "smtp/login-under-tls")
    assert refused == {}
    (relayed,) = lab.store.relayed
    assert relayed.recipients == ("friend@example.org",)
    assert relayed.content == mail


def test_smtp_umlauts_arrive_as_utf8(lab: Lab) -> None:
    assert "Subject: Grüße\r\n".encode() in value(lab, "smtp/umlauts")


def test_pop3_drop_has_the_numbers_sizes_and_ids(lab: Lab) -> None:
    (count, octets), sizes, ids = value(lab, "pop3/look-at-the-drop")
    assert count == len(sizes) == len(ids) == len(MAILS) + 1
    assert sum(size for _, size in sizes) == octets
    assert [size for _, size in sizes][:-1] == [len(ended(mail)) for mail in MAILS]
    assert len({unique_id for _, unique_id in ids}) == count


def test_pop3_mails_are_fetched_octet_for_octet(lab: Lab) -> None:
    *mails, mebibyte = value(lab, "pop3/fetch-everything")
    assert mails == [ended(mail) for mail in MAILS]
    assert len(mebibyte.partition(b"\r\n\r\n")[2]) == 1024 * 1024
    assert value(lab, "pop3/fetch-at-once") == [ended(mail) for mail in MAILS[:3]]


def test_pop3_only_quit_deletes(lab: Lab) -> None:
    there = len(MAILS) + 1
    assert value(lab, "pop3/delete") == [there, there, there - 1]


def test_pop3_top_gives_the_header_and_two_lines(lab: Lab) -> None:
    header, _, body = MAILS[2].partition(b"\r\n\r\n")
    two_lines = b"".join(body.splitlines(keepends=True)[:2])
    assert two_lines.endswith(b"\r\n.\r\n")
    assert value(lab, "pop3/top") == header + b"\r\n\r\n" + two_lines


def test_pop3_drop_is_the_same_whatever_way_in(lab: Lab) -> None:
    (total, _, _) = value(lab, "pop3/look-at-the-drop")
    assert value(lab, "pop3/login-by-digest") == total
    assert value(lab, "pop3/start-tls") == (True, False, total)
    assert value(lab, "pop3/tls-first") == total


def test_nntp_groups_have_their_numbers_and_descriptions(lab: Lab) -> None:
    active, descriptions = value(lab, "nntp/groups")
    assert {name: (first, last, flag) for name, last, first, flag in active} == {
        "lab.protocols.history": (1, 30, "y"),
        "lab.protocols.help": (12, 42, "y"),
        "lab.announce": (1, 9, "m"),
    }
    lines = (NEWS / "groups.tsv").read_text("utf-8").splitlines()
    assert descriptions == {line.split("\t")[0]: line.split("\t")[2] for line in lines}


def test_nntp_overview_has_a_row_for_each_article(lab: Lab) -> None:
    contents = value(lab, "nntp/table-of-contents")
    files = (NEWS / "lab.protocols.history").iterdir()
    assert [number for number, _, _ in contents] == sorted(int(f.stem) for f in files)
    assert (6, "The Librarian <librarian@example.test>", "LO") in contents


def test_nntp_thread_begins_with_its_root(lab: Lab) -> None:
    numbers = (1, 2, 3, 5)
    paths = [NEWS / "lab.protocols.history" / f"{number}.txt" for number in numbers]
    thread = value(lab, "nntp/thread")
    assert [len(article) for article in thread] == [p.stat().st_size for p in paths]
    assert thread == [path.read_bytes() for path in paths]


def test_nntp_pointer_steps_over_the_gap(lab: Lab) -> None:
    numbers, code, before = value(lab, "nntp/mind-the-gap")
    assert numbers == [1, 2, 3, 5, 6, 7, 8, 9]
    assert code == 421
    assert before == "<announce.hours@news.example.test>"


def test_nntp_noes_differ_by_the_form_of_the_question(lab: Lab) -> None:
    assert value(lab, "nntp/three-noes") == [412, 423, 430]


def test_nntp_article_is_posted_with_its_dots(lab: Lab) -> None:
    posted = (240, 43, "<my-dots@example.test>", b".\r\n..\r\n.signature\r\n")
    assert value(lab, "nntp/post-and-read-back") == posted


def test_nntp_announcement_needs_a_login(lab: Lab) -> None:
    assert value(lab, "nntp/post-after-login") == (480, 240, "<friday@example.test>")


def test_nntp_tls_is_offered_once(lab: Lab) -> None:
    assert value(lab, "nntp/start-tls") == (True, False)


def test_ftp_listing_has_types_and_sizes(lab: Lab) -> None:
    listing = value(lab, "ftp/listing")
    assert listing.keys() == {path.name for path in FTP.iterdir()} | {"empty"}
    assert (listing["packet.bin"]["type"], listing["packet.bin"]["size"]) == (
        "file",
        str(len(BINARY)),
    )
    assert listing["history"]["type"] == "dir"


def test_ftp_odd_names_are_fetched(lab: Lab) -> None:
    names, files = value(lab, "ftp/odd-names")
    odd = ("-leading-dash.txt", "name with spaces.txt", "Ηχώ.txt")
    assert {*odd} < {*names}
    assert files == [(FTP / name).read_bytes() for name in odd]


def test_ftp_files_come_octet_for_octet_by_every_way(lab: Lab) -> None:
    assert value(lab, "ftp/fetch") == BINARY
    assert value(lab, "ftp/fetch-by-url") == PORTS
    assert value(lab, "ftp/active") == PORTS
    assert value(lab, "ftp/both-under-tls") == PORTS


def test_ftp_second_half_is_the_second_half(lab: Lab) -> None:
    half = len(TABLE) // 2
    assert value(lab, "ftp/resume") == (half, TABLE[half:])


def test_ftp_file_is_stored_as_it_is(lab: Lab) -> None:
    size, note = value(lab, "ftp/store-and-read-back")
    assert size == len(note)
    assert note.count(b"\n") == 2 and note.count(b"\r\n") == 1
    assert (lab.store.files / "incoming" / "note.txt").read_bytes() == note


def test_ftp_tree_is_changed(lab: Lab) -> None:
    assert value(lab, "ftp/rename-and-delete") == ("/incoming/new", ["old.txt"], [])
    assert [*(lab.store.files / "incoming").iterdir()] == []


def test_ftp_session_goes_on_after_a_no(lab: Lab) -> None:
    assert value(lab, "ftp/no-such-file") == ("550", "/")


def test_telnet_user_logs_in_or_does_not(lab: Lab) -> None:
    help_text = value(lab, "telnet/log-in")
    assert help_text.startswith(b"date ") and help_text.endswith(b"\r\nlab> ")
    assert value(lab, "telnet/wrong-password").endswith(b"Login incorrect\r\nlogin: ")


def test_telnet_255_is_data_in_both_directions(lab: Lab) -> None:
    assert value(lab, "telnet/octet-255") == b"\xff there and back\r\nlab> "


def test_telnet_options_are_as_agreed(lab: Lab) -> None:
    refused = value(lab, "telnet/options-refused")
    assert refused.count(b" no ") == 5 and b"yes" not in refused
    agreed = value(lab, "telnet/options-agreed")
    for told in (b"ECHO    yes", b"SGA     yes", b"XTERM", b"100 columns, 30 rows"):
        assert told in agreed
    assert agreed.endswith(b"Goodbye.\r\n")
