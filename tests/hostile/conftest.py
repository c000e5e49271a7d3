"""Every play here is played twice."""

import socket

import pytest

from tests.scripted_server import dripping


@pytest.fixture(autouse=True, params=["whole", "octet by octet"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the client's socket gives what has come."""
    if request.param != "whole":
        monkeypatch.setattr(socket, "socket", dripping([1]))
