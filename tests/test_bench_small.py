"""The benchmark runs, small. How fast anything is has no place in a test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .daemons.conftest import need

ROOT = Path(__file__).parents[1]
# One of each kind: sink and file, up and down, one by one and at once, parsed and counted.
ITEMS = ["http-chunked-mixed", "http-put", "ftp-retr-file", "pop3-small-many", "nntp-over"]
ITEMS += ["smtp-bdat", "telnet-binary"]
# The same of what each real server serves.
REAL = {
    "nginx": ["http-get-file", "http-small", "http-small-many"],
    "vsftpd": ["ftp-retr", "ftp-stor", "ftp-list", "ftp-small", "ftp-small-many"],
    "smtp-sink": ["smtp-small-many", "smtp-data"],
    "dovecot": ["pop3-retr", "pop3-small-many", "pop3-uidl"],
    "innd": ["nntp-over", "nntp-small-many", "nntp-body"],
}


def bench(*words: str) -> str:
    """Run the benchmark and return what it prints."""
    command = [sys.executable, "-m", "tests.bench", "--rounds", "1", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has left its table, figures and page."""
    folder = tmp_path_factory.mktemp("bench")
    chosen = [word for item in ITEMS for word in ("--item", item)]
    files = ["--json", str(folder / "figures"), "--page", str(folder / "page")]
    (folder / "table").write_text(bench("--scale", "0.001", *chosen, *files))
    return folder


def test_every_contestant_does_the_job_or_is_known_not_to(folder: Path) -> None:
    figures: dict[str, dict[str, Any]] = json.loads((folder / "figures").read_text())
    assert list(figures["items"]) == ITEMS
    for found in figures["items"].values():
        assert all(found[who]["job"][0] > 0 for who in ("ours", "library", "bare"))
        assert found["curl"]["process"] or found["curl"]["problem"] == "-"


def test_the_table_fits_a_terminal_of_80_columns(folder: Path) -> None:
    lines = (folder / "table").read_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(item) for line in lines) for item in ITEMS)


def test_the_page_has_bars_and_needs_nothing_from_outside(folder: Path) -> None:
    page = (folder / "page").read_text()
    assert page.count("<svg") == 6
    assert not any(word in page for word in ("<script", "<link", "href", "src=", "url("))


def test_a_round_trip_takes_as_long_as_asked_for(tmp_path: Path) -> None:
    words = ["--scale", "0.001", "--item", "ftp-small", "--rtt", "20ms"]
    bench(*words, "--json", str(tmp_path / "figures"))
    found = json.loads((tmp_path / "figures").read_text())["items"]["ftp-small"]
    # Two files: for each a port, a connection to it and the file, one after the other.
    assert found["ours"]["job"][0] > 2 * 3 * 0.020


@pytest.mark.daemons
@pytest.mark.parametrize("program", REAL)
def test_a_real_server_serves_all_contestants(program: str, tmp_path: Path) -> None:
    need(program)
    chosen = [word for item in REAL[program] for word in ("--item", item)]
    files = ["--json", str(tmp_path / "figures"), "--page", str(tmp_path / "page")]
    table = bench("--daemons", "--scale", "0.001", *chosen, *files)
    figures = json.loads((tmp_path / "figures").read_text())["items"]
    assert list(figures) == REAL[program]
    assert max(map(len, table.splitlines())) <= 80
    for found in figures.values():
        assert all(found[who]["job"][0] > 0 for who in ("ours", "library"))
        others = [found[who] for who in ("curl", "wget", "lftp", "bare")]
        assert all(other["process"] or other["problem"] == "-" for other in others)


@pytest.mark.daemons
def test_a_real_server_can_be_a_longer_way_off(tmp_path: Path) -> None:
    need("smtp-sink")
    words = ["--daemons", "--rtt", "20ms", "--scale", "0.001", "--item", "smtp-small"]
    bench(*words, "--json", str(tmp_path / "figures"))
    found = json.loads((tmp_path / "figures").read_text())["items"]["smtp-small"]
    # Two mails: at least the envelope and the mail, one after the other.
    assert found["ours"]["job"][0] > 2 * 2 * 0.020


@pytest.mark.daemons
def test_an_item_without_a_real_server_is_left_out() -> None:
    need("nginx")
    table = bench("--daemons", "--scale", "0.001", "--item", "telnet-text")
    assert table.endswith("Left out, for no daemon here serves it: telnet-text\n")
