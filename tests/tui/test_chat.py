"""The chat screen, as its user meets it. The model is played by a script, but for the last tests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from engine.errors import GeneratorLostError, ModelNotFoundError
from engine.events import SampleEnd, Token
from engine.generation.messages import Tokenized
from gpt_tui import conversations, navigation
from gpt_tui.app import GptTui, Services
from gpt_tui.conversing import answering
from gpt_tui.screens.chat import ChatScreen
from gpt_tui.widgets.conversation_list import ConversationList
from gpt_tui.widgets.persona_picker import PersonaPicker
from gpt_tui.widgets.prompt_input import PromptInput
from gpt_tui.widgets.turn import TurnView

pytestmark = pytest.mark.asyncio


class Script:
    """A generator that says what it was given to say, waits at `|` until it is let on, and dies at `†`."""

    def __init__(self, *replies: str, room: int = 4000) -> None:
        self.replies, self.room = list(replies), room
        self.prompts: list[str] = []
        self.settings: list[dict[str, Any]] = []
        self.on = asyncio.Event()
        self.failure: Exception | None = None
        self.writing = False
        self.model = SimpleNamespace(reach=10_000)
        self.client = self

    async def ready(self, *_: Any, **__: Any) -> Script:
        if self.failure is not None:
            raise self.failure
        return self

    async def close(self) -> None:
        pass

    async def tokenize(self, text: str) -> Tokenized:
        return Tokenized(list(range(len(text))), list(text), [], 0, 0, len(text), self.room)

    def generate(self, prompt: str, **settings: Any) -> Scripted:
        self.prompts.append(prompt)
        self.settings.append(settings)
        return Scripted(self, self.replies.pop(0))


class Scripted:
    def __init__(self, script: Script, text: str) -> None:
        self.script, self.left, self.said = script, text, ""
        self.ends: dict[int, SampleEnd] = {}
        self.stopped = False
        self.changes: list[dict[str, Any]] = []

    def stop(self) -> None:
        self.stopped = True
        self.script.on.set()

    close = stop

    async def aclose(self) -> None:
        self.stop()

    def change(self, **settings: Any) -> None:
        self.script.settings[-1] |= settings

    def __aiter__(self) -> Scripted:
        return self

    async def __anext__(self) -> list[Token]:
        if self.left.startswith("†"):
            self.left = ""
            raise GeneratorLostError("The generator was killed (SIGKILL).")
        if self.left.startswith("|"):
            self.left = self.left[1:]
            self.script.on.clear()
            await self.script.on.wait()
        if not self.left or self.stopped:
            reason = "stopped" if self.stopped else "stop"
            self.ends[0] = SampleEnd(
                sample=0,
                text="",
                tokens=1,
                tokens_per_second=1.0,
                stop_reason=reason,
                seed=self.script.settings[-1]["seed"],
            )
            raise StopAsyncIteration
        end = next((at for at, character in enumerate(self.left) if character in "|†"), len(self.left))
        text, self.left = self.left[:end], self.left[end:]
        return [Token(sample=0, id=1, text=text, probability=0.5)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "FRAME", 0.0)


def make(*replies: str, room: int = 4000, first: navigation.Open | None = None) -> tuple[GptTui, Script]:
    script = Script(*replies, room=room)
    app = GptTui(first or navigation.OpenChat(model="talk"), Services(generator=script))  # type: ignore[arg-type]
    return app, script


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


async def opened(pilot: Pilot[None]) -> ChatScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen) and pilot.app.screen.talk is not None)
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, ChatScreen)
    return screen


def said(screen: ChatScreen) -> list[str]:
    """What the screen shows: a line for each turn."""
    return [f"{(shown := view.render()).name}: {shown.said}" for view in screen.query(TurnView)]


async def say(pilot: Pilot[None], text: str) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, ChatScreen)
    screen.prompt.focus()
    screen.prompt.write(text)
    await pilot.press("enter")
    await until(pilot, lambda: not screen.prompt.text and not screen.answering)
    await pilot.pause()


async def test_one_talks_and_it_is_kept(store: Path) -> None:
    app, script = make(" Cold, Otto.", " Still cold.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        assert screen.talk is not None
        assert (screen.talk.them, screen.talk.you) == ("MARTA", "OTTO")
        them, you = screen.talk.them, screen.talk.you
        await say(pilot, "How is the day?")
        await say(pilot, "And now?")
        assert said(screen) == [
            f"{you}: How is the day?",
            f"{them}: Cold, Otto.",
            f"{you}: And now?",
            f"{them}: Still cold.",
        ]
        assert script.prompts[-1].endswith(f"{you}: And now?\n{them}:")
        assert script.settings[-1]["temperature"] == 0.7 and "\n" in script.settings[-1]["stop"]
        id = screen.talk.id
    assert [turn.text for turn in conversations.load(id).path()][-1] == "Still cold."


async def test_the_first_words_may_be_chosen_or_taken(store: Path) -> None:
    app, _ = make(" Yes.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        assert screen.prompt.proposal
        await pilot.press("tab")
        assert screen.prompt.text == screen.prompt.proposal
        screen.prompt.write("")
        await pilot.press("up", "enter")
        await until(pilot, lambda: len(screen.query(TurnView)) == 2 and not screen.answering)
        assert screen.talk is not None and screen.talk.path()[0].text in screen.cast.find(screen.talk.them).openings


async def test_a_reply_streams_and_escape_stops_it(store: Path) -> None:
    app, _ = make(" It is| cold.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        screen.prompt.write("How?")
        await pilot.press("enter")
        await until(pilot, lambda: len(said(screen)) == 2 and "It is" in said(screen)[1])
        assert screen.answering
        await pilot.press("escape")
        await until(pilot, lambda: not screen.answering)
        assert said(screen)[1].endswith(": It is")


async def test_other_answers_stand_beside_the_first(store: Path) -> None:
    app, script = make(" One.", " Two.", " Three.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "Count.")
        for _ in range(2):
            await pilot.press("ctrl+r")
            await until(pilot, lambda: not screen.answering)
        assert "Three." in said(screen)[1] and "3 of 3" in said(screen)[1]
        assert len({settings["seed"] for settings in script.settings}) == 3
        await pilot.press("up", "left", "left")
        await until(pilot, lambda: "One." in said(screen)[-1] and "1 of 3" in said(screen)[-1])
        await pilot.press("left", "right")
        await until(pilot, lambda: "Two." in said(screen)[-1])


async def test_a_turn_is_changed_and_the_talk_goes_on_from_there(store: Path) -> None:
    app, script = make(" One.", " Two.", " Other.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "First.")
        await say(pilot, "Second.")
        await pilot.press("up", "up", "up", "up", "e")
        assert screen.prompt.text == "First."
        await say(pilot, "Changed.")
        assert [line.partition(": ")[2] for line in said(screen)] == ["Changed.\n‹ 2 of 2 ›", "Other."]
        assert "First." not in script.prompts[-1]
        await pilot.press("up", "up", "left")
        await until(pilot, lambda: len(said(screen)) == 4 and "Two." in said(screen)[-1])


async def test_an_answer_is_changed_by_hand(store: Path) -> None:
    app, script = make(" One.", " Next.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "Count.")
        await pilot.press("up", "e")
        await say(pilot, "Seven.")
        assert "Seven." in said(screen)[1] and "changed by hand" in said(screen)[1]
        await say(pilot, "Go on.")
        assert "Seven." in script.prompts[-1] and "One." not in script.prompts[-1]
        assert screen.talk is not None
        assert [line.author for line in screen.talk.transcript().lines] == ["writer", "edited", "writer", "model"]


async def test_new_lines_have_a_key_and_enter_sends(store: Path) -> None:
    app, _ = make(" Yes.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("a", "ctrl+j", "b")
        assert screen.prompt.text == "a\nb"
        await pilot.press("enter")
        await until(pilot, lambda: not screen.answering and len(said(screen)) == 2)
        assert said(screen)[0].endswith(": a\nb")


async def test_what_comes_late_is_dropped(store: Path) -> None:
    app, script = make(" Late| words.", " Here.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        assert screen.talk is not None
        first = screen.talk
        screen.prompt.write("Hello.")
        await pilot.press("enter")
        await until(pilot, lambda: any("Late" in line for line in said(screen)))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: screen.talk is not first)
        script.on.set()
        await say(pilot, "Anew.")
        assert [line.partition(": ")[2] for line in said(screen)] == ["Anew.", "Here."]
        assert [turn.text for turn in first.path()] == ["Hello.", "Late"]
        await screen.keeper.settle()
        assert not conversations.load(first.id).turns[2].unfinished


async def test_the_oldest_turns_are_left_out_and_it_is_said(store: Path) -> None:
    replies = [f" Answer number {n}." for n in range(8)]
    app, script = make(*replies, room=160)
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await opened(pilot)
        for number in range(8):
            await say(pilot, f"Question number {number}?")
        assert "number 0?" not in script.prompts[-1] and "number 7?" in script.prompts[-1]
        assert screen.turns.seen_from > 0
        assert len(screen.query(".-forgotten")) == screen.turns.seen_from
        rule = screen.query_one(".-horizon", TurnView)
        assert "sees" in str(rule.border_title)


async def test_a_generator_that_dies_is_started_anew(store: Path) -> None:
    app, script = make(" Half†", " Whole.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "Hello.")
        assert said(screen)[1].endswith(": Whole.")
        assert script.settings[0]["seed"] == script.settings[1]["seed"]
        assert any("started anew" in toast.message for toast in app._notifications)


async def test_a_model_that_is_gone_is_told_and_nothing_is_lost(store: Path) -> None:
    app, script = make(" Yes.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        script.failure = ModelNotFoundError("talk: no model of that name.")
        await say(pilot, "Hello.")
        assert [line.partition(": ")[2] for line in said(screen)] == ["Hello."]
        assert any("no model" in toast.message for toast in app._notifications)
        script.failure = None
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not screen.answering and len(said(screen)) == 2)


async def test_a_model_that_says_nothing_is_asked_again(store: Path) -> None:
    app, script = make("  ", "", " Yes.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "Hello.")
        assert said(screen)[1].endswith(": Yes.")
        assert len({settings["seed"] for settings in script.settings}) == 3


async def test_commands_of_a_text_are_not_obeyed(store: Path) -> None:
    app, _ = make(" [bold]\x1b[31mred[/bold] [/]")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await say(pilot, "[red]Hi[/] [")
        assert said(screen)[0].endswith("[red]Hi[/] [")
        assert said(screen)[1].endswith("[bold]␛[31mred[/bold] [/]")


# Who talks


async def test_another_speaker_is_chosen_and_names_are_given(store: Path) -> None:
    app, script = make(" Well.")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, PersonaPicker))
        await pilot.press(*"Zed")
        app.screen.query_one("#you", Input).value = "Anna"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and screen.talk is not None and screen.talk.them == "Zed")
        await say(pilot, "Hello.")
        assert script.prompts[-1] == "Anna: Hello.\nZed:"


async def test_prose_is_talked_with_through_a_scene(store: Path) -> None:
    app, script = make("I am cold,", first=navigation.OpenChat(model="novel"))
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, PersonaPicker))
        from textual.widgets import TextArea

        app.screen.query_one("#scene", TextArea).text = "They met by the gate."
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await say(pilot, "How are you?")
        assert script.prompts[-1].startswith("They met by the gate.\n\n") and script.prompts[-1].endswith('"')
        assert said(screen)[1].endswith(": I am cold.")


# Conversations that were kept


def kept(*texts: str) -> list[str]:
    ids = []
    for number, text in enumerate(texts):
        conversation = conversations.Conversation("talk", "OTTO", "MARTA", id=f"kept-{number}")
        conversation.say(conversations.YOU, text)
        conversation.say(conversations.MODEL, "Yes.")
        conversation.changed = f"2026-11-0{number + 1}T00:00:00+00:00"
        conversations.save(conversation)
        ids.append(conversation.id)
    return ids


def listed(screen: ChatScreen) -> list[str]:
    options = screen.query_one(ConversationList).query_one(OptionList)
    return [option.id for option in options.options if option.id]


async def test_a_conversation_is_found_and_opened(store: Path) -> None:
    ids = kept("About the sea.", "About the hills.", "About bread.")
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        assert screen.talk is not None and screen.talk.id == ids[-1]
        await pilot.press("ctrl+o")
        await until(pilot, lambda: listed(screen) == ids[::-1])
        await pilot.press(*"hills")
        await until(pilot, lambda: listed(screen) == [ids[1]])
        await pilot.press("enter")
        await until(pilot, lambda: screen.talk is not None and screen.talk.id == ids[1])
        await until(pilot, lambda: said(screen) == ["OTTO: About the hills.", "MARTA: Yes."])


async def test_a_deleted_conversation_comes_back(store: Path) -> None:
    ids = kept("About the sea.", "About the hills.")
    app, _ = make(first=navigation.OpenChat(conversation=ids[0]))
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(listed(screen)) == 2)
        await pilot.press("down", "d")
        await until(pilot, lambda: listed(screen) == [ids[1]])
        await until(pilot, lambda: screen.talk is not None and screen.talk.id == ids[1])
        screen.query_one(OptionList).focus()
        await pilot.press("u")
        await until(pilot, lambda: screen.talk is not None and screen.talk.id == ids[0])
        assert [turn.text for turn in conversations.load(ids[0]).path()] == ["About the sea.", "Yes."]


async def test_a_conversation_is_given_a_name(store: Path) -> None:
    ids = kept("About the sea.")
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("f8")
        await until(pilot, lambda: app.screen is not screen)
        app.screen.query_one(Input).value = "The tides"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: conversations.load(ids[0]).title == "The tides")


async def test_an_answer_that_was_cut_off_says_so(store: Path) -> None:
    ids = kept("About the sea.")
    conversation = conversations.load(ids[0])
    conversation.path()[1].unfinished = True
    conversations.save(conversation)
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        assert "the program ended here" in said(screen)[1]


async def test_a_long_conversation_shows_its_end_and_more_when_asked(store: Path) -> None:
    conversation = conversations.Conversation("talk", "OTTO", "MARTA")
    for number in range(260):
        conversation.say(conversations.YOU if number % 2 == 0 else conversations.MODEL, f"Turn {number}.")
    conversations.save(conversation)
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: len(said(screen)) == 60)
        assert "Turn 259." in said(screen)[-1]
        await pilot.press("up", "home")
        await until(pilot, lambda: len(said(screen)) == 120)
        assert [line.partition(": ")[2] for line in said(screen)] == [f"Turn {n}." for n in range(140, 260)]


async def test_without_a_model_it_says_how_to_get_one(home: Path) -> None:
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.query(".welcome"))
        await pilot.pause()
        texts = [str(widget.visual) for widget in app.screen.query(".welcome Static").results(Static)]
        assert any("F3" in text for text in texts)
        app.screen.query_one(PromptInput).write("Hello?")
        await pilot.press("enter", "ctrl+r", "ctrl+g", "ctrl+n", "ctrl+s", "up")


async def test_a_conversation_is_exported(store: Path, tmp_path: Path) -> None:
    kept("About the sea.")
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is not screen and app.screen.query("#folder"))
        app.screen.query_one("#folder", Input).value = str(tmp_path / "out")
        app.screen.query_one("#name", Input).value = "sea"
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "out" / "sea.txt").exists())
        assert (tmp_path / "out" / "sea.txt").read_text("utf-8") == "OTTO: About the sea.\nMARTA: Yes.\n"


async def test_settings_are_felt_by_the_answer_that_is_being_written(store: Path) -> None:
    app, script = make(" It is| cold.")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        screen.prompt.write("How?")
        await pilot.press("enter")
        await until(pilot, lambda: any("It is" in line for line in said(screen)))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: screen.query("SamplingPanel"))
        await pilot.pause()
        await pilot.press("right")
        await until(pilot, lambda: script.settings[-1]["temperature"] > 0.7)
        script.on.set()
        await until(pilot, lambda: not screen.answering)
        assert screen.talk is not None and screen.talk.settings["temperature"] > 0.7


@pytest.mark.parametrize("size", [(40, 15), (80, 24), (160, 50)])
async def test_it_fits_every_terminal(store: Path, size: tuple[int, int]) -> None:
    kept("A rather long thing about the sea, the hills, and the bread that was baked this morning.")
    app, _ = make(first=navigation.OpenChat())
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: len(said(screen)) == 2)
        await pilot.pause()
        for widget in (screen.prompt, *screen.query(TurnView)):
            assert widget.region.width > 20 and widget.region.right <= size[0]
        assert screen.prompt.region.bottom < size[1]


# With a model of flesh and blood


async def test_a_real_model_answers_and_survives_its_generators_death(store: Path) -> None:
    app = GptTui(navigation.OpenChat(model="talk"), Services())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        screen.prompt.write("How is the day 3?")
        await pilot.press("enter")
        await until(pilot, lambda: not screen.answering and len(said(screen)) == 2, 60)
        assert screen.talk is not None and screen.talk.path()[1].text
        assert "\n" not in screen.talk.path()[1].text and screen.talk.path()[1].tokens
        os.kill(app.services.generator.client.pid or 0, signal.SIGKILL)
        screen.prompt.write("And the day 4?")
        await pilot.press("enter")
        await until(pilot, lambda: not screen.answering and len(said(screen)) == 4, 60)


async def test_alt_enter_begins_a_new_line_in_terminals_that_know_no_better() -> None:
    from textual._xterm_parser import XTermParser

    assert [event.key for event in XTermParser().feed("\x1b\r") if hasattr(event, "key")] == ["alt+enter"]
