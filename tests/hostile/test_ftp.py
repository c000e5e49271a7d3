"""FTP servers that get one thing wrong each."""

import atexit
import socket
from typing import Any

import pytest

from protoclients import FTP, Refused
from protoclients.errors import Disconnected, ProtocolError, TooSlow

from .scripts import EPSV, GO, TYPE, file, ftp
from .server import (
    END_DATA,
    HEAR,
    OPEN_DATA,
    RESET_DATA,
    SILENT,
    Cases,
    Data,
    Do,
    Fails,
    Script,
    play,
    refused,
)


def passive(reply: bytes) -> Script:
    """A file by PASV; EPSV is not known."""
    whole = [*GO, Data(b"hello"), END_DATA, b"226 done\r\n"]
    return ftp(*TYPE, HEAR, b"500 what\r\n", HEAR, reply, *whole)


def extended(reply: bytes) -> Script:
    return ftp(*TYPE, HEAR, reply, *GO, Data(b"hello"), END_DATA, b"226 done\r\n")


def listing(octets: bytes) -> Script:
    return ftp(*EPSV, *GO, Data(octets), END_DATA, b"226 done\r\n")


# A port that is taken, so that nobody else gets it, and at which nobody listens.
DEAF = socket.socket()
DEAF.bind(("127.0.0.1", 0))
atexit.register(DEAF.close)


def nobodys_port() -> bytes:
    return b"%d" % DEAF.getsockname()[1]


def retr(client: FTP) -> bytes:
    return client.retr("x")


def retr_and_pwd(client: FTP) -> tuple[bytes, str]:
    return client.retr("x"), client.pwd()


NO_ADDRESS = Fails(ProtocolError, "no address")
NO_PORT = Fails(ProtocolError, "no port")
FTP_CASES: Cases = {
    "120 and then 220": (
        [b"120 in a minute\r\n220 hi\r\n"], lambda c: c.greeting.code, 220),
    "a reply with free text inside": (
        ftp(HEAR, b"211-a\r\n 211 b\r\n212 c\r\n211-d\r\n211 e\r\n"),
        lambda c: c.stat().lines, ("a", " 211 b", "212 c", "d", "e")),
    "a reply that never comes to its last line": (
        ftp(HEAR, b"211-a\r\n212 b\r\n"), lambda c: c.stat(), Fails(Disconnected)),
    "a data connection that works": (
        file(*GO, Data(b"hello"), END_DATA, b"226 done\r\n"), retr, b"hello"),
    "an empty file": (file(*GO, END_DATA, b"226 done\r\n"), retr, b""),
    "data before the 150": (
        file(OPEN_DATA, Data(b"hello"), END_DATA, HEAR, b"150 go\r\n226 done\r\n"),
        retr, b"hello"),
    "226 before the data ends": (
        file(*GO, Data(b"hel"), b"226 done\r\n", Data(b"lo"), END_DATA), retr, b"hello"),
    "226 and no 150": (
        file(OPEN_DATA, Data(b"hello"), END_DATA, HEAR, b"226 done\r\n"), retr,
        Fails(ProtocolError, "226")),
    "150 twice": (
        file(*GO, Data(b"hello"), END_DATA, b"150 go\r\n226 done\r\n"), retr,
        Fails(ProtocolError, "150")),
    "no 226, and a hang-up": (
        file(*GO, Data(b"hello"), END_DATA), retr, Fails(Disconnected)),
    "no 226, and silence": (
        file(*GO, Data(b"hello"), END_DATA, SILENT), retr, Fails(TooSlow)),
    "half a 226": (
        file(*GO, Data(b"hello"), END_DATA, b"226 do"), retr, Fails(Disconnected)),
    "226 twice": (
        [*file(*GO, Data(b"hello"), END_DATA, b"226 done\r\n226 done\r\n"), SILENT],
        retr_and_pwd, Fails(ProtocolError, "before it was asked")),
    "data that never ends": (file(*GO, Data(b"hello"), SILENT), retr, Fails(TooSlow)),
    "data broken off": (
        file(*GO, Data(b"hello"), RESET_DATA, b"226 done\r\n"), retr, Fails(Disconnected)),
    "data, and then an error": (
        file(*GO, Data(b"hel"), END_DATA, b"426 cut\r\n"), retr, Fails(Refused, "426")),
    "data broken off, and the reply says why": (
        file(*GO, Data(b"hel"), RESET_DATA, b"426 cut\r\n"), retr, Fails(Refused, "426")),
    "a listing broken off, and the reply says why": (
        ftp(*EPSV, *GO, Data(b"a\r\n"), RESET_DATA, b"451 disk\r\n"),
        lambda c: c.nlst(), Fails(Refused, "451")),
    "data broken off for the next EPSV": (
        file(*GO, Data(b"hel"), RESET_DATA, b"229 (|||1|)\r\n"),
        lambda c: c.retr_many(["x", "y"], ahead=True), Fails(ProtocolError, "ahead=True")),
    "an error, and data all the same": (
        file(HEAR, b"550 none\r\n", OPEN_DATA,
        Data(b"hello"), END_DATA, HEAR, b'257 "/"\r\n'),
        lambda c: (refused(c.retr, "x"), c.pwd())[1], "/"),
    "data refused": (
        ftp(*TYPE, HEAR, b"229 x (|||" + nobodys_port() + b"|)\r\n", HEAR, b"150 go\r\n"),
        retr, Fails(Disconnected, "refused")),
    "PASV names another host": (
        passive(b"227 x (192,0,2,1,{p1},{p2})\r\n"), retr, b"hello"),
    "PASV names no host": (passive(b"227 x (0,0,0,0,{p1},{p2})\r\n"), retr, b"hello"),
    "PASV without brackets": (passive(b"227 =127,0,0,1,{p1},{p2}\r\n"), retr, b"hello"),
    "PASV with port 0": (passive(b"227 x (127,0,0,1,0,0)\r\n"), retr, NO_ADDRESS),
    "PASV with 300 in the port": (
        passive(b"227 x (127,0,0,1,300,1)\r\n"), retr, NO_ADDRESS),
    "PASV with 300 in the host": (
        passive(b"227 x (300,0,0,1,{p1},{p2})\r\n"), retr, NO_ADDRESS),
    "PASV with five numbers": (passive(b"227 x (127,0,0,1,4)\r\n"), retr, NO_ADDRESS),
    "PASV with a negative number": (
        passive(b"227 x (127,0,0,1,-4,1)\r\n"), retr, NO_ADDRESS),
    "PASV with four digits": (passive(b"227 x (1127,0,0,1,4,1)\r\n"), retr, NO_ADDRESS),
    "PASV in Arabic digits": (
        passive("227 x (127,0,0,1,٤,١)\r\n".encode()), retr, NO_ADDRESS),
    "PASV with nothing": (passive(b"227\r\n"), retr, NO_ADDRESS),
    "PASV with another code": (
        passive(b"200 (127,0,0,1,{p1},{p2})\r\n"), retr, Fails(ProtocolError, "227")),
    "PASV refused": (passive(b"425 no\r\n"), retr, Fails(Refused, "425")),
    "EPSV with exclamation marks": (extended(b"229 x (!!!{port}!)\r\n"), retr, b"hello"),
    "EPSV with digits for delimiters": (
        extended(b"229 x (111{port}1)\r\n"), retr, b"hello"),
    "EPSV with two delimiters": (extended(b"229 x (|!|{port}|)\r\n"), retr, NO_PORT),
    "EPSV with a host": (extended(b"229 x (|1|192.0.2.1|{port}|)\r\n"), retr, NO_PORT),
    "EPSV with port 0": (extended(b"229 x (|||0|)\r\n"), retr, NO_PORT),
    "EPSV with port 65536": (extended(b"229 x (|||65536|)\r\n"), retr, NO_PORT),
    "EPSV with a negative port": (extended(b"229 x (|||-1|)\r\n"), retr, NO_PORT),
    "EPSV in Arabic digits": (extended("229 x (|||٤٤٤٤|)\r\n".encode()), retr, NO_PORT),
    "EPSV without brackets": (extended(b"229 |||{port}|\r\n"), retr, NO_PORT),
    "EPSV with nothing": (extended(b"229 x\r\n"), retr, NO_PORT),
    "EPSV not now": (extended(b"425 no\r\n"), retr, Fails(Refused, "425")),
    "no to an upload": (
        file(HEAR, b"553 no\r\n"), lambda c: c.stor("x", b"y"), Fails(Refused, "553")),
    "a no after an upload": (
        file(*GO, END_DATA, b"552 full\r\n"), lambda c: c.stor("x", b"y"),
        Fails(Refused, "552")),
    "an upload broken off": (
        file(*GO, RESET_DATA, b"451 disk\r\n"), lambda c: c.stor("x",
        b"y" * 9_000_000), Fails(Refused, "451")),
    "an upload and no 226": (
        file(*GO, END_DATA), lambda c: c.stor("x", b"y"), Fails(Disconnected)),
    "names with CR": (listing(b"a\rb\r\nc\r\n"), lambda c: c.nlst(), ["a\rb", "c"]),
    "names with LF alone between them": (
        listing(b"a\nb\n"), lambda c: c.nlst(), ["a", "b"]),
    "a last name without an end": (listing(b"a\r\nb"), lambda c: c.nlst(), ["a", "b"]),
    "names in Latin-1 and with NUL": (
        listing(b"\xe9\0\r\n"), lambda c: c.nlst(), ["\udce9\0"]),
    "other line ends of Unicode in a name": (
        listing("a\x0bb\u2028c\x85d\r\n".encode()),
        lambda c: c.nlst(), ["a\x0bb\u2028c\x85d"]),
    "a listing of nothing": (listing(b""), lambda c: c.list(), []),
    "a listing and no 226": (
        ftp(*EPSV, *GO, Data(b"a\r\nb\r\n"), END_DATA), lambda c: c.nlst(),
        Fails(Disconnected)),
    "MLSD without a space": (
        listing(b"type=file;x\r\n"), lambda c: c.mlsd(), Fails(ProtocolError, "not facts")),
    "MLSD with a fact and no value": (
        listing(b"type; x\r\n"), lambda c: c.mlsd(), Fails(ProtocolError, "not facts")),
    "MLSD with spaces and signs in the name": (
        listing(b"Type=file;  a;b = c\r\n"),
        lambda c: c.mlsd(), [(" a;b = c", {"type": "file"})]),
    "MLSD with an empty line": (
        listing(b"type=file; x\r\n\r\n"), lambda c: c.mlsd(), Fails(ProtocolError)),
    "SIZE below nothing": (
        ftp(*TYPE, HEAR, b"213 -1\r\n"), lambda c: c.size("x"),
        Fails(ProtocolError, "SIZE")),
    "SIZE with an underscore": (
        ftp(*TYPE, HEAR, b"213 1_0\r\n"), lambda c: c.size("x"), Fails(ProtocolError)),
    "SIZE with a word": (
        ftp(*TYPE, HEAR, b"213 big\r\n"), lambda c: c.size("x"), Fails(ProtocolError)),
    "SIZE beyond all numbers": (
        ftp(*TYPE, HEAR, b"213 " + b"9" * 5000 + b"\r\n"), lambda c: c.size("x"),
        Fails(ProtocolError)),
    "MDTM with a word": (
        ftp(HEAR, b"213 today\r\n"), lambda c: c.mdtm("x"), Fails(ProtocolError)),
    "PWD without quotes": (
        ftp(HEAR, b"257 /x\r\n"), lambda c: c.pwd(), Fails(ProtocolError, "quotes")),
    "PWD with one quote": (
        ftp(HEAR, b'257 "/x\r\n'), lambda c: c.pwd(), Fails(ProtocolError)),
    "PWD with doubled quotes": (
        ftp(HEAR, b'257 "/a""b" x "c"\r\n'), lambda c: c.pwd(), '/a"b'),
    "RNFR answered by 250": (
        ftp(HEAR, b"250 ok\r\n"), lambda c: c.rename("x", "y"),
        Fails(ProtocolError, "250")),
    "USER answered by 230": (ftp(HEAR, b"230 in\r\n"), lambda c: c.login().code, 230),
    "PASS answered by 331": (
        ftp(HEAR, b"331 more\r\n", HEAR, b"331 more\r\n"), lambda c: c.login(),
        Fails(ProtocolError, "331")),
    "QUIT answered by a hang-up": (ftp(HEAR), lambda c: c.quit(), Fails(Disconnected)),
    "no to REST": (
        file(HEAR, b"502 no\r\n"), lambda c: c.retr("x", None, 5), Fails(Refused, "502")),
}  # fmt: skip


@pytest.mark.parametrize("name", FTP_CASES)
def test_ftp(name: str) -> None:
    play(FTP, FTP_CASES[name])


def active(*where: Any, **how: Any) -> FTP:
    return FTP(*where, passive=False, **how)


ACTIVE_CASES: Cases = {
    "nobody connects back": (
        ftp(*TYPE, *TYPE, HEAR, b"150 go\r\n", SILENT), retr,
        Fails(TooSlow, "did not connect back")),
    "somebody else connects": (
        ftp(*TYPE, *TYPE, HEAR, b"150 go\r\n", Do.CONNECT_BACK, SILENT),
        retr, Fails(ProtocolError, "127.0.0.2")),
    "the server cannot connect": (
        ftp(*TYPE, *TYPE, HEAR, b"425 cannot\r\n"), retr, Fails(Refused, "425")),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVE_CASES)
def test_ftp_active(name: str) -> None:
    play(active, ACTIVE_CASES[name])
