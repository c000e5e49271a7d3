"""What the servers say, rendered before anybody asks: so nothing is computed meanwhile."""

import base64
import random
from typing import NamedTuple

from .items import KIB, PIECE, Item

# A line of mail as most are: 76 characters and CR LF.
LINE = b"This is a line of mail. It has a full stop, or two, as lines have. And so on\r\n"
# Any octets but those that telnetlib drops, NUL and DC1.
BINARY = bytes(octet for octet in range(256) if octet not in b"\0\x11")

CHUNKS = {
    "http-chunked-64k": (64 * KIB, 64 * KIB),
    "http-chunked-100": (100, 100),
    "http-chunked-mixed": (50, 150),
}
HEAD = (
    "HTTP/1.1 200 OK\r\n"
    "Server: bench\r\n"
    "Date: Tue, 01 Sep 2026 12:00:00 GMT\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Last-Modified: Mon, 31 Aug 2026 12:00:00 GMT\r\n"
    'ETag: "6a959ac0-c8"\r\n'
    "{}\r\n"
    "\r\n"
)
LISTINGS = {
    "ftp-list": "-rw-r--r--   1 ftp  ftp  12345 Sep 01 12:00 {n:05}.txt\r\n",
    "ftp-mlsd": "type=file;size=12345;modify=20260901120000;perm=r; {n:05}.txt\r\n",
    "pop3-uidl": "{n} 6a959ac0.{n:010}\r\n",
    "nntp-over": (
        "{n}\tRe: A subject of some words\tA Student <student@example.test>\t"
        "Tue, 01 Sep 2026 12:00:00 +0000\t<{n}@example.test>\t<{n}.0@example.test>\t"
        "2048\t26\r\n"
    ),
}


class Answer(NamedTuple):
    """What a server says to one command: `head`, `block` so many `times`, `tail`."""

    head: bytes
    block: bytes = b""
    times: int = 0
    tail: bytes = b""

    @property
    def octets(self) -> int:
        return len(self.head) + len(self.block) * self.times + len(self.tail)


def text(size: int) -> bytes:
    """Lines of mail; the last is shorter, and one in fifty begins with a dot."""
    count, rest = divmod(size, len(LINE))
    lines = [b"." + LINE[1:] if n % 50 == 25 else LINE for n in range(count)]
    return b"".join(lines) + last_line(rest)


def last_line(rest: int) -> bytes:
    """A line of so many octets, which fills up what whole ones have left."""
    return b"\r\n".rjust(rest, b"x") if rest else b""


def attachment(size: int) -> bytes:
    """Lines of base64, as nearly all of a long mail is; the last is shorter."""
    count, rest = divmod(size, len(LINE))
    octets = random.Random(1).randbytes(count * 57)  # 57 octets make 76 characters
    lines = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return lines + last_line(rest)


def message(size: int) -> bytes:
    """What mails and articles are made of: a short one is text, a long one an attachment."""
    return text(size) if size < PIECE else attachment(size)


def dotted(head: bytes, size: int) -> Answer:
    """`head`, and a message of `size` octets as a dot-block."""
    piece = min(size, PIECE)
    stuffed = message(piece).replace(b"\r\n.", b"\r\n..")
    if size == piece:
        return Answer(head + stuffed + b".\r\n")
    return Answer(head, stuffed, size // piece, b".\r\n")


def listing(head: bytes, form: str, count: int, tail: bytes = b"") -> Answer:
    """`head`, and a line for each number from 1 to `count`."""
    lines = "".join(form.format(n=n) for n in range(1, count + 1))
    return Answer(head + lines.encode() + tail)


def http(item: Item) -> Answer:
    """The answer to any request."""
    if item.name == "http-put":
        return Answer(HEAD.format("Content-Length: 0").encode())
    if item.name in CHUNKS:
        head = HEAD.format("Transfer-Encoding: chunked").encode()
        block = chunked(*CHUNKS[item.name])
        return Answer(head, block, item.size // PIECE, b"0\r\n\r\n")
    head = HEAD.format(f"Content-Length: {item.size}").encode()
    if item.size < PIECE:
        return Answer(head + text(item.size))
    return Answer(head, text(PIECE), item.size // PIECE)


def chunked(least: int, most: int) -> bytes:
    """One piece in chunks of `least` to `most` octets, the last one perhaps smaller."""
    rest, chunks, dice = text(PIECE), [], random.Random(1)
    while rest:
        chunk = rest[: dice.randint(least, most)]
        chunks.append(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        rest = rest[len(chunk) :]
    return b"".join(chunks)


def ftp(item: Item) -> Answer:
    """What comes over the data connection."""
    if item.name in LISTINGS:
        return listing(b"", LISTINGS[item.name], item.number)
    if item.size < PIECE:
        return Answer(text(item.size))
    return Answer(b"", text(PIECE), item.size // PIECE)


def pop3(item: Item) -> dict[bytes, Answer]:
    """The answers by command."""
    answers = {
        b"CAPA": Answer(b"+OK\r\nUSER\r\nPIPELINING\r\nUIDL\r\nTOP\r\n.\r\n"),
        b"USER": Answer(b"+OK\r\n"),
        b"PASS": Answer(b"+OK\r\n"),
        b"QUIT": Answer(b"+OK\r\n"),
    }
    if item.name == "pop3-uidl":
        answers[b"UIDL"] = listing(b"+OK\r\n", LISTINGS[item.name], item.number, b".\r\n")
        return answers
    for number in range(1, item.number + 1):
        answers[b"RETR %d" % number] = dotted(b"+OK %d octets\r\n" % item.size, item.size)
    return answers


def nntp(item: Item) -> dict[bytes, Answer]:
    """The answers by command."""
    answers = {
        b"CAPABILITIES": Answer(
            b"101\r\nVERSION 2\r\nREADER\r\nOVER\r\nLIST ACTIVE\r\n.\r\n"
        ),
        b"MODE READER": Answer(b"200 hello\r\n"),
        b"GROUP": Answer(b"211 %d 1 %d misc.test\r\n" % (item.number, item.number)),
        b"LIST OVERVIEW.FMT": Answer(b"503 the usual\r\n"),
        b"QUIT": Answer(b"205 bye\r\n"),
    }
    if item.name == "nntp-over":
        form = LISTINGS[item.name]
        answers[b"OVER"] = listing(b"224 lines follow\r\n", form, item.number, b".\r\n")
        return answers
    verb, code = (b"BODY", 222) if item.name == "nntp-body" else (b"ARTICLE", 220)
    for number in range(1, item.number + 1):
        head = b"%d %d <%d@example.test>\r\n" % (code, number, number)
        answers[b"%b %d" % (verb, number)] = dotted(head, item.size)
    return answers


def telnet(item: Item) -> Answer:
    """All that is said, to anybody who connects."""
    piece = text(PIECE)
    if item.name == "telnet-binary":
        piece = bytes(random.Random(1).choices(BINARY, k=PIECE))
        piece = piece.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0")
    return Answer(b"", piece, item.size // PIECE)


def smtp(item: Item) -> bytes:
    """The answer to EHLO."""
    chunking = b"250-CHUNKING\r\n" if item.name == "smtp-bdat" else b""
    return b"250-bench\r\n250-PIPELINING\r\n250-SIZE 0\r\n" + chunking + b"250 8BITMIME\r\n"
