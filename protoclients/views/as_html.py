"""Conversations as a small table for a notebook: who, what, and what it means."""

from collections.abc import Iterable
from html import escape

from protoclients.conversation import Conversation, Step
from protoclients.grammar.reading import address

from .terminal import figures, step_lines

CELL = "text-align:left;vertical-align:top;padding:1px 8px"
LINES = f"{CELL};font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere"


def table(talks: Iterable[Conversation]) -> str:
    """A table for each conversation, complete in itself; secrets are hidden."""
    return "\n".join(map(_table, talks)) or "<p>nothing was said</p>"


def _table(talk: Conversation) -> str:
    with_whom = talk.server if talk.side == "client" else talk.client
    head = escape(f"{talk.protocol} with {address(with_whom)}: {figures(talk)}")
    rows = "\n".join(map(_row, talk.steps))
    return f'<table><caption style="{CELL}">{head}</caption>\n{rows}\n</table>'


def _row(step: Step) -> str:
    who = "--" if step.speaker == "-" else f"{step.speaker}:"
    said = "\n".join(step_lines(step))
    where = f" ({step.source})" if step.source else ""
    return (
        f'<tr><td style="{LINES}">{who}</td><td style="{LINES}">{escape(said)}</td>'
        f'<td style="{CELL}">{escape(step.meaning + where)}</td></tr>'
    )
