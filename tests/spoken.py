"""Recordings made by hand, for tests: what each side said becomes calls on a socket."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from protoclients.conversation import Conversation, Step, conversations
from protoclients.recorder import Call

HERE, THERE = ("127.0.0.1", 50000), ("127.0.0.1", 40000)


def call(name: str, data: bytes = b"", **known: Any) -> Call:
    """A call; `recv` and `send` have a direction."""
    direction = {"recv": "received", "send": "sent"}.get(name, "")
    fields: dict[str, Any] = {
        "number": 0,
        "time": 0.0,
        "duration": 0.0,
        "socket": 1,
        "name": name,
        "direction": direction,
        "data": data,
        "size": len(data),
        "address": THERE if name == "connect" else None,
        "local": HERE,
        "remote": THERE,
        "transport": "tcp",
        "tls": False,
        "frames": (),
        "arguments": "()",
        "result": "None",
        "error": "",
    }
    return Call(**fields | known)


def numbered(calls: Iterable[Call]) -> list[Call]:
    """The calls with a number and a time each."""
    return [replace(c, number=n, time=n / 1000) for n, c in enumerate(calls, 1)]


def dialogue(script: str) -> list[Call]:
    r"""The calls of a client that says and hears these lines, each by a call of its own.

    `C: ` and `S: ` begin a line; \r\n is put at its end. A line without them is the name
    of another call.
    """
    calls = [call("connect")]
    for line in filter(None, (line.strip() for line in script.splitlines())):
        if line[:2] in ("C:", "S:"):
            octets = line[3:].encode("latin-1").decode("unicode_escape").encode("latin-1")
            calls.append(call("send" if line[0] == "C" else "recv", octets + b"\r\n"))
        else:
            calls.append(call(line))
    return numbered(calls)


def bytewise(calls: Iterable[Call]) -> list[Call]:
    """The same, as if every call had moved one octet."""
    single: list[Call] = []
    for one in calls:
        if one.direction and one.size and one.transport != "udp":
            octets = (one.data[at : at + 1] for at in range(len(one.data)))
            single += [replace(one, data=octet, size=1) for octet in octets]
        else:
            single.append(one)
    return numbered(single)


def only(calls: list[Call], protocol: str | None = None) -> Conversation:
    """The one conversation that the calls are."""
    (found,) = conversations(calls, protocol)
    return found


def shown(talk: Conversation) -> list[str]:
    """What was said, an entry for each step; a secret is <<6 octets hidden>>."""
    return [f"{s.speaker}: {masked(s)}" for s in talk.steps if s.speaker != "-"]


def masked(step: Step) -> str:
    """The text of a step, with a mark that has only ASCII in it."""
    return step.shown().replace("\u2039", "<<").replace("\u203a", ">>")


def kinds(talk: Conversation) -> list[str]:
    return [f"{step.speaker} {step.kind}" for step in talk.steps if step.speaker != "-"]


def essence(talk: Conversation) -> list[tuple[Any, ...]]:
    """All that must not depend on how the octets were cut into calls."""
    return [
        (
            step.speaker,
            step.kind,
            step.text,
            step.data,
            step.size,
            step.channel,
            step.before,
            step.after,
            step.meaning,
            step.source,
            step.secrets,
        )
        for step in talk.steps
    ]


def by_socket(calls: Iterable[Call]) -> dict[tuple[int, str], bytes]:
    """The octets of each socket and direction, one after the other."""
    return _joined((one, one.data) for one in calls if one.direction)


def by_step(talks: Iterable[Conversation]) -> dict[tuple[int, str], bytes]:
    """The same, by what the steps have: nothing may be lost, and nothing be moved."""
    return _joined((step.calls[0], step.data) for talk in talks for step in talk.steps)


def _joined(pieces: Iterable[tuple[Call, bytes]]) -> dict[tuple[int, str], bytes]:
    found: dict[tuple[int, str], list[bytes]] = {}
    for one, data in pieces:
        if data:
            found.setdefault((one.socket, one.direction), []).append(data)
    return {place: b"".join(data) for place, data in found.items()}
