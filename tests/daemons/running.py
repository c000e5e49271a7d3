"""What every daemon needs: a place, ports, a certificate; and to be started and stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import sample
from types import MappingProxyType
from typing import TypeVar

import trustme

from protoclients.fixtures.lab import Address

HOST = "127.0.0.1"
USER, PASSWORD = "student", "lab-secret"
MAIL_OWNER = 4242  # a user id that nobody needs to have, for maildirs
# Where Debian keeps daemons; a user's PATH may lack it.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/lib/news/bin"
ENVIRONMENT = {**os.environ, "PATH": PATH}
# Half a second is enough for each of them, but a machine can be busy.
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10
# Below the ports that the kernel gives to clients, 32768 and up: between choosing one of
# those and listening on it, somebody else's connection could get it.
BLOCKS, BLOCK = range(10_000, 32_000, 500), 500

Found = TypeVar("Found")


@dataclass(frozen=True)
class Server(Address):
    """A daemon's address, and the directory it works in."""

    place: Path


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: whom to trust, and a certificate for localhost with its key."""

    cafile: Path
    certificate: Path
    key: Path


class Ports:
    """Port numbers for one run of the tests, which no other run uses.

    A run takes a whole block of them, by a name that the kernel gives to one process only
    and takes back when that ends: an abstract Unix address.
    """

    def __init__(self) -> None:
        for first in sample(BLOCKS, len(BLOCKS)):
            self._name = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                self._name.bind(f"\0protoclients daemons {first}")
                self._numbers = iter(range(first, first + BLOCK))
                return
            self._name.close()
        raise OSError("every block of ports is in use")

    def free(self) -> int:
        """The next number on which nobody listens."""
        for port in self._numbers:
            with contextlib.suppress(OSError), socket.create_server((HOST, port)):
                return port
        raise OSError("no free port is left in this run's block")

    def range(self, size: int) -> tuple[int, int]:
        """The first and the last of the next `size` numbers."""
        numbers = [next(self._numbers) for _ in range(size)]
        return numbers[0], numbers[-1]

    def close(self) -> None:
        self._name.close()


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory that daemons can read after they have dropped root."""
    with tempfile.TemporaryDirectory(prefix="protoclients-daemon-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def issue_certificate(place: Path) -> Certificate:
    """A new authority, and a certificate by it; RSA, which all daemons take."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", HOST, key_type=trustme.KeyType.RSA)
    made = Certificate(place / "ca.pem", place / "cert.pem", place / "key.pem")
    authority.cert_pem.write_to_path(str(made.cafile))
    leaf.cert_chain_pems[0].write_to_path(str(made.certificate))
    leaf.private_key_pem.write_to_path(str(made.key))
    return made


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    place: Path,
    *ports: int,
    environment: Mapping[str, str] = MappingProxyType({}),
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in the foreground, from the time it listens on `ports` until it is stopped
    by the signal `stop`. Its own words go to daemon.log in `place`."""
    log = place / "daemon.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=place,
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        for port in ports:
            wait_for(port, process, log)
        yield process
    finally:
        end(process, stop)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return as soon as `process` takes connections on `port`."""
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((HOST, port), 1).close()
            return
        # Waiting for its end is a pause that ends at once when there is no hope.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            raise OSError(f"{process.args!r} ended: {log.read_text(errors='replace')}")
        if time.monotonic() > deadline:
            raise OSError(f"nobody listens: {log.read_text(errors='replace')}")


def eventually(find: Callable[[], Found], seconds: float = 20) -> Found:
    """What `find` returns as soon as it is true, or what it returned last."""
    deadline = time.monotonic() + seconds
    while not (found := find()) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return found


def end(process: subprocess.Popen[bytes], stop: signal.Signals = signal.SIGTERM) -> None:
    """Stop a daemon, and those of its children that it has left behind."""
    process.send_signal(stop)
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(SECONDS_TO_STOP)
    # Its children are in the process group that has its number.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
