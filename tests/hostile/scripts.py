"""How the scripts begin: what a server of each protocol says as long as all goes well."""

from collections.abc import Callable
from typing import Any

from protoclients import FTP, NNTP, POP3, SMTP
from protoclients.telnet import ECHO, NAWS, TTYPE, Telnet

from .server import HEAR, HEAR_HEAD, OPEN_DATA, Script, Step, says

MAIL = b"Subject: x\r\n\r\ntext\r\n"
OPENERS: dict[str, Callable[..., Any]] = {
    "pop3": POP3,
    "smtp": SMTP,
    "ftp": FTP,
    "nntp": NNTP,
}
HELLO = {
    "pop3": b"+OK hi\r\n",
    "smtp": b"220 hi\r\n",
    "ftp": b"220 hi\r\n",
    "nntp": b"200 hi\r\n",
}
NOOP = {"pop3": "stat", "smtp": "noop", "ftp": "noop", "nntp": "date"}
PIPELINING = b"250-x\r\n250 PIPELINING\r\n"
TYPE: Script = [HEAR, b"200 ok\r\n"]
EPSV: Script = [HEAR, b"229 x (|||{port}|)\r\n"]
GO: Script = [HEAR, b"150 go\r\n", OPEN_DATA]
ALL = {ECHO, TTYPE, NAWS}


def pop3(*answers: Step) -> Script:
    return says(b"+OK hi\r\n", *answers)


def smtp(*answers: Step) -> Script:
    return says(b"220 hi\r\n", *answers)


def nntp(*answers: Step) -> Script:
    return says(b"200 hi\r\n", *answers)


def http(*answers: bytes) -> Script:
    return [step for answer in answers for step in (HEAR_HEAD, answer)]


def head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *fields, b"", b""])


def ftp(*steps: Step) -> Script:
    return [b"220 hi\r\n", *steps]


def file(*steps: Step) -> Script:
    """The script of a RETR whose data connection is agreed on."""
    return ftp(*TYPE, *EPSV, *steps)


def agreeing(*where: Any, **how: Any) -> Telnet:
    return Telnet(*where, agree=ALL, **how)
