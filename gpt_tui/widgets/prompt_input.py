"""Where one writes what one says: a line that grows with the text. Enter sends it, a new line has a key of its own."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding, BindingType
from textual.message import Message

from gpt_tui.widgets.editor import Editor


class _Key(Enum):
    """A key that Textual does not know: terminals without the Kitty protocol send escape and return for Alt+Enter,
    which would be Escape and then Enter: what should have got another line would be sent."""

    ALT_ENTER = "alt+enter"


cast("dict[str, Any]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (_Key.ALT_ENTER,))


class PromptInput(Editor):
    """An editor for a few lines. Up, at its beginning, leaves it for the turns."""

    DEFAULT_CSS = """
    PromptInput {
        height: auto; min-height: 1; max-height: 8; background: $surface; scrollbar-gutter: auto;
        scrollbar-background: $surface; scrollbar-background-hover: $surface;
    }
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
            tooltip="Begin a new line.",
        ),
        Binding("tab", "tab", "Take", id="prompt.take", show=False, tooltip="Take what is proposed."),
    ]

    class Submitted(Message):
        """It shall be said."""

        def __init__(self, prompt: PromptInput, text: str) -> None:
            super().__init__()
            self.prompt, self.text = prompt, text

    class Left(Message):
        """One wants to be among the turns."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.proposal = ""
        """What is shown while nothing is written; Tab takes it."""

    def write(self, text: str) -> None:
        """Let this be what is written, the cursor at its end."""
        self.load(text, cursor=len(text))

    def propose(self, proposal: str, otherwise: str) -> None:
        """What one might say, shown while nothing is written; if nothing is proposed, those words are shown."""
        self.proposal = proposal
        self.placeholder = f"{proposal}   (Tab)" if proposal else otherwise

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is the screen's, unless something is selected."""
        if action == "leave":
            return self.selection[0] != self.selection[1]
        return super().check_action(action, parameters)

    def action_submit(self) -> None:
        if self.text.strip():
            self.post_message(self.Submitted(self, self.text.strip()))

    def action_tab(self) -> None:
        if self.proposal and not self.text:
            self.write(self.proposal)
        else:
            super().action_tab()

    def action_go(self, where: str, select: bool = False) -> None:
        if where == "up" and not select and self.cursor == 0:
            self.post_message(self.Left())
        else:
            super().action_go(where, select)
