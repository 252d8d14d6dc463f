"""How commands begin and end: what they import, what the shell is told, what becomes of output that no one reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GPT_TUI = (sys.executable, "-m", "gpt_tui")
HEAVY = ("torch", "numpy", "tokenizers", "transformers", "textual")


@pytest.mark.parametrize("command", ["--help", "train --help", "models", "show novel", "corpora", "delete nothing"])
def test_what_needs_no_model_imports_no_torch(add_model: Callable, command: str) -> None:
    add_model("novel")
    program = f"import sys; from gpt_tui import cli; cli.run({command.split()!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stderr.split())


def test_the_wrong_requests_of_train_and_generate_are_refused_before_anything_heavy(add_model: Callable) -> None:
    add_model("novel")
    for command in ("train x --minutes 0", "generate novel --top-p 2", "train x --name a/b", "generate nothing"):
        program = f"import sys; from gpt_tui import cli; cli.run({command.split()!r}); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "torch" not in done.stdout.split()


def test_the_exit_status_reaches_the_shell(shell: Callable) -> None:
    assert shell("models").returncode == 0
    done = shell("show", "nothing")
    assert done.returncode == 2 and done.stderr.startswith(b"gpt-tui: nothing: no model") and done.stdout == b""


def test_output_in_a_pipe_is_utf8_and_plain(shell: Callable, add_model: Callable) -> None:
    add_model("роман")
    done = shell("models", LC_ALL="C", PYTHONIOENCODING="ascii", FORCE_COLOR="1", COLUMNS="20")
    assert "роман" in done.stdout.decode("utf-8") and b"\x1b" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
def test_a_reader_that_leaves_is_no_error(add_model: Callable) -> None:
    for number in range(300):
        add_model(f"novel-{number}")
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt_tui", "models", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 130
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
@pytest.mark.parametrize("command", ["models", "models --json", "corpora", "show novel", "generate --help"])
def test_output_that_cannot_be_written_is_told_in_one_line(add_model: Callable, command: str) -> None:
    add_model("novel")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*GPT_TUI, *command.split()], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1 and b"standard output" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell's way to close a stream")
@pytest.mark.parametrize(("closed", "status"), [("<&-", 0), (">&-", 0), ("2>&-", 2), ("<&- >&- 2>&-", 2)])
def test_streams_that_are_closed_fail_nothing(add_model: Callable, closed: str, status: int) -> None:
    add_model("novel")
    command = "models" if status == 0 else "show nothing"
    script = f'exec "$@" {command} {closed}'
    done = subprocess.run(["sh", "-c", script, "sh", *GPT_TUI], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == status and b"Traceback" not in done.stderr
    assert status == 0 or done.stdout == b""  # a complaint is nothing for standard output
