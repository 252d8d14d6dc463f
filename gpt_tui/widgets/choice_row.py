"""One value out of a few, side by side in a row; left and right choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.terminal import visible

LABEL_WIDTH = 9
"""Columns before the values; the first value stands one further on."""


_FOCUSED = "bold $block-cursor-foreground on $block-cursor-background"
_BLURRED = "bold $block-cursor-blurred-foreground on $block-cursor-blurred-background"


class RowValue(NamedTuple):
    """A value, how it is written, and what it means in a sentence."""

    key: str
    label: str
    words: str = ""


class ChoiceRow(Widget, can_focus=True):
    """`value` is the key of what is chosen.

    With `many`, only that one is shown, and Enter asks for the whole list by `ListWanted`.
    """

    DEFAULT_CSS = """
    ChoiceRow { height: auto; width: 1fr; padding: 0; }
    ChoiceRow:hover { background: $foreground 4%; }
    ChoiceRow:disabled { opacity: 60%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Less", id="choice_row.left", show=False, tooltip="Choose the value to the left."),
        Binding(
            "right", "step(1)", "More", id="choice_row.right", show=False, tooltip="Choose the value to the right."
        ),
        Binding("home", "end(0)", "First", id="choice_row.first", show=False, tooltip="Choose the first value."),
        Binding("end", "end(-1)", "Last", id="choice_row.last", show=False, tooltip="Choose the last value."),
        Binding("enter", "accept", "Go on", id="choice_row.accept", show=False, tooltip="On to what comes next."),
        Binding("space", "list", "List", id="choice_row.list", show=False, tooltip="Show all values as a list."),
    ]

    value: reactive[str] = reactive("", layout=True)
    values: reactive[tuple[RowValue, ...]] = reactive((), layout=True)
    many: reactive[bool] = reactive(False, layout=True)

    class Changed(Message):
        """Another value is chosen."""

        def __init__(self, row: ChoiceRow, value: str) -> None:
            super().__init__()
            self.row, self.value = row, value

        @property
        def control(self) -> ChoiceRow:
            return self.row

    class Accepted(Message):
        """The user is content with this row, and goes on."""

        def __init__(self, row: ChoiceRow) -> None:
            super().__init__()
            self.row = row

    class ListWanted(Message):
        """The user wants to see all values as a list."""

        def __init__(self, row: ChoiceRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, label: str, values: Sequence[RowValue], value: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.label = label
        self._places: list[tuple[int, int, int, str]] = []  # row, from, to, key: where the values stand
        self.set_reactive(ChoiceRow.values, tuple(values))
        self.set_reactive(ChoiceRow.value, value or (values[0].key if values else ""))

    @property
    def words(self) -> str:
        """What the chosen value means."""
        return next((value.words for value in self.shown() if value.key == self.value), "")

    def shown(self) -> tuple[RowValue, ...]:
        """The values in the order in which they stand."""
        return self.values

    def choose(self, value: str) -> None:
        """Choose as the user does, by key or mouse."""
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))

    def action_step(self, by: int) -> None:
        keys = [value.key for value in self.shown()]
        place = keys.index(self.value) + by if self.value in keys else 0
        if 0 <= place < len(keys):
            self.choose(keys[place])

    def action_end(self, place: int) -> None:
        if self.shown():
            self.choose(self.shown()[place].key)

    def action_accept(self) -> None:
        self.post_message(self.Accepted(self))

    def action_list(self) -> None:
        if self.many:
            self.post_message(self.ListWanted(self))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if self.many:
            self.post_message(self.ListWanted(self))
        for row, start, end, key in self._places:
            if row == offset.y and start <= offset.x < end:
                self.choose(key)

    # Drawing: blanks stand between two values, and the mark of the chosen one takes one on both its sides

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[list[RowValue]]:
        """The values by lines, as many in each as there is room for."""
        if self.many:
            return [[value for value in self.shown() if value.key == self.value]]
        lines: list[list[RowValue]] = [[]]
        gap = self._gap(width)
        room = left = width - LABEL_WIDTH - 2 + gap
        for value in self.shown():
            needed = cell_len(value.label) + gap
            if needed > left and lines[-1]:
                lines.append([])
                left = room
            lines[-1].append(value)
            left -= needed
        return lines

    def _gap(self, width: int) -> int:
        """Blanks between two values: two, if that leaves all of them on one line."""
        needed = sum(cell_len(value.label) + 2 for value in self.shown())
        return 2 if needed <= width - LABEL_WIDTH else 1

    def render(self) -> Content:
        focused = self.has_focus
        label = ("› " if focused else "  ") + self.label
        content = [Content.styled(label.ljust(LABEL_WIDTH), "bold $primary" if focused else "$faint")]
        self._places = []
        for row, line in enumerate(self._lines(self.content_size.width)):
            if row:
                content.append(Content("\n" + " " * LABEL_WIDTH))
            content.append(self._line(line, row, focused))
        return Content("").join(content)

    def _line(self, line: list[RowValue], row: int, focused: bool) -> Content:
        text, column, mark = " ", LABEL_WIDTH, None
        gap = self._gap(self.content_size.width)
        for value in line:
            label = f"‹ {visible(value.label)} ›" if self.many else visible(value.label)
            start = len(text) - 1
            text += label + " " * gap
            self._places.append((row, column, column + cell_len(label) + 2, value.key))
            column += cell_len(label) + gap
            if value.key == self.value:
                mark = (start, start + len(label) + 2)
        if mark is not None and (self.app.no_color or self.app.current_theme.ansi):  # what colours alone do not say
            text = f"{text[: mark[0]]}[{text[mark[0] + 1 : mark[1] - 1]}]{text[mark[1] :]}"
        content = Content.styled(text, "$foreground")
        if mark is None:
            return content
        style = _FOCUSED if focused else _BLURRED
        return content.stylize(style, *mark)
