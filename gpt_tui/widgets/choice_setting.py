"""A setting of a few values that stand side by side; left and right choose, and so does a click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content

from gpt_tui.widgets.setting_row import SettingRow

YES_NO: dict[Any, str] = {True: "on", False: "off"}


class ChoiceSetting(SettingRow):
    """`choices`: the values, and how they are called."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left",
            "step(-1)",
            "Choose",
            group=Binding.Group("Choose", compact=True),
            id="setting.left",
            tooltip="Choose the value to the left.",
        ),
        Binding(
            "right",
            "step(1)",
            "Choose",
            group=Binding.Group("Choose", compact=True),
            id="setting.right",
            tooltip="Choose the value to the right.",
        ),
        Binding(
            "space,enter",
            "next",
            "Next",
            id="setting.next",
            show=False,
            tooltip="Choose the next value, and after the last the first.",
        ),
    ]

    def __init__(
        self,
        name: str,
        value: Any,
        default: Any,
        metadata: Mapping[str, Any],
        choices: Mapping[Any, str],
        *,
        fixed: bool = False,
    ) -> None:
        super().__init__(name, value, default, metadata, fixed=fixed)
        self.choices = dict(choices)
        self._places: list[tuple[int, int, int, Any]] = []  # line, from, to, value: where the values stand

    def action_step(self, by: int) -> None:
        values = list(self.choices)
        place = values.index(self.value) + by
        if 0 <= place < len(values):
            self.ask(values[place])

    def action_next(self) -> None:
        values = list(self.choices)
        self.ask(values[(values.index(self.value) + 1) % len(values)])

    def control_lines(self, width: int, focused: bool) -> list[Content]:
        lines: list[list[Content]] = [[]]
        self._places = []
        column = 0
        for value, label in self.choices.items():
            chosen = value == self.value
            needed = len(label) + 2
            if column and column + needed > width:
                lines.append([])
                column = 0
            style = "bold $primary" if chosen and focused else "bold" if chosen else "$faint"
            mark = ("● " if chosen else "○ ", "$primary" if chosen else "$faint")
            lines[-1].append(Content.assemble(mark, (label, style), "  "))
            self._places.append((len(lines) - 1, column, column + needed, value))
            column += needed + 2
        return [Content("").join(line) for line in lines]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        left, above = self.control_place
        for line, start, end, value in self._places:
            if offset.y == above + line and start <= offset.x - left < end:
                self.ask(value)
