"""Servers that do nothing but receive and send, so that they are not what is measured.

    python -m tests.bench.servers ITEM SCALE LISTENER DATA_LISTENER DATA_PORT

The listeners are file numbers of sockets that listen already; `DATA_PORT` is what FTP
tells its clients. A server serves one connection after the other, and knows no more than
its one item needs.
"""

import contextlib
import socket
import sys
from typing import Any

from . import content
from .content import Answer
from .items import BY_NAME, Item

# Linux drops what nobody wants to see without copying it.
DROP = socket.MSG_TRUNC if sys.platform == "linux" else 0


class Talk:
    """The server's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.send = connection.sendall
        self.received = b""
        self.replies = b""

    def stream(self, answer: Answer) -> None:
        """Send a long answer."""
        self.send(answer.head)
        for _ in range(answer.times):
            self.send(answer.block)
        self.send(answer.tail)

    def lines(self) -> list[bytes]:
        """Wait for commands, as many as come at once; none is the end."""
        while b"\n" not in self.received:
            more = self.connection.recv(4096)
            if not more:
                return []
            self.received += more
        *lines, self.received = self.received.split(b"\r\n")
        return lines

    def line(self) -> bytes:
        """Wait for one line; before that, send the replies to those that came before."""
        while b"\n" not in self.received:
            if self.replies:
                self.send(self.replies)
                self.replies = b""
            more = self.connection.recv(4096)
            if not more:
                raise ConnectionError("the client is gone")
            self.received += more
        line, _, self.received = self.received.partition(b"\r\n")
        return line

    def drop(self, count: int) -> None:
        """Receive and forget so many octets."""
        here = len(self.received[:count])
        self.received = self.received[here:]
        count -= here
        space = bytearray(min(count, 1 << 20))
        while count:
            dropped = self.connection.recv_into(space, min(count, len(space)), DROP)
            if not dropped:
                raise ConnectionError("the client is gone")
            count -= dropped


def http(talk: Talk, item: Item, answer: Answer) -> None:
    """Any request gets the same answer."""
    held = b""
    while more := talk.connection.recv(4096):
        *heads, held = (held + more).split(b"\r\n\r\n")
        if heads and item.name == "http-put":
            talk.received, held = held, b""
            talk.drop(item.size)
        if heads and answer.times:
            talk.stream(answer)
        else:
            talk.send(answer.head * len(heads))
        if heads and b"Connection: close" in heads[-1]:
            return


def by_line(talk: Talk, item: Item, answers: dict[bytes, Answer]) -> None:
    """POP3 and NNTP: the answer to a whole line, or to its first word."""
    talk.send(b"+OK hello\r\n" if item.name.startswith("pop3") else b"200 hello\r\n")
    while lines := talk.lines():
        found = [answers.get(line) or answers[line.split(b" ")[0]] for line in lines]
        if found[0].times:
            talk.stream(found[0])
        else:
            talk.send(b"".join([answer.head for answer in found]))


def ftp(talk: Talk, item: Item, answer: Answer, data: socket.socket, port: int) -> None:
    """Files have any name, and are all the same."""
    talk.send(b"220 hello\r\n")
    replies = {
        b"EPSV": b"229 (|||%d|)\r\n" % port,
        b"PASV": b"227 (127,0,0,1,%d,%d)\r\n" % divmod(port, 256),
        b"PWD": b'257 "/"\r\n',
        b"SIZE": b"213 %d\r\n" % item.size,
        b"QUIT": b"221 bye\r\n",
    }
    verb = b""
    while verb != b"QUIT":
        verb = talk.line().split(b" ")[0]
        if verb not in (b"RETR", b"LIST", b"MLSD", b"STOR"):
            talk.send(replies.get(verb, b"200 fine\r\n"))
            continue
        talk.send(b"150 here\r\n")
        connection, _ = data.accept()
        with connection:
            if verb == b"STOR":
                Talk(connection).drop(item.size)
            else:
                Talk(connection).stream(answer)
        talk.send(b"226 done\r\n")


def smtp(talk: Talk, item: Item, hello: bytes) -> None:
    """Mails are all the same, so nobody has to look for their end."""
    size = content.dotted(b"", item.size).octets
    talk.send(b"220 hello\r\n")
    heard = b"DATA"
    while (line := talk.line().upper()) != b"QUIT":
        verb, _, rest = line.partition(b" ")
        if verb == b"DATA":
            talk.send(talk.replies + b"354 go on\r\n")
            talk.replies = b""
            talk.drop(size - len(b"\r\n.\r\n"))
            if (talk.line(), talk.line()) != (b"", b"."):
                raise ConnectionError("that is not the mail")
        elif verb == b"BDAT":
            heard = verb
            talk.drop(int(rest.split()[0]))
        talk.replies += hello if verb == b"EHLO" else b"250 fine\r\n"
    talk.send(talk.replies + b"221 you said %b\r\n" % heard)


def telnet(talk: Talk, item: Item, answer: Answer) -> None:
    """Say all there is to say, and hang up."""
    talk.stream(answer)


def serve(item: Item, listener: socket.socket, data: socket.socket, port: int) -> None:
    """Serve until the parent ends this process."""
    protocol = item.name.partition("-")[0]
    rendered: Any = getattr(content, protocol)(item)
    speak: Any = by_line if protocol in ("pop3", "nntp") else globals()[protocol]
    more = (data, port) if protocol == "ftp" else ()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionError):  # a contestant may just go
            speak(Talk(connection), item, rendered, *more)


if __name__ == "__main__":
    name, scale, listener, data, port = sys.argv[1:]
    serve(
        BY_NAME[name].scaled(float(scale)),
        socket.socket(fileno=int(listener)),
        socket.socket(fileno=int(data)),
        int(port),
    )
