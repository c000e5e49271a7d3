"""The command line: every verb against a Lab, and what it says when something is wrong.

Most tests call `main` here, with a Lab of this module in the place of the one that a
command starts; signals, pipes and terminals need processes of their own.
"""

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from typing import Any

import pytest

import protoclients.fixtures
import protoclients.jobs
from protoclients import FTP
from protoclients.cli import VERBS, explained, main
from protoclients.commands import demo, serve
from protoclients.commands.output import visible
from protoclients.commands.target import Target, parse
from protoclients.comparison import both_ways
from protoclients.fixtures import Lab
from protoclients.jobs import Job

PROTOCLIENTS = (sys.executable, "-m", "protoclients")
# What a process inherits.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("NO_COLOR", "COLUMNS", "PROTOCLIENTS_PASSWORD")
} | {"TERM": "xterm-256color"}
WELL_KNOWN = serve.WELL_KNOWN

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl: apt install curl")


@dataclass
class Run:
    """What a command came to."""

    status: int
    octets: bytes
    err: str

    @property
    def out(self) -> str:
        return self.octets.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    """The Lab that commands get in this test, as at its start."""
    shared_lab.reset()
    lend = lambda *_: contextlib.nullcontext(shared_lab)  # noqa: E731
    monkeypatch.setattr(protoclients.fixtures, "Lab", lend)
    monkeypatch.delenv("PROTOCLIENTS_PASSWORD", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return shared_lab


def call(*words: str, typed: bytes = b"") -> Run:
    """Run a command here, with pipes around it."""
    octets, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(octets)
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(typed))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
        return Run(status, octets.getvalue(), err.getvalue())
    finally:
        sys.stdin = before


@contextlib.contextmanager
def running(*words: str, **more: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """A command as a process, which ends here if not before."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    before, env = more.pop("before", ()), CLEAN | more.pop("env", {})
    popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen
    with popen((*before, *PROTOCLIENTS, *words), env=env, **(pipes | more)) as process:
        try:
            yield process
        finally:
            process.kill()


def end_of(process: "subprocess.Popen[bytes]", typed: bytes = b"") -> Run:
    out, err = process.communicate(typed, timeout=30)
    return Run(process.returncode, out or b"", err.decode())


def answered(answer: bytes, *words: str, asks: bool = True) -> Run:
    """Run a command against a server that says `answer` and hangs up; "SERVER" in `words`
    is its address. The server waits for a question first, if the protocol `asks` one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        here = f"127.0.0.1:{server.getsockname()[1]}"
        with running(*(word.replace("SERVER", here) for word in words)) as process:
            client, _ = server.accept()
            with client:
                if asks:
                    client.recv(4096)
                client.sendall(answer)
            return end_of(process)


SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def on_terminal(*words: str, typed: Sequence[tuple[bytes, bytes]] = (), **env: str) -> Run:
    """Run a command on a terminal of its own; stdout and stderr are one there. `typed`
    are pairs of what has to be on the screen, and what is then typed."""
    with running(*words, before=(sys.executable, "-c", SPAWN), env=env) as process:
        assert process.stdin
        assert process.stdout
        screen = b""
        for prompt, keys in typed:
            while not screen.endswith(prompt):
                screen += process.stdout.read(1) or prompt
            process.stdin.write(keys)
            process.stdin.flush()
        rest = end_of(process)
    return Run(rest.status, screen + rest.octets, rest.err)


def url(lab: Lab, name: str, path: str = "", login: str = "") -> str:
    address = getattr(lab, name.removesuffix("s") if name != "https" else "http")
    port = address.tls_port if name.endswith("s") else address.port
    return f"{name}://{login}{address.host}:{port}{path}"


# The overview and the help


def test_without_a_verb_it_says_what_to_try_first(lab: Lab) -> None:
    run = call()
    assert run.status == 0
    assert "protoclients demo" in run.out
    assert all(f"  {verb} " in run.out for verb in VERBS)
    assert call("--help").out.endswith(run.out.splitlines()[-1] + "\n") or "demo" in run.out


def test_the_version_is_that_of_the_package() -> None:
    assert re.fullmatch(r"protoclients [0-9.]+\S*\n", call("--version").out)


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_examples_and_fits_the_terminal(lab: Lab, verb: str) -> None:
    run = call(verb, "--help")
    assert run.status == 0
    assert "examples:\n  " in run.out
    assert "exit status" in run.out
    assert max(map(len, run.lines)) <= 80


CLIENTS = ("web", "smtp", "pop3", "ftp", "nntp", "echo")


def examples() -> list[str]:
    modules = [importlib.import_module(f"protoclients.commands.{file}") for file in CLIENTS]
    text = "\n".join(module.EXAMPLES for module in modules).replace("\\\n", " ")
    return re.findall("^  ((?:protoclients|printf) .*)$", text, re.MULTILINE)


@pytest.mark.parametrize("line", examples())
def test_every_example_in_the_help_runs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    Path("poem.txt").write_text("A poem.\n")
    monkeypatch.setenv("PROTOCLIENTS_PASSWORD", lab.http.password)
    ports = {str(8000 + port): name for name, port in WELL_KNOWN.items()}

    def here(match: re.Match[str]) -> str:
        return f"localhost:{getattr(lab, ports[match[1]]).port}"

    said, bar, command = line.rpartition("|")
    typed = shlex.split(said)[1].encode().decode("unicode_escape").encode() if bar else b""
    words = shlex.split(re.sub("localhost:(8[0-9]+)", here, command))[1:]
    run = call(*words, typed=typed)
    assert (run.status, run.err.count("\n") <= 1) == (0, True), run.err


def test_no_file_of_a_verb_hides_a_module_of_the_standard_library() -> None:
    assert not {file for file, _ in VERBS.values()} & sys.stdlib_module_names


def test_help_imports_no_protocol() -> None:
    code = "import sys, protoclients.cli as c; c.main(['--help']); print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"socket", "ssl", "asyncio", "email", "rich", "protoclients.wire"}


# Addresses


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("host", Target("host")),
        ("host:110", Target("host", 110)),
        ("[::1]:110", Target("::1", 110)),
        ("::1", Target("::1")),
        ("fe80::1%eth0", Target("fe80::1%eth0")),
        ("pop3://me@host/3", Target("host", user="me", path="/3")),
        ("POP3S://me:p%40ss@[::1]:995/", Target("::1", 995, True, "me", "p@ss", "/")),
        ("me:p@ss@host", Target("host", user="me", password="p@ss")),
        ("pop3://me:@host#part", Target("host", user="me", password="")),
    ],
)
def test_an_address_is_a_url_or_a_host_and_port(address: str, expected: Target) -> None:
    assert parse(address, {"pop3": False, "pop3s": True}) == expected


@pytest.mark.parametrize(
    "address", ["", "pop3://", "host:0", "host:65536", "host:x", "[::1", "[]:1", "http://h"]
)
def test_what_is_no_address_is_a_value_error(address: str) -> None:
    with pytest.raises(ValueError):
        parse(address, {"pop3": False})


def test_no_complaint_about_an_address_tells_its_password() -> None:
    for address in ("me:secret@host:x", "http://me:secret@host", "me:secret@"):
        with pytest.raises(ValueError) as caught:
            parse(address, {"pop3": False})
        assert "secret" not in str(caught.value)


# The clients


def test_http_fetches_a_page_octet_for_octet(lab: Lab) -> None:
    picture = (lab.store.site / "packet.png").read_bytes()
    run = call("http", url(lab, "http", "/packet.png"))
    assert (run.status, run.octets, run.err) == (0, picture, "")


def test_http_shows_every_head_if_asked_to(lab: Lab) -> None:
    run = call("http", "-i", "-L", "/redirect")
    assert [line for line in run.lines if line.startswith("HTTP/")] == [
        "HTTP/1.1 302 Found",
        "HTTP/1.1 200 OK",
    ]
    assert call("http", "-i", "/early-hints").out.startswith("HTTP/1.1 103 Early Hints\r\n")
    head = call("http", "-I", "/poem.txt").out
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert head.endswith("\r\n\r\n")


def test_http_sends_a_form_an_upload_and_fields_of_its_own(lab: Lab) -> None:
    Path("note.txt").write_bytes(b"a note\n")
    assert call("http", "-d", "name=Ada", "/form").out == "name = Ada\n"
    assert call("http", "-T", "note.txt", "/uploads/").status == 0
    assert call("http", "/uploads/note.txt").out == "a note\n"
    assert call("http", "-T", "-", "/uploads/piped", typed=b"piped").status == 0
    assert lab.store.uploads["piped"] == b"piped"
    assert call("http", "-X", "DELETE", "/uploads/note.txt").status == 0
    assert "X-Word: yes" in call("http", "-H", "X-Word: yes", "/headers").out


def test_http_keeps_the_form_in_a_307_and_drops_it_in_a_302(lab: Lab) -> None:
    assert call("http", "-L", "-d", "a=b", "/temporary").out == "a = b\n"
    assert call("http", "-L", "-d", "a=b", "/redirect").out == call("http", "/poem.txt").out


def test_http_says_that_a_redirect_was_not_followed(lab: Lab) -> None:
    run = call("http", "/redirect")
    assert run.status == 0
    assert "/poem.txt, and -L goes there" in run.err


def test_http_follows_ten_redirects_and_no_more(lab: Lab) -> None:
    run = call("http", "-L", "/loop")
    assert (run.status, "more than 10 redirects" in run.err) == (3, True)


REDIRECT = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n"


def test_http_tells_no_password_to_another_server(lab: Lab) -> None:
    elsewhere = REDIRECT % url(lab, "http", "/headers").encode()
    own = ("-H", "Cookie: mine", "-H", "X-Word: yes")
    run = answered(elsewhere, "http", "-L", *own, "http://me:secret@SERVER/")
    assert (run.status, run.err) == (0, "")
    assert "X-Word: yes" in run.lines
    assert not re.search("Authorization|Cookie", run.out)


def test_http_follows_no_redirect_to_another_scheme() -> None:
    run = answered(REDIRECT % b"ftp://x/", "http", "-L", "SERVER")
    assert (run.status, "not followed" in run.err) == (3, True)


def test_smtp_shows_the_greeting_and_the_extensions(lab: Lab) -> None:
    run = call("smtp", url(lab, "smtp"))
    assert run.lines[0].startswith("220 ")
    assert "STARTTLS" in run.lines


def test_smtp_sends_a_mail_that_pop3_then_has(lab: Lab) -> None:
    mail = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n.\r\n..\r\n"
    address = ("--from", "lecturer@example.test", "--to", "student@example.test")
    assert call("smtp", *address, typed=mail).out == "accepted: student@example.test\n"
    assert call("pop3").lines[-1].split() == ["26", str(len(mail)), "Grüße"]
    assert call("pop3", "retr", "26").octets == mail
    Path("mail.eml").write_bytes(mail)
    assert (
        call("smtp", url(lab, "smtps"), "mail.eml", *address, "--cafile", lab.cafile).status
        == 0
    )


def test_smtp_says_who_was_refused(lab: Lab) -> None:
    to = ("--to", "student@example.test", "--to", lab.refused)
    run = call("smtp", "--from", "lecturer@example.test", *to, typed=b"Subject: x\n\nx\n")
    assert (run.status, run.out) == (1, "accepted: student@example.test\n")
    assert f"refused: {lab.refused}: 550" in run.err
    run = call("smtp", "--from", "a@example.test", *to[2:], typed=b"Subject: x\n\nx\n")
    assert (run.status, run.out) == (1, "")


def test_pop3_lists_numbers_sizes_and_subjects(lab: Lab) -> None:
    run = call("pop3", url(lab, "pop3", login="student:lab-secret@"))
    assert run.lines[0].split(None, 2)[::2] == ["1", "Welcome to your maildrop"]
    assert "encoded-words は ASCII だけ" in run.lines[7]
    assert "without" not in run.err


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["stat"], "25 messages, "),
        (["list"], " 1  "),
        (["list", "2"], "2  "),
        (["uidl"], " 1  0001-"),
        (["uidl", "2"], "2  0002-"),
        (["retr", "1"], "Return-Path: "),
        (["top", "1", "2"], "Return-Path: "),
        (["dele", "1", "2"], "deleted: 1, 2"),
        (["capa"], "TOP"),
        (["/3"], "From: "),
    ],
)
def test_pop3_does_what_it_is_told(lab: Lab, words: list[str], first: str) -> None:
    run = call("pop3", *words)
    assert run.status == 0
    assert run.out.startswith(first)


def test_pop3_deletes_for_good(lab: Lab) -> None:
    call("pop3", "dele", "1")
    assert call("pop3", "stat").out.startswith("24 ")


def test_ftp_lists_fetches_and_stores(lab: Lab) -> None:
    assert [line.split()[-1] for line in call("ftp").lines] == [
        "README.txt",
        "incoming/",
        "pub/",
    ]
    packet = (lab.store.files / "pub" / "packet.bin").read_bytes()
    assert call("ftp", "get", "/pub/packet.bin").octets == packet
    assert call("ftp", "--active", "get", "/pub/packet.bin").octets == packet
    Path("note.txt").write_bytes(b"a note\n")
    assert (
        call("ftp", "put", "note.txt", "incoming/n").out == "stored: incoming/n, 7 octets\n"
    )
    assert call("ftp", "put", "-", "incoming/p", typed=b"piped").status == 0
    assert (lab.store.files / "incoming" / "p").read_bytes() == b"piped"
    assert call("http", "/files/incoming/n").out == "a note\n"


def test_ftp_makes_renames_and_deletes(lab: Lab) -> None:
    for words in (
        ["mkd", "new"],
        ["rename", "new", "newer"],
        ["rmd", "newer"],
        ["dele", "README.txt"],
        ["size", "pub/ascii.txt"],
        ["mdtm", "pub/ascii.txt"],
        ["feat"],
    ):
        run = call("ftp", *words)
        assert (run.status, run.err.count("\n")) == (0, 1), run.err
    assert [line.split()[-1] for line in call("ftp").lines] == ["incoming/", "pub/"]


def test_ftp_takes_names_as_they_are_in_urls_and_as_they_are(lab: Lab) -> None:
    content = (lab.store.files / "pub" / "name with spaces.txt").read_bytes()
    login = "student:lab-secret@"
    assert (
        call("ftp", url(lab, "ftp", "/pub/name%20with%20spaces.txt", login)).octets
        == content
    )
    assert call("ftp", "get", "pub/name with spaces.txt").octets == content
    assert call("ftp", "get", "--", "pub/-leading-dash.txt").status == 0
    assert "Ηχώ.txt" in call("ftp", url(lab, "ftp", "/pub/", login)).out


def test_names_that_are_no_utf_8_survive(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [("caf\udce9.txt", {"type": "file"})]
    monkeypatch.setattr(FTP, "mlsd", lambda *_: found)
    assert b"  caf\xe9.txt\n" in call("ftp").octets


def test_nntp_lists_groups_and_articles(lab: Lab) -> None:
    assert "lab.announce" in call("nntp").out
    assert call("nntp", "groups", "*.help").out.split()[1] == "lab.protocols.help"
    overview = call("nntp", "over", "lab.announce").lines
    assert overview[0].split() == ["1", "The", "Moderator", "Welcome", "to", "the", "lab"]
    assert call("nntp", "/lab.announce").lines == overview
    assert call("nntp", "over", "lab.announce", "2-3").lines == overview[1:3]
    assert "AUTHINFO USER" in call("nntp", "capabilities").out


def test_nntp_fetches_by_number_and_by_id(lab: Lab) -> None:
    article = call("nntp", url(lab, "nntp", "/lab.announce/1")).octets
    assert article.startswith(b"Path: ")
    (message_id,) = re.findall(rb"(?im)^message-id: (<.*>)\r$", article)
    assert call("nntp", "article", message_id.decode()).octets == article
    head = call("nntp", "head", "lab.announce", "1").octets
    assert head + b"\r\n" + call("nntp", "body", "lab.announce", "1").octets == article


def test_nntp_posts(lab: Lab) -> None:
    article = (
        b"From: student@example.test\nNewsgroups: lab.protocols.help\n"
        b"Subject: By command line\nMessage-ID: <cli@example.test>\n\n.\n"
    )
    run = call("nntp", "--user", "student", "post", typed=article)
    assert (run.status, run.out[:4]) == (0, "240 "), run.err
    assert "By command line" in call("nntp", "over", "lab.protocols.help").lines[-1]


@pytest.mark.parametrize("udp", [[], ["--udp"]])
def test_echo_prints_what_comes_back(lab: Lab, udp: list[str]) -> None:
    assert call("echo", *udp, "Grüße").out == "Grüße\n"
    assert call("echo", *udp, url(lab, "echo"), "Hi").out == "Hi\n"
    assert call("echo", *udp, f"127.0.0.1:{lab.echo.port}", "Hi").out == "Hi\n"
    assert call("echo", *udp).out == "Hello!\n"


def test_telnet_sends_the_lines_of_a_pipe(lab: Lab) -> None:
    with running("telnet", url(lab, "telnet")) as process:
        run = end_of(process, b"student\nlab-secret\necho hi\nexit\n")
    assert (run.status, run.err) == (0, "")
    assert re.search(rb"(?m)^(lab> )?hi\r$", run.octets)
    assert run.octets.endswith(b"Goodbye.\r\n")


def test_telnet_joins_a_terminal_and_gives_it_back(lab: Lab) -> None:
    typed = (
        (b"login: ", b"student\r"),
        (b"Password: ", b"lab-secret\r"),
        (b"> ", b"exit\r"),
    )
    run = on_terminal("telnet", url(lab, "telnet"), "--timeout", "5", typed=typed)
    assert run.status == 0
    assert run.octets.endswith(b"Goodbye.\r\n")
    assert b"lab-secret" not in run.octets.partition(b"Password:")[2]


# TLS, and passwords


@pytest.mark.parametrize("verb", ["http", "smtp", "pop3", "ftp", "nntp"])
def test_tls_checks_the_certificate_unless_told_not_to(lab: Lab, verb: str) -> None:
    address = url(lab, f"{verb}s", login="student:lab-secret@" if verb != "http" else "")
    assert call(verb, address, "--cafile", lab.cafile).status == 0
    run = call(verb, address)
    assert (run.status, "--insecure" in run.err) == (3, True)
    run = call(verb, address, "--insecure")
    assert (run.status, "nobody checks who the server is" in run.err) == (0, True)
    assert call(verb, "--tls").status == 0


@pytest.mark.parametrize("verb", ["smtp", "pop3", "ftp", "nntp"])
def test_starttls_encrypts_before_the_password(lab: Lab, verb: str) -> None:
    assert call(verb, "--starttls", "--user", "student").status == 0
    run = call(verb, url(lab, f"{verb}s"), "--starttls")
    assert (run.status, "does not begin with TLS" in run.err) == (2, True)
    assert call(verb, "--starttls", "--tls").status == 2


def test_a_password_comes_from_the_url_the_environment_or_nowhere(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = url(lab, "pop3", login="student@")
    run = call("pop3", server, "stat")
    assert (run.status, "PROTOCLIENTS_PASSWORD" in run.err) == (2, True)
    monkeypatch.setenv("PROTOCLIENTS_PASSWORD", "wrong")
    assert call("pop3", server, "stat").status == 1
    monkeypatch.setenv("SECRET", "lab-secret")
    assert call("pop3", server, "--password-env", "SECRET", "stat").status == 0
    assert call("pop3", url(lab, "pop3", login="student:lab%2Dsecret@"), "stat").status == 0
    run = call("pop3", server, "--password-env", "NO_SUCH", "stat")
    assert (run.status, "NO_SUCH" in run.err) == (2, True)


def test_a_password_is_asked_for_on_a_terminal_and_not_shown(lab: Lab) -> None:
    typed = [(b"Password of student at 127.0.0.1: ", b"lab-secret\n")]
    run = on_terminal("pop3", url(lab, "pop3", login="student@"), "stat", typed=typed)
    assert (run.status, "25 messages" in run.out) == (0, True)
    assert "lab-secret" not in run.out


# What goes wrong


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["gopher"], 2, "no verb 'gopher'"),
        (["--nope"], 2, "unrecognized arguments: --nope"),
        (["pop3", "--nope"], 2, "unrecognized arguments: --nope"),
        (["pop3", "retr"], 2, "retr N"),
        (["pop3", "retr", "x"], 2, "not a number: 'x'"),
        (["pop3", "host", "bake"], 2, "no action 'bake'"),
        (["pop3", "retr", "99"], 1, "refused: -ERR"),
        (["pop3", "http://host/"], 2, "begins with pop3://"),
        (["pop3", "pop3://host/3", "stat"], 2, "the path '/3'"),
        (["smtp", "smtp://host/x"], 2, "the path '/x'"),
        (["pop3", "127.0.0.1:1", "stat"], 3, "port 1: Connection refused"),
        (["pop3", "127.0.0.1:99999"], 2, "99999"),
        (["pop3", "--timeout", "never"], 2, "never"),
        (["pop3", "--timeout", "inf"], 2, "inf"),
        (["http", "http://nosuch.invalid/"], 3, "no such host: nosuch.invalid"),
        (["http", "/nothing"], 1, "404 Not Found"),
        (["http", "-T", "no-such-file", "/uploads/x"], 2, "no-such-file: No such file"),
        (["http", "-H", "nonsense", "/"], 2, "nonsense"),
        (["http", "-X", "G T", "/"], 2, "G T"),
        (["http", "-d", "x", "-T", "y", "/"], 2, "not allowed with"),
        (["http", "/", "-o", "no-such-folder/x"], 2, "no-such-folder/x: No such file"),
        (["http", "--tls", "--cafile", "none.pem", "/"], 2, "none.pem: No such file"),
        (["smtp", "--to", "a@example.test"], 2, "--from is missing"),
        (["smtp", "--from", "a", "--to", "b", "x", "none.eml"], 2, "none.eml: No such"),
        (["ftp", "get", "/nothing"], 1, "550"),
        (["ftp", "--user", "nobody"], 1, "530"),
        (["ftp", "put", "no-such-file"], 2, "no-such-file: No such file"),
        (["nntp", "over", "no.such.group"], 1, "411"),
        (["nntp", "article", "no-id"], 2, "no-id"),
        (["echo", "--udp", "x" * 70_000], 2, "a datagram carries"),
        (["echo", "127.0.0.1:1", "x"], 3, "Connection refused"),
        (["telnet", "127.0.0.1:1"], 3, "Connection refused"),
        (["serve", "--offset", "65000"], 2, "1 to 65535"),
        (["serve", "--host", "not-numeric"], 2, "--host is a numeric address"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_sentence_and_a_status(
    lab: Lab, words: list[str], status: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words[0] == "serve":
        monkeypatch.setattr(protoclients.fixtures, "Lab", Lab)
    run = call(*words)
    complaint = run.err.splitlines()[-1]
    assert (run.status, complaint[:14]) == (status, "protoclients: ")
    assert sentence in complaint
    assert "Traceback" not in run.err


def test_a_password_in_clear_needs_the_users_word() -> None:
    error = ValueError("… in clear text: use TLS, or pass allow_cleartext=True")
    assert explained(error) == (2, "… in clear text: use TLS, or say --allow-cleartext")


def test_control_characters_in_an_error_are_escaped() -> None:
    words = ("pop3", "me:secret@SERVER", "stat")
    run = answered(b"-ERR \x1b[2J\x07 go away\r\n", *words, asks=False)
    assert run.status == 1
    assert run.err == "protoclients: the server refused: -ERR \\x1b[2J\\x07 go away\n"


# Files, pipes and terminals


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


def test_a_file_appears_whole_or_not_at_all(lab: Lab) -> None:
    Path("kept").write_text("as it was")
    assert call("http", "/nothing", "-o", "kept").status == 1
    assert call("pop3", "retr", "99", "-o", "kept").status == 1
    assert Path("kept").read_text() == "as it was"
    run = answered(HALF, "http", "SERVER", "-o", "cut")
    assert (run.status, "hung up with 96 octets to come" in run.err) == (3, True)
    assert os.listdir() == ["kept"]


def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_stays_a_link(lab: Lab) -> None:
    Path("real").touch(0o640)
    Path("link").symlink_to("real")
    assert call("http", "/poem.txt", "-o", "link").status == 0
    assert Path("link").is_symlink()
    assert Path("real").stat().st_mode & 0o777 == 0o640
    assert Path("real").read_bytes() == call("http", "/poem.txt", "-o", "-").octets
    assert call("http", "/poem.txt", "-o", os.devnull).status == 0
    assert not Path(os.devnull).is_file()


def test_a_full_disk_is_one_sentence(lab: Lab) -> None:
    with (
        open("/dev/full", "wb") as full,
        running("http", url(lab, "http", "/poem.txt"), stdout=full) as process,
    ):
        run = end_of(process)
    assert (run.status, run.err) == (2, "protoclients: No space left on device\n")


def test_a_pipe_that_closes_is_no_error(lab: Lab) -> None:
    with running("http", url(lab, "http", "/large")) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 128 + signal.SIGPIPE


def test_a_download_to_a_file_shows_progress_on_a_terminal_only(
    lab: Lab, tmp_path: Path
) -> None:
    large = url(lab, "http", "/large?octets=3000000")
    run = on_terminal("http", large, "-o", str(tmp_path / "large"))
    assert (run.status, "100%" in run.out) == (0, True)
    assert (tmp_path / "large").stat().st_size == 3_000_000
    assert call("http", large, "-o", "large").err == ""


def test_control_characters_reach_a_pipe_and_never_a_terminal(lab: Lab) -> None:
    evil = b"red \x1b[31m, bell \x07, title \x9d, Gr\xc3\xbc\xc3\x9fe \xff\r\nnext\ttab\n"
    lab.store.uploads["evil"] = evil
    address = url(lab, "http", "/uploads/evil")
    assert call("http", address).octets == evil
    shown = "red \\x1b[31m, bell \\x07, title \\x9d, Grüße \\xff\r\nnext\ttab\r\n"
    assert on_terminal("http", address).out == shown
    assert visible("\x85\u009b\x7f") == "\\x85\\x9b\\x7f"


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_is_for_terminals_that_want_it(no_color: str) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-7]")
    run = on_terminal("ports", NO_COLOR=no_color)
    assert bool(colour.search(run.out)) == (not no_color)
    run = on_terminal("nonsense", NO_COLOR=no_color)
    assert bool(colour.search(run.out)) == (not no_color)


def test_ports_fit_the_terminal_and_say_what_is_wrong(lab: Lab) -> None:
    run = call("ports")
    assert run.status == 0
    assert max(map(len, run.lines)) <= 80
    assert "\x1b" not in run.out
    assert re.search(r"NNTP +119 +563 +TCP +nntplib", run.out)
    assert "They say: FTP has port 20." in run.lines


# The demo


def test_the_demo_as_json_has_every_job_the_same() -> None:
    with running("demo", "--json") as process:
        run = end_of(process)
    assert (run.status, run.err) == (0, "")
    jobs = json.loads(run.out)["jobs"]
    keys = {"protocol", "job", "by_hand", "by_library", "same"}
    keys |= {"seconds_by_hand", "seconds_by_library"}
    assert all(keys <= job.keys() for job in jobs)
    assert len(jobs) >= 20
    assert len({job["protocol"] for job in jobs}) == 7
    assert all(job["same"] is True for job in jobs)
    assert all(job["by_hand"].startswith("protoclients.") for job in jobs)
    assert all(0 < job["seconds_by_hand"] < 10 for job in jobs)


def some_jobs(monkeypatch: pytest.MonkeyPatch, **results: Any) -> None:
    def side(result: Any) -> Any:
        def do(lab: Lab) -> Any:
            if isinstance(result, Exception):
                raise result
            return result

        return do

    jobs = [
        Job(
            "pop3",
            "a-job",
            title,
            "protoclients.POP3",
            "poplib.POP3",
            side(1),
            side(result),
        )
        for title, result in results.items()
    ]
    monkeypatch.setattr(protoclients.jobs, "all_jobs", lambda: jobs)


@pytest.mark.parametrize("columns", [80, 160])
def test_the_demo_is_one_line_a_job(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    some_jobs(monkeypatch, short=1, long_=1, **{"x" * 60: 1, "y" * 60: 2})
    run = call("demo")
    assert run.status == 1
    assert max(map(len, run.lines)) <= columns
    lines = [line for line in run.lines if line.startswith("POP3 ")]
    assert [line.split()[-1] for line in lines] == ["same", "same", "same", "DIFFERENT"]
    assert all("poplib" in line for line in lines)
    assert ("protoclients.POP3" in lines[0]) == (columns == 160)
    assert "protoclients serve" in run.out
    assert "\x1b" not in run.out


def test_a_side_that_fails_is_told_and_not_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_jobs(monkeypatch, fails=RuntimeError("no \x1b luck"), works=1)
    run = call("demo")
    assert run.status == 1
    assert "by library: RuntimeError: no \\x1b luck" in run.out
    run = call("demo", "--json")
    assert run.status == 1
    failed, worked = json.loads(run.out)["jobs"]
    assert (failed["same"], worked["same"]) == (False, True)
    assert failed["error"] == "by library: RuntimeError: no \\x1b luck"
    assert "error" not in worked


def test_the_demo_gives_each_side_a_fresh_lab(lab: Lab) -> None:
    jobs = [job for job in protoclients.jobs.jobs_of("pop3") if job.name == "delete"]
    done = (demo.Done(job, *both_ways(job, lab)) for job in (*jobs, *jobs))
    assert [one.same for one in done] == [True, True]


# Servers for people


@dataclass
class Served:
    offset: int
    screen: list[str]
    process: "subprocess.Popen[bytes]"

    def at(self, name: str) -> str:
        return f"127.0.0.1:{self.offset + WELL_KNOWN[name]}"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """`protoclients serve` at free ports, with its temporary files in `folder`."""
    screen: list[str] = []
    while not screen:
        offset = randrange(10_000, 50_000)
        with running(
            "serve", "--offset", str(offset), env={"TMPDIR": str(folder)}
        ) as process:
            assert process.stdout
            for line in process.stdout:
                screen.append(line.decode().rstrip())
                if "--cacert" in screen[-1]:
                    yield Served(offset, screen, process)
                    break


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served


def test_serve_says_what_to_type_and_it_works(served: Served) -> None:
    text = "\n".join(served.screen).replace("\\\n", " ")
    assert all(len(line) <= 80 or "--ca" in line for line in served.screen)
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    ours = [
        line for line in lines if line.startswith("protoclients") and "telnet" not in line
    ]
    assert len(ours) == 7
    for line in ours:
        run = call(*shlex.split(line)[1:])
        assert (run.status, run.err) == (0, ""), line


@needs_curl
def test_what_serve_says_about_curl_works(served: Served) -> None:
    text = "\n".join(served.screen).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "curl " in line]
    assert len(lines) == 5
    for line in lines:
        done = subprocess.run(("sh", "-c", line), capture_output=True, timeout=30)
        assert done.returncode == 0, (line, done.stderr)
    assert (
        call("pop3", f"student:lab-secret@{served.at('pop3')}").lines[-1].endswith("Hello")
    )


def test_a_port_in_use_is_one_sentence_that_says_what_to_do(served: Served) -> None:
    run = call("serve", "--offset", str(served.offset))
    assert run.status == 2
    assert run.err.count("\n") == 1
    assert f"can't listen on port {served.offset + 80}" in run.err
    assert "Address already in use" in run.err
    assert "--offset 9000" in run.err


def test_a_port_without_the_right_to_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(
            13, "http: can't listen on port 80 of 127.0.0.1: Permission denied"
        )

    monkeypatch.setattr(protoclients.fixtures, "Lab", refuse)
    run = call("serve", "--offset", "0")
    assert (run.status, "--offset 8000" in run.err) == (2, True)


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_serve_quietly_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path) as served:
        assert list(tmp_path.iterdir())
        served.process.send_signal(number)
        run = end_of(served.process)
    assert (run.status, run.err) == (128 + number, "")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_demo_quietly_and_leaves_nothing(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with running("demo", env=env) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        run = end_of(process)
    assert (run.status, run.err) == (130, "")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_a_download_quietly_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with running("http", address, "-o", "file", cwd=tmp_path) as process:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(HALF)
                process.send_signal(signal.SIGINT)
                run = end_of(process)
    assert (run.status, run.out, run.err) == (130, "", "")
    assert not list(tmp_path.iterdir())
