"""SMTP (RFC 5321): commands, replies of three digits, and a mail between them.

    connected   greeted   mail begun   recipients: 2   content   greeted …

After DATA only the reply tells whether a mail follows or another command; after AUTH only
the reply tells whether an answer to a challenge follows.
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
)

COMMANDS: Table = {
    "EHLO": ("says hello, and asks what the server can do", "5321 4.1.1.1"),
    "HELO": ("says hello, as it was before there were extensions", "5321 4.1.1.1"),
    "LHLO": ("says hello to a server that speaks LMTP", "2033"),
    "MAIL": ("begins a mail: failures are reported to this address", "5321 4.1.1.2"),
    "RCPT": ("names one recipient; the mail's own header has no say in it", "5321 4.1.1.3"),
    "DATA": ("asks to send the content of the mail", "5321 4.1.1.4"),
    "BDAT": ("sends so many octets of the content, as they are", "3030 2"),
    "RSET": ("forgets the mail that was begun", "5321 4.1.1.5"),
    "VRFY": ("asks whether an address is good", "5321 4.1.1.6"),
    "EXPN": ("asks who is on a list", "5321 4.1.1.7"),
    "HELP": ("asks for help, in words for people", "5321 4.1.1.8"),
    "NOOP": ("says nothing, to hear that the server is still there", "5321 4.1.1.9"),
    "QUIT": ("ends the session", "5321 4.1.1.10"),
    "STARTTLS": ("asks to go on inside TLS", "3207 4"),
    "AUTH": ("says who one is, by the mechanism named", "4954 4"),
}
UNKNOWN: Row = ("not a command that is known here", "5321 4.2.4")
RESPONSE: Row = ("the answer to the server's challenge, in base64", "4954 4")
CANCEL: Row = ("gives up the authentication", "4954 4")
CONTENT: Row = ("the mail; a line that is only a dot ends it", "5321 4.5.2")
CHUNK: Row = ("a part of the mail, counted and not stuffed", "3030 2")
REPLIES: Table = {
    "greeting 220": ("the server is ready", "5321 3.1"),
    "greeting 554": ("there is no mail service here", "5321 3.1"),
    "EHLO 250": ("hello; each line but the first is an extension", "5321 4.1.1.1"),
    "HELO 250": ("hello", "5321 4.1.1.1"),
    "MAIL 250": ("a mail is begun", "5321 3.3"),
    "RCPT 250": ("this recipient is accepted", "5321 3.3"),
    "RCPT 550": ("this recipient is refused; the others still count", "5321 3.3"),
    "DATA 354": ("not done yet: send the mail, and a line with only a dot", "5321 4.1.1.4"),
    "DATA 503": ("no sender or no recipient was accepted before", "5321 3.3"),
    "DATA 554": ("there is no recipient to send it to", "5321 3.3"),
    "content 250": ("accepted: from now on the server answers for the mail", "5321 6.1"),
    "content 4": ("not accepted for now; try again later", "5321 4.2.5"),
    "content 5": ("the mail is refused", "5321 4.2.5"),
    "BDAT 250": ("this part is accepted; after LAST, the mail is", "3030 2"),
    "RSET 250": ("forgotten", "5321 4.1.1.5"),
    "VRFY 252": ("can't say; send the mail, and you will see", "5321 3.5.3"),
    "STARTTLS 220": ("the handshake may begin; then all is forgotten", "3207 4.2"),
    "STARTTLS 454": ("TLS is not to be had for now", "3207 4"),
    "AUTH 334": ("a challenge in base64, to be answered", "4954 4"),
    "AUTH 235": ("the server believes it", "4954 6"),
    "AUTH 535": ("the server doesn't believe it", "4954 6"),
    "AUTH 534": ("the mechanism is too weak", "4954 6"),
    "AUTH 538": ("this mechanism only inside TLS", "4954 6"),
    "AUTH 454": ("the server can't check it for now", "4954 6"),
    "QUIT 221": ("goodbye; the server closes the connection", "5321 4.1.1.10"),
    "251": ("not here, but the server passes it on", "5321 3.4"),
    "421": ("the server has to close the connection", "5321 3.8"),
    "450": ("the mailbox is not to be had for now", "5321 4.2.3"),
    "451": ("an error of the server, for now", "5321 4.2.3"),
    "452": ("too little room, or too many recipients", "5321 4.5.3.1.10"),
    "500": ("not understood", "5321 4.2.4"),
    "501": ("the command is known, its argument isn't understood", "5321 4.2.3"),
    "502": ("known, but not done here", "5321 4.2.4"),
    "503": ("not at this point", "5321 4.1.4"),
    "530": ("first say who you are, or put on TLS", "4954 6"),
    "550": ("no such mailbox, or it is refused", "5321 4.2.3"),
    "552": ("too large", "1870 6.1"),
    "553": ("no valid address", "5321 4.2.3"),
    "555": ("a parameter of MAIL or RCPT is not known", "5321 4.1.1.11"),
    "2": ("done", "5321 4.2.1"),
    "3": ("go on: the server waits for the rest", "5321 4.2.1"),
    "4": ("no, for now: the same may work later", "5321 4.2.1"),
    "5": ("no: the same won't work later", "5321 4.2.1"),
}
NO_REPLY: Row = ("not a reply: it should begin with three digits", "5321 4.2")
WITHOUT_QUIT: Row = ("the connection ends without QUIT", "5321 3.8")
CLOSED: Row = ("the session is over", "5321 3.8")
# What a reply does to the state, by what it answers and its first digit.
MOVES = {
    "EHLO 2": "greeted",
    "HELO 2": "greeted",
    "LHLO 2": "greeted",
    "MAIL 2": "mail begun",
    "DATA 3": "content",
    "content 2": "greeted",
    "content 4": "greeted",
    "content 5": "greeted",
    "BDAT LAST 2": "greeted",
    "RSET 2": "greeted",
    "QUIT 2": "over",
}
SECRETS = [re.compile(rb"(?is)\A\s*AUTH[ \t]+\S+[ \t]+" + REST)]
REPLY = re.compile(rb"([2-5][0-9]{2})(?=[ \r\n-]|\Z)")
COUNT = re.compile(rb"(?i)\s*BDAT +([0-9]{1,18})( +LAST)?\s*\Z")


class Grammar:
    """What was asked and not answered yet, and how far the mail is."""

    def __init__(self, greeting: bool = True) -> None:
        self._asked = deque(["greeting"] if greeting else [])
        self._stage = "connected"
        self._recipients = 0
        self._chunk = 0  # octets that follow a BDAT
        self._challenged = False

    @property
    def state(self) -> str:
        if self._stage == "mail begun" and self._recipients:
            return f"recipients: {self._recipients}"
        return self._stage

    def next(self, speaker: str) -> Next:
        if speaker == "S":
            return Next("reply", "reply")
        if self._stage == "content" and "content" not in self._asked:
            return Next("dot", "block")
        if self._chunk:
            return Next("counted", "chunk", self._chunk)
        last = self._asked[-1] if self._asked else ""
        return WAIT if last in ("DATA", "AUTH") else LINE

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        if what.how == "wait":
            return Said(what.kind, NOTHING, whole_line(data) * ("AUTH" in self._asked))
        if speaker == "S":
            return self._reply(data)
        if what.kind == "block":
            self._asked.append("content")
            return Said("block", CONTENT, notes=stuffed_lines(data))
        if what.kind == "chunk":
            self._chunk = 0
            return Said("chunk", CHUNK)
        if self._challenged:
            return self._answer(data)
        return self._command(data)

    def _command(self, data: bytes) -> Said:
        name = verb(data)
        size = COUNT.match(data)
        if size:
            self._chunk = int(size[1])
            name = "BDAT LAST" if size[2] else "BDAT"
        self._asked.append(name)
        row = explain(COMMANDS, name.partition(" ")[0]) or UNKNOWN
        return Said("command" if name else "unknown", row, hidden(SECRETS, data))

    def _answer(self, data: bytes) -> Said:
        self._challenged = False
        self._asked.append("AUTH")
        if data.strip() == b"*":
            return Said("command", CANCEL)
        return Said("command", RESPONSE, whole_line(data))

    def _reply(self, data: bytes) -> Said:
        found = REPLY.match(data)
        if not found:
            return Said("unknown", NO_REPLY)
        code = found[1].decode("ascii")
        name = self._asked.popleft() if self._asked else ""
        row = explain(
            REPLIES, f"{name.split(' ')[0]} {code}", f"{name} {code[0]}", code, code[0]
        )
        self._move(name, code)
        return Said("reply", row, notes=[] if name else ["nobody asked"])

    def _move(self, name: str, code: str) -> None:
        self._stage = MOVES.get(f"{name} {code[0]}", self._stage)
        self._challenged = name == "AUTH" and code == "334"
        if name == "RCPT" and code[0] == "2":
            self._recipients += 1
        elif self._stage != "content" and name in ("MAIL", "RSET", "content", "BDAT LAST"):
            self._recipients = 0
        if code == "421":
            self._stage = "over"

    def secured(self) -> "Grammar":
        return Grammar(greeting="greeting" in self._asked)

    def closed(self) -> Row:
        return CLOSED if self._stage == "over" else WITHOUT_QUIT
