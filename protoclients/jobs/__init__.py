"""Jobs: the same task done twice, by our client and by the standard library.

    @job("poplib.POP3")
    class LookAtTheDrop:
        \"\"\"Look at the maildrop\"\"\"           the title; the name is look-at-the-drop

        @staticmethod
        def by_hand(lab): …                 with protoclients.POP3

        @staticmethod
        def by_library(lab): …              with poplib.POP3

Both are given the Lab, or any other object that knows the same addresses, and return the
same plain value. What differs is what they say on the wire, and how much of it the
student has to type. A protocol's jobs are in the file with its client's name.

Our clients have a timeout anyway. The libraries wait for ever unless they are told not to:
so most are told 10 seconds here, and `xmlrpc.client` can't be.
"""

import importlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The file of each protocol, in the order of the lectures.
FILES = {
    "echo": "echo",
    "http": "http1",
    "smtp": "smtp",
    "pop3": "pop3",
    "nntp": "nntp",
    "ftp": "ftp",
    "telnet": "telnet",
}

Lab = Any  # `protoclients.fixtures.Lab`, or what has the same addresses
Plain = Any  # made of str, int, bytes, None, list, tuple and dict
Side = Callable[[Lab], Plain]


@dataclass(frozen=True, slots=True)
class Job:
    """A task, and its two ways.

    `protocol` is a key of `FILES`, `name` is unique in it, `title` is for people. `hand`
    and `library` name the two clients, such as "protoclients.POP3" and "poplib.POP3".
    """

    protocol: str
    name: str
    title: str
    hand: str
    library: str
    by_hand: Side
    by_library: Side


def all_jobs() -> list[Job]:
    """Every job, in the order of the lectures."""
    return [job for protocol in FILES for job in jobs_of(protocol)]


def jobs_of(protocol: str) -> list[Job]:
    """The jobs of one protocol, such as "pop3". Raises `ValueError` if there is none."""
    if protocol not in FILES:
        raise ValueError(f"no jobs for {protocol!r}; there are {', '.join(FILES)}")
    module = importlib.import_module(f".{FILES[protocol]}", __name__)
    return list(module.JOBS)


def add_job(
    jobs: list[Job], protocol: str, hand: str, library: str
) -> Callable[[type[Any]], type[Any]]:
    """A decorator that makes a Job of a class with `by_hand` and `by_library`, and adds it
    to `jobs`. The name is the class's, the title its docstring's first line."""

    def add(sides: type[Any]) -> type[Any]:
        name = "-".join(re.findall("[A-Z][a-z]*|[0-9]+", sides.__name__)).lower()
        title = (sides.__doc__ or name).partition("\n")[0]
        by_hand, by_library = sides.by_hand, sides.by_library
        jobs.append(Job(protocol, name, title, hand, library, by_hand, by_library))
        return sides

    return add


def removed_module(name: str) -> Any:
    """Import "nntplib" or "telnetlib", which left the standard library with Python 3.13
    (PEP 594), without the warning about it: here that is the subject, not an oversight."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f"'?{name}'? ", DeprecationWarning)
        return importlib.import_module(name)
