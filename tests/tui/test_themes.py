"""Themes: that they can be read, the user's own, and what is shown where colours are few or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme
from textual.widget import Widget

from gpt_tui import navigation, theme_files, themes
from gpt_tui.app import GptTui

TEXTS = ("foreground", "primary", "secondary", "accent", "success", "warning", "error")
OURS = ("model-text", "edited-text", "faint", "train-curve", "eval-curve")
COLOURED = [theme for theme in themes.OWN if not theme.ansi]


def colours(theme: Theme) -> dict[str, str]:
    return {**themes.variables(theme), **theme.to_color_system().generate(), **theme.variables}


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_text_of_every_kind_can_be_read_on_every_background(theme: Theme) -> None:
    known = colours(theme)
    for ground in ("background", "surface", "panel"):
        for text in (*TEXTS, *OURS, "foreground-muted", "footer-key-foreground", "footer-description-foreground"):
            assert themes.contrast(Color.parse(known[text]), Color.parse(known[ground])) >= 4.5, (text, ground)
    assert themes.contrast(Color.parse(known["ghost-text"]), Color.parse(known["background"])) >= 4.5
    for front, back in (
        ("block-cursor-foreground", "block-cursor-background"),
        ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
        ("input-selection-foreground", "input-selection-background"),
        ("screen-selection-foreground", "screen-selection-background"),
    ):
        assert themes.contrast(Color.parse(known[front]), Color.parse(known[back])) >= 4.5, front


@pytest.mark.parametrize("theme", [theme for theme in BUILTIN_THEMES.values() if not theme.ansi], ids=lambda t: t.name)
def test_in_textuals_themes_lesser_text_is_as_readable_as_they_can_make_it(theme: Theme) -> None:
    known = colours(theme)
    back, front = Color.parse(known["background"]), Color.parse(known["foreground"])
    wanted = min(4.5, themes.contrast(front, back)) - 0.01
    assert themes.contrast(Color.parse(known["faint"]), back) >= wanted
    assert themes.contrast(Color.parse(known["ghost-text"]), back) >= wanted


def test_ansi_themes_use_the_terminals_colours_alone() -> None:
    for theme in (theme for theme in themes.OWN if theme.ansi):
        for name, value in colours(theme).items():
            if value.startswith("#"):
                raise AssertionError(f"{theme.name}: {name} is {value}")


@pytest.mark.parametrize(
    ("name", "many", "no_color", "shown"),
    [
        ("paper", 1 << 24, False, "paper"),
        ("paper", 16, False, "ansi-light"),
        ("ink", 8, False, "ansi-dark"),
        ("ansi-light", 16, False, "ansi-light"),
        ("ink", 1 << 24, True, "plain"),
        ("none-such", 1 << 24, False, "ink"),
    ],
)
def test_the_theme_that_fits(name: str, many: int, no_color: bool, shown: str) -> None:
    known = {theme.name: theme for theme in themes.OWN}
    found, note = themes.fitting(name, known, colours=many, no_color=no_color)
    assert found == shown and bool(note) == (found != name)


def test_a_theme_of_ones_own_is_a_file(home: Path) -> None:
    folder = home / "themes"
    folder.mkdir(parents=True)
    (folder / "dusk.toml").write_text(theme_files.EXAMPLE, encoding="utf-8")
    (folder / "least.toml").write_text('primary = "red"\n', encoding="utf-8")
    found = theme_files.read_all()
    assert [theme.name for theme in found.themes] == ["dusk", "least"] and not found.problems
    assert colours(found.themes[0])["ghost-text"] == "#7A8088"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("primary = ", "it is not TOML"),
        ('accent = "red"', "primary is missing"),
        ('primary = "rde"', "primary: 'rde' is no colour"),
        ('primary = "#E0A458 30%"', "is no colour"),
        ('primary = "red"\nacent = "red"', "Did you mean accent?"),
        ('name = "ink"\nprimary = "red"', "comes with gpt-tui"),
        ('name = "a b"\nprimary = "red"', "letters, digits and - alone"),
        ('primary = "red"\ndark = "yes"', "dark is true or false"),
        ('primary = "red"\ntext_alpha = 4', "from 0 to 1"),
        ('primary = "red"\n[variables]\nborder = "nope"', "variables: border: 'nope' is no colour"),
        ('primary = "red"\n[variables]\nlink-style = "loud"', "is no text style"),
        ('primary = "red"\nvariables = 3', "variables is a table"),
    ],
)
def test_a_wrong_file_is_explained_and_left_out(home: Path, text: str, said: str) -> None:
    folder = home / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    found = theme_files.read_all()
    assert not found.themes and found.problems[0].startswith("themes/mine.toml: ") and said in found.problems[0]


@pytest.mark.asyncio
async def test_a_theme_of_ones_own_is_shown(home: Path) -> None:
    folder = home / "themes"
    folder.mkdir(parents=True)
    (folder / "dusk.toml").write_text(theme_files.EXAMPLE, encoding="utf-8")
    (home / "settings.toml").write_text('[app]\ntheme = "dusk"\n', encoding="utf-8")
    app = GptTui()
    async with app.run_test():
        assert app.theme == "dusk" and app.theme_variables["ghost-text"] == "#7A8088"


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [theme.name for theme in themes.OWN])
async def test_every_theme_can_be_shown(home: Path, name: str) -> None:
    (home).mkdir()
    (home / "settings.toml").write_text(f'[app]\ntheme = "{name}"\n', encoding="utf-8")
    app = GptTui()
    async with app.run_test() as pilot:
        assert app.theme == name
        await pilot.press("f9")
        await pilot.pause()


@pytest.mark.asyncio
async def test_no_color_means_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = GptTui()
    async with app.run_test() as pilot:
        await pilot.press("f9")
        await pilot.pause()
        assert app.theme == "plain" and "NO_COLOR" in app.theme_note
        used = set()
        for row in range(app.size.height):
            for text, style, _ in app.screen._compositor.render_strips()[row]:
                if text.strip() and style is not None:
                    used |= {part.name for part in (style.color, style.bgcolor) if part is not None}
        assert used <= {"default"}


@pytest.mark.asyncio
@pytest.mark.parametrize("first", [False, True], ids=["gone to", "begun at"])
@pytest.mark.parametrize(
    "place", ["Library", "Corpora", "Training", "Compose", "Chat", "Settings", "Help", "Diagnostics"]
)
async def test_a_place_looks_at_once_as_its_styles_would_have_it(home: Path, place: str, first: bool) -> None:
    """Textual makes all styles anew when a screen is shown; ours does not the first time."""

    def styles(screen: Screen[object]) -> dict[Widget, tuple[object, ...]]:
        widgets = [widget for widget in screen.walk_children(with_self=True) if isinstance(widget, Widget)]
        return {widget: (widget.visual_style, dict(widget.styles.base.get_rules())) for widget in widgets}

    there = getattr(navigation, f"Open{place}")()
    app = GptTui(there if first else None)
    async with app.run_test(size=(100, 30)) as pilot:
        if not first:
            await pilot.pause(0.2)
            app.post_message(there)
        await pilot.pause(0.4)
        assert type(app.screen).__name__ == f"{place}Screen"
        before = styles(app.screen)
        app.screen.update_node_styles(animate=False)
        assert styles(app.screen) == before
