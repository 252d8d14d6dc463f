"""The ways to look at a training: one row to choose from, by key or by mouse."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static


class ViewName(Static):
    """One of them. A click chooses it."""

    def __init__(self, view: str, key: str, words: str) -> None:
        super().__init__(Content.assemble((key, "$faint"), " ", words))
        self.view = view

    def on_click(self) -> None:
        self.post_message(ViewStrip.Chosen(self.view))


class ViewStrip(Horizontal):
    """`current`: the view that is shown."""

    DEFAULT_CSS = """
    ViewStrip { height: 1; }
    ViewStrip ViewName { width: auto; padding: 0 2 0 0; color: $foreground 70%; }
    ViewStrip ViewName:hover { color: $foreground; }
    ViewStrip ViewName.-current { color: $primary; text-style: bold; }
    ViewStrip #beside { width: 1fr; text-align: right; color: $faint; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Chosen(Message):
        """The user wants that view."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    current: reactive[str] = reactive("")
    beside: reactive[str] = reactive("")
    """A few words at the right."""

    def __init__(self, views: dict[str, tuple[str, str]], *, id: str | None = None) -> None:
        """`views`: by name the key that chooses it, and its words."""
        super().__init__(id=id)
        self._views = views

    def compose(self) -> ComposeResult:
        for view, (key, words) in self._views.items():
            yield ViewName(view, key, words)
        yield Static("", id="beside", markup=False)

    def watch_current(self, current: str) -> None:
        for name in self.query(ViewName):
            name.set_class(name.view == current, "-current")

    def on_mount(self) -> None:
        self.watch_current(self.current)

    def watch_beside(self, words: str) -> None:
        if self.is_mounted:
            self.query_one("#beside", Static).update(Content(words))
