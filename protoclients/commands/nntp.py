"""Read newsgroups, and post (NNTP, RFC 3977)."""

import argparse
from typing import Any

from protoclients import NNTP

from .actions import Action, listed, number, understood
from .output import output, readable, say, source, table
from .target import add_options, connected, log_in, reached, unquoted

SCHEMES = {"nntp": False, "news": False, "nntps": True, "snews": True}
NEWEST = 100  # so many articles are listed if nobody says which


def groups(nntp: NNTP, options: Any, wildmat: str = "") -> None:
    described: dict[str, str] = dict(nntp.list("NEWSGROUPS", wildmat or None))
    table(
        [
            (max(0, last - first + 1), group, described.get(group, ""))
            for group, last, first, _ in nntp.list("ACTIVE", wildmat or None)
        ]
    )


def over(nntp: NNTP, options: Any, name: str, span: str = "") -> None:
    group = nntp.group(name)
    which = span_of(span) if span else (max(group.first, group.last - NEWEST + 1), None)
    table(
        [
            (line.number, name_in(line.fields["From"]), readable(line.fields["Subject"]))
            for line in (nntp.over(which) if group.count else [])
        ]
    )


def name_in(author: str) -> str:
    """The name in "Name <address>", or the address if there is no name."""
    name, _, address = readable(author).partition("<")
    return name.strip(' "') or address.rstrip(">")


def span_of(text: str) -> int | tuple[int, int | None]:
    """A number, FIRST-LAST, or FIRST- for all from there on."""
    first, dash, last = text.partition("-")
    if not dash:
        return number(first)
    return number(first), number(last) if last else None


def fetch(verb: str) -> Any:
    """The action for ARTICLE, HEAD or BODY: of a group and number, or a message-id."""

    def act(nntp: NNTP, options: Any, name: str, which: str = "") -> None:
        wanted: int | str = name
        if which:
            nntp.group(name)
            wanted = number(which)
        with output(options.output) as out:
            out.expect(None, f"article {wanted}")
            getattr(nntp, verb)(wanted, into=out.into)

    return act


def post(nntp: NNTP, options: Any, file: str = "-") -> None:
    with source(file) as article:
        say(str(nntp.post(article)))


def capabilities(nntp: NNTP, options: Any) -> None:
    for name, arguments in nntp.capabilities().items():
        say(" ".join((name, *arguments)))


WHICH = "GROUP|<ID> [N]"
ACTIONS = {
    "groups": Action("[WILDMAT]", "articles, name and purpose of each group", groups),
    "over": Action("GROUP [M-N]", f"the newest {NEWEST} articles, or M to N", over),
    "article": Action(WHICH, "article N of a group, or that with the id", fetch("article")),
    "head": Action(WHICH, "its header", fetch("head")),
    "body": Action(WHICH, "its body", fetch("body")),
    "post": Action("[FILE]", "post an article with its header, FILE or stdin", post),
    "capabilities": Action("", "what the server can do", capabilities),
}
EXAMPLES = f"""\
  protoclients nntp
  protoclients nntp over lab.protocols.help
  protoclients nntp article lab.protocols.help 13
  protoclients nntp nntp://localhost:8119/lab.announce/1

{listed(ACTIONS)}

A URL with a group is `over`; with a number too, or an id, it is `article`.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[SERVER] [ACTION]", help="see below")
    parser.add_argument("-o", dest="output", metavar="FILE", help="where an article goes")
    add_options(parser, login=True, starttls=True)


def run(options: argparse.Namespace) -> int:
    server, name, words = understood(options.words, ACTIONS)
    with reached(options, server, "nntp", SCHEMES, takes_path=not name) as target:
        if not name:
            words = [unquoted(part) for part in target.path.strip("/").split("/") if part]
            name = "over" if words else "groups"
            name = "article" if len(words) > 1 or "@" in "".join(words) else name
        nntp: NNTP
        with connected(NNTP, options, target, "starttls") as nntp:
            log_in(nntp, options, target)
            ACTIONS[name].run(nntp, options, *words)
    return 0
