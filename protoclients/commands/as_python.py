"""Run a program in this process as `python` would run it."""

import builtins
import contextlib
import importlib.machinery
import io
import linecache
import os
import runpy
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from protoclients import recorder

ENDS = (signal.SIGTERM, signal.SIGHUP)  # what ends a program, unless it has a say in it
OURS = (__file__, recorder.__file__, runpy.__file__, "<frozen runpy>")


def understood(words: list[str]) -> Callable[[], None]:
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
    if has_a_main(path):
        set_first_place(file)
        run_by_name("__main__", is_module=False)
        return
    with io.open_code(file) as opened:
        source = opened.read()
    set_first_place(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", file)
    main = new_main(__file__=file, __cached__=None, __loader__=loader)
    exec(compile(source, file, "exec", dont_inherit=True), main)


def has_a_main(path: str) -> bool:
    """Whether this is a folder or a zip file: Python runs the `__main__.py` in it."""
    if path.endswith(".py") or not os.path.isfile(path):
        return os.path.isdir(path)
    from zipfile import is_zipfile

    return is_zipfile(path)


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


def ended(task: Callable[[], None], before_the_end: Callable[[], None]) -> int:
    """Run the program to its end, threads included, and return its exit status. Should a
    signal end it, `before_the_end` is called."""
    try:
        with pythons_own_signals(before_the_end):
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
    with contextlib.suppress(OSError, ValueError):  # it is closed
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


def in_children(signals: Iterable[int], change: Callable[[], None]) -> None:
    """Have every forked child `change` what it does at these signals, before any of them
    can come: Python forgets those that come meanwhile."""
    masks: list[Any] = []

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def begin() -> None:
        change()
        unblock()

    os.register_at_fork(
        before=lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, signals)),
        after_in_parent=unblock,
        after_in_child=begin,
    )


@contextlib.contextmanager
def pythons_own_signals(before_the_end: Callable[[], None]) -> Iterator[None]:
    """Signals do what they do in any Python program: Ctrl-C is a KeyboardInterrupt, and
    SIGTERM or a closed terminal end it at once, if not without a last act."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            before_the_end()
        finally:
            os.kill(os.getpid(), number)

    def default_in_child() -> None:
        for number in ENDS:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)

    in_children(ENDS, default_in_child)
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: end,
        signal.SIGHUP: end,
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
