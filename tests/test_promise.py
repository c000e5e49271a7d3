"""Whatever a server says, however it is cut, and wherever it stops: every call ends within
its timeout, in a right value or in `Refused` or `WireError`, and after a `WireError` the
connection is closed."""

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protoclients import Refused, WireError

from .random_server import CALLS, CLIENTS, JUNK, PIECES, server

TIMEOUT = 0.25
CASES = [(protocol, call) for protocol in CALLS for call in CALLS[protocol]]


def keeps_the_promise(
    protocol: str, call: str, octets: bytes, close: bool, cut: int
) -> None:
    with server(octets, close, cut) as port:
        began = time.monotonic()
        client = None
        try:
            client = CLIENTS[protocol]("127.0.0.1", port, timeout=TIMEOUT)
            began = time.monotonic()
            CALLS[protocol][call](client)
        except Refused:
            pass
        except WireError:
            assert client is None or client.wire.closed
        except ValueError as error:  # before a secret: the server has no way to log in
            assert call in ("auth", "login", "apop")
            assert "server" in str(error) or "timestamp" in str(error)
        finally:
            # The data connection of FTP, or a body, has a clock of its own.
            assert time.monotonic() - began < 2 * TIMEOUT + 2
            if client is not None:
                client.close()


def says(protocol: str) -> st.SearchStrategy[bytes]:
    piece = st.one_of(st.sampled_from(PIECES[protocol]), st.sampled_from(JUNK))
    first = st.sampled_from([PIECES[protocol][0]] * 4 + [b"", b"500 no\r\n", b"4yz\r\n"])
    return st.tuples(first, st.lists(piece, max_size=8)).map(
        lambda said: said[0] + b"".join(said[1])
    )


@pytest.mark.parametrize(("protocol", "call"), CASES)
def test_a_call_ends_in_a_value_or_in_one_of_two_errors(protocol: str, call: str) -> None:
    @settings(
        max_examples=6, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(says(protocol), st.sampled_from([0, 0, 1, 7]))
    @example(b"", 0)
    @example(PIECES[protocol][0], 0)
    def run(octets: bytes, cut: int) -> None:
        keeps_the_promise(protocol, call, octets, True, cut)

    run()


@pytest.mark.parametrize(("protocol", "call"), [CASES[n] for n in range(0, len(CASES), 7)])
def test_a_server_that_falls_silent_ends_no_later_than_the_clock(
    protocol: str, call: str
) -> None:
    keeps_the_promise(protocol, call, PIECES[protocol][0], False, 0)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("protocol", "call"), CASES)
def test_the_same_at_length(protocol: str, call: str) -> None:
    @settings(
        max_examples=150, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(says(protocol), st.sampled_from([0, 1, 7]))
    def run(octets: bytes, cut: int) -> None:
        keeps_the_promise(protocol, call, octets, True, cut)

    run()
