"""What commands say, and where: the terminal, a pipe, or a file.

What a server sends may hold control characters, which make a terminal do things. They are
escaped on their way to a terminal; a pipe or a file gets every octet as it came.
"""

import codecs
import contextlib
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from rich.console import Console

# C0 except tab and newline, DEL, C1, and octets that were no UTF-8 (surrogateescape).
CONTROL = "[\0-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]"


def columns() -> int:
    """The width of the terminal, or what COLUMNS says, or 80."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found = int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
        return max(found, 20) if found else 80
    return 80


def visible(text: str) -> str:
    """`text` with its control characters escaped, such as \\x1b."""
    return re.sub(CONTROL, lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)


def one_line(text: str) -> str:
    """`text` as one line that can't do anything to a terminal."""
    return visible(" ".join(text.split()))


def say(text: str) -> None:
    """Print lines on stdout."""
    print(visible(text) if sys.stdout.isatty() else text)


def note(text: str) -> None:
    """Tell people something, on stderr, where it stays out of the result."""
    print(f"protoclients: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """The same in red, where the terminal has it."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    red = sys.stderr.isatty() and not plain
    note(f"\033[1;31m{text}\033[0m" if red else text)


def console() -> "Console":
    """Stdout by rich, which knows whether there is colour."""
    from rich.console import Console

    return Console(width=columns(), highlight=False, soft_wrap=True)


def readable(field: str) -> str:
    """The value of a mail's or article's header field, as people read it: on one line, and
    without the encoding of RFC 2047."""
    if "=?" in field:
        from email.errors import MessageError
        from email.header import decode_header, make_header

        with contextlib.suppress(LookupError, ValueError, MessageError):  # an odd encoding
            field = str(make_header(decode_header(field)))
    return " ".join(field.split())


def table(rows: list[tuple[Any, ...]]) -> None:
    """Print rows in columns: numbers to the right, and the last column as it is. On a
    terminal a line is cut off where the terminal ends."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        *cells, last = row
        aligned = [
            f"{cell:>{width}}" if isinstance(cell, int) else f"{cell:{width}}"
            for cell, width in zip(cells, widths, strict=False)
        ]
        line = "  ".join([*aligned, str(last)])
        if sys.stdout.isatty() and len(visible(line)) > columns():
            line = visible(line)[: columns() - 1] + "…"
        say(line)


class Output:
    """Where a body goes. `write` is that of a binary file; `expect` says how many octets
    will come, if anybody knows, and begins the progress bar if there is to be one."""

    def __init__(self, write: Callable[[bytes], object], *, shows_progress: bool) -> None:
        self.write = write
        self.shows_progress = shows_progress
        self.end = contextlib.ExitStack()

    @property
    def into(self) -> BinaryIO:
        """Itself, as what the clients' `into` wants to have."""
        return cast(BinaryIO, self)

    def expect(self, octets: int | None, title: str) -> None:
        if not self.shows_progress:
            return
        from rich import progress
        from rich.console import Console

        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            console=Console(stderr=True),
        )
        task = self.end.enter_context(bar).add_task(one_line(title)[:30], total=octets)
        write = self.write

        def write_and_show(data: bytes) -> None:
            write(data)
            bar.advance(task, len(data))

        self.write = write_and_show


@contextlib.contextmanager
def output(name: str | None) -> Iterator[Output]:
    """Where `-o NAME` says a body goes; None or "-" is stdout.

    A file is written beside its place and moved there at the end, so that nothing half
    taken ever has its name.
    """
    if name is None or name == "-":
        sys.stdout.flush()
        if sys.stdout.isatty():
            screen = Screen()
            yield Output(screen.write, shows_progress=False)
            screen.write(b"", final=True)
        else:
            yield Output(sys.stdout.buffer.write, shows_progress=False)
        return
    with new_file(os.path.realpath(name)) as file:
        result = Output(file.write, shows_progress=sys.stderr.isatty())
        with result.end:
            yield result


class Screen:
    """Writes what a server sent to the terminal, as text."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.held = ""  # a CR, perhaps the first half of a line end

    def write(self, data: bytes, final: bool = False) -> None:
        text = self.held + self.decoder.decode(bytes(data), final)
        self.held = "\r" if text.endswith("\r") and not final else ""
        text = text.removesuffix(self.held).replace("\r\n", "\n")
        sys.stdout.write(visible(text))


@contextlib.contextmanager
def new_file(path: str) -> Iterator[BinaryIO]:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device, say
        with open(path, "wb") as file:
            yield file
        return
    beside = f"{path}.{os.getpid()}.part"
    try:
        file = open(beside, "xb")  # noqa: SIM115
    except OSError as error:
        error.filename = path
        raise
    try:
        with file:
            yield file
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(beside, path)
    except BaseException as error:
        os.unlink(beside)
        if type(error) is OSError:  # "No space left on device" says no name
            error.filename = path
        raise


@contextlib.contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """The file to be sent; "-" is stdin."""
    if name != "-":
        with open(name, "rb") as file:
            yield file
        return
    if sys.stdin.isatty():
        note("type it here, and end with Ctrl-D on a line of its own")
    yield sys.stdin.buffer
