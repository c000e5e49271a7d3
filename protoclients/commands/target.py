"""Which server, who, and how safely: what every client's command line has in common.

A server is a URL, or HOST, HOST:PORT or [IPv6]:PORT. Where none is named, a Lab is started
for the one command; a word that begins with "/" is a path there.
"""

import argparse
import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .output import note, warn

if TYPE_CHECKING:
    import ssl

# Scheme, authority and path of a URL; what follows "#" is no business of a server.
URL = r"(?s)(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^#]*)(?:#.*)?"
# [IPv6] or host, and port.
PLACE = r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::([0-9]*))?"

# A day. The timers of the operating system can't hold what is much longer.
MAX_TIMEOUT = 86_400.0

# The schemes of a protocol's URLs, and whether they mean TLS from the first octet. The
# first one is what an address without a scheme has.
Schemes = Mapping[str, bool]


class Target(NamedTuple):
    """A server, and what the URL says besides. `port` is None for the protocol's own."""

    host: str
    port: int | None = None
    tls: bool = False
    user: str = ""
    password: str | None = None
    path: str = ""


def parse(address: str, schemes: Schemes) -> Target:
    """Read an address. Raises `ValueError` for one that can't be."""
    match = re.fullmatch(URL, address)
    assert match  # every part may be empty
    scheme, authority, path = match.groups()
    scheme = (scheme or next(iter(schemes))).lower()
    if scheme not in schemes:
        known = ", ".join(f"{name}://" for name in schemes)
        raise ValueError(f"a URL here begins with {known}, not with {scheme}://")
    login, _, place = authority.rpartition("@")
    user, colon, password = login.partition(":")
    host, port = host_and_port(place)
    return Target(
        host,
        port,
        schemes[scheme],
        unquoted(user),
        unquoted(password) if colon else None,
        path,
    )


def host_and_port(place: str) -> tuple[str, int | None]:
    if place.count(":") > 1 and "[" not in place:  # IPv6 by itself
        return place, None
    match = re.fullmatch(PLACE, place)
    if not match:
        raise ValueError(f"not an address of the form HOST or HOST:PORT: {place!r}")
    host, port = match[1] or match[2], match[3]
    if not port:
        return host, None
    if not 0 < int(port[:6]) < 65536:
        raise ValueError(f"not a port number from 1 to 65535: {port}")
    return host, int(port)


def unquoted(text: str) -> str:
    """`text` with its percent-encoding undone; octets that are no UTF-8 survive."""
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text, errors="surrogateescape")


def add_options(parser: argparse.ArgumentParser, *, login: bool, starttls: bool) -> None:
    """What all clients take."""
    if login:
        parser.add_argument("--user", metavar="NAME", help="who you are, if not in the URL")
        parser.add_argument(
            "--password-env",
            metavar="VAR",
            help="the environment variable with the password; without it, it is that of "
            "the URL, or PROTOCLIENTS_PASSWORD, or asked for",
        )
        parser.add_argument(
            "--allow-cleartext",
            action="store_true",
            help="let the password cross a network without TLS",
        )
    safety = parser.add_mutually_exclusive_group()
    safety.add_argument("--tls", action="store_true", help="TLS from the first octet")
    if starttls:
        safety.add_argument("--starttls", action="store_true", help="TLS by command")
    parser.add_argument("--cafile", metavar="FILE", help="PEM certificates to trust")
    parser.add_argument(
        "--insecure", action="store_true", help="TLS with anybody, for the laboratory"
    )
    add_timeout(parser)


def add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="for each exchange (default: 30)",
    )


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= MAX_TIMEOUT:
        raise argparse.ArgumentTypeError(f"not from 0 to {MAX_TIMEOUT:g} seconds: {text}")
    return value


@contextlib.contextmanager
def reached(
    options: argparse.Namespace,
    address: str | None,
    name: str,
    schemes: Schemes,
    *,
    must_login: bool = False,
    takes_path: bool = False,
) -> Iterator[Target]:
    """The server at `address`; without one, the server `name` of a Lab that lives as long
    as this does. There, who must log in is the Lab's student."""
    is_named = address is not None and not address.startswith("/")
    target = parse(address or "", schemes) if is_named else None
    path = target.path if target else (address or "").partition("#")[0]
    if path.strip("/") and not takes_path:
        raise ValueError(f"there is nothing to be done with the path {path!r} here")
    if target:
        yield target._replace(
            tls=target.tls or options.tls,
            user=target.user or getattr(options, "user", None) or "",
        )
        return
    from protoclients.fixtures import Lab

    with Lab() as lab:
        server = getattr(lab, name)
        port = server.tls_port if options.tls else server.port
        note(f"no server named, so here is a Lab with one: {server.host}:{port}")
        options.cafile = options.cafile or lab.cafile
        user = getattr(options, "user", None) or (server.user if must_login else "")
        yield Target(server.host, port, options.tls, user, server.password, path)


def tls_context(options: argparse.Namespace) -> "bool | ssl.SSLContext":
    """Whom to trust: those in `--cafile`, anybody, or (True) the system's authorities."""
    if not options.cafile and not options.insecure:
        return True
    import ssl

    try:
        context = ssl.create_default_context(cafile=options.cafile)
    except OSError as error:
        is_file = isinstance(error, ssl.SSLError)
        reason = "no certificate in it" if is_file else error.strerror
        raise ValueError(f"--cafile {options.cafile}: {reason}") from error
    if options.insecure:
        warn("--insecure: nobody checks who the server is, so it may be anybody")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1  # and what is too old
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def connected(
    client: Any,
    options: argparse.Namespace,
    target: Target,
    starttls: str = "",
    **more: Any,
) -> Any:
    """A connection by `client`, one of the classes; under TLS if that is asked for, by its
    method `starttls` if it is to be TLS by command."""
    by_command = bool(starttls and options.starttls)
    if by_command and target.tls:
        raise ValueError("--starttls is for a connection that does not begin with TLS")
    tls = tls_context(options) if target.tls or by_command else False
    connection = client(
        target.host, target.port, timeout=options.timeout, tls=target.tls and tls, **more
    )
    if by_command:
        try:
            getattr(connection, starttls)(tls)
        except BaseException:
            connection.close()
            raise
    return connection


def log_in(client: Any, options: argparse.Namespace, target: Target) -> None:
    """Say who `target.user` is, if there is one."""
    if target.user:
        secret = password(options, target)
        client.login(target.user, secret, allow_cleartext=options.allow_cleartext)


def password(options: argparse.Namespace, target: Target) -> str:
    """The password of `target.user`, from wherever it is to come."""
    if target.password is not None:
        return target.password
    name = options.password_env or "PROTOCLIENTS_PASSWORD"
    if name in os.environ:
        return os.environ[name]
    if options.password_env:
        raise ValueError(f"--password-env {name}: there is no such variable")
    if sys.stdin.isatty():
        from getpass import getpass

        with contextlib.suppress(EOFError):
            return getpass(f"Password of {target.user} at {target.host}: ")
    raise ValueError(
        f"the password of {target.user} is missing: put it into the environment variable "
        "PROTOCLIENTS_PASSWORD, or name another with --password-env"
    )
