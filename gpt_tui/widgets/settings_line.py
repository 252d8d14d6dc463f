"""The line that leads to every setting, and says how many of them were changed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.widgets.choice_row import LABEL_WIDTH


class SettingsLine(Widget, can_focus=True):
    """`changed` is how many."""

    DEFAULT_CSS = """
    SettingsLine { height: 1; width: 1fr; }
    SettingsLine:hover { background: $foreground 4%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,space,right",
            "press",
            "All settings",
            id="settings_line.press",
            tooltip="Shows every setting of the training.",
            show=False,
        ),
    ]

    changed: reactive[int] = reactive(0)

    class Pressed(Message):
        """The user wants to see them."""

    def render(self) -> Content:
        label = ("› " if self.has_focus else "  ") + "More"
        changed = f" · {self.changed} changed" if self.changed else ""
        return Content.assemble(
            (label.ljust(LABEL_WIDTH + 1), "bold $primary" if self.has_focus else "$faint"),
            ("all settings", "bold $primary" if self.has_focus else "$foreground"),
            (changed, "bold $primary"),
        )

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def on_click(self) -> None:
        self.action_press()
