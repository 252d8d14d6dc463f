"""Compose: a text in the middle, and a model that goes on with it.

What the screen does is in the files `compose_*.py`: looking, writing on, choosing, keeping, keeping house, tools. Here
is how it is laid out, which keys it has, and what it does when it is come to and left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from gpt_tui import navigation
from gpt_tui.drafting.composing import BRANCHES
from gpt_tui.screens.compose_tools import NO_MODEL, HasTools
from gpt_tui.widgets import editor_messages
from gpt_tui.widgets.alternatives import Alternatives
from gpt_tui.widgets.branches import Branches
from gpt_tui.widgets.distribution import Distribution
from gpt_tui.widgets.draft_bar import DraftBar
from gpt_tui.widgets.draft_menu import DraftMenu, Entry
from gpt_tui.widgets.editor import Editor
from gpt_tui.widgets.find_bar import FindBar
from gpt_tui.widgets.notice import Notice
from gpt_tui.widgets.sampling_panel import SamplingPanel

PANEL = "compose.panel"
"""Whether the settings stand beside the text, as the app remembers it."""
_ROOMY = 110


class ComposeScreen(HasTools):
    """Write with a model."""

    CSS_PATH = "../styles/compose.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#text"
    WRITES: ClassVar[bool] = True
    HELP = """
    Write, and let the model go on whenever you like: Ctrl+G continues from the cursor, and stops it again; Ctrl+R takes
    that back and tries another; Ctrl+Z undoes a whole continuation at once. Ctrl+T suggests in dim text: Tab takes it,
    Ctrl+Right takes a word. Ctrl+B shows three continuations side by side, Ctrl+L the words that could have stood at
    the cursor. What the model wrote has a colour of its own until you change it.
    Drafts are kept as you type. A file of your own is written only by Ctrl+S. F10 has all that is wanted more seldom.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g,ctrl+enter", "go", "Continue", id="compose.continue", tooltip="Go on from the cursor; stop."),
        Binding("ctrl+r", "again", "Another", id="compose.again", tooltip="Take that back, and write it otherwise."),
        Binding("ctrl+t,ctrl+@", "suggest", "Suggest", id="compose.suggest", tooltip="Suggest how it could go on."),
        Binding("ctrl+b", "branches", "Branches", id="compose.branches", tooltip="Three continuations side by side."),
        Binding("ctrl+l", "words", "Words", id="compose.words", tooltip="The words that could have stood here."),
        Binding("ctrl+o", "drafts", "Drafts", id="compose.drafts", show=False, tooltip="All drafts, with search."),
        Binding("f7", "panel", "How it writes", id="compose.panel", show=False, tooltip="Temperature and the like."),
        Binding("f10", "menu", "More", id="compose.menu", tooltip="Everything else that can be done with this draft."),
        Binding("escape", "stop", "Stop", id="compose.stop", show=False, tooltip="Stop writing; close what is open."),
        Binding(
            "ctrl+backslash", "step(-1)", "Earlier try", id="compose.earlier", show=False, tooltip="The try before."
        ),
        Binding(
            "ctrl+right_square_bracket", "step(1)", "Later try", id="compose.later", show=False, tooltip="The next try."
        ),
        Binding("ctrl+n", "new", "New draft", id="compose.new", show=False, tooltip="Begin a new draft."),
        Binding("ctrl+s", "save", "Save", id="compose.save", show=False, tooltip="Write your own file."),
        Binding("ctrl+f", "find", "Find", id="compose.find", show=False, tooltip="Find and replace."),
        Binding("f8", "sent", "What it sees", id="compose.sent", show=False, tooltip="The text as the model reads it."),
        Binding("alt+m", "model", "Model", id="compose.model", show=False, tooltip="Write with another model."),
        Binding("alt+n", "rename", "Rename", id="compose.rename", show=False, tooltip="Give this draft a name."),
        Binding("alt+e", "export", "Export", id="compose.export", show=False, tooltip="Take the text out as a file."),
        Binding(
            "alt+v", "edit_elsewhere", "Other editor", id="compose.editor", show=False, tooltip="Edit it in $EDITOR."
        ),
        Binding("alt+c", "copy", "Copy draft", id="compose.copy", show=False, tooltip="Go on in a copy of this draft."),
        Binding("alt+d", "delete", "Delete draft", id="compose.delete", show=False, tooltip="Move it to the trash."),
        Binding(
            "alt+t", "train", "Train on this", id="compose.train", show=False, tooltip="A new model from this text."
        ),
        Binding("alt+z", "focus_mode", "Focus", id="compose.focus", show=False, tooltip="Dim all but this paragraph."),
        Binding("alt+r", "reading", "Reading", id="compose.reading", show=False, tooltip="Only read; keys scroll."),
        Binding(
            "alt+w", "authors", "Whose words", id="compose.authors", show=False, tooltip="Colour the model's words."
        ),
        Binding("alt+a", "adopt", "My words", id="compose.adopt", show=False, tooltip="This passage counts as yours."),
        Binding("alt+minus", "wider(-1)", "Narrower", id="compose.narrower", show=False, tooltip="A narrower column."),
        Binding(
            "alt+plus,alt+equals_sign", "wider(1)", "Wider", id="compose.wider", show=False, tooltip="A wider one."
        ),
    ]

    def content(self) -> Iterable[Widget]:
        with Horizontal(id="compose"):
            with Vertical(id="page"):
                yield FindBar()
                yield self.editor
                yield Branches(BRANCHES)
                yield Alternatives()
                yield Notice()
                yield DraftBar()
            with VerticalScroll(id="side", can_focus=False):
                yield SamplingPanel(
                    self.usual_values, title=Content.assemble("How it writes", ("  F7", "not bold $faint"))
                )
                yield Distribution()

    async def on_mount(self) -> None:
        self._apply_settings()
        remembered = self.services.state.memory.get(PANEL)
        open_it = remembered if isinstance(remembered, bool) else True
        self.set_class(open_it and self.app.size.width >= _ROOMY, "-panel")
        self.watch(self.app, "app_focus", self._app_focused, init=False)
        self.editor.focus()
        self.call_after_refresh(self.call_after_refresh, self._open_first)  # after `show`, if that is to come

    def _open_first(self) -> None:
        """Where nothing else was asked for: the draft that was open last."""
        if not self._asked:
            self.open(navigation.OpenCompose())

    async def on_unmount(self) -> None:
        self.composer.stop()
        if self.desk is not None:
            await self.desk.close()

    def on_screen_resume(self) -> None:
        self._come_back()

    @work(group="resume", exclusive=True)
    async def _come_back(self) -> None:
        """Models may have come or gone, and the own file may have been changed."""
        if self.desk is None:
            return
        before = self.draft.model
        await self.find_models()
        if before not in self.models and not before:
            self.use_model(self.usual_model)
        if self.models and self.notice.text == NO_MODEL:
            self.notice.clear()
        self.show_draft()
        self.look_soon()
        self.look_elsewhere()

    async def on_screen_suspend(self) -> None:
        if self.desk is not None:
            await self.desk.keep()

    def _app_focused(self, focused: bool) -> None:
        if focused and self.is_here and self.desk is not None:
            self.look_elsewhere()

    def on_settings_changed(self, message: navigation.SettingsChanged) -> None:
        self._apply_settings()

    def _apply_settings(self) -> None:
        self.editor.column_width = self.services.settings.writing_width
        self.editor.cursor_blink = self.services.settings.app_cursor_blink

    # What is open beside the text

    def action_stop(self) -> None:
        """Stop what is being written; else close what is open; else go back to the text."""
        if self.stop_writing():
            if self.branches.is_open:
                self.branches.focus()
        elif self.alternatives.is_open or self.branches.is_open:
            self.back_to_text()
        elif self.find_bar.is_open:
            self.find_bar.action_leave()
        elif self.editor.reading:
            self.action_reading()
        elif not self.editor.has_focus:
            self.editor.focus()
        else:
            self.notice.clear()
            self.tell("")

    def action_panel(self) -> None:
        """Show how it writes and go there; from there, hide it."""
        inside = self.focused is not None and self.query_one("#side") in self.focused.ancestors
        if self.panel_open and inside:
            self.set_class(False, "-panel")
            self.editor.focus()
        else:
            self.set_class(True, "-panel")
            self.panel.focus_dial()
            self.look_soon()
        self.services.state.remember(PANEL, self.panel_open)

    @work(group="menu", exclusive=True)
    async def action_menu(self) -> None:
        draft = [
            Entry("o", "Drafts…", "drafts"),
            Entry("s", "Save", "save"),
            Entry("n", "Rename…", "rename"),
            Entry("e", "Export…", "export"),
            Entry("v", "Edit in $EDITOR", "edit_elsewhere"),
            Entry("c", "Go on in a copy", "copy"),
            Entry("d", "Delete", "delete"),
        ]
        model = [
            Entry("h", "How it writes", "panel", self.panel_open),
            Entry("m", "Another model…", "model"),
            Entry("i", "What the model sees", "sent"),
            Entry("t", "Train a model on this text…", "train"),
        ]
        looks = [
            Entry("f", "Focus: dim other paragraphs", "focus_mode", self.editor.focus_mode),
            Entry("r", "Reading: only read", "reading", self.editor.reading),
            Entry("w", "Whose words: colour the model's", "authors", self.editor.show_authors),
            Entry("a", "These words are mine", "adopt"),
            Entry("-", "Narrower column", "wider(-1)"),
            Entry("+", "Wider column", "wider(1)"),
        ]
        action = await self.app.push_screen_wait(DraftMenu(self.bar.draft, [draft, model, looks]))
        if action is not None:
            await self.run_action(action)

    @on(DraftBar.Clicked)
    async def _bar_clicked(self, event: DraftBar.Clicked) -> None:
        event.stop()
        actions = {"name": "drafts", "model": "model", "context": "sent"}
        if event.part in actions:
            await self.run_action(actions[event.part])

    @on(Editor.Copied)
    def _copied(self, event: editor_messages.Copied) -> None:
        words = len(event.text.split())
        self.tell(f"Copied {words:,} {'word' if words == 1 else 'words'} by {event.by}")

    @on(Editor.Moved)
    def _selected(self, event: editor_messages.Moved) -> None:
        with contextlib.suppress(Exception):
            self.bar.chosen_words = self.editor.selected_word_count()
