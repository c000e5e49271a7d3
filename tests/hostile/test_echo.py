"""Echo servers that get one thing wrong each."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protoclients import WireError, echo
from protoclients.errors import Disconnected, TooSlow

from .server import IMPATIENCE, PATIENCE, SILENT, Cases, Fails, playing, waits_in_vain


class Echo:
    """An echo client has no connection that outlives its call."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.where, self.timeout = (host, port), timeout

    def tcp(self, message: bytes) -> bytes:
        return echo.tcp_client(*self.where, message, timeout=self.timeout)

    def close(self) -> None:
        pass


ECHO_CASES: Cases = {
    "hangs up at once": ([], lambda c: c.tcp(b"hello"), Fails(Disconnected, "0 octets")),
    "hangs up in the middle": (
        [b"hel"],
        lambda c: c.tcp(b"hello"),
        Fails(Disconnected, "3 octets"),
    ),
    "falls silent": ([b"hel", SILENT], lambda c: c.tcp(b"hello"), Fails(TooSlow)),
    "says more than it heard": ([b"hello, world"], lambda c: c.tcp(b"hello"), b"hello"),
}


@pytest.mark.parametrize("name", ECHO_CASES)
def test_echo_over_tcp(name: str) -> None:
    script, call, wanted = ECHO_CASES[name]
    with playing(script) as server:
        client = Echo(
            "127.0.0.1", server.port, IMPATIENCE if waits_in_vain(wanted) else PATIENCE
        )
        if not isinstance(wanted, Fails):
            assert call(client) == wanted
            return
        with pytest.raises(WireError) as caught:
            call(client)
    if wanted.word and type(caught.value) is Disconnected and "reset" in str(caught.value):
        return  # hung up with our octets unread: then the kernel breaks off
    assert type(caught.value) is wanted.kind
    assert wanted.word in str(caught.value)


@contextlib.contextmanager
def datagrams(answer: Callable[[socket.socket, bytes, Any], Any]) -> Iterator[int]:
    """A UDP server that gets one datagram and does what `answer` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=lambda: answer(server, *server.recvfrom(65536)))
        thread.start()
        yield server.getsockname()[1]
        thread.join(PATIENCE)


def test_echo_passes_over_a_datagram_from_somebody_else() -> None:
    def answer(server: socket.socket, said: bytes, client: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
            for _ in range(20):
                somebody.sendto(b"not you", client)
        server.sendto(said, client)

    with datagrams(answer) as port:
        assert echo.udp_client("127.0.0.1", port, b"hello", timeout=PATIENCE) == b"hello"


def test_echo_gives_up_if_only_somebody_else_answers() -> None:
    def answer(server: socket.socket, said: bytes, client: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
            somebody.sendto(said, client)

    with datagrams(answer) as port, pytest.raises(TooSlow):
        echo.udp_client("127.0.0.1", port, b"hello", timeout=IMPATIENCE)


def test_echo_a_port_beyond_all_ports_is_a_mistake() -> None:
    for call in (echo.tcp_client, echo.udp_client):
        with pytest.raises(ValueError, match="port"):
            call("127.0.0.1", 99_999, b"x")


def test_echo_takes_the_largest_datagram_and_none_larger() -> None:
    message = b"x" * echo.MAX_DATAGRAM
    with datagrams(
        lambda server, said, client: server.sendto(said, client) and None
    ) as port:
        assert echo.udp_client("127.0.0.1", port, message, timeout=PATIENCE) == message
        with pytest.raises(ValueError, match="65507"):
            echo.udp_client("127.0.0.1", port, message + b"x", timeout=PATIENCE)


def test_echo_an_empty_datagram_is_an_answer() -> None:
    with datagrams(
        lambda server, said, client: server.sendto(b"", client) and None
    ) as port:
        assert echo.udp_client("127.0.0.1", port, b"hello", timeout=PATIENCE) == b""
