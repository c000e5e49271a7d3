"""Have a message sent back, over TCP or UDP (Echo, RFC 862).

One word is MESSAGE, two are SERVER and MESSAGE; a word with :// is a server in
any case.
"""

import argparse

from protoclients import echo
from protoclients.errors import ProtocolError

from .output import output
from .target import add_timeout, reached

SCHEMES = {"echo": False}
EXAMPLES = """\
  protoclients echo
  protoclients echo --udp "Is anybody there?"
  protoclients echo localhost:8007 "Hello!"
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[SERVER] [MESSAGE]", help="see above")
    parser.add_argument("--udp", action="store_true", help="as a datagram")
    add_timeout(parser)


def run(options: argparse.Namespace) -> int:
    words = list(options.words)
    server = words.pop(0) if len(words) > 1 or "://" in "".join(words) else None
    if len(words) > 1:
        raise ValueError("a server and one message; put the message in quotes")
    message = "".join(words or ["Hello!"]).encode("utf-8", "surrogateescape")
    client = echo.udp_client if options.udp else echo.tcp_client
    options.tls, options.cafile = False, None
    with reached(options, server, "echo", SCHEMES) as target:
        port = target.port or echo.PORT
        back = client(target.host, port, message, timeout=options.timeout)
    with output(None) as out:
        out.write(back + b"\n")
    if back != message:
        raise ProtocolError("what came back is not what was sent")
    return 0
