"""Dot-blocks: many lines, and a line that is only a dot.

    said                    travels as              because

    Dear Sir CR LF          Dear Sir CR LF
    .hidden CR LF           ..hidden CR LF          a line that begins with a dot gets one
                            . CR LF                 this one alone is the end

SMTP sends a mail so (RFC 5321 section 4.5.2), POP3 gives it so (RFC 1939 section 3), and
NNTP does both (RFC 3977 section 3.1.1). Functions without a socket.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from .octets import CRLF, Buffer, in_lines

# To look for this in text takes `re` half the time of `bytes.find` and its kin: it jumps
# from line end to line end.
DOT = re.compile(rb"\r\n\.")
# The same, if what follows says already whether it was given to a line or is the end.
SURE_DOT = re.compile(rb"\r\n\.(?!\r?\Z)")
# What octets end with that may become either.
BEGUN = re.compile(rb"(?:\r(?:\n(?:\.\r?)?)?)?\Z")
LONGEST_BEGUN = len(b"\r\n.\r")


def stuffed(message: Buffer | BinaryIO) -> Iterator[bytes]:
    """`message` as a dot-block, piece by piece: a line that begins with a dot gets one
    more, and a line that is only a dot ends the block. Line ends become CR LF."""
    piece, at_line_start = b"", True
    for lines in in_lines(message):
        if piece:
            yield piece
        stuffing = b"." if at_line_start and lines.startswith(b".") else b""
        piece = stuffing + (DOT.sub(b"\r\n..", lines) if b"." in lines else lines)
        at_line_start = lines.endswith(CRLF)
    yield piece + b".\r\n"  # together, so that a small message is one piece


def unstuffed(octets: bytes, at: int) -> Iterator[tuple[bytes, int, bool]]:
    """The blocks in `octets`, from `at` on: for each what it says, without the dots that
    were given to lines; where it ends; and whether it does. Of the last only a part may be
    here, perhaps nothing: what may become the end is not said yet.

    A dot at `at` itself is left to who knows whether a line begins there.
    """
    said = []
    # A window of an attachment has no dot at all: `find` sees that in no time.
    first = octets.find(b".", at)
    dots = SURE_DOT.finditer(octets, max(at, first - len(CRLF))) if first >= 0 else ()
    for dot in dots:
        said.append(octets[at : dot.end() - 1])
        at = dot.end()
        if octets.startswith(CRLF, at):
            at += len(CRLF)
            yield b"".join(said), at, True
            said.clear()
    held = BEGUN.search(octets, max(at, len(octets) - LONGEST_BEGUN))
    end = held.start() if held else len(octets)
    said.append(octets[at:end])
    yield b"".join(said), end, False


def whole_answers(
    octets: bytes, at: int, mark: bytes, most: int
) -> Iterator[tuple[bytes, bytes, int]]:
    """The answers in `octets`, from `at` on, as far as they are whole, each is a line that
    begins with `mark` and a block, and none has more than `most` octets: line, block, and
    where that ends. In one pass."""
    said: list[bytes] = []
    for dot in DOT.finditer(octets, at):
        if not said:  # an answer begins
            line_end = octets.find(b"\n", at) - 1
            block = line_end + len(CRLF)
        said.append(octets[block : dot.end() - 1])
        block = dot.end()
        if octets.startswith(CRLF, block):
            usual = octets.startswith(mark, at) and octets.startswith(CRLF, line_end)
            line, end = octets[at:line_end], block + len(CRLF)
            if not usual or end - at > most:
                return
            yield line, b"".join(said), end
            said, at = [], end
