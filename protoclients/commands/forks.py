"""What the forked children of a recorded program say.

A child has a copy of the recording, of which its parent learns nothing. So each of a
child's calls goes to a file of that child, where the parent finds it at the end.
"""

import contextlib
import itertools
import os
import pickle
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace

from protoclients.recorder import Call

MADE = re.compile(r"socket ([0-9]+)")  # the beginning of the result
# A call, and for each socket in it the process where that had its number first.
Heard = tuple[Call, dict[int, int]]


class Forks:
    """Hears all calls of a program and its children. `also` hears them, too."""

    def __init__(self, also: Callable[[Call], None] | None) -> None:
        self._also = also
        self._parent = os.getpid()
        name = f"protoclients-{secrets.token_hex(16)}"
        self._folder = os.path.join(tempfile.gettempdir(), name)  # made by the first child
        self._owners: dict[int, int] = {}  # of sockets; a child begins with a copy of it

    @property
    def is_child(self) -> bool:
        """Whether this is another process than at the beginning."""
        return os.getpid() != self._parent

    def hear(self, call: Call) -> None:
        """Note a call; to be used as `on_call`."""
        process = os.getpid()
        owners = {n: self._owners.setdefault(n, process) for n in sockets(call)}
        if process != self._parent:
            path = os.path.join(self._folder, str(process))
            with contextlib.suppress(OSError):
                os.makedirs(self._folder, 0o700, exist_ok=True)
                with open(path, "ab", 0) as file:
                    file.write(pickle.dumps((call, owners)))
        if self._also is not None:
            self._also(call)

    def gather(self, calls: list[Call]) -> None:
        """Add to the parent's calls those of its children, each at its time. Sockets that
        children have made get numbers of their own."""
        heard = [*self._files()]
        shutil.rmtree(self._folder, ignore_errors=True)
        if not heard:
            return
        known = (
            n for call in (*calls, *(call for call, _ in heard)) for n in sockets(call)
        )
        numbers: dict[tuple[int, int], int] = {}
        free = itertools.count(max(known) + 1)
        for call, owners in heard:
            for n, owner in owners.items():
                is_new = n and owner != self._parent and (owner, n) not in numbers
                numbers.setdefault((owner, n), next(free) if is_new else n)
            calls.append(renumbered(call, {n: numbers[o, n] for n, o in owners.items()}))
        calls.sort(key=lambda call: call.time + call.duration)
        calls[:] = [replace(call, number=n) for n, call in enumerate(calls, 1)]

    def _files(self) -> Iterator[Heard]:
        names = sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else ()
        for name in names:
            path = os.path.join(self._folder, name)
            # A child that still runs may be in the middle of a call.
            cut_off = contextlib.suppress(EOFError, pickle.UnpicklingError)
            with cut_off, open(path, "rb") as file:
                while True:
                    yield pickle.load(file)


def sockets(call: Call) -> list[int]:
    """The numbers of the sockets in a call: its own, and of one that it has made."""
    made = MADE.match(call.result) if call.name in ("socket", "accept") else None
    return [call.socket, *([int(made[1])] if made else [])]


def renumbered(call: Call, numbers: dict[int, int]) -> Call:
    """The call with other numbers for its sockets."""
    result = call.result
    if len(sockets(call)) > 1:
        result = MADE.sub(lambda made: f"socket {numbers[int(made[1])]}", result)
    return replace(call, socket=numbers[call.socket], result=result)
