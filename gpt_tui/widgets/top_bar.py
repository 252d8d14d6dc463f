"""The line on top: where one is, where one can go, and, at the right, what goes on. It shows as much as there is room
for: keys and names of the places, names alone, or keys alone but for where one is."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.widgets.run_badge import RunBadge

PLACES = {
    "library": ("F2", "Library"),
    "corpora": ("F3", "New model"),
    "training": ("F4", "Training"),
    "compose": ("F5", "Compose"),
    "chat": ("F6", "Chat"),
}
BRAND = "gpt-tui"
LONGEST_STATUS = 24
"""Columns that the status is given before the places are shown in full."""


class Tab(Static):
    """A place to go to."""

    class Chosen(Message):
        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    form: reactive[str] = reactive("both", layout=True)
    """`both` key and name, `name`, or `key`."""

    def __init__(self, place: str, *, here: bool) -> None:
        super().__init__(classes="-here" if here else "")
        self.place, self.here = place, here
        self.key, self.label = PLACES[place]

    def on_mount(self) -> None:
        self.tooltip = f"{self.label}: {self.key}"

    def render(self) -> Content:
        if self.form == "both":
            return Content.assemble((self.key, "$faint"), " ", self.label)
        return Content(self.label if self.form == "name" or self.here else self.key)

    def on_click(self) -> None:
        self.post_message(self.Chosen(self.place))


class TopBar(Horizontal):
    """`here`: the place that is shown; `status`: a few words at the right."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; padding: 0 1; }
    TopBar Tab { width: auto; padding: 0 1; color: $foreground; }
    TopBar Tab:hover { background: $foreground 10%; }
    TopBar Tab.-here { color: $primary; text-style: bold; background: $background; }
    TopBar Tab.-here:ansi { text-style: bold underline; }
    TopBar.-close Tab { padding: 0; margin-right: 1; }
    TopBar #brand { width: auto; color: $primary; text-style: bold; padding: 0 1 0 0; }
    TopBar.-unnamed #brand { display: none; }
    TopBar #status {
        width: 1fr; padding: 0 0 0 1; text-align: right; color: $faint; text-overflow: ellipsis; text-wrap: nowrap;
    }
    """

    status: reactive[Content | str] = reactive("")

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here = here

    def compose(self) -> ComposeResult:
        yield Static(BRAND, id="brand")
        for place in PLACES:
            yield Tab(place, here=place == self.here)
        yield Static("", id="status", markup=False)
        yield RunBadge()

    def on_mount(self) -> None:
        self.show_keys()
        if (watcher := getattr(self.app, "watcher", None)) is not None:
            watcher.changed.subscribe(self, lambda _: self.call_after_refresh(self.fit))

    def on_resize(self) -> None:
        self.fit()

    def watch_status(self, status: Content | str) -> None:
        if self.is_mounted:
            self.query_one("#status", Static).update(status)
            self.fit()

    def show_keys(self) -> None:
        """Take the keys of the places from the app, where the user may have changed them."""
        chosen = getattr(self.app, "_keymap", {})
        for tab in self.query(Tab):
            if f"app.{tab.place}" in chosen:
                first = chosen[f"app.{tab.place}"].partition(",")[0]
                tab.key = self.app.get_key_display(Binding(first, ""))
            else:
                tab.key = PLACES[tab.place][0]
            tab.refresh(layout=True)
        self.fit()

    def fit(self) -> None:
        """Show as much of the places as leaves room for the status and the trainings."""
        if not self.is_mounted or not self.size.width:
            return
        status = self.status if isinstance(self.status, Content) else Content(self.status)
        badge = self.query_one(RunBadge)
        others = min(status.cell_length + 1, LONGEST_STATUS) + (badge.outer_size.width if badge.display else 0)
        tabs = list(self.query(Tab))
        names = sum(len(tab.label) for tab in tabs)
        both = names + sum(len(tab.key) + 3 for tab in tabs)
        room = self.size.width - others
        form, named, close = "key", False, room < 30
        if room >= both + len(BRAND) + 1:
            form, named = "both", True
        elif room >= both:
            form = "both"
        elif room >= names + 2 * len(tabs):
            form = "name"
        elif room >= names + len(tabs):
            form, close = "name", True
        for tab in tabs:
            tab.form = form
        self.set_class(not named, "-unnamed")
        self.set_class(close, "-close")
