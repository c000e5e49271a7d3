"""What was said on the network, on stderr as it happens: -v, and `record --follow`."""

import argparse
import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .output import columns

if TYPE_CHECKING:
    from protoclients.conversation import Conversation
    from protoclients.recorder import Call
    from protoclients.views.terminal import Look


def add_options(parser: argparse.ArgumentParser) -> None:
    """What there is to choose of what is shown."""
    parser.add_argument(
        "-v",
        dest="verbose",
        action="count",
        default=0,
        help="show what is said, on stderr; -vv what it means, too",
    )
    add_view_options(parser)


def add_view_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sockets", action="store_true", help="show the calls on sockets between the lines"
    )
    parser.add_argument("--show-secrets", action="store_true", help="show passwords, too")


def look(options: argparse.Namespace, stream: Any) -> "Look":
    """How much is to be shown on a stream, and how."""
    from protoclients.views.terminal import Look, has_colour

    return Look(
        width=columns(),
        colour=has_colour(stream),
        code=getattr(options, "code", False),
        sockets=options.sockets,
        meanings=options.verbose > 1,
        show_secrets=options.show_secrets,
    )


@contextlib.contextmanager
def heard(options: argparse.Namespace, protocol: str) -> Iterator[None]:
    """Shows the conversation of one of our clients, if that is asked for."""
    if not options.verbose and not options.sockets:
        yield
        return
    from protoclients.recorder import record

    is_raw = protocol == "telnet" and sys.stderr.isatty()  # there, LF only goes down
    live = Live(look(options, sys.stderr), protocol, "\r\n" if is_raw else "\n")
    try:
        with record(on_call=live.hear):
            yield
    finally:
        live.end()


class Live:
    """Tells each step as soon as it is whole. Threads may call it at the same time."""

    def __init__(self, look: "Look", protocol: str | None, line_end: str = "\n") -> None:
        from protoclients.conversation import Listener
        from protoclients.views.terminal import Teller

        self._listener = Listener(protocol)
        self._teller = Teller(look)
        self._line_end = line_end
        self._told: dict[int, int] = {}  # how many steps, by the conversation's identity
        # A signal handler may use a socket in the middle of it.
        self._lock = threading.RLock()

    def hear(self, call: "Call") -> None:
        """Tell what is whole now that this call was made."""
        with self._lock:
            talk = self._listener.hear(call)
            if talk is not None:
                self._tell(talk)

    def end(self) -> bool:
        """Tell the rest, and what it cost. Returns whether anything was said at all."""
        with self._lock:
            self._listener.end()
            for talk in self._listener.conversations:
                self._tell(talk)
                self._print(self._teller.end(talk))
            return bool(self._listener.conversations)

    def _tell(self, talk: "Conversation") -> None:
        told = self._told.get(id(talk), 0)
        self._told[id(talk)] = len(talk.steps)
        for step in talk.steps[told:]:
            self._print(self._teller.step(talk, step))

    def _print(self, lines: list[str]) -> None:
        text = "".join(line + self._line_end for line in lines)
        # Who can't be told must not disturb the program: its own call has gone well.
        with contextlib.suppress(OSError, ValueError):
            print(text, end="", file=sys.stderr, flush=True)
