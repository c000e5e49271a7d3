"""Send a mail, or see what a mail server can do (SMTP, RFC 5321).

With --to a mail is sent: FILE or stdin, its header and its body, as it is.
Without, the server's greeting and extensions are shown. One word that names a
file here is FILE.
"""

import argparse
import os
from collections.abc import Iterable

from protoclients import SMTP, Refused
from protoclients.reply import Reply

from .output import one_line, say, source, warn
from .target import add_options, connected, log_in, reached

SCHEMES = {"smtp": False, "smtps": True}
EXAMPLES = """\
  protoclients smtp
  printf 'Subject: hello\\n\\nHello!\\n' | protoclients smtp \\
      --from lecturer@example.test --to student@example.test
  protoclients smtp --starttls --user student
  protoclients smtp smtp://localhost:8025
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[SERVER] [FILE]", help="see above")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="who sends it")
    parser.add_argument(
        "--to",
        dest="recipients",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="who gets it; may be repeated",
    )
    add_options(parser, login=True, starttls=True)


def run(options: argparse.Namespace) -> int:
    server, file = understood(options)
    mail = b""
    if options.recipients:
        with source(file) as opened:
            mail = opened.read()  # before a server begins to wait for it
    with reached(options, server, "smtp", SCHEMES) as target:
        smtp: SMTP
        with connected(SMTP, options, target, "starttls") as smtp:
            greeting, extensions = smtp.greeting, smtp.ehlo()
            log_in(smtp, options, target)
            if options.recipients:
                return send(smtp, options.sender, options.recipients, mail)
            say(str(greeting))
            for name, parameters in extensions.items():
                say(" ".join((name, *parameters)))
    return 0


def understood(options: argparse.Namespace) -> tuple[str | None, str]:
    """The server, and the file with the mail."""
    if options.recipients and options.sender is None:
        raise ValueError("--from is missing: the address that sends the mail")
    match options.words:
        case []:
            return None, "-"
        case [word] if options.recipients and (word == "-" or os.path.isfile(word)):
            return None, word
        case [word]:
            return word, "-"
        case [word, file] if options.recipients:
            return word, file
    raise ValueError("what is more than a server and one FILE, with --from and --to?")


def send(smtp: SMTP, sender: str, recipients: list[str], mail: bytes) -> int:
    """Send the mail and tell who gets it; 1 if somebody doesn't."""
    try:
        refused = smtp.send(sender, recipients, mail)
    except Refused as error:
        complain(error.done)
        raise
    for recipient in recipients:
        if recipient not in refused:
            say(f"accepted: {recipient}")
    complain(refused.items())
    return 1 if refused else 0


def complain(refused: Iterable[tuple[str, Reply]]) -> None:
    for recipient, reply in refused:
        warn(f"refused: {recipient}: {one_line(str(reply))}")
