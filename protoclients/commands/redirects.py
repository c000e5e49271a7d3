"""Where an HTTP redirect leads, and what is asked for there (RFC 9110 section 15.4)."""

from typing import BinaryIO, NamedTuple

from protoclients.errors import ProtocolError
from protoclients.http1 import Head, Headers, Response

from .target import Target, parse

SCHEMES = {"http": False, "https": True}
REDIRECTS = (301, 302, 303, 307, 308)
FORM = ("Content-Type", "application/x-www-form-urlencoded")
# What is for one server, and no business of another.
PRIVATE = ("authorization", "cookie", "host")


class Request(NamedTuple):
    """What is asked for at a Target."""

    method: str
    headers: Headers
    body: bytes | BinaryIO


def location(response: Response | Head) -> str | None:
    """Where a redirect points to; None if it is none."""
    return response.headers.get("Location") if response.status in REDIRECTS else None


def redirected(
    target: Target, request: Request, response: Response
) -> tuple[Target, Request]:
    """The next target and request. Another server learns no password."""
    method, headers, body = request
    there = resolved(target, location(response) or "")
    if (there.host, there.port, there.tls) == (target.host, target.port, target.tls):
        there = target._replace(path=there.path)
    else:
        there = there._replace(user="", password=None)
        headers = Headers(pair for pair in headers if pair[0].lower() not in PRIVATE)
    if method not in ("GET", "HEAD") and becomes_get(method, response.status):
        method, body = "GET", b""
        headers = Headers(pair for pair in headers if pair != FORM)
    if not isinstance(body, bytes):
        body.seek(0)
    return there, Request(method, headers, body)


def becomes_get(method: str, status: int) -> bool:
    """303 means GET; 301 and 302 do after POST, by long usage; 307 and 308 keep all."""
    return status == 303 or (status in (301, 302) and method == "POST")


def resolved(target: Target, found: str) -> Target:
    """`found`, perhaps a part of a URL, as seen from `target`."""
    from urllib.parse import urljoin

    host = f"[{target.host}]" if ":" in target.host else target.host
    place = host if target.port is None else f"{host}:{target.port}"
    scheme = "https" if target.tls else "http"
    try:
        return parse(urljoin(f"{scheme}://{place}{target.path}", found), SCHEMES)
    except ValueError as error:
        raise ProtocolError(f"a redirect that is not followed: {error}") from error
