"""FTP: files over two connections (RFC 959).

    control     commands and replies, from the client to port 21, as long as the session
    data        opened for one file or listing, and its end is the file's end

    connected   220 from the server
        |       AUTH TLS, PBSZ 0, PROT P: encrypt both connections       (RFC 4217)
        |       USER 331 PASS 230                                        who are you?
    logged in   TYPE I                    octets as they are
        |       EPSV 229 or PASV 227      the server names a port, and we connect to it
        |       RETR 150                  the data flow now
        |          226                    and were whole: only this says so
    logged in   QUIT 221

Port 20 does not appear: it is where the *server's* end of a data connection lies in active
mode (section 3.2), when the client names a port by PORT and the server connects.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Self, TypeVar, overload

from .errors import Disconnected, LimitExceeded, ProtocolError, Refused, WireError
from .octets import as_line, check_sink, check_source, in_pieces, octets, text
from .reply import Reply, expect, read_reply
from .wire import LIMITS, TLS, Door, Limits, Wire, exchange

PORT, TLS_PORT = 21, 990

# Six numbers in decimal; RFC 1123 section 4.1.2.6 says not to rely on the brackets.
HOST_PORT = re.compile(r"(?<![0-9])" + ",".join(["([0-9]{1,3})"] * 6) + "(?![0-9])")
# "(" <d><d><d> <tcp-port> <d> ")", with no host on purpose (RFC 2428 section 3)
EXTENDED_PORT = re.compile(r"\(([!-~])\1\1([0-9]{1,5})\1\)")
# A path in quotes, quotes inside it doubled (RFC 959 appendix II)
QUOTED = re.compile(r'[^"]*+"((?:[^"]++|"")*+)"(?= |$)')
# pure-ftpd and others do not double them.
NOT_DOUBLED = re.compile(r'[^"]*"(.*?)"(?: |$)')
# 213 and the size (RFC 3659 section 4.1), or the time as YYYYMMDDHHMMSS (section 2.3)
SIZE = re.compile(r"[0-9]{1,20}")
TIME = re.compile(r"[0-9]{14}(?:\.[0-9]{1,9})?")

Carried = TypeVar("Carried")
Names = list[str]
Rows = list[Any]
Contents = list[bytes]
Features = dict[str, list[str]]
Fact = tuple[str, str]
Facts = dict[str, str]
FactsList = list[tuple[str, Facts]]


class FTP:
    """A session with an FTP server, from its greeting to QUIT.

    `port` is 21, or 990 with `tls`. `tls` is True, or an `ssl.SSLContext`, to encrypt from
    the first octet; see `auth_tls` for later. With `passive` the client opens the data
    connections, without it the server does. `timeout` is in seconds, for each call, and
    `limits` are on what the server says. Every method may raise `WireError`, and `Refused`
    for a reply of 4yz or 5yz. Leaving `with` without an error quits.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout: float = 30.0,
        tls: TLS = False,
        limits: Limits = LIMITS,
        passive: bool = True,
    ) -> None:
        port = (TLS_PORT if tls else PORT) if port is None else port
        self.passive = passive
        self._epsv = True  # until the server refuses it
        self._asked_ahead = False  # for the next port, with the command of a transfer
        self._next_port: int | None = None  # that it named already
        self._type = "A"  # what a session begins with (section 5.1)
        self._tls: TLS = False  # of the data connections,
        self._tls_wanted: TLS = False  # and what it is to be
        self.wire = Wire(host, port, timeout=timeout, tls=tls, limits=limits)
        with self.wire.hanging_up():
            greeting = read_reply(self.wire, free_text=True)
            while greeting.code == 120:  # ready in some minutes (section 5.4)
                greeting = read_reply(self.wire, free_text=True)
            self.greeting = expect(greeting, "2xx")
            if tls:
                self._protect(tls)

    # Access control (sections 4.1.1 and 5.4)

    @exchange
    def auth_tls(self, tls: TLS = True) -> None:
        """Encrypt the control connection, and the data connections (RFC 4217 section 4)."""
        self._command("AUTH TLS", "2xx")
        self.wire.start_tls(tls)
        self._protect(tls)

    def _protect(self, tls: TLS) -> None:
        self._tls_wanted = tls
        try:
            self._command("PBSZ 0", "2xx")
            self._command("PROT P", "2xx")
        except Refused as error:
            if error.reply.code not in (503, 530):
                raise
        else:  # otherwise the server wants to know first who we are: see `login`
            self._tls = tls

    @exchange
    def login(
        self,
        user: str = "anonymous",
        password: str = "anonymous@",
        account: str = "",
        *,
        allow_cleartext: bool = False,
    ) -> Reply:
        """Say who you are by USER, PASS and, where the server asks for it, ACCT.

        Raises `ValueError` if a password would cross the network in clear text, unless
        `allow_cleartext`; that of "anonymous" is none.
        """
        octets(account)
        self.wire.guard(
            user, password, allow_cleartext=allow_cleartext or user == "anonymous"
        )
        reply = self._ask(f"USER {user}")
        if reply.code == 331:
            reply = self._ask(f"PASS {password}")
        if reply.code == 332:
            reply = self._ask(f"ACCT {account}")
        expect(reply, "2xx")
        if self._tls_wanted and not self._tls:
            self._protect(self._tls_wanted)
        return reply

    # Directories

    @exchange
    def pwd(self) -> str:
        """The path of the working directory."""
        return quoted(self._command("PWD", "257"))

    @exchange
    def cwd(self, path: str) -> None:
        """Change the working directory."""
        self._command(f"CWD {path}", "2xx")

    @exchange
    def cdup(self) -> None:
        """Change to the directory above."""
        self._command("CDUP", "2xx")

    @exchange
    def mkd(self, path: str) -> str:
        """Make a directory; return its path as the server sees it, or `path` if it made it
        and does not say."""
        reply = self._command(f"MKD {path}", "2xx")
        return quoted(reply) if '"' in reply.text else path

    @exchange
    def rmd(self, path: str) -> None:
        """Remove an empty directory."""
        self._command(f"RMD {path}", "2xx")

    @exchange
    def dele(self, path: str) -> None:
        """Delete a file."""
        self._command(f"DELE {path}", "2xx")

    @exchange
    def rename(self, old: str, new: str) -> None:
        """Rename a file or directory, by RNFR and RNTO."""
        octets(new)
        self._command(f"RNFR {old}", "350")
        self._command(f"RNTO {new}", "2xx")

    # Listings

    @exchange
    def nlst(self, path: str = "", *, limit: int | None = None) -> Names:
        """The names in a directory, or of the working directory. `limit` is in octets."""
        return self._listing("NLST", path, limit, names)

    @exchange
    def mlsd(self, path: str = "", *, limit: int | None = None) -> FactsList:
        """The names in a directory, each with its facts, such as {"type": "file", "size":
        "120", "modify": "20260901120000"}: made for programs (RFC 3659 section 7). `limit`
        is the most octets that may come."""
        said = Said(self.wire.limits)
        return self._listing("MLSD", path, limit, lambda lines: facts(lines, said))

    @exchange
    def list(self, path: str = "", *, limit: int | None = None) -> Names:
        """The lines of a listing as the server's people like to read it: no form is
        prescribed, so no program should read it: use `mlsd`. `limit` is the most octets
        that may come."""
        return self._listing("LIST", path, limit, names)

    # Files

    @exchange
    def size(self, path: str) -> int:
        """The octets that `retr` would bring (RFC 3659 section 4)."""
        octets(path)
        self._set_type("I")  # in TYPE A the size depends on the line ends
        return int(self._fact(f"SIZE {path}", SIZE))

    @exchange
    def mdtm(self, path: str) -> str:
        """When a file was changed, in UTC: "YYYYMMDDHHMMSS", perhaps with a fraction (RFC
        3659 section 3)."""
        return self._fact(f"MDTM {path}", TIME)

    @overload
    def retr(
        self, path: str, into: None = None, offset: int = 0, *, limit: int | None = None
    ) -> bytes: ...
    @overload
    def retr(
        self, path: str, into: BinaryIO, offset: int = 0, *, limit: int | None = None
    ) -> int: ...
    @exchange
    def retr(
        self,
        path: str,
        into: BinaryIO | None = None,
        offset: int = 0,
        *,
        limit: int | None = None,
    ) -> bytes | int:
        """Fetch a file; or write it to `into` and return how many octets came.

        `offset` is where to begin, in octets (REST, RFC 3659 section 5); `limit` is the
        most octets that may come. Any error has in `done` the octets that came, or with
        `into` how many they were.
        """
        octets(f"{offset} {path}")
        check_sink(into)
        self._set_type("I")
        return self._transfer(
            f"RETR {path}", lambda data: data.deliver(data.rest(), into, limit), offset
        )

    @exchange
    def retr_many(
        self, paths: Iterable[str], *, limit: int | None = None, ahead: bool = False
    ) -> Contents:
        """Fetch several files, one after the other; `limit` is the most octets for each.

        With `ahead` the next file's EPSV goes out with this file's RETR: a round trip less
        for each. FTP has no pipelining, and a server may do with it what it likes: vsftpd
        answers it after the transfer, as one hopes; pyftpdlib gives the transfer up, which
        is a `ProtocolError`. So it is for servers that you know.

        What is refused does not stop the others: the first `Refused` is raised at the
        end. Any error has in `done` the pairs of path and content that came.
        """
        wanted = list(paths)
        for path in wanted:
            octets(path)  # a mistake in the last is found before the first
        done: list[tuple[str, bytes]] = []
        refusal: Refused | None = None
        for number, path in enumerate(wanted, 1):
            self.wire.restart_clock()
            next_too = ahead and number < len(wanted)
            try:
                self._set_type("I")
                content = self._transfer(
                    f"RETR {path}",
                    lambda data: data.deliver(data.rest(), None, limit),
                    next_too=next_too,
                )
                done.append((path, content))
            except Refused as error:
                refusal = refusal or error
            except WireError as error:
                error.done = done
                raise
        if refusal:
            refusal.done = done
            raise refusal
        return [content for _, content in done]

    @exchange
    def stor(self, path: str, source: bytes | BinaryIO, offset: int = 0) -> int:
        """Store a file, from octets or a binary file, and return how many octets went.

        With `offset` they go into the file on the server from there on.
        """
        return self._store(f"STOR {path}", source, offset)

    @exchange
    def appe(self, path: str, source: bytes | BinaryIO) -> int:
        """Add to a file's end, or make it; return how many octets went."""
        return self._store(f"APPE {path}", source, 0)

    # Information, and the end

    @exchange
    def feat(self) -> Features:
        """What the server can do beyond RFC 959: {NAME: [parameter, …]} (RFC 2389)."""
        features: Features = {}
        for line in self._command("FEAT", "2xx").lines[1:-1]:
            name, *parameters = line.split() or [""]
            features.setdefault(name.upper(), []).extend(parameters)
        return features

    @exchange
    def syst(self) -> str:
        """The kind of system it is, or says it is: most say "UNIX Type: L8"."""
        return self._command("SYST", "2xx").text

    @exchange
    def stat(self, path: str = "") -> Reply:
        """The server's state, or a listing of `path` on the control connection."""
        return self._command(f"STAT {path}".rstrip(" "), "2xx")

    @exchange
    def noop(self) -> None:
        """Say nothing, to hear that the server is still there."""
        self._command("NOOP", "2xx")

    @exchange
    def abor(self) -> Reply:
        """Give up a transfer. A method here returns when its transfer is over, so a server
        has nothing to give up unless it lost count."""
        return self._command("ABOR", "2xx")

    @exchange
    def quit(self) -> None:
        """End the session."""
        self._command("QUIT", "2xx")
        self.close()

    def close(self) -> None:
        """Hang up without QUIT."""
        self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None and not self.wire.closed:
                self.quit()
        except (Disconnected, Refused):
            pass  # every transfer has had its 226; a missing goodbye takes none back
        finally:
            self.close()

    # Commands and replies (section 4.2)

    def _ask(self, line: str) -> Reply:
        self.wire.send_line(line)
        return read_reply(self.wire, free_text=True)

    def _command(self, line: str, wanted: str) -> Reply:
        return expect(self._ask(line), wanted)

    def _reply(self, wanted: str) -> Reply:
        return expect(read_reply(self.wire, free_text=True), wanted)

    def _fact(self, line: str, form: re.Pattern[str]) -> str:
        reply = self._command(line, "213")
        found = reply.text.strip()
        if not form.fullmatch(found):
            raise ProtocolError(f"not what {line.split()[0]} asks for: {reply}")
        return found

    def _set_type(self, type_: str) -> None:
        if type_ != self._type:
            self._command(f"TYPE {type_}", "2xx")
            self._type = type_

    # The data connection (sections 3.2 and 3.3)

    def _transfer(
        self,
        line: str,
        carry: Callable[[Wire], Carried],
        offset: int = 0,
        next_too: bool = False,
    ) -> Carried:
        """Open a data connection for the command in `line`, and return what `carry` brings
        over it, once the reply says that all went well. If not, the error has it in `done`.
        With `next_too` the port of the next one is asked for, too, before the answer."""
        lost: Disconnected | None = None
        with self._data(line, offset, next_too) as data:
            try:
                carried = carry(data)
            except Disconnected as error:
                lost, carried = error, error.done  # the reply may say why
        self.wire.restart_clock()
        try:
            reply = read_reply(self.wire, free_text=True)
            if self._asked_ahead:
                self._hear_next_port(reply)
            expect(reply, "2xx")
        except (Refused, WireError) as error:
            error.done = carried
            raise error from lost or error.__cause__
        if lost:
            raise lost
        return carried

    @contextlib.contextmanager
    def _data(self, line: str, offset: int, next_too: bool) -> Iterator[Wire]:
        """A data connection for the command in `line`: open, and closed at the end."""
        octets(line)
        if self._tls_wanted and not self._tls:
            raise ProtocolError(
                "PBSZ and PROT were refused, and this is not to go in clear"
            )
        with contextlib.ExitStack() as at_end:
            if self.passive:
                data = at_end.enter_context(contextlib.closing(self._enter_passive()))
                self._begin(line, offset, next_too and self._epsv)
            else:
                door = at_end.enter_context(Door(self.wire))
                self._announce(*door.address)
                self._begin(line, offset, next_too=False)
                accepted = door.accept()
                if not accepted:
                    reply = self._reply("2xx")  # 425, most often: a firewall is between
                    raise ProtocolError(f"no data connection came, and yet: {reply}")
                data = at_end.enter_context(contextlib.closing(accepted))
            if self._tls:
                data.start_tls(self.wire.context, self.wire.session)
            yield data

    def _begin(self, line: str, offset: int, next_too: bool) -> None:
        self._asked_ahead = next_too
        if offset:
            self._command(f"REST {offset}", "350")
        self.wire.send(as_line(line) + (as_line("EPSV") if next_too else b""))
        reply = read_reply(self.wire, free_text=True)
        if next_too and reply.code >= 400:
            self._hear_next_port(reply)
        expect(reply, "1xx")

    def _hear_next_port(self, reply: Reply) -> None:
        """Read the answer to an EPSV that was said before `reply` came."""
        if reply.code == 229:  # so the transfer has no end
            raise ProtocolError(f"answered out of turn, so ask without ahead=True: {reply}")
        with contextlib.suppress(Refused):  # it will be asked again
            self._next_port = extended_port(self._reply("229"))

    def _enter_passive(self) -> Wire:
        """Ask the server for a port, and connect to it.

        Where PASV names a host, it is not followed: behind NAT it is wrong, and a server
        could send us anywhere with it. The host is the one we already talk to.
        """
        port, self._next_port = self._next_port, None
        port = port or self._epsv_port() or passive_port(self._command("PASV", "227"))
        host = self.wire.peer[0]
        data = Wire(host, port, timeout=self.wire.remaining(), limits=self.wire.limits)
        data.timeout = self.wire.timeout
        data.host = self.wire.host  # the name that a certificate is for
        return data

    def _epsv_port(self) -> int | None:
        """The port by EPSV (RFC 2428), or None if the server does not know it."""
        if self._epsv:
            try:
                return extended_port(self._command("EPSV", "229"))
            except Refused as error:
                if error.reply.code < 500:
                    raise
                self._epsv = False
        return None

    def _announce(self, host: str, port: int) -> None:
        """Tell the server which port of ours to connect to."""
        if ":" in host:
            self._command(f"EPRT |2|{host}|{port}|", "2xx")
        else:
            numbers = [*host.split("."), str(port >> 8), str(port & 255)]
            self._command(f"PORT {','.join(numbers)}", "2xx")

    def _listing(
        self, verb: str, path: str, limit: int | None, read: Callable[[bytes], Rows]
    ) -> Rows:
        """Fetch a listing; `read` gets its lines, many at a time, and gives its rows."""
        octets(path)
        self._set_type("A")  # lines of text, and CR LF between them (section 3.1.1.1)
        return self._transfer(
            f"{verb} {path}" if path else verb,
            lambda data: data.read_lines(data.rest(), read, limit),
        )

    def _store(self, line: str, source: bytes | BinaryIO, offset: int = 0) -> int:
        octets(f"{offset} {line}")
        check_source(source)
        self._set_type("I")
        return self._transfer(line, lambda data: send(data, source), offset)


def send(data: Wire, source: bytes | BinaryIO) -> int:
    """Say all of `source` on a data connection; return how many octets that was."""
    count = 0
    try:
        for piece in in_pieces(source):
            data.restart_clock()
            data.send_more(piece)
            count += len(piece)
    except WireError as error:
        error.done = count
        raise
    data.finish()
    return count


def passive_port(reply: Reply) -> int:
    """The port in a reply to PASV, whose last two numbers are its two octets."""
    match = HOST_PORT.search(reply.text)
    numbers = [int(number) for number in match.groups()] if match else [256]
    port = numbers[-2] * 256 + numbers[-1] if max(numbers) < 256 else 0
    if not port:
        raise ProtocolError(f"no address in the answer to PASV: {reply}")
    return port


def extended_port(reply: Reply) -> int:
    """The port in a reply to EPSV."""
    match = EXTENDED_PORT.search(reply.text)
    port = int(match[2]) if match else 0
    if not 0 < port < 65536:
        raise ProtocolError(f"no port in the answer to EPSV: {reply}")
    return port


def quoted(reply: Reply) -> str:
    """The path in a 257 reply, whose own quotes are doubled."""
    if match := QUOTED.match(reply.text):
        return match[1].replace('""', '"')
    if match := NOT_DOUBLED.match(reply.text):
        return match[1]
    raise ProtocolError(f"no path in quotes: {reply}")


def names(lines: bytes) -> Names:
    """Lines of a listing without their ends. Not every server keeps to CR LF here, and a
    listing has no other end to miss."""
    found = text(lines).split("\r\n")
    if len(found) <= lines.count(b"\n"):
        found = text(lines).replace("\r\n", "\n").split("\n")
    return found if found[-1] else found[:-1]


class Said(dict[str, Fact]):
    """The facts of a listing by how they were said: most come again and again. Raises
    `LimitExceeded` for more than `Limits.entries` of them, or ten times as many in all."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._most = limits.entries
        self._left = 10 * limits.entries

    def count(self, lines: bytes) -> None:
        """Note that so many more have come: a fact has an equals sign."""
        self._left -= lines.count(b"=")
        if self._left < 0:
            raise LimitExceeded(f"more than {10 * self._most} facts in a listing")

    def __missing__(self, said: str) -> Fact:
        name, equals, value = said.partition("=")
        if not equals:
            raise ProtocolError(f"not facts and a name: {said[:80]!r}")
        if len(self) >= self._most:
            raise LimitExceeded(f"more than {self._most} facts in a listing")
        fact = self[said] = name.lower(), value
        return fact


def facts(lines: bytes, said: Said) -> FactsList:
    """The name and the facts in lines of MLSD: "size=4;type=file; name" (RFC 3659)."""
    found, fact = [], said.__getitem__
    said.count(lines)
    for line in names(lines):
        before, _, name = line.partition(" ")
        if not name:
            raise ProtocolError(f"not facts and a name: {line[:80]!r}")
        # Some servers forget the last semicolon.
        found.append((name, dict(map(fact, filter(None, before.split(";"))))))
    return found
