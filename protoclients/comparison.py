"""One job done twice, by hand and by library: what is the same, what differs, and why.

    with Lab() as lab:
        for job in jobs_of("smtp"):
            print(compare(job, lab))

Both sides are heard by the same ear. Their steps are put beside each other: first what can
stand in one row at all (the same command, or a reply to the same command), and of all ways
to do so the one with the most in common. What changes from one time to the next, such as
dates and ports, is no difference.

What a side did that nobody asked for is told by the rows of `RULES`. A command was asked
for if the line of the job that led to it has its name, or one that `MEANS` it; a header
field, if the job's code has its name.
"""

import inspect
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from time import perf_counter
from typing import Any, NamedTuple

from .conversation import Conversation, Step
from .grammar import source
from .jobs import Job, Lab
from .recorder import record


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


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that a side did unasked; `step` is where it did so first."""

    what: str
    why: str
    source: str  # such as "RFC 1870 section 4"; "" where no RFC has a say in it
    step: Step
    times: int = 1


@dataclass
class Side:
    """What one way of doing a job came to. `error` is "" if it came to an end."""

    result: Any = None
    error: str = ""
    seconds: float = 0.0  # see `Comparison.timed`
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        """The steps of all conversations, one conversation after the other."""
        return [step for talk in self.conversations for step in talk.steps]

    def figures(self) -> dict[str, int]:
        """Sums over the conversations, with `Conversation`'s own names."""
        names = ("round_trips", "sent", "received", "calls_made", "segments", "connections")
        return {n: sum(getattr(talk, n) for talk in self.conversations) for n in names}


@dataclass
class Comparison:
    """A job done both ways. `print` shows it, and so does a notebook."""

    job: Job
    by_hand: Side
    by_library: Side
    rows: list[Row]
    unasked_by_hand: list[Remark]
    unasked_by_library: list[Remark]
    timed: bool  # the seconds are those of a second time, without the recorder

    @property
    def difference(self) -> str:
        """In which way the results differ, in words; "" if they are equal."""
        errors = [
            f"{way}: {side.error}"
            for way, side in (("by hand", self.by_hand), ("by library", self.by_library))
            if side.error
        ]
        return "; ".join(errors) or differing(self.by_hand.result, self.by_library.result)

    @property
    def same(self) -> bool:
        """Whether both sides gave the same result."""
        return not self.difference

    def __str__(self) -> str:
        from .views import aligned

        return aligned.text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def compare(job: Job, lab: Lab) -> Comparison:
    """Do `job` by hand and by library, and put the two conversations beside each other.

    `lab` is a Lab, which is reset before each side; or any object with the addresses that
    the job uses, where each side is done once only. What goes wrong on one side is told,
    not raised.
    """
    ways = (job.by_hand, job.by_library)
    hand, library = (heard(way, lab) for way in ways)
    timed = hasattr(lab, "reset")
    for side, way in zip((hand, library), ways, strict=True):
        if timed and not side.error:
            side.seconds = done(way, lab).seconds
    return Comparison(
        job,
        hand,
        library,
        aligned(hand.conversations, library.conversations),
        unasked(hand, asking(job, job.hand, job.by_hand)),
        unasked(library, asking(job, job.library, job.by_library)),
        timed,
    )


def heard(way: Callable[[Lab], Any], lab: Lab) -> Side:
    """Do a job one way, under a recorder. Threads that it starts are heard too."""
    with record(threads=True) as recording:
        side = done(way, lab)
    side.conversations = recording.conversations
    return side


def done(way: Callable[[Lab], Any], lab: Lab) -> Side:
    """Do a job one way, and see how long it takes."""
    if hasattr(lab, "reset"):
        lab.reset()
    side, begun = Side(), perf_counter()
    try:
        side.result = way(lab)
    except Exception as problem:  # whatever it is, the other side is done all the same
        words = " ".join(f"{type(problem).__name__}: {problem}".split())
        side.error = "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)
    side.seconds = perf_counter() - begun
    return side


# The results


def differing(left: Any, right: Any, place: str = "") -> str:
    """Where two results differ first, in words; "" if they are equal."""
    where = f"at {place}: " if place else ""
    if type(left) is not type(right):
        return f"{where}{brief(left)} by hand, {brief(right)} by library"
    if left == right:
        return ""
    if isinstance(left, dict) and left.keys() == right.keys():
        parts = [(f"[{key!r}]", left[key], right[key]) for key in left]
    elif isinstance(left, list | tuple) and len(left) == len(right):
        parts = [(f"[{n}]", *pair) for n, pair in enumerate(zip(left, right, strict=True))]
    elif isinstance(left, bytes | str):
        return where + differing_text(left, right)
    else:
        return f"{where}{brief(left)} by hand, {brief(right)} by library"
    found = (differing(ours, theirs, place + key) for key, ours, theirs in parts)
    return next(filter(None, found), f"{where}not equal")


def differing_text(left: Any, right: Any) -> str:
    unit = "octet" if isinstance(left, bytes) else "character"
    pairs = zip(left, right, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
    sizes = "" if len(left) == len(right) else f"{len(left)} and {len(right)} {unit}s, "
    ours, theirs = left[at : at + 16], right[at : at + 16]
    return f"{sizes}from {unit} {at} on {ours!r} by hand, {theirs!r} by library"


def brief(value: Any, room: int = 48) -> str:
    """A value in about so many characters."""
    shown = repr(value)
    kind = type(value).__name__
    return shown if len(shown) <= room else f"{shown[: room - len(kind) - 4]}… ({kind})"


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
    for step, asked in zip(talk.steps, _asked(talk), strict=True):
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


def _asked(talk: Conversation) -> Iterator[str]:
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


# What nobody asked for


class Rule(NamedTuple):
    """Something that a client does on its own, and why.

    `of` is a step's speaker and kind, and perhaps what it answers; `pattern` is looked for
    in its text and notes. In `what`, {} stands for what was found: group 1 of the pattern
    if it has one. `unless` tells when it was asked for after all: "command" if the job's
    line has the command's name, "field" if the job's code has the header field's, and any
    other word if the code has that. `by` is a pattern for the client's name.
    """

    protocol: str
    of: str
    pattern: str
    what: str
    why: str
    source: str = ""
    unless: str = ""
    by: str = ""


OURS = "protoclients"
LOWER = r"\A((?:ehlo|helo|mail|rcpt|data|rset|noop|vrfy|expn|help)\b(?: (?i:from|to):)?)"
RULES = [
    # HTTP
    Rule("http", "C head", r"(?m)^Host: .*$", "{}",
         "HTTP/1.1 demands it: one address may serve many hosts", "9112 3.2", "field"),
    Rule("http", "C head", r"(?m)^Accept-Encoding: identity$", "{}",
         "http.client can't undo gzip, so it asks for the plain body", "9110 12.5.3",
         "field"),
    Rule("http", "C head", r"(?m)^Accept-Encoding: gzip$", "{}",
         "xmlrpc.client can undo gzip by itself", "9110 12.5.3", "field", "xmlrpc"),
    Rule("http", "C head", r"(?m)^User-Agent: .*$", "{}",
         "tells the server which program it is, and of which version", "9110 10.1.5",
         "field"),
    Rule("http", "C head", r"(?m)^Connection: close$", "{}",
         "urllib can't use a connection twice: each request opens one", "9112 9.6",
         "field", "urllib"),
    Rule("http", "C head", r"(?m)^Content-Type: application/x-www-form-urlencoded$", "{}",
         "urllib takes every body for a form if nobody says otherwise", "9110 8.3",
         "field", "urllib"),
    Rule("http", "C head", r"(?m)^Content-Type: text/xml$", "{}",
         "an XML-RPC call is XML, and has to say so", "9110 8.3", "field", "xmlrpc"),
    Rule("http", "C head", r"(?m)^Content-Length: .*$", "{}",
         "says where the body ends", "9112 6.2", "field"),
    Rule("http", "C head", r"(?m)^Authorization: .*$", "{}",
         "says who one is", "9110 11.6.2", "password"),
    Rule("http", "C head", r"(?m)^Transfer-Encoding: chunked$", "{}",
         "the length of the body isn't known before its end", "9112 7.1", "field"),
    Rule("http", "S head", r"\AHTTP/1.1 10[2-9].*", "{}: taken for the response",
         "http.client passes over 100 only; after any 1xx the response is yet to come",
         "9110 15.2", "", "http.client|urllib"),
    Rule("http", "S head", r"\AHTTP/1.1 1\d\d.*", "{}: read, and kept in .interim",
         "an interim response, which may come unasked", "9110 15.2", "", OURS),
    Rule("http", "S head", r"\AHTTP/1.1 401.*", "{}: answered by a second request",
         "asks without the password first, and again when the server wants it",
         "9110 15.5.2", "", "urllib"),
    Rule("http", "S head", r"\AHTTP/1.1 30[12378].*", "{}: followed",
         "urllib goes where Location says without asking back", "9110 15.4", "", "urllib"),
    Rule("http", "S trailer", r"(?m)^\S+: .*$", "read and thrown away: {}",
         "http.client has no place for trailer fields", "9112 7.1.2", "",
         "http.client|urllib"),
    # SMTP
    Rule("smtp", "C command", LOWER, "in lower case: {}",
         "the case of a command doesn't matter", "5321 2.4", "", "smtplib"),
    Rule("smtp", "C command", r"(?i)\A(?:EHLO|HELO)\b.*", "{}",
         "a session begins by it, and again after TLS; HELO only where EHLO is refused",
         "5321 3.2", "command"),
    Rule("smtp", "C command", r"(?i)\AMAIL .* (SIZE=\d+)", "{} on MAIL",
         "tells the size before the mail, so that the server can refuse it unsent",
         "1870 6", "size="),
    Rule("smtp", "C command", r"(?i)\AMAIL .* (BODY=8BITMIME)", "{} on MAIL",
         "the mail isn't all ASCII, and the server has to know", "6152 3", "8bitmime"),
    Rule("smtp", "C command", r"(?i)\AMAIL .* (SMTPUTF8)", "{} on MAIL",
         "the header has letters that aren't ASCII", "6531 3.4", "smtputf8"),
    Rule("smtp", "C command", r"(?i)\AAUTH (CRAM-MD5)\b", "{} chosen to log in by",
         "the first of those offered that doesn't send the password itself", "4954 3"),
    Rule("smtp", "C command", r"(?i)\AAUTH (PLAIN|LOGIN)\b", "{} chosen to log in by",
         "of those offered the one that it likes most", "4954 3"),
    Rule("smtp", "C command", r"(?i)\A(RSET)\Z", "{}",
         "the mail came to nothing, so what was begun of it is dropped", "5321 4.1.1.5",
         "command"),
    Rule("smtp", "C block", r"(?m)^\.\..*$", "a dot put before a dot",
         "a line that begins with a dot gets one more, or it might end the mail",
         "5321 4.5.2"),
    Rule("smtp", "C command", r"commands in one send", "MAIL, RCPT and DATA in one go",
         "the server has PIPELINING: a round trip for all of them", "2920 3.1"),
    Rule("smtp", "S reply DATA content", r"\A250.*", "read, and not returned: {}",
         "what became of the mail, often with a number that the server knows it by",
         "5321 4.2.5", "command"),
    Rule("smtp", "S reply greeting", r"\A220.*", "read, and thrown away: {}",
         "smtplib looks at the code of the greeting only", "5321 3.1", "", "smtplib"),
    # POP3
    Rule("pop3", "C command", r"\A(CAPA)\Z", "{} before STLS",
         "poplib wants to see STLS offered before it says it", "2595 4", "command",
         "poplib"),
    Rule("pop3", "C command", r"\A(CAPA)\Z", "{} before the first of many",
         "asks whether the server has PIPELINING", "2449 6.6", "command", OURS),
    Rule("pop3", "S block", r"\A(?s:.*)", "blocks cut into lines, without their ends",
         "poplib gives a list of lines; the dots that were stuffed are taken off",
         "1939 3", "", "poplib"),
    Rule("pop3", "- close", r"has said all", "shutdown() before close()",
         "poplib ends both directions before it lets go of the socket", "", "", "poplib"),
    # NNTP
    Rule("nntp", "C command", r"(?i)\A(CAPABILITIES)\Z", "{}",
         "nntplib asks at once what the server can do, and again after TLS or a login",
         "3977 5.2", "command", "nntplib"),
    Rule("nntp", "C command", r"(?i)\A(MODE READER)\Z", "{}",
         "a server that can also hand articles on has to be told", "3977 5.3", "command"),
    Rule("nntp", "C command", r"(?i)\A(LIST OVERVIEW.FMT)\Z", "{}",
         "the fields of OVER have no names; this list has them", "3977 8.4", "command"),
    Rule("nntp", "C command", r"\A(authinfo (?:user|pass)|mode reader)\b",
         "in lower case: {}",
         "the case of a command doesn't matter", "3977 3.1", "", "nntplib"),
    Rule("nntp", "C command", r"(?i)\A(XOVER)\b", "{}, the older name of OVER",
         "the server doesn't offer OVER", "2980 2.8", "command"),
    Rule("nntp", "C block", r"(?m)^\.\..*$", "a dot put before a dot",
         "a line that begins with a dot gets one more, or it might end the article",
         "3977 3.1.1"),
    Rule("nntp", "S block", r"\A(?s:.*)", "blocks cut into lines, without their ends",
         "nntplib gives a list of lines; the dots that were stuffed are taken off",
         "3977 3.1.1", "", "nntplib"),
    # FTP
    Rule("ftp", "C command", r"\A(TYPE I)\Z", "{}",
         "octet by octet: nothing is taken for a line end", "959 3.1.1.3", "command"),
    Rule("ftp", "C command", r"\A(TYPE A)\Z", "{}",
         "a list is text, whose lines end in CR LF", "959 3.1.1.1", "command"),
    Rule("ftp", "C command", r"\A(PASV)\Z", "{}",
         "the client connects for the data; ftplib says EPSV with IPv6 only", "959 4.1.2",
         "command", "ftplib|urllib"),
    Rule("ftp", "S reply", r"\A227 .*?(\d+,\d+,\d+,\d+),", "the host {} not followed",
         "it connects to the host that it talks to: the named one may be wrong, or a trap",
         "959 4.1.2", "", f"ftplib|urllib|{OURS}"),
    Rule("ftp", "C command", r"\A(EPSV)\Z", "{}",
         "the client connects for the data; a reply without a host is right for IPv6 too",
         "2428 3", "command"),
    Rule("ftp", "C command", r"\A(PASV)\Z", "{}",
         "the server refused EPSV", "959 4.1.2", "command", OURS),
    Rule("ftp", "C command", r"\A(PORT|EPRT)\b", "{}",
         "tells the server where to connect to for the data", "", "command"),
    Rule("ftp", "C command", r"\A(AUTH TLS)\Z", "{} before USER",
         "FTP_TLS lets no password out before the line is safe", "4217 4", "command",
         "ftplib"),
    Rule("ftp", "C command", r"\A(PBSZ 0)\Z", "{}",
         "has to come before PROT, and means nothing with TLS", "4217 9", "command"),
    Rule("ftp", "C command", r"\A(PROT P)\Z", "{}",
         "without it the data would come in the clear", "4217 9", "command"),
    Rule("ftp", "C command", r"\A(CWD .*)", "{}",
         "the directories of the URL, in one; RFC 1738 has a CWD for each", "1738 3.2.2",
         "command", "urllib"),
    Rule("ftp", "- tls", r"client ends TLS", "TLS ended before the data connection",
         "so that nobody can cut the data off unseen", "8446 6.1", "", "ftplib"),
    # Telnet
    Rule("telnet", "C negotiation", r"\AIAC ((?:DONT|WONT) .*)", "answered IAC {}",
         "telnetlib refuses all options unless a callback is set; one always may", "854",
         "", "telnetlib"),
    Rule("telnet", "C negotiation", r"\AIAC ((?:DONT|WONT) .*)", "answered IAC {}",
         "what isn't agreed to is refused, and once: that is the Q method", "1143 7", "",
         OURS),
    Rule("telnet", "C negotiation", r"\AIAC ((?:DO|WILL) .*)", "answered IAC {}",
         "agreed to, since the job names the option", "1143 7", "", OURS),
    Rule("telnet", "C negotiation", r"\AIAC SB (.*) IAC SE", "said: {}",
         "what there is to say about an option that was agreed to", "855", "", OURS),
    Rule("telnet", "C data", r"octet 255 itself", "255 doubled",
         "a single 255 is IAC and would begin a command", "854"),
    Rule("telnet", "S data", r"octet 255 itself", "255 halved",
         "a doubled IAC is the octet itself", "854"),
    Rule("telnet", "S command", r"\AIAC (.*)", "read and left out: IAC {}",
         "a command in the text, and no part of it", "854"),
    Rule("telnet", "S data", r"this data took (\d+ recvs)", "read in pieces: {}",
         "telnetlib asks for 50 octets at a time, and answers options in between", "", "",
         "telnetlib"),
    Rule("telnet", "S data", r"\\x00|\\x11", "left out: {}",
         "telnetlib drops the octets 0 and 17 wherever they are", "854", "", "telnetlib"),
    Rule("ftp", "S reply", r"\A226.*", "read, and passed over: {}",
         "were it a no, urllib would hide it, and the file might be cut", "959 4.2.2", "",
         "urllib"),
    # All that have a session
    Rule("pop3", "C command", r"\A(QUIT)\Z", "{}, and so UPDATE",
         "leaving `with` without an error quits; nothing is deleted before", "1939 6",
         "quit"),
    Rule("smtp|nntp|ftp", "C command", r"\A(QUIT)\Z", "{}",
         "leaving `with` without an error says goodbye", "", "quit"),
    Rule("smtp|pop3|nntp|ftp", "- close", r"without QUIT", "no QUIT",
         "the connection is closed without a goodbye", "", "close"),
]  # fmt: skip
FIELD = Rule("http", "C head", "", "{}", "a field that the job doesn't name")
WHOLE = ("command", "quit")  # rules about a whole command: the first one counts
# What the names of methods ask for, besides the command of that name.
MEANS = {
    "smtp": {"SEND": "MAIL RCPT DATA BDAT", "SENDMAIL": "MAIL RCPT DATA", "LOGIN": "AUTH",
             "VERIFY": "VRFY"},
    "pop3": {"LOGIN": "USER PASS"},
    "nntp": {"LOGIN": "AUTHINFO", "GETCAPABILITIES": "CAPABILITIES",
             "DESCRIPTIONS": "LIST"},
    "ftp": {"LOGIN": "USER PASS ACCT", "RENAME": "RNFR RNTO", "DELETE": "DELE",
            "OFFSET": "REST", "OPEN": "USER PASS RETR"},
}  # fmt: skip
NAME = re.compile("[A-Za-z0-9]+")
NO_NAMES = re.compile(r"\blab\.[\w.]+|#.*")  # addresses and comments ask for nothing
MOST_NAMED = 6  # things in one remark


@dataclass(frozen=True, slots=True)
class _Asking:
    """The code that asks for something, and whom."""

    protocol: str
    client: str  # such as "smtplib.SMTP"
    file: str
    code: str

    def names(self, step: Step) -> set[str]:
        """What the lines that led to a step ask for: commands, in capital letters."""
        lines = (f.text for call in step.calls for f in call.frames if f.file == self.file)
        found = {name.upper() for line in lines for name in NAME.findall(plain(line))}
        if step.speaker == "C":
            means = MEANS.get(self.protocol, {})
            found |= {verb for name in found & means.keys() for verb in means[name].split()}
        return found

    def asked_for(self, unless: str, step: Step, asked: str, what: str) -> bool:
        """Whether the job asked for something after all: see `Rule.unless`."""
        if unless == "command":
            return asked.partition(" ")[0] in self.names(step)
        word = f'"{what.partition(":")[0]}"' if unless == "field" else unless
        return bool(word) and word.lower() in self.code.lower()

    def is_known(self, step: Step) -> bool:
        """Whether a command that no rule is about was asked for, or is an answer."""
        name = verb(step)
        words = {word.upper() for word in NAME.findall(self.code)}
        return step.kind != "command" or not name or name in words | self.names(step)


def plain(line: str) -> str:
    """A line of code without what asks for nothing."""
    return NO_NAMES.sub("", line)


def asking(job: Job, client: str, way: Callable[[Lab], Any]) -> _Asking:
    """The code of one way of a job; it may be that there is no source."""
    try:
        return _Asking(
            job.protocol, client, inspect.getsourcefile(way) or "", inspect.getsource(way)
        )
    except (OSError, TypeError):
        return _Asking(job.protocol, client, "", "")


def unasked(side: Side, asker: _Asking) -> list[Remark]:
    """What a side did that nobody asked for, in the order in which it began."""
    rules = [
        rule
        for rule in RULES
        if re.fullmatch(rule.protocol, asker.protocol) and re.search(rule.by, asker.client)
    ]
    found: dict[tuple[str, str, str], list[tuple[str, Step]]] = {}
    for talk in side.conversations:
        if talk.protocol != asker.protocol or talk.side != "client":
            continue
        for step, asked in zip(talk.steps, _asked(talk), strict=True):
            for rule, what in _told(step, asked, asker, rules):
                where = source(("", rule.source)) or step.source
                found.setdefault((rule.what, rule.why, where), []).append((what, step))
    return [
        Remark(what.format(_list(heard)), why, where, heard[0][1], len(heard))
        for (what, why, where), heard in found.items()
    ]


def _list(heard: list[tuple[str, Step]]) -> str:
    """The different things that were found, but not too many of them."""
    words = list(dict.fromkeys(what for what, _ in heard))
    return ", ".join([*words[:MOST_NAMED], *["…"][: len(words) - MOST_NAMED]])


def _told(
    step: Step, asked: str, asker: _Asking, rules: list[Rule]
) -> Iterator[tuple[Rule, str]]:
    """The rules that a step falls under, and what it was that it did."""
    of = f"{step.speaker} {step.kind} {asked}"
    text = "\n".join((step.shown(), *step.notes, *[step.meaning] * (step.speaker == "-")))
    known: set[str] = set()
    told = False  # a rule was about the whole command
    for rule in rules:
        whole = rule.unless in WHOLE
        if not of.startswith(rule.of) or (whole and told):
            continue
        for match in re.finditer(rule.pattern, text):
            what = match[match.lastindex or 0]
            known.add(what)
            told = told or whole
            if not asker.asked_for(rule.unless, step, asked, what):
                yield rule, what
    if step.speaker == "C" and not told and not asker.is_known(step):
        yield Rule(asker.protocol, of, "", "{}", step.meaning), step.shown()
    if of.startswith("C head"):
        for field in filter(None, step.shown().split("\n")[1:]):
            if field not in known and not asker.asked_for("field", step, asked, field):
                yield FIELD, field
