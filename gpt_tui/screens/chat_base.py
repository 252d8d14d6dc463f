"""The heart of the chat screen: the conversation that is open, what is said in it, and the reply being written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from engine.errors import EngineError
from gpt_tui import navigation
from gpt_tui.conversations import MODEL, YOU, Conversation, Turn
from gpt_tui.conversing import opening
from gpt_tui.conversing.answering import Answering
from gpt_tui.conversing.keeper import Keeper
from gpt_tui.conversing.personas import Cast
from gpt_tui.conversing.talking import Style
from gpt_tui.screens.base import Place
from gpt_tui.terminal import visible
from gpt_tui.widgets.chat_welcome import ChatWelcome
from gpt_tui.widgets.conversation_list import ConversationList
from gpt_tui.widgets.prompt_input import PromptInput
from gpt_tui.widgets.turn import Shown
from gpt_tui.widgets.turn_list import TurnList

if TYPE_CHECKING:
    from gpt_tui.app import Services

NO_MODELS = "There is no model to talk with yet"
HOW_TO_BEGIN = (
    "Train one first: F3, choose “Dialogues”, which was written for this, and give it five minutes. "
    "A model of any other text can be talked with too."
)
CUT_OFF = "the program ended here; r asks for another"


class Talk(Place):
    """A place where one talks. `talk` is the conversation, None while there is none."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.talk: Conversation | None = None
        self.cast = Cast(Style())
        self.keeper = Keeper()
        self._answering: Answering | None = None
        self._changing: Turn | None = None
        self._cut_off: set[int] = set()

    def content(self) -> Iterable[Widget]:
        with Horizontal(id="chat"):
            yield ConversationList(id="conversations")
            with Vertical(id="middle"):
                with Horizontal(id="who"):
                    yield Static("", id="them", markup=False)
                    yield Static("", id="about", markup=False)
                yield TurnList(id="turns")
                with Vertical(id="prompt-box"):
                    yield Static("", id="note", markup=False)
                    yield PromptInput(id="prompt")
            yield Vertical(id="side")

    def on_mount(self) -> None:
        self.query_one(PromptInput).focus()
        self.open_somewhere()

    def on_unmount(self) -> None:
        if self._answering is not None:
            self._answering.turn.unfinished = not self._answering.over
        self.keeper.now()

    @property
    def turns(self) -> TurnList:
        return self.query_one(TurnList)

    @property
    def prompt(self) -> PromptInput:
        return self.query_one(PromptInput)

    @property
    def answering(self) -> bool:
        return self._answering is not None

    # Which conversation

    def show(self, message: navigation.Open) -> None:
        if not isinstance(message, navigation.OpenChat):
            return
        if message.conversation is not None:
            self.open_conversation(message.conversation)
        elif message.model is not None:
            self.open_model(message.model)

    @work(exclusive=True, group="open")
    async def open_somewhere(self) -> None:
        """Where one was last."""
        memory = dict(self.services.state.memory)
        if (found := await asyncio.to_thread(opening.somewhere, memory)) is not None:
            self.take(*found)
        else:
            self.take_none()

    @work(exclusive=True, group="open")
    async def open_conversation(self, id: str) -> None:
        await self.keeper.settle()  # it may be the one that is open
        try:
            self.take(*await asyncio.to_thread(opening.reopen, id))
        except EngineError as error:
            self.complain(error)

    @work(exclusive=True, group="open")
    async def open_model(self, model: str, them: str = "", you: str = "") -> None:
        """A new conversation."""
        settings = opening.settings_of(self.services.state.memory)
        try:
            found = await asyncio.to_thread(opening.begin, model, them=them, you=you, settings=settings)
        except EngineError as error:
            self.complain(error)
        else:
            self.take(*found)

    def take(self, talk: Conversation, cast: Cast) -> None:
        """Show a conversation."""
        self.drop_answer()
        self.stop_changing()
        cut_off = [turn for turn in talk.turns.values() if turn.unfinished]
        for turn in cut_off:
            turn.unfinished = False
            if not turn.text and talk.last is turn:
                talk.remove(turn)
        self._cut_off = {turn.id for turn in cut_off}
        self.talk, self.cast = talk, cast
        self.turns.seen_from = 0
        self.turns.load(self.rows(), self._welcome())
        self.services.state.remember(opening.LAST, talk.id if talk.turns else None)
        self.introduce()
        self.talk_changed()
        self.prompt.focus()

    def take_none(self) -> None:
        self.talk = None
        self.turns.load([], ChatWelcome(NO_MODELS, HOW_TO_BEGIN))
        self.introduce()

    def talk_changed(self) -> None:
        """Another conversation is open."""

    def introduce(self) -> None:
        """Say who talks: on top, and where one writes."""
        them, about = Content(""), ""
        proposal, otherwise = "", "There is nobody to talk with yet"
        if (talk := self.talk) is not None:
            persona = self.cast.find(talk.them)
            them = Content.assemble((visible(talk.them), "bold $accent"), ("   " + visible(persona.words), "$faint"))
            about = f"{talk.model} · you are {talk.you}"
            if not talk.turns and persona.openings:
                proposal = persona.openings[0]
            otherwise = f"Say something to {talk.them}"
        self.query_one("#them", Static).update(them)
        self.query_one("#about", Static).update(visible(about))
        self.prompt.propose(visible(proposal), visible(otherwise))

    def _welcome(self) -> ChatWelcome:
        talk = self.talk
        assert talk is not None
        persona = self.cast.find(talk.them)
        words = f"{talk.them}, {persona.words}." if persona.words and self.cast.known else f"You meet {talk.them}."
        note = talk.scene or f"You are {talk.you}. Ctrl+G changes who talks."
        return ChatWelcome(f"You talk with {talk.them}", words, note, persona.openings)

    # What is on the screen

    def rows(self) -> list[Shown]:
        return [self.row(turn) for turn in self.talk.path()] if self.talk is not None else []

    def row(self, turn: Turn) -> Shown:
        assert self.talk is not None
        versions = self.talk.versions(turn)
        writing = self._answering is not None and self._answering.turn is turn
        note = CUT_OFF if turn.id in self._cut_off else "changed by hand" if turn.edited else ""
        number = versions.index(turn) + 1
        return Shown(turn.id, turn.speaker, turn.text, turn.author, number, len(versions), writing, note)

    def refresh_turns(self) -> None:
        self.turns.show(self.rows())

    def changed(self) -> None:
        """The conversation has changed: show it, and keep it."""
        assert self.talk is not None
        self.refresh_turns()
        self.keeper.keep(self.talk)
        self.services.state.remember(opening.LAST, self.talk.id)

    # What one says

    @on(PromptInput.Submitted)
    def _submitted(self, event: PromptInput.Submitted) -> None:
        event.stop()
        self.speak(event.text)

    @on(ChatWelcome.Chosen)
    def _begun(self, event: ChatWelcome.Chosen) -> None:
        event.stop()
        self.prompt.focus()
        self.speak(event.text)

    def speak(self, text: str) -> None:
        """Say it, or say it in the place of the turn that is being changed, and let the model answer."""
        talk = self.talk
        if talk is None:
            self.notify(HOW_TO_BEGIN, title=NO_MODELS, markup=False)
            return
        if self.answering and self._changing is None:
            self.notify(f"{visible(talk.them)} is still talking: Esc interrupts.", markup=False, timeout=3)
            return
        self.prompt.write("")
        changing = self._changing
        self.stop_changing()
        self.drop_answer()
        turn = talk.say(YOU, text) if changing is None else talk.beside(changing, text, edited=changing.by == MODEL)
        self.turns.anchor()
        if turn.by == YOU:
            self.answer_after(turn)
        else:
            self.changed()
        self.introduce()

    def change(self, turn: Turn) -> None:
        """Let a turn be written anew, where one writes."""
        self._changing = turn
        self.query_one("#prompt-box").add_class("-editing")
        whose = "your own" if turn.by == YOU else f"{turn.speaker}'s"
        note = f"Changing {whose} turn: Enter goes on from there, Esc leaves it"
        self.query_one("#note", Static).update(visible(note))
        self.prompt.write(turn.text)
        self.prompt.focus()
        self.refresh_bindings()

    def stop_changing(self) -> None:
        if self._changing is not None:
            self._changing = None
            self.prompt.write("")
            self.query_one("#prompt-box").remove_class("-editing")

    # What the model answers

    def answer_after(self, turn: Turn) -> None:
        """A new answer to that turn."""
        assert self.talk is not None
        self._begin(self.talk.say(MODEL, "", after=turn))

    def answer_again(self, turn: Turn) -> None:
        """Another answer in the place of that one."""
        assert self.talk is not None
        self._begin(self.talk.beside(turn, ""))

    def _begin(self, turn: Turn) -> None:
        assert self.talk is not None
        self.drop_answer()
        self._answering = Answering(self.services.generator, self.talk, turn, self.talk.settings)
        self.changed()
        self.refresh_bindings()
        self._write(self._answering, self.talk)

    @work(exclusive=True, group="answer")
    async def _write(self, answering: Answering, talk: Conversation) -> None:
        def grown() -> None:
            if answering is self._answering:
                self.turns.seen_from = answering.left_out
                self.turns.grow(self.row(answering.turn))
                self.keeper.keep(talk)

        problem = ""
        try:
            reason = await answering.write(grown, self.tell_progress)
            if reason == "nothing":
                problem = f"{talk.them} says nothing to that. Ctrl+R asks again; other words may help."
        except EngineError as error:
            problem = str(error)
        if answering is self._answering:
            self._ended(answering, talk, problem)

    def tell_progress(self, doing: str) -> None:
        """What the generator does before the first word."""
        self.say(f"{visible(doing)} …")

    def _ended(self, answering: Answering, talk: Conversation, problem: str) -> None:
        """A reply is whole, was stopped, or failed."""
        self._answering = None
        if not answering.turn.text:
            talk.remove(answering.turn)
        talk.touch()
        self.changed()
        self.refresh_bindings()
        left_out = answering.left_out
        self.say(f"{left_out} turns forgotten" if left_out else "")
        if answering.recovered and not problem:
            self.notify(
                "The generator had ended; it was started anew, and the answer was written again.",
                markup=False,
                timeout=6,
            )
        if problem:
            self.notify(visible(problem), severity="error", markup=False, timeout=10)
        if self.keeper.problem:
            self.notify(visible(self.keeper.problem), title="Not saved", severity="error", markup=False)
        self.talk_saved()

    def talk_saved(self) -> None:
        """A reply has ended, and the conversation with it for now."""

    def drop_answer(self) -> None:
        """What is being written is not wanted any more: what has come of it stays, if it is a word."""
        answering, self._answering = self._answering, None
        if answering is None:
            return
        answering.abandon()
        if not answering.turn.text and answering.turn.id in answering.conversation.turns:
            answering.conversation.remove(answering.turn)
        self.keeper.keep(answering.conversation)
        self.refresh_bindings()

    def complain(self, error: EngineError) -> None:
        self.notify(visible(str(error)), severity="error", markup=False, timeout=10)
