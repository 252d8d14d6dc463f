"""Asks for a key by having it pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from gpt_tui.keys import spelled
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Dialog


class KeyDialog(Dialog[str | None]):
    """`check` says what is to be known of a key before it is taken, a line each; Enter takes it all the same."""

    DEFAULT_CSS = """
    KeyDialog #pressed { height: auto; margin-bottom: 1; }
    """

    def __init__(self, what: str, now: str, *, check: Callable[[str], list[str]]) -> None:
        super().__init__(f"A key for: {what}")
        self._now, self._check = now, check
        self.key = ""

    def card(self) -> Iterable[Widget]:
        yield Static(Content(f"Press the new key. Now it is {visible(self._now)}."), classes="dialog--question")
        yield Static("", id="pressed")
        yield Static(Content("Esc to cancel"), classes="dialog--hint", id="hint")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.dismiss(None)
        elif event.key == "enter" and self.key:
            self.dismiss(self.key)
        else:
            self.key = event.key
            warnings = "".join(f"\n{line}" for line in self._check(event.key))
            self.query_one("#pressed", Static).update(
                Content.assemble((spelled(event.key), "bold $primary"), (warnings, "$warning"))
            )
            self.query_one("#hint", Static).update(
                Content("Enter to take it · another key to try that · Esc to cancel")
            )
