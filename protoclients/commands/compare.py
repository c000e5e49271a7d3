"""Do one job by hand and by library, and put the two conversations beside each other.

Without JOB it is the protocol's most telling one; --list names all. Without SERVER it is
done on a local one. Below the conversations stand the results, what they cost, and what
each side did that nobody asked for. The exit status is 0 if the results are equal.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .output import columns, note, say
from .target import Schemes, Target, add_options, parse, password

if TYPE_CHECKING:
    from protoclients.jobs import Job

# The most telling job of each protocol.
TELLING = {
    "echo": "over-tcp",
    "http": "page-by-url",
    "smtp": "awkward-dots",
    "pop3": "fetch-at-once",
    "nntp": "table-of-contents",
    "ftp": "fetch",
    "telnet": "octet-255",
}
PORTS = {
    "echo": (7, None),
    "http": (80, 443),
    "smtp": (25, 465),
    "pop3": (110, 995),
    "nntp": (119, 563),
    "ftp": (21, 990),
    "telnet": (23, None),
}
EXAMPLES = """\
  protoclients compare smtp
  protoclients compare http basic-auth --code
  protoclients compare ftp --list
  protoclients compare pop3 start-tls pop3://student@localhost:8110 --cafile lab.pem
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="PROTOCOL [JOB] [SERVER]", help=", ".join(TELLING)
    )
    parser.add_argument("--list", action="store_true", help="the jobs there are")
    parser.add_argument("--code", action="store_true", help="the code above each step")
    parser.add_argument("--json", action="store_true", help="all of it for machines")
    parser.add_argument("--width", type=int, metavar="N", help="columns; two from 100 on")
    parser.add_argument("--show-secrets", action="store_true", help="passwords too")
    add_options(parser, login=True, starttls=False)


def run(options: argparse.Namespace) -> int:
    from protoclients.jobs import all_jobs, jobs_of

    protocol, *words = options.words or [""]
    if options.list:
        listed(jobs_of(protocol) if protocol else all_jobs())
        return 0
    if not protocol:
        raise ValueError(f"which protocol? There are {', '.join(TELLING)}")
    job, server = understood(jobs_of(protocol), protocol, words)
    from protoclients.comparison import compare

    with place(options, server, protocol) as lab:
        comparison = compare(job, lab)
    shown(comparison, options)
    return 0 if comparison.same else 1


def listed(jobs: "list[Job]") -> None:
    width = max(len(f"{job.protocol} {job.name}") for job in jobs)
    for job in jobs:
        say(f"{f'{job.protocol} {job.name}':{width}}  {job.title}")


def understood(
    jobs: "list[Job]", protocol: str, words: list[str]
) -> "tuple[Job, str | None]":
    """The job and the server in what follows the protocol. Raises `ValueError`."""
    by_name = {job.name: job for job in jobs}
    name = words.pop(0) if words and words[0] in by_name else TELLING[protocol]
    server = words.pop(0) if words else None
    if words or (
        server and not any(mark in server for mark in ":/.[") and server != "localhost"
    ):
        unknown = words[0] if words else server
        raise ValueError(f"no job or server {unknown!r}; the jobs are {', '.join(by_name)}")
    return by_name[name], server


@contextlib.contextmanager
def place(options: argparse.Namespace, address: str | None, protocol: str) -> Iterator[Any]:
    """A Lab; or if a server is named, what has the same attributes for its protocol."""
    if address is None:
        from protoclients.fixtures import Lab

        note("no server named, so here is a Lab with one")
        with Lab() as lab:
            yield lab
        return
    secure = "https" if protocol == "http" else f"{protocol}s"
    schemes: Schemes = {protocol: False, secure: True}
    target = parse(address, schemes)
    target = target._replace(user=target.user or options.user or "")
    yield SimpleNamespace(
        **{protocol: server(target, options, protocol)},
        cafile=options.cafile,
        refused="nobody@example.test",
    )


def server(target: Target, options: argparse.Namespace, protocol: str) -> Any:
    """What `Lab` has about a server. Of one port it is not known whether it has another."""
    tls = target.tls or options.tls
    port, tls_port = PORTS[protocol]
    secret = password(options, target) if target.user else ""
    return SimpleNamespace(
        host=target.host,
        port=port if tls else target.port or port,
        tls_port=target.port or tls_port if tls else tls_port,
        user=target.user,
        password=secret,
    )


def shown(comparison: Any, options: argparse.Namespace) -> None:
    from protoclients.views import aligned

    if options.json:
        found = aligned.as_dict(comparison, show_secrets=options.show_secrets)
        json.dump(found, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return
    text = aligned.text(
        comparison,
        options.width or columns(),
        colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
        show_secrets=options.show_secrets,
        code=options.code,
    )
    print(text, end="")
