"""A few things of which one is chosen, each with a line about it: the cursor is the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.terminal import visible


class Choice(NamedTuple):
    """What is chosen, how it is called, and a few words about it."""

    key: str
    title: str
    words: str = ""


class ChoiceList(Widget, can_focus=True):
    """`chosen` is the key of the one that is chosen."""

    DEFAULT_CSS = """
    ChoiceList { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,left", "move(-1)", "Up", id="choice.up", show=False, tooltip="Choose the one above."),
        Binding("down,right", "move(1)", "Down", id="choice.down", show=False, tooltip="Choose the one below."),
    ]

    chosen: reactive[str] = reactive("")

    class Changed(Message):
        """Another one is chosen."""

        def __init__(self, choices: ChoiceList, key: str) -> None:
            super().__init__()
            self.choices, self.key = choices, key

    def __init__(self, choices: Sequence[Choice], chosen: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.choices = list(choices)
        keys = [choice.key for choice in self.choices]
        self.set_reactive(ChoiceList.chosen, chosen if chosen in keys else keys[0])

    def render(self) -> Content:
        width = max(len(choice.title) for choice in self.choices)
        return Content("\n").join(self._row(choice, width) for choice in self.choices)

    def _row(self, choice: Choice, width: int) -> Content:
        here = choice.key == self.chosen
        style = "bold $primary" if here and self.has_focus else "bold" if here else ""
        return Content.assemble(
            ("● " if here else "○ ", "$primary" if here else "$faint"),
            (visible(choice.title).ljust(width), style),
            ("   " + visible(choice.words), "$faint"),
        )

    def watch_chosen(self) -> None:
        if self.is_mounted:
            self.post_message(self.Changed(self, self.chosen))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh()

    def action_move(self, by: int) -> None:
        keys = [choice.key for choice in self.choices]
        self.chosen = keys[(keys.index(self.chosen) + by) % len(keys)]

    def on_click(self, event: events.Click) -> None:
        if event.y < len(self.choices):
            self.chosen = self.choices[event.y].key
