"""POP3 (RFC 1939): a line each way, and a dot-block after some of the replies.

    AUTHORIZATION   TRANSACTION   UPDATE

Whether a block follows depends on the command, its arguments, and +OK.
"""

import re
from collections import deque

from . import (
    LINE,
    NOTHING,
    REST,
    WAIT,
    Next,
    Row,
    Said,
    Table,
    explain,
    hidden,
    stuffed_lines,
    verb,
    whole_line,
    words,
)

COMMANDS: Table = {
    "USER": ("says who one is; the password comes next", "1939 7"),
    "PASS": ("the password, in clear text", "1939 7"),
    "APOP": ("says who one is, by a digest of the greeting's timestamp", "1939 7"),
    "AUTH": ("says who one is, by the mechanism named", "5034 4"),
    "CAPA": ("asks what the server can do", "2449 5"),
    "STLS": ("asks to go on inside TLS", "2595 4"),
    "STAT": ("asks how many messages there are, and how many octets", "1939 5"),
    "LIST": ("asks for the size of one message, or of each", "1939 5"),
    "UIDL": ("asks for a name that stays with the message, of one or of each", "1939 7"),
    "RETR": ("asks for a message", "1939 5"),
    "TOP": ("asks for the header of a message, and some lines of it", "1939 7"),
    "DELE": ("marks a message; it is deleted when the session is ended by QUIT", "1939 5"),
    "RSET": ("takes back all marks", "1939 5"),
    "NOOP": ("says nothing, to hear that the server is still there", "1939 5"),
    "QUIT": ("ends the session; only now the marked messages are deleted", "1939 6"),
    "UTF8": ("asks for UTF-8 in headers and addresses", "6856 2.1"),
    "LANG": ("asks which languages there are, or for one", "6856 3.1"),
}
UNKNOWN: Row = ("not a command that is known here", "1939 3")
RESPONSE: Row = ("the answer to the server's challenge, in base64", "5034 4")
CANCEL: Row = ("gives up the authentication", "5034 4")
REPLIES: Table = {
    "greeting +OK": ("the server is ready", "1939 4"),
    "greeting +OK stamp": ("the server is ready; the timestamp offers APOP", "1939 7"),
    "USER +OK": ("go on with PASS; the name need not exist", "1939 7"),
    "PASS +OK": ("the maildrop is yours alone now, and locked", "1939 4"),
    "PASS -ERR": ("the server doesn't believe it, or the maildrop is in use", "1939 7"),
    "APOP +OK": ("the maildrop is yours alone now, and locked", "1939 4"),
    "AUTH +OK": ("the maildrop is yours alone now, and locked", "5034 4"),
    "AUTH -ERR": ("the server doesn't believe it", "5034 4"),
    "AUTH +": ("a challenge in base64, to be answered", "5034 4"),
    "STLS +OK": ("the handshake begins; ask by CAPA again after it", "2595 4"),
    "STAT +OK": ("the count of messages, and their octets together", "1939 5"),
    "LIST +OK": ("the message's number and its octets", "1939 5"),
    "UIDL +OK": ("the message's number and its name", "1939 7"),
    "DELE +OK": ("marked, but not deleted yet", "1939 5"),
    "RSET +OK": ("no message is marked any more", "1939 5"),
    "QUIT +OK": ("goodbye; the server closes the connection", "1939 6"),
    "QUIT -ERR": ("some of the marked messages could not be deleted", "1939 6"),
    "block +OK": ("yes; a block follows, to a line that is only a dot", "1939 3"),
    "[IN-USE]": ("another session has the maildrop", "2449 8.1.2"),
    "[LOGIN-DELAY]": ("too soon after the last login", "2449 8.1.1"),
    "[SYS": ("an error of the server", "3206 4"),
    "[AUTH]": ("the name or the password is wrong", "3206 5"),
    "+OK": ("yes", "1939 3"),
    "-ERR": ("no", "1939 3"),
    "+": ("the server asks for more", "5034 4"),
}
BLOCKS: Table = {
    "CAPA": ("a capability in each line", "2449 5"),
    "LIST": ("number and octets of each message that is not marked", "1939 5"),
    "UIDL": ("number and name of each message", "1939 7"),
    "RETR": ("the message; a line that is only a dot ends it", "1939 5"),
    "TOP": ("the header, an empty line, and so many lines", "1939 7"),
    "AUTH": ("a mechanism in each line", ""),
    "LANG": ("a language in each line", "6856 3.1"),
}
BARE = {"LIST", "UIDL", "AUTH", "LANG"}  # a block only if they have no argument
NO_REPLY: Row = ("not a reply: it should begin with +OK or -ERR", "1939 3")
UNSAVED: Row = ("the connection ends without QUIT: nothing is deleted", "1939 6")
CLOSED: Row = ("the session is over", "1939 6")
SECRETS = [
    re.compile(rb"(?is)\A\s*PASS[^\w\r\n]" + REST),
    re.compile(rb"(?is)\A\s*APOP[ \t]+\S+[ \t]+" + REST),
    re.compile(rb"(?is)\A\s*AUTH[ \t]+\S+[ \t]+" + REST),
]
# A "+" without a space after it is no reply, and poplib and others answer it all the same.
STATUS = re.compile(rb"(?:\+OK|-ERR)(?=[ \r\n]|\Z)|\+(?!OK)")
STAMP = re.compile(rb"<[^<>@\s]*@[^<>\s]*>")


class Grammar:
    """What was asked and not answered yet, and which of the three states it is."""

    def __init__(self, greeting: bool = True) -> None:
        self._asked = deque(["greeting"] if greeting else [])
        self._state = "AUTHORIZATION"
        self._marked = 0
        self._block = ""  # the command whose block comes next
        self._challenged = False

    @property
    def state(self) -> str:
        return f"{self._state}, {self._marked} marked" if self._marked else self._state

    def next(self, speaker: str) -> Next:
        if speaker == "S":
            return Next("dot", "block") if self._block else Next("line", "reply")
        waits = not self._challenged and self._asked and self._asked[-1] == "AUTH"
        return WAIT if waits else LINE

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        if what.how == "wait":
            return Said(what.kind, NOTHING, whole_line(data))
        if what.kind == "block":
            row, self._block = BLOCKS[self._block], ""
            return Said("block", row, notes=stuffed_lines(data))
        if speaker == "S":
            return self._reply(data)
        return self._answer(data) if self._challenged else self._command(data)

    def _command(self, data: bytes) -> Said:
        name = verb(data)
        if name == "QUIT" and not self._asked:
            self._quit()
        has_block = name in BLOCKS and (name not in BARE or len(words(data)) == 1)
        self._asked.append(f"{name} block" if has_block else name)
        row = COMMANDS.get(name, UNKNOWN)
        return Said("command" if name else "unknown", row, hidden(SECRETS, data))

    def _answer(self, data: bytes) -> Said:
        self._challenged = False
        self._asked.append("AUTH")
        if data.strip() == b"*":
            return Said("command", CANCEL)
        return Said("command", RESPONSE, whole_line(data))

    def _reply(self, data: bytes) -> Said:
        found = STATUS.match(data)
        if not found:
            return Said("unknown", NO_REPLY)
        status = found[0].decode("ascii")
        name, _, block = (self._asked.popleft() if self._asked else "").partition(" ")
        self._move(name, status, bool(block))
        stamp = " stamp" if STAMP.search(data) else ""
        code = re.split("[/ ]", " ".join(words(data)[1:2]))[0]
        keys = [code] if status == "-ERR" else []
        keys += [f"block {status}"] if block else [f"{name} {status}{stamp}"]
        row = explain(REPLIES, *keys, f"{name} {status}", status)
        return Said("reply", row, notes=[] if name else ["nobody asked"])

    def _move(self, name: str, status: str, block: bool) -> None:
        self._challenged = name == "AUTH" and status == "+"
        if name == "QUIT":
            self._quit()
        if status != "+OK":
            return
        if block:
            self._block = name
        elif name in ("PASS", "APOP", "AUTH"):
            self._state = "TRANSACTION"
        elif name in ("DELE", "RSET"):
            self._marked = self._marked + 1 if name == "DELE" else 0

    def _quit(self) -> None:
        if self._state == "TRANSACTION":
            self._state, self._marked = "UPDATE", 0

    def secured(self) -> "Grammar":
        return Grammar(greeting="greeting" in self._asked)

    def closed(self) -> Row:
        return UNSAVED if self._state == "TRANSACTION" else CLOSED
