"""A setting that is a text, as a folder: Enter asks for another."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from gpt_tui.terminal import visible
from gpt_tui.widgets.setting_row import SettingRow


class TextSetting(SettingRow):
    """`empty`: what is shown when there is none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "write", "Write", id="setting.write", tooltip="Write another text."),
    ]

    class Wanted(Message):
        """The user wants to write another text."""

        def __init__(self, row: TextSetting) -> None:
            super().__init__()
            self.row = row

    empty = "(none)"

    def action_write(self) -> None:
        if self.fixed:
            self.ask(None)
        else:
            self.post_message(self.Wanted(self))

    def control_lines(self, width: int, focused: bool) -> list[Content]:
        text = visible(self.value) or self.empty
        pieces = [text[start : start + width] for start in range(0, len(text), max(1, width))]
        style = "bold $primary" if focused else "bold" if self.value else "$faint"
        return [Content.styled(piece, style) for piece in pieces]

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_write()
