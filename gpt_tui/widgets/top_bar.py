"""The line on top: where one is, where one can go, and, at the right, what goes on."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

PLACES = {
    "library": ("F2", "Library"),
    "corpora": ("F3", "New model"),
    "training": ("F4", "Training"),
    "compose": ("F5", "Compose"),
    "chat": ("F6", "Chat"),
}


class Tab(Static):
    """A place to go to."""

    class Chosen(Message):
        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    def __init__(self, place: str, *, here: bool) -> None:
        key, name = PLACES[place]
        content = Content.assemble((key, "$faint"), " ", name)
        super().__init__(content, classes="-here" if here else "")
        self.place = place

    def on_click(self) -> None:
        self.post_message(self.Chosen(self.place))


class TopBar(Horizontal):
    """`here`: the place that is shown; `status`: a few words at the right."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; padding: 0 1; }
    TopBar Tab { width: auto; padding: 0 1; color: $foreground 75%; }
    TopBar Tab:hover { background: $foreground 10%; }
    TopBar Tab.-here { color: $primary; text-style: bold; background: $background; }
    TopBar #brand { width: auto; color: $primary; text-style: bold; padding: 0 1 0 0; }
    TopBar #status { width: 1fr; text-align: right; color: $faint; text-overflow: ellipsis; text-wrap: nowrap; }
    """

    status: reactive[Content | str] = reactive("")

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here = here

    def compose(self) -> ComposeResult:
        yield Static("gpt-tui", id="brand")
        for place in PLACES:
            yield Tab(place, here=place == self.here)
        yield Static("", id="status", markup=False)

    def watch_status(self, status: Content | str) -> None:
        if self.is_mounted:
            self.query_one("#status", Static).update(status)
