"""Fetch a page, send a form, upload a file (HTTP/1.1, RFC 9112).

URL may be a path alone: then a Lab answers, a small site made for this
command.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO

from protoclients.errors import LimitExceeded, Refused
from protoclients.http1 import HTTP, LENGTH, Head, Headers, Response

from .output import Output, note, output, source
from .redirects import FORM, SCHEMES, Request, location, redirected
from .target import Target, add_options, connected, log_in, reached

MAX_REDIRECTS = 10
# What stands in a target as it is: reserved characters, and percent-encoding.
SAFE = "%/:=&?~+!$,;'@()*[]"
EXAMPLES = """\
  protoclients http /poem.txt
  protoclients http -i /chunked
  protoclients http -d "name=Ada&protocol=HTTP" /form
  protoclients http -L /redirect -o poem.txt
  protoclients http http://localhost:8080/poem.txt
"""


class HeardHTTP(HTTP):
    """HTTP that calls `heard` with each head as soon as it is there: what is to be done
    with the body depends on it."""

    def __init__(self, *where: Any, heard: Callable[[Head], None], **how: Any) -> None:
        self.heard = heard
        super().__init__(*where, **how)

    def _head(self, method: str) -> Head:
        found = super()._head(method)
        self.heard(found)
        return found


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", nargs="?", metavar="URL", help="http://…, https://…, HOST:PORT/…, or /…")
    add("-X", dest="method", metavar="METHOD", help="another method than GET")
    add(
        "-H",
        dest="headers",
        action="append",
        default=[],
        type=field,
        metavar="FIELD",
        help="'Name: value' for the head; may be repeated",
    )
    body = parser.add_mutually_exclusive_group()
    body.add_argument("-d", dest="data", metavar="DATA", help="send a form by POST")
    body.add_argument("-T", dest="upload", metavar="FILE", help="upload a file by PUT")
    body.add_argument("-I", dest="head", action="store_true", help="the head alone")
    add("-i", dest="include", action="store_true", help="show the heads too")
    add("-L", dest="follow", action="store_true", help="follow up to 10 redirects")
    add("-o", dest="output", metavar="FILE", help="where the body goes")
    add_options(parser, login=True, starttls=False)


def field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"not of the form Name: value: {text!r}")
    return name, value.strip(" \t")


def run(options: argparse.Namespace) -> int:
    with ExitStack() as end:
        target = end.enter_context(
            reached(options, options.url, "http", SCHEMES, takes_path=True)
        )
        body = end.enter_context(source(options.upload)) if options.upload else b""
        if options.upload and target.path.endswith("/"):
            target = target._replace(path=target.path + os.path.basename(options.upload))
        request = asked(options, body)
        out = end.enter_context(output(options.output))
        for _ in range(MAX_REDIRECTS + 1):
            response = ask(options, target, request, out)
            if not location(response) or not options.follow:
                return judged(response)
            target, request = redirected(target, request, response)
    raise LimitExceeded(f"more than {MAX_REDIRECTS} redirects, the last to {target.path}")


def asked(options: argparse.Namespace, body: bytes | BinaryIO) -> Request:
    """The request that the command line asks for."""
    headers = Headers(options.headers)
    method = "HEAD" if options.head else "PUT" if options.upload else "GET"
    if options.data is not None:
        method, body = "POST", options.data.encode("utf-8", "surrogateescape")
        headers += [] if headers.get(FORM[0]) else [FORM]
    return Request(options.method or method, headers, body)


def judged(response: Response) -> int:
    if response.status >= 400:
        raise Refused(f"{response.status} {response.reason}".rstrip())
    if where := location(response):
        note(f"{response.status}: it is at {where}, and -L goes there")
    return 0


def ask(
    options: argparse.Namespace, target: Target, request: Request, out: Output
) -> Response:
    """Send one request; the body of the answer goes to `out`, unless it is a redirect
    that is followed."""
    write = out.write

    def heard(found: Head) -> None:
        if options.include or options.head:
            write(head_lines(found))
        length = found.headers.get("Content-Length") or ""
        if options.follow and location(found):
            out.write = len
        elif found.status >= 200:
            out.expect(int(length) if LENGTH.fullmatch(length) else None, target.path)

    http: HeardHTTP
    with connected(HeardHTTP, options, target, heard=heard) as http:
        log_in(http, options, target)
        method, headers, body = request
        response = http.request(method, quoted(target.path), headers, body, into=out.into)
    if out.write is len:
        out.write = write
    return response


def head_lines(found: Head) -> bytes:
    lines = [f"HTTP/{found.version} {found.status} {found.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in found.headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def quoted(path: str) -> str:
    """The target of the request: what people type in a path may need encoding."""
    path = path if path.startswith("/") else f"/{path}"
    if path.isascii() and path.isprintable() and " " not in path:
        return path
    from urllib.parse import quote

    return quote(path, safe=SAFE, errors="surrogateescape")
