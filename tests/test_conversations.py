"""Conversations from the RFCs, played over real sockets: see `conversation_player`.

Each is played whole, in small pieces, cut off after every octet that the server says, and
with one line more than was asked for.
"""

import socket
from pathlib import Path

import pytest

from .conversation_player import Script, can_be_chatty, load, play, play_chatty, play_cut
from .scripted_server import dripping

FILES = sorted((Path(__file__).parent / "conversations").glob("*.txt"))
SCRIPTS = {path.stem: load(path) for path in FILES}

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
    play(script, size)


@each_script
def test_a_cut_is_never_taken_for_the_end(script: Script) -> None:
    for most in range(script.heard[-1]):
        play_cut(script, most)


@each_script
def test_a_word_too_many_is_not_taken_for_the_next_answer(script: Script) -> None:
    for call in can_be_chatty(script):
        play_chatty(script, call)
