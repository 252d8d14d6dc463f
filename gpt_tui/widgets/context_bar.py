"""How much of what a model can see is taken by the text before the cursor."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.widgets.bars import bar

_BAR = 8


class ContextBar(Widget):
    """`used` tokens of `room`; nothing while no model has told. A narrow one has no words."""

    DEFAULT_CSS = """
    ContextBar { width: auto; height: 1; color: $faint; }
    """

    used: reactive[int] = reactive(0)
    room: reactive[int] = reactive(0, layout=True)
    narrow: reactive[bool] = reactive(False, layout=True)

    def render(self) -> Content:
        if not self.room:
            return Content("")
        share = self.used / self.room
        filled = bar(share, _BAR)
        return Content.assemble(
            ("" if self.narrow else "sees ", "$faint"),
            (filled, "$secondary"),
            ("░" * (_BAR - len(filled)), "$rule"),
            (f" {self.used}" if self.narrow else f" {self.used}/{self.room}", "$faint"),
        )

    def watch_used(self, before: int, used: int) -> None:
        self._tell()
        if len(str(before)) != len(str(used)):  # while a model writes it changes many times a second
            self.refresh(layout=True)

    def watch_room(self) -> None:
        self._tell()

    def _tell(self) -> None:
        self.tooltip = (
            f"The model sees {self.used} tokens of this text, of {self.room} that it can." if self.room else None
        )
