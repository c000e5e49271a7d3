"""Octets as text that can be printed: nothing in it moves a cursor or hides a letter."""

import re

from . import Ranges

LIMIT = 64 * 1024  # octets of one step that are shown
# Control characters, and those that turn the direction of writing.
CONTROLS = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
PLAIN = bytes(range(32, 127)) + b"\t\r\n"


def shown(data: bytes, secrets: Ranges, size: int) -> tuple[str, Ranges]:
    """The text of the octets, and where the secrets are in it.

    Lines are joined by a newline, and the last line end is left out. `size` is how many
    octets there were; what is missing is said in the last line.
    """
    part = data[:LIMIT]
    ends = part.removesuffix(b"\n").removesuffix(b"\r") if part.endswith(b"\n") else part
    texts: list[str] = []
    places: Ranges = []
    at = length = 0
    for start, end in secrets:
        start, end = min(start, len(ends)), min(end, len(ends))
        before, secret = _text(ends[at:start]), _text(ends[start:end])
        texts += before, secret
        places.append((length + len(before), length + len(before) + len(secret)))
        length, at = places[-1][1], end
    text = "".join([*texts, _text(ends[at:])])
    if size > len(part):
        text += f"\n[{size - len(part):,} more octets]"
    return text, places


def dump(data: bytes, size: int) -> str:
    """Octets that are no text: in hexadecimal, 16 a line."""
    part = data[:LIMIT]
    lines = [part[at : at + 16].hex(" ") for at in range(0, len(part), 16)]
    if size > len(part):
        lines.append(f"[{size - len(part):,} more octets]")
    return "\n".join(lines)


def is_text(data: bytes) -> bool:
    """Whether octets of unknown kind look like text."""
    part = data[:LIMIT]
    if not part.isascii():
        try:
            part[:-3].decode("utf-8")  # the end may be in the middle of a character
        except UnicodeDecodeError as error:
            if error.start < len(part) - 6:
                return len(part.translate(None, PLAIN)) * 5 < len(part)
    controls = part.translate(None, PLAIN + bytes(range(128, 256)))
    return b"\0" not in part and len(controls) * 10 <= len(part)


def _text(octets: bytes) -> str:
    text = octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return CONTROLS.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\\r" if code == 13 else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
