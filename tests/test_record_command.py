"""protoclients record, show, and -v: programs as they run elsewhere, with their sockets
heard."""

import contextlib
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protoclients.fixtures import Lab

PROTOCLIENTS = (sys.executable, "-m", "protoclients")
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("NO_COLOR", "COLUMNS", "PROTOCLIENTS_PASSWORD")
}
CLIENTS = ["http", "smtp", "pop3", "ftp", "nntp", "telnet", "echo"]
HIDDEN = "C: PASS \u203910 octets hidden\u203a"

Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    shared_lab.reset()
    monkeypatch.chdir(tmp_path)
    return shared_lab


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*command: str, **more: Any) -> Run:
    more = {"stdin": subprocess.DEVNULL, "timeout": 60, "env": CLEAN} | more
    if "input" in more:
        del more["stdin"]
    return subprocess.run(command, capture_output=True, text=True, **more)


def ours(*words: str, **more: Any) -> Run:
    return run(*PROTOCLIENTS, *words, **more)


def both(*words: str, **more: Any) -> tuple[Run, Run]:
    """What a program does under python, and what under record."""
    return run(sys.executable, *words, **more), ours("record", *words, **more)


def pop3_program(lab: Lab, more: str = "") -> Path:
    """A program that logs in to the Lab's POP3 server."""
    file = Path("mail.py")
    file.write_text(
        "import poplib\n"
        f"pop3 = poplib.POP3('127.0.0.1', {lab.pop3.port})\n"
        "pop3.user('student')\n"
        "pop3.pass_('lab-secret')\n"
        f"{more}\n"
        "print(pop3.stat())\n"
        "pop3.quit()\n"
    )
    return file


# As if run by python

CURIOUS = """
import sys, json, threading, signal, __main__
names = sorted(n for n in vars(__main__) if n != "names")
print(json.dumps([
    __name__, __file__, __doc__, __package__, __spec__ is None, type(__loader__).__name__,
    sys.argv, sys.path[0], names, sys.stdin.read(), sys.stdout.encoding, sys.stdout.errors,
    __main__ is sys.modules["__main__"], threading.current_thread().name,
    repr(signal.getsignal(signal.SIGINT)),
]))
"""


def test_a_script_sees_what_it_sees_under_python() -> None:
    Path("sub").mkdir()
    Path("sub/curious.py").write_text(CURIOUS)
    words = ("sub/curious.py", "-v", "--json", "-o", "x", "--", "a b")
    theirs, ours_ = both(*words, input="typed")
    assert ours_.stdout == theirs.stdout
    assert ours("record", "--", *words, input="typed").stdout == theirs.stdout


def test_code_sees_what_it_sees_under_python() -> None:
    code = "import sys; print(__name__, sys.argv, sys.path[0], sorted(vars()))"
    theirs, ours_ = both("-c", code, "-m", "x")
    assert ours_.stdout == theirs.stdout


def test_a_module_sees_what_it_sees_under_python() -> None:
    Path("pack").mkdir()
    Path("pack/__main__.py").write_text(
        "import sys\nprint(__name__, __package__, __spec__.name, sys.argv, sys.path[0])"
    )
    theirs, ours_ = both("-m", "pack", "--sockets", "-c")
    assert ours_.stdout == theirs.stdout


def test_a_folder_with_a_main_runs_too() -> None:
    Path("program").mkdir()
    Path("program/__main__.py").write_text(
        "import sys, other; print(sys.argv, sys.path[0])"
    )
    Path("program/other.py").write_text("")
    assert ours("record", "program", "x").returncode == 0
    theirs, ours_ = both("program", "x")
    assert ours_.stdout == theirs.stdout


ENDS = [
    "pass",
    "import sys; sys.exit(3)",
    "import sys; sys.exit('it went wrong')",
    "import os; os._exit(9)",
    "1 / 0",
    "def f(): raise ValueError('a') from OSError('b')\nf()",
    "raise ExceptionGroup('many', [ValueError('a'), TypeError('b')])",
    "import sys; sys.excepthook = lambda *error: print('own hook', error[0])\n1 / 0",
    "this is no Python",
    "open('no such file')",
]


@pytest.mark.parametrize("code", ENDS)
def test_it_ends_as_under_python(code: str) -> None:
    Path("program.py").write_text(code)
    theirs, ours_ = both("program.py")
    assert (ours_.returncode, ours_.stdout) == (theirs.returncode, theirs.stdout)
    said = ours_.stderr.replace(
        "protoclients: the program said nothing on the network\n", ""
    )
    assert said == theirs.stderr


def test_an_error_on_a_socket_has_no_line_of_the_recorder() -> None:
    code = "import socket\nsocket.create_connection(('127.0.0.1', 1))"
    Path("program.py").write_text(code)
    theirs, ours_ = both("program.py")
    assert ours_.stderr.startswith(theirs.stderr)
    assert "-- connect to 127.0.0.1:1: ConnectionRefusedError" in ours_.stderr


def test_ctrl_c_is_a_keyboard_interrupt_and_what_was_said_is_shown(lab: Lab) -> None:
    file = pop3_program(lab, "print('now', flush=True); import signal; signal.pause()")
    command = (*PROTOCLIENTS, "record", str(file))
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "KeyboardInterrupt" in err
    assert HIDDEN in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_said_until_it_was_killed_is_shown_and_saved(
    lab: Lab, number: signal.Signals
) -> None:
    file = pop3_program(lab, "print('now', flush=True); import signal; signal.pause()")
    command = (*PROTOCLIENTS, "record", "-o", "talk.json", str(file))
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "now\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == -number
    assert HIDDEN in err
    assert HIDDEN in ours("show", "talk.json").stdout


@pytest.mark.parametrize(
    "waits", ["thread.join()", "threading.Event().wait()", "survive()"]
)
def test_what_a_program_does_is_no_obstacle_to_its_end(lab: Lab, waits: str) -> None:
    file = pop3_program(
        lab,
        "import threading\n"
        "def survive():\n"
        "    while True:\n"
        "        try: threading.Event().wait()\n"
        "        except BaseException: pass\n"
        "thread = threading.Thread(target=threading.Event().wait)\n"
        "thread.start()\n"
        "print('now', flush=True)\n" + waits,
    )
    command = (*PROTOCLIENTS, "record", str(file))
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "now\n"
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert HIDDEN in err


def test_a_program_that_forks_and_forks_can_be_ended() -> None:
    Path("program.py").write_text(
        "import os\n"
        "print('now', flush=True)\n"
        "while True:\n"
        "    if not (child := os.fork()): os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    for _ in range(5):
        command = (*PROTOCLIENTS, "record", "program.py")
        pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(command, text=True, **pipes) as process:
            assert process.stdout
            assert process.stdout.readline() == "now\n"
            process.terminate()
            process.communicate(timeout=30)
        assert process.returncode == -signal.SIGTERM


def test_a_forked_child_that_is_killed_dies_as_a_child() -> None:
    Path("program.py").write_text(
        "import os, signal\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.pause()\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.WTERMSIG(os.waitpid(child, 0)[1]))\n"
    )
    assert ours("record", "program.py").stdout == f"{int(signal.SIGTERM)}\n"


def test_a_look_up_that_failed_is_told_where_nothing_was_said() -> None:
    code = "import socket\ntry: socket.create_connection(('no.such.invalid', 1))\nexcept OSError: pass"
    done = ours("record", "-o", "talk.json", "-c", code)
    assert "said nothing on the network: getaddrinfo ('no.such.invalid', 1" in done.stderr
    assert "nothing was said on the network" in ours("show", "talk.json").stderr


def test_what_is_not_in_the_file_cannot_be_shown(lab: Lab) -> None:
    file = pop3_program(lab, "pass")
    ours("record", "-o", "talk.json", str(file))
    done = ours("show", "--show-secrets", "talk.json")
    assert "the secrets are not in this file" in done.stderr


def test_its_threads_are_heard_and_waited_for(lab: Lab) -> None:
    file = Path("threads.py")
    file.write_text(
        "import poplib, threading\n"
        "def talk(more):\n"
        f"    poplib.POP3('127.0.0.1', {lab.pop3.port}).quit()\n"
        "    if more:\n"
        "        threading.Thread(target=talk, args=(more - 1,)).start()\n"
        "threading.Thread(target=talk, args=(2,)).start()\n"
        "raise SystemExit(5)\n"
    )
    done = ours("record", str(file))
    assert done.returncode == 5
    assert done.stderr.count("C: QUIT") == 3
    assert re.search(r"@ threads.py:3  poplib.*\nC: QUIT", done.stderr)


def test_a_forked_child_is_heard_and_ends_as_a_child(lab: Lab) -> None:
    file = pop3_program(
        lab,
        "import os, sys\n"
        "if not os.fork():\n"
        f"    poplib.POP3('127.0.0.1', {lab.pop3.port}).quit()\n"
        "    sys.exit(4)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)",
    )
    done = ours("record", "-o", "talk.json", str(file))
    assert (done.returncode, done.stdout) == (0, "4\n(25, 1079300)\n")
    assert re.findall("^[0-9]+. pop3", done.stderr, re.M) == ["1. pop3", "2. pop3"]
    assert re.search(r"mail.py:7 .*\nC: QUIT", done.stderr)
    assert done.stderr.count("saved") == 1
    assert ours("show", "talk.json").stdout in done.stderr
    assert not list(Path().glob("*.part"))


FORKING_SERVER = """
import os, poplib, socket
door = socket.create_server(("127.0.0.1", 0))
if not os.fork():
    for n in range(2):
        connection, _ = door.accept()
        if not os.fork():
            connection.sendall(b"+OK hello %d\\r\\n" % n)
            connection.recv(100)
            connection.sendall(b"+OK\\r\\n")
            os._exit(0)
        connection.close()
        os.wait()
    os._exit(0)
for n in range(2):
    poplib.POP3("127.0.0.1", door.getsockname()[1]).quit()
os.wait()
"""


def test_servers_and_clients_in_several_processes_are_told_apart() -> None:
    Path("server.py").write_text(FORKING_SERVER)
    done = ours("record", "server.py")
    assert done.returncode == 0
    talks = re.split("^(?=[0-9]+. )", done.stderr, flags=re.M)[1:]
    for n in range(2):
        assert len([talk for talk in talks if f"S: +OK hello {n}\n" in talk]) == 2


def test_multiprocessing_works_under_it() -> None:
    Path("many.py").write_text(
        "import multiprocessing as m, sys\n"
        "def double(n): return 2 * n\n"
        "if __name__ == '__main__':\n"
        "    with m.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        print(pool.map(double, range(5)))\n"
    )
    for method in ("fork", "spawn"):
        done = ours("record", "many.py", method)
        assert done.stdout == "[0, 2, 4, 6, 8]\n", done.stderr


# What is shown


def test_what_a_script_said_is_shown_with_its_lines(lab: Lab) -> None:
    done = ours("record", str(pop3_program(lab)))
    assert (done.returncode, done.stdout) == (0, "(25, 1079300)\n")
    assert HIDDEN in done.stderr
    assert "lab-secret" not in done.stderr
    assert re.search(r"   @ mail.py:4  pop3.pass_\('.hidden.'\)\nC: PASS", done.stderr)
    assert done.stderr.splitlines()[-1].startswith("4 round trips, ")
    assert max(map(len, done.stderr.splitlines())) <= 80


def test_options_say_how_much_is_shown(lab: Lab) -> None:
    file = str(pop3_program(lab))
    done = ours("record", "--no-code", "-vv", "--sockets", "--show-secrets", "--", file)
    assert "@ " not in done.stderr
    assert "C: PASS lab-secret\n" in done.stderr
    assert "state: AUTHORIZATION -> TRANSACTION" in done.stderr
    assert "socket 1: sendall(6 bytes) -> 6 bytes" in done.stderr


def test_with_follow_it_is_shown_as_it_happens(lab: Lab) -> None:
    file = pop3_program(lab, "input()")
    command = (*PROTOCLIENTS, "record", "--follow", "--no-code", str(file))
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, env=CLEAN, **pipes) as process:
        assert process.stderr
        seen = [process.stderr.readline() for _ in range(7)]
        assert seen[5] == f"{HIDDEN}\n"  # and the program still waits for its input
        out, err = process.communicate("\n", timeout=30)
    assert out == "(25, 1079300)\n"
    assert "C: STAT\n" in err
    whole = ours("record", "--no-code", str(file), input="\n").stderr
    cut = r"[\d.]+ ms|<.*>"
    assert re.sub(cut, "", "".join(seen) + err) == re.sub(cut, "", whole)


def test_a_program_that_closes_its_stderr_ends_well(lab: Lab) -> None:
    file = pop3_program(lab, "import sys; sys.stderr.close()")
    for more in (("-o", "talk.json"), ("--follow",)):
        done = ours("record", *more, str(file))
        assert (done.returncode, done.stdout) == (0, "(25, 1079300)\n")


# Files


def test_a_file_shows_the_same_again(lab: Lab) -> None:
    done = ours("record", "-o", "talk.json", str(pop3_program(lab)))
    assert "protoclients show" in done.stderr.splitlines()[-1]
    assert "lab-secret" not in Path("talk.json").read_text()
    again = ours("show", "talk.json")
    assert again.returncode == 0
    assert again.stdout == done.stderr[: done.stderr.rindex("protoclients: saved")]
    steps = json.loads(ours("show", "--json", "talk.json").stdout)[0]["steps"]
    assert "PASS \u203910 octets hidden\u203a" in [step["text"] for step in steps]
    piped = ours("show", "--no-code", "-", input=Path("talk.json").read_text())
    assert "C: USER student" in piped.stdout.splitlines()


def test_a_file_with_secrets_is_for_the_user_alone(lab: Lab) -> None:
    file = Path("talk.json")
    for _ in range(2):
        ours("record", "--show-secrets", "-o", str(file), str(pop3_program(lab)))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "lab-secret" in file.read_text()
        file.chmod(0o644)
    assert "C: PASS lab-secret" in ours("show", "--show-secrets", str(file)).stdout
    assert HIDDEN in ours("show", str(file)).stdout


def test_a_program_that_goes_elsewhere_is_saved_where_it_was_said(lab: Lab) -> None:
    Path("away").mkdir()
    file = pop3_program(lab, "import os; os.chdir('away')")
    ours("record", "-o", "talk.json", str(file))
    assert Path("talk.json").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["record", "--json", "x.py"], "stdout is the program's"),
        (["record"], "which program?"),
        (["record", "-o", "x.json"], "which program?"),
        (["record", "-m"], "-m stands alone"),
        (["record", "none.py"], "none.py: No such file"),
        (["record", "--protocol", "gopher", "-c", "print(1)"], "'gopher' is none of"),
        (["record", "-o", "no/x.json", "-c", "print(1)"], "no: No such file"),
        (["record", "-o", ".", "-c", "print(1)"], "can't be written"),
        (["record", "--nonsense", "x.py"], "unrecognized arguments: --nonsense"),
        (["show", "none.json"], "none.json: No such file"),
        (["show", "poem.txt"], "poem.txt: it isn't a recording"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], sentence: str) -> None:
    Path("poem.txt").write_text("A byte's way")
    done = ours(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_an_unknown_module_is_told_as_python_does() -> None:
    done = ours("record", "-m", "no_such_module")
    assert done.returncode == 1
    assert "No module named no_such_module" in done.stderr
    assert "Traceback" not in done.stderr


# -v

ASKED = {
    "http": (["http://{}/poem.txt"], "C: GET /poem.txt HTTP/1.1"),
    "smtp": (["{}"], "C: EHLO "),
    "pop3": (["student@{}", "stat"], "C: STAT"),
    "ftp": (["student@{}", "ls"], "C: QUIT"),
    "nntp": (["{}", "groups"], "C: QUIT"),
    "telnet": (["{}"], "S: login: "),
    "echo": (["{}", "Hello!"], "C: Hello!"),
}


@pytest.mark.parametrize("verb", ASKED)
def test_each_client_shows_its_conversation(lab: Lab, verb: str) -> None:
    words, line = ASKED[verb]
    place = f"localhost:{getattr(lab, verb).port}"
    env = CLEAN | {"PROTOCLIENTS_PASSWORD": "lab-secret"}
    done = ours(verb, "-v", *(word.format(place) for word in words), env=env, input="")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr.startswith(f"1. {verb} with 127.0.0.1:")
    assert any(said.startswith(line) for said in done.stderr.splitlines())
    assert "lab-secret" not in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80


def test_more_v_are_meanings_and_sockets_are_calls(lab: Lab) -> None:
    words = [
        "pop3",
        "-vv",
        "--sockets",
        f"pop3://student:lab-secret@localhost:{lab.pop3.port}",
    ]
    done = ours(*words, "stat")
    assert "   means: the password, in clear text (RFC 1939 section 7)" in done.stderr
    assert "   state: AUTHORIZATION -> TRANSACTION" in done.stderr
    assert re.search(r"   socket 1: connect\(\('127.0.0.1', \d+\)\) -> None\n", done.stderr)
    assert "lab-secret" not in done.stderr
    words[1] = "--show-secrets"
    alone = ours(*words, "stat")
    assert "C: PASS lab-secret" in alone.stderr
    assert "means:" not in alone.stderr


def test_what_was_said_before_an_error_is_shown_before_the_error(lab: Lab) -> None:
    url = f"pop3://student:lab-secret@localhost:{lab.pop3.port}"
    done = ours("pop3", "-v", url, "retr", "999")
    assert done.returncode == 1
    *_, figures, error = done.stderr.splitlines()
    assert "S: -ERR" in done.stderr
    assert figures.startswith("3 round trips")
    assert "refused" in error


def test_colour_is_for_terminals_only(lab: Lab) -> None:
    import pty

    url = f"localhost:{lab.echo.port}"
    for more, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
        here, there = pty.openpty()
        env = CLEAN | {"TERM": "xterm"} | more
        command = (*PROTOCLIENTS, "echo", "-v", url, "Hello!")
        subprocess.run(
            command, env=env, stderr=there, stdout=subprocess.DEVNULL, timeout=60
        )
        os.close(there)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(here, 4096):
                shown += part
        os.close(here)
        assert (b"\033[36mC: Hello!" in shown) is colours
        assert b"C: Hello!" in shown


def test_the_examples_in_the_help_are_commands_that_run(lab: Lab) -> None:
    from protoclients.commands import record, show

    Path("fetch.py").write_text("import sys, urllib.request as u; u.urlopen(sys.argv[1])")
    ports = {"8080": lab.http.port, "8110": lab.pop3.port}
    for line in dict.fromkeys((record.EXAMPLES + show.EXAMPLES).splitlines()):
        line = re.sub(r"(8080|8110)\b", lambda port: str(ports[port[0]]), line)
        done = ours(*shlex.split(line)[1:])
        assert done.returncode == 0, done.stderr
