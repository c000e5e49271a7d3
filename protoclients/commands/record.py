"""Run a Python program, and show what it said on the network.

The program runs as `python` would run it, with its own arguments, input, output
and exit status. What it said is shown on stderr when it has ended, with the lines
of code that said it. Threads are heard too; other processes are not.
"""

import argparse
import builtins
import contextlib
import errno
import importlib.machinery
import io
import linecache
import os
import runpy
import signal
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from typing import Any

from protoclients import recorder

from .hearing import Live, add_view_options, look
from .output import new_file, note

EXAMPLES = """\
  protoclients record -m protoclients pop3 stat
  protoclients record -vv --sockets -- fetch.py http://localhost:8080/
  protoclients record -o talk.json -c "import poplib; poplib.POP3('localhost', 8110)"
  protoclients show talk.json
"""
USAGE = """\
protoclients record [options] [--] SCRIPT.py [ARGS]
       protoclients record [options] -m MODULE [ARGS]
       protoclients record [options] -c CODE [ARGS]"""
WITH_VALUE = ("-o", "--protocol")
OURS = (__file__, recorder.__file__, runpy.__file__, "<frozen runpy>")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = USAGE
    parser.add_argument("-o", dest="output", metavar="FILE", help="save it, for `show`")
    parser.add_argument("--follow", action="store_true", help="show it as it happens")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `record` and `show` have in common."""
    parser.add_argument(
        "--code",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the lines of code that said it (the default)",
    )
    parser.add_argument(
        "-v", dest="verbose", action="count", default=0, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "-vv", dest="verbose", action="store_const", const=2, help="what it means, too"
    )
    add_view_options(parser)
    parser.add_argument(
        "--protocol", metavar="NAME", help="what is spoken, where that can't be told"
    )


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The options before the program; all after them are the program's own."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        if words[at][:2] in ("-m", "-c"):
            break
        at += 2 if words[at] in WITH_VALUE else 1
    options = parser.parse_args(words[:at])
    options.program = words[at:][words[at : at + 1] == ["--"] :]
    if options.json:
        parser.error("stdout is the program's; -o FILE saves it, and show --json has JSON")
    if not options.program:
        parser.error("which program? Say -- SCRIPT.py, -m MODULE or -c CODE")
    return options


def run(options: argparse.Namespace) -> int:
    from protoclients.conversation import Listener

    Listener(options.protocol)  # an unknown protocol is found before the program runs
    options.output = options.output and writable(options.output)
    task = understood(options.program)
    live = Live(look(options, sys.stderr), options.protocol) if options.follow else None
    process = os.getpid()
    with recorder.record(threads=True, on_call=live.hear if live else None) as recording:
        status = ended(task)
    if os.getpid() != process:  # a child, forked by the program
        return status
    was_said = live.end() if live else show(recording, options)
    if not was_said:
        note("the program said nothing on the network")
    if options.output:
        save(recording, options)
    return status


def show(recording: recorder.Recording, options: argparse.Namespace) -> bool:
    """Show on stderr what was said; returns whether there is anything."""
    from protoclients.conversation import conversations
    from protoclients.views import terminal

    talks = conversations(recording.calls, options.protocol)
    with contextlib.suppress(OSError, ValueError):  # the program has closed it
        sys.stdout.flush()
        sys.stderr.write(terminal.text(talks, look(options, sys.stderr)))
        sys.stderr.flush()
    return bool(talks)


# The file


def writable(name: str) -> str:
    """The path of a file to be written; the program may go to another folder. Whether it
    can be is better known before the program has run."""
    path = os.path.realpath(name)
    os.stat(os.path.dirname(path))
    if os.path.isdir(path) or not os.access(os.path.dirname(path), os.W_OK):
        raise PermissionError(errno.EACCES, "this can't be written", name)
    return path


def save(recording: recorder.Recording, options: argparse.Namespace) -> None:
    """Write the file. With secrets it is for the user alone, from its first octet on."""
    from protoclients.views import as_json

    text = as_json.dumps(
        recording, protocol=options.protocol, show_secrets=options.show_secrets
    )
    path = options.output
    if options.show_secrets and os.path.isfile(path):
        os.chmod(path, 0o600)
    with new_file(path) as file:
        if options.show_secrets and not os.path.exists(path):
            os.fchmod(file.fileno(), 0o600)
        file.write(text.encode("utf-8", "backslashreplace"))
    note(f"saved; to see it again: protoclients show {path}")


# The program


def understood(words: list[str]) -> Any:
    """A function that runs the program as `python` with these words would."""
    first, rest = words[0], words[1:]
    if first[:2] not in ("-m", "-c"):
        return lambda: run_script(first, rest)
    what = first[2:] or (rest.pop(0) if rest else "")
    if not what:
        raise ValueError(f"what is to be run? {first} stands alone")
    run = run_module if first[:2] == "-m" else run_code
    return lambda: run(what, rest)


def run_script(path: str, arguments: list[str]) -> None:
    sys.argv = [path, *arguments]
    file = os.path.abspath(path)
    if os.path.isdir(path) or (os.path.isfile(path) and zipfile.is_zipfile(path)):
        set_first_place(file)
        run_by_name("__main__", is_module=False)
        return
    with io.open_code(file) as opened:
        source = opened.read()
    set_first_place(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", file)
    main = new_main(__file__=file, __cached__=None, __loader__=loader)
    exec(compile(source, file, "exec", dont_inherit=True), main)


def run_code(code: str, arguments: list[str]) -> None:
    sys.argv = ["-c", *arguments]
    set_first_place("")
    lines = code.splitlines(keepends=True)
    linecache.cache["<string>"] = len(code), None, lines, "<string>"
    main = new_main(__loader__=importlib.machinery.BuiltinImporter)
    exec(compile(code, "<string>", "exec", dont_inherit=True), main)


def run_module(name: str, arguments: list[str]) -> None:
    sys.argv = ["-m", *arguments]
    set_first_place(os.getcwd())
    run_by_name(name, is_module=True)


def run_by_name(name: str, *, is_module: bool) -> None:
    """Python itself calls this function, for `-m` and for a folder; the public ones of
    runpy leave another `__main__` behind."""
    new_main()
    runpy._run_module_as_main(name, is_module)  # type: ignore[attr-defined]


def new_main(**names: Any) -> dict[str, Any]:
    """The names of a new `__main__`. It stays when the program has ended: there may be
    functions that are called at the exit."""
    main = types.ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    vars(main).update(names, __builtins__=builtins)
    sys.modules["__main__"] = main
    return vars(main)


def set_first_place(path: str) -> None:
    """Where modules are looked for first, unless `python -P` has no such place."""
    if not sys.flags.safe_path:
        sys.path[0] = path


def ended(task: Any) -> int:
    """Run the program to its end, threads included, and return its exit status."""
    try:
        with pythons_own_signals():
            try:
                task()
            finally:
                wait_for_threads()
    except SystemExit as error:
        return exit_status(error)
    except BaseException as error:
        without_our_lines(error, set())
        if error.__traceback__ is None and isinstance(error, OSError):
            raise  # there is no such file
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def exit_status(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def without_our_lines(error: BaseException | None, seen: set[int]) -> None:
    """Take the lines of `record` and of the recorder out of a traceback, and out of those
    of the errors that led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    found, kept = error.__traceback__, []
    while found:
        if found.tb_frame.f_code.co_filename not in OURS:
            kept.append(found)
        found = found.tb_next
    following = None
    for found in reversed(kept):
        found.tb_next = following
        following = found
    error.__traceback__ = following
    without_our_lines(error.__cause__, seen)
    without_our_lines(error.__context__, seen)
    for part in (
        getattr(error, "exceptions", ()) if isinstance(error, BaseExceptionGroup) else ()
    ):
        without_our_lines(part, seen)


def wait_for_threads() -> None:
    """Wait for the threads that Python waits for at its end; they may start others."""
    while others := [
        thread
        for thread in threading.enumerate()
        if thread.is_alive()
        and not thread.daemon
        and thread is not threading.current_thread()
    ]:
        others[0].join()


@contextlib.contextmanager
def pythons_own_signals() -> Iterator[None]:
    """Signals do what they do in any Python program: Ctrl-C is a KeyboardInterrupt."""
    theirs = {signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        **theirs,
    }
    before = {number: signal.getsignal(number) for number in handlers}
    before = {number: now for number, now in before.items() if now is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
