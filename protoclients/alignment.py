"""Two conversations about one job, beside each other, step by step.

First comes what can stand in one row at all (the same command, or a reply to the same
command); of all ways to do so, the one with the most in common. What changes from one time
to the next, such as dates and ports, is no difference.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from .conversation import Conversation, Step
from .grammar.ftp import EARLY


@dataclass(frozen=True, slots=True)
class Row:
    """What both sides did at one place; None for the one that did nothing.

    `mark` is "same", "differs", "only by hand" or "only by library"; `why` says what
    differs, or what of it is no difference.
    """

    left: Step | None
    right: Step | None
    mark: str
    why: str


# Steps beside each other

MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# What is different each time, and what it is called.
VARIABLE = [
    (name, re.compile(pattern))
    for name, pattern in (
        ("date", rf"(?:[A-Z][a-z]{{2}}, *)?\d\d? (?:{MONTHS}) \d{{4}} \d\d:\d\d(?::\d\d)?"),
        ("date", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"),
        ("date", r"\b(?:19|20)\d{12}(?:\.\d+)?\b"),
        ("port", r"\b\d{1,3}(?:,\d{1,3}){5}\b"),
        ("port", r"\|\d{2,5}\|"),
        ("port", r"(?<=[\w\]]):\d{4,5}\b"),
        ("message-id", r"(?<=<)[^<>\s@]*(?:\d{4}|[0-9a-f]{8})[^<>\s@]*(?=@)"),
        ("queue number", r"(?i)(?<=queued as )\S+"),
        ("digest", r"\b[0-9a-f]{32}\b"),
        ("nonce", r"(?<=334 )\S{16,}"),
    )
]
# Commands by which the same is done in another way.
ALIKE = {"HELO": "EHLO", "PASV": "EPSV", "PORT": "EPRT", "XOVER": "OVER", "XHDR": "HDR"}
MOST_CELLS = 250_000  # of the table in which the best alignment is looked for


class Key(NamedTuple):
    """What of a step is looked at when steps are put beside each other."""

    slot: tuple[str, ...]  # steps in one row have the same
    text: str
    near: str  # of texts that differ, those with the same are nearer to each other
    weight: int  # a command says more about the place than its reply
    lines: frozenset[str] = frozenset()  # of a head: some may be the same


def aligned(left: list[Conversation], right: list[Conversation]) -> list[Row]:
    """The rows in which the steps of two sides stand. Each step is in one, in its order."""
    ours = [step for talk in left for step in talk.steps]
    theirs = [step for talk in right for step in talk.steps]
    keys = [[key for talk in side for key in _keys(talk)] for side in (left, right)]
    pairs = paired(*keys)
    rows = []
    for a, b in pairs:
        if a is not None and b is not None:
            rows.append(_row(ours[a], theirs[b], keys[0][a].text == keys[1][b].text))
        elif a is not None:
            rows.append(Row(ours[a], None, "only by hand", ""))
        elif b is not None:
            rows.append(Row(None, theirs[b], "only by library", ""))
    return _elsewhere(rows)


def _row(left: Step, right: Step, same: bool) -> Row:
    ours, theirs = left.shown(), right.shown()
    if not same:
        return Row(left, right, "differs", in_words(left.kind, ours, theirs))
    if EARLY in left.notes:
        return Row(left, right, "same", EARLY)
    but = [name for name, one in VARIABLE if one.findall(ours) != one.findall(theirs)]
    return Row(
        left, right, "same", f"but for the {' and '.join(sorted({*but}))}" * bool(but)
    )


def _elsewhere(rows: list[Row]) -> list[Row]:
    """The same rows; those that are alone say if the other side has the same elsewhere."""
    waiting: dict[tuple[str, str, str], deque[int]] = {}
    for at, row in enumerate(rows):
        step = row.left or row.right
        if step is None or (row.left and row.right) or step.kind in ("connect", "close"):
            continue
        key = (step.speaker, step.kind, normal(step.shown()))
        twins = waiting.setdefault(key, deque())
        if twins and rows[twins[0]].mark != row.mark:
            other = twins.popleft()
            for place, when in ((at, "earlier"), (other, "later")):
                one = rows[place]
                way = "by library" if one.left else "by hand"
                why = f"another order: it is {when} {way}"
                if step.channel and step.text.startswith("226"):
                    why += ", since two connections keep no order between them"
                rows[place] = Row(one.left, one.right, one.mark, why)
        else:
            twins.append(at)
    return rows


def normal(text: str) -> str:
    """`text` with the names of what varies in its place."""
    for name, pattern in VARIABLE:
        text = pattern.sub(f"<{name}>", text)
    return text


def _keys(talk: Conversation) -> Iterator[Key]:
    for step, asked in zip(talk.steps, asked_by(talk), strict=True):
        slot: tuple[str, ...] = (step.speaker, step.kind, step.channel)
        if step.kind == "negotiation":
            slot += tuple(step.text.split()[2:3])
        elif step.speaker != "-":
            slot += (ALIKE.get(asked, asked),)
        is_command = step.speaker == "C" and step.kind in ("command", "head")
        text = normal(step.shown())
        near = text.lower() if is_command else text[:12]  # a status line, a code
        lines = frozenset(text.split("\n") if step.kind == "head" else ())
        yield Key(slot, text, near, 4 if is_command else 1, lines)


def asked_by(talk: Conversation) -> Iterator[str]:
    """For each step the command that it is, or that it answers."""
    waiting: deque[str] = deque()
    last = {"C": "", "S": "greeting"}
    for step in talk.steps:
        if step.speaker == "C" and step.kind in ("command", "head"):
            last["C"] = verb(step)
            waiting.append(last["C"])
        elif step.speaker == "C" and step.kind == "block":
            waiting.append(f"{last['C']} content")
        elif step.speaker == "S" and step.kind in ("reply", "head"):
            last["S"] = waiting[0] if waiting else last["S"]
            if waiting and not _is_interim(talk.protocol, step):
                waiting.popleft()
        yield last.get(step.speaker, "")


def _is_interim(protocol: str, step: Step) -> bool:
    """Whether another reply to the same command follows."""
    code = r"HTTP/\S+ 1" if protocol == "http" else "1"
    return protocol in ("http", "ftp") and bool(re.match(code, step.text))


def verb(step: Step) -> str:
    """The first word of a step in capital letters; "" if it is hidden, or none."""
    found = re.match("[A-Za-z]+", step.shown())
    return found[0].upper() if found else ""


Pairs = list[tuple[int | None, int | None]]


def paired(left: Sequence[Key], right: Sequence[Key]) -> Pairs:
    """Which goes with which, so that they have the most in common: indices, in order."""
    if len(left) * len(right) > MOST_CELLS:
        return _roughly_paired(left, right)
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for a in range(len(left) - 1, -1, -1):
        row, below = best[a], best[a + 1]
        for b in range(len(right) - 1, -1, -1):
            score = max(below[b], row[b + 1])
            if left[a].slot == right[b].slot:
                score = max(score, below[b + 1] + _likeness(left[a], right[b]))
            row[b] = score
    pairs: Pairs = []
    a = b = 0
    while a < len(left) and b < len(right):
        together = left[a].slot == right[b].slot
        if together and best[a][b] == best[a + 1][b + 1] + _likeness(left[a], right[b]):
            pairs.append((a, b))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            pairs.append((a, None))
            a += 1
        else:
            pairs.append((None, b))
            b += 1
    pairs += [(n, None) for n in range(a, len(left))]
    return pairs + [(None, n) for n in range(b, len(right))]


def _likeness(left: Key, right: Key) -> int:
    if left.text == right.text:
        return 30 * left.weight + 20
    common = min(len(left.lines & right.lines), 9)
    return 30 * left.weight + 10 * (left.near == right.near) + common


def _roughly_paired(left: Sequence[Key], right: Sequence[Key]) -> Pairs:
    """The same where there is too much for a table: only what is equal goes together."""
    pairs: Pairs = []
    for tag, a, a_end, b, b_end in SequenceMatcher(None, left, right, False).get_opcodes():
        if tag == "equal":
            pairs += zip(range(a, a_end), range(b, b_end), strict=True)
        else:
            pairs += [(n, None) for n in range(a, a_end)]
            pairs += [(None, n) for n in range(b, b_end)]
    return pairs


# What differs, in words


def in_words(kind: str, left: str, right: str) -> str:
    """What differs between two texts of the same kind."""
    if left.lower() == right.lower():
        return "case"
    if left.split() == right.split():
        return "spaces or line ends"
    if kind == "head":
        return heads(left.split("\n"), right.split("\n"))
    if kind == "command" and "\n" not in left + right:
        return commands(left.split(" "), right.split(" "))
    if kind == "reply" and left[:3] != right[:3]:
        return f"another reply: {left[:3]} by hand, {right[:3]} by library"
    return texts(left.split("\n"), right.split("\n"))


def commands(left: list[str], right: list[str]) -> str:
    """What differs between two command lines, given as words."""
    if left[0].upper() != right[0].upper():
        return f"another command: {left[0]} by hand, {right[0]} by library"
    ours, theirs = _only(left, right, str.lower), _only(right, left, str.lower)
    folded = {*map(str.lower, right)}
    found = ["case"] if any(w not in right and w.lower() in folded for w in left) else []
    if not ours and not theirs:
        return "; ".join([*found, "another order"]) if _moved(left, right) else "case"
    if len(left) == len(right):
        found += [f"{a} by hand, {b} by library" for a, b in zip(ours, theirs, strict=True)]
    else:
        found += [f"parameter added by hand: {word}" for word in ours]
        found += [f"parameter added by library: {word}" for word in theirs]
    return "; ".join(found)


def heads(left: list[str], right: list[str]) -> str:
    """What differs between two heads, given as lines."""
    found = []
    if left[0] != right[0]:
        found.append(f"first line: {left[0]} by hand, {right[0]} by library")
    names = [
        [line.partition(":")[0] for line in side[1:] if line] for side in (left, right)
    ]
    for way, here, there in (("hand", *names), ("library", *names[::-1])):
        only = _only(here, there, str.lower)
        if only:
            found.append(f"header{'s' * (len(only) > 1)} added by {way}: {', '.join(only)}")
    common = [[n for n in one if n.lower() in map(str.lower, other)]
              for one, other in (names, names[::-1])]  # fmt: skip
    values = [
        dict(line.lower().partition(":")[::2] for line in side[1:])
        for side in (left, right)
    ]
    changed = [n for n in common[0] if values[0].get(n.lower()) != values[1].get(n.lower())]
    found += [f"another value: {name}" for name in dict.fromkeys(changed)]
    if _moved(*common):
        found.append("another order")
    if {*common[0]} != {*common[1]}:
        found.append("case")
    return "; ".join(found) or "case of a value"


def texts(left: list[str], right: list[str]) -> str:
    """What differs between two texts, given as lines."""
    ours, theirs = _only(left, right, normal), _only(right, left, normal)
    if not ours and not theirs:
        return "another order"
    if len(left) == len(right) == 1:
        return "text"
    found = [
        f"{len(only)} line{'s' * (len(only) > 1)} only by {way}"
        for way, only in (("hand", ours), ("library", theirs))
        if only
    ]
    return "; ".join(found)


def _only(
    here: Sequence[str], there: Sequence[str], key: Callable[[str], str]
) -> list[str]:
    """The words that are here and not there, as often as they are more."""
    rest = Counter(map(key, there))
    found = []
    for word in here:
        rest[key(word)] -= 1
        if rest[key(word)] < 0:
            found.append(word)
    return found


def _moved(left: Sequence[str], right: Sequence[str]) -> bool:
    return [*map(str.lower, left)] != [*map(str.lower, right)]
