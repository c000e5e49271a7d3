"""What is measured: one row an item."""

from typing import NamedTuple

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# A long body is one piece of this size again and again, so it has a whole number of them.
PIECE = 256 * KIB


class Item(NamedTuple):
    """`number` things of `size` octets each, or with `size` 0 so many lines of a listing.

    `want` is how many times faster than the standard library we mean to be.
    """

    name: str
    title: str
    want: float
    number: int
    size: int = 0

    def scaled(self, scale: float) -> "Item":
        """The same item, smaller: a shorter body, or fewer of them."""
        if self.number == 1:
            return self._replace(size=max(1, round(self.size * scale / PIECE)) * PIECE)
        return self._replace(number=max(1, round(self.number * scale)))

    @property
    def total(self) -> int:
        """What every contestant has to bring: octets, or lines."""
        return self.number * (self.size or 1)


ITEMS = [
    Item("http-get", "GET, 1 GiB to a sink", 1.8, 1, GIB),
    Item("http-get-file", "GET, 1 GiB to a file", 1.6, 1, GIB),
    Item("http-chunked-64k", "GET, chunks of 64 KiB", 1.3, 1, 256 * MIB),
    Item("http-chunked-100", "GET, chunks of 100 octets", 12, 1, 16 * MIB),
    Item("http-chunked-mixed", "GET, chunks of 50 to 150", 4, 1, 16 * MIB),
    Item("http-small", "10,000 GETs of 200 octets", 4, 10_000, 200),
    Item("http-small-many", "the same, pipelined", 20, 10_000, 200),
    Item("http-connect", "connect, GET, close: 1,000", 1.7, 1_000, 200),
    Item("http-put", "PUT, 1 GiB from a file", 1.5, 1, GIB),
    Item("ftp-retr", "RETR, 1 GiB to a sink", 1.0, 1, GIB),
    Item("ftp-retr-file", "RETR, 1 GiB to a file", 1.9, 1, GIB),
    Item("ftp-stor", "STOR, 1 GiB from a file", 2.2, 1, GIB),
    Item("ftp-list", "LIST, 50,000 lines", 3.5, 50_000),
    Item("ftp-mlsd", "MLSD, 50,000 lines, parsed", 2, 50_000),
    Item("ftp-small", "RETR, 2,000 of 2 KiB", 1.6, 2_000, 2 * KIB),
    Item("ftp-small-many", "the same, EPSV ahead", 1.6, 2_000, 2 * KIB),
    Item("pop3-retr", "RETR, 200 MiB", 10, 1, 200 * MIB),
    Item("pop3-small", "RETR, 5,000 of 2 KiB", 2.2, 5_000, 2 * KIB),
    Item("pop3-small-many", "the same, pipelined", 40, 5_000, 2 * KIB),
    Item("pop3-uidl", "UIDL, 100,000 lines, parsed", 4, 100_000),
    Item("nntp-over", "OVER, 200,000 lines, parsed", 4, 200_000),
    Item("nntp-small", "ARTICLE, 5,000 of 2 KiB", 3.5, 5_000, 2 * KIB),
    Item("nntp-small-many", "the same, pipelined", 60, 5_000, 2 * KIB),
    Item("nntp-body", "BODY, 100 MiB", 20, 1, 100 * MIB),
    Item("smtp-small", "2,000 mails of 4 KiB", 1.8, 2_000, 4 * KIB),
    Item("smtp-small-many", "the same, PIPELINING", 4.5, 2_000, 4 * KIB),
    Item("smtp-data", "DATA, 200 MiB from a file", 3.6, 1, 200 * MIB),
    Item("smtp-bdat", "BDAT, 200 MiB from a file", 20, 1, 200 * MIB),
    Item("telnet-text", "200 MiB of text", 400, 1, 200 * MIB),
    Item("telnet-binary", "200 MiB, 255 doubled", 150, 1, 200 * MIB),
]

BY_NAME = {item.name: item for item in ITEMS}
