"""Where one writes what one says: a line that grows with the text. Enter sends it, a new line has a key of its own."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class PromptInput(TextArea):
    """`text` is what is written. Up, at its beginning, leaves it for the turns."""

    DEFAULT_CSS = """
    PromptInput {
        height: auto; min-height: 1; max-height: 8; padding: 0; border: none; background: $surface;
        scrollbar-size-vertical: 1;
    }
    PromptInput:focus { border: none; background: $surface; }
    PromptInput .text-area--cursor-line { background: $surface; }
    PromptInput .text-area--placeholder { color: $faint; }
    """
    HELP = """
    Write what you say, and press Enter. Ctrl+J begins a new line. Up, when nothing is written or at its very beginning,
    goes to what was said, where each turn can be changed, asked for anew or copied.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Send", id="prompt.send", tooltip="Say it."),
        Binding(
            "ctrl+j,alt+enter,shift+enter",
            "newline",
            "New line",
            id="prompt.newline",
            show=False,
            tooltip="A new line.",
        ),
        Binding("tab", "take", "Take", id="prompt.take", show=False, tooltip="Say what is proposed, or change it."),
    ]

    class Submitted(Message):
        """It shall be said."""

        def __init__(self, prompt: PromptInput, text: str) -> None:
            super().__init__()
            self.prompt, self.text = prompt, text

    class Left(Message):
        """One wants to be among the turns."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, soft_wrap=True, highlight_cursor_line=False, tab_behavior="focus")
        self.proposal = ""
        """What is shown while nothing is written; Tab takes it."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # the text area would take it for a new line
            event.stop()
            event.prevent_default()
            self.action_submit()
            return
        await super()._on_key(event)

    def propose(self, proposal: str, otherwise: str) -> None:
        """What one might say, shown while nothing is written; if nothing is proposed, those words are shown."""
        self.proposal = proposal
        self.placeholder = f"{proposal}   (Tab)" if proposal else otherwise

    def action_submit(self) -> None:
        if self.text.strip():
            self.post_message(self.Submitted(self, self.text.strip()))

    def action_newline(self) -> None:
        self.insert("\n")

    def action_take(self) -> None:
        if self.proposal and not self.text:
            self.insert(self.proposal)
        else:
            self.screen.focus_next()

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self.selection.start == self.selection.end == (0, 0):
            self.post_message(self.Left())
        else:
            super().action_cursor_up(select)
