"""Telnet (RFC 854): text in both directions, and commands in it, after the octet IAC.

The state is the table of RFC 1143: each option is two, one for each side, and each is NO,
YES, or on the way there: WANTYES, WANTNO. Here `us` is the client and `him` the server.
"""

import re

from . import NOTHING, Next, Ranges, Row, Said, Table

COMMANDS: dict[int, tuple[str, Row]] = {
    240: ("SE", ("the end of a subnegotiation that didn't begin", "855")),
    241: ("NOP", ("nothing", "854")),
    242: ("DM", ("the place in the text up to which all may be dropped", "854")),
    243: ("BRK", ("the Break key", "854")),
    244: ("IP", ("stop what is running", "854")),
    245: ("AO", ("drop the rest of the output", "854")),
    246: ("AYT", ("are you there? The answer is something to be seen", "854")),
    247: ("EC", ("erase the last character", "854")),
    248: ("EL", ("erase the line", "854")),
    249: ("GA", ("go ahead: it is your turn", "854")),
}
WILL, WONT, DO, DONT, IAC = 251, 252, 253, 254, 255
NAMES = {WILL: "WILL", WONT: "WONT", DO: "DO", DONT: "DONT"}
OPTIONS: dict[int, tuple[str, Row]] = {
    0: ("BINARY", ("eight bits, and no rules for line ends", "856")),
    1: ("ECHO", ("sending back what was typed", "857")),
    3: ("SGA", ("leaving out Go Ahead, so that both may speak at any time", "858")),
    5: ("STATUS", ("telling which options are on", "859")),
    6: ("TIMING-MARK", ("a mark in the text, to see how far the other side is", "860")),
    24: ("TTYPE", ("telling the type of the terminal", "1091")),
    31: ("NAWS", ("telling the size of the window", "1073")),
    32: ("TSPEED", ("telling the speed of the terminal", "1079")),
    33: ("LFLOW", ("switching flow control from afar", "1372")),
    34: ("LINEMODE", ("editing lines on the client's side", "1184")),
    35: ("XDISPLOC", ("telling the place of the X display", "1096")),
    36: ("ENVIRON", ("telling environment variables, by the older form", "1408")),
    37: ("AUTHENTICATION", ("proving who one is", "2941")),
    38: ("ENCRYPT", ("encrypting", "2946")),
    39: ("NEW-ENVIRON", ("telling environment variables", "1572")),
    42: ("CHARSET", ("agreeing on a character set", "2066")),
}
OTHER_OPTION: Row = ("an option that is not among the usual ones", "855")
# What is said about an option, by verb and by whether it answers the other side.
MEANINGS = {
    (WILL, False): "offers",
    (WILL, True): "agrees to do it",
    (DO, False): "asks the other side for it",
    (DO, True): "agrees that the other side does it",
    (WONT, False): "doesn't do it any more, or won't",
    (WONT, True): "no, or no longer",
    (DONT, False): "doesn't want it from the other side",
    (DONT, True): "no, or no longer",
}
# The state of one side of an option, after a yes or a no from either.
MOVES = {
    ("NO", True): "WANTYES",
    ("NO", False): "NO",
    ("YES", True): "YES",
    ("YES", False): "WANTNO",
    ("WANTYES", True): "YES",
    ("WANTYES", False): "NO",
    ("WANTNO", True): "YES",
    ("WANTNO", False): "NO",
}
TEXT: Table = {
    "C": ("what is typed", "854"),
    "S": ("text for the screen", "854"),
}
VALUE: Row = ("what there is to say about an option", "855")
CUT: Row = ("a command whose end was not heard", "854")
PROMPT = re.compile(rb"(?i)(?:pass(?:word|phrase|code|wort)?|\bpin)\b[^\r\n]{0,20}:\s*\Z")
LOGIN = re.compile(rb"(?i)(?:login|user|name)[^\r\n]{0,20}:\s*\Z")
LINE_END = re.compile(rb"[\r\n]")
AHEAD = re.compile(rb"[\r\n\0]([^\r\n\0]+)")  # a second line, typed with the name
SB = re.compile(rb"\xff\xfa(.)(.*)\xff\xf0", re.DOTALL)


class Grammar:
    """The options of both sides, and whether a password is being typed."""

    def __init__(self, greeting: bool = True) -> None:
        self._options: dict[tuple[str, int], str] = {}  # of "C" and "S"
        self._asker: dict[tuple[str, int], str] = {}
        self._prompt = b""  # the last of the server's text
        self._is_heard = False  # before that, name and password may be typed ahead
        self._typed = b""  # of a password, whose line has not ended
        self._password = b""
        self._after_cr = False

    @property
    def state(self) -> str:
        sides = []
        for side, name in (("C", "us"), ("S", "him")):
            found = [(o, state) for (who, o), state in self._options.items() if who == side]
            if found:
                table = ", ".join(f"{_option(o)} {state}" for o, state in found)
                sides.append(f"{name}: {table}")
        return "; ".join(sides)

    def next(self, speaker: str) -> Next:
        return Next("telnet", "data")

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        if data[:1] == b"\xff" and data[1:2] != b"\xff":
            return self._command(speaker, data)
        said = Said("data", TEXT[speaker])
        said.secrets = self._typing(data) if speaker == "C" else self._showing(data)
        for start, end in said.secrets:  # one at the most, of which nothing is told
            data = data[:start] + b"x" + data[end:]
        if b"\xff" in data:
            said.notes.append("IAC IAC is the octet 255 itself")
        if b"\r\0" in data:
            said.notes.append("CR NUL is a CR that no LF follows")
        return said

    def _command(self, speaker: str, data: bytes) -> Said:
        code = data[1] if len(data) > 1 else IAC
        if code in NAMES and len(data) > 2:
            return self._negotiation(speaker, code, data[2])
        if code in COMMANDS:
            name, row = COMMANDS[code]
            return Said("command", row, text=f"IAC {name}")
        if value := SB.fullmatch(data):
            content = value[2].replace(b"\xff\xff", b"\xff")
            text = f"IAC SB {_option(value[1][0])} {_value(value[1][0], content)} IAC SE"
            return Said("negotiation", VALUE, text=text)
        if len(data) == 2:
            return Said("unknown", ("not a command that is known here", "854"))
        return Said("unknown", CUT)

    def _negotiation(self, speaker: str, code: int, option: int) -> Said:
        other = "S" if speaker == "C" else "C"
        place = (speaker if code in (WILL, WONT) else other), option
        state = self._options.get(place, "NO")
        is_yes = code in (WILL, DO)
        answers = state.startswith("WANT") and self._asker.get(place) != speaker
        if state.startswith("WANT") and not answers:
            self._options[place] = "WANTYES" if is_yes else "WANTNO"
        else:
            self._options[place] = MOVES[state, is_yes]
            self._asker[place] = speaker
        about, where = OPTIONS[option][1] if option in OPTIONS else OTHER_OPTION
        row = (f"{MEANINGS[code, answers]}: {about}", where)
        return Said("negotiation", row, text=f"IAC {NAMES[code]} {_option(option)}")

    def _typing(self, data: bytes) -> Ranges:
        """Where the password is in what the client says."""
        # What belongs to the line before is no answer to a prompt that came meanwhile.
        start = int(self._after_cr and data[:1] in (b"\n", b"\0"))
        self._after_cr = data.endswith(b"\r")
        if start == len(data):
            return []
        if not self._typed and not PROMPT.search(self._prompt):
            asks = not self._is_heard or LOGIN.search(self._prompt)
            ahead = AHEAD.search(data, start) if asks else None
            self._prompt = b""
            return [ahead.span(1)] if ahead else []
        found = LINE_END.search(data, start)
        end = found.start() if found else len(data)
        self._typed += data[start:end]
        if found:
            self._password, self._typed, self._prompt = self._typed, b"", b""
        return [(start, end)] if start < end else []

    def _showing(self, data: bytes) -> Ranges:
        """Where the password is in what the server says: it may echo what is typed."""
        self._is_heard = True
        if self._typed:
            return [(0, len(data))]
        self._prompt = (self._prompt + data)[-200:]
        password, self._password = self._password, b""
        return [(0, len(password))] if password and data.startswith(password) else []

    def secured(self) -> "Grammar":
        return Grammar()

    def closed(self) -> Row:
        return NOTHING


def _option(number: int) -> str:
    return OPTIONS[number][0] if number in OPTIONS else f"option {number}"


def _value(option: int, content: bytes) -> str:
    """What a subnegotiation says, in words where they are known."""
    name = _option(option)
    if name == "NAWS" and len(content) == 4:
        return f"{int.from_bytes(content[:2])} x {int.from_bytes(content[2:])}"
    if name in ("TTYPE", "TSPEED", "XDISPLOC") and content[:1] in (b"\0", b"\1"):
        rest = "".join(filter(str.isprintable, content[1:].decode("latin-1")))
        return f'IS "{rest}"' if content[0] == 0 else "SEND"
    if name == "AUTHENTICATION":
        return f"({len(content)} octets)"
    return content[:200].hex(" ") + (" …" if len(content) > 200 else "")
