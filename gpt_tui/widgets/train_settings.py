"""Every setting of a model and its training, for the curious: what is left empty the plan settles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.terminal import visible

NAME_WIDTH, VALUE_WIDTH = 22, 12


class OfferedSetting(NamedTuple):
    """A setting: its name, the table that it stands in, what it means, its bounds in words, and its choices if any."""

    name: str
    table: str
    meaning: str
    bounds: str
    choices: tuple[str, ...] = ()


class TrainSettings(Vertical):
    """A list of settings, and a line below it for the one under the cursor.

    `planned` are the plan's own values, shown where nothing was typed; `refused` is what it could not do, by name.
    """

    DEFAULT_CSS = """
    TrainSettings { height: 1fr; }
    TrainSettings OptionList {
        height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
    }
    TrainSettings OptionList > .option-list--option { padding: 0 1; }
    TrainSettings OptionList > .option-list--option-disabled { color: $primary; text-style: bold; }
    TrainSettings OptionList > .option-list--option-highlighted {
        color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        text-style: $block-cursor-blurred-text-style;
    }
    TrainSettings #setting-line { height: 1; margin-top: 1; }
    TrainSettings #setting-name { width: auto; color: $primary; text-style: bold; padding: 0 1 0 1; }
    TrainSettings Input { width: 1fr; border: none; height: 1; padding: 0 1; background: $panel; }
    TrainSettings Input:focus { border: none; background: $panel; background-tint: $foreground 4%; }
    TrainSettings #setting-words { height: auto; min-height: 2; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('cursor_up')", "Above", id="train_settings.up", show=False, priority=True),
        Binding("down", "move('cursor_down')", "Below", id="train_settings.down", show=False, priority=True),
        Binding("pageup", "move('page_up')", "Page up", id="train_settings.page_up", show=False, priority=True),
        Binding("pagedown", "move('page_down')", "Page down", id="train_settings.page_down", show=False, priority=True),
    ]
    HELP = "Up and down go through the settings; type a value, or leave it empty: then the plan settles it."

    planned: reactive[Mapping[str, str]] = reactive({}, always_update=True)
    refused: reactive[tuple[str, str]] = reactive(("", ""))

    class Changed(Message):
        """Other values; `problem` names the first that is wrong, with what is wrong."""

        def __init__(self, values: dict[str, str], problem: str) -> None:
            super().__init__()
            self.values, self.problem = values, problem

    def __init__(
        self, settings: Sequence[OfferedSetting], check: Callable[[str, str], str], *, id: str | None = None
    ) -> None:
        """`check` says what is wrong with a setting's value as typed; nothing when it may stand."""
        super().__init__(id=id)
        self._settings = list(settings)
        self._check = check
        self.values: dict[str, str] = {}
        self._rows: list[OfferedSetting | str] = []
        for setting in self._settings:
            heading = f"The {setting.table}"
            if heading not in self._rows:
                self._rows += ["", heading] if self._rows else [heading]
            self._rows.append(setting)

    def compose(self) -> ComposeResult:
        options = OptionList(
            *(Option(self._row(row), disabled=isinstance(row, str)) for row in self._rows), markup=False
        )
        options.can_focus = False  # the line below keeps the keys
        yield options
        with Horizontal(id="setting-line"):
            yield Static("", id="setting-name", markup=False)
            yield Input(compact=True)
        yield Static("", id="setting-words", markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = 1

    def on_resize(self, event: events.Resize) -> None:
        self._redraw()

    @property
    def current(self) -> OfferedSetting:
        """The setting under the cursor."""
        row = self._rows[self.query_one(OptionList).highlighted or 1]
        assert not isinstance(row, str)
        return row

    @property
    def problem(self) -> str:
        """The first wrong value, by its setting's name."""
        for name, text in self.values.items():
            if wrong := self._check(name, text):
                return f"{name}: {wrong}"
        return ""

    def clear(self) -> None:
        """Leave everything to the plan again."""
        self.values = {}
        self._redraw()
        self._show_current()

    def action_move(self, where: str) -> None:
        getattr(self.query_one(OptionList), f"action_{where}")()

    def watch_planned(self) -> None:
        if self.is_mounted:
            self._redraw()
            self._say()

    def watch_refused(self) -> None:
        if self.is_mounted:
            self._redraw()
            self._say()

    # The list

    def _row(self, row: OfferedSetting | str) -> Content:
        if isinstance(row, str):
            return Content(row)
        name = set_cell_size(row.name, NAME_WIDTH)
        typed = self.values.get(row.name, "")
        value, style = (visible(typed), "bold $primary") if typed else (self.planned.get(row.name, ""), "$faint")
        if self._wrong(row.name):
            value, style = f"✗ {value}", "bold $error"
        meaning, room = "", self.size.width - NAME_WIDTH - VALUE_WIDTH - 4
        if room > 36:
            value = set_cell_size(value, VALUE_WIDTH) if cell_len(value) < VALUE_WIDTH else f"{value}  "
            meaning = row.meaning if len(row.meaning) <= room else f"{row.meaning[: room - 1].rstrip()}…"
        return Content.assemble((name, "bold" if typed else ""), (value, style), (meaning, "$faint"))

    def _wrong(self, name: str) -> str:
        return self._check(name, self.values.get(name, "")) or (self.refused[1] if self.refused[0] == name else "")

    def _redraw(self) -> None:
        options = self.query_one(OptionList)
        for place, row in enumerate(self._rows):
            if not isinstance(row, str):
                options.replace_option_prompt_at_index(place, self._row(row))

    # The line below it

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_current()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one(Input).focus()

    def _show_current(self) -> None:
        setting, line = self.current, self.query_one(Input)
        self.query_one("#setting-name", Static).update(Content(setting.name))
        with line.prevent(Input.Changed):
            line.value = self.values.get(setting.name, "")
        line.suggester = SuggestFromList(setting.choices) if setting.choices else None
        self._say()

    def _say(self) -> None:
        setting, line = self.current, self.query_one(Input)
        planned = self.planned.get(setting.name, "")
        line.placeholder = f"{planned} – as planned" if planned else "as planned"
        bounds = f"{setting.bounds[:1].upper()}{setting.bounds[1:]}."
        if setting.choices:
            bounds = "" if setting.bounds in setting.meaning else setting.bounds
        lines = [Content.assemble(setting.meaning, " ", (bounds, "$faint"))]
        if wrong := self._wrong(setting.name):
            lines.insert(0, Content.styled(f"✗ {visible(wrong)}", "$error"))
        self.query_one("#setting-words", Static).update(Content("\n").join(lines))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        name = self.current.name
        if event.value.strip() == self.values.get(name, ""):
            return
        self.values = {**self.values, name: event.value.strip()}
        if not event.value.strip():
            del self.values[name]
        place = self._rows.index(self.current)
        self.query_one(OptionList).replace_option_prompt_at_index(place, self._row(self.current))
        self._say()
        self.post_message(self.Changed(dict(self.values), self.problem))

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_move("cursor_down")
