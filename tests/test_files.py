"""Uploads from files, long enough for the kernel to send them by itself."""

import contextlib
import gzip
import io
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from protoclients import FTP, HTTP, Disconnected, record
from protoclients.fixtures import Lab
from protoclients.octets import STRETCH, Stretch, in_stretches

from .scripted_server import PATIENCE, receive

HOST = "127.0.0.1"
# Three stretches, and a rest that is none.
CONTENT = os.urandom(3 * STRETCH + 1000)
sends_files = pytest.mark.skipif(not hasattr(os, "sendfile"), reason="not on this system")


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


def kinds(source: BinaryIO) -> list[str]:
    """Of which kind the pieces of a source are."""
    return [type(piece).__name__ for piece in in_stretches(source)]


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("begin", [0, 1, STRETCH, 3 * STRETCH, len(CONTENT)])
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


@sends_files
def test_a_long_file_is_sent_by_the_kernel_and_the_recorder_hears_it(
    lab: Lab, path: Path
) -> None:
    http = HTTP(HOST, lab.http.port)
    with http, path.open("rb") as source, record() as recording:
        http.put("/uploads/file", source)
    assert "sendfile" in [call.name for call in recording.calls]
    assert recording.sent().endswith(b"\r\n\r\n" + CONTENT)


@sends_files
def test_only_what_is_long_and_lies_in_a_file_as_it_is_goes_that_way(path: Path) -> None:
    with path.open("rb") as source:
        assert kinds(source) == ["Stretch"] * 3 + ["bytes"]
        source.seek(2 * STRETCH + 1001)
        assert set(kinds(source)) == {"bytes"}
    with gzip.open(path.with_suffix(".gz"), "wb", compresslevel=0) as packed:
        packed.write(CONTENT)
    with gzip.open(path.with_suffix(".gz")) as packed:
        assert b"".join(in_stretches(packed)) == CONTENT  # type: ignore[arg-type]
    assert set(kinds(io.BytesIO(CONTENT))) == {"bytes"}


@sends_files
def test_what_was_written_just_now_is_sent_too(path: Path) -> None:
    with path.open("r+b") as source:
        source.seek(STRETCH)
        source.write(b"new")
        source.seek(0)
        first = next(in_stretches(source))
        assert isinstance(first, Stretch)
        assert first.read() == CONTENT[:STRETCH]
        second = next(in_stretches(source))
        assert isinstance(second, Stretch)
        assert second.read().startswith(b"new")


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


def test_a_file_that_is_cut_while_it_is_sent_is_a_mistake_and_ends_the_connection(
    path: Path,
) -> None:
    os.truncate(path, 64 * STRETCH)

    def cut_and_hear(connection: socket.socket) -> None:
        receive(connection, STRETCH)  # now the client is in the midst of it
        os.truncate(path, 0)
        receive(connection, 64 * STRETCH)

    with contextlib.ExitStack() as at_end:
        port = at_end.enter_context(server(cut_and_hear))
        source = at_end.enter_context(path.open("rb"))
        http = at_end.enter_context(HTTP(HOST, port, timeout=PATIENCE))
        with pytest.raises(ValueError, match="shorter"):
            http.put("/", source)
        assert http.wire.closed


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", b""]
)
def test_a_server_that_has_heard_enough_of_a_file_ends_the_sending(
    path: Path, said: bytes
) -> None:
    def interrupt(connection: socket.socket) -> None:
        connection.sendall(said)
        if said:
            receive(connection, len(CONTENT))

    os.truncate(path, 64 * STRETCH)
    with server(interrupt) as port, path.open("rb") as source:
        http = HTTP(HOST, port, timeout=PATIENCE)
        if said:
            assert http.put("/", source).status == 413
        else:
            with pytest.raises(Disconnected):
                http.put("/", source)
        assert http.wire.closed
