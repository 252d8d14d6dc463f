"""Chat: a conversation in turns with a speaker of the model's corpus."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from engine.errors import EngineError
from gpt_tui import clipboard, conversations
from gpt_tui.conversations import MODEL
from gpt_tui.conversing import opening
from gpt_tui.screens.chat_kept import Kept
from gpt_tui.terminal import visible
from gpt_tui.widgets.chat_welcome import ChatWelcome
from gpt_tui.widgets.conversation_list import ConversationList
from gpt_tui.widgets.editor_messages import Changed
from gpt_tui.widgets.prompt_input import PromptInput
from gpt_tui.widgets.turn import TurnView
from gpt_tui.widgets.turn_list import TurnList

if TYPE_CHECKING:
    from gpt_tui.widgets.sampling_panel import SamplingPanel

PANEL = "chat.panel"
"""Whether the settings beside the conversation are shown, as the app remembers it."""

ROOMY, ROOM_OF_PANEL = 120, 24
"""Columns of the screen from which something stands beside the talk of itself, and how many more for both."""

STACKED_BELOW = 56
"""Columns of the turns under which names stand above what is said."""


class ChatScreen(Kept):
    """The conversation, the list of those that were kept, and how the model answers."""

    NAME: ClassVar[str] = "chat"
    CSS_PATH = "../styles/chat.tcss"
    WRITES: ClassVar[bool] = True
    HELP = """
    You talk with a speaker of the text that the model learned from. Write below, and press Enter. Esc interrupts an
    answer, Ctrl+R asks for another one, and the earlier ones stay: press Up to go to the turns, then Left and Right.
    Any turn can be changed (e), and the talk goes on from there. Conversations are kept; Ctrl+O finds them again.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Interrupt the answer, or leave a change."),
        Binding("escape", "back", "Back", id="chat.back", tooltip="Back to where you write."),
        Binding("ctrl+r", "again", "Again", id="chat.again", tooltip="Another answer in the place of the last one."),
        Binding("ctrl+n", "new", "New", id="chat.new", tooltip="A new conversation with this model."),
        Binding("ctrl+o", "conversations", "Talks", id="chat.conversations", tooltip="Conversations that were kept."),
        Binding("ctrl+g", "who", "Who", id="chat.who", tooltip="Who talks: the speaker, your name, the scene."),
        Binding("ctrl+l", "model", "Model", id="chat.model", show=False, tooltip="Talk with another model."),
        Binding("ctrl+t", "panel", "Settings", id="chat.panel", tooltip="How it answers: temperature and its kin."),
        Binding("ctrl+s", "export", "Export", id="chat.export", tooltip="Write the conversation to a file."),
        Binding("ctrl+b", "turns", "Turns", id="chat.turns", show=False, tooltip="Go to the last turn, or back."),
        Binding("f8", "rename", "Rename", id="chat.rename", show=False, tooltip="Give the conversation a name."),
    ]

    _warmed = False
    """Whether the model of this conversation was brought."""

    def on_mount(self) -> None:
        super().on_mount()
        width, panel = self.app.size.width, bool(self.services.state.memory.get(PANEL))
        self.query_one("#side").set_class(panel and width >= ROOMY, "-open")
        self.query_one(ConversationList).set_class(width >= ROOMY + (ROOM_OF_PANEL if panel else 0), "-open")

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.fit)

    def fit(self) -> None:
        self.turns.stacked = 0 < self.turns.size.width < STACKED_BELOW

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.answering or self._changing is not None
        if action == "back":
            return not self.check_action("stop", ()) and self.focused is not self.prompt
        if action in ("again", "export", "rename"):
            return self.talk is not None and bool(self.talk.turns)
        if action in ("new", "who", "panel"):
            return self.talk is not None
        return True

    @on(Changed, "#prompt")
    def _writes(self, event: Changed) -> None:
        """The model is brought while one still writes, so that the first answer comes at once."""
        event.stop()
        if self.talk is not None and event.editor.text and not self._warmed:
            self._warmed = True
            self._warm(self.talk)

    @work(group="warm", exclusive=True)
    async def _warm(self, talk: conversations.Conversation) -> None:
        generator = self.services.generator
        if not generator.client.writing:  # Compose may be using it
            with contextlib.suppress(EngineError):  # the answer will say what is wrong
                await generator.ready(talk.model, talk.checkpoint, progress=self.tell_progress)
            if not self.answering:
                self.say("")

    def talk_changed(self) -> None:
        self._warmed = False
        self.look_for_conversations()
        self.refresh_bindings()
        self.call_after_refresh(self.fit)
        assert self.talk is not None
        for panel in self._panels():
            panel.load(self.talk.settings)
        if self.query_one("#side").has_class("-open") and not self._panels():
            self._mount_panel()

    def talk_saved(self) -> None:
        self.look_for_conversations()

    # Turns

    @on(PromptInput.Left)
    def _leave_prompt(self, event: PromptInput.Left) -> None:
        event.stop()
        self.action_turns()

    @on(TurnList.Left)
    @on(ChatWelcome.Left)
    def _leave_turns(self) -> None:
        self.prompt.focus()

    def action_turns(self) -> None:
        if isinstance(self.focused, TurnView):
            self.prompt.focus()
        elif self.talk is not None and self.talk.turns:
            self.turns.look_at_last()
        else:
            for welcome in self.query(ChatWelcome):
                welcome.look()

    @on(TurnView.Asked)
    def _asked_of_turn(self, event: TurnView.Asked) -> None:
        event.stop()
        if self.talk is None or (turn := self.talk.turns.get(event.turn)) is None:
            return
        if event.what == "neighbour":
            self.turns.move(turn.id, event.by)
        elif event.what == "copy":
            self._copy(turn.text)
        elif event.what == "edit":
            self.change(turn)
        elif event.what == "again":
            self._again(turn)
        elif event.what == "version":
            self._step(turn, event.by)

    def _step(self, turn: conversations.Turn, by: int) -> None:
        """Show the version before or after this one, with what followed it."""
        assert self.talk is not None
        versions = self.talk.versions(turn)
        at = versions.index(turn) + by
        if not 0 <= at < len(versions):
            return
        self.drop_answer()
        looking = isinstance(self.focused, TurnView)
        self.talk.choose(versions[at])
        self.changed()
        if looking:
            self.call_after_refresh(self.turns.look_at, versions[at].id)

    def _again(self, turn: conversations.Turn) -> None:
        """Another answer in the place of that turn, or to it."""
        self.stop_changing()
        self.drop_answer()
        self.prompt.focus()
        self.turns.anchor()
        if turn.by == MODEL:
            self.answer_again(turn)
        else:
            self.answer_after(turn)

    def action_again(self) -> None:
        if self.talk is not None and (last := self.talk.last) is not None:
            if self.answering and not last.text:
                return
            self._again(last)

    def action_stop(self) -> None:
        if self._answering is not None:
            self._answering.stop()
        else:
            self.stop_changing()
        self.refresh_bindings()

    def action_back(self) -> None:
        self.prompt.focus()

    @work(group="copy")
    async def _copy(self, text: str) -> None:
        way = await clipboard.copy(self.app, text)
        self.notify(f"Copied by {way}.", markup=False, timeout=3)

    # Who talks

    def action_new(self) -> None:
        if self.talk is not None:
            self.open_model(self.talk.model, self.talk.them, self.talk.you)

    @work(exclusive=True, group="dialog")
    async def action_who(self) -> None:
        from gpt_tui.widgets.persona_picker import PersonaPicker, Roles

        talk = self.talk
        if talk is None:
            return
        scene_for = self.cast.scene if self.cast.style.is_prose else None
        roles = Roles(talk.them, talk.you, talk.scene)
        chosen = await self.app.push_screen_wait(PersonaPicker(self.cast.personas, roles, scene_for=scene_for))
        if chosen is None or talk is not self.talk or chosen == roles:
            return
        self.drop_answer()
        talk.them, talk.you, talk.scene = chosen
        self.turns.load(self.rows(), self._welcome())
        self.introduce()
        if talk.turns:
            self.changed()

    @work(exclusive=True, group="dialog")
    async def action_model(self) -> None:
        from gpt_tui.widgets.dialogs import Choose

        able = await asyncio.to_thread(opening.able)
        if not able:
            self.notify("There is no model yet: F3 trains one.", markup=False)
            return
        width = max(len(name) for name, _ in able)
        rows = [
            (name, Content.assemble(visible(name).ljust(width), (f"   {visible(text)}", "dim"))) for name, text in able
        ]
        chosen = await self.app.push_screen_wait(Choose("A new conversation with", rows))
        if chosen is not None:
            self.open_model(chosen)

    # How it answers

    def action_panel(self) -> None:
        self._show_panel(not self.query_one("#side").has_class("-open"))

    def _show_panel(self, shown: bool) -> None:
        self.query_one("#side").set_class(shown, "-open")
        self.services.state.remember(PANEL, shown or None)
        if not shown:
            self.prompt.focus()
        elif panels := self._panels():
            panels[0].focus_dial()
        else:
            self.call_after_refresh(self._mount_panel().focus_dial)
        self.call_after_refresh(self.fit)

    def _mount_panel(self) -> SamplingPanel:
        """The dials, made when they are first looked at."""
        from gpt_tui.widgets.sampling_panel import SamplingPanel

        assert self.talk is not None
        panel = SamplingPanel(self.talk.settings, title="How it answers")
        self.query_one("#side", Vertical).mount(panel)
        return panel

    def _panels(self) -> list[SamplingPanel]:
        return list(self.query("SamplingPanel").results())  # type: ignore[arg-type]

    def on_sampling_panel_changed(self, event: SamplingPanel.Changed) -> None:
        event.stop()
        if self.talk is None:
            return
        self.talk.settings = opening.usual(event.values)
        plain = {name: value for name, value in self.talk.settings.items() if value is not None and name != "seed"}
        self.services.state.remember(opening.SETTINGS, plain)
        if self._answering is not None:
            self._answering.change(self.talk.settings)
        if self.talk.turns:
            self.keeper.keep(self.talk)

    # What leaves

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        from gpt_tui.exporting import export

        if self.talk is not None and self.talk.turns:
            await export(self, self.talk.transcript(), "Export the conversation")
