"""Find and replace: a line above the text. It finds nothing itself: it says what is wanted."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static


class Switch(Static, can_focus=True):
    """A way to search, on or off."""

    DEFAULT_CSS = """
    Switch { width: auto; height: 1; padding: 0 1; color: $faint; }
    Switch.-on { color: $primary; text-style: bold; }
    Switch:focus {
        background: $block-cursor-blurred-background; text-style: $block-cursor-blurred-text-style;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "turn", "On or off", id="find.turn", show=False, tooltip="Switch this on or off."),
    ]

    on: reactive[bool] = reactive(False)

    class Turned(Message):
        pass

    def __init__(self, name: str, label: str, explanation: str) -> None:
        super().__init__(id=f"find-{name}", markup=False)
        self.label = label
        self.tooltip = explanation

    def render(self) -> Content:
        return Content(f"{'✓' if self.on else '·'} {self.label}")

    def watch_on(self) -> None:
        self.set_class(self.on, "-on")
        self.refresh(layout=True)

    def action_turn(self) -> None:
        self.on = not self.on
        self.post_message(self.Turned())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_turn()


class FindBar(Vertical):
    """`open` shows it; Enter goes to the next match, or replaces it when the cursor is in the second field."""

    DEFAULT_CSS = """
    FindBar { height: auto; width: 1fr; background: $panel; padding: 0 1; display: none; }
    FindBar.-open { display: block; }
    FindBar Horizontal { height: 1; }
    FindBar .label { width: 9; color: $faint; }
    FindBar Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $background; }
    FindBar Input:focus { border: none; background-tint: transparent; }
    FindBar #found { width: auto; min-width: 12; padding: 0 1; color: $faint; text-align: right; }
    FindBar #found.-wrong { color: $error; }
    FindBar #every { width: auto; padding: 0 1; color: $primary; }
    """
    HELP = "Find and replace. Enter: the next match; in the second line it is replaced."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "step(1)", "Next match", id="find.next", show=False, tooltip="Go to the next match."),
        Binding("up", "step(-1)", "Match before", id="find.previous", show=False, tooltip="Go to the match before."),
        Binding("ctrl+r", "every", "Replace all", id="find.all", priority=True, tooltip="Replace every match at once."),
        Binding("escape", "leave", "Close", id="find.close", tooltip="Back to the text."),
    ]

    class Wanted(Message):
        """This is searched for, in this way."""

        def __init__(self, query: str, regex: bool, case: bool, words: bool) -> None:
            super().__init__()
            self.query, self.regex, self.case, self.words = query, regex, case, words

    class Step(Message):
        """The next match, or the one before."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Replace(Message):
        """This match, or every one, is to be replaced."""

        def __init__(self, text: str, every: bool) -> None:
            super().__init__()
            self.text, self.every = text, every

    class Left(Message):
        pass

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("Find", classes="label")
            yield Input(id="find-what")
            yield Switch("case", "Aa", "Capitals count")
            yield Switch("words", "word", "Whole words only")
            yield Switch("regex", ".*", "What is searched for is a regular expression")
            yield Static("", id="found", markup=False)
        with Horizontal():
            yield Static("Replace", classes="label")
            yield Input(id="find-with", placeholder="Enter replaces the match, Ctrl+R all of them")

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, query: str = "") -> None:
        self.add_class("-open")
        what = self.query_one("#find-what", Input)
        if query:
            with what.prevent(Input.Changed):
                what.value = query
        what.focus()
        what.select_all()
        self._want()

    def close(self) -> None:
        self.remove_class("-open")

    def tell(self, index: int, count: int, wrong: str = "") -> None:
        """Which match it is, and of how many; or what is wrong with the expression."""
        found = self.query_one("#found", Static)
        found.set_class(bool(wrong) or (not count and bool(self.query_one("#find-what", Input).value)), "-wrong")
        empty = not self.query_one("#find-what", Input).value
        found.update(wrong or ("" if empty else f"{index + 1} of {count:,}" if count else "not found"))

    def _want(self) -> None:
        on = {name: self.query_one(f"#find-{name}", Switch).on for name in ("regex", "case", "words")}
        self.post_message(self.Wanted(self.query_one("#find-what", Input).value, **on))

    @on(Input.Changed, "#find-what")
    @on(Switch.Turned)
    def _changed(self, event: Message) -> None:
        event.stop()
        self._want()

    @on(Input.Changed, "#find-with")
    def _replacement(self, event: Input.Changed) -> None:
        event.stop()

    @on(Input.Submitted)
    def _go(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "find-what":
            self.action_step(1)
        else:
            self.post_message(self.Replace(event.value, every=False))

    def action_step(self, by: int) -> None:
        self.post_message(self.Step(by))

    def action_every(self) -> None:
        self.post_message(self.Replace(self.query_one("#find-with", Input).value, every=True))

    def action_leave(self) -> None:
        self.post_message(self.Left())
