"""FTP (RFC 959): commands and replies on one connection, files on others.

Three things are remembered that people forget: the TYPE, the REST marker, and the RNFR
that waits for its RNTO. A reply of 1yz is followed by another one. A data connection is
announced on the control connection, by its port; what goes over it has no marks at all.
"""

import posixpath
import re
from collections import deque

from . import LINE, REST, Next, Row, Said, Table, explain, hidden, verb, words

COMMANDS: Table = {
    "USER": ("says who one is; the password comes next", "959 4.1.1"),
    "PASS": ("the password, in clear text", "959 4.1.1"),
    "ACCT": ("the account, where a server asks for one", "959 4.1.1"),
    "CWD": ("goes to another directory", "959 4.1.1"),
    "CDUP": ("goes to the directory above", "959 4.1.1"),
    "REIN": ("forgets who one is, and begins anew", "959 4.1.1"),
    "QUIT": ("ends the session", "959 4.1.1"),
    "PORT": ("the server shall connect to this address and port", "959 4.1.2"),
    "PASV": ("asks for an address and port of the server to connect to", "959 4.1.2"),
    "EPRT": ("the server shall connect to this address and port", "2428 2"),
    "EPSV": ("asks for a port of the server to connect to", "2428 3"),
    "TYPE": ("how a file is sent: A as text, I octet by octet", "959 4.1.2"),
    "STRU": ("which structure a file has; F is none", "959 4.1.2"),
    "MODE": ("how the data are sent; S is as a stream", "959 4.1.2"),
    "RETR": ("asks for a file", "959 4.1.3"),
    "STOR": ("stores a file", "959 4.1.3"),
    "STOU": ("stores a file, under a name that the server makes", "959 4.1.3"),
    "APPE": ("adds to a file's end", "959 4.1.3"),
    "ALLO": ("asks for room for a file", "959 4.1.3"),
    "REST": ("where the next transfer begins, in octets", "3659 5"),
    "RNFR": ("the old name of a file; RNTO comes next", "959 4.1.3"),
    "RNTO": ("the new name of the file", "959 4.1.3"),
    "ABOR": ("gives up the transfer", "959 4.1.3"),
    "DELE": ("deletes a file", "959 4.1.3"),
    "RMD": ("removes a directory", "959 4.1.3"),
    "MKD": ("makes a directory", "959 4.1.3"),
    "PWD": ("asks for the working directory", "959 4.1.3"),
    "LIST": ("asks for a listing for people", "959 4.1.3"),
    "NLST": ("asks for the names in a directory", "959 4.1.3"),
    "MLSD": ("asks for a listing for programs", "3659 7"),
    "MLST": ("asks for the facts about one name", "3659 7"),
    "SITE": ("something that only this kind of server knows", "959 4.1.3"),
    "SYST": ("asks which kind of system it is", "959 4.1.3"),
    "STAT": ("asks for the state, or for a listing on this connection", "959 4.1.3"),
    "HELP": ("asks for help, in words for people", "959 4.1.3"),
    "NOOP": ("says nothing, to hear that the server is still there", "959 4.1.3"),
    "FEAT": ("asks what the server can do beyond RFC 959", "2389 3"),
    "OPTS": ("sets an option of another command", "2389 4"),
    "SIZE": ("asks for the octets that RETR would bring", "3659 4"),
    "MDTM": ("asks when a file was changed, in UTC", "3659 3"),
    "AUTH": ("asks to go on inside TLS", "4217 4"),
    "PBSZ": ("comes before PROT; with TLS it is 0", "4217 9"),
    "PROT": ("P: TLS on the data connections too; C: none", "4217 9"),
    "CCC": ("asks to go on without TLS", "4217 5"),
}
UNKNOWN: Row = ("not a command that is known here", "959 4.2")
DATA: Table = {
    "RETR": ("the file, as it is", "959 3.4.1"),
    "STOR": ("the file, as it is", "959 3.4.1"),
    "STOU": ("the file, as it is", "959 3.4.1"),
    "APPE": ("what is added to the file", "959 3.4.1"),
    "LIST": ("a listing for people: no form is prescribed", "959 4.1.3"),
    "NLST": ("a name in each line", "959 4.1.3"),
    "MLSD": ("facts, a space and a name in each line", "3659 7"),
}
WHOLE: Row = ("the data were whole: only this says so", "959 5.4")
REPLIES: Table = {
    "greeting 220": ("the server is ready", "959 5.4"),
    "USER 331": ("go on with PASS", "959 4.2.2"),
    "PASS 332": ("go on with ACCT", "959 4.2.2"),
    "230": ("logged in", "959 4.2.2"),
    "PASS 530": ("the server doesn't believe it", "959 4.2.2"),
    "PASV 227": ("four numbers of the address, two of the port: 256 p1 + p2", "959 4.1.2"),
    "EPSV 229": ("the port, and on purpose no address", "2428 3"),
    "PORT 200": ("the server will connect there", "959 4.1.2"),
    "EPRT 200": ("the server will connect there", "2428 2"),
    "REST 350": ("noted; it holds for the next command", "3659 5"),
    "RNFR 350": ("it is there; go on with RNTO", "959 5.4"),
    "PWD 257": ("the directory, in quotes", "959 4.2.2"),
    "MKD 257": ("made; its path is in quotes", "959 4.2.2"),
    "SIZE 213": ("the size in octets", "3659 4"),
    "SIZE 550": ("not there, or no size can be told in TYPE A", "3659 4"),
    "MDTM 213": ("year, month, day, hour, minute, second, in UTC", "3659 3"),
    "FEAT 211": ("a feature in each line", "2389 3"),
    "AUTH 234": ("the handshake may begin", "4217 4"),
    "QUIT 221": ("goodbye; the server closes the connection", "959 4.2.2"),
    "125": ("the data connection is open, and the data flow", "959 4.2.2"),
    "150": ("the data connection will be opened, and the data flow", "959 4.2.2"),
    "226": WHOLE,
    **{f"{verb} 250": WHOLE for verb in DATA},
    "250": ("done", "959 4.2.2"),
    "421": ("the server has to close the connection", "959 4.2.2"),
    "425": ("the data connection could not be opened", "959 4.2.2"),
    "426": ("the data connection broke: the data are not whole", "959 4.2.2"),
    "450": ("the file is in use", "959 4.2.2"),
    "500": ("not understood", "959 4.2.2"),
    "501": ("the command is known, its argument isn't understood", "959 4.2.2"),
    "502": ("known, but not done here", "959 4.2.2"),
    "503": ("not at this point", "959 4.2.2"),
    "504": ("not with this argument", "959 4.2.2"),
    "EPRT 522": ("not with this kind of address", "2428 2"),
    "EPSV 522": ("not with this kind of address", "2428 2"),
    "530": ("first say who you are", "959 4.2.2"),
    "550": ("not there, or not allowed", "959 4.2.2"),
    "552": ("no room left", "959 4.2.2"),
    "553": ("this name is not allowed", "959 4.2.2"),
    "1": ("begun: another reply follows", "959 4.2"),
    "2": ("done", "959 4.2"),
    "3": ("go on: the server waits for the rest", "959 4.2"),
    "4": ("no, for now: the same may work later", "959 4.2"),
    "5": ("no: the same won't work later", "959 4.2"),
}
NO_REPLY: Row = ("not a reply: it should begin with three digits", "959 4.2")
WITHOUT_QUIT: Row = ("the connection ends without QUIT", "959 4.1.1")
CLOSED: Row = ("the session is over", "959 4.1.1")
EARLY = "before the data were read: two connections keep no order between them"
OTHER_DATA: Row = ("data whose command was not heard", "959 3.4.1")
ANNOUNCED: Row = ("the data connection that was announced", "959 3.2")
FILE_END: Row = ("the end of this connection is the end of the data", "959 3.4.1")
SECRETS = [
    re.compile(rb"(?is)\A[\s\xf0-\xff]*(?:PASS|ACCT)[^\w\r\n]" + REST),
    re.compile(rb"(?is)\A\s*ADAT[ \t]+" + REST),
]
REPLY = re.compile(rb"([1-6][0-9]{2})(?=[ \r\n-]|\Z)")
SIX_NUMBERS = re.compile(r"(?<!\d)\d+,\d+,\d+,\d+,(\d{1,3}),(\d{1,3})(?!\d)", re.ASCII)
EXTENDED = re.compile(r"\((.)\1\1(\d{1,5})\1\)", re.ASCII)
EPRT = re.compile(r"(.)[12]\1[^ ]*?\1(\d{1,5})\1", re.ASCII)
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
COMMAND_OCTETS = bytes(range(240, 256))  # of Telnet, which the control connection is


class Grammar:
    """What was asked and not answered yet, and what the server remembers."""

    def __init__(self, greeting: bool = True) -> None:
        # each with its argument
        self._asked = deque([("greeting", "")] if greeting else [])
        self._waiting: list[Data] = []  # open, and no command was heard for it
        self._open: set[Data] = set()  # data connections
        self._transfer = ""  # a command whose data connection was not heard yet
        self._begin()

    def _begin(self) -> None:
        self._stage = "not logged in"
        self._kept = {"TYPE": "A"}  # RFC 959 section 5.1
        self._directory = ""

    @property
    def state(self) -> str:
        kept = [f"{name} {argument}" for name, argument in self._kept.items()]
        where = [f"directory {self._directory}"] if self._directory else []
        return ", ".join([self._stage] * (self._stage != "logged in") + kept + where)

    def next(self, speaker: str) -> Next:
        return Next("free reply", "reply") if speaker == "S" else LINE

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        return self._command(data) if speaker == "C" else self._reply(data)

    def _command(self, data: bytes) -> Said:
        line = data.translate(None, COMMAND_OCTETS) if b"\xff" in data else data
        name, argument = verb(line), " ".join(words(line)[1:])
        self._asked.append((name, "" if name in ("PASS", "ACCT") else argument))
        if name in DATA:
            self._transfer_by(f"{name} {argument}".strip())
        row = COMMANDS.get(name, UNKNOWN)
        said = Said("command" if name else "unknown", row, hidden(SECRETS, data))
        if name == "PORT":
            said.port = six_numbers(argument)
        elif name == "EPRT":
            said.port = extended(EPRT, argument)
        return said

    def _reply(self, data: bytes) -> Said:
        found = REPLY.match(data)
        if not found:
            return Said("unknown", NO_REPLY)
        code = found[1].decode("ascii")
        name, argument = self._asked[0] if self._asked else ("", "")
        if self._asked and code[0] != "1":
            self._asked.popleft()
        said = Said("reply", explain(REPLIES, f"{name} {code}", code, code[0]))
        said.notes = [] if name else ["nobody asked"]
        if code == "226" and self._open:
            said.notes.append(EARLY)
        text = " ".join(words(data))
        if code in ("227", "229"):
            self._waiting.clear()
            said.port = six_numbers(text) if code == "227" else extended(EXTENDED, text)
        if code[0] != "1" and name in (*DATA, "RNTO"):
            self._forget("REST", "RNFR")
        if code[0] in "45":
            self._transfer = ""  # there will be no data
        if code[0] in "23":
            self._move(name, argument, code, text)
        return said

    def _move(self, name: str, argument: str, code: str, text: str) -> None:
        """What a yes changes."""
        if code == "230":
            self._stage = "logged in"
        elif name == "QUIT":
            self._stage = "over"
        elif name in ("TYPE", "REST", "RNFR", "PROT"):
            self._kept[name] = argument
        elif name == "REIN":
            self._begin()
        elif name == "CWD":
            self._go(argument)
        elif name == "CDUP":
            self._go("..")
        elif name == "PWD" and (quoted := QUOTED.search(text)):
            self._directory = quoted[1].replace('""', '"')

    def _forget(self, *names: str) -> None:
        for name in names:
            self._kept.pop(name, None)

    def _go(self, path: str) -> None:
        """Into a directory; where it is known only by its name, it isn't known."""
        if self._directory or path.startswith("/"):
            self._directory = posixpath.normpath(posixpath.join(self._directory, path))

    def open_data(self) -> "Data":
        """The grammar of a data connection that is opened now."""
        data = Data(self, self._transfer)
        if not self._transfer:
            self._waiting.append(data)
        self._transfer = ""
        self._open.add(data)
        return data

    def close_data(self, data: "Data") -> None:
        self._open.discard(data)

    def _transfer_by(self, command: str) -> None:
        """The command comes before or after its data connection is open."""
        if self._waiting:
            self._waiting.pop(0).command = command
        else:
            self._transfer = command

    def secured(self) -> "Grammar":
        return Grammar(greeting=("greeting", "") in self._asked)

    def closed(self) -> Row:
        return CLOSED if self._stage == "over" else WITHOUT_QUIT


class Data:
    """A data connection: octets, up to its end."""

    def __init__(self, control: Grammar, command: str) -> None:
        self._control = control
        self.command = command

    @property
    def state(self) -> str:
        return self._control.state

    def next(self, speaker: str) -> Next:
        return Next("close", "data")

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        notes = [f"for {self.command}"] if self.command else []
        return Said("data", DATA.get(self.command.split(" ")[0], OTHER_DATA), notes=notes)

    def secured(self) -> "Data":
        return self

    def closed(self) -> Row:
        self._control.close_data(self)
        return FILE_END


def six_numbers(text: str) -> int:
    """The port in "h1,h2,h3,h4,p1,p2"; 0 if there is none."""
    found = SIX_NUMBERS.search(text)
    return int(found[1]) * 256 + int(found[2]) if found else 0


def extended(form: re.Pattern[str], text: str) -> int:
    """The port in the form of EPRT or of the reply to EPSV; 0 if there is none."""
    found = form.search(text)
    return int(found[2]) if found else 0
