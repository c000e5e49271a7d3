"""The README's commands and code run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
OURS = [line for line in COMMANDS if line.startswith("protoclients ")]
SET_UP = [line for line in COMMANDS if line.startswith("python3 -m venv")]


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_there_are_commands_and_two_of_them_set_up() -> None:
    assert len(OURS) >= 7
    assert [command.split("&&")[-1].split()[0] for command in SET_UP] == [
        ".venv/bin/protoclients",
        ".venv/bin/pytest",
    ]


@pytest.mark.parametrize("command", OURS)
def test_every_command_runs(command: str, tmp_path: Path) -> None:
    here = command.replace("protoclients ", f"{sys.executable} -m protoclients ", 1)
    done = run(here, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_python_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for code in [block for kind, block in BLOCKS if kind == "python"]:
        exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "The server said no: -ERR" in said
    assert "C USER student | AUTHORIZATION | RFC 1939 section 7" in said
    assert "lab-secret" not in said


def test_the_test_in_it_passes_in_a_suite_of_its_own(tmp_path: Path) -> None:
    (code,) = [block for kind, block in BLOCKS if kind == "python" and "def test" in block]
    (tmp_path / "test_it.py").write_text(code)
    done = run(f"{sys.executable} -m pytest -q -p no:cacheprovider test_it.py", tmp_path)
    assert done.returncode == 0, done.stdout


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:protoclients|fixtures|tests|\.ci)/[\w./-]*)`", README)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_first_command_sets_up_a_fresh_machine(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
    done = run(SET_UP[0], copy)
    assert done.returncode == 0, done.stderr
    assert "DIFFERENT" not in done.stdout
