"""`gpt-tui write`: what it refuses before the app is shown, and with what it opens it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpt_tui import app, navigation


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[navigation.OpenCompose]:
    """What the app was asked to open, on a terminal that is not there."""
    asked: list[navigation.OpenCompose] = []

    def run(first: navigation.OpenCompose) -> int:
        asked.append(first)
        return 0

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return asked


@pytest.fixture
def on_terminal(opened: list[navigation.OpenCompose]) -> Callable[..., int]:
    """The command itself, in the place of a shell's line."""
    from gpt_tui import cli

    return lambda *arguments: cli.run(["write", *arguments])


def test_a_file_and_a_model_are_handed_to_the_app(
    on_terminal: Callable, opened: list[navigation.OpenCompose], novel: Path, tmp_path: Path
) -> None:
    text = tmp_path / "my novel.md"
    text.write_text("It was late.")
    assert on_terminal(str(text), "--model", "novel", "--checkpoint", "last") == 0
    assert (opened[0].file, opened[0].model, opened[0].checkpoint) == (text.resolve(), "novel", "last")


def test_without_anything_the_last_draft_is_opened(on_terminal: Callable, opened: list[navigation.OpenCompose]) -> None:
    assert on_terminal() == 0
    assert (opened[0].file, opened[0].model, opened[0].draft) == (None, None, None)


def test_a_file_that_does_not_exist_yet_is_fine(
    on_terminal: Callable, opened: list[navigation.OpenCompose], tmp_path: Path
) -> None:
    assert on_terminal(str(tmp_path / "new.txt")) == 0
    assert opened[0].file == (tmp_path / "new.txt").resolve() and not (tmp_path / "new.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["."], "this is a folder"),
        (["nowhere/new.txt"], "there is no folder"),
        (["-"], "standard input"),
        (["--model", "nothing"], "no model of that name"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_a_line(
    on_terminal: Callable,
    opened: list[navigation.OpenCompose],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    assert on_terminal(*arguments) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints and complaints.count("\n") == 1 and not opened


def test_without_a_terminal_it_says_so(shell: Callable, tmp_path: Path) -> None:
    done = shell("write", str(tmp_path / "new.txt"))
    assert done.returncode == 2 and b"needs a terminal" in done.stderr and done.stderr.count(b"\n") == 1


def test_refusals_import_nothing_heavy(tmp_path: Path) -> None:
    program = "import sys; from gpt_tui import cli; cli.run(['write', '.']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert not {"torch", "numpy", "tokenizers", "textual"} & set(done.stdout.split())
