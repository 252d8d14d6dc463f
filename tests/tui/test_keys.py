"""Keys: which there are, which a terminal cannot send, and what the user makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from gpt_tui import keys
from gpt_tui.app import GptTui
from gpt_tui.screens.settings import SettingsScreen
from gpt_tui.widgets.key_dialog import KeyDialog
from gpt_tui.widgets.key_list import KeyList


@pytest.fixture(scope="module")
def actions() -> list[keys.Action]:
    return keys.actions()


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


# The app's own


def test_every_binding_of_ours_has_an_id_a_description_and_a_sentence() -> None:
    """But for those that only move, which say all in a word."""
    from textual.binding import Binding

    lacking = []
    moves = ("Up", "Down", "Page up", "Page down", "Above", "Below")
    for kind in keys._classes():
        for binding in Binding.make_bindings(vars(kind).get("BINDINGS", ())):
            sentence = binding.tooltip.endswith((".", "!", "?")) or binding.description in moves
            if not (binding.id and binding.description and sentence):
                lacking.append(f"{kind.__name__}: {binding.key} {binding.action}")
    assert not lacking


def test_no_two_things_have_one_id(actions: list[keys.Action]) -> None:
    from textual.binding import Binding

    owners: dict[str, set[str]] = {}
    for kind in keys._classes():
        for binding in Binding.make_bindings(vars(kind).get("BINDINGS", ())):
            owners.setdefault(binding.id or "", set()).add(f"{kind.__name__} {binding.action}")
    assert not {identity: kinds for identity, kinds in owners.items() if len(kinds) > 1}


def test_no_key_of_ours_is_one_that_terminals_cannot_send(actions: list[keys.Action]) -> None:
    """Each action has one key at least that arrives; what a Mac types with Option, the palette does too."""

    def arrives(key: str) -> bool:
        why = keys.cannot_send(keys.normal(key), mac=False)
        return keys.is_key(keys.normal(key)) and (not why or why.startswith("in some terminals"))

    assert not {action.id: action.keys for action in actions if not any(map(arrives, action.keys))}


# Names


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ctrl+G", "ctrl+g"),
        ("^g", "ctrl+g"),
        ("?", "question_mark"),
        ("shift+ctrl+a", "ctrl+shift+a"),
        ("A", "A"),
        ("ctrl++", "ctrl+plus"),
        ("PageUp", "pageup"),
        ("F7", "f7"),
    ],
)
def test_keys_are_read_as_people_write_them(written: str, normal: str) -> None:
    assert keys.split(written) == [normal] and keys.is_key(normal)


def test_what_is_no_key() -> None:
    assert not any(keys.is_key(name) for name in ("contrl+g", "bogus", "ctrl+", "ctrl+ctrl+a", "f99"))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ctrl+i", "Tab"),
        ("ctrl+m", "Enter"),
        ("ctrl+h", "Backspace"),
        ("ctrl+left_square_bracket", "Escape"),
        ("ctrl+shift+g", "without Shift"),
        ("ctrl+1", "nothing"),
        ("ctrl+enter", "enter alone"),
        ("super+g", "Super"),
        ("shift+g", "G"),
        ("f11", "window"),
    ],
)
def test_keys_that_terminals_cannot_send(key: str, said: str) -> None:
    assert said in keys.cannot_send(key, mac=False)


@pytest.mark.parametrize("key", ["ctrl+g", "f7", "alt+x", "shift+tab", "ctrl+left", "pageup", "x", "ctrl+backslash"])
def test_keys_that_every_terminal_sends(key: str) -> None:
    assert not keys.cannot_send(key, mac=False)


def test_a_mac_types_letters_with_alt_and_tmux_keeps_its_own() -> None:
    assert "Option" in keys.cannot_send("alt+x", mac=True)
    assert "tmux" in keys.cannot_send("ctrl+b", tmux=True)


def test_the_kitty_protocol_sends_them_apart() -> None:
    assert not keys.cannot_send("ctrl+i", kitty=True, mac=False)
    assert keys.speaks_kitty({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"})
    assert not keys.speaks_kitty({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"})
    assert not keys.speaks_kitty({"TERM": "xterm-256color"})


# The user's


def wrong(actions: list[keys.Action], **chosen: str) -> str:
    return "\n".join(
        keys.problems({k.replace("_", ".", 1): v for k, v in chosen.items()}, actions, kitty=False, tmux=False)
    )


def test_what_is_wrong_with_keys_is_said(actions: list[keys.Action]) -> None:
    assert "Did you mean app.settings?" in wrong(actions, app_setings="f7")
    assert "there is no key 'contrl+g'" in wrong(actions, app_help="contrl+g")
    assert "most terminals send it as Tab" in wrong(actions, app_help="ctrl+i")
    assert "f2 is both app.help (Help) and app.library (Library)" in wrong(actions, app_help="f2")
    assert not wrong(actions, app_help="f20")
    assert not wrong(actions, app_library="f3", app_corpora="f2"), "they change places"


@pytest.mark.asyncio
async def test_a_changed_key_does_it_and_the_old_one_no_more(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('[keys]\n"app.settings" = "f7, ctrl+o"\n', encoding="utf-8")
    app = GptTui()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("f9")
        await pilot.pause()
        assert not isinstance(app.screen, SettingsScreen)
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, SettingsScreen))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))


@pytest.mark.asyncio
async def test_the_list_is_searched_and_a_key_changed_by_pressing_it(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("f9", "k")
        await until(pilot, lambda: app.screen.query(KeyList) and app.screen.query_one(KeyList)._shown)
        listed = app.screen.query_one(KeyList)
        assert len(listed._shown) > 30
        await pilot.press("slash", *"app.diag")
        await until(pilot, lambda: len(listed._shown) == 1)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, KeyDialog))
        dialog = app.screen
        assert isinstance(dialog, KeyDialog)
        await pilot.press("f2")
        await until(pilot, lambda: "is both" in str(dialog.query_one("#pressed").render()))
        await pilot.press("f8", "enter")
        await until(pilot, lambda: app.services.settings.keys == {"app.diagnostics": "f8"})
        await until(pilot, lambda: listed.current is not None and listed.current.keys == ("f8",))
        await pilot.press("delete")
        await until(pilot, lambda: not app.services.settings.keys)


@pytest.mark.asyncio
async def test_a_key_of_settings_toml_cannot_be_changed_here(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('[keys]\n"app.diagnostics" = "f8"\n', encoding="utf-8")
    app = GptTui()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("f9", "k")
        await until(pilot, lambda: app.screen.query(KeyList) and app.screen.query_one(KeyList)._shown)
        app.screen.query_one(Input).value = "app.diag"
        await until(pilot, lambda: len(app.screen.query_one(KeyList)._shown) == 1)
        assert "in settings.toml" in str(app.screen.query_one(OptionList).get_option_at_index(0).prompt)
        await pilot.press("enter")
        await until(pilot, lambda: any("settings.toml says this key" in note.message for note in app._notifications))
        assert isinstance(app.screen, SettingsScreen)
