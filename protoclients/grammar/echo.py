"""Echo (RFC 862): what is said comes back, over TCP and over UDP.

The state is what is still on its way: the octets that were said and did not come back.
"""

from . import NOTHING, Next, Row, Said

SAID: Row = ("octets of any kind", "862")
CAME_BACK: Row = ("the same octets come back", "862")
DIFFERS: Row = ("this is not what was said", "862")
NOT_ALL: Row = ("the connection ends before all came back", "862")


class Grammar:
    """What was said and did not come back yet."""

    def __init__(self, greeting: bool = True) -> None:
        self._out = b""
        self._knows = True  # all octets were kept by the recording

    @property
    def state(self) -> str:
        return f"{len(self._out)} octets on their way" if self._out else ""

    def next(self, speaker: str) -> Next:
        return Next("turn", "data")

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        self._knows = self._knows and what.octets == len(data)
        if speaker == "C":
            self._out += data if self._knows else b""
            return Said(what.kind, SAID)
        if not self._knows:
            self._out = b""
            return Said(what.kind)
        if not self._out.startswith(data):
            return Said(what.kind, DIFFERS)
        self._out = self._out[len(data) :]
        return Said(what.kind, CAME_BACK)

    def secured(self) -> "Grammar":
        return Grammar()

    def closed(self) -> Row:
        return NOT_ALL if self._out else NOTHING
