"""The two kinds of no.

A server can answer, and say no: that is `Refused`. It carries the reply, the connection
is as good as before, and the next command may be sent.

Or the conversation itself can break: that is `WireError`, and one of the kinds below it
says how. After it nobody knows what the next octet would mean, so the connection is
closed.

The caller's own mistake (a line end inside an argument, a port of -1) is neither: it is
a `ValueError`, raised before an octet is sent. Nothing else comes out of a client.
"""

from typing import Any


class Refused(Exception):
    """The server understood and said no; the connection is still good, unless the reply is
    the one with which a server hangs up (421 in SMTP and FTP, 400 in NNTP).

    `reply` is the server's answer: a `Reply` where the protocol has three-digit codes,
    the `-ERR` line as `str` in POP3. `done` is what a method on many things had finished
    by then: pairs of the thing asked for and its result. Of a transfer that FTP's server
    gave up it is the octets that came, or how many went or, with `into`, came.
    """

    def __init__(self, reply: Any, done: Any = ()) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.done = done


class WireError(Exception):
    """The conversation broke; the connection is closed.

    `done` is what a method on many things had finished by then: pairs of the thing
    asked for and its result. Of one long thing it is the octets that came, or with `into`
    how many they were; of a listing, its rows.
    """

    done: Any = ()


class ProtocolError(WireError):
    """The server said something that its protocol does not allow."""


class LimitExceeded(WireError):
    """The server said more than the limit named in the message allows."""


class Disconnected(WireError, ConnectionError):
    """The server is not there, or hung up before its answer was whole."""


class TooSlow(WireError, TimeoutError):
    """The answer was not whole within the timeout."""
