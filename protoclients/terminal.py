"""This terminal, joined to a Telnet connection.

While the server echoes what is typed, the terminal must not: then it gives every key at
once and as it is, and Ctrl-] ends the session. Otherwise it gives whole lines, and Ctrl-D
or Ctrl-C ends.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

from .telnet import ECHO, Telnet

ESCAPE = b"\x1d"  # Ctrl-]


def join(telnet: Telnet) -> None:
    """Copy what is typed to the connection and what comes to the screen, until either
    side ends. Needs a system where `select` waits for a terminal: not Windows."""
    sources: list[Any] = [telnet.wire, sys.stdin]
    with restoring(sys.stdin.fileno()) as set_keys:
        while True:
            set_keys(telnet.options.get(("them", ECHO)) == "YES")
            ready, _, _ = select.select(sources, [], [])
            if telnet.wire in ready:
                data = telnet.read_ready()
                if data is None:
                    return
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            if sys.stdin in ready:
                typed = os.read(sys.stdin.fileno(), 1024)
                if ESCAPE in typed:
                    return
                if not typed:  # a pipe has ended
                    sources.remove(sys.stdin)
                    telnet.finish()
                    continue
                telnet.write(typed.replace(b"\r", b"\n").replace(b"\n", b"\r\n"))


@contextlib.contextmanager
def restoring(terminal: int) -> Iterator[Callable[[bool], None]]:
    """A function that makes a terminal give every key at once, or whole lines; at the end
    the terminal is as it was. Where there is no terminal it does nothing."""
    if not os.isatty(terminal):
        yield lambda every_key: None
        return
    import termios
    import tty

    before = termios.tcgetattr(terminal)

    def set_keys(every_key: bool) -> None:
        if every_key:
            tty.setraw(terminal, termios.TCSADRAIN)
        else:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    try:
        yield set_keys
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
