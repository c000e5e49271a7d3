"""The jobs, by commands that others have written: curl, wget and lftp.

None of them parses a listing, so at those they have less to do. What they print goes
nowhere; what they write into a file, they write there.
"""

import shutil
from collections.abc import Callable

from .contestant import HOST, RECIPIENT, SENDER
from .items import Item

NOWHERE = ["-o", "/dev/null"]
MAIL = ["--mail-from", SENDER, "--mail-rcpt", RECIPIENT]
# lftp asks for TLS, tries for ever, and keeps the file that was there, unless it is told.
LFTP = (
    "set ftp:ssl-allow no; set net:max-retries 1; set xfer:clobber yes; "
    "set xfer:make-backup no; set http:proxy ''; set ftp:proxy ''; "
)
BEGINNINGS = {
    "curl": ["curl", "--silent", "--show-error"],
    "wget": ["wget", "--no-config", "--quiet", "--no-proxy", "--tries=1"],
    "lftp": ["lftp", "--norc", "-c"],
}


def command(who: str, item: Item, port: int, path: str) -> list[str]:
    """The command line for an item, or [] if `who` cannot do it, or is not there."""
    where = f"{item.name.partition('-')[0]}://{HOST}:{port}/"
    tails = TABLES[who](item, where, path)
    if item.name not in tails or not shutil.which(who):
        return []
    return BEGINNINGS[who] + tails[item.name]


def curl(item: Item, where: str, path: str) -> dict[str, list[str]]:
    """By item, what comes after the switches that all have.

    curl has no NNTP; and it waits up to a second before each data connection of FTP after
    the first (7.88).
    """
    each = f"{where}[1-{item.number}]"
    login = where.replace("//", "//student:lab-secret@")
    return {
        "http-get": [where, *NOWHERE],
        "http-get-file": [where, "-o", path],
        "http-chunked-64k": [where, *NOWHERE],
        "http-chunked-100": [where, *NOWHERE],
        "http-chunked-mixed": [where, *NOWHERE],
        "http-small": [each, *NOWHERE],
        "http-small-many": [each, *NOWHERE],
        "http-connect": [each, *NOWHERE, "-H", "Connection: close"],
        "http-put": [where, "-T", path, "-H", "Expect:", *NOWHERE],
        "ftp-retr": [where + "file", *NOWHERE],
        "ftp-retr-file": [where + "file", "-o", path],
        "ftp-stor": [where + "file", "-T", path],
        "pop3-retr": [login + "1", *NOWHERE],
        "pop3-small": [f"{login}[1-{item.number}]", *NOWHERE],
        "pop3-small-many": [f"{login}[1-{item.number}]", *NOWHERE],
        "smtp-small": [each, "-T", path, *MAIL],
        "smtp-small-many": [each, "-T", path, *MAIL],
        "smtp-data": [where, "-T", path, *MAIL],
        "smtp-bdat": [where, "-T", path, *MAIL],
        "telnet-text": [where, *NOWHERE],
        "telnet-binary": [where, *NOWHERE],
    }


def wget(item: Item, where: str, path: str) -> dict[str, list[str]]:
    """The same; wget only downloads."""
    each = [f"{where}{number}" for number in range(1, item.number + 1)]
    return {
        "http-get": [where, "-O", "/dev/null"],
        "http-get-file": [where, "-O", path],
        "http-small": [*each, "-O", "/dev/null"],
        "ftp-retr": [where + "file", "-O", "/dev/null"],
        "ftp-retr-file": [where + "file", "-O", path],
    }


def lftp(item: Item, where: str, path: str) -> dict[str, list[str]]:
    """The same, each a line of lftp's own language."""
    return {
        "http-get": [f"{LFTP} cat {where}"],
        "http-get-file": [f"{LFTP} get {where} -o {path}"],
        "ftp-retr": [f"{LFTP} cat {where}file"],
        "ftp-retr-file": [f"{LFTP} get {where}file -o {path}"],
        "ftp-stor": [f"{LFTP} open {where}; put {path} -o file"],
        "ftp-list": [f"{LFTP} open {where}; ls"],
    }


TABLES: dict[str, Callable[[Item, str, str], dict[str, list[str]]]]
TABLES = {"curl": curl, "wget": wget, "lftp": lftp}
