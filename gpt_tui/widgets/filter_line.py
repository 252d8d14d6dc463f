"""The line in which one types what a list is narrowed to."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Shown while it is written in, or has something in it. Its owner listens to `Input.Changed` too."""

    DEFAULT_CSS = """
    FilterLine { display: none; height: 1; border: none; padding: 0 2; background: $surface; }
    FilterLine:focus { border: none; background: $panel; background-tint: transparent; }
    FilterLine.-used, FilterLine:focus { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "leave", "To the list", id="filter.list", show=False, tooltip="Keep the words."),
        Binding("escape", "clear", "Show all", id="filter.clear", tooltip="Forget the words and show all."),
    ]

    class Left(Message):
        """The keys belong to the list again."""

    def begin(self) -> None:
        """Show it, and let it have the keys."""
        self.add_class("-used")
        self.focus()

    def clear_words(self) -> None:
        """Forget the words."""
        self.value = ""
        self.remove_class("-used")

    def watch_value(self, value: str) -> None:
        self.set_class(bool(value) or self.has_focus, "-used")

    def on_blur(self) -> None:
        self.set_class(bool(self.value), "-used")

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.clear_words()
        self.post_message(self.Left())

    async def action_submit(self) -> None:
        self.action_leave()
