"""Conversations on a terminal, in a notebook and as JSON."""

import base64
import contextlib
import ftplib
import hashlib
import io
import json
import os
import poplib
import re
import smtplib
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from protoclients import HTTP, POP3
from protoclients.conversation import Conversation, conversations
from protoclients.fixtures import Lab
from protoclients.jobs import Job, all_jobs
from protoclients.recorder import Frame, Recording, record
from protoclients.views import as_html, as_json, program, terminal
from protoclients.views.terminal import Look
from tests.spoken import HERE, call, dialogue, numbered, only

EVERYTHING = Look(code=True, sockets=True, meanings=True)
GREETING = "S: +OK ready\n"


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    shared_lab.reset()
    return shared_lab


def lines(calls: Any, look: Look | None = None, protocol: str | None = "pop3") -> list[str]:
    """What a terminal shows of the one conversation, without heading and figures."""
    shown = terminal.text(conversations(calls, protocol), look).splitlines()
    return shown[1:-1]


def retrieved(lab: Lab) -> Recording:
    """A short session, by hand, of a program that is this file."""
    with record() as recording, POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        pop3.retr(1)
    return recording


# On a terminal


def test_lines_are_shown_as_in_the_rfcs() -> None:
    assert lines(dialogue(GREETING + "C: STAT\nS: +OK 1 12\nC: QUIT\nS: +OK\nclose")) == [
        "-- connect to 127.0.0.1:40000",
        "S: +OK ready",
        "C: STAT",
        "S: +OK 1 12",
        "C: QUIT",
        "S: +OK",
        "-- the client closes",
    ]


def test_the_heading_and_the_figures_stand_around_them() -> None:
    shown = terminal.text(only(dialogue(GREETING + "C: NOOP\nS: +OK\nclose"))).splitlines()
    assert shown[0] == "1. pop3 with 127.0.0.1:40000"
    assert re.fullmatch(
        r"1 round trip, 6 octets sent, 16 received, 5 calls, [\d.]+ ms", shown[-1]
    )


def test_a_reply_of_many_lines_has_the_speaker_on_each() -> None:
    said = numbered([call("connect"), call("recv", b"220-one\r\n220 two\r\n")])
    assert lines(said, protocol="smtp")[1:] == ["S: 220-one", "S: 220 two"]


def test_a_line_end_that_is_not_crlf_is_shown() -> None:
    said = numbered([call("connect"), call("recv", b"220-one\n220-two\r\n220 three\n")])
    assert lines(said, protocol="smtp")[1:] == [
        "S: 220-one \u240a (LF without CR)",
        "S: 220-two",
        "S: 220 three \u240a (LF without CR)",
    ]


def test_control_octets_are_escaped() -> None:
    said = [call("connect"), call("recv", b"+OK \x1b[2J\x07 a\rb\tc \xff\x9b\r\n")]
    assert lines(numbered(said))[1] == r"S: +OK \x1b[2J\x07 a\rb\tc \xff\x9b"


def test_secrets_are_hidden_unless_wanted() -> None:
    said = dialogue(GREETING + "C: USER student\nS: +OK\nC: PASS lab-secret\nS: +OK")
    assert "C: PASS \u203910 octets hidden\u203a" in lines(said)
    assert "C: PASS lab-secret" in lines(said, Look(show_secrets=True))


def body(octets: bytes) -> list[str]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(octets)
    asked = call("send", b"GET / HTTP/1.1\r\n\r\n")
    said = numbered([call("connect"), asked, call("recv", head), call("recv", octets)])
    return lines(said, protocol="http")[6:]


def test_a_binary_body_is_summarised() -> None:
    assert body(b"\x89PNG\0\xff" * 512) == [
        "S: 89 50 4e 47 00 ff 89 50 4e 47 00 ff 89 50 4e 47 … 3,072 octets, binary"
    ]


def test_a_long_body_is_shortened_with_true_counts() -> None:
    shown = body(b"".join(b"line %d\n" % n for n in range(1000)))
    assert len(shown) == terminal.MOST_OF_BODY
    assert shown[0] == "S: line 0"
    assert shown[-2] == "S: … 989 more lines; 8,890 octets in all"
    assert shown[-1] == "S: line 999"


def test_a_line_of_many_characters_is_shortened_with_true_counts() -> None:
    assert body(b"x" * 5000)[-1].endswith("4,000 more characters")


def test_octets_that_were_not_kept_are_counted(lab: Lab) -> None:
    with record(limit=100) as recording, POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        size = len(pop3.retr(1))
    shown = terminal.text(recording.conversations)
    (more,) = re.findall(r"\[([0-9,]+) more octets\]", shown)
    assert size - 100 < int(more.replace(",", "")) < size + 10


def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost() -> None:
    said = "+OK " + "漢字 e\u0301 " * 40 + "end"
    calls = numbered([call("connect"), call("recv", said.encode() + b"\r\n")])
    for width in (40, 79, 80, 200):
        shown = terminal.text(conversations(calls), Look(width=width)).splitlines()
        assert max(map(cell_len, shown)) <= width
        pieces = [line[3:] for line in shown if line[:3] in ("S: ", "   ")]
        assert "".join(pieces).startswith(said)


def test_without_colour_there_is_no_escape_sequence_and_with_it_the_words_stay() -> None:
    talk = only(dialogue(GREETING + "C: NOOP\nS: +OK\nclose"))
    plain = terminal.text(talk, EVERYTHING)
    coloured = terminal.text(
        talk, Look(colour=True, code=True, sockets=True, meanings=True)
    )
    assert "\033" not in plain
    assert "\033[36mC: NOOP\033[0m" in coloured
    assert re.sub("\033\\[[0-9]*m", "", coloured) == plain


def test_only_a_terminal_has_colour_and_only_if_nobody_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = type("Screen", (io.StringIO,), {"isatty": lambda self: True})()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.has_colour(screen)
    assert not terminal.has_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.has_colour(screen)
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.has_colour(screen)


def test_meanings_tell_the_state_and_the_section() -> None:
    said = dialogue(GREETING + "C: USER a\nS: +OK\nC: PASS b\nS: +OK\nC: STAT\nS: +OK 1 2")
    shown = "\n".join(lines(said, Look(meanings=True)))
    assert "   state: AUTHORIZATION -> TRANSACTION\n" in shown
    assert re.search(r"C: STAT\n   means: .*\(RFC 1939\s+section 5\)\n", shown)


def test_that_one_call_carried_more_than_one_thing_is_noted() -> None:
    said = [call("connect"), call("recv", b"+OK\r\n"), call("send", b"NOOP\r\nNOOP\r\n")]
    shown = lines(numbered([*said, call("recv", b"+OK\r\n+OK\r\n")]), Look(meanings=True))
    assert "   note: 2 commands in one send" in shown


def test_the_calls_on_the_socket_stand_above_what_they_carried(lab: Lab) -> None:
    talk = retrieved(lab).conversations[0]
    shown = terminal.text(talk, Look(sockets=True)).splitlines()
    port = lab.pop3.port
    assert shown[1:4] == [
        "   socket 1: socket(AF_INET, SOCK_STREAM, 0) -> socket 1",
        f"   socket 1: connect(('127.0.0.1', {port})) -> None",
        f"-- connect to 127.0.0.1:{port}",
    ]
    at = shown.index("S: +OK send PASS")
    assert re.fullmatch(r"   socket 1: recv_into\(\d+ bytes\) -> 15 bytes", shown[at - 1])
    told = [line for line in shown if line.startswith("   socket")]
    assert len(told) == talk.calls_made  # each once, though one carried two steps


def test_of_many_calls_of_a_kind_the_first_are_shown_and_all_are_counted() -> None:
    octets = [call("recv", b"x") for _ in range(99)]
    said = [call("connect"), call("recv", b"+OK "), *octets, call("recv", b"\r\n")]
    shown = lines(numbered(said), Look(sockets=True))
    assert "   socket 1: … 98 more recv, 99 bytes" in shown


def test_the_code_is_the_line_of_the_client_and_that_of_its_caller(lab: Lab) -> None:
    shown = terminal.text(retrieved(lab).conversations, Look(code=True))
    above = re.search(r"   @ (.*)\n   @ (.*)\nC: RETR 1\n", shown)
    assert above
    assert re.fullmatch(r"pop3\.py:\d+  self\._command\(f\"RETR .*", above[1])
    assert re.fullmatch(r".*test_views\.py:\d+  pop3\.retr\(1\)", above[2])
    below = ("link.py", "wire.py", "octets.py", "reply.py", "recorder.py")
    assert not any(f"@ {name}" in shown for name in below)


def test_the_code_of_a_library_is_shown_too(lab: Lab) -> None:
    with record() as recording:
        ftp = ftplib.FTP()
        ftp.connect(lab.ftp.host, lab.ftp.port)
        ftp.login(lab.ftp.user, lab.ftp.password)
        ftp.quit()
    shown = terminal.text(recording.conversations, Look(code=True))
    assert re.search(r"@ ftplib.py:\d+  .*'PASS '.*\n   @ .*test_views.*\nC: PASS", shown)
    assert re.search(r"test_views.py:\d+  ftp.quit\(\)\nC: QUIT", shown)


def test_of_a_program_that_has_the_socket_in_hand_it_is_one_line(lab: Lab) -> None:
    with record() as recording:
        sock = socket.create_connection((lab.echo.host, lab.echo.port))
        sock.sendall(b"hello")
        sock.recv(100)
        sock.close()
    shown = terminal.text(conversations(recording.calls, "echo"), Look(code=True))
    assert re.search(r'test_views.py:\d+  sock.sendall\(b"hello"\)\nC: hello', shown)


def test_a_password_in_the_code_is_hidden_too(lab: Lab) -> None:
    with record() as recording:
        pop3 = poplib.POP3(lab.pop3.host, lab.pop3.port)
        pop3.user("student")
        pop3.pass_("lab-secret")
        pop3.stat()  # here "lab-secret" stands in a comment
        pop3.quit()
        web = HTTP(lab.http.host, lab.http.port)
        web.login("student", "lab-secret", allow_cleartext=True)
        web.get("/poem.txt")  # and here "lab-secret" too
        web.close()
    shown = terminal.text(recording.conversations, EVERYTHING)
    assert "lab-secret" not in shown
    assert 'pop3.pass_("\u2039hidden\u203a")' in shown
    assert "lab-secret" in terminal.text(
        recording.conversations, Look(code=True, show_secrets=True)
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pop3.login('me', 'it')", "pop3.login('<>', '<>')"),
        (r'smtp.docmd("AUTH", "a\"b")', 'smtp.docmd("<>", "<>")'),
        ("urlopen('http://me:it@here/x')", "urlopen('http://<>@here/x')"),
        ("pop3.retr('1')", "pop3.retr('1')"),
        ("login('never ends", "login('<>'"),
    ],
)
def test_what_is_quoted_where_a_program_logs_in_is_hidden(
    line: str, shown: str, tmp_path: Any
) -> None:
    file = tmp_path / "student.py"
    file.write_text(line)
    text = program.source_line(Frame(str(file), 1, "main"))
    assert text.replace(program.HIDDEN, "<>") == shown


def test_conversations_at_the_same_time_are_told_apart() -> None:
    talks = [only(dialogue(GREETING)), only(dialogue("S: 220 hello SMTP\nC: NOOP"))]
    teller = terminal.Teller(Look())
    shown = teller.step(talks[0], talks[0].steps[1]) + teller.step(
        talks[1], talks[1].steps[1]
    )
    shown += teller.step(talks[1], talks[1].steps[2])
    assert shown == [
        "1. pop3 with 127.0.0.1:40000",
        "S: +OK ready",
        "",
        "2. smtp with 127.0.0.1:40000",
        "S: 220 hello SMTP",
        "C: NOOP",
    ]


def test_of_a_server_it_is_said_who_its_client_is(lab: Lab) -> None:
    with record() as recording, contextlib.ExitStack() as end:
        door = end.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = end.enter_context(socket.create_connection(door.getsockname()))
        server, where = door.accept()
        end.enter_context(server)
        server.sendall(b"+OK ready\r\n")
        client.recv(100)
    heads = [terminal.text(talk).splitlines()[0] for talk in recording.conversations]
    assert f"1. pop3 with 127.0.0.1:{where[1]}" in heads


PIECES = st.lists(
    st.tuples(
        st.sampled_from(["send", "recv"]),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [b"+OK\r\n", b"PASS x\r\n", b"250-a\n", b"\xff\xfb\x01", b"\r\n"]
            ),
        ),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    PIECES,
    st.sampled_from(["smtp", "pop3", "ftp", "nntp", "http", "telnet", "echo", "unknown"]),
    st.integers(1, 120),
)
@example([("send", b"\0"), ("send", b"secret "), ("recv", b"secret")], "telnet", 80)
@example([("send", b"\0"), ("send", b"secret\xff\xff")], "telnet", 80)
def test_whatever_is_said_all_views_show_it(
    pieces: list[tuple[str, bytes]], protocol: str, width: int
) -> None:
    calls = numbered([call("connect"), *(call(*piece) for piece in pieces), call("close")])
    talks = conversations(calls, protocol)
    look = Look(width=width, code=True, sockets=True, meanings=True)
    shown = terminal.text(talks, look)
    assert max(map(cell_len, shown.splitlines())) <= max(width, terminal.NARROWEST)
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", shown)
    as_html.table(talks)
    text = as_json.dumps(Recording(calls), protocol=protocol)
    assert seen(as_json.loads(text)[0], protocol) == seen(Recording(calls), protocol)


# In a notebook


def test_a_notebook_gets_a_table_that_runs_nothing(lab: Lab) -> None:
    said = dialogue("S: +OK <script>alert(1)</script>\nC: PASS lab-secret\nS: +OK\nclose")
    page = only(said)._repr_html_()
    assert page.startswith("<table>")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "lab-secret" not in page
    assert "http:" not in page and "https:" not in page
    assert "RFC 1939 section 7" in page


class Printer(list[str]):
    """What of IPython's printer is needed here."""

    def text(self, shown: str) -> None:
        self.append(shown)


def test_a_recording_shows_itself_in_notebook_and_terminal() -> None:
    recording = Recording(dialogue(GREETING + "C: PASS lab-secret\nS: +OK\nclose"))
    printed = Printer()
    recording._repr_pretty_(printed, False)
    assert printed == [str(recording)]
    assert str(recording).startswith("pop3 with 127.0.0.1:40000, 1 round trip\n")
    assert recording._repr_html_().count("<table>") == 1
    assert "lab-secret" not in str(recording) + recording._repr_html_()
    assert "nothing" in str(Recording()) and "nothing" in Recording()._repr_html_()


# As JSON


def seen(recording: Recording, protocol: str | None = None) -> list[Any]:
    """All of the steps that a view shows, but for the text of the code."""
    return [
        (
            *(talk.protocol, talk.transport, talk.side, talk.server, talk.client),
            *(talk.sent, talk.received, talk.calls_made, talk.round_trips, talk.seconds),
            [
                (
                    *(s.number, s.time, s.speaker, s.kind, s.shown(), s.size, s.channel),
                    *(s.before, s.after, s.meaning, s.source, s.notes, s.hidden),
                    *((c.name, c.arguments, c.result, c.error) for c in s.calls),
                    *((f.file, f.line, f.function) for c in s.calls for f in c.frames),
                )
                for s in talk.steps
            ],
        )
        for talk in conversations(recording.calls, protocol)
    ]


def secrets_of(lab: Lab) -> list[str]:
    """The password, in every form in which it may cross the wire."""
    user, password = lab.smtp.user, lab.smtp.password
    forms = [password, f"\0{user}\0{password}", f"{user}:{password}"]
    return [password, *(base64.b64encode(form.encode()).decode() for form in forms)]


@pytest.mark.parametrize("side", ["by_hand", "by_library"])
@pytest.mark.parametrize(
    "job",
    [job for job in all_jobs() if job.name not in ("many-small", "big-file")],
    ids=lambda job: f"{job.protocol}-{job.name}",
)
def test_every_job_comes_back_from_json_and_no_secret_with_it(
    lab: Lab, job: Job, side: str
) -> None:
    with record() as recording:
        getattr(job, side)(lab)
    text = as_json.dumps(recording)
    again, protocol = as_json.loads(text)
    assert protocol is None
    assert seen(again) == seen(recording)
    assert terminal.text(again.conversations, Look(sockets=True, meanings=True)) == (
        terminal.text(recording.conversations, Look(sockets=True, meanings=True))
    )
    octets = b"\n".join(one.data for one in again.calls)
    for secret in secrets_of(lab):
        assert secret not in text
        assert secret.encode() not in octets


def test_every_way_to_log_in_leaves_no_secret_in_the_file(lab: Lab) -> None:
    user, password = lab.smtp.user, lab.smtp.password
    with record() as recording:
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            client = smtplib.SMTP(lab.smtp.host, lab.smtp.port)
            client.ehlo()
            client.user, client.password = user, password
            method = "auth_" + mechanism.lower().replace("-", "_")
            client.auth(mechanism, getattr(client, method), initial_response_ok=False)
            client.quit()
        pop3 = poplib.POP3(lab.pop3.host, lab.pop3.port)
        stamp = re.search(rb"<.*>", pop3.welcome)
        pop3.apop(user, password)
        pop3.quit()
    assert stamp
    text = as_json.dumps(recording)
    digest = hashlib.md5(stamp[0] + password.encode()).hexdigest()
    assert digest in as_json.dumps(recording, show_secrets=True)
    assert not [secret for secret in (*secrets_of(lab), digest) if secret in text]
    assert seen(as_json.loads(text)[0]) == seen(recording)


def test_a_secret_that_was_only_in_the_code_is_not_in_the_file(lab: Lab) -> None:
    with record() as recording:
        deliver(lab, "student", "lab-secret")
    assert lab.smtp.password == "lab-secret"
    assert "lab-secret" not in as_json.dumps(recording)


def deliver(lab: Lab, user: str, password: str) -> None:
    with smtplib.SMTP(lab.smtp.host, lab.smtp.port) as smtp:
        smtp.user, smtp.password = user, password
        smtp.ehlo()
        smtp.auth("CRAM-MD5", smtp.auth_cram_md5)


@pytest.mark.parametrize("secret", ["hunter2:geheim", "hunter2+geheim&x"])
def test_a_secret_is_found_in_the_code_however_it_was_said(secret: str) -> None:
    form = f"password={quote_plus(secret)}".encode()
    basic = base64.b64encode(f"student:{secret}".encode())
    said = b"POST / HTTP/1.1\r\nAuthorization: Basic " + basic
    said += b"\r\nContent-Type: application/x-www-form-urlencoded"
    said += b"\r\nContent-Length: %d\r\n\r\n%b" % (len(form), form)
    (talk,) = conversations(numbered([call("connect"), call("send", said)]), "http")
    for step in talk.steps[1:]:
        assert secret in program.secrets_of(step)


def test_many_secrets_are_hidden_in_the_time_that_they_need() -> None:
    def taken(count: int) -> float:
        head = b"GET / HTTP/1.1\r\nAuthorization: Bearer secret-%06d\r\n\r\n"
        frames = (Frame(__file__, 1, "f"),)
        said = [call("send", head % n, frames=frames) for n in range(count)]
        talks = conversations(numbered([call("connect"), *said]), "http")
        began = time.process_time()
        terminal.text(talks, terminal.Look(code=True))
        return time.process_time() - began

    taken(100)
    assert taken(4000) < 12 * taken(1000)  # in proportion 4, by the square 16


def test_with_secrets_everything_comes_back_octet_for_octet(lab: Lab) -> None:
    recording = retrieved(lab)
    text = as_json.dumps(recording, show_secrets=True)
    again, _ = as_json.loads(text)
    assert [one.data for one in again.calls] == [one.data for one in recording.calls]
    assert lab.pop3.password in text


def test_the_lines_of_code_come_with_the_file(lab: Lab) -> None:
    recording = retrieved(lab)
    again, _ = as_json.loads(as_json.dumps(recording))
    shown = terminal.text(again.conversations, Look(code=True))
    assert re.search(r"test_views.py:\d+  pop3.retr\(1\)\nC: RETR 1", shown)


def test_a_secret_that_is_cut_into_many_calls_is_overwritten_in_each() -> None:
    octets = [call("send", bytes([octet])) for octet in b"PASS lab-secret\r\n"]
    calls = numbered([call("connect"), call("recv", b"+OK\r\n"), *octets])
    again, _ = as_json.loads(as_json.dumps(Recording(calls)))
    assert again.sent() == b"PASS xxxxxxxxxx\r\n"


def test_what_looks_like_an_overwritten_secret_is_none() -> None:
    said = dialogue("S: +OK xxxxxxxxxxxx\nC: PASS lab-secret\nS: +OK xxxxxxxxxxxx")
    text = as_json.dumps(Recording(said))
    again, _ = as_json.loads(text)
    assert again.sent() == b"PASS XXXXXXXXXX\r\n"
    assert seen(again) == seen(Recording(said))


def test_octets_that_are_no_text_and_odd_addresses_come_back() -> None:
    odd = call("connect", address=b"\0abstract", transport="unix")
    calls = numbered([odd, call("send", bytes(range(256)), local=("::1", 5, 0, 0))])
    again, _ = as_json.loads(as_json.dumps(Recording(calls)))
    assert again.calls[1].data == bytes(range(256))
    assert again.calls[1].local == ("::1", 5, 0, 0)
    assert again.calls[0].local == HERE


def test_the_protocol_that_was_given_comes_with_the_file() -> None:
    calls = numbered([call("connect"), call("send", b"hello")])
    assert as_json.loads(as_json.dumps(Recording(calls), protocol="echo"))[1] == "echo"


GOOD = json.loads(as_json.dumps(Recording(dialogue(GREETING))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "null",
        b"\x80\x00",
        "[" * 100_000,
        json.dumps(GOOD | {"version": 2}),
        json.dumps(GOOD | {"protocol": "gopher"}),
        json.dumps(GOOD | {"calls": [{}]}),
        json.dumps(GOOD | {"frames": [[1, 2, 3, 4]]}),
        *(
            json.dumps(GOOD | {"calls": [GOOD["calls"][1] | change]})
            for change in (
                {"size": -1},
                {"size": "1"},
                {"data": 5},
                {"direction": "up"},
                {"frames": [99]},
                {"local": {}},
                {"data": "\ud800"},
                {"time": "now"},
                {"name": None},
            )
        ),
    ],
)
def test_what_is_no_recording_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="it isn't a recording"):
        as_json.loads(text)


def test_steps_are_there_for_other_programs(lab: Lab) -> None:
    (talk,) = retrieved(lab).conversations
    found = json.loads(json.dumps(as_json.as_dict(talk)))
    assert found["protocol"] == "pop3"
    assert [step["text"] for step in found["steps"]] == [s.shown() for s in talk.steps]
    assert found["steps"][4]["code"][0]["file"].endswith("pop3.py")
    assert lab.pop3.password not in json.dumps(found)
    assert lab.pop3.password in json.dumps(as_json.as_dict(talk, show_secrets=True))


def test_a_view_changes_nothing_of_what_it_shows(lab: Lab) -> None:
    recording = retrieved(lab)
    before = [(one.data, one.frames) for one in recording.calls]
    terminal.text(recording.conversations, EVERYTHING)
    as_json.dumps(recording)
    assert [(one.data, one.frames) for one in recording.calls] == before
    assert isinstance(recording.conversations[0], Conversation)
    assert os.path.isfile(recording.calls[0].frames[0].file)
