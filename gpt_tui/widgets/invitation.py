"""What a place says that has nothing to show yet: what would be here, and one way to get there."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Center, Middle, Vertical
from textual.message import Message
from textual.widgets import Button, Static


class Invitation(Middle):
    """A title, a few friendly lines, and one button."""

    DEFAULT_CSS = """
    Invitation { height: 1fr; }
    Invitation #invitation { width: 60; max-width: 90%; height: auto; }
    Invitation .invitation-title { color: $primary; text-style: bold; text-align: center; width: 1fr; }
    Invitation .invitation-words { text-align: center; width: 1fr; height: auto; margin: 1 0; }
    Invitation Center { height: auto; }
    Invitation #accept { border: none; height: 3; padding: 1 4; background: $primary; color: $background; }
    Invitation #accept:focus { text-style: bold; border: none; background-tint: $foreground 10%; }
    """

    class Accepted(Message):
        """The button was pressed."""

    def __init__(self, title: str, words: str, button: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title, self._words, self._button = title, words, button

    def compose(self) -> ComposeResult:
        with Center(), Vertical(id="invitation"):
            yield Static(self._title, classes="invitation-title", markup=False)
            yield Static(self._words, classes="invitation-words", markup=False)
            with Center():
                yield Button(self._button, id="accept")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Accepted())
