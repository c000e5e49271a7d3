"""protoclients.Telnet against the telnetd of inetutils, and that of busybox."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from protoclients import Telnet
from protoclients.errors import Disconnected, TooSlow
from protoclients.telnet import BINARY, DO, ECHO, NAWS, SGA, TTYPE, WILL

from .running import Server

pytestmark = pytest.mark.daemons

WINDOW = (132, 43)
INTERACT = (
    "from protoclients import Telnet; from protoclients.telnet import ECHO, SGA\n"
    "import sys\n"
    "Telnet(sys.argv[1], int(sys.argv[2]), timeout=10, agree={ECHO, SGA}).interact()"
)


@pytest.fixture(params=["inetutils", "busybox"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def connect(server: Server, *agree: int, timeout: float = 10) -> Telnet:
    return Telnet(
        server.host,
        server.port,
        timeout=timeout,
        agree=agree,
        terminal="VT100",
        window=WINDOW,
    )


def log_in(client: Telnet, server: Server, end: bytes = b"\r\n") -> Telnet:
    client.read_until(b"login: ")
    client.write(server.user.encode() + end)
    client.read_until(b"Password: ")
    client.write(server.password.encode() + end)
    assert client.read_until(b"lab> ").endswith(b"Welcome, student\r\nlab> ")
    return client


def run(client: Telnet, command: bytes, end: bytes = b"\r\n") -> bytes:
    """What a command prints, after its echo."""
    client.write(command + end)
    _, _, printed = client.read_until(b"lab> ").partition(b"\r\n")
    return printed.removesuffix(b"lab> ")


@pytest.fixture
def client(server: Server) -> Iterator[Telnet]:
    with connect(server, ECHO, SGA) as client:
        yield log_in(client, server)


def test_a_command_and_its_output(client: Telnet) -> None:
    assert run(client, b"echo hello") == b"hello\r\n"
    assert run(client, b"nonsense") == b"nonsense: not found\r\n"


def test_a_client_that_refuses_all_options_is_served(server: Server) -> None:
    with connect(server) as client:
        assert run(log_in(client, server), b"echo hello") == b"hello\r\n"
        assert set(client.options.values()) == {"NO"}


def test_echo_and_sga_are_agreed(client: Telnet, server: Server) -> None:
    assert client.options["them", ECHO] == client.options["them", SGA] == "YES"
    client.write(b"echo typed\r\n")
    assert client.read_until(b"lab> ") == b"echo typed\r\ntyped\r\nlab> "


def test_the_window_is_told(server: Server) -> None:
    with connect(server, ECHO, SGA, NAWS) as client:
        assert run(log_in(client, server), b"size") == b"43 132\r\n"
        assert client.options["us", NAWS] == "YES"


def test_the_terminal_is_told(inetutils: Server) -> None:
    with connect(inetutils, ECHO, SGA, TTYPE) as client:
        assert run(log_in(client, inetutils), b"term").lower() == b"vt100\r\n"
        assert client.options["us", TTYPE] == "YES"


def test_an_option_that_nobody_asked_for_is_not_sent(busybox: Server) -> None:
    with connect(busybox, ECHO, SGA, TTYPE, BINARY) as client:
        log_in(client, busybox)
        assert ("us", TTYPE) not in client.options


def test_the_octet_255_comes_as_one(client: Telnet) -> None:
    assert run(client, b"octet") == b"\xff\r\n"


def test_the_octet_255_goes_as_one(busybox: Server) -> None:
    with connect(busybox, ECHO, SGA) as client:
        assert run(log_in(client, busybox), b"length \xff\xff\xff") == b"3\r\n"


def test_binary_both_ways(inetutils: Server) -> None:
    # In BINARY a line end is what the terminal takes for one, and CR LF would be two.
    with connect(inetutils, ECHO, SGA, BINARY) as client:
        log_in(client, inetutils, end=b"\n")
        assert client.options["us", BINARY] == "YES"
        assert run(client, b"octet", end=b"\n") == b"\xff\r\n"


def test_the_client_asks_for_an_option_and_is_heard(client: Telnet) -> None:
    client.ask(DO, SGA)  # it has that already: nothing is said
    assert client.options["them", SGA] == "YES"
    client.ask(DO, 200)  # which nobody knows
    assert run(client, b"echo still here") == b"still here\r\n"
    assert client.options["them", 200] in ("NO", "WANTYES")  # busybox says nothing at all


def test_a_binary_stream_asked_for_later(inetutils: Server) -> None:
    with connect(inetutils, ECHO, SGA) as client:
        log_in(client, inetutils)
        client.ask(WILL, BINARY)
        assert run(client, b"echo one", end=b"\n") == b"one\r\n"
        assert client.options["us", BINARY] == "YES"


def test_much_output_comes_whole(client: Telnet) -> None:
    expected = b"".join(b"%d\r\n" % number for number in range(1, 100_001))
    assert run(client, b"count 100000") == expected


def test_a_long_line_goes_whole(client: Telnet) -> None:
    assert run(client, b"length " + b"x" * 2000) == b"2000\r\n"


def test_read_some_and_read_all(client: Telnet) -> None:
    client.write(b"echo hello\r\n")
    read = b""
    while not read.endswith(b"lab> "):
        read += client.read_some()
    assert read == b"echo hello\r\nhello\r\nlab> "
    client.write(b"count 5000\r\nexit\r\n")
    read = client.read_all()
    assert b"\r\n4999\r\n5000\r\n" in read
    assert read.endswith(b"goodbye\r\n")
    assert client.read_some() == client.read_all() == b""


def test_all_that_comes_goes_into_a_file(client: Telnet) -> None:
    client.write(b"count 20000\r\nexit\r\n")
    file = io.BytesIO()
    assert client.read_all(file) == len(file.getvalue())
    assert b"".join(b"%d\r\n" % n for n in range(1, 20_001)) in file.getvalue()
    assert file.getvalue().endswith(b"goodbye\r\n")


def test_the_third_wrong_password_ends_the_connection(server: Server) -> None:
    with connect(server, ECHO, SGA) as client:
        for _ in range(3):
            client.read_until(b"login: ")
            client.write(b"student\r\n")
            client.read_until(b"Password: ")
            client.write(b"wrong\r\n")
        with pytest.raises(Disconnected) as caught:
            client.read_until(b"lab> ")
        assert b"Login incorrect\r\n" in caught.value.done
        assert client.wire.closed


def test_what_does_not_come_is_too_slow_and_what_came_is_kept(server: Server) -> None:
    with connect(server, ECHO, SGA, timeout=0.5) as client:
        with pytest.raises(TooSlow) as caught:
            client.read_until(b"Password: ")
        assert caught.value.done.endswith(b"login: ")


def test_interact_joins_a_terminal_to_the_connection(server: Server) -> None:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-c", INTERACT, server.host, str(server.port))
    with subprocess.Popen(command, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        try:
            for expected, typed in (
                (b"login: ", b"student\r"),
                (b"Password: ", server.password.encode() + b"\r"),
                (b"lab> ", b"echo hello\r"),
                (b"\nhello\r\nlab> ", b"exit\r"),
                (b"goodbye\r\n", b""),
            ):
                screen = b""
                while expected not in screen:
                    screen += os.read(ours, 1024)
                os.write(ours, typed)
            assert process.wait(10) == 0
        finally:
            process.kill()
            os.close(ours)
