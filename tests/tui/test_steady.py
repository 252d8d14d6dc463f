"""However the app ends, it ends in order."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from textual import work
from textual.app import ComposeResult
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import WorkerFailed

from gpt_tui.app import GptTui
from gpt_tui.steady import Steady
from gpt_tui.widgets.top_bar import Tab, TopBar


class Broken(Screen[None]):
    """Fails when it is shown."""

    def on_mount(self) -> None:
        raise KeyError("the lamp")


@pytest.mark.asyncio
async def test_an_error_of_ours_is_logged_and_said_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = GptTui()
    with pytest.raises(KeyError):
        async with app.run_test() as pilot:
            app.push_screen(Broken())
            await pilot.pause()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "KeyError: 'the lamp'" in said and str(home / "logs" / "gpt-tui.log") in said
    assert app.return_code == 1
    assert 'raise KeyError("the lamp")' in (home / "logs" / "gpt-tui.log").read_text()


class Slow(Screen[None]):
    """Its part is looked for by a worker while the app leaves."""

    def compose(self) -> ComposeResult:
        yield Part()

    @work
    async def look(self) -> None:
        part = self.query_one(Part)
        while part.query(Static):
            await asyncio.sleep(0)
        part.query_one(Static)


class Part(Static):
    def compose(self) -> ComposeResult:
        yield Static("here")


@pytest.mark.asyncio
async def test_what_a_worker_misses_while_the_app_leaves_is_no_failure(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = GptTui()
    async with app.run_test() as pilot:
        screen = Slow()
        await app.push_screen(screen)
        screen.look()
        await pilot.pause()
    assert not capsys.readouterr().err and not app.return_code


GONE = [NoMatches("#plot"), WorkerFailed(NoMatches("#plot"))]


@pytest.mark.asyncio
@pytest.mark.parametrize("error", GONE)
async def test_what_anything_misses_while_the_app_leaves_is_no_failure(home: Path, error: Exception) -> None:
    app = Steady()
    async with app.run_test():
        pass
    app._handle_exception(error)
    assert app._exception is None and not app.return_code


@pytest.mark.asyncio
@pytest.mark.parametrize("error", GONE)
async def test_what_is_missed_before_ends_the_app_in_one_line(
    home: Path, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Steady()
    with pytest.raises(type(error)):
        async with app.run_test():
            app._handle_exception(error)
    assert app.return_code == 1
    said = capsys.readouterr().err
    assert "it failed unexpectedly (NoMatches: #plot)" in said and said.count("\n") == 1


def test_a_kill_leaves_the_terminal_as_it_was(home: Path) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt_tui"], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    try:
        seen = read_until(master, b"Library")
        time.sleep(0.3)  # the signal is heeded once the app stands
        process.send_signal(signal.SIGTERM)
        seen += read_until(master, b"\x1b[?25h")  # the cursor is shown again
        assert process.wait(20) == 128 + signal.SIGTERM
        assert b"\x1b[?1049l" in seen, "the screen that was there before is back"
        assert b"Traceback" not in seen
        after = termios.tcgetattr(slave)
        assert after[3] & termios.ECHO == before[3] & termios.ECHO
    finally:
        process.kill()
        os.close(master)
        os.close(slave)


def read_until(terminal: int, mark: bytes, seconds: float = 30.0) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while mark not in seen:
        assert time.monotonic() < end, f"{mark!r} did not come; there was {seen[-2000:]!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 1 << 16)
    return seen


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
async def test_the_top_bar_shows_where_one_is_and_is_never_cut_off(home: Path, width: int) -> None:
    app = GptTui()
    async with app.run_test(size=(width, 24)) as pilot:
        app.screen.query_one(TopBar).status = "12 models"
        await pilot.pause()
        bar = app.screen.query_one(TopBar)
        tabs = list(bar.query(Tab))
        assert all(
            tab.region.right <= width and tab.region.width == tab.render().cell_length + tab.gutter.width
            for tab in tabs
        )
        assert "Library" in str(tabs[0].render())
        assert bar.query_one("#status").region.width >= len("12 models")
