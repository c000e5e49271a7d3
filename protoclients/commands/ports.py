"""The common ports, and what handouts for beginners often say wrongly about them."""

import argparse
from textwrap import fill, indent
from typing import TYPE_CHECKING

from .output import console

if TYPE_CHECKING:
    from rich.table import Table

# Protocol, port, port where TLS comes first, transport, library, what for, RFC.
PORTS = (
    ("Echo", "7", "", "TCP, UDP", "socket", "what is sent comes back", "862"),
    ("FTP", "21", "990", "TCP", "ftplib, urllib.request", "files", "959, 4217"),
    ("Telnet", "23", "992", "TCP", "telnetlib *", "a terminal, far away", "854, 855"),
    ("SMTP", "25", "", "TCP", "smtplib", "mail from server to server", "5321"),
    ("submission", "587", "465", "TCP", "smtplib", "mail, its first step", "6409, 8314"),
    ("Gopher", "70", "", "TCP", "none since Python 2.6", "menus, before the Web", "1436"),
    ("HTTP", "80", "443", "TCP", "http.client, urllib.request, xmlrpc.client",
     "pages, and calls", "9110, 9112"),
    ("POP3", "110", "995", "TCP", "poplib", "fetch mail, and take it away", "1939, 8314"),
    ("NNTP", "119", "563", "TCP", "nntplib *", "newsgroups", "3977, 8143"),
    ("IMAP", "143", "993", "TCP", "imaplib", "mail that stays on the server", "9051, 8314"),
)  # fmt: skip
NOTES = (
    "TLS: the port where TLS comes before the first word; on most others it can be begun "
    "by a command. 990 and 992 are in IANA's registry. * left the standard library with "
    "Python 3.13 (PEP 594); standard-nntplib and standard-telnetlib bring them back."
)

# What is said, and what is right.
CLAIMS = (
    (
        "FTP has port 20.",
        "A client connects to port 21 (RFC 959 section 8). Port 20 is the server's default "
        "data port, the one beside it (section 3.2): in active mode the server connects "
        "from there to the client. In passive mode, which is usual today, the client makes "
        "the second connection too, to a port that the server names, and 20 never appears.",
    ),
    (
        "A socket is an IP address and a port.",
        "In RFC 793 and RFC 9293 the word means that pair. In programs a socket is an "
        "object of the system, one endpoint: it is there before it has an address, many "
        "accepted ones share the server's port, and Unix domain sockets have neither. What "
        "names a TCP connection is the pair of both ends' addresses and ports.",
    ),
    (
        "recv() receives a message.",
        "TCP is a stream of octets and has no messages (RFC 9293 section 2.2). recv(n) "
        "gives from 1 to n octets, those that are there, and none at the end. The protocol "
        "above says where a message ends: by a line end, a line with a dot, a count, or "
        "the end of the connection. So a program loops, and keeps what is too much.",
    ),
    (
        "A network has two sockets.",
        "A connection has two, one at each end. A server has one that listens and one more "
        "for each client; an FTP session with a transfer has four at its two ends.",
    ),
    (
        "The modules are httplib, urllib, xmlrpclib, gopherlib.",
        "Those are Python 2's. Now they are http.client, urllib.request, urllib.parse and "
        "xmlrpc.client; gopherlib has gone.",
    ),
    (
        "POP3 on port 995 is another protocol.",
        "It is the same one, inside TLS from the first octet (RFC 8314 section 3.1).",
    ),
    (
        "AUTH PLAIN hides the password.",
        "Base64 is an encoding, and anybody can undo it: PLAIN is for use inside TLS (RFC "
        "4616 section 5).",
    ),
    (
        "Telnet is raw TCP.",
        "The octet 255 begins a command inside the stream, and both sides negotiate "
        "options by such commands (RFC 854). Some programs named telnet keep quiet about "
        "options on other ports than 23, and so can talk to other servers.",
    ),
)
EXAMPLES = """\
  protoclients ports
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(options: argparse.Namespace) -> int:
    out = console()
    width = min(out.width, 100)
    out.print(table(), soft_wrap=False)
    out.print(fill(NOTES, width) + "\n", markup=False)
    out.print("Said often, and not right\n", style="bold")
    for claim, right in CLAIMS:
        out.print(f"They say: {claim}", style="yellow")
        out.print(indent(fill(right, width - 2), "  ") + "\n", markup=False)
    return 0


def table() -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("protocol", "port", "TLS", "over", "in Python", "what for", "RFC"):
        table.add_column(
            name, justify="right" if name in ("port", "TLS") else "left", overflow="fold"
        )
    for row in PORTS:
        table.add_row(*row)
    return table
