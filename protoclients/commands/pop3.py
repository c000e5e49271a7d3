"""Look into a maildrop, fetch mail and delete it (POP3, RFC 1939)."""

import argparse
import re
from typing import Any

from protoclients import POP3, Refused
from protoclients.octets import text

from .actions import Action, listed, number, understood
from .output import output, readable, say, table
from .target import add_options, connected, log_in, reached

SCHEMES = {"pop3": False, "pop": False, "pop3s": True, "pops": True}
# A field goes on with the lines that begin with a space (RFC 5322 section 2.2.3).
SUBJECT = r"(?im)^subject:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)"


def subjects(pop3: POP3, options: Any) -> None:
    sizes = pop3.list()
    try:
        headers = pop3.top_many([number for number, _ in sizes])
    except Refused:  # TOP is optional (section 7)
        headers = [b""] * len(sizes)
    table([(*size, subject(one)) for size, one in zip(sizes, headers, strict=True)])


def subject(header: bytes) -> str:
    found = re.search(SUBJECT, text(header))
    return readable(found[1]) if found else ""


def stat(pop3: POP3, options: Any) -> None:
    count, octets = pop3.stat()
    say(f"{count} messages, {octets} octets")


def list_(pop3: POP3, options: Any, one: str = "") -> None:
    table([pop3.list(number(one))] if one else pop3.list())


def uidl(pop3: POP3, options: Any, one: str = "") -> None:
    table([pop3.uidl(number(one))] if one else pop3.uidl())


def retr(pop3: POP3, options: Any, one: str) -> None:
    with output(options.output) as out:
        if out.shows_progress:
            out.expect(pop3.list(number(one))[1], f"message {one}")
        pop3.retr(number(one), into=out.into)


def top(pop3: POP3, options: Any, one: str, lines: str = "0") -> None:
    with output(options.output) as out:
        out.write(pop3.top(number(one), number(lines)))


def dele(pop3: POP3, options: Any, *numbers: str) -> None:
    pop3.dele_many([number(one) for one in numbers])
    pop3.quit()  # only now are they deleted
    say(f"deleted: {', '.join(numbers)}")


def capa(pop3: POP3, options: Any) -> None:
    for name, arguments in pop3.capa().items():
        say(" ".join((name, *arguments)))


ACTIONS = {
    "subjects": Action("", "number, size and subject of each (the default)", subjects),
    "stat": Action("", "how many messages, and how many octets", stat),
    "list": Action("[N]", "number and size of each message", list_),
    "uidl": Action("[N]", "number and unique-id of each message", uidl),
    "retr": Action("N", "fetch message N; also by URL: pop3://user@host/N", retr),
    "top": Action("N [LINES]", "its header, and so many lines of its body", top),
    "dele": Action("N…", "delete messages", dele),
    "capa": Action("", "what the server can do", capa, login=False),
}
EXAMPLES = f"""\
  protoclients pop3
  protoclients pop3 retr 2 -o mail.eml
  protoclients pop3 --starttls top 3 5
  protoclients pop3 pop3://student@localhost:8110/3

{listed(ACTIONS)}
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[SERVER] [ACTION]", help="see below")
    parser.add_argument("-o", dest="output", metavar="FILE", help="where a message goes")
    add_options(parser, login=True, starttls=True)


def run(options: argparse.Namespace) -> int:
    server, name, words = understood(options.words, ACTIONS)
    with reached(
        options, server, "pop3", SCHEMES, must_login=True, takes_path=not name
    ) as target:
        if not name and (path := target.path.strip("/")):
            name, words = "retr", [path]
        action = ACTIONS[name or "subjects"]
        with connected(POP3, options, target, "stls") as pop3:
            if action.login:
                if not target.user:
                    raise ValueError("who are you? say --user, or pop3://USER@HOST")
                log_in(pop3, options, target)
            action.run(pop3, options, *words)
    return 0
