"""Octets: lines, dot-blocks and pieces of long things, before and after the wire.

Functions without a socket, so that they can be read, and tested, by themselves.
"""

import contextlib
import gc
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from .errors import ProtocolError

CRLF = b"\r\n"

# How much is asked of the kernel at once, in octets: enough that calls are rare, and little
# enough to stay in the processor's cache. A file is read in pieces of twice that, or hardly
# less: from 128 KiB on, memory is asked anew of the kernel for each. A body for a file
# comes by the mebibyte, for files are made of such pieces fastest.
WINDOW = 64 * 1024
PIECE = 120 * 1024
BODY_WINDOW = 1024 * 1024

Buffer = bytes | bytearray | memoryview


def text(said: bytes) -> str:
    """Decode what a server said. Octets that are no UTF-8 survive the way there and back
    (`surrogateescape`), so that a file name in Latin-1 can be asked for again."""
    return said.decode("utf-8", "surrogateescape")


def octets(said: str) -> bytes:
    """Encode a line to be said, the opposite of `text`, without its CRLF.

    Raises `ValueError` for CR, LF or NUL: nothing a caller passes becomes a second
    command.
    """
    # Hardly anything to say is not printable, and that is much the faster question.
    if not said.isprintable() and (found := re.search("[\r\n\0]", said)):
        raise ValueError(f"{found[0]!r} inside a line to be sent: {said[:60]!r}")
    return said.encode("utf-8", "surrogateescape")


def as_line(said: str) -> bytes:
    """A line as it travels: `octets`, and CR LF."""
    return octets(said) + CRLF


@contextlib.contextmanager
def many_objects() -> Iterator[None]:
    """Keep Python's collector of cycles from looking again and again through objects that
    are being made by the hundred thousand: it costs as much as making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()  # there and back: from now on they count as old,
                gc.unfreeze()  # and are not looked through at once
            gc.enable()


def rows(form: re.Pattern[str], lines: bytes) -> list[Any]:
    """The groups of `form`, which must match every one of `lines`, CRLF included; it begins
    with `^` and has the flag MULTILINE. All lines in one pass at C's speed.

    Raises `ProtocolError` for a line that does not fit.
    """
    found = form.findall(text(lines))
    if len(found) != lines.count(b"\n"):
        each = (line + "\r\n" for line in text(lines).split("\r\n"))
        odd = next((line for line in each if not form.match(line)), "")
        raise ProtocolError(f"a line that does not belong here: {odd[:80]!r}")
    return found


def words(form: re.Pattern[str], lines: bytes) -> list[str]:
    """The words of `lines`, where every line consists of words. `form` matches as many
    lines as it can, and must match them all. To split takes half the time of `rows`.

    Raises `ProtocolError` for a line that does not fit.
    """
    said = text(lines)
    found = form.match(said)
    fits = found.end() if found else 0
    if fits < len(said):
        odd = said[fits:].partition("\r\n")[0]
        raise ProtocolError(f"a line that does not belong here: {odd[:80]!r}")
    return said.split()


def check_source(source: object) -> None:
    """Raise `ValueError` unless `source` is octets, or a file to read them from."""
    if isinstance(source, Buffer):
        return
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise ValueError(f"neither octets nor a file opened with 'rb': {source!r:.60}")


def check_sink(into: object) -> None:
    """Raise `ValueError` unless `into` is None, or a file to write octets to."""
    if into is None:
        return
    if isinstance(into, io.TextIOBase) or not hasattr(into, "write"):
        raise ValueError(f"not a file opened with 'wb': {into!r:.60}")


def write_raw(sink: BinaryIO, octets: Buffer) -> None:
    """Write all of `octets` to a raw file, which may take less than it is given."""
    while octets:
        taken = sink.write(octets)
        if not taken:
            raise BlockingIOError("the file takes no more: it must be one that waits")
        octets = octets[taken:]


def in_pieces(source: Buffer | BinaryIO) -> Iterator[Buffer]:
    """The octets of `source`, which may be a binary file, `PIECE` octets at a time."""
    if isinstance(source, Buffer):
        source = io.BytesIO(source)
    while piece := source.read(PIECE):
        yield piece
    if piece is None:
        raise BlockingIOError("the file has no more octets yet: it must be one that waits")


def in_lines(message: Buffer | BinaryIO) -> Iterator[bytes]:
    """`message` with every line ended by CR LF, piece by piece.

    A CR or LF alone becomes CR LF, because servers differ in what they take it for, and so
    one mail could become two on the way (RFC 5321 section 2.3.8). A last line without an
    end gets one.
    """
    held, ended = b"", True
    line_ends = io.IncrementalNewlineDecoder(None, translate=False)
    for piece in in_pieces(message):
        lines = held + piece
        held = lines[-1:] if lines.endswith(b"\r") else b""  # LF may follow
        lines = lines.removesuffix(b"\r")
        # Most often every line ends so already, and Python's own decoder of line ends sees
        # that in a quarter of the time of any count.
        line_ends.decode(lines.decode("latin-1"), final=True)
        if line_ends.newlines not in (None, "\r\n"):
            lines = lines.replace(CRLF, b"\n").replace(b"\r", b"\n").replace(b"\n", CRLF)
        ended = lines.endswith(CRLF) if lines else ended
        yield lines
    if held or not ended:
        yield CRLF
