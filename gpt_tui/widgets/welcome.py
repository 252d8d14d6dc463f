"""What a library without models says: what this program is for, and the shortest way to a first model."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Center, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Button, Static


class Welcome(Vertical):
    """`minutes`: how long the first model learns, in words. `busy`: it has been asked for, and is about to begin."""

    DEFAULT_CSS = """
    Welcome { align: center middle; }
    Welcome #welcome-card { width: 62; max-width: 100%; height: auto; }
    Welcome #hello { color: $primary; text-style: bold; text-align: center; width: 1fr; }
    Welcome #purpose { text-align: center; width: 1fr; margin: 1 0 2 0; }
    Welcome Center { height: auto; width: 1fr; }
    Welcome Button.-style-default {
        width: 58; max-width: 100%; height: 3; border: none !important; margin-bottom: 1;
        background: $panel; color: $foreground; text-style: none;
    }
    Welcome #first { height: 6; }
    Welcome Button.-style-default:hover { background: $foreground 16%; }
    Welcome Button.-style-default:focus {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: none;
        background-tint: transparent;
    }
    Welcome #footnote { color: $faint; text-align: center; width: 1fr; margin-top: 1; }
    """

    minutes: reactive[str] = reactive("2 minutes")
    busy: reactive[bool] = reactive(False)

    class First(Message):
        """Train the first model."""

    class Own(Message):
        """Choose a text for it."""

    def compose(self) -> ComposeResult:
        with Vertical(id="welcome-card"):
            yield Static("Welcome to gpt-tui", id="hello")
            yield Static(
                "Train a GPT on text that matters to you, on this machine, and write with it. Nothing leaves it.",
                id="purpose",
            )
            with Center():
                yield Button(self._first_label(), id="first")
            with Center():
                yield Button(Content("Choose a text of your own"), id="own")
            yield Static("Enter begins · Tab goes to the other · F1 tells more", id="footnote")

    def _first_label(self) -> Content:
        if self.busy:
            return Content.assemble(("Beginning …", "bold"))
        return Content.assemble(
            ("Train your first model", "bold"), f"\nIt reads short tales for {self.minutes}, then writes its own"
        )

    def watch_minutes(self) -> None:
        self._label()

    def watch_busy(self) -> None:
        self._label()

    def _label(self) -> None:
        if self.is_mounted:
            self.query_one("#first", Button).label = self._first_label()

    def focus_first(self) -> None:
        """Let Enter train the first model; who has gone to the other button already stays there."""
        if not self.has_focus_within:
            self.query_one("#first").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "own":
            self.post_message(self.Own())
        elif not self.busy:
            self.post_message(self.First())
