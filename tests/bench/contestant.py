"""The process of one contestant: it does one job, with a clock around it.

    python -m tests.bench.contestant WHO ITEM SCALE PORT FILE

It prints the seconds of the job, the seconds that the processor worked for it, the octets
of memory that it took over what the process had before, and the octets or lines that it
brought. `FILE` is what is sent, or written.
"""

import importlib
import io
import resource
import sys
import time
from typing import Any, BinaryIO, cast

from .items import BY_NAME, Item

HOST, TIMEOUT = "127.0.0.1", 600.0
SENDER, RECIPIENT = "student@example.test", "lecturer@example.test"


class Sink(io.RawIOBase):
    """A file that forgets what is written to it."""

    count = 0

    def write(self, data: Any) -> int:
        self.count += len(data)
        return len(data)

    def tell(self) -> int:
        return self.count


class Clock:
    """`with clock:` measures the time, and how far the memory rose above its level."""

    seconds = cpu = 0.0
    memory = 0

    def __enter__(self) -> None:
        reset_peak()
        self._level = peak()
        self._worked = time.process_time()
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self.cpu = time.process_time() - self._worked
        self.memory = peak() - self._level


class Job:
    """What a contestant has to know: the server's port, the item, the file."""

    def __init__(self, item: Item, port: int, path: str) -> None:
        self.item = item
        self.port = port
        self.path = path
        self.clock = Clock()

    def into(self) -> BinaryIO:
        """Where a body goes."""
        to_file = self.item.name.endswith("-file")
        return open(self.path, "wb") if to_file else cast(BinaryIO, Sink())

    def source(self) -> BinaryIO:
        """Where an upload comes from."""
        return open(self.path, "rb")

    def source_octets(self) -> bytes:
        """The same, where it is small."""
        with self.source() as source:
            return source.read()

    @property
    def numbers(self) -> range:
        """One number for each thing."""
        return range(1, self.item.number + 1)


def reset_peak() -> None:
    """Linux can forget the peak, so that importing a module does not hide the job."""
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass


def peak() -> int:
    """The most memory that this process has had, in octets."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
            return int(line.split()[1]) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(who: str, name: str, scale: str, port: str, path: str) -> None:
    """Do the job, print what it took."""
    item = BY_NAME[name].scaled(float(scale))
    jobs = importlib.import_module(f".{who}", __package__)
    job = Job(item, int(port), path)
    brought = getattr(jobs, name.replace("-", "_"))(job)
    print(job.clock.seconds, job.clock.cpu, job.clock.memory, brought)


if __name__ == "__main__":
    main(*sys.argv[1:])
