"""SMTP: hand a mail to a server that takes it further (RFC 5321).

    connected    220 from the server
        |        EHLO, or HELO to a server from before 1993        what can you do?
    greeted      STARTTLS: encrypt, forget everything, EHLO again  (RFC 3207)
        |        AUTH: say who you are                             (RFC 4954)
        |        MAIL FROM:<…>       250                           a mail begins
    envelope     RCPT TO:<…>         250 or a no, each for itself  who is to get it
        |        DATA                354: not done, go on
    content      the mail, line by line, and a line with only a dot
        |        250: now the server answers for the mail (section 6.1)
    greeted      another mail, or QUIT

The envelope says where the mail goes, and the header inside the mail does not. A line of
the mail that begins with a dot gets one more (section 4.5.2): see `blocks.stuffed`.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Self

from . import sasl
from .blocks import stuffed
from .errors import Disconnected, ProtocolError, Refused, WireError
from .octets import as_line, check_source, in_lines, octets
from .reply import Reply, expect, read_reply
from .wire import LIMITS, TLS, Limits, Wire, exchange

PORT, TLS_PORT = 25, 465

# Reverse-path and Forward-path without their brackets (section 4.1.2): empty, or a local
# part that is quoted or has no space or bracket, and the rest.
PATH = re.compile(r'(?:"(?:[^"\\]|\\.)*"@)?[^<>\s]*')

LOST = "the mail may be delivered all the same: sent again, it may arrive twice"
LATER = (
    "it was not delivered (RFC 5321 section 4.2.5), so send it again later; "
    "by a server that errs it may be delivered twice"
)

Extensions = dict[str, list[str]]
Mail = tuple[str, Sequence[str], bytes | BinaryIO]


class SMTP:
    """A session with an SMTP server, from its greeting to QUIT.

    `port` is 25, or 465 with `tls`; submission is 587. `tls` is True, or an
    `ssl.SSLContext`, to encrypt from the first octet; see `starttls` for later. `timeout`
    is in seconds, for each call, and `limits` are on what the server says. Every method may
    raise `WireError`, and `Refused` for a reply of 4yz or 5yz. Leaving `with` without an
    error quits.
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
        self.wire = Wire(host, port, timeout=timeout, tls=tls, limits=limits)
        self.extensions: Extensions | None = None  # None: not greeted yet
        # While a mail is on its way: how many octets come after its end, in the piece with
        # the end; None before that piece.
        self._behind_end: int | None = 0
        self._said = 0  # chunks of it, without
        self._last = b""  # the last, which goes by itself
        self._refusal: Refused | None = None  # the first no to one of them
        with self.wire.hanging_up():
            self.greeting = expect(self._reply(), "2xx")

    # Saying hello (section 4.1.1.1)

    @exchange
    def ehlo(self, name: str = "") -> Extensions:
        """Say hello and hear what the server can do: {KEYWORD: [parameter, …]}.

        `name` is this host's full name; without one, its address stands in (section 4.1.3).
        """
        reply = self._command(f"EHLO {name or self._address_literal()}", "2xx")
        words = (line.split() for line in reply.lines[1:])
        self.extensions = {keyword.upper(): rest for keyword, *rest in filter(None, words)}
        return self.extensions

    @exchange
    def helo(self, name: str = "") -> Reply:
        """Say hello as it was before there were extensions."""
        reply = self._command(f"HELO {name or self._address_literal()}", "2xx")
        self.extensions = {}
        return reply

    @exchange
    def starttls(self, tls: TLS = True) -> None:
        """Encrypt from here on (RFC 3207). Both sides then forget what was said before
        (section 4.2), so `ehlo` comes next: the methods below say it if you did not."""
        self._command("STARTTLS", "2xx")
        self.wire.start_tls(tls)
        self.extensions = None

    @exchange
    def login(
        self,
        user: str,
        password: str,
        mechanism: str | None = None,
        *,
        allow_cleartext: bool = False,
    ) -> None:
        """Say who you are by AUTH (RFC 4954 section 4): by `mechanism` (PLAIN, LOGIN or
        CRAM-MD5), or by the first of CRAM-MD5, PLAIN, LOGIN that the server offers.

        Raises `ValueError` if it offers none of them, or if the password would cross the
        network in clear text, unless `allow_cleartext`.
        """
        self.wire.guard(user, password, mechanism or "", allow_cleartext=True)
        mechanism = sasl.choose(self._greeted().get("AUTH", []), mechanism)
        self.wire.guard(allow_cleartext=allow_cleartext or mechanism == "CRAM-MD5")
        sasl.converse(mechanism, user, password, self._challenge)

    def _challenge(self, line: str) -> str | None:
        reply = self._ask(line)
        if reply.code == 334:
            return reply.text
        expect(reply, "2xx")
        return None

    # A mail: MAIL, RCPT and DATA, in this order (section 3.3)

    @exchange
    def mail(self, sender: str, *parameters: str) -> Reply:
        """Begin a mail. `sender` is where a failure is reported to; "" is nowhere, as in a
        report itself (section 4.5.5). Parameters are such as "SIZE=1000" (RFC 1870)."""
        return self._command(" ".join((f"MAIL FROM:<{path(sender)}>", *parameters)), "2xx")

    @exchange
    def rcpt(self, recipient: str, *parameters: str) -> Reply:
        """Name one recipient. A no is for this one only; the others still count."""
        return self._command(" ".join((f"RCPT TO:<{path(recipient)}>", *parameters)), "2xx")

    @exchange
    def data(self, message: bytes | BinaryIO) -> Reply:
        """Send the content of the mail: octets, or a binary file to read them from.

        Lines may end in CR LF, LF or CR: CR LF is sent. Once the last dot is out, a broken
        connection leaves open whether the mail is delivered; the error says so.
        """
        check_source(message)
        self._command("DATA", "354")
        return self._content(message)

    @exchange
    def send(
        self, sender: str, recipients: Sequence[str], message: bytes | BinaryIO
    ) -> dict[str, Reply]:
        """Send a mail whole; return the recipients that were refused, with the replies.

        Says EHLO, or HELO, if nobody has yet. With PIPELINING (RFC 2920) the envelope
        costs one round trip; with CHUNKING (RFC 3030) the content is counted and has no
        dots. SIZE, BODY=8BITMIME and SMTPUTF8 are declared where the server knows them.
        Raises `Refused` if no recipient is left, with all in `done`.
        """
        check_source(message)
        lines = envelope(sender, recipients)
        lines[0] += self._parameters(sender, recipients, message)
        chunking = "CHUNKING" in self._greeted()
        refused = self._agreed(self._say(lines, data=not chunking), recipients)
        self._chunks(message) if chunking else self._content(message)
        return refused

    @exchange
    def send_many(self, mails: Iterable[Mail]) -> list[dict[str, Reply]]:
        """Send several mails, each as `send` takes it and with what `send` returns.

        With PIPELINING the content of one and the envelope of the next go together: a
        round trip a mail. What is refused does not stop the others: the first `Refused`
        is raised at the end. Any error has in `done` the number of each mail that was
        taken, from 0, and its refused recipients.
        """
        done: list[tuple[int, dict[str, Reply]]] = []
        refusal: Refused | None = None
        mails = list(mails)
        # A mistake in the last is found before the first is sent.
        for *_, message in mails:
            check_source(message)
        envelopes = [envelope(sender, recipients) for sender, recipients, _ in mails]
        try:
            for number, outcome in enumerate(self._outcomes(mails, envelopes)):
                if isinstance(outcome, Refused):
                    refusal = refusal or outcome
                else:
                    done.append((number, outcome))
        except WireError as error:
            error.done = done
            raise
        if refusal:
            refusal.done = done
            raise refusal
        return [refused for _, refused in done]

    def _outcomes(
        self, mails: list[Mail], envelopes: list[list[str]]
    ) -> Iterator[dict[str, Reply] | Refused]:
        for mail, lines in zip(mails, envelopes, strict=True):
            lines[0] += self._parameters(*mail)
        if "PIPELINING" not in self._greeted():
            for mail in mails:
                self.wire.restart_clock()
                try:
                    yield self.send(*mail)
                except Refused as error:
                    yield error
            return
        content: Iterable[bytes] = ()
        outcome: dict[str, Reply] | Refused | None = None
        for (_, recipients, message), lines in zip(mails, envelopes, strict=True):
            lines.append("DATA")
            self.wire.send_ahead(self._flow(content, b"".join(map(as_line, lines))))
            if outcome is not None:
                yield self._taken(outcome)
            try:
                replies = [self._reply() for _ in lines]
                outcome, content = self._agreed(replies, recipients), stuffed(message)
            except Refused as error:
                outcome, content = error, ()
                if self.wire.closed:
                    yield error
                    return
        self.wire.send_ahead(self._flow(content))
        if outcome is not None:
            yield self._taken(outcome)

    def _taken(self, outcome: dict[str, Reply] | Refused) -> dict[str, Reply] | Refused:
        """What became of a mail whose content, if anybody is to get it, is on its way."""
        if isinstance(outcome, Refused):
            return outcome
        try:
            self._accepted()
        except Refused as error:
            return error
        return outcome

    def _say(self, lines: list[str], data: bool) -> list[Reply]:
        """Say an envelope, and DATA if it can help; return the replies so far."""
        if "PIPELINING" in self._greeted():
            # DATA may end a group, and only that (RFC 2920 section 3.1).
            lines = [*lines, "DATA"] if data else lines
            self.wire.send_ahead([b"".join(map(as_line, lines))])
            return [self._reply() for _ in lines]
        replies = [self._ask(lines[0])]
        if replies[0].code < 400:
            replies += [self._ask(line) for line in lines[1:]]
        if data and any(reply.code < 400 for reply in replies[1:]):
            replies.append(self._ask("DATA"))
        return replies

    def _agreed(self, replies: list[Reply], recipients: Sequence[str]) -> dict[str, Reply]:
        """The recipients that were refused, if the server now waits for a mail that
        somebody gets; raises `Refused` otherwise, with the envelope forgotten."""
        count = len(recipients)
        mailed, answers, go_on = replies[0], replies[1 : count + 1], replies[count + 1 :]
        refused = {
            who: answer
            for who, answer in zip(recipients, answers, strict=False)
            if answer.code >= 400
        }
        nobody = all(answer.code >= 400 for answer in answers)
        if go_on and go_on[0].code == 354 and (nobody or mailed.code >= 400):
            self._ask(".")  # it waits for a mail to nobody: an empty one (RFC 2920 s. 3.1)
        try:
            expect(mailed, "2xx")
            if nobody:
                raise Refused(answers[0], list(refused.items()))
            for answer in answers:
                if answer.code < 400:
                    expect(answer, "2xx")
            for answer in go_on:
                expect(answer, "354")
        except Refused:
            self._ask("RSET")
            raise
        return refused

    def _content(self, message: bytes | BinaryIO) -> Reply:
        self.wire.send_ahead(self._flow(stuffed(message)))
        return self._accepted()

    def _flow(self, content: Iterable[bytes], group: bytes = b"") -> Iterator[bytes]:
        """A content as it goes out, its end together with the commands that may follow."""
        self._behind_end = None
        last = b""
        for piece in content:
            if last:
                yield last
            last = piece
        self._behind_end = len(group)
        yield last + group

    @property
    def _end_said(self) -> bool:
        return self._behind_end is not None and self.wire.unsent <= self._behind_end

    def _accepted(self, in_part: bool = False) -> Reply:
        """The reply to a content: with a 250 the server answers for the mail."""
        try:
            reply = self._reply()
            if not (self._end_said or in_part):
                raise ProtocolError(f"answered before the mail was whole: {reply}")
            return expect(reply, "2xx")
        except (Refused, WireError) as error:
            for_good = isinstance(error, Refused) and error.reply.code >= 500
            if self._end_said and not for_good:
                what_now = LATER if isinstance(error, Refused) else LOST
                error.args = (f"{error}; {what_now}",)
            raise

    def _chunks(self, message: bytes | BinaryIO) -> None:
        """Send the content by BDAT (RFC 3030): octets and their count, and no dots. After
        a no to one chunk there must not be another (section 2). The last goes by itself,
        once the others are answered: so an answer too many is found, if it is here."""
        self._refusal, self._said, answered = None, 0, 0
        chunks = self._bdat(message)
        if "PIPELINING" in self._greeted():
            if first := next(chunks, b""):
                self.wire.send_ahead(itertools.chain([first], chunks))
            while answered < self._said and not self.wire.closed:
                self._hear_chunk()
                answered += 1
                if answered == self._said:
                    self.wire.check_all_said(str(self._refusal or "a chunk"))
        else:
            for chunk in chunks:
                self.wire.send(chunk)
                self._hear_chunk()
                self.wire.progress(len(chunk))
        if not self._refusal:
            self._behind_end = 0
            self.wire.send(self._last)
            self._hear_chunk()
        if self._refusal:
            if not self.wire.closed:
                self._ask("RSET")
            raise self._refusal

    def _bdat(self, message: bytes | BinaryIO) -> Iterator[bytes]:
        """All chunks but the last, which is left in `_last`."""
        self._behind_end = chunk = None
        for lines in in_lines(message):
            if chunk is not None:
                self._said += 1
                yield b"BDAT %d\r\n%b" % (len(chunk), chunk)
            if self._refusal:
                return
            chunk = lines
        self._last = b"BDAT %d LAST\r\n%b" % (len(chunk or b""), chunk or b"")

    def _hear_chunk(self) -> None:
        try:
            self._accepted(in_part=True)
        except Refused as error:
            self._refusal = self._refusal or error

    def _parameters(
        self, sender: str, recipients: Sequence[str], message: bytes | BinaryIO
    ) -> str:
        """What MAIL should tell the server about the mail, of the things it knows."""
        known, said = self._greeted(), ""
        octets_known = message if isinstance(message, bytes) else b""
        international = not "".join((sender, *recipients)).isascii()
        if international and "SMTPUTF8" not in known:
            raise ValueError("an address that is not ASCII, and the server has no SMTPUTF8")
        if octets_known and "SIZE" in known:
            said += f" SIZE={len(octets_known)}"  # RFC 1870
        if not octets_known.isascii():
            header = octets_known.partition(b"\r\n\r\n")[0]
            international = international or not header.isascii()
            said += " BODY=8BITMIME" if "8BITMIME" in known else ""  # RFC 6152
        return said + (" SMTPUTF8" if international and "SMTPUTF8" in known else "")

    # At any time (section 4.1.4)

    @exchange
    def rset(self) -> Reply:
        """Forget the mail that was begun."""
        return self._command("RSET", "2xx")

    @exchange
    def noop(self) -> Reply:
        """Say nothing, to hear that the server is still there."""
        return self._command("NOOP", "2xx")

    @exchange
    def vrfy(self, address: str) -> Reply:
        """Ask whether an address is good. 252 means: send, and you will see."""
        return self._command(f"VRFY {address}", "2xx")

    @exchange
    def help(self, topic: str = "") -> Reply:
        """Ask for help, in words for people."""
        return self._command(f"HELP {topic}".rstrip(" "), "2xx")

    @exchange
    def quit(self) -> Reply:
        """End the session."""
        reply = self._command("QUIT", "2xx")
        self.close()
        return reply

    def close(self) -> None:
        """Hang up without QUIT."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None and not self.wire.closed:
                self.quit()
        except (Disconnected, Refused):
            pass  # every mail has had its answer; a missing goodbye takes none back
        finally:
            self.close()

    # Commands and replies (section 4.2)

    def _ask(self, line: str) -> Reply:
        self.wire.send_line(line)
        return self._reply()

    def _reply(self) -> Reply:
        reply = read_reply(self.wire)
        if reply.code == 421:  # to any command; the server hangs up (section 3.8)
            self.close()
            raise Refused(reply)
        return reply

    def _command(self, line: str, wanted: str) -> Reply:
        return expect(self._ask(line), wanted)

    def _greeted(self) -> Extensions:
        """What the server can do; says EHLO first, or HELO, if nobody has (section 3.2)."""
        if self.extensions is None:
            try:
                self.ehlo()
            except Refused as error:
                if error.reply.code < 500:
                    raise
                self.helo()
        return self.extensions or {}

    def _address_literal(self) -> str:
        address = self.wire.local[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def envelope(sender: str, recipients: Sequence[str]) -> list[str]:
    """The lines of MAIL and every RCPT. Raises `ValueError` for what is no address."""
    if isinstance(recipients, str) or not recipients:
        raise ValueError(f"recipients are a list of addresses: {recipients!r}")
    rcpts = [f"RCPT TO:<{path(recipient)}>" for recipient in recipients]
    return [f"MAIL FROM:<{path(sender)}>", *rcpts]


def path(address: str) -> str:
    """Return an address that can stand between < and >. Raises `ValueError` otherwise."""
    octets(address)
    if not PATH.fullmatch(address):
        raise ValueError(f"not a mail address: {address!r}")
    return address
