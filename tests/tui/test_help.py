"""Help: it says what can be done where it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from gpt_tui.app import GptTui
from gpt_tui.screens.help import HelpScreen
from gpt_tui.widgets.help_text import HelpText
from gpt_tui.widgets.key_line import KeyLine

SIZE = (100, 40)


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


async def asked(pilot: Pilot[None], key: str = "f1") -> HelpText:
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
    await until(pilot, lambda: pilot.app.screen.query(HelpText) and pilot.app.screen.query_one(HelpText).sections)
    return pilot.app.screen.query_one(HelpText)


def text(page: HelpText, width: int = 90) -> str:
    return "\n".join(line.plain for line in page._lines(width))


@pytest.mark.asyncio
async def test_it_lists_the_keys_of_the_place_it_was_asked_from(store: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.focused is not None)
        page = await asked(pilot)
        shown = text(page)
        assert shown.startswith("Library\n")
        assert "Train a new model on a text of yours." in shown
        assert "ctrl+q" in shown and "Leave; trainings go on." in shown
        assert "Scroll" not in shown and "Focus" not in shown


@pytest.mark.asyncio
async def test_a_question_mark_asks_too_but_not_where_one_writes(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await asked(pilot, "question_mark")
        await pilot.press("slash", "question_mark")
        assert app.screen.query_one(Input).value == "?"


@pytest.mark.asyncio
async def test_the_users_keys_are_shown(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('[keys]\n"app.quit" = "ctrl+o"\n', encoding="utf-8")
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        shown = text(await asked(pilot))
        assert "ctrl+o" in shown and "ctrl+q" not in shown


@pytest.mark.asyncio
async def test_it_is_searched_and_left_by_escape(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        page = await asked(pilot)
        await pilot.press("slash", *"likeliest")
        await until(pilot, lambda: page.search == "likeliest")
        assert "Chooses among the k likeliest tokens only." in text(page) and "Diagnostics" not in text(page)
        await pilot.press("escape")
        await until(pilot, lambda: page.search == "")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


@pytest.mark.asyncio
async def test_it_is_not_opened_over_itself(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await asked(pilot)
        await pilot.press("f1")
        await pilot.pause()
        assert len(app.screen_stack) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [40, 80, 160])
async def test_nothing_of_it_is_cut_off(home: Path, width: int) -> None:
    app = GptTui()
    async with app.run_test(size=(width, 24)) as pilot:
        page = await asked(pilot)
        assert max(line.cell_length for line in page._lines(page.content_size.width)) <= page.content_size.width


# The line of keys


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [40, 80, 120])
async def test_the_line_of_keys_fits_and_always_names_help(store: Path, width: int) -> None:
    app = GptTui()
    async with app.run_test(size=(width, 24)) as pilot:
        for key in ("f2", "f4", "f9", "f12"):
            await pilot.press(key)
            await pilot.pause(0.1)
            line = app.screen.query_one(KeyLine)
            await until(pilot, lambda line=line: line._all)
            shown = line.render()
            assert shown.cell_length <= width and shown.plain.rstrip().endswith("F1 Help")


@pytest.mark.asyncio
async def test_a_click_on_a_key_presses_it(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=(80, 24)) as pilot:
        line = app.screen.query_one(KeyLine)
        await until(pilot, lambda: line._places)
        start = line._places[-1][0]
        await pilot.click(KeyLine, offset=(start, 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
