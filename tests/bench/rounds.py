"""Who runs when: the contestants of an item take turns, each in a process of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import processes
from .content import message
from .items import KIB, PIECE, Item

WHO = ["ours", "library", *processes.TABLES, "bare"]
UPLOADS = ("put", "stor")
# Longer than any contestant should take; one that hangs is to be seen.
TIMEOUT = 600
KINDS = ["process", "job", "cpu", "memory"]
ROOT = Path(__file__).parents[2]

Results = dict[str, Any]


def run(item: Item, scale: float, rounds: int, rtt: float, real: bool = False) -> Results:
    """Run one item, perhaps with a real server: for each contestant the seconds of its
    process, of its job, and of the processor's work for it, and its memory in octets; or
    why there are none."""
    small = item.scaled(scale)
    found: Results = {who: {kind: [] for kind in KINDS} for who in WHO}
    if real:
        found["bare"]["problem"] = "-"
    with tempfile.TemporaryDirectory(dir=scratch(small)) as folder:
        path = prepare(small, Path(folder))
        serving = (
            real_server(small, rtt, Path(folder)) if real else server(item, scale, rtt)
        )
        with serving as port:
            for _ in range(rounds):
                for who in WHO:
                    if "problem" not in found[who]:
                        note(found[who], turn(who, item, scale, port, path))
    return found


def note(found: Results, result: list[float] | str) -> None:
    """Add the figures of a turn, or say why there are none."""
    if isinstance(result, str):
        found["problem"] = result
        return
    for name, figure in zip(KINDS, result, strict=False):
        found[name].append(figure)


def turn(who: str, item: Item, scale: float, port: int, path: str) -> list[float] | str:
    """Run one contestant once: figures in the order of `KINDS`, or why there are none."""
    small = item.scaled(scale)
    command = [sys.executable, "-m", "tests.bench.contestant", who]
    command += [item.name, str(scale), str(port), path]
    output = subprocess.PIPE
    if who in processes.TABLES:
        command, output = processes.command(who, small, port, path), subprocess.DEVNULL
        if not command:
            return "-"
    began = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    seconds = time.perf_counter() - began
    if done.returncode:
        print(f"{item.name}, {who}: {done.stderr}", file=sys.stderr)
        return "fails"
    if who in processes.TABLES:
        return [seconds]
    job, cpu, memory, brought = done.stdout.split()
    if int(brought) != small.total:
        print(f"{item.name}, {who}: {brought}, not {small.total}", file=sys.stderr)
        return "wrong"
    return [seconds, float(job), float(cpu), float(memory)]


@contextlib.contextmanager
def server(item: Item, scale: float, rtt: float) -> Iterator[int]:
    """The port of a server for the item, which is a longer way off with `rtt`."""
    with contextlib.ExitStack() as at_end:
        near = [at_end.enter_context(listener()) for _ in range(2)]
        far = [at_end.enter_context(listener()) for _ in range(2)] if rtt else near
        port, data_port = (end.getsockname()[1] for end in far)
        words = [item.name, str(scale), *numbers(near), str(data_port)]
        at_end.enter_context(running("servers", words, near))
        if rtt:
            ports = [end.getsockname()[1] for end in near]
            at_end.enter_context(relay(rtt, far, ports))
        yield port


@contextlib.contextmanager
def real_server(item: Item, rtt: float, place: Path) -> Iterator[int]:
    """The same of a real server."""
    from .daemons import daemon

    with daemon(item, place) as port:
        if not rtt:
            yield port
            return
        with listener() as far, relay(rtt, [far], [port]):
            yield far.getsockname()[1]


def relay(
    rtt: float, far: list[socket.socket], ports: list[int]
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A longer way from each of these listeners to its port."""
    ways = zip(numbers(far), map(str, ports), strict=True)
    return running("relay", [str(rtt), *(word for way in ways for word in way)], far)


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=100)


def numbers(sockets: list[socket.socket]) -> list[str]:
    return [str(each.fileno()) for each in sockets]


@contextlib.contextmanager
def running(
    module: str, words: list[str], listeners: list[socket.socket]
) -> Iterator[subprocess.Popen[str]]:
    """A process of our own, from when it is ready until it is not needed any more."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        pass_fds=[each.fileno() for each in listeners],
    )
    try:
        assert process.stdout
        process.stdout.readline()  # "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def prepare(item: Item, folder: Path) -> str:
    """Write the file that is sent, if one is; return its path, or the one to write to."""
    path = folder / "file"
    if item.name.endswith(UPLOADS) or item.name.startswith("smtp"):
        with path.open("wb") as file:
            piece = min(item.size, PIECE)
            for _ in range(item.size // piece):
                file.write(message(piece))
    return str(path)


def scratch(item: Item) -> str | None:
    """Where files lie: in memory if there is room, so that no disk is measured."""
    memory = "/dev/shm"
    # A real server has a file of its own for each thing, and a file takes a page at least.
    octets = max(item.total, item.number * 4 * KIB)
    roomy = os.path.isdir(memory) and shutil.disk_usage(memory).free > 2 * octets
    return memory if roomy else None
