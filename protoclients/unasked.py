"""What a client did that nobody asked for, and why.

Told by the rows of `RULES`. A command was asked for if the line of the job that led to it
has its name, or one that `MEANS` it; a header field, if the job's code has its name.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .alignment import asked_by, verb
from .conversation import Conversation, Step
from .grammar import source
from .jobs import Job, Lab


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that a side did unasked; `step` is where it did so first."""

    what: str
    why: str
    source: str  # such as "RFC 1870 section 4"; "" where no RFC has a say in it
    step: Step
    times: int = 1


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
    Rule("ftp", "S reply", r"\A227 .*?(?<!\d)(\d{1,3}(?:,\d{1,3}){3}),",
         "the host {} not followed",
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


def unasked(talks: list[Conversation], asker: _Asking) -> list[Remark]:
    """What a side did that nobody asked for, in the order in which it began."""
    rules = [
        rule
        for rule in RULES
        if re.fullmatch(rule.protocol, asker.protocol) and re.search(rule.by, asker.client)
    ]
    found: dict[tuple[str, str, str], list[tuple[str, Step]]] = {}
    for talk in talks:
        if talk.protocol != asker.protocol or talk.side != "client":
            continue
        for step, asked in zip(talk.steps, asked_by(talk), strict=True):
            for rule, what in _told(step, asked, asker, rules):
                # What only one client does, and no RFC asks for, has no source.
                where = source(("", rule.source)) or ("" if rule.by else step.source)
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
