"""The jobs, by the curl command."""

import shutil

from .contestant import HOST, RECIPIENT, SENDER
from .items import Item

NOWHERE = ["-o", "/dev/null"]
MAIL = ["--mail-from", SENDER, "--mail-rcpt", RECIPIENT]


def command(item: Item, port: int, path: str) -> list[str]:
    """The command line for an item, or [] if curl cannot do it, or is not there.

    curl parses no listing, so these are no comparison; it has no NNTP; and it waits up to
    a second before each data connection of FTP after the first (7.88).
    """
    protocol = item.name.partition("-")[0]
    where = f"{protocol}://{HOST}:{port}/"
    each = f"{where}[1-{item.number}]"
    login = where.replace("//", "//student:lab-secret@")
    tails = {
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
    if item.name not in tails or not shutil.which("curl"):
        return []
    return ["curl", "--silent", "--show-error", *tails[item.name]]
