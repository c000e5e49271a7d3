"""Conversations from the RFCs, played over real sockets: see `conversation_player`.

Each is played whole, in small pieces, cut off after every octet that the server says, and
with one line more than was asked for.
"""

import socket
from pathlib import Path

import pytest

from protoclients import POP3, WireError

from .conversation_player import (
    CLIENTS,
    Script,
    can_be_chatty,
    load,
    play,
    play_chatty,
    play_cut,
    read,
)
from .scripted_server import dripping

FILES = sorted((Path(__file__).parent / "conversations").glob("*.txt"))
SCRIPTS = {path.stem: load(path) for path in FILES}

Failed = pytest.fail.Exception

each_script = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)


@each_script
def test_a_conversation_goes_as_the_rfc_prints_it(script: Script) -> None:
    play(script)


@each_script
@pytest.mark.parametrize("size", [1, 3])
def test_it_makes_no_difference_how_octets_are_cut_into_pieces(
    script: Script, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", dripping([size]))
    play(script)


@each_script
def test_a_cut_is_never_taken_for_the_end(script: Script) -> None:
    for most in range(script.heard[-1]):
        play_cut(script, most)


@each_script
def test_a_word_too_many_is_not_taken_for_the_next_answer(script: Script) -> None:
    for call in can_be_chatty(script):
        play_chatty(script, call)


# The player itself

SHORT = """
client: POP3()
S: +OK
call: stat()
C: STAT
S: +OK 2 320
gives: (2, 320)
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("C: STAT", "C: LIST"),
        ("C: STAT", "C: STA"),
        ("(2, 320)", "(2, 321)"),
        ("gives: (2, 320)", "raises: Refused"),
        ("gives: (2, 320)\n", "gives: (2, 320)\nC: QUIT\n"),
    ],
)
def test_the_player_notices_what_does_not_fit(right: str, wrong: str) -> None:
    play(read(SHORT))
    with pytest.raises((AssertionError, Failed)):
        play(read(SHORT.replace(right, wrong)))


class Hasty(POP3):
    """A client with the mistakes that the player is there to find."""

    def stat(self) -> tuple[int, int]:
        try:
            self.wire.send_more(b"STAT\r\n")
            self.wire.read_line()
        except WireError:
            pass
        return 2, 320


def test_the_player_notices_a_hasty_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIENTS, "POP3", Hasty)
    script = read(SHORT + SHORT[SHORT.index("call:") :])
    play(script)
    with pytest.raises(Failed):
        play_cut(script, script.heard[0] + 3)
    with pytest.raises((AssertionError, Failed)):
        play_chatty(script, 0)
