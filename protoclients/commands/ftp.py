"""List, fetch and store files (FTP, RFC 959).

A URL that ends with "/" is listed, another one fetched. Without --user the
server gets "anonymous". Paths are relative to where the login leads, unless
they begin with "/".
"""

import argparse
import os
import re
from typing import Any

from protoclients import FTP, Refused

from .actions import Action, listed, understood
from .output import output, say, source, table
from .target import add_options, connected, log_in, reached, unquoted

SCHEMES = {"ftp": False, "ftps": True}


def ls(ftp: FTP, options: Any, path: str = "") -> None:
    try:
        found = ftp.mlsd(path)
    except Refused as error:
        if error.reply.code not in (500, 502):  # anything but: I don't know MLSD
            raise
        for line in ftp.list(path):
            say(line)
        return
    table([row(name, facts) for name, facts in sorted(found, key=lambda row: row[0])])


def row(name: str, facts: dict[str, str]) -> tuple[Any, ...]:
    """Type, size, time of change (UTC) and name of a file, from its facts."""
    kind, size, time = (facts.get(fact, "") for fact in ("type", "size", "modify"))
    if time:
        time = f"{time[:4]}-{time[4:6]}-{time[6:8]} {time[8:10]}:{time[10:12]}"
    if kind.lower() != "file":  # a directory's size is that of its own record
        return kind, "", time, f"{name}/"
    return kind, int(size) if re.fullmatch("[0-9]{1,20}", size) else "", time, name


def get(ftp: FTP, options: Any, path: str) -> None:
    with output(options.output) as out:
        if out.shows_progress:
            out.expect(size_of(ftp, path), path)
        ftp.retr(path, into=out.into)


def size_of(ftp: FTP, path: str) -> int | None:
    try:
        return ftp.size(path)
    except Refused:  # SIZE is an extension
        return None


def put(ftp: FTP, options: Any, file: str, path: str = "") -> None:
    path = path or os.path.basename(file)
    with source(file) as content:
        say(f"stored: {path}, {ftp.stor(path, content)} octets")


def feat(ftp: FTP, options: Any) -> None:
    for name, parameters in ftp.feat().items():
        say(" ".join((name, *parameters)))


def said(method: str) -> Any:
    """An action that is nothing but a method of FTP, and shows what it returns."""

    def act(ftp: FTP, options: Any, *paths: str) -> None:
        result = getattr(ftp, method)(*paths)
        if result is not None:
            say(str(result))

    return act


ACTIONS = {
    "ls": Action("[PATH]", "type, size, time in UTC and name (the default)", ls),
    "get": Action("PATH", "fetch a file; also by URL: ftp://host/PATH", get),
    "put": Action("FILE [PATH]", "store a file; FILE may be - for stdin", put),
    "dele": Action("PATH", "delete a file", said("dele")),
    "rename": Action("OLD NEW", "rename a file or directory", said("rename")),
    "mkd": Action("PATH", "make a directory", said("mkd")),
    "rmd": Action("PATH", "remove an empty directory", said("rmd")),
    "size": Action("PATH", "how many octets a file has", said("size")),
    "mdtm": Action("PATH", "when it was changed, in UTC", said("mdtm")),
    "feat": Action("", "what the server can do beyond RFC 959", feat, login=False),
}
EXAMPLES = f"""\
  protoclients ftp
  protoclients ftp ls /pub
  protoclients ftp --active get /pub/packet.bin -o packet.bin
  protoclients ftp --starttls put poem.txt incoming/poem.txt
  protoclients ftp ftp://student@localhost:8021/README.txt

{listed(ACTIONS)}
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[SERVER] [ACTION]", help="see below")
    parser.add_argument("-o", dest="output", metavar="FILE", help="where a file goes")
    parser.add_argument(
        "--active", action="store_true", help="let the server open the data connections"
    )
    add_options(parser, login=True, starttls=True)


def run(options: argparse.Namespace) -> int:
    server, name, words = understood(options.words, ACTIONS)
    with reached(
        options, server, "ftp", SCHEMES, must_login=True, takes_path=not name
    ) as target:
        path = unquoted(target.path.removeprefix("/"))
        if not name:
            name, words = ("get" if path and path[-1] != "/" else "ls"), [path]
        action = ACTIONS[name]
        passive = not options.active
        ftp: FTP
        with connected(FTP, options, target, "auth_tls", passive=passive) as ftp:
            if action.login and not target.user:
                ftp.login()
            elif action.login:
                log_in(ftp, options, target)
            action.run(ftp, options, *words)
    return 0
