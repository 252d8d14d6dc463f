"""A setting that is a number: left and right step, digits type another, and a click on the arrows steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive

from gpt_tui.settings import wrong
from gpt_tui.widgets.setting_row import SettingRow, bounds_of

_STEPS = {
    "writing_temperature": 0.05,
    "writing_top_p": 0.05,
    "writing_min_p": 0.01,
    "writing_repetition_penalty": 0.05,
    "writing_suggest_after": 0.5,
}
_LONGEST = 12
_GROUP = Binding.Group("Less, more", compact=True)


class NumberSetting(SettingRow):
    """`typed` is what is being typed, `refused` what was wrong with that."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,minus", "step(-1)", "Less", group=_GROUP, id="setting.less", tooltip="The next lower value."),
        Binding("right,plus", "step(1)", "More", group=_GROUP, id="setting.more", tooltip="The next higher value."),
        Binding("enter", "take", "Set", id="setting.set", show=False, tooltip="Set the number that was typed."),
        Binding("backspace", "rub", "Rub out", id="setting.rub", show=False, tooltip="Take back what was typed."),
    ]

    typed: reactive[str] = reactive("", layout=True)
    refused: reactive[str] = reactive("", layout=True)

    def __init__(
        self, name: str, value: Any, default: Any, metadata: Mapping[str, Any], *, whole: bool, fixed: bool = False
    ) -> None:
        super().__init__(name, value, default, metadata, fixed=fixed)
        self.whole = whole

    def action_step(self, by: int) -> None:
        self.typed = self.refused = ""
        size = self._size_of_step(by)
        stepped = round((self.value + by * size) / size) * size
        if (by > 0 and stepped - self.value > size) or (by < 0 and self.value - stepped > size):
            stepped = self.value + by * size  # rounding may not take two steps at once
        low, high = (
            self.metadata.get("ge", self.metadata.get("gt", float("-inf"))),
            self.metadata.get("le", float("inf")),
        )
        value = min(max(stepped, low), high)
        value = round(value) if self.whole else round(value, 6)
        if not wrong(self.setting, value):
            self.ask(value)

    def _size_of_step(self, by: int) -> float:
        """About a tenth of the value, as a round number."""
        if self.setting in _STEPS:
            return _STEPS[self.setting]
        beside = abs(self.value) - (0.5 if by * self.value < 0 else 0.0)  # going down from 100 steps as below it
        for least, size in ((10_000, 1000), (1000, 100), (200, 20), (100, 10), (40, 4), (20, 2)):
            if beside >= least:
                return size
        return 1 if self.whole or beside >= 2 else 0.5

    def action_rub(self) -> None:
        self.typed = self.typed[:-1]

    def action_take(self) -> None:
        typed, self.typed = self.typed, ""
        if not typed:
            return
        try:
            value = int(typed) if self.whole else float(typed)
        except ValueError:
            self.refused = f"{typed} is not a {'whole ' if self.whole else ''}number."
            return
        self.refused = wrong(self.setting, value)
        if not self.refused:
            self.ask(value)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return bool(character and character in "0123456789.,")

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in "0123456789.,":
            event.stop()
            event.prevent_default()
            self.refused = ""
            self.typed = (self.typed + event.character.replace(",", "."))[:_LONGEST]
        elif event.key == "escape" and self.typed:
            event.stop()
            event.prevent_default()
            self.typed = ""

    def on_blur(self) -> None:
        self.action_take()

    def control_lines(self, width: int, focused: bool) -> list[Content]:
        shown = f"{self.value:,.10g}"
        if self.typed:
            return [
                Content.assemble("  ", (self.typed, "bold $primary"), ("▏", "$primary"), ("  Enter sets it", "$faint"))
            ]
        style = "bold $primary" if focused else "bold"
        arrows = "$primary" if focused else "$faint"
        lines = [Content.assemble(("‹ ", arrows), (shown, style), (" ›", arrows))]
        if self.refused:
            lines.append(Content.styled(self.refused, "$error"))
        return lines

    def note(self) -> str:
        bounds = bounds_of(self.metadata)
        return f"{bounds[:1].upper()}{bounds[1:]}." if bounds else ""

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        left, above = self.control_place
        if offset is None or offset.y != above:
            return
        width = len(f"{self.value:,.10g}")
        if 0 <= offset.x - left <= 1:
            self.action_step(-1)
        elif 2 + width <= offset.x - left <= 4 + width:
            self.action_step(1)
