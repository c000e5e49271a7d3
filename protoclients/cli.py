"""The command line: `protoclients VERB …`.

A verb is one row in `VERBS` and one file in commands/, imported when the verb is used. The
file's docstring is what `--help` says, and it has

    EXAMPLES            lines for the end of `--help`
    arguments(parser)   adds what the verb takes
    run(options)        does it, and returns the exit status

Whatever goes wrong comes here as an exception and becomes one sentence on stderr and an
exit status: 1 the server refused, 2 wrong usage or a file, 3 the conversation broke.
"""

import argparse
import contextlib
import importlib
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from .commands import hearing
from .commands.output import columns, one_line, warn

# The verb, its file in commands/, and what it is for.
VERBS = {
    "demo": ("demo", "every protocol, by hand and by library, on local servers"),
    "compare": ("compare", "one job by hand and by library, line beside line"),
    "record": ("record", "run any Python program, and show what it said on the network"),
    "show": ("show", "show again what record has saved"),
    "serve": ("serve", "local servers to try any client on, until Ctrl-C"),
    "ports": ("ports", "the common ports, and what is often said wrongly about them"),
    "http": ("web", "fetch a page, send a form, upload a file"),
    "smtp": ("smtp", "send a mail, or see what a mail server can do"),
    "pop3": ("pop3", "look into a maildrop, fetch and delete mail"),
    "ftp": ("ftp", "list, fetch, store and rename files"),
    "nntp": ("nntp", "read newsgroups, and post"),
    "telnet": ("telnet", "join this terminal to a server"),
    "echo": ("echo", "have a message sent back, over TCP or UDP"),
}
CLIENTS = ("http", "smtp", "pop3", "ftp", "nntp", "telnet", "echo")  # these have -v

OVERVIEW = """\
The classic text protocols by hand and by library, side by side, byte by byte.

Try first:
  protoclients demo              every protocol, both ways, in a few seconds
  protoclients http /poem.txt    a page, from a local server for this command
  protoclients pop3              the mail that waits there
  protoclients serve             the local servers, for your own clients

The verbs:
{verbs}

Each has an explanation and examples: protoclients VERB --help
"""
EXIT_STATUS = """\
exit status: 0 done, 1 the server refused, 2 wrong usage or a file,
3 the conversation broke, 130 Ctrl-C"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence, like every other here."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(
            prog=prog,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=26, width=min(columns(), 100) - 1
            ),
            **more,
        )

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line in `argv`, or the process's own, and return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    status: int
    for name in ("stdin", "stdout", "stderr"):  # None if the shell closed it
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "r+"))  # noqa: SIM115
    with ended_by_signals():
        try:
            # Somebody may have put another in its place; with "record" it is the program's.
            if isinstance(sys.stdout, io.TextIOWrapper) and words[:1] != ["record"]:
                sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
            status = run(words)
            sys.stdout.flush()
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0
        except BrokenPipeError:  # `| head` has seen enough
            status = 128 + signal.SIGPIPE
        except Exception as error:
            status, sentence = explained(error)
            flush()
            warn(sentence)
        flush()
    return status


def flush() -> None:
    """Get rid of what stdout still holds: Python would complain of it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(words: list[str]) -> int:
    """Find the verb among `words`, let it do its work, and return the exit status."""
    if not words or words[0] not in VERBS:
        return run_without_verb(words)
    verb, *rest = words
    command = importlib.import_module(f".commands.{VERBS[verb][0]}", __package__)
    parser = Parser(
        f"protoclients {verb}",
        description=command.__doc__,
        epilog=f"examples:\n{command.EXAMPLES}\n{EXIT_STATUS}",
    )
    command.arguments(parser)
    if verb in CLIENTS:
        hearing.add_options(parser)
    parse = getattr(command, "parse", Parser.parse_intermixed_args)
    options = parse(parser, rest)
    with hearing.heard(options, verb) if verb in CLIENTS else contextlib.nullcontext():
        status: int = command.run(options)
    return status


def run_without_verb(words: list[str]) -> int:
    verbs = "\n".join(f"  {verb:8}{summary}" for verb, (_, summary) in VERBS.items())
    overview = OVERVIEW.format(verbs=verbs)
    parser = Parser("protoclients", usage="protoclients VERB …", description=overview)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args(words)
    if options.verb:
        parser.error(f"no verb {options.verb!r}: it is one of {', '.join(VERBS)}")
    if options.version:
        from importlib.metadata import version

        print(f"protoclients {version('protoclients')}")
    else:
        parser.parse_args(words)  # an unknown option is found here
        print(overview, end="")
    return 0


def explained(error: Exception) -> tuple[int, str]:
    """The exit status and the sentence for an error; what is none of ours goes on."""
    from .errors import Refused, WireError

    sentence = one_line(str(error))
    if isinstance(error, Refused):
        return 1, f"the server refused: {sentence}"
    if isinstance(error, WireError):
        if re.match(r"no such host: [^.:]+ \(", sentence):
            sentence += " (and what is no action is taken for a server: see --help)"
        if sentence.startswith("not the server's certificate"):
            sentence += " (--cafile says whom to trust; in a laboratory, --insecure)"
        if sentence.startswith("no TLS with") and "VERSION" in sentence:
            sentence += " (too old to be safe; in a laboratory, --insecure)"
        return 3, sentence
    if isinstance(error, OSError) and error.filename is not None:
        return 2, one_line(f"{os.fsdecode(error.filename)}: {error.strerror}")
    if isinstance(error, OSError):
        return 2, one_line(error.strerror or str(error))
    if isinstance(error, ValueError):
        return 2, sentence.replace("pass allow_cleartext=True", "say --allow-cleartext")
    raise error


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end a command by an exception, so that
    servers stop and temporary files go; a second one can't disturb that."""
    before: dict[int, Any] = {}

    def end(number: int, frame: object) -> NoReturn:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    with contextlib.suppress(ValueError):  # not in the main thread: nothing to do
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
