"""A picture of every screen, as its user comes to it by keys. Where one is meant to look otherwise from now on:

    python -m pytest tests/tui/test_snapshots.py --snapshot-update

and look at what has become of tests/tui/__snapshots__ before it is kept. Diagnostics has none: it tells of the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import staged
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from engine import locations
from engine.data.preview import documents_of
from engine.training.foresight import Foresight
from engine.training.planner import Machine
from gpt_tui import phrases
from gpt_tui.app import GptTui, Services
from gpt_tui.choosing import listing, planning
from gpt_tui.settings import State
from gpt_tui.widgets import model_list
from gpt_tui.widgets.model_details import ModelDetails

PATIENCE = 300.0
"""Seconds that a machine may take, however busy it is."""
WIDE, USUAL, SMALL = (120, 36), (100, 30), (60, 20)

Condition = Callable[[Pilot[Any]], object]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def stage(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same terminal, clock, machine, texts and folders everywhere."""
    for name in list(os.environ):
        if name in ("NO_COLOR", "COLORTERM", "TMUX", "LINES", "COLUMNS") or name.startswith(("TERM", "LC_", "LANG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(phrases, "time", staged.Clock())
    monkeypatch.setattr(model_list, "time", staged.Clock())
    staged.catalogue(tmp_path / "corpora")
    monkeypatch.setattr(locations, "corpora_dir", lambda: tmp_path / "corpora")
    monkeypatch.setattr(planning, "known_machine", lambda asked: Machine())
    monkeypatch.setattr(planning, "foreseen", lambda texts, base: Foresight(2.0))
    monkeypatch.setattr(planning, "make_plan", lambda *known, **more: staged.PLAN)
    own = tmp_path / "home of Anna"
    staged.own_texts(own / "texts")
    monkeypatch.setattr(listing, "short_path", lambda path: f"~/{path.name}")
    monkeypatch.chdir(own / "texts")
    State().set("app_cursor_blink", False)
    documents_of.cache_clear()  # of the texts that really ship
    yield home
    documents_of.cache_clear()


@pytest.fixture
def running(stage: Path) -> Iterator[None]:
    """A training goes on."""
    run = staged.training()
    yield
    run.lock.release()


@pytest.fixture
def compare(snap_compare: Compare) -> Callable[..., bool]:
    """Whether the app looks as it did, at a size, once somebody has done something with it."""

    def look(comes: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = USUAL) -> bool:
        app = GptTui(services=Services(generator=staged.StagedGenerator()))  # type: ignore[arg-type]
        app.animation_level = "none"
        return snap_compare(app, terminal_size=size, run_before=comes)

    return look


# What is waited for


def screen(pilot: Pilot[Any]) -> str:
    """What stands on the screen."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def says(*words: str) -> Condition:
    return lambda pilot: all(word in screen(pilot) for word in words)


def focused(selector: str) -> Condition:
    def is_focused(pilot: Pilot[Any]) -> bool:
        widget = pilot.app.focused
        return isinstance(widget, Widget) and widget in pilot.app.screen.query(selector)

    return is_focused


async def until(pilot: Pilot[Any], *conditions: Condition) -> None:
    """Wait for all of it, and for what is still on its way to the screen."""
    limit = time.monotonic() + PATIENCE
    while not all(condition(pilot) for condition in conditions):
        assert time.monotonic() < limit, f"it never came to that; the screen says:\n{screen(pilot)}"
        await pilot.pause(0.05)
    before: list[Strip] = []
    while (now := pilot.app.screen._compositor.render_strips()) != before:
        assert time.monotonic() < limit, "it never comes to rest"
        before = now
        await pilot.pause(0.1)


def comes(*steps: str | Condition) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """What somebody does: keys that are pressed, and what is waited for before the next."""

    async def come(pilot: Pilot[Any]) -> None:
        for step in steps:
            if isinstance(step, str):
                await pilot.press(step)
            else:
                await until(pilot, step)

    return come


# The screens


def test_welcome(compare: Compare) -> None:
    assert compare(comes(says("Welcome to gpt-tui"), focused("#first")))


def curves(pilot: Pilot[Any]) -> bool:
    """Whether the models' curves are drawn, where there is room for them."""
    models = pilot.app.screen.query_one(model_list.ModelList)
    drawn = all(models._points(item) for item in models.shown) or "curve" not in models._columns.widths
    return bool(models.shown) and drawn


def detailed(pilot: Pilot[Any]) -> bool:
    """Whether all is read that stands beside the list; its scrollbar tells how much that is."""
    details = pilot.app.screen.query_one(ModelDetails).details
    return details is not None and details.size > 0


def watched(pilot: Pilot[Any]) -> bool:
    """Whether the line on top tells of the training."""
    return bool(pilot.app.screen.query("RunBadge.-running"))


LIBRARY = (says("island", "tales", "lamplight-first", "5 models"), focused("ModelList"), curves)


@pytest.mark.parametrize("theme", ["ink", "paper"])
def test_library(compare: Compare, running: None, theme: str) -> None:
    State().set("app_theme", theme)
    staged.library()
    tales = says("painted it blue", "1,080 steps")
    assert compare(comes(*LIBRARY, watched, detailed, "down", tales, detailed), WIDE)


def test_library_in_a_small_window(compare: Compare, running: None) -> None:
    staged.library()
    assert compare(comes(*LIBRARY, watched, says("It is learning"), detailed), SMALL)


def test_corpora(compare: Compare) -> None:
    staged.library()
    chosen = says("Dialogues", "harbour town", "bits per byte", "240 documents", "lamplight.txt", "dialogues-2")

    def counted(pilot: Pilot[Any]) -> bool:
        return "counting" not in screen(pilot)

    assert compare(
        comes(
            *LIBRARY[1:], "f3", says("bits per byte", "300 documents"), focused("CorpusList"), "down", chosen, counted
        ),
        WIDE,
    )


def drawn(pilot: Pilot[Any]) -> bool:
    """Whether the curve is."""
    rows = screen(pilot).splitlines()
    return sum("\u2800" < character < "\u2900" for row in rows for character in row) > 100


def test_training(compare: Compare) -> None:
    staged.library()
    done = says("tales is trained", "every spring the boy", "held out", "1:30", "time →", "1,080")
    assert compare(comes(*LIBRARY[1:], "f4", done, drawn, focused("LossPanel")), WIDE)


def test_the_learners_corner(compare: Compare) -> None:
    staged.library()
    done = says("tales is trained", "every spring the boy", "time →")
    corner = says("Where its parameters are", "What the numbers mean")
    assert compare(comes(*LIBRARY[1:], "f4", done, drawn, "3", corner), WIDE)


def looked(pilot: Pilot[Any]) -> bool:
    """Whether what the model sees, and what may come next, is shown."""
    place: Any = pilot.app.screen
    return place.editor.context_start is not None and (not place.panel_open or place.distribution.prediction)


WRITTEN = (says("Lamplight, chap", "since they were children", "64"), focused("Editor"), looked)


@pytest.mark.parametrize("theme", ["ink", "paper"])
def test_compose(compare: Compare, theme: str) -> None:
    """The writer's words, the model's, and those that were changed; where the model's sight begins; what comes next."""
    State().set("app_theme", theme)
    staged.library()
    staged.draft()
    assert compare(comes(*LIBRARY[1:], "f5", *WRITTEN, says("Next word", "again")), WIDE)


def test_compose_in_a_small_window(compare: Compare) -> None:
    staged.library()
    staged.draft()
    assert compare(comes(*LIBRARY[1:], "f5", *WRITTEN), SMALL)


def test_compose_with_a_suggestion(compare: Compare) -> None:
    def suggested(pilot: Pilot[Any]) -> bool:
        place: Any = pilot.app.screen
        return place.editor.suggestion == staged.SUGGESTED and place.composer.current is None

    staged.library()
    staged.draft()
    assert compare(comes(*LIBRARY[1:], "f5", *WRITTEN, "ctrl+t", suggested, says("children and ate at this")))


def test_chat(compare: Compare) -> None:
    staged.library()
    staged.talks()
    talk = says("Bram", "lighthouse", "with clean hands", "Have you slept?", "5 h ago", "Say something to Bram")
    assert compare(comes(*LIBRARY[1:], "f6", talk, focused("#prompt")), WIDE)


def test_settings(compare: Compare) -> None:
    assert compare(comes(focused("#first"), "f9", says("Lamplight", "near-black", "What curves"), focused("ThemeList")))


def test_help(compare: Compare) -> None:
    staged.library()
    assert compare(comes(*LIBRARY[1:], "f1", says("Keys: Library", "Search keys"), focused("#page")))
