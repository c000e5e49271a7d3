"""Servers that say anything: octets in any order, cut anywhere, and then silence or an end.

`PIECES` are what a server of each protocol may rightly say; hypothesis mixes them with
`JUNK`, in an order that no server would choose.
"""

import contextlib
import datetime
import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Telnet
from protoclients.telnet import BINARY, ECHO, NAWS, SGA, TTYPE, WILL

OPTIONS = {BINARY, ECHO, NAWS, SGA, TTYPE}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MAIL = b"Subject: x\n\n.x\n"

JUNK = [
    b"\n", b"\r", b"\0", b"\xff", b"\xc3(", b"2", b"x" * 300, b"\r\n", b" ", b"-1", b".",
    b"999 x\r\n", b"22 x\r\n", b"2500 x\r\n", b"250_x\r\n", b"+250 x\r\n", "²³⁴ x\r\n".encode(),
    b"+OKAY\r\n", b"\r\n.\r\n", b"..\r\n", b"99999999999999999999999 1\r\n", b"421 bye\r\n",
]  # fmt: skip

PIECES: dict[str, list[bytes]] = {
    "pop3": [
        b"+OK\r\n", b"+OK 3 400\r\n", b"-ERR no\r\n", b"+OK hi <a@b>\r\n", b".\r\n", b"..x\r\n",
        b"1 2\r\n", b"1 abc\r\n", b"PIPELINING\r\n", b"SASL PLAIN CRAM-MD5\r\n", b"+ \r\n",
        b"+ PDFAYj4=\r\n",
    ],
    "smtp": [
        b"220 hi\r\n", b"250-x\r\n", b"250 PIPELINING\r\n", b"250 ok\r\n", b"354 go\r\n",
        b"550 no\r\n", b"334 \r\n", b"235 ok\r\n", b"250-AUTH PLAIN LOGIN CRAM-MD5\r\n",
        b"250 CHUNKING\r\n", b"450 later\r\n", b"221 bye\r\n",
    ],
    "ftp": [
        b"220 hi\r\n", b"331 pw\r\n", b"230 in\r\n", b"229 x (|||1|)\r\n", b"229 x (|||0|)\r\n",
        b"227 (127,0,0,1,0,1)\r\n", b"227 (9,9,9,9,300,1)\r\n", b"150 go\r\n", b"226 done\r\n",
        b"213 44\r\n", b'257 "x""y"\r\n', b"211-f\r\n MLST\r\n211 e\r\n", b"550 no\r\n",
        b"200 ok\r\n", b"350 more\r\n", b"500 what\r\n",
    ],
    "nntp": [
        b"200 hi\r\n", b"201 hi\r\n", b"211 3 1 3 g\r\n", b"220 1 <a@b>\r\n", b"222 1 <a@b>\r\n",
        b"223 1 <a@b>\r\n", b"224 x\r\n", b"1\ta\tb\tc\td\te\tf\tg\r\n", b"1\ta\r\n", b".\r\n",
        b"340 go\r\n", b"240 ok\r\n", b"480 auth\r\n", b"101 c\r\n", b"215 l\r\n", b"g 3 1 y\r\n",
        b"111 20260101000000\r\n", b"381 p\r\n", b"281 ok\r\n", b"430 no\r\n",
    ],
    "http": [
        b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
        b"\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"hello", b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 404 no\r\n", b"Connection: close\r\n", b"Content-Length: 5, 6\r\n",
        b" folded\r\n", b"HTTP/1.1 204 x\r\n\r\n", b"HTTP/1.1 101 x\r\n\r\n", b"5;x=y\r\n",
        b"Content-Length: +5\r\n", b"A : b\r\n", b"0x5\r\n", b"1_0\r\n",
    ],
    "telnet": [
        b"login: ", b"\xff\xfb\x01", b"\xff\xfd\x18", b"\xff\xfa\x18\x01\xff\xf0", b"\xff\xff",
        b"\xff\xfd\x1f", b"\xff", b"\r\0", b"\xff\xf1", b"\xff\xfc\x01", b"\xff\xfe\x18",
        b"\xff\xfa\x18", b"\xff\xf0",
    ],
}  # fmt: skip


def telnet(host: str, port: int, **keywords: Any) -> Telnet:
    return Telnet(host, port, agree=OPTIONS, **keywords)


CLIENTS: dict[str, Callable[..., Any]] = {
    "pop3": POP3,
    "smtp": SMTP,
    "ftp": FTP,
    "nntp": NNTP,
    "http": HTTP,
    "telnet": telnet,
}

# Every public method that talks, with arguments that are right.
CALLS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "pop3": {
        "apop": lambda c: c.apop("u", "p"),
        "auth": lambda c: c.auth("u", "p"),
        "capa": lambda c: c.capa(),
        "dele": lambda c: c.dele(1),
        "dele_many": lambda c: c.dele_many([1, 2]),
        "list": lambda c: c.list(),
        "list one": lambda c: c.list(1),
        "login": lambda c: c.login("u", "p"),
        "noop": lambda c: c.noop(),
        "quit": lambda c: c.quit(),
        "retr": lambda c: c.retr(1),
        "retr into": lambda c: c.retr(1, io.BytesIO()),
        "retr_many": lambda c: c.retr_many([1, 2, 3]),
        "rset": lambda c: c.rset(),
        "stat": lambda c: c.stat(),
        "stls": lambda c: c.stls(),
        "top": lambda c: c.top(1, 1),
        "top_many": lambda c: c.top_many([1, 2]),
        "uidl": lambda c: c.uidl(),
        "uidl one": lambda c: c.uidl(1),
    },
    "smtp": {
        "data": lambda c: c.data(MAIL),
        "ehlo": lambda c: c.ehlo(),
        "helo": lambda c: c.helo(),
        "help": lambda c: c.help(),
        "login": lambda c: c.login("u", "p"),
        "mail": lambda c: c.mail("a@b"),
        "noop": lambda c: c.noop(),
        "quit": lambda c: c.quit(),
        "rcpt": lambda c: c.rcpt("a@b"),
        "rset": lambda c: c.rset(),
        "send": lambda c: c.send("a@b", ["c@d", "e@f"], MAIL),
        "send_many": lambda c: c.send_many(
            [("a@b", ["c@d"], MAIL), ("a@b", ["e@f"], MAIL)]
        ),
        "starttls": lambda c: c.starttls(),
        "vrfy": lambda c: c.vrfy("a"),
    },
    "ftp": {
        "abor": lambda c: c.abor(),
        "appe": lambda c: c.appe("x", b"y"),
        "auth_tls": lambda c: c.auth_tls(),
        "cdup": lambda c: c.cdup(),
        "cwd": lambda c: c.cwd("x"),
        "dele": lambda c: c.dele("x"),
        "feat": lambda c: c.feat(),
        "list": lambda c: c.list(),
        "login": lambda c: c.login("u", "p"),
        "mdtm": lambda c: c.mdtm("x"),
        "mkd": lambda c: c.mkd("x"),
        "mlsd": lambda c: c.mlsd(),
        "nlst": lambda c: c.nlst(),
        "noop": lambda c: c.noop(),
        "pwd": lambda c: c.pwd(),
        "quit": lambda c: c.quit(),
        "rename": lambda c: c.rename("x", "y"),
        "retr": lambda c: c.retr("x"),
        "retr_many": lambda c: c.retr_many(["x", "y"]),
        "rmd": lambda c: c.rmd("x"),
        "size": lambda c: c.size("x"),
        "stat": lambda c: c.stat(),
        "stor": lambda c: c.stor("x", b"y"),
        "syst": lambda c: c.syst(),
    },
    "nntp": {
        "article": lambda c: c.article(1),
        "article into": lambda c: c.article(1, into=io.BytesIO()),
        "article_many": lambda c: c.article_many([1, "<a@b>", None]),
        "body": lambda c: c.body("<a@b>"),
        "body_many": lambda c: c.body_many([1, 2]),
        "capabilities": lambda c: c.capabilities(),
        "date": lambda c: c.date(),
        "group": lambda c: c.group("g"),
        "head": lambda c: c.head(),
        "head_many": lambda c: c.head_many([1, 2]),
        "help": lambda c: c.help(),
        "ihave": lambda c: c.ihave("<a@b>", MAIL),
        "last": lambda c: c.last(),
        "list": lambda c: c.list(),
        "list newsgroups": lambda c: c.list("NEWSGROUPS"),
        "listgroup": lambda c: c.listgroup("g"),
        "login": lambda c: c.login("u", "p"),
        "mode_reader": lambda c: c.mode_reader(),
        "newgroups": lambda c: c.newgroups(NOW),
        "newnews": lambda c: c.newnews("*", NOW),
        "next": lambda c: c.next(),
        "over": lambda c: c.over((1, None)),
        "post": lambda c: c.post(MAIL),
        "quit": lambda c: c.quit(),
        "starttls": lambda c: c.starttls(),
        "stat": lambda c: c.stat(1),
    },
    "http": {
        "delete": lambda c: c.delete("/"),
        "get": lambda c: c.get("/"),
        "get into": lambda c: c.get("/", into=io.BytesIO()),
        "get_many": lambda c: c.get_many(["/a", "/b"]),
        "head": lambda c: c.head("/"),
        "post": lambda c: c.post("/", b"x" * 1000),
        "put file": lambda c: c.put("/", io.BytesIO(b"x" * 1000)),
    },
    "telnet": {
        "ask": lambda c: c.ask(WILL, BINARY),
        "read_all": lambda c: c.read_all(),
        "read_some": lambda c: c.read_some(),
        "read_until": lambda c: c.read_until(b"login: "),
        "write": lambda c: c.write(b"\xff\r\n"),
    },
}


@contextlib.contextmanager
def server(octets: bytes, then_close: bool, cut: int = 0) -> Iterator[int]:
    """Say `octets` to one client, in pieces of `cut` octets if it is not 0, heed nothing,
    and then hang up, or keep silent until the client does. Yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def run() -> None:
        with listener, contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                for start in range(0, len(octets), cut or max(len(octets), 1)):
                    connection.sendall(octets[start : start + (cut or len(octets))])
                if then_close:
                    connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
