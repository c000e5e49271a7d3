"""A Recording as JSON, to be kept, handed on, and shown again.

Each call has its octets, as text where they are UTF-8, else in base64. A secret is
overwritten, octet by octet, by a letter that stands nowhere else so often in a row: what is
read again gives the same conversations, whose secrets are as long as they were. Lines of
code are kept with their text, since the program may be elsewhere, or another by then.
"""

import base64
import functools
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protoclients.conversation import GRAMMARS, Conversation, Step, conversations
from protoclients.grammar.steps import SHORTEST
from protoclients.recorder import Call, Frame, Recording

from .program import is_program, lines_above, secrets_of, source_line

FORMAT = "protoclients recording"
VERSION = 1
FILLS = b"xXzZqQ#*"  # what secrets are overwritten with: the first that is free
# What is kept of a call as it is, and of which type it is.
FIELDS = {
    **dict.fromkeys(("number", "socket", "size"), int),
    **dict.fromkeys(("time", "duration"), float),
    **dict.fromkeys(
        ("name", "direction", "transport", "arguments", "result", "error"), str
    ),
    "tls": bool,
}
ADDRESSES = ("address", "local", "remote")
MOST_OCTETS = 1 << 60  # a count beyond this was never counted


@dataclass(frozen=True, slots=True)
class SavedFrame(Frame):
    """A line whose text was kept with it."""

    saved: str = ""

    @property
    def text(self) -> str:
        return self.saved


def dumps(
    recording: Recording, *, protocol: str | None = None, show_secrets: bool = False
) -> str:
    """The JSON text of a recording. Secrets are overwritten unless `show_secrets`.

    `protocol` is what `conversations` takes, and is kept for those who read it again.
    """
    talks = conversations(recording.calls, protocol)
    masked: dict[int, bytes] = {}
    secrets: set[str] = set()
    if not show_secrets:
        fill = _fill(recording.calls)
        for talk in talks:
            masked |= _masked(talk, fill)
            secrets.update(*map(secrets_of, talk.steps))
    frames: dict[Frame, int] = {}
    calls = [_call(c, masked.get(c.number, c.data), frames) for c in recording.calls]
    head = {
        "format": FORMAT,
        "version": VERSION,
        "protocol": protocol,
        "secrets": "shown" if show_secrets else "overwritten",
    }
    # Of the lines above those, none is shown, and each may have a secret in an argument.
    innermost = {next(filter(is_program, call.frames), None) for call in recording.calls}
    lines = []
    for frame in frames:
        text = source_line(frame, secrets, quotes=frame in innermost)
        lines.append(_frame(frame, frame.text if show_secrets else text))
    return (
        f'{_json(head)[:-1]},\n"frames": [{_rows(lines)}],\n"calls": [{_rows(calls)}]}}\n'
    )


def _rows(items: list[Any]) -> str:
    """One item a line, so that a file can be read, and compared with another."""
    return "\n" + ",\n".join(map(_json, items)) + "\n"


def _json(what: Any) -> str:
    return json.dumps(what, ensure_ascii=False)


def loads(text: str | bytes) -> tuple[Recording, str | None]:
    """The recording in a JSON text, and the protocol that was given with it.

    Anything else than what `dumps` wrote is a `ValueError`.
    """
    try:
        what = json.loads(text)
        if what["format"] != FORMAT or what["version"] != VERSION:
            raise ValueError
        frames = [_read_frame(*frame) for frame in what["frames"]]
        recording = Recording([_read_call(call, frames) for call in what["calls"]])
        protocol = what["protocol"]
        if protocol is not None and protocol not in GRAMMARS:
            raise ValueError
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError("it isn't a recording by protoclients record -o") from error
    return recording, protocol


def as_dict(talk: Conversation, *, show_secrets: bool = False) -> dict[str, Any]:
    """A conversation and its steps as what JSON can hold, for other programs. Secrets are
    hidden unless `show_secrets`."""
    secrets = set().union(*map(secrets_of, talk.steps))

    @functools.cache
    def line(frame: Frame) -> str:
        return frame.text if show_secrets else source_line(frame, secrets)

    figures = ("connections", "round_trips", "sent", "received", "calls_made", "seconds")
    return {
        "protocol": talk.protocol,
        "transport": talk.transport,
        "side": talk.side,
        "client": _plain(talk.client),
        "server": _plain(talk.server),
        **{name: getattr(talk, name) for name in figures},
        "steps": [_step(step, show_secrets, line) for step in talk.steps],
    }


def _step(step: Step, show_secrets: bool, line: Callable[[Frame], str]) -> dict[str, Any]:
    names = ("number", "time", "duration", "speaker", "kind", "channel", "size")
    more = ("before", "after", "meaning", "source")
    return {
        **{name: getattr(step, name) for name in names},
        "text": step.shown(show_secrets),
        **{name: getattr(step, name) for name in more},
        "notes": [*step.notes],
        "calls": [call.number for call in step.calls],
        "code": [
            {"file": frame.file, "line": frame.line, "text": line(frame)}
            for frame in lines_above(step)
        ],
    }


# Secrets


def _fill(calls: list[Call]) -> bytes:
    """A letter for secrets. In a row it must be nowhere else, or that would be taken for
    the secret that turns up again."""
    said = b"\n".join(call.data for call in calls)
    free = (bytes([n]) for n in FILLS if bytes([n]) * SHORTEST not in said)
    return next(free, FILLS[:1])


def _masked(talk: Conversation, fill: bytes) -> dict[int, bytes]:
    """The octets of calls in which there are secrets, overwritten, by the calls' numbers.

    What the steps of one side of a connection have is, together, what its calls have. So
    the places in one are the places in the other.
    """
    calls: dict[Any, list[Call]] = defaultdict(list)
    steps: dict[Any, bytearray] = defaultdict(bytearray)
    places: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for call in talk.calls:
        if call.data:
            calls[call.socket, talk.is_client(call)].append(call)
    for step in talk.steps:
        if step.data:
            key = step.calls[-1].socket, step.speaker == "C"
            places[key] += [
                (len(steps[key]) + a, len(steps[key]) + b) for a, b in step.spans
            ]
            steps[key] += step.data
    found: dict[int, bytes] = {}
    for key, spans in places.items():
        whole = bytearray(b"".join(call.data for call in calls[key]))
        if spans and whole != steps[key]:  # should the places be others: all of it
            spans = [(0, len(whole))]
        for start, end in spans:
            whole[start:end] = _overwritten(bytes(whole[start:end]), fill)
        for call in calls[key] if spans else ():
            found[call.number] = bytes(whole[: len(call.data)])
            del whole[: len(call.data)]
    return found


def _overwritten(secret: bytes, fill: bytes) -> bytes:
    """As long as `secret`. The spaces around it stay: it may come again without them, and
    is to be found again in the file, too."""
    inner = secret.strip() or secret
    return secret.replace(inner, fill * len(inner))


# One call


def _call(call: Call, data: bytes, frames: dict[Frame, int]) -> dict[str, Any]:
    kept = {name: getattr(call, name) for name in FIELDS}
    kept |= {name: _plain(getattr(call, name)) for name in ADDRESSES}
    try:
        kept["data"] = data.decode("utf-8")
    except UnicodeDecodeError:
        kept["base64"] = base64.b64encode(data).decode("ascii")
    kept["frames"] = [frames.setdefault(frame, len(frames)) for frame in call.frames]
    return kept


def _plain(address: Any) -> Any:
    """An address as what JSON has."""
    if isinstance(address, tuple | list):
        return [_plain(part) for part in address]
    if isinstance(address, bytes):
        return address.decode("utf-8", "backslashreplace")
    return address if address is None or isinstance(address, int | str) else str(address)


def _frame(frame: Frame, text: str) -> list[Any]:
    return [frame.file, frame.line, frame.function, text]


def _read_call(saved: dict[str, Any], frames: list[SavedFrame]) -> Call:
    for name, kind in FIELDS.items():
        if type(saved[name]) is not kind and not (kind is float and saved[name] == 0):
            raise TypeError(name)
    if saved["direction"] not in ("", "sent", "received"):
        raise ValueError
    if not 0 <= saved["size"] <= MOST_OCTETS:
        raise ValueError
    if "data" in saved:
        data = saved["data"].encode("utf-8")
    else:
        data = base64.b64decode(saved["base64"], validate=True)
    return Call(
        **{name: saved[name] for name in FIELDS},
        **{name: _read_address(saved[name]) for name in ADDRESSES},
        data=data,
        frames=tuple(frames[n] for n in saved["frames"]),
    )


def _read_address(saved: Any) -> Any:
    if isinstance(saved, list):
        return tuple(_read_address(part) for part in saved)
    if saved is None or isinstance(saved, int | str):
        return saved
    raise TypeError("address")


def _read_frame(file: str, line: int, function: str, text: str) -> SavedFrame:
    if not all(isinstance(said, str) for said in (file, function, text)):
        raise TypeError("frame")
    return SavedFrame(file, int(line), function, text)
