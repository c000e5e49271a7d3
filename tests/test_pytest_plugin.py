"""The pytest plugin, in test suites of other people: each a process of its own."""

import subprocess
import sys

import pytest

pytest_plugins = "pytester"

# Without the other plugins that there may be here: they take long to load.
ALONE = ("-p", "no:cacheprovider", "-p", "protoclients.pytest_plugin")

ALL_SERVERS = """
import poplib, socket, pytest

@pytest.mark.parametrize("name", "http smtp pop3 ftp nntp telnet echo".split())
def test_it_answers(name, request):
    server = request.getfixturevalue(f"{name}_server")
    socket.create_connection((server.host, server.port), timeout=30).close()

@pytest.mark.parametrize("time", [1, 2])
def test_all_mails_are_there(pop3_server, time):
    pop3 = poplib.POP3(pop3_server.host, pop3_server.port)
    pop3.user(pop3_server.user)
    pop3.pass_(pop3_server.password)
    count = pop3.stat()[0]
    for n in range(1, count + 1):
        pop3.dele(n)
    pop3.quit()
    assert count > 3

def test_the_lab_has_the_same_servers(lab, pop3_server):
    assert lab.pop3 == pop3_server
"""
FAILS = """
import poplib, threading

def log_in(server):
    pop3 = poplib.POP3(server.host, server.port)
    pop3.user(server.user)
    pop3.pass_(server.password)
    pop3.quit()

def test_fails(pop3_server, recording):
    log_in(pop3_server)
    assert len(recording.conversations) == 2

def test_fails_in_a_thread(pop3_server, recording):
    thread = threading.Thread(target=log_in, args=(pop3_server,))
    thread.start()
    thread.join()
    assert recording.conversations == []

def test_passes(pop3_server, recording):
    log_in(pop3_server)
    assert recording.conversations[0].protocol == "pop3"

def test_says_nothing(recording):
    assert recording.calls

def test_has_no_recording(pop3_server):
    log_in(pop3_server)
    assert 0
"""
LITTLE = """
import socket

def test_fails(recording):
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
    assert 0
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.usefixtures("alone")
def test_each_server_has_a_fixture_and_is_as_at_its_start(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ALL_SERVERS)
    pytester.runpytest_subprocess(*ALONE).assert_outcomes(passed=10)


@pytest.mark.usefixtures("alone")
def test_a_test_that_fails_shows_what_it_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILS)
    run = pytester.runpytest_subprocess(*ALONE, "--tb=line")
    run.assert_outcomes(passed=1, failed=4)
    out = run.stdout.str()
    assert out.count("- Conversation -") == 2
    assert out.count("C: PASS \u203910 octets hidden\u203a") == 2
    assert "lab-secret" not in out
    run.stdout.fnmatch_lines(
        [
            "*- Conversation -*",
            "1. pop3 with 127.0.0.1:*",
            "*@ poplib.py:*  return self._shortcmd('USER %s' % user)",
            "*@ test_a_test_that_fails_shows_what_it_said.py:*  pop3.user(server.user)",
            "C: USER student",
        ]
    )


@pytest.mark.usefixtures("alone")
def test_the_report_can_be_left_out_as_captured_logs_can(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LITTLE)
    run = pytester.runpytest_subprocess(*ALONE)
    run.stdout.fnmatch_lines(["*- Conversation -*", "C: hello"])
    run = pytester.runpytest_subprocess(*ALONE, "--show-capture=no")
    assert "- Conversation -" not in run.stdout.str()


def test_who_has_the_package_has_the_fixtures(pytester: pytest.Pytester) -> None:
    out = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider").stdout.str()
    names = ["lab", "http", "smtp", "pop3", "ftp", "nntp", "telnet", "echo", "recording"]
    for name in names:
        name = name if name in ("lab", "recording") else f"{name}_server"
        assert f"\n{name} -- " in out


def test_who_does_not_use_it_does_not_load_it() -> None:
    code = (
        "import sys, pytest; sys.argv = ['pytest']; before = set(sys.modules); "
        "import protoclients.pytest_plugin; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True)
    assert set(done.stdout.split()) == {"protoclients", "protoclients.pytest_plugin"}
