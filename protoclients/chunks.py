"""Little chunks, many at a time (RFC 9112 section 7.1).

    64 CR LF, 100 octets, CR LF, 64 CR LF, 100 octets, CR LF, …
    |                     |                |
    |                     +-- frame, size -+-- frame, size, …
    +-- read by the wire, as every chunk that is large or odd

Between the octets of one chunk and those of the next stands always a frame: CR LF, the
line with the size, CR LF. A server that writes little chunks writes the same few frames
again and again.

Functions without a socket: each takes octets and where the first chunk ends in them, and
returns the octets of the chunks that are whole, with where the last of them ends.
"""

from collections.abc import Callable

from .errors import ProtocolError
from .octets import CRLF, Buffer

# A chunk so small that copying it costs less than handling it by itself, in octets.
LITTLE = 4096
# The longest line before it, in octets: what is longer has more in it than the size.
LONGEST_LINE = 4
# So many frames are remembered. Usual servers write hardly more than a hundred.
MANY = 10_000


class Sizes(dict[bytes, int]):
    """The size of a little chunk by the frame before it. Other frames are a `KeyError`."""

    def __init__(self, size_of: Callable[[bytes], int]) -> None:
        self._size_of = size_of

    def __missing__(self, frame: bytes) -> int:
        if not (frame.startswith(CRLF) and frame.endswith(CRLF)):
            raise KeyError(frame)
        try:
            size = self._size_of(frame[len(CRLF) : -len(CRLF)])
        except ProtocolError as error:
            raise KeyError(frame) from error
        if not 0 < size <= LITTLE:
            raise KeyError(frame)
        if len(self) < MANY:
            self[frame] = size
        return size


def little_chunks(octets: bytes, at: int, width: int, sizes: Sizes) -> tuple[Buffer, int]:
    """As many chunks as go by one of the ways below; `width` is that of the first frame."""
    frame = octets[at : at + width]
    size = sizes.get(frame, 0)  # 0 if we have not met it yet
    if size and octets.startswith(frame, at + width + size):
        return chunks_alike(octets, at, frame, size)
    return chunks_by_size(octets, at, width, sizes)


def chunks_alike(octets: bytes, at: int, frame: bytes, size: int) -> tuple[Buffer, int]:
    """Chunks that all have this frame. The octets of the frames stand in columns then, and
    a column is compared, and taken out, at once."""
    stride = len(frame) + size
    count = (len(octets) - len(CRLF) - at) // stride
    for place, octet in enumerate(frame):
        column, same = octets[at + place : at + count * stride : stride], bytes([octet])
        if column != same * len(column):
            count = len(column) - len(column.lstrip(same))
    while count and not octets.startswith(CRLF, at + count * stride):
        count -= 1  # another size, or not all here
    end = at + count * stride
    found = bytearray(memoryview(octets)[at:end])
    while stride > size:
        del found[::stride]
        stride -= 1
    return found, end


def chunks_by_size(octets: bytes, at: int, width: int, sizes: Sizes) -> tuple[bytes, int]:
    """Chunks whose frames are `width` octets long. A chunk is known to be whole, and no
    longer than its size, by the frame that comes after it."""
    found, begin = [], at + width
    try:
        while True:
            start = at + width
            end = start + sizes[octets[at:start]]
            found.append(octets[begin:at])
            begin, at = start, end
    except KeyError:  # another width, a large one, the last, or not all here
        pass
    if octets.startswith(CRLF, at):
        found.append(octets[begin:at])
    else:
        at = begin - width
    return b"".join(found), at
