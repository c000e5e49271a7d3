"""Join this terminal to a server (Telnet, RFC 854).

On a terminal, Ctrl-] ends the session. Lines from a pipe are sent as they are,
and what comes is printed until the server ends.
"""

import argparse
import os
import sys

from protoclients.telnet import BINARY, ECHO, NAWS, SGA, TTYPE, Telnet

from .output import columns, note
from .target import add_options, connected, reached

SCHEMES = {"telnet": False, "telnets": True}
EXAMPLES = """\
  protoclients telnet
  printf 'student\\nlab-secret\\ndate\\nexit\\n' | protoclients telnet
  protoclients telnet localhost:8023
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", nargs="?", metavar="SERVER", help="telnet://HOST:PORT, …")
    add_options(parser, login=False, starttls=False)


def run(options: argparse.Namespace) -> int:
    with reached(options, options.server, "telnet", SCHEMES) as target:
        if options.server is None and sys.stdin.isatty():
            note("the user is student, the password lab-secret; Ctrl-] ends")
        lines = os.environ.get("LINES", "")
        telnet: Telnet
        with connected(
            Telnet,
            options,
            target,
            agree={BINARY, ECHO, NAWS, SGA, TTYPE},
            terminal=os.environ.get("TERM", "UNKNOWN").upper(),
            window=(columns(), int(lines) if lines.isdigit() else 24),
        ) as telnet:
            telnet.interact()
    return 0
