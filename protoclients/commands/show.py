"""Show again what `protoclients record -o FILE` has saved.

What the protocol, or a name such as "password" or "token", tells to be a
secret is not in the file, unless it was saved with --show-secrets.
"""

import argparse
import json
import sys

from .hearing import look
from .output import note, source
from .record import add_options

EXAMPLES = """\
  protoclients record -o talk.json -m protoclients smtp
  protoclients show talk.json
  protoclients show -vv --sockets --no-code talk.json
  protoclients show --json talk.json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help='a recording; "-" is stdin')
    parser.add_argument("--json", action="store_true", help="all steps, for machines")
    add_options(parser)


def run(options: argparse.Namespace) -> int:
    from protoclients.conversation import conversations
    from protoclients.views import as_json, terminal

    with source(options.file) as file:
        try:
            saved = file.read()
            recording, protocol = as_json.loads(saved)
        except ValueError as error:
            raise ValueError(f"{options.file}: {error}") from error
    talks = conversations(recording.calls, options.protocol or protocol)
    if options.show_secrets and b'"secrets": "overwritten"' in saved[:200]:
        note("the secrets are not in this file: what stands there are fillers")
    if not talks:
        note("nothing was said on the network")
    if options.json:
        found = [as_json.as_dict(t, show_secrets=options.show_secrets) for t in talks]
        shown = json.dumps(found, indent=1) + "\n"
    else:
        shown = terminal.text(talks, look(options, sys.stdout))
    sys.stdout.write(shown.encode("utf-8", "backslashreplace").decode())
    return 0
