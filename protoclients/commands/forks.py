"""What the forked children of a recorded program say.

A child has a copy of the recording, of which its parent learns nothing. So each of a
child's calls goes to a file of that child, where the parent finds it at the end.
"""

import contextlib
import itertools
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace

from protoclients.recorder import Call

NUMBER = re.compile(r"^socket ([0-9]+)")  # in the results of socket() and accept()
Heard = tuple[int, Call]  # the process in which the call's socket had its number first


class Forks:
    """Hears all calls of a program and its children. `also` hears them, too."""

    def __init__(self, also: Callable[[Call], None] | None) -> None:
        self._also = also
        self._parent = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="protoclients-")
        self._owners: dict[int, int] = {}  # of sockets; a child begins with a copy of it

    @property
    def is_child(self) -> bool:
        """Whether this is another process than at the beginning."""
        return os.getpid() != self._parent

    def hear(self, call: Call) -> None:
        """Note a call; to be used as `on_call`."""
        process = os.getpid()
        made = NUMBER.match(call.result)
        for number in (call.socket, int(made[1]) if made else 0):
            self._owners.setdefault(number, process)
        if process != self._parent:
            heard: Heard = self._owners[call.socket], call
            with contextlib.suppress(OSError):
                with open(os.path.join(self._folder, str(process)), "ab", 0) as file:
                    file.write(pickle.dumps(heard))
        if self._also is not None:
            self._also(call)

    def gather(self, calls: list[Call]) -> None:
        """Add to the parent's calls those of its children, each at its time. The sockets
        of children get numbers of their own."""
        heard = [*self._files()]
        shutil.rmtree(self._folder, ignore_errors=True)
        if not heard:
            return
        highest = max([*self._owners, *(call.socket for _, call in heard)])
        free = itertools.count(highest + 1)
        numbers = {(self._parent, n): n for n in range(highest + 1)}
        for owner, call in heard:
            number = numbers.setdefault((owner, call.socket), next(free))
            made = NUMBER.match(call.result)
            if made and call.name == "socket":
                made_number = number
            elif made:
                made_number = numbers.setdefault((owner, int(made[1])), next(free))
            result = NUMBER.sub(f"socket {made_number}", call.result) if made else call.result
            calls.append(replace(call, socket=number if call.socket else 0, result=result))
        calls.sort(key=lambda call: call.time + call.duration)
        calls[:] = [replace(call, number=n) for n, call in enumerate(calls, 1)]

    def _files(self) -> Iterator[Heard]:
        for name in sorted(os.listdir(self._folder)):
            with open(os.path.join(self._folder, name), "rb") as file:
                with contextlib.suppress(EOFError, pickle.UnpicklingError):
                    while True:  # a child that still runs may be in the middle of a call
                        yield pickle.load(file)
