"""What the terminal's tab is told of a training, and what stands at the right of the top bar."""

from __future__ import annotations

from typing import Any

import pytest

from gpt_tui.progress.watching import RunStatus, TerminalProgress
from gpt_tui.widgets.run_badge import badge_text

TRAINING = RunStatus("novel", "training", step=40, progress=0.4, bits_per_byte=1.876)


class Terminal:
    """An app and its driver in one: keeps what is written."""

    is_headless = is_web = False

    def __init__(self) -> None:
        self._driver = self
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    return Terminal()


def test_the_tab_shows_progress_and_is_cleared(terminal: Any) -> None:
    progress = TerminalProgress(terminal)
    progress.show((TRAINING,))
    assert terminal.written == ["\x1b]9;4;1;40\x07\x1b[22;0t\x1b]0;40% novel – gpt-tui\x07"]
    progress.show((TRAINING,))
    assert len(terminal.written) == 1  # nothing has changed
    progress.show((RunStatus("novel", "paused", step=40, progress=0.4),))
    assert terminal.written[-1].startswith("\x1b]9;4;4;40\x07")
    progress.show(())
    assert terminal.written[-1] == "\x1b]9;4;0;0\x07\x1b]0;\x07\x1b[23;0t"
    progress.clear()
    assert len(terminal.written) == 3


def test_a_training_that_is_prepared_has_no_percent_yet(terminal: Any) -> None:
    TerminalProgress(terminal).show((RunStatus("novel", "preparing", "Reading the text"),))
    assert terminal.written[0].startswith("\x1b]9;4;3;0\x07") and "preparing novel" in terminal.written[0]


def test_a_terminal_that_would_show_a_notice_is_told_the_title_alone(
    terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM_PROGRAM", "iTerm.app")
    monkeypatch.setenv("TERM_PROGRAM_VERSION", "3.5.2")
    TerminalProgress(terminal).show((TRAINING,))
    assert "9;4" not in terminal.written[0] and "40% novel" in terminal.written[0]


@pytest.mark.parametrize(
    ("width", "words"), [(60, "40%"), (80, "novel 40%"), (120, "novel 40% · 1.88 bits/byte"), (160, "novel 40%")]
)
def test_the_badge_says_as_much_as_there_is_room_for(width: int, words: str) -> None:
    assert badge_text((TRAINING,), width).plain.startswith(words)


def test_the_badge_counts_the_others_and_names_a_pause() -> None:
    paused = RunStatus("novel", "paused", step=40, progress=0.4)
    assert badge_text((paused, TRAINING), 120).plain == "novel 40% paused +1"
