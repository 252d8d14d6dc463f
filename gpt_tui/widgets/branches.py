"""Continuations of one place side by side, as they are written; one of them is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.terminal import visible


class Branch(VerticalScroll, can_focus=False):
    """One of them."""

    DEFAULT_CSS = """
    Branch { width: 1fr; height: 1fr; padding: 0 1; margin: 0 1 0 0; background: $surface; scrollbar-size-vertical: 0; }
    Branch.-chosen { background: $panel; }
    Branch #name { color: $faint; height: 1; }
    Branch.-chosen #name { color: $primary; text-style: bold; }
    Branch #words { color: $model-text; height: auto; }
    """

    class Chosen(Message):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def compose(self) -> ComposeResult:
        yield Static("", id="name", markup=False)
        yield Static("", id="words", markup=False)

    def show(self, text: str, chosen: bool) -> None:
        self.set_class(chosen, "-chosen")
        self.query_one("#name", Static).update(f"{'▸' if chosen else ' '} {self.index + 1}")
        self.query_one("#words", Static).update(Content(visible(text.lstrip(" ")) or "…"))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Chosen(self.index))


class Branches(Vertical, can_focus=True):
    """`texts` are the continuations as they stand, `chosen` the one that Enter would take."""

    DEFAULT_CSS = """
    Branches { height: 12; width: 1fr; padding: 0 1; display: none; }
    Branches.-open { display: block; }
    Branches #hint { height: 1; color: $faint; text-overflow: ellipsis; text-wrap: nowrap; }
    """
    HELP = "Continuations of the same place. Choose one by its number, or with the arrows and Enter."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Before", id="branches.before", show=False, tooltip="The branch before."),
        Binding("right,tab", "move(1)", "Next", id="branches.next", show=False, tooltip="The next branch."),
        Binding("up", "turn(-1)", "Up", id="branches.up", show=False, tooltip="What stands above in this branch."),
        Binding("down", "turn(1)", "Down", id="branches.down", show=False, tooltip="What stands below in this branch."),
        Binding("enter", "take", "Take it", id="branches.take", tooltip="Put this branch into the text."),
        Binding("1", "pick(0)", "First", id="branches.first", show=False, tooltip="Take the first branch."),
        Binding("2", "pick(1)", "Second", id="branches.second", show=False, tooltip="Take the second branch."),
        Binding("3", "pick(2)", "Third", id="branches.third", show=False, tooltip="Take the third branch."),
        Binding("escape", "leave", "Close", id="branches.close", show=False, tooltip="Take none of them."),
    ]

    texts: reactive[tuple[str, ...]] = reactive(())
    chosen: reactive[int] = reactive(0)
    writing: reactive[bool] = reactive(False)

    class Taken(Message):
        """This one is wanted."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Left(Message):
        """None is."""

    def __init__(self, count: int, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.count = count

    def compose(self) -> ComposeResult:
        with Horizontal(id="columns"):
            for index in range(self.count):
                yield Branch(index)
        yield Static("", id="hint", markup=False)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self) -> None:
        self.chosen, self.texts = 0, ("",) * self.count
        self.add_class("-open")
        self.focus()

    def close(self) -> None:
        self.remove_class("-open")

    def show(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)

    def watch_texts(self) -> None:
        self._draw()

    def watch_chosen(self) -> None:
        self._draw()

    def watch_writing(self, writing: bool) -> None:
        hint = "1 2 3 or ← → Enter takes one · Ctrl+B writes three others · Esc takes none"
        self.query_one("#hint", Static).update("Writing…  " + hint if writing else hint)

    def _draw(self) -> None:
        for branch, text in zip(self.query(Branch), self.texts, strict=False):
            branch.show(text, branch.index == self.chosen)

    def action_move(self, by: int) -> None:
        self.chosen = (self.chosen + by) % self.count

    def action_turn(self, by: int) -> None:
        for branch in self.query(Branch):
            if branch.index == self.chosen:
                branch.scroll_relative(y=by, animate=False)

    def action_pick(self, index: int) -> None:
        self.chosen = index
        self.action_take()

    def action_take(self) -> None:
        self.post_message(self.Taken(self.chosen))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def on_branch_chosen(self, event: Branch.Chosen) -> None:
        """The first click chooses, the next takes."""
        event.stop()
        if event.index == self.chosen and self.has_focus:
            self.action_take()
        else:
            self.chosen = event.index
            self.focus()
