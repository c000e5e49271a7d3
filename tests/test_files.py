"""Uploads from files, of many pieces."""

import contextlib
import gzip
import io
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from protoclients import FTP, HTTP, Disconnected, record
from protoclients.fixtures import Lab

from .scripted_server import PATIENCE, receive

HOST = "127.0.0.1"
MIB = 1024 * 1024
CONTENT = os.urandom(3 * MIB + 1000)
ENOUGH = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["plain", "tls"])
def sessions(request: Any, lab: Lab) -> Iterator[tuple[HTTP, FTP]]:
    """A session with each of the two servers that take files."""
    tls = request.param == "tls" and ssl.create_default_context(cafile=lab.cafile)
    ports = [at.tls_port if tls else at.port for at in (lab.http, lab.ftp)]
    with HTTP("localhost", ports[0], tls=tls) as http, FTP(HOST, ports[1], tls=tls) as ftp:
        ftp.login(lab.ftp.user, lab.ftp.password)
        yield http, ftp


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("begin", [0, 1, 2 * MIB, len(CONTENT)])
def test_a_file_goes_whole_from_where_it_stands_and_stands_at_its_end_then(
    sessions: tuple[HTTP, FTP], path: Path, begin: int, buffering: int
) -> None:
    http, ftp = sessions
    with path.open("rb", buffering) as source:
        assert source.read(begin) == CONTENT[:begin]
        assert http.put("/uploads/file", source).status in (201, 204)
        assert source.tell() == len(CONTENT)
        source.seek(begin)
        assert ftp.stor("file", source) == len(CONTENT) - begin
        assert source.tell() == len(CONTENT)
    assert http.get("/uploads/file").body == CONTENT[begin:]
    assert ftp.retr("file") == CONTENT[begin:]


def test_what_a_file_unpacks_is_sent_and_not_what_lies_in_it(
    sessions: tuple[HTTP, FTP], path: Path
) -> None:
    http, ftp = sessions
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(CONTENT)
    with gzip.open(path) as packed:
        http.put("/uploads/file", cast(BinaryIO, packed))
        packed.seek(0)
        assert ftp.stor("file", cast(BinaryIO, packed)) == len(CONTENT)
    assert http.get("/uploads/file").body == ftp.retr("file") == CONTENT


def test_a_recorder_hears_a_long_body_whole_both_ways(lab: Lab, path: Path) -> None:
    http = HTTP(HOST, lab.http.port)
    with http, path.open("rb") as source, record() as recording:
        http.put("/uploads/file", source)
        http.get("/uploads/file")
    assert b"\r\n\r\n" + CONTENT + b"GET " in recording.sent()
    assert recording.received().endswith(b"\r\n\r\n" + CONTENT)


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that hears the beginning of one request, and then does this."""

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            connection.recv(1000)
            answer(connection)

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)


def test_a_file_that_becomes_shorter_is_a_mistake_and_ends_the_connection(
    path: Path,
) -> None:
    os.truncate(path, 64 * MIB)

    def cut_and_hear(connection: socket.socket) -> None:
        receive(connection, MIB)  # now the client is in the midst of it
        os.truncate(path, 0)
        receive(connection, 64 * MIB)

    with server(cut_and_hear) as port, path.open("rb") as source:
        http = HTTP(HOST, port, timeout=PATIENCE)
        with pytest.raises(ValueError, match="the file lacks"):
            http.put("/", source)
        assert http.wire.closed


def test_a_file_that_becomes_longer_is_sent_as_it_was(lab: Lab) -> None:
    class Growing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            at = self.tell()
            self.seek(0, io.SEEK_END)
            self.write(b"GET / HTTP/1.1\r\n")
            self.seek(at)
            return super().read(size)

    with HTTP(HOST, lab.http.port) as http:
        assert http.put("/uploads/file", Growing(CONTENT)).status in (201, 204)
        assert http.get("/uploads/file").body == CONTENT


def test_a_file_that_is_longer_than_it_says_is_sent_all_the_same(lab: Lab) -> None:
    class Silent(io.BytesIO):
        def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
            return super().seek(0) if whence == io.SEEK_END else super().seek(offset)

    with HTTP(HOST, lab.http.port) as http, record() as recording:
        assert http.put("/uploads/file", Silent(CONTENT)).status in (201, 204)
        assert http.get("/uploads/file").body == CONTENT
    assert b"Transfer-Encoding: chunked" in recording.sent()


@pytest.mark.parametrize("begin", [0, 5])
def test_a_file_without_more_to_read_is_an_empty_body(lab: Lab, begin: int) -> None:
    source = io.BytesIO()
    source.seek(begin)
    with HTTP(HOST, lab.http.port) as http, record() as recording:
        assert http.put("/uploads/file", source).status in (201, 204)
        assert http.get("/uploads/file").body == b""
    assert b"Content-Length: 0\r\n" in recording.sent()


@pytest.mark.parametrize("said", [ENOUGH, b""])
def test_a_server_that_has_heard_enough_of_a_file_ends_the_sending(
    path: Path, said: bytes
) -> None:
    def interrupt(connection: socket.socket) -> None:
        connection.sendall(said)
        if said:
            receive(connection, len(CONTENT))

    os.truncate(path, 64 * MIB)
    with server(interrupt) as port, path.open("rb") as source:
        http = HTTP(HOST, port, timeout=PATIENCE)
        if said:
            assert http.put("/", source).status == 413
        else:
            with pytest.raises(Disconnected):
                http.put("/", source)
        assert http.wire.closed
