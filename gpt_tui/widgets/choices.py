"""The few choices of a new model: its name, the minutes, its size, its tokens, and what it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from gpt_tui.terminal import visible
from gpt_tui.widgets.choice_row import ChoiceRow, RowValue
from gpt_tui.widgets.minutes_row import MinutesRow
from gpt_tui.widgets.path_input import PathInput
from gpt_tui.widgets.settings_line import SettingsLine

SIZES = (
    RowValue("auto", "auto", "What this machine does best with this text in this time."),
    RowValue("nano", "nano", "A million parameters: quick on any machine."),
    RowValue("small", "small", "Ten million parameters: ten minutes or more."),
    RowValue("medium", "medium", "Thirty million: an hour, or a graphics card."),
    RowValue("large", "large", "124 million, as GPT-2 had: a graphics card."),
    RowValue("classic", "classic", "The textbook's GPT to the letter, to learn from."),
)
TOKENS = (
    RowValue("bpe", "pieces", "Pieces of words, learned from the text (BPE): the best for most texts."),
    RowValue("byte", "bytes", "Single bytes: it learns to spell first, and is slower."),
    RowValue("word", "words", "Whole words: soon makes sense, and never spells a new one."),
)
FROM = (
    RowValue("", "auto", "From a model that ships and has read novels, where that pays; else from nothing."),
    RowValue("scratch", "nothing", "It begins knowing nothing, and learns this text alone."),
)


class ChoicesPanel(Vertical):
    """Up and down go from row to row, left and right change one, Enter goes on."""

    DEFAULT_CSS = """
    ChoicesPanel { height: auto; }
    ChoicesPanel #name-line { height: 1; }
    ChoicesPanel #name-label { width: 10; color: $faint; }
    ChoicesPanel #name-line:focus-within #name-label { color: $primary; text-style: bold; }
    ChoicesPanel PathInput { width: 1fr; padding: 0; background: transparent; }
    ChoicesPanel #words { height: auto; min-height: 2; padding: 0 0 0 10; color: $faint; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "row(-1)", "Row above", id="choices.up", show=False, tooltip="Go to the choice above."),
        Binding("down", "row(1)", "Row below", id="choices.down", show=False, tooltip="Go to the choice below."),
    ]
    HELP = "Left and right change a choice, up and down go from one to the next, Enter goes on to Start."

    own_name: reactive[str] = reactive("")
    """What it is called when no name is typed."""
    name_problem: reactive[str] = reactive("")
    changed_settings: reactive[int] = reactive(0)
    """How many settings of the long list were changed."""

    class Changed(Message):
        """Another choice."""

    class Accepted(Message):
        """The user is content with the choices, and goes on."""

    class SettingsWanted(Message):
        """The user wants to see every setting, or is done with them."""

    class BasesWanted(Message):
        """The user wants to see the models that one can go on from."""

    def __init__(
        self,
        read_minutes: Callable[[str], float | None],
        minutes: float,
        preset: str,
        tokenizer: str,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._minutes_row = MinutesRow(read_minutes, minutes, id="minutes")
        self._size_row = ChoiceRow("Size", SIZES, preset, id="size")
        self._tokens_row = ChoiceRow("Tokens", TOKENS, tokenizer, id="tokens")
        self._base_row = ChoiceRow("From", FROM, id="base")
        self._own_tokens = tokenizer  # what was chosen beside the classic size, which has tokens of its own

    def compose(self) -> ComposeResult:
        with Horizontal(id="name-line"):
            yield Static("  Name", id="name-label")
            yield PathInput(id="name", compact=True, select_on_focus=True)
        yield self._minutes_row
        yield self._size_row
        yield self._tokens_row
        yield self._base_row
        yield SettingsLine(id="more")
        yield Static("", id="words", markup=False)

    def on_mount(self) -> None:
        self._say()

    # What is chosen

    @property
    def name_typed(self) -> str:
        return self.query_one("#name", PathInput).value.strip()

    @property
    def minutes(self) -> float:
        return float(self._minutes_row.value)

    @property
    def preset(self) -> str:
        return self._size_row.value

    @property
    def tokenizer(self) -> str:
        return self._tokens_row.value

    @property
    def base(self) -> str:
        return self._base_row.value

    def choose(self, minutes: float, preset: str, tokenizer: str) -> None:
        """Choose all of these, as they are set as defaults."""
        self._minutes_row.value, self._size_row.value = f"{minutes:g}", preset
        self._tokens_row.value = self._own_tokens = tokenizer
        self.post_message(self.Changed())

    def forget_name(self) -> None:
        """The text's own name again."""
        self.query_one("#name", PathInput).value = ""

    def set_bases(self, names: Sequence[str]) -> None:
        """The models that one can go on from."""
        words = "Goes on from what that model knows, with its shape and its tokens."
        self._base_row.values = (*FROM, *(RowValue(name, name, words) for name in names))
        self._base_row.many = len(names) > 0
        if self._base_row.value not in {value.key for value in self._base_row.values}:
            self.go_on_from("")

    def go_on_from(self, name: str) -> None:
        """Choose a model to go on from, or none."""
        if name and name not in {value.key for value in self._base_row.values}:
            self._base_row.values = (*self._base_row.values, RowValue(name, name, ""))
            self._base_row.many = True
        self._base_row.choose(name)

    def focus_first(self) -> None:
        """To the first thing that one may want to change."""
        self._minutes_row.focus()

    # How it answers

    def watch_own_name(self, name: str) -> None:
        if self.is_mounted:
            self.query_one("#name", PathInput).placeholder = visible(name)

    def watch_name_problem(self) -> None:
        self._say()

    def watch_changed_settings(self) -> None:
        if self.children:
            self.query_one(SettingsLine).changed = self.changed_settings

    def _say(self) -> None:
        """Explain the row that has the focus; without one, the size."""
        if not self.children:
            return
        focused = self.screen.focused
        row = focused if isinstance(focused, ChoiceRow) and focused in self.walk_children() else self._size_row
        words = Content.styled(visible(row.words), "$faint")
        if isinstance(focused, SettingsLine):
            words = Content.styled("Every setting of the model and its training, each explained.", "$faint")
        if self.name_problem:
            words = Content.assemble(("✗ ", "bold $error"), (visible(self.name_problem), "$error"))
        self.query_one("#words", Static).update(words)

    def on_descendant_focus(self) -> None:
        self._say()

    def on_descendant_blur(self) -> None:
        self.call_after_refresh(self._say)

    def action_row(self, by: int) -> None:
        rows = [row for row in self.query("#name, ChoiceRow, SettingsLine") if row.focusable]
        focused = self.screen.focused
        place = rows.index(focused) + by if focused in rows else 0
        if 0 <= place < len(rows):
            rows[place].focus()
        elif by > 0:
            self.post_message(self.Accepted())

    @on(ChoiceRow.Changed)
    def _row_changed(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        if event.row is self._tokens_row:
            self._own_tokens = event.value
        elif event.row is self._size_row:
            self._tokens_row.value = "word" if event.value == "classic" else self._own_tokens
        elif event.row is self._base_row:
            named = event.value not in {value.key for value in FROM}
            self._size_row.disabled = self._tokens_row.disabled = named
        self._say()
        self.post_message(self.Changed())

    @on(ChoiceRow.Accepted)
    def _row_accepted(self, event: ChoiceRow.Accepted) -> None:
        event.stop()
        self.post_message(self.Accepted())

    @on(ChoiceRow.ListWanted)
    def _list_wanted(self, event: ChoiceRow.ListWanted) -> None:
        event.stop()
        self.post_message(self.BasesWanted())

    @on(Input.Changed, "#name")
    def _name_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted, "#name")
    def _name_accepted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Accepted())

    @on(SettingsLine.Pressed)
    def _settings(self, event: SettingsLine.Pressed) -> None:
        event.stop()
        self.post_message(self.SettingsWanted())
