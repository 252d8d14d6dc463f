"""A line of text that leaves paths, when they are pasted or dropped on it, to whoever takes them."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from gpt_tui.choosing.dropped import looks_like_paths


class PathInput(Input):
    """Pasted paths bubble on as `Paste`; everything else is inserted as ever."""

    DEFAULT_CSS = """
    PathInput { border: none; height: 1; padding: 0 1; background: $foreground 6%; }
    PathInput > .input--placeholder { color: $faint; }
    PathInput:focus { border: none; background: $foreground 10%; background-tint: transparent; }
    """

    def _on_paste(self, event: events.Paste) -> None:
        if looks_like_paths(event.text):
            event.prevent_default()  # what Input would do with it
