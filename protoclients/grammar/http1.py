"""HTTP/1.1 (RFC 9110, RFC 9112): heads, and the four ways in which a body ends.

A response says how long its body is only together with the request: after HEAD there is
none, whatever its fields say. So the methods that wait for an answer are the state.
"""

import re
from collections import deque

from . import Next, Row, Said, Table, explain, hidden
from .framing import chunk_size

METHODS: Table = {
    "GET": ("asks for what is at the target", "9110 9.3.1"),
    "HEAD": ("asks for the head alone that GET would bring", "9110 9.3.2"),
    "POST": (
        "gives a body to what is at the target, to be dealt with",
        "9110 9.3.3",
    ),
    "PUT": ("stores the body at the target", "9110 9.3.4"),
    "DELETE": ("takes away what is at the target", "9110 9.3.5"),
    "CONNECT": ("asks a proxy for a tunnel to another host", "9110 9.3.6"),
    "OPTIONS": ("asks what can be done with the target", "9110 9.3.7"),
    "TRACE": ("asks for the request itself, as it arrives", "9110 9.3.8"),
    "PATCH": ("changes a part of what is at the target", "5789 2"),
}
OTHER_METHOD: Row = ("a method that is not among the usual ones", "9110 16.1")
STATUSES: Table = {
    "100": ("go on and send the body", "9110 15.2.1"),
    "101": ("from here on another protocol is spoken", "9110 15.2.2"),
    "103": ("early hints; the real response is yet to come", "8297 2"),
    "1": ("an interim response: the final one is yet to come", "9110 15.2"),
    "200": ("done, and here is what was asked for", "9110 15.3.1"),
    "201": ("something new was made", "9110 15.3.2"),
    "202": ("taken, but not done yet", "9110 15.3.3"),
    "204": ("done; there is nothing to send, so no body follows", "9110 15.3.5"),
    "206": ("a part, as asked for by Range", "9110 15.3.7"),
    "2": ("done", "9110 15.3"),
    "301": ("moved for good to Location; the method may become GET", "9110 15.4.2"),
    "302": ("for now at Location; the method may become GET", "9110 15.4.3"),
    "303": ("see Location, with GET", "9110 15.4.4"),
    "304": ("not changed: use what you have; no body follows", "9110 15.4.5"),
    "307": ("for now at Location; the method stays", "9110 15.4.8"),
    "308": ("moved for good to Location; the method stays", "9110 15.4.9"),
    "3": ("go on somewhere else", "9110 15.4"),
    "400": ("the server can't understand the request", "9110 15.5.1"),
    "401": ("say who you are: see WWW-Authenticate", "9110 15.5.2"),
    "403": ("understood, and refused", "9110 15.5.4"),
    "404": ("nothing is there", "9110 15.5.5"),
    "405": ("not with this method: see Allow", "9110 15.5.6"),
    "407": ("say to the proxy who you are", "9110 15.5.8"),
    "408": ("the request took too long", "9110 15.5.9"),
    "411": ("the request needs a Content-Length", "9110 15.5.12"),
    "413": ("the body is too large", "9110 15.5.14"),
    "414": ("the target is too long", "9110 15.5.15"),
    "416": ("the part that Range asks for isn't there", "9110 15.5.17"),
    "417": ("the server doesn't do what Expect asks for", "9110 15.5.18"),
    "426": ("use another protocol: see Upgrade", "9110 15.5.22"),
    "429": ("too many requests: later, see Retry-After", "6585 4"),
    "4": ("an error of the client", "9110 15.5"),
    "500": ("the server failed", "9110 15.6.1"),
    "501": ("the server doesn't know the method", "9110 15.6.2"),
    "502": ("a server behind this one gave a wrong answer", "9110 15.6.3"),
    "503": ("not now: too busy, or under repair", "9110 15.6.4"),
    "504": ("a server behind this one gave no answer in time", "9110 15.6.5"),
    "5": ("an error of the server", "9110 15.6"),
}
BODIES: Table = {
    "chunked": ("the body, in chunks", "9112 7.1"),
    "counted": ("the body, as long as Content-Length says", "9112 6.3"),
    "close": ("the body, up to the end of the connection", "9112 6.3"),
    "chunk": ("a chunk: its size in hexadecimal, so many octets, a line end", "9112 7.1"),
    "last chunk": ("the chunk of size 0: the body is whole", "9112 7.1"),
    "no chunk": ("not a chunk: it should begin with a size in hexadecimal", "9112 7.1"),
    "gap": ("the rest of the body; where its chunks end was not kept", "9112 7.1"),
    "trailer": ("fields that came after the body", "9112 7.1.2"),
    "no trailer": ("an empty line: no fields come after the body", "9112 7.1.2"),
    "empty line": ("an empty line before a request, to be passed over", "9112 2.2"),
    "not HTTP": ("this is not HTTP, or not any more", ""),
    "no request": ("not a request: method, target and version are wanted", "9112 3"),
    "no response": ("not a response: it should begin with HTTP/1.1", "9112 4"),
    "the end": ("the end of the connection is the end of the body", "9112 6.3"),
    "cut": ("the connection ends before the body is whole", "9112 8"),
    "unanswered": ("the connection ends before the response", "9112 8"),
    "idle": ("the connection ends, and no request waits", "9112 9.6"),
}
# A field's value, with the lines that continue it.
VALUE = rb"[ \t]*:[ \t]*%b((?:[^\r\n]|\r(?!\n)|\r?\n[ \t])*+)"
SCHEME = rb"(?:(?:Basic|Bearer|Digest|NTLM|Negotiate|Token)[ \t]+)?"  # is shown
# Names of what is secret: "new_password", "X-Vault-Token", "user[pwd]". Their length has a
# limit, so that no name is looked through again and again.
NAME = rb"[\w.%\[\]-]{0,40}"
DELICATE = (
    rb"(?:(?<!by)(?<!com)pass(?:w|code|phrase|_|[0-9]|\b(?!-))|pwd|secret|token(?!s)"
    rb"|signature|credential|(?:api|access|auth)[_-]?key)"
)
NAMED = rb"(?:" + NAME + DELICATE + NAME + rb"|key)=([^&#\s]+)"
SECRETS = [
    re.compile(rb"(?im)^(?:Proxy-)?Authorization" + VALUE % SCHEME),
    re.compile(rb"(?im)^(?:Cookie|" + NAME + DELICATE + NAME + rb")" + VALUE % b""),
    re.compile(rb"(?im)^Set-Cookie[ \t]*:[ \t]*(?:[^=;\r\n]*=)?([^;\r\n]*)"),
    re.compile(rb"://[^/?#\s:@]*:([^/?#\s]*)@"),  # user:password@ in a URL, and in one
    re.compile(rb"(?i)%3A%2F%2F[^/?#\s:@&%]*%3A([^/?#\s&]{0,200}?)%40"),  # inside a URL
    re.compile(rb"(?i)[?&]" + NAMED),
]
# In bodies, by a word of their Content-Type
BODY_SECRETS = {
    "urlencoded": [re.compile(rb"(?i)(?:^|&)" + NAMED)],
    "json": [
        re.compile(rb'(?is)"(?:' + NAME + DELICATE + NAME + rb'|key)"\s*:\s*' + value)
        for value in (rb'"((?:[^"\\]|\\.)*+)', rb"(-?[0-9][0-9.]*)")
    ],
    "multipart": [
        re.compile(
            rb'(?i)\bname="?' + NAME + DELICATE + NAME
            + rb'"?[^\r\n]{0,200}+\r\n(?:[^\r\n]{1,500}+\r\n){0,5}+\r\n([^\r\n]+)'
        )
    ],
}  # fmt: skip
REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/[0-9]")
RESPONSE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})")
FIELD = re.compile(rb"(?m)^([^:\s]+)[ \t]*:(.*)$")
HEAD = Next("head", "head")
SHOWN = 5  # chunks, each for itself; the others are folded into one step


class Grammar:
    """Which requests wait for an answer, and what comes next on each side."""

    def __init__(self, greeting: bool = True) -> None:
        self._asked: deque[str] = deque()
        self._next = {"C": HEAD, "S": HEAD}
        self._chunks = {"C": 0, "S": 0}
        self._body_secrets: dict[str, list[re.Pattern[bytes]]] = {"C": [], "S": []}
        self._expects = False  # the client waits for a 100 before it sends the body

    @property
    def state(self) -> str:
        for speaker, name in (("S", "response"), ("C", "request")):
            what = self._next[speaker]
            if what.how == "turn":
                return "not HTTP any more"
            if what is not HEAD:
                return f"{name} body: {_framing(what)}"
        waiting = len(self._asked)
        return f"{waiting} request{'s' * (waiting > 1)} unanswered" if waiting else "idle"

    def next(self, speaker: str) -> Next:
        return self._next[speaker]

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        if what.kind == "head":
            said = self._request(data) if speaker == "C" else self._response(data)
            said.secrets = hidden(SECRETS, data)
        elif what.kind == "chunk":
            said = self._chunk(speaker, data, gap=what.octets > len(data))
            said.secrets = hidden(self._body_secrets[speaker], data)
        elif what.kind == "trailer":
            self._next[speaker] = HEAD
            said = Said("trailer", BODIES["trailer" if data.strip() else "no trailer"])
            said.secrets = hidden(SECRETS, data)
        elif what.how == "turn":
            said = Said(what.kind, BODIES["not HTTP"])
        else:
            self._next[speaker] = HEAD
            said = Said("body", BODIES[what.how])
            said.secrets = hidden(self._body_secrets[speaker], data)
        return said

    def _request(self, data: bytes) -> Said:
        found = REQUEST.match(data)
        if not found:
            return Said("unknown", BODIES["no request" if data.strip() else "empty line"])
        method, fields = found[1].decode("ascii"), _fields(data)
        self._asked.append(method)
        self._body_secrets["C"] = _body_secrets(fields)
        self._expects = fields.get("expect", "").lower() == "100-continue"
        self._next["C"] = _body(fields, HEAD)
        return Said("head", METHODS.get(method, OTHER_METHOD))

    def _response(self, data: bytes) -> Said:
        found = RESPONSE.match(data)
        if not found:
            return Said("unknown", BODIES["no response"])
        code = found[1].decode("ascii")
        said = Said("head", explain(STATUSES, code, code[0]))
        said.notes = [] if self._asked else ["nobody asked"]
        if code == "100":
            self._expects = False
        if code[0] == "1" and code != "101":
            return said
        method = self._asked.popleft() if self._asked else ""
        if code == "101" or (method == "CONNECT" and code[0] == "2"):
            self._next = dict.fromkeys("CS", Next("turn", "data"))
            return said
        if self._expects and not self._asked:
            self._next["C"] = HEAD  # answered before the body: it won't come any more
        if method != "HEAD" and code not in ("204", "304"):
            fields = _fields(data)
            self._body_secrets["S"] = _body_secrets(fields)
            self._next["S"] = _body(fields, Next("close", "body"))
        return said

    def _chunk(self, speaker: str, data: bytes, gap: bool) -> Said:
        size = chunk_size(data)
        if size < 0 and gap:
            self._next[speaker] = HEAD
            return Said("body", BODIES["gap"])
        if size < 0:
            self._next[speaker] = Next("turn", "body")
            return Said("unknown", BODIES["no chunk"])
        if size:
            self._chunks[speaker] += 1
            return Said("chunk", BODIES["chunk"], fold=self._chunks[speaker] > SHOWN)
        self._chunks[speaker] = 0
        self._next[speaker] = Next("head", "trailer")
        return Said("chunk", BODIES["last chunk"])

    def secured(self) -> "Grammar":
        return Grammar()

    def closed(self) -> Row:
        if self._next["S"].how == "close":
            return BODIES["the end"]
        if self._next["S"] is not HEAD or self._next["C"] is not HEAD:
            return BODIES["not HTTP" if self._next["S"].how == "turn" else "cut"]
        return BODIES["unanswered" if self._asked else "idle"]


def _fields(head: bytes) -> dict[str, str]:
    """The fields of a head, their names in lower case; several of a name are one list."""
    fields: dict[str, str] = {}
    for name, value in FIELD.findall(head):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _body_secrets(fields: dict[str, str]) -> list[re.Pattern[bytes]]:
    """What to look for in the body after a head."""
    kind = fields.get("content-type", "").lower()
    return [found for word in BODY_SECRETS if word in kind for found in BODY_SECRETS[word]]


def _body(fields: dict[str, str], otherwise: Next) -> Next:
    """How the end of a body is found (RFC 9112 section 6.3)."""
    if "transfer-encoding" in fields:
        last = fields["transfer-encoding"].lower().split(",")[-1].strip()
        return Next("chunk", "chunk") if last == "chunked" else Next("close", "body")
    if "content-length" in fields:
        lengths = set(re.split(r"[ \t]*,[ \t]*", fields["content-length"]))
        length = lengths.pop()
        if lengths or not re.fullmatch("[0-9]{1,19}", length):
            return Next("close", "body")
        return Next("counted", "body", int(length)) if int(length) else HEAD
    return otherwise


def _framing(what: Next) -> str:
    if what.how == "counted":
        return f"Content-Length {what.octets}"
    return "until close" if what.how == "close" else "chunked"
