"""POP3: fetch the mail that waits in a maildrop (RFC 1939).

    AUTHORIZATION   the server has greeted; say who you are       USER PASS APOP AUTH STLS
          |
    TRANSACTION     the maildrop is yours alone, and locked       STAT LIST UIDL RETR TOP
          |                                                       DELE RSET NOOP
        QUIT        and only QUIT leads on: a connection that
          |         just ends deletes nothing
        UPDATE      the marked messages are deleted               the reply to QUIT

Every reply begins with `+OK` or `-ERR`. Some commands are answered by more: a dot-block
after the line, lines ended by CR LF, the end marked by a line that is only a dot.
Messages are numbered from 1 for the length of a session.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Self, overload

from . import sasl
from .errors import ProtocolError, Refused
from .octets import as_line, check_sink, octets, rows, text, words
from .wire import LIMITS, TLS, Limits, Wire, exchange

PORT, TLS_PORT = 110, 995

# Drop listing and scan listing: two numbers, and perhaps more to ignore (section 5)
TWO_NUMBERS = re.compile(r"\+OK ([0-9]{1,20}) ([0-9]{1,20})(?= |$)")
SCAN_LISTING = re.compile(r"^([0-9]{1,20}) ([0-9]{1,20})(?: [^\r\n]*)?\r\n", re.MULTILINE)
# unique-id = 1*70 characters from 0x21 to 0x7E (section 7). The plus after a plus, or a
# brace, is for speed: nothing is tried again.
UNIQUE_ID = re.compile(r"\+OK ([0-9]{1,20}) ([!-~]{1,70})")
UNIQUE_ID_LISTING = re.compile(r"(?:[0-9]{1,20}+ [!-~]{1,70}+\r\n)*+")
# The msg-id of RFC 822, by which the greeting offers APOP (section 7). Odder ones are how
# a password was once found out (CVE-2007-1558).
TIMESTAMP = re.compile(r"<[!-;=?A-~]*+@[!-;=?-~]*+>")

Rows = list[Any]
Sizes = list[tuple[int, int]]
Ids = list[tuple[int, str]]
Messages = list[bytes]
Commands = list[tuple[int, str]]


class POP3:
    """A session with a POP3 server, from its greeting to QUIT.

    `port` is 110, or 995 with `tls`. `tls` is True, or an `ssl.SSLContext`, to encrypt from
    the first octet; see `stls` for later. `timeout` is in seconds, for each call, and
    `limits` are on what the server says. Every method may raise `WireError`, and `Refused`
    for an `-ERR`. Leaving `with` without an error quits.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
    ) -> None:
        port = (TLS_PORT if tls else PORT) if port is None else port
        # Known once CAPA was asked for: a login changes nothing (RFC 2449 section 6.6).
        self._pipelines: bool | None = None
        self.wire = Wire(host, port, timeout=timeout, tls=tls, limits=limits)
        with self.wire.hanging_up():
            self.greeting = self._reply()

    # The AUTHORIZATION state (section 4)

    @exchange
    def capa(self) -> dict[str, list[str]]:
        """Ask what the server can do: {NAME: [argument, …]} (RFC 2449 section 5)."""
        self._command("CAPA")
        lines = self._listing(lambda lines: text(lines).split("\r\n"))
        found = filter(None, map(str.split, lines))
        capabilities = {name.upper(): arguments for name, *arguments in found}
        self._pipelines = "PIPELINING" in capabilities
        return capabilities

    @exchange
    def stls(self, tls: TLS = True) -> None:
        """Encrypt from here on (RFC 2595 section 4). What CAPA said before is void."""
        self._command("STLS")
        self._pipelines = None
        self.wire.start_tls(tls)

    @exchange
    def login(self, user: str, password: str, *, allow_cleartext: bool = False) -> None:
        """Say who you are by USER and PASS (section 7).

        Raises `Refused` if the server does not believe it, and `ValueError` if the
        connection is neither TLS nor loopback, unless `allow_cleartext`.
        """
        self.wire.guard(user, password, allow_cleartext=allow_cleartext)
        self._command(f"USER {user}")
        self._command(f"PASS {password}")

    @exchange
    def apop(self, user: str, password: str) -> None:
        """Say who you are without saying the password: by an MD5 digest of the greeting's
        timestamp and the password (section 7). It hides it from a glance, no longer from
        a determined listener.

        Raises `ValueError` if the greeting has no timestamp: the server has no APOP.
        """
        self.wire.guard(user, password, allow_cleartext=True)
        timestamp = TIMESTAMP.search(self.greeting)
        if not timestamp:
            raise ValueError(f"no timestamp for APOP in the greeting: {self.greeting!r}")
        import hashlib  # OpenSSL is slow to start, and hardly ever needed

        digest = hashlib.md5(octets(timestamp[0] + password), usedforsecurity=False)
        self._command(f"APOP {user} {digest.hexdigest()}")

    @exchange
    def auth(
        self,
        user: str,
        password: str,
        mechanism: str | None = None,
        *,
        allow_cleartext: bool = False,
    ) -> None:
        """Say who you are by AUTH (RFC 5034 section 4): by `mechanism` (PLAIN, LOGIN or
        CRAM-MD5), or by the first of CRAM-MD5, PLAIN, LOGIN that CAPA offers.

        Raises as `login` does, and `ValueError` if the server offers none of them.
        """
        self.wire.guard(user, password, mechanism or "", allow_cleartext=True)
        mechanism = sasl.choose(self.capa().get("SASL", []), mechanism)
        self.wire.guard(allow_cleartext=allow_cleartext or mechanism == "CRAM-MD5")
        sasl.converse(mechanism, user, password, self._challenge)

    def _challenge(self, line: str) -> str | None:
        self.wire.send_line(line)
        reply = self.wire.read_line()
        if reply.startswith(b"+") and not reply.startswith(b"+OK"):
            return text(reply[1:]).strip(" ")
        checked(reply)
        return None

    # The TRANSACTION state (section 5)

    @exchange
    def stat(self) -> tuple[int, int]:
        """How many messages there are, and how many octets they have together."""
        return numbers(self._command("STAT"))

    @overload
    def list(self) -> Sizes: ...
    @overload
    def list(self, number: int) -> tuple[int, int]: ...
    @exchange
    def list(self, number: int | None = None) -> Sizes | tuple[int, int]:
        """The number and size in octets of every message, or of the one with `number`.

        Numbers of messages marked as deleted are missing.
        """
        if number is not None:
            return numbers(self._command(f"LIST {number}"))
        self._command("LIST")
        return self._listing(sizes)

    @overload
    def uidl(self) -> Ids: ...
    @overload
    def uidl(self, number: int) -> tuple[int, str]: ...
    @exchange
    def uidl(self, number: int | None = None) -> Ids | tuple[int, str]:
        """The number and unique-id of every message, or of the one with `number`
        (section 7). An id outlives the session, a number does not."""
        if number is not None:
            return unique_id(self._command(f"UIDL {number}"))
        self._command("UIDL")
        return self._listing(unique_ids)

    @overload
    def retr(
        self, number: int, into: None = None, *, limit: int | None = None
    ) -> bytes: ...
    @overload
    def retr(self, number: int, into: BinaryIO, *, limit: int | None = None) -> int: ...
    @exchange
    def retr(
        self, number: int, into: BinaryIO | None = None, *, limit: int | None = None
    ) -> bytes | int:
        """Fetch a message, octet for octet; or write it to `into` and return how many
        octets it has. `limit` is the most octets that may come."""
        check_sink(into)
        self._command(f"RETR {number}")
        if into is None:
            return self.wire.read_block(limit)
        return self.wire.deliver(self.wire.block(), into, limit)

    @exchange
    def top(self, number: int, lines: int = 0, *, limit: int | None = None) -> bytes:
        """Fetch a message's header, the empty line, and `lines` of its body (section 7).
        `limit` is the most octets that may come."""
        self._command(f"TOP {number} {lines}")
        return self.wire.read_block(limit)

    @exchange
    def dele(self, number: int) -> None:
        """Mark a message as deleted. It is deleted by `quit`, and only then."""
        self._command(f"DELE {number}")

    @exchange
    def rset(self) -> None:
        """Take all marks off again."""
        self._command("RSET")

    @exchange
    def noop(self) -> None:
        """Say nothing, to hear that the server is still there."""
        self._command("NOOP")

    # Many at once: one round trip where the server has PIPELINING (RFC 2449 section 6.6)

    @exchange
    def retr_many(self, numbers: Iterable[int], *, limit: int | None = None) -> Messages:
        """Fetch several messages, in the order of `numbers`; `limit` is the most octets
        for each.

        If some are refused the others come all the same: then the first `Refused` is
        raised, with what came in `done`, as pairs of number and message.
        """
        return self._many([(number, f"RETR {number}") for number in numbers], limit)

    @exchange
    def top_many(
        self, numbers: Iterable[int], lines: int = 0, *, limit: int | None = None
    ) -> Messages:
        """Fetch the headers of several messages, and `lines` of each: like `retr_many`."""
        return self._many([(number, f"TOP {number} {lines}") for number in numbers], limit)

    @exchange
    def dele_many(self, numbers: Iterable[int]) -> None:
        """Mark several messages as deleted: like `retr_many`."""
        said = [(number, as_line(f"DELE {number}")) for number in numbers]
        heard = iter(self.wire.read_line, None)
        self.wire.answers(said, heard, checked, self._pipelining(said))

    def _many(self, commands: Commands, limit: int | None) -> Messages:
        said = [(number, as_line(command)) for number, command in commands]
        heard = self.wire.lines_and_blocks(b"+OK", limit)
        found = self.wire.answers(said, heard, message, self._pipelining(said))
        return [content for _, content in found]

    def _pipelining(self, said: Sequence[Any]) -> bool:
        if len(said) < 2:
            return False
        if self._pipelines is None:
            try:
                self.capa()
            except Refused:  # CAPA is an extension itself
                self._pipelines = False
        return bool(self._pipelines)

    # The UPDATE state (section 6)

    @exchange
    def quit(self) -> None:
        """End the session. Only now are the marked messages deleted.

        Raises `Refused` if the server could not delete them all, and `Disconnected` if it
        hangs up instead: then nobody knows.
        """
        self._command("QUIT")
        self.close()

    def close(self) -> None:
        """Hang up without QUIT: nothing is deleted."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None and not self.wire.closed:
                self.quit()
        finally:
            self.close()

    # Commands and replies (section 3)

    def _command(self, line: str) -> str:
        self.wire.send_line(line)
        return self._reply()

    def _reply(self) -> str:
        return checked(self.wire.read_line())

    def _listing(self, read: Callable[[bytes], Iterable[Any]]) -> Rows:
        """The lines of the dot-block that comes now; `read` makes rows of them."""
        return self.wire.read_lines(self.wire.block(), read)


def checked(line: bytes) -> str:
    """The reply in a line that begins with `+OK`. Raises `Refused` for `-ERR`, and
    `ProtocolError` for anything else: the two are all there is (section 3)."""
    reply = text(line)
    status = reply.partition(" ")[0]
    if status == "-ERR":
        raise Refused(reply)
    if status != "+OK":
        raise ProtocolError(f"neither +OK nor -ERR: {reply[:80]!r}")
    return reply


def message(answer: tuple[bytes, bytes]) -> bytes:
    """The message in the answer to RETR or TOP: a line, and what came after it."""
    line, content = answer
    checked(line)
    return content


def numbers(reply: str) -> tuple[int, int]:
    """The two numbers of a drop listing or a scan listing (section 5)."""
    match = TWO_NUMBERS.match(reply)
    if not match:
        raise ProtocolError(f"not two numbers after +OK: {reply[:80]!r}")
    return int(match[1]), int(match[2])


def sizes(lines: bytes) -> Iterator[tuple[int, int]]:
    """The numbers and sizes in lines of a scan listing (section 5)."""
    return ((int(number), int(size)) for number, size in rows(SCAN_LISTING, lines))


def unique_ids(lines: bytes) -> Iterator[tuple[int, str]]:
    """The numbers and ids in lines of a unique-id listing (section 7)."""
    found = words(UNIQUE_ID_LISTING, lines)
    return zip(map(int, found[::2]), found[1::2], strict=True)


def unique_id(reply: str) -> tuple[int, str]:
    """The number and the id of one message (section 7)."""
    match = UNIQUE_ID.fullmatch(reply)
    if not match:
        raise ProtocolError(f"not a number and an id after +OK: {reply[:80]!r}")
    return int(match[1]), match[2]
