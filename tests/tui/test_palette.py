"""The command palette: everything that can be done is found in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandInput, CommandList, CommandPalette
from textual.pilot import Pilot

from gpt_tui.app import GptTui
from gpt_tui.palette import Everything
from gpt_tui.screens.diagnostics import DiagnosticsScreen
from gpt_tui.screens.settings import SettingsScreen

SIZE = (100, 40)


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


async def provider(pilot: Pilot[None]) -> Everything:
    found = Everything(pilot.app.screen)
    await found.startup()
    return found


async def names(found: Everything, query: str = "") -> list[str]:
    hits = found.search(query) if query else found.discover()
    return [str(hit.text) async for hit in hits]


async def choose(pilot: Pilot[None], query: str) -> None:
    """As one does: open it, type, Enter."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
    palette = pilot.app.screen
    palette.query_one(CommandInput).value = query

    def found() -> bool:
        listed = palette.query_one(CommandList)
        return listed.option_count > 0 and query in str(listed.get_option_at_index(0).prompt)

    await until(pilot, found)
    await pilot.press("enter")


@pytest.mark.asyncio
async def test_it_offers_what_the_keys_do_here_and_everywhere(store: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.focused is not None)
        offered = await names(await provider(pilot))
        assert {"New", "Undo", "Settings", "Diagnostics", "Training", "Quit"} <= set(offered)
        assert "Focus Next" not in offered and "Everything" not in offered


@pytest.mark.asyncio
async def test_it_finds_models_themes_and_settings(store: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        found = await provider(pilot)
        assert {"Write with novel", "Talk with novel", "Show novel"} <= set(await names(found, "novel"))
        assert "Theme: paper" in await names(found, "paper")
        assert "Setting: Temperature" in await names(found, "temperature")
        assert "Setting: Temperature" in await names(found, "wilder"), "by its meaning too"


@pytest.mark.asyncio
async def test_it_finds_drafts_by_their_title(home: Path) -> None:
    from gpt_tui import drafts

    drafts.save(drafts.new(text="The lamp on the sill\n\nIt burned."))
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        assert any("The lamp on the sill" in name for name in await names(await provider(pilot), "lamp"))


@pytest.mark.asyncio
async def test_what_is_chosen_is_done(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await choose(pilot, "Diagnostics")
        await until(pilot, lambda: isinstance(app.screen, DiagnosticsScreen))
        await choose(pilot, "Theme: paper")
        await until(pilot, lambda: app.services.settings.app_theme == "paper" and app.theme == "paper")
        await choose(pilot, "Setting: Top-p")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await until(pilot, lambda: app.focused is not None and app.focused.id == "writing_top_p")


@pytest.mark.asyncio
async def test_names_with_brackets_are_shown_as_they_are(store: Path) -> None:
    (store / "models" / "novel").rename(store / "models" / "my [red]novel")
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        palette = app.screen
        palette.query_one(CommandInput).value = "Write with my"
        await until(pilot, lambda: palette.query_one(CommandList).option_count > 0)
        await until(
            pilot,
            lambda: "my [red]novel" in str(palette.query_one(CommandList).get_option_at_index(0).prompt),
        )
