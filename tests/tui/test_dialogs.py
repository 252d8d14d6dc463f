"""The shared dialogs: what they take, what they refuse, and how one leaves them."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from gpt_tui.app import GptTui
from gpt_tui.widgets.dialogs import Ask, Choose, Confirm, Dialog

pytestmark = pytest.mark.asyncio


async def opened(pilot: Pilot[Any], dialog: Dialog[Any]) -> list[Any]:
    """The dialog on the screen; its answer will stand in the list."""
    answers: list[Any] = []
    pilot.app.push_screen(dialog, answers.append)
    await pilot.pause()
    return answers


def no_cats(value: str) -> str | None:
    return "No cats here." if "cat" in value else None


def said(app: App[Any], selector: str) -> str:
    return str(app.screen.query_one(selector, Static).visual)


async def test_ask_takes_the_line_as_it_is_written() -> None:
    async with GptTui().run_test() as pilot:
        answers = await opened(pilot, Ask("A name?", "hen"))
        await pilot.press("o", "w", "l", "enter")  # what stood there is chosen, and written over
        await pilot.pause()
        assert answers == ["owl"]


async def test_ask_says_what_is_wrong_and_does_not_take_it() -> None:
    async with GptTui().run_test() as pilot:
        answers = await opened(pilot, Ask("A name?", check=no_cats))
        await pilot.press("c", "a", "t")
        await pilot.pause()
        assert said(pilot.app, ".dialog--wrong") == "No cats here."
        await pilot.press("enter")
        assert answers == []
        await pilot.press("backspace")
        await pilot.pause()
        assert said(pilot.app, ".dialog--wrong") == ""
        await pilot.press("enter")
        await pilot.pause()
        assert answers == ["ca"]


@pytest.mark.parametrize("dialog", [Ask("?", "x"), Choose("?", [("a", "A")])])
async def test_escape_answers_nothing(dialog: Dialog[Any]) -> None:
    async with GptTui().run_test() as pilot:
        answers = await opened(pilot, dialog)
        await pilot.press("escape")
        await pilot.pause()
        assert answers == [None]


async def test_the_mouse_answers_too() -> None:
    async with GptTui().run_test(size=(100, 30)) as pilot:
        answers = await opened(pilot, Ask("?", "owl"))
        await pilot.click("#yes")
        await pilot.pause()
        answers += await opened(pilot, Ask("?", "owl"))
        await pilot.click("#no")
        await pilot.pause()
        beside = await opened(pilot, Confirm("?"))
        await pilot.click(offset=(0, 0))
        await pilot.pause()
        assert answers == ["owl"] and beside == [False]


async def test_confirm_says_yes_by_enter_unless_there_is_danger() -> None:
    async with GptTui().run_test() as pilot:
        for danger, keys, answer in [
            (False, ["enter"], True),
            (True, ["enter"], False),
            (True, ["left", "enter"], True),
            (False, ["right", "enter"], False),
            (True, ["y"], True),
            (False, ["n"], False),
            (False, ["escape"], False),
        ]:
            answers = await opened(pilot, Confirm("Really?", danger=danger))
            await pilot.press(*keys)
            await pilot.pause()
            assert answers == [answer], (danger, keys)


async def test_choose_narrows_many_by_every_word_typed() -> None:
    options = [(str(number), f"the {colour} hen {number}") for number in range(10) for colour in ("red", "blue")]
    async with GptTui().run_test(size=(90, 30)) as pilot:
        answers = await opened(pilot, Choose("Which?", options))
        assert pilot.app.screen.query_one(OptionList).option_count == 20
        pilot.app.screen.query_one(Input).value = "7 BLUE"
        await pilot.pause()
        assert pilot.app.screen.query_one(OptionList).option_count == 1
        await pilot.press("enter")
        await pilot.pause()
        assert answers == ["7"]


async def test_choose_with_nothing_left_takes_nothing() -> None:
    async with GptTui().run_test() as pilot:
        answers = await opened(pilot, Choose("Which?", [(str(n), f"hen {n}") for n in range(9)]))
        await pilot.press("z", "enter")
        await pilot.pause()
        assert answers == [] and isinstance(pilot.app.screen, Choose)


async def test_choose_shows_few_without_a_filter_and_markup_as_it_is() -> None:
    async with GptTui().run_test(size=(90, 30)) as pilot:
        options: list[tuple[str, str | Content]] = [("a", "[red]not red[/]"), ("b", Content("two"))]
        answers = await opened(pilot, Choose("Which [b]one[/b]?", options, chosen="b"))
        assert not pilot.app.screen.query(Input)
        first = pilot.app.screen.query_one(OptionList).options[0].prompt
        assert str(first) == "[red]not red[/]" and said(pilot.app, ".dialog--title") == "Which [b]one[/b]?"
        await pilot.press("up", "down", "enter")
        await pilot.pause()
        assert answers == ["b"]


@pytest.mark.parametrize("size", [(80, 24), (40, 15)])
async def test_every_part_of_a_dialog_is_on_the_screen(size: tuple[int, int]) -> None:
    async with GptTui().run_test(size=size) as pilot:
        for dialog in (
            Ask("A new name for the model that you have chosen?", "owl", title="Rename", check=no_cats),
            Choose("Which?", [(str(n), f"hen {n}") for n in range(30)]),
            Confirm("Shall it be done, whatever comes of it?", danger=True),
        ):
            await opened(pilot, dialog)
            for widget in dialog.query("#card *"):
                assert dialog.region.contains_region(widget.region), (dialog, widget)
            await pilot.press("escape")
            await pilot.pause()
