"""What is shown before the first word: who is there, and with what one may begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.terminal import visible


class ChatWelcome(Vertical):
    """`openings`: sentences to begin with; choosing one says it."""

    DEFAULT_CSS = """
    ChatWelcome { height: auto; width: 1fr; max-width: 78; padding: 0 2 1 2; }
    ChatWelcome > Static { height: auto; margin-bottom: 1; }
    ChatWelcome > .openings { margin-bottom: 0; }
    ChatWelcome > .title { color: $accent; text-style: bold; margin-bottom: 0; }
    ChatWelcome > OptionList { height: auto; border: none; padding: 0; background: $background; max-height: 8; }
    ChatWelcome > OptionList:focus { border: none; background-tint: transparent; }
    ChatWelcome > OptionList > .option-list--option { padding: 0 1; }
    ChatWelcome > OptionList > .option-list--option-highlighted { background: transparent; color: $foreground; }
    ChatWelcome > OptionList:focus > .option-list--option-highlighted {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="welcome.leave", show=False, tooltip="Back to where one writes."),
    ]

    class Chosen(Message):
        """That shall be said."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """One wants to write instead."""

    def __init__(self, title: str, words: str, note: str = "", openings: Sequence[str] = ()) -> None:
        super().__init__(classes="welcome")
        self._title, self._words, self._note, self._openings = title, words, note, list(openings)

    def compose(self) -> ComposeResult:
        yield Static(Content(visible(self._title)), classes="title")
        yield Static(Content(visible(self._words)))
        if self._note:
            yield Static(Content.styled(visible(self._note), "$faint"))
        if self._openings:
            yield Static(Content.styled("You might begin with", "$faint"), classes="openings")
            rows = [Option(Content(visible(f"“{opening}”"))) for opening in self._openings]
            yield OptionList(*rows, markup=False)

    def look(self) -> bool:
        """Put the focus on the openings, if there are any."""
        for options in self.query(OptionList):
            options.focus()
            options.highlighted = len(self._openings) - 1
            return True
        return False

    def action_leave(self) -> None:
        self.post_message(self.Left())

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._openings[event.option_index]))
