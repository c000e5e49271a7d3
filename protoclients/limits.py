"""Limits: how much of each thing a server may say, each with its reason.

Nothing a server sends is trusted, so nothing it sends may be endless. What is more than a
limit is a `LimitExceeded` that names it. Where a server of yours is right to say more:

    HTTP("localhost", 8080, limits=Limits(head=1024 * 1024))
"""

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB


class Limits(NamedTuple):
    """The most that is taken of a server, in octets where nothing else is said."""

    # A line. The RFCs ask for 512 (SMTP and POP3 replies, NNTP), mail has lines of 998,
    # HTTP suggests at least 8,000 (RFC 9112 section 3); 64 KiB is what http.client takes.
    line: int = 64 * KIB

    # A three-digit reply with all its lines. RFC 5321 section 4.5.3.1.5 grants a line 512;
    # FTP's STAT of a large directory is what needs the room.
    reply: int = MIB

    # A body, a message or a listing that is kept in memory. With `into=` there is no such
    # limit. The `limit=` of a method is for that one call, with `into=` or without.
    body: int = 64 * MIB

    # The lines of a listing that is parsed, the different facts in it, and a tenth of all
    # its facts: a million lines need 150 to 400 MiB.
    entries: int = 1_000_000

    # The field lines of an HTTP head or trailer together. Servers themselves take 8 to
    # 16 KiB.
    head: int = 256 * KIB

    # Interim responses (1xx) before the final one. One is usual.
    interim: int = 20

    # The line before a chunk: its size has at most 16 digits, extensions are rare.
    chunk_line: int = 4 * KIB

    # A Telnet subnegotiation. The longest that is taught here has nine.
    subnegotiation: int = KIB

    # Telnet commands within one read. A login negotiates some thirty; a storm has no end.
    commands: int = 10_000

    # The least octets a second at which a long body is waited for beyond the timeout.
    # Slower than any modem, and faster than a server that means to hold us for ever.
    rate: int = 1_000


LIMITS = Limits()
