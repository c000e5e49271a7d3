"""Run the local servers until Ctrl-C, to try any client on.

The ports are 8000 and the well-known one: HTTP on 8080, POP3 on 8110, and so
on. Mails, articles and files are the same at each start, and nothing stays
behind. A port that can't be had is exit status 2; --offset moves them all.
"""

import argparse
import errno
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .output import console, warn

if TYPE_CHECKING:
    from protoclients.fixtures import Lab

WELL_KNOWN = {
    "http": 80,
    "https": 443,
    "smtp": 25,
    "smtps": 465,
    "pop3": 110,
    "pop3s": 995,
    "ftp": 21,
    "ftps": 990,
    "nntp": 119,
    "nntps": 563,
    "telnet": 23,
    "echo": 7,
}
# What to type for each protocol. {at} is host and port, {who} user and password as URLs
# have them.
COMMANDS = {
    "HTTP": """\
    protoclients http http://{at}/poem.txt
    curl -i http://{at}/chunked""",
    "SMTP": """\
    protoclients smtp smtp://{at}
    printf 'Subject: Hello\\n\\nHello!\\n' | curl smtp://{at} \\
        -T - --mail-from lecturer@example.test --mail-rcpt student@example.test
    nc {host} {port}       type: EHLO me, HELP, QUIT""",
    "POP3": """\
    protoclients pop3 pop3://{who}@{at}
    curl pop3://{who}@{at}/1
    nc {host} {port}       type: USER {user}, PASS {password}, LIST, QUIT""",
    "FTP": """\
    protoclients ftp ftp://{who}@{at}/pub/
    curl ftp://{who}@{at}/README.txt
    nc {host} {port}       type: FEAT, HELP, QUIT""",
    "NNTP": """\
    protoclients nntp nntp://{at}/lab.announce
    nc {host} {port}       type: CAPABILITIES, LIST, QUIT""",
    "Telnet": """\
    protoclients telnet {at}
    telnet {host} {port}""",
    "Echo": """\
    protoclients echo {at} Hello
    nc {host} {port}       type anything; nc -u for UDP""",
}
TLS = """\
    protoclients pop3 pop3s://{who}@{at} \\
        --cafile {cafile}
    curl ftp://{who}@{ftp}/ --ssl-reqd \\
        --cacert {cafile}"""
EXAMPLES = """\
  protoclients serve
  protoclients serve --offset 9000
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--offset",
        type=int,
        default=8000,
        metavar="N",
        help="what is added to each well-known port (default: 8000)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the numeric address to listen on (default: 127.0.0.1)",
    )


def run(options: argparse.Namespace) -> int:
    from protoclients.fixtures import Lab

    ports = {name: options.offset + port for name, port in WELL_KNOWN.items()}
    if min(ports.values()) < 1 or max(ports.values()) > 65535:
        raise ValueError(f"--offset {options.offset}: ports are numbers from 1 to 65535")
    with ExitStack() as end:
        try:
            lab = end.enter_context(Lab(options.host, ports))
        except OSError as error:
            raise ValueError(f"{error.strerror}; {advice(error, options)}") from error
        if not (options.host.startswith("127.") or options.host == "::1"):
            warn(f"--host {options.host}: others can reach it, and know the password")
        show(lab, options.host)
        threading.Event().wait()  # until a signal
    return 0


def advice(error: OSError, options: argparse.Namespace) -> str:
    """What to do about a port that can't be had."""
    if error.errno == errno.EADDRINUSE:
        other = 9000 if options.offset != 9000 else 10000
        return f"take other ports, with --offset {other}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "ports below 1024 need a right: take others, with --offset 8000"
    return "--host is a numeric address of this computer, such as 127.0.0.1 or ::1"


def show(lab: "Lab", host: str) -> None:
    """Tell what there is, and what to type."""
    out = console()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    name = f"[{host}]" if ":" in host else host
    user, password = lab.http.user, lab.http.password
    about = {"host": host, "user": user, "password": password, "cafile": lab.cafile}
    about |= {"who": f"{user}:{password}", "ftp": f"{name}:{lab.ftp.port}"}
    out.print(f"The servers are up at {host}, and end with Ctrl-C.")
    out.print(f"The user is {user}, the password {password}.\n")
    for protocol, commands in COMMANDS.items():
        address = getattr(lab, protocol.lower())
        tls = f", with TLS {address.tls_port}" if address.tls_port else ""
        out.print(f"{protocol} {address.port}{tls}", style="bold cyan")
        at = f"{name}:{address.port}"
        out.print(commands.format(at=at, port=address.port, **about), markup=False)
    out.print("TLS, from the first octet or by command", style="bold cyan")
    out.print(TLS.format(at=f"{name}:{lab.pop3.tls_port}", **about), markup=False)
    sys.stdout.flush()
