"""The wire and its octets, against references that go line by line.

The octets lie in a real socket before the wire asks for them, and it gets them in pieces of
any size: what it makes of them must not depend on it.
"""

import contextlib
import io
import itertools
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protoclients import (
    Disconnected,
    LimitExceeded,
    ProtocolError,
    Refused,
    TooSlow,
    WireError,
)
from protoclients.blocks import stuffed
from protoclients.limits import LIMITS
from protoclients.octets import as_line, in_lines, octets, text
from protoclients.octets import in_pieces as pieces_of
from protoclients.wire import Wire, exchange

from .scripted_server import dripping, listener, listening, receive

# What makes a difference on a line-based wire, and a little that makes none.
TRICKY = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\0\xff"])).map(
    b"".join
)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=5)
quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@contextlib.contextmanager
def connected(
    timeout: float = 2.0, sizes: tuple[int, ...] = ()
) -> Iterator[tuple[Wire, socket.socket]]:
    """A wire, and the other end of it. `sizes` are the most octets of each `recv`."""
    port = listening("wire").getsockname()[1]
    kind = dripping(sizes) if sizes else socket.socket
    with mock.patch.object(socket, "socket", kind):
        wire = Wire("127.0.0.1", port, timeout=timeout)
    peer, _ = listener("wire").accept()
    peer.settimeout(timeout)
    with peer, contextlib.closing(wire):
        yield wire, peer


@contextlib.contextmanager
def hearing(said: bytes, sizes: list[int]) -> Iterator[Wire]:
    """A wire whose peer has said this and hung up."""
    with connected(sizes=tuple(sizes)) as (wire, peer):
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        yield wire


# Dot-blocks (RFC 5321 section 4.5.2, RFC 1939 section 3, RFC 3977 section 3.1.1)


def lines_of(message: bytes) -> list[bytes]:
    lines = re.split(rb"\r\n|\r|\n", message)
    return lines if lines[-1] else lines[:-1]


def stuffed_line_by_line(message: bytes) -> bytes:
    block = b""
    for line in lines_of(message):
        block += b"." + line if line.startswith(b".") else line
        block += b"\r\n"
    return block + b".\r\n"


def unstuffed_line_by_line(heard: bytes) -> tuple[bytes, bytes] | None:
    """The message and what comes after its block, or None if the end is missing."""
    message = b""
    while True:
        line, end, heard = heard.partition(b"\r\n")
        if not end:
            return None
        if line == b".":
            return message, heard
        message += line.removeprefix(b".") + end


def in_pieces(wire: Wire) -> bytes:
    return wire.deliver(wire.block(), None)


class Trickle(io.BytesIO):
    """A file that gives its octets in pieces of these sizes."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self._sizes = itertools.cycle(sizes)

    def read(self, size: int | None = -1) -> bytes:
        return super().read(next(self._sizes))


@quick
@given(TRICKY, SIZES)
@example(b"a\r", [1])
@example(b"\r\n.\r\n", [2])
def test_a_message_is_stuffed_alike_in_whatever_pieces_it_comes(
    message: bytes, sizes: list[int]
) -> None:
    wanted = stuffed_line_by_line(message)
    assert b"".join(stuffed(message)) == wanted
    assert b"".join(stuffed(Trickle(message, sizes))) == wanted


@quick
@given(TRICKY, SIZES)
def test_lines_end_with_cr_lf_in_whatever_pieces_they_come(
    message: bytes, sizes: list[int]
) -> None:
    wanted = b"".join(line + b"\r\n" for line in lines_of(message))
    assert b"".join(in_lines(Trickle(message, sizes))) == wanted


@quick
@given(TRICKY, SIZES)
def test_the_lines_of_a_listing_come_whole(heard: bytes, sizes: list[int]) -> None:
    with hearing(heard, sizes) as wire:
        *many, last = wire.read_lines(wire.rest(), lambda lines: [lines])
        assert b"".join(many) + last == heard
        assert all(lines.endswith(b"\n") for lines in many if lines)
        assert b"\n" not in last


@quick
@given(TRICKY, SIZES)
@example(b".\r\n.\r\n", [5, 1])
@example(b"a\r\n..\r\n.\r\n.\r\n", [3])
def test_a_block_is_read_alike_in_whatever_pieces_it_comes(
    heard: bytes, sizes: list[int]
) -> None:
    wanted = unstuffed_line_by_line(heard)
    for read in (in_pieces, Wire.read_block):
        with hearing(heard, sizes) as wire:
            if wanted is None:
                with pytest.raises(Disconnected):
                    read(wire)
            else:
                assert (read(wire), b"".join(map(bytes, wire.rest()))) == wanted


@quick
@given(TRICKY, SIZES)
def test_what_was_stuffed_comes_out_as_it_went_in(message: bytes, sizes: list[int]) -> None:
    with hearing(b"".join(stuffed(message)) + b"250 OK\r\n", sizes) as wire:
        assert wire.read_block() == b"".join(in_lines(message))
        assert wire.read_line() == b"250 OK"


@pytest.mark.parametrize("size", [1, 16 * 1024, 16 * 1024 + 3, 200_000])
def test_a_block_of_many_windows_is_whole(size: int) -> None:
    message = b"a line\r\n.\r\n..dot\r\n\r\n" * (size // 20 + 1)
    with connected() as (wire, peer):
        sender = threading.Thread(target=peer.sendall, args=(b"".join(stuffed(message)),))
        sender.start()
        assert wire.read_block() == message
        sender.join()


def answers_line_by_line(heard: bytes) -> list[tuple[bytes, bytes]]:
    """The answers, as far as they are whole; those that begin with "+" have a block."""
    answers = []
    while True:
        line, end, heard = heard.partition(b"\r\n")
        block = unstuffed_line_by_line(heard) if line.startswith(b"+") else (b"", heard)
        if not end or b"\n" in line or block is None:
            return answers
        answers.append((line, block[0]))
        heard = block[1]


ANSWERS = st.lists(
    st.sampled_from(
        [
            b"+OK\r\n",
            b"+\r\n.\r\n",
            b"-ERR\r\n",
            b".\r\n",
            b"..\r\n",
            b"a\r\n.\r\n",
            b".+\r\n",
            b"\n",
        ]
    )
).map(b"".join)


@quick
@given(ANSWERS, st.sampled_from([[65536], [1], [3, 7]]))
@example(b"+OK\r\n.\r\n.+OK\r\n.\r\n", [65536])
def test_many_answers_are_read_alike_in_whatever_pieces_they_come(
    heard: bytes, sizes: list[int]
) -> None:
    wanted = answers_line_by_line(heard)
    with hearing(heard, sizes) as wire:
        found = wire.lines_and_blocks(b"+")
        assert [next(found) for _ in wanted] == wanted
        with pytest.raises((Disconnected, ProtocolError)):
            next(found)


# Lines and sections


@quick
@given(TRICKY, SIZES)
def test_a_line_ends_with_cr_lf_and_with_nothing_else(
    heard: bytes, sizes: list[int]
) -> None:
    line, end, rest = heard.partition(b"\n")
    with hearing(heard, sizes) as wire:
        if not end:
            with pytest.raises(Disconnected):
                wire.read_line()
        elif not line.endswith(b"\r"):
            with pytest.raises(ProtocolError):
                wire.read_line()
        else:
            assert wire.read_line() == line[:-1]
            assert b"".join(map(bytes, wire.rest())) == rest


@pytest.mark.parametrize("sizes", [[1000], [7]])
def test_a_line_may_have_its_limit_and_no_octet_more(sizes: list[int]) -> None:
    with hearing(b"x" * 98 + b"\r\n", sizes) as wire:
        assert len(wire.read_line(100)) == 98
    for said in (b"x" * 99 + b"\r\n", b"x" * 1000):
        with hearing(said, sizes) as wire, pytest.raises(LimitExceeded):
            wire.read_line(100)


@pytest.mark.parametrize("sizes", [[1000], [7], [1]])
def test_a_section_may_have_its_limit_and_no_octet_more(sizes: list[int]) -> None:
    for count, fits in ((93, True), (94, False)):
        said = b"A: " + b"x" * count + b"\r\n"
        with hearing(said + b"\r\n", sizes) as wire:
            wire.limits = LIMITS._replace(head=98)
            if fits:
                assert wire.read_section() == said
            else:
                with pytest.raises(LimitExceeded, match="a head of more than 98"):
                    wire.read_section()


def test_a_line_without_an_end_is_given_up_at_the_limit() -> None:
    with connected() as (wire, peer):
        sender = threading.Thread(target=send_for_ever, args=(peer,))
        sender.start()
        with pytest.raises(LimitExceeded, match=str(LIMITS.line)):
            wire.read_line()
        wire.close()
        sender.join()


def send_for_ever(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer.sendall(b"x" * 1024)


@quick
@given(TRICKY, SIZES)
def test_a_section_ends_with_an_empty_line(heard: bytes, sizes: list[int]) -> None:
    section, end, rest = (b"\r\n" + heard).partition(b"\r\n\r\n")
    with hearing(heard, sizes) as wire:
        if re.search(rb"(?<!\r)\n", section.removeprefix(b"\r\n")):
            with pytest.raises(ProtocolError):
                wire.read_section()
        elif not end:
            with pytest.raises(Disconnected):
                wire.read_section()
        else:
            assert wire.read_section() == (section + b"\r\n")[2:]
            assert b"".join(map(bytes, wire.rest())) == rest


# Counted octets and chunks


@quick
@given(st.binary(max_size=40), st.integers(0, 40), SIZES)
def test_so_many_octets_are_so_many(heard: bytes, count: int, sizes: list[int]) -> None:
    with hearing(heard, sizes) as wire:
        if count > len(heard):
            with pytest.raises(Disconnected):
                wire.deliver(wire.counted(count), None)
        else:
            assert wire.deliver(wire.counted(count), None) == heard[:count]
            assert b"".join(map(bytes, wire.rest())) == heard[count:]


CHUNKS = st.lists(
    st.sampled_from(
        [b"1\r\na\r\n", b"3;x=y\r\n\r\n.\r\n", b"0\r\n", b"2\r\nab", b"\r\n", b"z\r\n"]
    )
).map(b"".join)


def chunks_one_by_one(heard: bytes) -> bytes | type[WireError]:
    """The body of a chunked message without its trailers, or what is wrong with it."""
    body = b""
    while True:
        line, end, heard = heard.partition(b"\r\n")
        if not end:
            return Disconnected
        if not re.fullmatch(rb"[0-9a-fA-F]+(;.*)?", line):
            return ProtocolError
        if not (size := int(line.partition(b";")[0], 16)):
            return body
        body, end, heard = body + heard[:size], heard[size : size + 2], heard[size + 2 :]
        if len(end) < 2 and b"\r\n".startswith(end):
            return Disconnected
        if end != b"\r\n":
            return WireError


def check_chunks(heard: bytes, sizes: list[int]) -> None:
    wanted = chunks_one_by_one(heard)
    with hearing(heard, sizes) as wire:
        if isinstance(wanted, bytes):
            assert wire.deliver(wire.chunks(size_of), None) == wanted
        else:
            with pytest.raises(wanted):
                wire.deliver(wire.chunks(size_of), None)


def size_of(line: bytes) -> int:
    if not re.fullmatch(rb"[0-9a-fA-F]+(;.*)?", line):
        raise ProtocolError("no size")
    return int(line.partition(b";")[0], 16)


@quick
@given(CHUNKS, SIZES)
def test_chunks_are_read_alike_in_whatever_pieces_they_come(
    heard: bytes, sizes: list[int]
) -> None:
    check_chunks(heard, sizes)


RUNS = st.lists(
    st.tuples(
        st.sampled_from([1, 9, 10, 15, 16, 90, 100, 255, 256, 300, 4096, 4097]),
        st.integers(1, 12),
        st.sampled_from(["%x", "%X", "%02x", "%04x", "%05x", "%x;a=b"]),
    ),
    max_size=8,
)


@quick
@given(RUNS, st.integers(0, 40), st.sampled_from([[65536], [1, 500], [107], [4000, 70]]))
def test_little_chunks_are_read_many_at_once_as_they_are_one_by_one(
    runs: list[tuple[int, int, str]], cut: int, sizes: list[int]
) -> None:
    heard = b""
    for number, (size, count, form) in enumerate(runs):
        chunk = (b"%d\r\n%x\r\n" % (number, size)) * size
        heard += b"%b\r\n%b\r\n" % ((form % size).encode(), chunk[:size]) * count
    heard += b"0\r\n"
    heard = heard[: len(heard) - cut * len(heard) // 100]
    check_chunks(heard, sizes)


# Delivery


class Sipping(io.RawIOBase):
    """A raw file that takes three octets at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self.taken += bytes(octets[:3])
        return min(3, len(octets))


def test_a_file_that_takes_a_little_at_a_time_gets_all() -> None:
    sink: Any = Sipping()
    with hearing(b"0123456789.\r\n.\r\n", [1000]) as wire:
        assert wire.deliver(wire.block(), sink) == 13
    assert sink.taken == b"0123456789.\r\n"


def test_a_raw_file_that_is_full_loses_nothing_unseen() -> None:
    sink: Any = Sipping()
    with (
        hearing(b"0123456789.\r\n.\r\n", [1000]) as wire,
        mock.patch.object(Sipping, "write", lambda self, octets: None),
        pytest.raises(BlockingIOError, match="takes no more"),
    ):
        wire.deliver(wire.block(), sink)


@pytest.mark.parametrize("answer", [0, None, True])
def test_whatever_else_a_sink_answers_it_had_its_octets(answer: Any) -> None:
    class Sink:
        taken = b""

        def write(self, octets: Any) -> Any:
            self.taken += bytes(octets)
            return answer

    sink: Any = Sink()
    with hearing(b"0123456789.\r\n.\r\n", [1000]) as wire:
        assert wire.deliver(wire.block(), sink) == 13
    assert sink.taken == b"0123456789.\r\n"


def test_a_file_that_has_nothing_yet_is_no_file_that_has_ended() -> None:
    class Pipe(io.RawIOBase):
        def read(self, size: int = -1) -> None:
            return None

    source: Any = Pipe()
    with pytest.raises(BlockingIOError, match="one that waits"):
        list(pieces_of(source))


def test_a_file_gets_the_octets_and_the_caller_their_count() -> None:
    sink = io.BytesIO()
    with connected() as (wire, _):
        assert wire.deliver([b"ab", b"c"], sink) == 3
        assert sink.getvalue() == b"abc"
        assert wire.deliver([b"ab", b"c"], None) == b"abc"


@pytest.mark.parametrize("into", [None, io.BytesIO()])
def test_an_octet_over_the_limit_is_an_error(into: io.BytesIO | None) -> None:
    with connected() as (wire, _):
        assert wire.deliver([b"ab", b"c"], None, 3) == b"abc"
        with pytest.raises(LimitExceeded):
            wire.deliver([b"ab", b"c"], into, 2)


# Speaking


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\n"])
def test_a_line_end_inside_a_line_is_the_callers_mistake(bad: str) -> None:
    with connected() as (wire, peer):
        with pytest.raises(ValueError, match="inside a line"):
            wire.send_line(f"NOOP{bad}QUIT")
        wire.send_line("NOOP")
        assert receive(peer, 6) == b"NOOP\r\n"


@given(st.binary(max_size=20))
def test_octets_that_are_no_text_survive_there_and_back(said: bytes) -> None:
    said = re.sub(rb"[\r\n\0]", b"", said)
    assert octets(text(said)) == said
    assert as_line(text(said)) == said + b"\r\n"


@pytest.mark.parametrize("unasked", [b"x", b"421 timeout\r\n"])
def test_what_comes_unasked_is_not_taken_for_an_answer(unasked: bytes) -> None:
    with connected() as (wire, peer):
        peer.sendall(unasked)
        with pytest.raises(ProtocolError, match="before it was asked"):
            wire.send_line("NOOP")
        wire.close()
        assert receive(peer, 1) == b""


def test_what_came_too_much_with_the_last_answer_is_not_taken_for_the_next() -> None:
    with connected() as (wire, peer):
        peer.sendall(b"250 OK\r\n250 OK\r\n")
        assert wire.read_line() == b"250 OK"
        with pytest.raises(ProtocolError, match="before it was asked"):
            wire.send_ahead([b"NOOP\r\n"])


def test_two_who_only_speak_do_not_wait_for_each_other_for_ever() -> None:
    much = b"x" * 20_000_000

    def speak_before_listening(peer: socket.socket) -> None:
        receive(peer, 1000)
        peer.sendall(much)
        peer.sendall(b"%d" % (1000 + len(receive(peer, len(much) - 1000))))

    with connected(timeout=20) as (wire, peer):
        peer.settimeout(20)
        speaker = threading.Thread(target=speak_before_listening, args=(peer,))
        speaker.start()
        wire.send_ahead([much[:1000], much[1000:]])
        assert sum(map(len, wire.counted(len(much)))) == len(much)
        assert wire.deliver(wire.counted(8), None) == b"20000000"
        speaker.join()


# The clock, and the end


def test_one_clock_runs_for_a_whole_answer() -> None:
    stop = threading.Event()

    def drip(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not stop.wait(0.05):
                peer.sendall(b"x")

    with connected(timeout=0.3) as (wire, peer):
        dripper = threading.Thread(target=drip, args=(peer,))
        dripper.start()
        with pytest.raises(TooSlow):
            wire.read_line()
        stop.set()
        dripper.join()


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux has it alone")
def test_a_server_that_says_an_answer_in_parts_is_not_kept_waiting() -> None:
    with connected() as (wire, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        began = time.monotonic()
        for _ in range(50):
            wire.send_line("STAT")
            peer.recv(100)
            peer.sendall(b"+OK ")
            peer.sendall(b"2 320\r\n")  # held back until the first is acknowledged
            assert wire.read_line() == b"+OK 2 320"
        assert time.monotonic() - began < 1  # and not 50 times 40 ms


@pytest.mark.parametrize("speak", [False, True], ids=["listening", "speaking"])
def test_signals_do_not_wind_the_clock_up_again(speak: bool) -> None:
    over, main = threading.Event(), threading.main_thread()
    assert main is threading.current_thread() and main.ident

    def send_signals() -> None:
        while not over.wait(0.05):
            signal.pthread_kill(main.ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    sender = threading.Thread(target=send_signals)
    sender.start()
    began = time.monotonic()
    try:
        with connected(timeout=0.3) as (wire, _), pytest.raises(TooSlow):
            wire.send(bytes(64 * 1024 * 1024)) if speak else wire.read_line()
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e9, None, "1"])
def test_a_timeout_is_more_than_no_time(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Wire("127.0.0.1", 7, timeout=timeout)


@pytest.mark.parametrize("port", [0, -1, 65536, "110", None])
def test_a_port_is_a_port(port: Any) -> None:
    with pytest.raises(ValueError, match="port"):
        Wire("127.0.0.1", port)


@pytest.mark.parametrize(
    "host", ["", "http://localhost/", "localhost:80", "[::1]", "a/b", "a b", None, 7]
)
def test_a_host_is_a_name_or_an_address_and_nothing_more(host: Any) -> None:
    with pytest.raises(ValueError, match="host"):
        Wire(host, 7)


def test_other_mistakes_of_a_beginner_are_told_as_such() -> None:
    mistakes: list[dict[str, Any]] = [{"tls": "yes"}, {"limits": {}}]
    for mistake in mistakes:
        with pytest.raises(ValueError, match="not "):
            Wire("127.0.0.1", 7, **mistake)


def test_an_address_of_a_kind_that_this_machine_lacks_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = [
            (9999, socket.SOCK_STREAM, 0, "", ("::1", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with contextlib.closing(Wire("localhost", port, timeout=2)) as wire:
            assert wire.peer == ("127.0.0.1", port)


def test_nobody_there_is_disconnected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    with pytest.raises(Disconnected):
        Wire("127.0.0.1", port, timeout=2)


@pytest.mark.parametrize("call", ["send_line", "read_line", "read_block"])
def test_a_closed_wire_says_that_it_is_closed(call: str) -> None:
    calls = {"read_line": Wire.read_line, "read_block": Wire.read_block}
    with connected() as (wire, _):
        wire.close()
        with pytest.raises(Disconnected, match="closed on this side"):
            calls[call](wire) if call in calls else wire.send_line("NOOP")


def test_a_reset_is_disconnected() -> None:
    with connected() as (wire, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        with pytest.raises(Disconnected):
            wire.read_line()


# An exchange ends in an answer, or it hangs up


class Client:
    """As little of a client as an exchange needs."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @exchange
    def end_with(self, error: BaseException) -> None:
        raise error


@pytest.mark.parametrize(
    ("error", "closed"),
    [
        (Refused("-ERR"), False),
        (ValueError("the caller's"), False),
        (ProtocolError("the server's"), True),
        (OSError("disk full"), True),
        (KeyboardInterrupt(), True),
    ],
)
def test_what_leaves_an_answer_half_read_hangs_up(
    error: BaseException, closed: bool
) -> None:
    with connected() as (wire, _):
        with pytest.raises(type(error)):
            Client(wire).end_with(error)
        assert wire.closed is closed
