"""Which lines of a program said something, and what of them is better not shown.

Of the many lines on the stack above a call, two are worth a look: the line of the client,
ours or a library's, and the line of the program that called it.
"""

import base64
import binascii
import os
import re
import sys
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from protoclients.conversation import Step
from protoclients.grammar.showing import CONTROLS
from protoclients.recorder import Frame

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = os.path.dirname(os.path.abspath(os.__file__))
# Not the line that says something, but how it is said.
BELOW = (
    *("link.py", "wire.py", "octets.py", "blocks.py", "chunks.py"),
    *("reply.py", "recorder.py"),
)
BELOW_IN_PYTHON = (
    *("socket.py", "ssl.py", "selectors.py", "contextlib.py", "functools.py"),
    *("tempfile.py", "threading.py", "runpy.py", "<frozen runpy>"),
)
HIDDEN = "\u2039hidden\u203a"
# A line of a program that has to do with logging in, and what is in quotes there.
IS_DELICATE = re.compile(r"(?i)login|pass|auth|apop|secret|token|cookie|credential|key")
QUOTED = re.compile(r"""('|")(?:\\.|(?!\1).)+(?:\1|$)""")
IN_URL = re.compile(r"(://)[^/@\s'\"]*@")


def lines_above(step: Step, verb: str = "") -> list[Frame]:
    """The client's line for a step, then the program's; either may be missing.

    Of the client's lines it is the one with the `verb` of the command in quotes, or else
    the outermost in the file that is nearest to the socket.
    """
    frames = step.calls[-1].frames if step.calls else ()
    at = next((n for n, frame in enumerate(frames) if is_program(frame)), len(frames))
    inside = [frame for frame in frames[:at] if not _is_below(frame)]
    quoted = re.compile(rf"""(?i)['"]{re.escape(verb)}\b""")
    client = next((f for f in inside if verb and quoted.search(f.text)), None)
    if client is None and inside:
        client = [frame for frame in inside if frame.file == inside[0].file][-1]
    return [*([client] if client else []), *frames[at : at + 1]]


def is_program(frame: Frame) -> bool:
    """Whether a line is the program's, and not Python's, a library's, or a client's."""
    file = frame.file
    if file.startswith(HOME + os.sep):
        return os.path.dirname(file) != HOME
    return not (file.startswith((PYTHON, "<frozen")) or "site-packages" in file)


def _is_below(frame: Frame) -> bool:
    folder, name = os.path.split(frame.file)
    if folder == HOME:
        return name in BELOW
    return folder in ("", PYTHON) and name in BELOW_IN_PYTHON


def place(frame: Frame) -> str:
    """File and line: the path from where Python finds its modules on."""
    file = frame.file
    roots = [HOME, PYTHON, *filter(None, sys.path)]
    inside = [root for root in roots if file.startswith(root + os.sep)]
    short = file[len(max(inside, key=len)) + 1 :] if inside else os.path.basename(file)
    return f"{short}:{frame.line}"


def source_line(frame: Frame, secrets: Iterable[str] = (), *, quotes: bool = True) -> str:
    """The text of a line, without the secrets, and without what a program has in quotes
    where it logs in: that line is run before the secret is heard. Without `quotes`, none
    are left."""
    text = frame.text
    if is_program(frame):
        if not quotes or IS_DELICATE.search(text):
            text = QUOTED.sub(lambda quoted: quoted[1] + HIDDEN + quoted[1], text)
        text = IN_URL.sub(rf"\1{HIDDEN}@", text)
    return without(secrets, text)


def without(secrets: Iterable[str], text: str) -> str:
    """A text, with a mark in the place of each secret."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin another
        text = text.replace(secret, HIDDEN)
    return text


def secrets_of(step: Step) -> set[str]:
    """The secrets of a step as they may stand in a program. A short one may be any word,
    and is left out."""
    found = set()
    for start, end in step.spans:
        octets = step.data[start:end].strip()
        unquoted = unquote_to_bytes(octets.replace(b"+", b" "))
        for said in (octets, _decoded(octets), unquoted):
            # Basic has user:password, and PLAIN has them behind NULs.
            found |= {said, said.partition(b":")[2], said.rpartition(b"\0")[2]}
    texts = {secret.decode("utf-8", "replace") for secret in found}
    return {secret for secret in texts if len(secret) > 3}


def _decoded(octets: bytes) -> bytes:
    try:
        return base64.b64decode(octets.split(b" ")[-1], validate=True)
    except binascii.Error:
        return b""


def clean(text: str) -> str:
    """A text as one line that can't do anything to a terminal."""
    return CONTROLS.sub(" ", text.replace("\t", " ").replace("\n", " "))
