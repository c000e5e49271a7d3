"""Protocols that have no grammar here: what is said is shown as it is.

The secrets are those that have the same form in many protocols.
"""

import re

from . import ALL, NOTHING, REST, Next, Row, Said, hidden
from .http1 import SECRETS as FIELDS_AND_URLS

MECHANISM = (  # of SASL: what may follow AUTH and is no secret
    rb"(?:PLAIN|LOGIN|EXTERNAL|ANONYMOUS|GSSAPI|NTLM|XOAUTH2|OAUTHBEARER"
    rb"|CRAM-MD5|DIGEST-MD5|SCRAM-SHA-[0-9]+(?:-PLUS)?)"
)
SECRETS = [
    re.compile(rb"(?im)^[^\S\n]*+PASS\s+([^\r\n]+)"),
    re.compile(rb"(?im)^(?:\S+ +)?LOGIN +(?:\"[^\"\r\n]*\"|\S+) +([^\r\n]+)"),  # IMAP
    re.compile(rb"(?im)^(?:\S+ +)?(?:AUTH|AUTHENTICATE) +\S+ +([^\r\n]+)"),
    # Redis: a command in one line, or as an array of strings
    re.compile(rb"(?im)^AUTH +(?!" + MECHANISM + rb"\r?$)(\S+)\r?$"),
    re.compile(rb"(?is)\$4\r\nAUTH\r\n(.+)"),
    *FIELDS_AND_URLS,
]
ASKS_FOR_ONE = re.compile(rb"(?im)^(?:\S+ +)?(?:AUTH|AUTHENTICATE) +\S+")
ANSWER = re.compile(rb"(?s)" + REST)


class Grammar:
    """Turns of two sides, or datagrams."""

    state = ""

    def __init__(self, greeting: bool = True) -> None:
        self._in_exchange = False

    def next(self, speaker: str) -> Next:
        return ALL

    def read(self, speaker: str, what: Next, data: bytes) -> Said:
        secrets = hidden(SECRETS, data)
        if speaker == "C":
            if self._in_exchange:
                secrets = hidden([ANSWER], data)
            self._in_exchange = bool(self._in_exchange or ASKS_FOR_ONE.search(data))
        elif not data.startswith((b"+", b"3")):  # it doesn't ask for more
            self._in_exchange = False
        return Said(what.kind, NOTHING, secrets)

    def secured(self) -> "Grammar":
        return Grammar()

    def closed(self) -> Row:
        return NOTHING
