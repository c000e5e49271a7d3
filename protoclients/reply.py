"""Three-digit replies: one theory for FTP, SMTP and NNTP.

    220 mail.example.test ready         one line: code, space, text
    250-mail.example.test greets you    more follows: code, hyphen, text
    250-SIZE 10240000
    250 HELP                            the last line: a space again

The first digit decides what a client does (RFC 959 section 4.2, RFC 5321 section 4.2.1,
RFC 3977 section 3.2):

    1  preliminary: wait for another reply      4  no, for now
    2  done                                     5  no, for good
    3  go on: the server waits for the rest
"""

import re
from typing import NamedTuple

from .errors import LimitExceeded, ProtocolError, Refused
from .octets import CRLF, text
from .wire import Wire

# One line of a Reply-line (RFC 5321 section 4.2): the last has a space, or the code alone,
# which section 4.2.1 has receivers accept; those before it have "-".
REPLY_LINE = re.compile(rb"([1-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)


class Reply(NamedTuple):
    """One reply: its `code`, and the texts of its `lines` without code and line end."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one `str`, joined by newlines."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def read_reply(wire: Wire, *, free_text: bool = False) -> Reply:
    """Read one reply, of one line or several.

    With `free_text` the lines between first and last may be anything, as FTP has it (RFC
    959 section 4.2); without, each carries the code (RFC 5321 section 4.2.1). Raises
    `ProtocolError` for anything else, `LimitExceeded` beyond `Limits.reply` octets.
    """
    raw = wire.read_line()
    code, more, line = _parse(raw)
    lines, size = [line], len(raw) + len(CRLF)
    while more:
        raw = wire.read_line()
        size += len(raw) + len(CRLF)
        if size > wire.limits.reply:
            raise LimitExceeded(f"a reply of more than {wire.limits.reply} octets")
        if free_text and not _is_last(raw, code):
            lines.append(text(raw.removeprefix(b"%d-" % code)))
            continue
        same, more, line = _parse(raw)
        if same != code:
            raise ProtocolError(f"the code changes inside a reply: {code}, then {same}")
        lines.append(line)
    return Reply(code, tuple(lines))


def read_line_reply(wire: Wire) -> Reply:
    """Read a reply that is one line whatever it says, as NNTP's are (RFC 3977 s. 3.1)."""
    return line_reply(wire.read_line())


def line_reply(line: bytes) -> Reply:
    """A reply that is one line: this one."""
    code, more, rest = _parse(line)
    if more:
        raise ProtocolError(f"a reply of several lines has no place here: {text(line)!r}")
    return Reply(code, (rest,))


def expect(reply: Reply, wanted: str) -> Reply:
    """Return `reply` if its code fits `wanted`: "250", "25x" or "2xx".

    Raises `Refused` for the server's no (4yz, 5yz) and `ProtocolError` for an answer that
    has no place here.
    """
    code = str(reply.code)
    if code == wanted or code == wanted.replace("xx", code[1:]).replace("x", code[2]):
        return reply
    if code[0] in "45":
        raise Refused(reply)
    raise ProtocolError(f"expected {wanted}, and the server said: {reply}")


def _parse(line: bytes) -> tuple[int, bool, str]:
    match = REPLY_LINE.fullmatch(line)
    if not match:
        raise ProtocolError(f"not a reply: {text(line[:80])!r}")
    code, mark, rest = match.groups()
    return int(code), mark == b"-", text(rest or b"")


def _is_last(line: bytes, code: int) -> bool:
    """A reply in FTP's form ends with its code and a space (or nothing more)."""
    return line == b"%d" % code or line.startswith(b"%d " % code)
