"""Run a Python program, and show what it said on the network.

The program runs as `python` would run it: its arguments, input, output and exit
status are its own. What it said is shown on stderr when it has ended, with the
lines of code that said it; also if Ctrl-C, SIGTERM or a closed terminal ended
it. Threads and forked children are heard too; other programs that it starts
are not.
"""

import argparse
import contextlib
import errno
import os
import sys

from protoclients.recorder import Recording, record

from .as_python import ended, understood
from .forks import Forks
from .hearing import Live, add_view_options, look
from .output import new_file, note

EXAMPLES = """\
  protoclients record -m protoclients pop3 stat
  protoclients record -vv --sockets -- fetch.py http://localhost:8080/
  protoclients record -c "from poplib import POP3; POP3('localhost', 8110)"
  protoclients record -o talk.json -m protoclients smtp
  protoclients show talk.json
"""
USAGE = """\
protoclients record [options] [--] SCRIPT.py [ARGS]
       protoclients record [options] -m MODULE [ARGS]
       protoclients record [options] -c CODE [ARGS]"""
WITH_VALUE = ("-o", "--protocol")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = USAGE
    parser.add_argument("-o", dest="output", metavar="FILE", help="save it, for `show`")
    parser.add_argument("--follow", action="store_true", help="show it as it happens")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `record` and `show` have in common."""
    parser.add_argument(
        "--code",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the lines of code that said it (the default)",
    )
    parser.add_argument(
        "-v", dest="verbose", action="count", default=0, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "-vv", dest="verbose", action="store_const", const=2, help="what it means, too"
    )
    add_view_options(parser)
    parser.add_argument(
        "--protocol", metavar="NAME", help="what is spoken, where that can't be told"
    )


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The options before the program; all after them are the program's own."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        if words[at][:2] in ("-m", "-c"):
            break
        at += 2 if words[at] in WITH_VALUE else 1
    options = parser.parse_args(words[:at])
    options.program = words[at:][words[at : at + 1] == ["--"] :]
    if options.json:
        parser.error("stdout is the program's; -o FILE saves it, and show --json has JSON")
    if not options.program:
        parser.error("which program? Say -- SCRIPT.py, -m MODULE or -c CODE")
    return options


def run(options: argparse.Namespace) -> int:
    from protoclients.conversation import Listener

    Listener(options.protocol)  # an unknown protocol is found before the program runs
    options.output = options.output and writable(options.output)
    task = understood(options.program)
    live = Live(look(options, sys.stderr), options.protocol) if options.follow else None
    forks = Forks(live.hear if live else None)

    def finish() -> None:
        forks.gather(recording.calls)
        tell_all(recording, options, live)

    with record(threads=True, on_call=forks.hear) as recording:
        status = ended(task, finish)
    if not forks.is_child:
        finish()
    return status


def tell_all(recording: Recording, options: argparse.Namespace, live: Live | None) -> None:
    """Show what was said, if it was not shown before, and save it."""
    was_said = live.end() if live else show(recording, options)
    if not was_said:
        failed = next((call for call in recording.calls if call.error), None)
        why = f": {failed.name} {failed.arguments}: {failed.error}" if failed else ""
        tell(f"the program said nothing on the network{why}")
    if options.output:
        save(recording, options)


def tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the program has closed stderr
        note(text)


def show(recording: Recording, options: argparse.Namespace) -> bool:
    """Show on stderr what was said; returns whether there is anything."""
    from protoclients.conversation import conversations
    from protoclients.views import terminal

    talks = conversations(recording.calls, options.protocol)
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # closed, or in the middle
        sys.stdout.flush()
        sys.stderr.write(terminal.text(talks, look(options, sys.stderr)))
        sys.stderr.flush()
    return bool(talks)


# The file


def writable(name: str) -> str:
    """The path of a file to be written; the program may go to another folder. Whether it
    can be is better known before the program has run."""
    path = os.path.realpath(name)
    os.stat(os.path.dirname(path))
    if os.path.isdir(path) or not os.access(os.path.dirname(path), os.W_OK):
        raise PermissionError(errno.EACCES, "this can't be written", name)
    return path


def save(recording: Recording, options: argparse.Namespace) -> None:
    """Write the file. With secrets it is for the user alone, from its first octet on."""
    from protoclients.views import as_json

    text = as_json.dumps(
        recording, protocol=options.protocol, show_secrets=options.show_secrets
    )
    path = options.output
    is_old = os.path.isfile(path)
    is_private = options.show_secrets and (is_old or not os.path.exists(path))
    if is_private and is_old:
        os.chmod(path, 0o600)
    with new_file(path) as file:
        if is_private:
            os.fchmod(file.fileno(), 0o600)
        file.write(text.encode("utf-8", "backslashreplace"))
    tell(f"saved; to see it again: protoclients show {path}")
