"""Do one job by hand and by library, and put the two conversations side by side.

Without JOB it is the protocol's most telling one; --list names all. Without
SERVER it is done on a local one. Below the conversations stand the results,
what they cost, and what each side did that nobody asked for. The exit status is
0 if the results are equal.
"""

import argparse
import contextlib
import ipaddress
import json
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .output import columns, note, say
from .target import Target, password
from .target import parse as parse_address

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
# At a server that is named: one that needs no other server, and sends nothing.
ELSEWHERE = TELLING | {"smtp": "extensions"}
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
  protoclients compare pop3 top pop3://student@localhost:8110
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
    parser.add_argument("--user", metavar="NAME", help="who you are, if not in the URL")
    parser.add_argument(
        "--password-env",
        metavar="VAR",
        help="the environment variable with the password, if not PROTOCLIENTS_PASSWORD",
    )
    parser.add_argument("--cafile", metavar="FILE", help="PEM certificates to trust")
    parser.add_argument(
        "--allow-cleartext",
        action="store_true",
        help="let a library send the password across a network without TLS",
    )


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
    name = words.pop(0) if words and words[0] in by_name else ""
    server = words.pop(0) if words else None
    name = name or (ELSEWHERE if server else TELLING)[protocol]
    if words or (
        server and not any(mark in server for mark in ":/.[") and server != "localhost"
    ):
        unknown = words[0] if words else server
        raise ValueError(f"no job or server {unknown!r}; the jobs are {', '.join(by_name)}")
    return by_name[name], server


class Place(SimpleNamespace):
    """What has a Lab's attributes for one protocol."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the job needs {name} too, and only a Lab has that")


@contextlib.contextmanager
def place(options: argparse.Namespace, address: str | None, protocol: str) -> Iterator[Any]:
    """A Lab; or if a server is named, what has the same attributes for its protocol."""
    if address is None:
        from protoclients.fixtures import Lab

        note("no server named, so here is a Lab with one")
        with Lab() as lab:
            yield lab
        return
    schemes = {protocol: False} | ({f"{protocol}s": True} if PORTS[protocol][1] else {})
    target = parse_address(address, schemes)
    target = target._replace(user=target.user or options.user or "")
    if target.user and not (options.allow_cleartext or is_here(target.host)):
        raise ValueError(
            f"where a job has no TLS, the library would send the password to {target.host} "
            "in clear text; say --allow-cleartext if it may"
        )
    yield Place(
        **{protocol: server(target, options, protocol)},
        cafile=options.cafile,
        refused="nobody@example.test",
    )


def server(target: Target, options: argparse.Namespace, protocol: str) -> Any:
    """What a Lab tells of a server. The port that wasn't named is the protocol's own."""
    port, tls_port = PORTS[protocol]
    return SimpleNamespace(
        host=target.host,
        port=port if target.tls else target.port or port,
        tls_port=target.port or tls_port if target.tls else tls_port,
        user=target.user,
        password=password(options, target) if target.user else "",
    )


def is_here(host: str) -> bool:
    """Whether a host's addresses are all this very machine's."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = (str(place[0]).partition("%")[0] for *_, place in found)
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def shown(comparison: Any, options: argparse.Namespace) -> None:
    from protoclients.views import aligned
    from protoclients.views.terminal import has_colour

    if options.json:
        found = aligned.as_dict(comparison, show_secrets=options.show_secrets)
        json.dump(found, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return
    text = aligned.text(
        comparison,
        options.width or columns(),
        colour=has_colour(sys.stdout),
        show_secrets=options.show_secrets,
        code=options.code,
    )
    print(text, end="")
