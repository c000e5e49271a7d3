"""The wire: one TCP connection, seen as lines, dot-blocks and counted octets.

TCP has no messages. `recv` gives the octets that happen to be there, from one to as many
as were asked for, and the protocol above has to say where a thing ends:

    a line          ends with CR LF                               every protocol here
    a dot-block     ends with a line that is only a dot           SMTP, POP3, NNTP
    counted octets  end when so many have come                    HTTP
    chunks          say their size, each; the last has 0          HTTP
    the rest        ends when the peer closes                     HTTP, FTP data

Those live here, once, with their limits; how dots are taken off, and little chunks taken
many at a time, is in `blocks` and `chunks`; the clock, TLS and the socket itself are in
`link`. The wire knows no command, and the clients above know no socket.
"""

import contextlib
import functools
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast, overload

from .blocks import unstuffed, whole_answers
from .chunks import LITTLE, LONGEST_LINE, Sizes, little_chunks
from .errors import Disconnected, LimitExceeded, ProtocolError, Refused, TooSlow, WireError
from .limits import LIMITS, Limits
from .link import TLS, Door, Link
from .octets import (
    BODY_WINDOW,
    CRLF,
    WINDOW,
    Buffer,
    as_line,
    many_objects,
    text,
    write_raw,
)

if TYPE_CHECKING:
    import ssl

__all__ = ["LIMITS", "TLS", "Door", "Limits", "Wire", "exchange"]

BARE_LF = re.compile(rb"\n(?<!\r\n)")

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Commands = Sequence[tuple[Asked, bytes]]
Heard = TypeVar("Heard")
Row = TypeVar("Row")
Method = TypeVar("Method", bound=Callable[..., Any])


def exchange(method: Method) -> Method:
    """Make a client's method an exchange: on one clock, it ends in an answer or hangs up.

    A `Refused` is an answer, and a caller's mistake, a `ValueError`, is found before
    anything is said. Whatever else ends the method early (a `WireError`, Ctrl-C, a full
    disk, a file that is closed) leaves an answer half read on the connection: nobody may
    take the rest of it for the next one.

    The clock is that of the method that was called from outside, whatever others it calls.
    """

    @functools.wraps(method)
    def speak(client: Any, *args: Any, **kwargs: Any) -> Any:
        wire = client.wire
        if wire.in_exchange:
            answer = method(client, *args, **kwargs)
            wire.speaking = False
            return answer
        try:
            wire.in_exchange, wire.speaking = True, False
            wire.restart_clock()
            return method(client, *args, **kwargs)
        except BaseException as error:
            mistake = isinstance(error, ValueError) and not client.wire.speaking
            if not (mistake or isinstance(error, Refused)):
                client.wire.close()
            raise
        finally:
            wire.in_exchange = False

    return cast(Method, speak)


class Wire(Link):
    """One TCP connection to `host` and `port`: see `Link` for the two and for `timeout`."""

    def _set_up(self, host: str, timeout: float, limits: Limits) -> None:
        super()._set_up(host, timeout, limits)
        self._buffer = b""  # received,
        self._at = 0  # and read up to here
        self._longest_piece = WINDOW

    # Speaking

    def send_line(self, line: str) -> None:
        """Say one line, given without its CRLF.

        Raises `ValueError` for CR, LF or NUL inside it.
        """
        self.send(as_line(line))

    def send(self, data: Buffer) -> None:
        """Say `data`, as it is.

        What has come before it was asked for is nobody's answer: it would be taken for
        the answer to this, so it is a `ProtocolError`.
        """
        self._hear_nothing()
        self.send_more(data)

    def send_ahead(self, pieces: Iterable[Buffer]) -> None:
        """Say `pieces` while listening: they go out whenever an answer is waited for.

        Two sides that only send wait for each other for ever once all buffers between
        them are full. So a long message, or many commands at once, go this way.
        """
        self._hear_nothing()
        self._ahead, self._went = iter(pieces), 0

    def start_tls(self, tls: TLS, session: "ssl.SSLSession | None" = None) -> None:
        """Encrypt from here on, and check who the server is.

        What was received before the handshake would count as the server's word after it,
        though anybody on the way may have put it there: it is a `ProtocolError`.
        """
        self._hear_nothing(perhaps_a_goodbye=False)
        super().start_tls(tls, session)

    def _hear_nothing(self, perhaps_a_goodbye: bool = True) -> None:
        if self.closed:
            raise Disconnected(f"{self.host}: the connection is closed on this side")
        if self._ahead is not None:
            self.check_all_said("which answer is whose?")
        if self._at == len(self._buffer) and self._is_readable():
            # TLS may have something to read that is no data: session tickets, say.
            with contextlib.suppress(TooSlow):
                self._fill(wait=False)
        if self._at < len(self._buffer):
            unasked = text(self._buffer[self._at : self._at + 80])
            if perhaps_a_goodbye and self._hears_the_end():  # tired of waiting: 421, 408
                raise Disconnected(
                    f"{self.host} hung up, and its last words were {unasked!r}"
                )
            raise ProtocolError(f"{self.host} spoke before it was asked: {unasked!r}")

    def _hears_the_end(self) -> bool:
        try:
            self._fill(wait=False)
        except Disconnected:
            return True
        except TooSlow:  # there is neither more nor an end
            pass
        return False

    @property
    def has_unread(self) -> bool:
        """Whether something was received that nobody has read."""
        return self._at < len(self._buffer)

    def has_ended(self) -> bool:
        """Whether the peer hung up since it was last asked, perhaps with a last word. What
        it says and stays is an error."""
        try:
            self._hear_nothing()
        except Disconnected:
            return True
        return False

    # Listening

    def _fill(self, *, wait: bool = True) -> None:
        """Add what is there to the buffer. An end is too early here."""
        received = self._receive(wait=wait)
        if not received:
            raise Disconnected(f"{self.host} hung up before its answer was whole")
        self._buffer = (
            self._buffer[self._at :] + received if self.has_unread else bytes(received)
        )
        self._at = 0

    def read_line(self, limit: int = 0) -> bytes:
        """Read one line of at most `limit` octets, or of `Limits.line`, and return it
        without its CRLF.

        Raises `ProtocolError` for a line that ends with a bare LF: what one side takes for
        the end of a line and the other does not is how messages are smuggled.
        """
        limit = limit or self.limits.line
        end = self._buffer.find(b"\n", self._at)
        while end < 0:
            searched = len(self._buffer) - self._at
            if searched >= limit:
                break
            self._fill()
            end = self._buffer.find(b"\n", searched)
        line = self._buffer[self._at : end + 1]
        if end < 0 or len(line) > limit:
            raise LimitExceeded(f"{self.host}: a line of more than {limit} octets")
        self._at = end + 1
        if not line.endswith(CRLF):
            raise ProtocolError(f"{self.host}: a line ends with a bare LF: {line[-60:]!r}")
        return line[:-2]

    def read_section(self) -> bytes:
        """Read lines up to an empty one, `Limits.head` octets of them, and return them
        with their line ends, without the empty one."""
        searched, limit, end = 0, self.limits.head, -1
        while end < 0 and not self._buffer.startswith(CRLF, self._at):
            end = self._buffer.find(CRLF + CRLF, self._at + searched)
            section = self._buffer[self._at : end + len(CRLF) if end >= 0 else None]
            if len(section) > limit + (end < 0):  # half of the empty line may be here
                raise LimitExceeded(f"{self.host}: a head of more than {limit} octets")
            if found := BARE_LF.search(section, searched):
                line = section[: found.end()].rpartition(CRLF)[2]
                raise ProtocolError(
                    f"{self.host}: a line ends with a bare LF: {line[:60]!r}"
                )
            if end >= 0:
                self._at = end + len(CRLF + CRLF)
                return section
            searched = max(0, len(section) - 3)
            self._fill()
        self._at += len(CRLF)
        return b""

    def read_head(self, check: Callable[[bytes], object]) -> bytes:
        """Read a line and a section, and return them with their line ends, without the
        empty line. The line is given to `check` if the section has to be waited for."""
        if not self.has_unread:
            self._fill()
        end = self._buffer.find(CRLF + CRLF, self._at)
        size = end + len(CRLF) - self._at
        if end < 0 or size > min(self.limits.line, self.limits.head):
            line = self.read_line()
            check(line)
            return line + CRLF + self.read_section()
        head = self._buffer[self._at : end + len(CRLF)]
        self._at = end + len(CRLF + CRLF)
        return head

    def piece(self, most: int = BODY_WINDOW) -> memoryview:
        """What is there, `most` octets at the most; nothing at the peer's end."""
        if self._at < len(self._buffer):
            found = memoryview(self._buffer)[self._at : self._at + most]
            self._at += len(found)
        else:
            found = self._receive(min(most, self._longest_piece))
        return found

    def counted(self, count: int, beyond: int = 0) -> Iterator[Buffer]:
        """The next `count` octets, piece by piece. So many octets `beyond` may be received
        with them: one call less."""
        while count:
            most = count if self.has_unread else count + beyond
            found = self.piece(most)
            if not found:
                raise Disconnected(f"{self.host} hung up with {count} octets to come")
            if len(found) > count:
                self._buffer, self._at, found = bytes(found[count:]), 0, found[:count]
            count -= len(found)
            self.progress(len(found))
            yield found

    def read_counted(self, count: int, limit: int | None = None) -> bytes:
        """Read the next `count` octets into memory, if they are no more than `limit`."""
        end = self._at + count
        most = self.limits.body if limit is None else limit
        if end > len(self._buffer) or count > most:
            return self.deliver(self.counted(count), None, limit)
        found = self._buffer[self._at : end]
        self._at = end
        return found

    def rest(self) -> Iterator[Buffer]:
        """All octets until the peer says that it has no more, piece by piece."""
        while found := self.piece():
            self.progress(len(found))
            yield found

    def chunks(self, size_of: Callable[[bytes], int]) -> Iterator[Buffer]:
        """The octets of chunks: a line that says a size, so many octets, CR LF; the last
        has size 0 (RFC 9112 section 7.1). `size_of` reads the line, which must end within
        `Limits.chunk_line` octets.

        Little chunks are taken many at a time from what is here already.
        """
        limit, sizes = self.limits.chunk_line, Sizes(size_of)
        while size := size_of(line := self.read_line(limit)):
            frame = CRLF + line + CRLF
            little = size <= LITTLE and len(line) <= LONGEST_LINE
            yield from self.counted(size, beyond=WINDOW if little else len(frame))
            if little:
                found, self._at = little_chunks(self._buffer, self._at, len(frame), sizes)
                self.progress(len(found))
                yield found
            while len(self._buffer) - self._at < len(CRLF):
                self._fill()
            if not self._buffer.startswith(CRLF, self._at):
                raise ProtocolError(f"{self.host}: a chunk is longer than its size")
            self._at += len(CRLF)

    def block(self) -> Iterator[Buffer]:
        """The octets of a dot-block, piece by piece (RFC 1939 section 3).

        The line that is only a dot ends it and is no part of it. Any other line that
        begins with a dot was given that dot by the sender: it is taken off again.
        """
        while len(self._buffer) - self._at < len(b".\r\n"):  # the shortest block
            self._fill()
        ended = self._buffer.startswith(b".\r\n", self._at)
        self._at += 3 if ended else self._buffer.startswith(b".", self._at)
        while not ended:
            found, self._at, ended = next(unstuffed(self._buffer, self._at))
            self.progress(len(found))
            yield found
            if not ended:
                self._fill()

    def read_block(self, limit: int | None = None) -> bytes:
        """Read a dot-block of at most `limit` octets into memory."""
        most = self.limits.body if limit is None else limit
        if self.has_unread and not self._buffer.startswith(b".", self._at):
            found, end, ended = next(unstuffed(self._buffer, self._at))
            if ended and len(found) <= most:  # most are small, and here already
                self._at = end
                return found
        return self.deliver(self.block(), None, limit)

    def read_lines(
        self,
        pieces: Iterable[Buffer],
        rows: Callable[[bytes], Iterable[Row]],
        limit: int | None = None,
    ) -> list[Row]:
        """Read lines into memory: `rows` makes of many, whole ones, what they say. They are
        taken apart while they come: to have them all first takes longer.

        Raises `LimitExceeded` for more than `limit` octets, or `Limits.body`, for more than
        `Limits.entries` rows, and for a line of more than `Limits.line` octets. What came
        before a hang-up or the end of the clock is in the error's `done`.
        """
        held, size, limits = b"", 0, self.limits
        most = limits.body if limit is None else limit
        found: list[Row] = []
        try:
            with many_objects():
                for piece in pieces:
                    there = held + piece
                    end = there.rfind(b"\n") + 1
                    held, size = there[end:], size + len(piece)
                    self._limit(size, most, "octets")
                    self._limit_lines(there)
                    found += rows(there[:end])
                    self._limit(len(found), limits.entries, "lines in a listing")
                found += rows(held)
        except WireError as error:
            error.done = found
            raise
        return found

    def _limit_lines(self, lines: bytes) -> None:
        most, at = self.limits.line, 0
        while len(lines) - at > most:  # from each line's end to the last within reach
            end = lines.rfind(b"\n", at, at + most) + 1
            if not end:
                self._limit(len(lines) - at, most, "octets in a line")
            at = end

    def _limit(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise LimitExceeded(f"{self.host}: more than the limit of {most} {what}")

    def lines_and_blocks(
        self, mark: bytes, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Answers without an end: each is a line, and if that begins with `mark`, a
        dot-block of at most `limit` octets. Those that are here already cost one pass."""
        # What is longer is looked at closely: no line is longer than the answer it is in.
        usual = min(self.limits.body if limit is None else limit, self.limits.line)
        while True:
            found = whole_answers(self._buffer, self._at, mark, usual)
            for line, block, self._at in found:
                yield line, block
            line = self.read_line()
            while not line.startswith(mark):
                yield line, b""
                line = self.read_line()
            yield line, self.read_block(limit)

    # Delivering

    @overload
    def deliver(
        self, pieces: Iterable[Buffer], into: None, limit: int | None = ...
    ) -> bytes: ...
    @overload
    def deliver(
        self, pieces: Iterable[Buffer], into: BinaryIO, limit: int | None = ...
    ) -> int: ...
    @overload
    def deliver(
        self, pieces: Iterable[Buffer], into: BinaryIO | None, limit: int | None = ...
    ) -> bytes | int: ...
    def deliver(
        self, pieces: Iterable[Buffer], into: BinaryIO | None, limit: int | None = None
    ) -> bytes | int:
        """Write `pieces` to `into` and return how many octets they were; or, without
        `into`, return them as `bytes`.

        Raises `LimitExceeded` as soon as they are more than `limit` octets. In memory the
        limit is `Limits.body` unless another is given. What came before a hang-up or the
        end of the clock is in the error's `done`.
        """
        if limit is None:
            limit = self.limits.body if into is None else sys.maxsize
        memory = io.BytesIO()
        sink: BinaryIO = memory if into is None else into
        count, self._longest_piece = 0, WINDOW if into is None else BODY_WINDOW
        is_raw = isinstance(sink, io.RawIOBase)
        write = functools.partial(write_raw, sink) if is_raw else sink.write
        try:
            for found in pieces:
                self._limit(count + len(found), limit, "octets")
                count += len(found)
                write(found)
        except WireError as error:
            error.done = memory.getvalue() if into is None else count
            raise
        return memory.getvalue() if into is None else count

    # Many commands, and their answers

    def answers(
        self,
        commands: Commands[Asked],
        heard: Iterator[Heard],
        check: Callable[[Heard], Answer],
        pipeline: bool,
    ) -> list[tuple[Asked, Answer]]:
        """Say many commands, each given with what it asks for. `heard` reads an answer
        when it is asked for the next, and `check` makes of it what it says.

        With `pipeline` all are said at once and answered in one round trip, else one by
        one; each answer has a clock of its own. What is refused does not stop the others:
        the first `Refused` is raised at the end. Any error has in `done` what was answered.
        """
        done: list[tuple[Asked, Answer]] = []
        refusal: Refused | None = None
        self.restart_clock()
        if pipeline and commands:
            self.send_ahead([b"".join(said for _, said in commands)])
        try:
            said = commands if pipeline else self._one_by_one(commands)
            for (asked, _), answer in zip(said, heard, strict=False):
                self.restart_clock()
                try:
                    done.append((asked, check(answer)))
                except Refused as error:
                    refusal = refusal or error
            if self.has_unread or self.is_sending:
                self.has_ended()  # an answer too many: which is whose?
        except WireError as error:
            error.done = done
            raise
        if refusal:
            refusal.done = done
            raise refusal
        return done

    def _one_by_one(self, commands: Commands[Asked]) -> Iterator[tuple[Asked, bytes]]:
        for asked, said in commands:
            self.send(said)
            yield asked, said
