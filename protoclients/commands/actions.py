"""The words of a client's command line: [SERVER] [ACTION [ARGUMENT …]]."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Action(NamedTuple):
    """What a client can be told to do. `takes` names its arguments: "NUMBER [LINES]"; the
    last may end with "…" if there may be more of it. `run` gets the connection, the
    command line's options, and the arguments."""

    takes: str
    help: str
    run: Callable[..., Any]
    login: bool = True


Actions = Mapping[str, Action]


def listed(actions: Actions) -> str:
    """The actions for `--help`."""
    lines = (f"{name} {action.takes}" for name, action in actions.items())
    width = max(len(f"{name} {action.takes}") for name, action in actions.items())
    helps = (action.help for action in actions.values())
    rows = (f"  {line:{width}}  {help}" for line, help in zip(lines, helps, strict=True))
    return "\n".join(("actions:", *rows))


def understood(words: list[str], actions: Actions) -> tuple[str | None, str, list[str]]:
    """The server, the action and its arguments in `words`. A first word that is no action
    is a server; the action is "" if there is none. Raises `ValueError`."""
    server = words[0] if words and words[0] not in actions else None
    name, *arguments = words[server is not None :] or [""]
    if name and name not in actions:
        raise ValueError(f"no action {name!r}: it is one of {', '.join(actions)}")
    if name:
        takes = actions[name].takes
        least = len(re.findall(r"(?<!\S)[^\[\s]+", takes))
        most = 1_000_000 if takes.endswith("…") else len(takes.split())
        if not least <= len(arguments) <= most:
            raise ValueError(f"the form of this is: {name} {takes}".rstrip())
    return server, name, arguments


def number(text: str) -> int:
    """A number on the command line."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValueError(f"not a number: {text!r}")
    return int(text)
