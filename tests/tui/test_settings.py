"""Settings: what the files say, and the screen on which one changes them."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from gpt_tui import settings
from gpt_tui.app import GptTui
from gpt_tui.navigation import ChangeSetting, OpenSettings, SettingsChanged
from gpt_tui.screens.settings import SettingsScreen
from gpt_tui.settings import State, load
from gpt_tui.widgets.setting_row import SettingRow
from gpt_tui.widgets.theme_picker import ThemePicker

SIZE = (100, 30)


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


def write(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.toml").write_text(text, encoding="utf-8")


async def opened(pilot: Pilot[None], *keys: str) -> SettingsScreen:
    await pilot.press("f9", *keys)
    await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen) and pilot.app.focused is not None)
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, SettingsScreen)
    return screen


def said(screen: SettingsScreen) -> str:
    return str(screen.query_one("#problems", Static).render())


# The files


def test_what_settings_toml_says_wins_over_what_was_set_in_the_app(home: Path) -> None:
    state = State()
    state.set("writing_top_k", 7)
    state.set("writing_width", 60)
    write(home, "[writing]\ntop_k = 12\n")
    loaded = load(State())
    assert (loaded.settings.writing_top_k, loaded.settings.writing_width) == (12, 60)
    assert loaded.fixed == {"writing_top_k"} and not loaded.problems


def test_wrong_values_are_named_and_the_defaults_stand(home: Path) -> None:
    write(home, '[writing]\ntop_kk = 3\ntemperature = "hot"\nwidth = 9000\n[app]\nplot = "dots"\n')
    loaded = load(State())
    assert loaded.settings == settings.Settings()
    problems = "\n".join(loaded.problems)
    assert "writing.top_kk: no such setting. Did you mean writing.top_k?" in problems
    assert "writing.temperature: 'hot' is not a number." in problems
    assert "writing.width: 9000 is too large; at most 400." in problems
    assert "app.plot: 'dots' is none of auto, braille, blocks." in problems


def test_a_wrong_value_in_the_apps_own_file_is_named_too(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "state.toml").write_text("[settings]\nwriting_width = -4\n", encoding="utf-8")
    assert load(State()).problems == ("state.toml: writing.width: -4 is too small; at least 0. The default stands.",)


def test_files_that_are_no_toml_are_not_fatal(home: Path) -> None:
    write(home, "writing = [")
    (home / "state.toml").write_bytes(b"\xff\xfe")
    problems = load(State()).problems
    assert len(problems) == 2 and all("it is not TOML" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('[keys]\n"app.help" = "f7"\n', {"app.help": "f7"}),
        ('[keys]\napp.help = "f7"\n', {"app.help": "f7"}),  # TOML makes a table of it
        ("[keys]\napp.help = 7\n", {}),
        ('keys = "f7"\n', {}),
    ],
)
def test_keys_are_taken_as_they_were_meant(home: Path, text: str, keys: dict[str, str]) -> None:
    write(home, text)
    loaded = load(State())
    assert loaded.settings.keys == keys
    assert bool(loaded.problems) == (not keys)
    assert loaded.fixed == {f"keys.{identity}" for identity in keys}


def test_two_apps_keep_each_others_memory(home: Path) -> None:
    one, other = State(), State()
    one.remember("draft", "first")
    other.remember("model", "novel")
    assert State().memory == {"draft": "first", "model": "novel"}


def test_none_takes_the_default_again(home: Path) -> None:
    state = State()
    state.set("writing_width", 50)
    state.set_key("app.help", "f7")
    state.set("writing_width", None)
    state.set_key("app.help", None)
    assert tomllib.loads((home / "state.toml").read_text())["settings"] == {}


# The screen


@pytest.mark.asyncio
async def test_numbers_change_by_key_and_by_typing_and_are_kept(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "w")
        row = screen.query_one("#writing_width", SettingRow)
        assert row.has_focus
        await pilot.press("right")
        await until(pilot, lambda: app.services.settings.writing_width == 76)
        await pilot.press("6", "6", "enter")
        await until(pilot, lambda: app.services.settings.writing_width == 66)
        await pilot.press("9", "9", "9", "enter")
        await pilot.pause()
        assert row.refused == "999 is too large; at most 400." and row.value == 66
        await pilot.press("down", "down", "down", "left")
        await until(pilot, lambda: app.services.settings.writing_temperature == 0.75)
    kept = tomllib.loads((home / "state.toml").read_text())["settings"]
    assert kept == {"writing_width": 66, "writing_temperature": 0.75}


@pytest.mark.asyncio
async def test_delete_takes_the_default_again(home: Path) -> None:
    State().set("writing_width", 50)
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "w")
        await pilot.press("delete")
        await until(pilot, lambda: app.services.settings.writing_width == 72)


@pytest.mark.asyncio
async def test_choices_and_switches(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "t")
        screen.query_one("#training_preset").focus()
        await pilot.press("right", "right")
        await until(pilot, lambda: app.services.settings.training_preset == "nano")
        await pilot.press("l")
        await until(pilot, lambda: bool(screen.query("#app_cursor_blink")))
        screen.query_one("#app_cursor_blink").focus()
        await pilot.press("space")
        await until(pilot, lambda: app.services.settings.app_cursor_blink is False)


@pytest.mark.asyncio
async def test_what_settings_toml_fixes_is_shown_and_stays(home: Path) -> None:
    write(home, "[writing]\nwidth = 55\n")
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "w")
        row = screen.query_one("#writing_width", SettingRow)
        assert row.fixed and "Set in settings.toml" in str(row.render())
        await pilot.press("right")
        await pilot.pause()
        assert app.services.settings.writing_width == 55
        assert any("what it says wins" in note.message for note in app._notifications)


@pytest.mark.asyncio
async def test_themes_are_shown_under_the_cursor_and_kept_by_enter(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("down")
        await until(pilot, lambda: app.theme == "paper")
        assert app.services.settings.app_theme == "ink"
        await pilot.press("tab")
        await until(pilot, lambda: app.theme == "ink")
        screen.query_one(OptionList).focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.services.settings.app_theme == "paper")
        assert app.theme == "paper" and screen.query_one(ThemePicker).chosen == "paper"


@pytest.mark.asyncio
async def test_problems_stand_on_top_and_are_told_at_the_start(home: Path) -> None:
    write(home, '[writing]\ntop_kk = 3\n[keys]\n"app.halp" = "f7"\n')
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(app._notifications) == 1)
        assert "Settings (F9)" in next(iter(app._notifications)).message
        screen = await opened(pilot)
        await until(pilot, lambda: "Did you mean app.help?" in said(screen))
        assert "Did you mean writing.top_k?" in said(screen)


@pytest.mark.asyncio
async def test_every_setting_stands_in_a_group(home: Path) -> None:
    from dataclasses import fields

    app = GptTui()
    found = set()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        for key in "lwtf":
            await pilot.press(key)
            await pilot.pause()
            found |= {widget.id for widget in (*screen.query(SettingRow), *screen.query(ThemePicker))}
    assert found == {f.name for f in fields(settings.Settings)} - {"keys"}


class Listener(Screen[None]):
    """Hears of changes."""

    def __init__(self, told: list[frozenset[str]]) -> None:
        super().__init__()
        self.told = told

    def on_settings_changed(self, message: SettingsChanged) -> None:
        self.told.append(message.names)


@pytest.mark.asyncio
async def test_any_screen_can_change_a_setting_and_every_screen_is_told(home: Path) -> None:
    app = GptTui()
    told: list[frozenset[str]] = []
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(Listener(told))
        await app.push_screen(Listener(told))
        app.screen.post_message(ChangeSetting("writing_width", 44))
        await until(pilot, lambda: len(told) == 2)
        assert set(told) == {frozenset({"writing_width"})}


@pytest.mark.asyncio
async def test_a_setting_is_opened_by_its_name(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        app.screen.post_message(OpenSettings("writing_top_p"))
        await until(pilot, lambda: app.focused is not None and app.focused.id == "writing_top_p")


@pytest.mark.asyncio
async def test_settings_edited_meanwhile_are_taken_when_one_comes_back(home: Path) -> None:
    from textual import events

    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        write(home, "[writing]\nwidth = 33\n")
        app.post_message(events.AppFocus())
        await until(pilot, lambda: app.services.settings.writing_width == 33)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(40, 15), (80, 24), (160, 50)])
async def test_it_can_be_used_at_any_size(home: Path, size: tuple[int, int]) -> None:
    app = GptTui()
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, "w")
        for _ in range(len(screen.query(SettingRow)) - 1):
            await pilot.press("down")
        row = screen.query_one("#writing_repetition_penalty", SettingRow)
        assert row.has_focus
        await until(pilot, lambda: screen.can_view_entire(row) or row.region.height > 10)
        assert row.region.right <= size[0]


@pytest.mark.asyncio
async def test_a_folder_for_exports_is_asked_for(home: Path, tmp_path: Path) -> None:
    app = GptTui()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "f")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.focused, Input))
        app.screen.query_one(Input).value = str(tmp_path)
        await pilot.press("enter")
        await until(pilot, lambda: app.services.settings.app_exports == str(tmp_path))
