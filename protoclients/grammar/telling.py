"""Which protocol is it? By the port, and if that says nothing, by the first line each way.

In half of the protocols the server speaks first, so that even "who speaks first?" tells.
"""

import re

WELL_KNOWN = {
    7: "echo",
    21: "ftp",
    23: "telnet",
    25: "smtp",
    80: "http",
    110: "pop3",
    119: "nntp",
    443: "http",
    465: "smtp",
    563: "nntp",
    587: "smtp",
    990: "ftp",
    992: "telnet",
    995: "pop3",
}
# Where people put servers of their own. These say less than the first line does.
USUAL = {8000 + port: name for port, name in WELL_KNOWN.items()}
USUAL |= {8000: "http", 8080: "http", 8888: "http", 2525: "smtp", 2121: "ftp"}

NEGOTIATION = re.compile(rb"\xff[\xfa-\xfe]")
# What a server says first.
GREETINGS = [
    (re.compile(rb"(?:\+OK|-ERR)(?: |\r?\n)"), "pop3"),
    (re.compile(rb"(?i)220[ -].*\b(?:ESMTP|SMTP|LMTP)\b"), "smtp"),
    (re.compile(rb"(?i)220[ -].*FTP"), "ftp"),
    (re.compile(rb"20[01] "), "nntp"),
    (NEGOTIATION, "telnet"),
]
# What a client says first, before the server speaks or after a greeting that tells nothing.
OPENINGS = [
    (re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[0-9]\r?\n"), "http"),
    (re.compile(rb"(?i)(?:EHLO|HELO|LHLO)[ \r\n]"), "smtp"),
    (re.compile(rb"(?i)(?:CAPA|APOP|STLS)[ \r\n]"), "pop3"),
    (re.compile(rb"(?i)(?:CAPABILITIES|MODE READER|GROUP|AUTHINFO)[ \r\n]"), "nntp"),
    (NEGOTIATION, "telnet"),
]
# What a client says first to a server that greets by 220 and no more.
AFTER_220 = re.compile(rb"(?i)(?:USER|AUTH (?:TLS|SSL)|FEAT|SYST|OPTS|HOST)[ \r\n]")
ENOUGH = 512  # octets without a line end: it won't be a line


def by_first_lines(
    client: bytes, server: bytes, port: int, *, server_first: bool, is_over: bool = False
) -> str:
    """The protocol, by the first octets each way; "" if more has to be heard.

    With `is_over` there is no more. "unknown" is an answer too.
    """
    for said, rows in ((server, GREETINGS if server_first else []), (client, OPENINGS)):
        is_line = is_over or _is_whole(said) or NEGOTIATION.match(said)
        for pattern, name in rows if is_line else []:
            if pattern.match(said):
                return name
    if not is_over and not (_is_whole(client) and _is_whole(server)):
        return ""
    if server_first and server.startswith(b"220") and AFTER_220.match(client):
        return "ftp"
    if server.startswith(b"HTTP/1."):
        return "http"
    if server and not server_first and first_line(server) == first_line(client):
        return "echo"
    return USUAL.get(port, "unknown")


class Telling:
    """Listens to the first octets of a connection until its protocol is clear.

    `port` is the server's; `name` is the protocol's, "" as long as it isn't clear.
    """

    def __init__(self, port: int) -> None:
        self.name = WELL_KNOWN.get(port, "")
        self._port = port
        self._said: dict[str, bytes] = {}  # by speaker, in the order in which they spoke

    def hear(self, speaker: str, data: bytes) -> None:
        """Hear what "C" or "S" says next."""
        before = self._said.setdefault(speaker, b"")
        if len(before) < ENOUGH:
            self._said[speaker] = before + data[:ENOUGH]
        self.name = self.name or self._by_first_lines(is_over=False)

    def end(self) -> None:
        """There is no more to hear: the name is at least "unknown"."""
        self.name = self.name or self._by_first_lines(is_over=True)

    def _by_first_lines(self, is_over: bool) -> str:
        client, server = self._said.get("C", b""), self._said.get("S", b"")
        first = next(iter(self._said), "")
        return by_first_lines(
            client, server, self._port, server_first=first == "S", is_over=is_over
        )


def first_line(said: bytes) -> bytes:
    """The first line, or enough to know that it is none."""
    return said[:ENOUGH].partition(b"\n")[0]


def _is_whole(said: bytes) -> bool:
    return b"\n" in said or len(said) >= ENOUGH
