"""A line above the line under the text: something that the writer should know before going on."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Notice(Static):
    """Nothing, until `say`."""

    DEFAULT_CSS = """
    Notice {
        height: auto; max-height: 3; width: 1fr; padding: 0 1; color: $foreground; background: $surface; display: none;
    }
    Notice.-open { display: block; }
    Notice.-wrong { color: $error; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.text = ""

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Say it until it is taken back."""
        self.text = text
        self.set_class(bool(text), "-open")
        self.set_class(wrong, "-wrong")
        self.update(Content(("! " if wrong else "") + text))

    def clear(self) -> None:
        if self.text:
            self.say("")
