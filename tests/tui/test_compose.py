"""The Compose screen, from key to file: what a writer does, and what is on the disk then."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from at_the_keys import opened, until, writing
from textual.screen import Screen

from engine.errors import DamagedModelError
from engine.generation.protocol import GeneratorLostError
from gpt_tui import drafts, navigation
from gpt_tui.app import GptTui
from gpt_tui.screens.compose import ComposeScreen
from gpt_tui.widgets.dial import Dial
from gpt_tui.widgets.draft_list import DraftList
from gpt_tui.widgets.editor import Author
from gpt_tui.widgets.sent_view import SentView

pytestmark = pytest.mark.asyncio


async def test_what_is_typed_is_kept_as_a_draft_and_opened_again(store: Path) -> None:
    async with writing() as writer:
        await writer.press(*"The", "space", *"gate")
        await writer.on_disk("The gate")
        await writer.press("left", "left")
    (kept,) = drafts.summaries()
    assert (kept.title, kept.words) == ("The gate", 2)
    async with writing() as writer:
        assert writer.text == "The gate" and writer.screen.editor.cursor == 6


async def test_a_continuation_is_one_step_and_its_words_are_the_models(store: Path) -> None:
    async with writing() as writer:
        await writer.type("It was late.")
        await writer.press("ctrl+g")
        await until(lambda: writer.generator.client.writings)
        await writer.rest()
        whole = writer.text
        assert whole.startswith("It was late. w") and len(writer.text.split()) == 3 + 200
        await writer.on_disk(whole)
        await writer.screen.desk.keep()
        assert drafts.load(writer.screen.draft.id).spans == [(12, len(whole), "model")]
        await writer.press("ctrl+z")
        await writer.on_disk("It was late.")
        await writer.press("ctrl+y")
        await writer.on_disk(whole)


async def test_while_it_writes_the_screen_is_not_laid_out_anew(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with writing() as writer:
        await writer.type("It was late.")
        layouts: list[int] = []
        lay_out = Screen._refresh_layout
        monkeypatch.setattr(
            Screen,
            "_refresh_layout",
            lambda screen, *given, **more: (layouts.append(1), lay_out(screen, *given, **more)),
        )
        await writer.press("ctrl+g")
        await writer.rest()
        for _ in range(2):  # the first tells that it writes
            layouts.clear()
            await writer.press("ctrl+g")
            await writer.rest()
        assert len(writer.text.split()) > 600 and len(layouts) < 8, "a layout a batch would be ten and more"


async def test_the_model_is_asked_with_the_text_before_the_cursor_and_the_drafts_values(store: Path) -> None:
    async with writing(navigation.OpenCompose(model="talk", checkpoint="best")) as writer:
        await writer.type("Before. After.")
        writer.screen.editor.move_to(7)
        await writer.press("ctrl+g")
        await writer.rest()
        asked = writer.generator.client.writings[-1]
        assert asked.prompt == "Before." and (asked.config.top_k, asked.config.temperature) == (50, 0.8)
        assert writer.generator.asked[-1] == ("talk", "best")
        assert writer.text.startswith("Before. w") and writer.text.endswith(" After.")


async def test_escape_and_ctrl_g_stop_it_and_what_came_stays(store: Path) -> None:
    async with writing() as writer:
        writer.generator.client.stays_after_first = True
        for key in ("escape", "ctrl+g"):
            await writer.press("ctrl+g")
            await until(lambda: "w" in writer.text)
            await writer.press(key)
            assert writer.screen.composer.current is None and writer.generator.client.writings[-1].closed
            came = writer.text
            await asyncio.sleep(0.1)
            assert writer.text == came
            await writer.press("ctrl+z")
            assert writer.text == ""


async def test_another_try_takes_the_place_and_the_first_can_be_had_again(store: Path) -> None:
    async with writing() as writer:
        await writer.type("Once")
        await writer.press("ctrl+g")
        await writer.rest()
        first = writer.text
        await writer.press("ctrl+r")
        await writer.rest()
        second = writer.text
        assert second != first and second.startswith("Once w")
        seeds = [asked.config.seed for asked in writer.generator.client.writings]
        assert seeds[1] == seeds[0] + 1
        await writer.press("ctrl+backslash")
        assert writer.text == first
        await writer.on_disk(first)
        await writer.press("ctrl+right_square_bracket")
        assert writer.text == second
        await writer.press("ctrl+z")
        assert writer.text == "Once"


async def test_a_try_is_found_where_edits_have_moved_it(store: Path) -> None:
    async with writing() as writer:
        await writer.type("Once")
        await writer.press("ctrl+g")
        await writer.rest()
        writer.screen.editor.replace(0, 0, "Never, or ")
        await writer.press("ctrl+r")
        await writer.rest()
        assert writer.text.startswith("Never, or Once w") and len(writer.text.split()) == 3 + 200


async def test_one_may_type_elsewhere_while_it_writes(store: Path) -> None:
    async with writing() as writer:
        await writer.type("Start. End.")
        writer.screen.editor.move_to(6)
        writer.generator.client.gate.clear()
        await writer.press("ctrl+g")
        await until(lambda: writer.generator.client.writings)
        writer.screen.editor.move_to(0)
        await writer.type("My ")
        writer.generator.client.gate.set()
        await writer.rest()
        assert writer.text.startswith("My Start. w") and writer.text.endswith(" End.")
        assert writer.screen.editor.spans()[0].start == 9


async def test_a_suggestion_is_taken_word_by_word_and_as_a_whole(store: Path) -> None:
    async with writing() as writer:
        writer.generator.client.script = lambda seed, number: [" the", " dog", " sat", ".", " Then"][number % 5]
        await writer.type("And")
        await writer.press("ctrl+t")
        await writer.rest()
        assert writer.screen.editor.suggestion == " the dog sat." and writer.text == "And"
        await writer.press("ctrl+right")
        assert writer.text == "And the"
        await writer.press("tab")
        await writer.on_disk("And the dog sat.")
        assert writer.screen.editor.spans()[0].author == Author.MODEL


async def test_a_suggestion_comes_of_itself_after_a_pause_as_set(store: Path) -> None:
    (store / "settings.toml").write_text("[writing]\nsuggest_after = 0.05\n")
    async with writing() as writer:
        await writer.type("And")
        await until(lambda: writer.screen.editor.suggestion)


async def test_branches_stand_side_by_side_and_one_is_chosen(store: Path) -> None:
    async with writing() as writer:
        await writer.type("Once")
        await writer.press("ctrl+b")
        await writer.rest()
        assert writer.screen.branches.is_open and len(set(writer.screen.branches.texts)) == 3
        assert writer.text == "Once"
        chosen = writer.screen.branches.texts[1]
        await writer.press("2")
        await writer.on_disk(f"Once{chosen}")
        assert not writer.screen.branches.is_open and writer.screen.editor.has_focus
        await writer.press("ctrl+right_square_bracket")
        assert writer.text != f"Once{chosen}" and writer.text.startswith("Once w")
        await writer.press("ctrl+z")
        assert writer.text == "Once"


async def test_another_word_is_chosen_and_the_text_goes_on_from_it(store: Path) -> None:
    async with writing() as writer:
        editor = writer.screen.editor
        editor.load("It was late and cold.", [(6, 21, Author.MODEL)], cursor=8)
        await writer.press("ctrl+l")
        await until(lambda: writer.screen.alternatives.is_open)
        await writer.press("enter")
        await until(lambda: writer.generator.client.writings)
        await writer.rest()
        assert writer.generator.client.writings[0].prompt == "It was other"
        assert writer.text.startswith("It was other w") and "cold" not in writer.text
        await writer.on_disk(writer.text)
        rewritten = writer.text
        await writer.press("ctrl+r")
        await writer.rest()
        assert writer.text.startswith("It was other w") and writer.text != rewritten and "cold" not in writer.text
        await writer.press("ctrl+z")
        assert writer.text == "It was late and cold."


async def test_a_word_may_also_just_be_put_there(store: Path) -> None:
    async with writing() as writer:
        writer.screen.editor.load("It was late and cold.", cursor=8)
        await writer.press("ctrl+l")
        await until(lambda: writer.screen.alternatives.is_open)
        await writer.press("down", "space")
        await writer.on_disk("It was third and cold.")
        assert writer.generator.client.writings == []


async def test_settings_are_kept_with_the_draft_and_felt_while_it_writes(store: Path) -> None:
    async with writing(size=(130, 36)) as writer:
        await writer.type("Once")
        writer.generator.client.gate.clear()
        await writer.press("ctrl+g")
        await until(lambda: writer.generator.client.writings)
        await writer.press("f7", "right")
        assert writer.screen.values["temperature"] == 0.85
        assert writer.generator.client.writings[0].changes[-1]["temperature"] == 0.85
        await writer.press("down", *"12", "enter")
        assert writer.screen.values["top_k"] == 12
        writer.generator.client.gate.set()
        await writer.press("escape", "escape")
        identity = writer.screen.draft.id
    kept = drafts.load(identity).settings
    assert (kept["temperature"], kept["top_k"]) == (0.85, 12)


async def test_a_dial_says_what_is_wrong_and_keeps_its_value(store: Path) -> None:
    async with writing(size=(130, 36)) as writer:
        await writer.press("f7", "down", "down", *"7", "enter")
        dial = writer.screen.query_one("#dial-top-p", Dial)
        assert dial.wrong and dial.value == 1.0
        await writer.pilot.click(dial, offset=(20, 0))
        assert 0 < dial.value < 1.0


async def test_the_next_words_are_pictured_and_the_context_shown(store: Path) -> None:
    async with writing(size=(130, 36)) as writer:
        await writer.type(" ".join(f"word{n}" for n in range(100)))
        await until(lambda: writer.screen.editor.context_start)
        assert len(writer.text[writer.screen.editor.context_start :].split()) == 32
        await until(lambda: writer.screen.distribution.prediction is not None)
        await writer.press("f8")
        await until(lambda: isinstance(writer.app.screen, SentView))
        await writer.press("escape")


async def test_find_and_replace(store: Path) -> None:
    async with writing() as writer:
        await writer.type("The cat and the cat and the dog.")
        await writer.press("ctrl+f", *"cat")
        assert len(writer.screen.editor.matches) == 2
        await writer.press("tab", "tab", "tab", "tab", *"hen", "ctrl+r")
        await writer.on_disk("The hen and the hen and the dog.")
        await writer.press("escape")
        assert writer.screen.editor.has_focus and not writer.screen.find_bar.is_open


async def test_drafts_are_found_opened_deleted_and_brought_back(store: Path) -> None:
    other = drafts.new("talk", text="A harbour in the rain.")
    drafts.save(other)
    async with writing(navigation.OpenCompose(model="novel")) as writer:
        await writer.type("Something else.")
        await writer.press("ctrl+o")
        await until(lambda: isinstance(writer.app.screen, DraftList))
        await writer.press(*"harbour")
        shown = writer.app.screen
        assert isinstance(shown, DraftList)
        await until(lambda: [found.id for found in shown._found] == [other.id])
        await writer.press("ctrl+d")
        await until(lambda: not other.folder.exists())
        await until(lambda: shown._found == [])
        await writer.press("ctrl+z")
        await until(lambda: [found.id for found in shown._found] == [other.id])
        await writer.press("enter")
        await until(lambda: writer.text == "A harbour in the rain.")
        assert writer.screen.draft.model == "talk"
    assert {found.title for found in drafts.summaries()} == {"Something else.", "A harbour in the rain."}


async def test_what_is_written_for_one_draft_never_comes_into_another(store: Path) -> None:
    other = drafts.new("novel", text="Another draft.")
    drafts.save(other)
    async with writing(navigation.OpenCompose(model="novel")) as writer:
        await writer.type("Once")
        first = writer.screen.draft
        writer.generator.client.gate.clear()
        await writer.press("ctrl+g")
        await until(lambda: writer.generator.client.writings)
        writer.screen.open(navigation.OpenCompose(draft=other.id))
        await until(lambda: writer.text == "Another draft.")
        writer.generator.client.gate.set()
        await asyncio.sleep(0.1)
        assert writer.text == "Another draft."
    assert drafts.load(first.id).text == "Once" and drafts.load(other.id).text == "Another draft."


async def test_the_generators_death_leaves_the_text_and_a_key_to_go_on(store: Path) -> None:
    async with writing() as writer:
        await writer.type("Once")
        writer.generator.client.dies = GeneratorLostError("The generator was killed.")
        await writer.press("ctrl+g")
        await until(lambda: "was killed" in writer.screen.notice.text)
        assert writer.text == "Once" and "Ctrl+G" in writer.screen.notice.text
        writer.generator.client.dies = None
        await writer.press("ctrl+g")
        await writer.rest()
        assert writer.text.startswith("Once w") and not writer.screen.notice.text


async def test_a_model_that_is_damaged_or_gone_is_said_and_another_chosen(store: Path) -> None:
    async with writing(navigation.OpenCompose(model="novel")) as writer:
        await writer.type("Once")
        writer.generator.refuses = DamagedModelError("novel: its weights are cut off.")
        await writer.press("ctrl+g")
        await until(lambda: "cut off" in writer.screen.notice.text)
        writer.generator.refuses = None
        await writer.press("f10", "m")
        await writer.pilot.pause(0.2)
        await writer.press(*"talk", "enter")
        await until(lambda: writer.screen.draft.model == "talk")
        assert writer.text == "Once" and not writer.screen.notice.text
        await writer.press("ctrl+g")
        await until(lambda: writer.generator.client.writings)
        assert writer.generator.asked[-1] == ("talk", "best")


async def test_without_any_model_one_is_told_how_to_come_by_one(home: Path) -> None:
    async with writing() as writer:
        assert "F3" in writer.screen.notice.text
        await writer.type("Still, I write.")
        await writer.press("ctrl+g")
        assert "F3" in writer.screen.notice.text
        await writer.on_disk("Still, I write.")


async def test_an_export_says_what_made_it(store: Path, tmp_path: Path) -> None:
    (store / "settings.toml").write_text(f"[app]\nexports = '{tmp_path}'\n")
    async with writing() as writer:
        await writer.type("Once")
        await writer.press("ctrl+g")
        await writer.rest()
        await writer.press("f10", "e")
        await until(lambda: len(writer.app.screen_stack) > 1)
        await writer.pilot.pause()
        await writer.press("enter")
        await until(lambda: list(tmp_path.glob("Once*")))


@pytest.mark.parametrize("size", [(40, 15), (80, 24), (160, 50)])
async def test_every_size_shows_text_and_state(store: Path, size: tuple[int, int]) -> None:
    async with writing(size=size) as writer:
        await writer.type("It was late. " * 30)
        await writer.press("ctrl+g")
        await writer.rest()
        for keys in (
            ("f7",),
            ("escape", "f7", "f7"),
            ("ctrl+b",),
            ("escape",),
            ("ctrl+f",),
            ("escape",),
            ("ctrl+o",),
            ("escape",),
        ):
            await writer.press(*keys)
            await writer.pilot.pause()
        assert writer.screen.editor.size.height >= 4 and writer.screen.bar.region.width >= 38


async def test_the_real_generator_from_key_to_file(store: Path) -> None:
    app = GptTui(navigation.OpenCompose(model="novel"))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: isinstance(app.screen, ComposeScreen))
        screen = app.screen
        assert isinstance(screen, ComposeScreen)
        await opened(screen)
        screen.editor.type_text("On day 7 the")
        screen.desk.note(settings={"seed": 1, "max_new_tokens": 30})  # type: ignore[union-attr]
        await pilot.press("ctrl+g")
        end = time.monotonic() + 60
        while screen.composer.current is not None or screen.tries is None or not screen.tries.tries:
            assert time.monotonic() < end and not screen.notice.text
            await asyncio.sleep(0.05)
        written = screen.editor.text
        identity = screen.draft.id
    kept = drafts.load(identity)
    assert kept.text == written and kept.spans == [(12, len(written), "model")]
    from engine import load

    assert written == "On day 7 the" + load("novel").generate(
        "On day 7 the", seed=1, max_new_tokens=30, temperature=0.8, top_k=50
    )


async def test_the_screen_needs_nothing_heavy() -> None:
    program = "import sys, gpt_tui.screens.compose; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "tokenizers"} & set(done.stdout.split())
