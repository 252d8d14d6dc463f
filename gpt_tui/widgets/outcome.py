"""What came out of a training, or what went wrong with it, and what can be done next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from gpt_tui.terminal import visible


class NextStep(NamedTuple):
    """Something to do: its key, its words, and what the screen's action is called."""

    key: str
    words: str
    action: str


class StepLink(Static):
    """A next step. A click takes it."""

    def __init__(self, step: NextStep) -> None:
        super().__init__()
        self.step = step

    def render(self) -> Content:
        words = self.step.words if self.screen.size.width >= 60 else self.step.words.partition(" ")[0]
        return Content.assemble((self.step.key, "bold $primary"), f" {words}")

    def on_click(self) -> None:
        self.post_message(Outcome.Chosen(self.step.action))


class Outcome(Vertical):
    """Told by `tell`; the next steps can be clicked too."""

    DEFAULT_CSS = """
    Outcome { height: auto; background: $surface; padding: 0 2; }
    Outcome Static { height: auto; width: 1fr; }
    Outcome #outcome-steps { height: auto; }
    Outcome StepLink { width: auto; padding: 0 3 0 0; }
    Outcome StepLink:hover { background: $foreground 10%; }
    Outcome.-low #outcome-more { display: none; }
    """

    class Chosen(Message):
        """The user clicked a next step: the name of its action."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._told: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static("", id="outcome-title", markup=False)
        yield Static("", id="outcome-more", markup=False)
        yield Horizontal(id="outcome-steps")

    async def tell(self, title: str, more: str, steps: Sequence[NextStep], *, bad: bool = False) -> None:
        """Say what came out: one line, more of it, and what can be done next."""
        told = (title, more, tuple(steps), bad)
        if told == self._told:
            return
        self._told = told
        mark = ("✗ ", "bold $error") if bad else ("✓ ", "bold $success")
        self.query_one("#outcome-title", Static).update(Content.assemble(mark, (visible(title), "bold")))
        self.query_one("#outcome-more", Static).update(Content(visible(more)))
        row = self.query_one("#outcome-steps", Horizontal)
        await row.remove_children()
        await row.mount(*(StepLink(step) for step in steps))
