"""The whole way in a real terminal: choose a text, train, continue, change the temperature, export, find the file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="it drives the app in tmux")

PATIENCE = 180.0  # seconds for what takes a few on a machine that does nothing else


class Terminal:
    """`gpt-tui` in a tmux session of its own, 100 columns wide."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.socket = str(folder / "tmux")
        command = f"{sys.executable} -m gpt_tui; echo it ended with $?; sleep 60"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "34", f"GPT_TUI_HOME={home} {command}")

    def _tmux(self, *arguments: str) -> str:
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("TMUX", None)
        command = ["tmux", "-S", self.socket, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=20).stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def until(self, *words: str) -> str:
        return self.wait(lambda: all(word in self.screen() for word in words), f"the screen never said {words}")

    def wait(self, condition: Callable[[], bool], otherwise: str) -> str:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < PATIENCE, f"{otherwise}:\n{self.screen()}"
            time.sleep(0.2)
        return self.screen()

    def until_written(self, words: int) -> None:
        """Until the draft has more words than that, and no more come."""
        counts = [words, words, words]

        def settled() -> bool:
            time.sleep(0.5)
            counts.append(self.words())
            return words < counts[-1] == counts[-2] == counts[-3]

        self.wait(settled, "nothing was written")

    def words(self) -> int:
        found = re.search(r"(\d+) words", self.screen())
        return int(found[1]) if found else 0

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal(tmp_path: Path, home: Path) -> Iterator[Terminal]:
    session = Terminal(tmp_path, home)
    yield session
    session.close()


def test_from_a_text_to_a_file_of_the_models_words(terminal: Terminal, home: Path) -> None:
    terminal.until("Welcome")
    terminal.press("F3")
    terminal.until("Tales", "Minutes")
    terminal.press("Enter")  # tales, on to its choices: the minutes
    terminal.until("› Minutes")
    terminal.press("Home")  # half a minute, the least of those offered
    terminal.press("C-s")
    terminal.until("bits per byte", "What it writes")
    terminal.wait(lambda: (home / "models/tales/weights.safetensors").exists(), "nothing was trained")
    terminal.until("write with it")
    terminal.press("c")
    terminal.until("Ctrl+G")
    terminal.type("The old boat ")
    terminal.press("C-g")
    terminal.until_written(3)
    terminal.press("F7")
    terminal.press("Right", "Right")
    terminal.until("0.9")
    terminal.press("Escape")
    before = terminal.words()
    terminal.press("C-g")
    terminal.until_written(before)
    terminal.press("M-e")
    terminal.until("Markdown")
    terminal.press("Enter")
    exports = home / "exports"
    terminal.wait(lambda: any(path.stat().st_size for path in exports.glob("*")), "no file was written")
    exported = next(exports.glob("*.txt"))
    assert exported.read_text("utf-8").startswith("The old boat")
    terminal.press("C-q")
    terminal.until("it ended with 0")
    draft = next((home / "drafts").rglob("*.txt"))
    assert draft.read_text("utf-8").startswith("The old boat")
