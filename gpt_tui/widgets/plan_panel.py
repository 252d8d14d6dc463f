"""What will be built, in a few lines of plain words."""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.terminal import visible

NARROW = 120
"""Columns of the screen below which less is said."""
SLIM = 34
"""Columns of its own below which less is said."""


class Outlook(NamedTuple):
    """What is to be said of a plan: `waiting` for something, or `problem` in the way, or lines, and advice."""

    lines: tuple[tuple[str, str, bool], ...] = ()
    """Each: what it is, in bold; more about it; whether it may be left out where there is little room."""
    advice: tuple[str, ...] = ()
    waiting: str = ""
    problem: str = ""


class PlanPanel(Static):
    """`outlook` is what it shows.

    It keeps the height it once had on a text, since what stands beside and above it shall not move under the mouse.
    """

    DEFAULT_CSS = """
    PlanPanel { height: auto; padding: 0 0 0 2; }
    """

    outlook: reactive[Outlook] = reactive(Outlook())

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._width = self._tallest = 0

    def watch_outlook(self) -> None:
        if self.outlook.waiting:  # of another text
            self._tallest = 0
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._width:
            self._width, self._tallest = event.size.width, 0
        if not self.outlook.waiting:
            self._tallest = max(self._tallest, event.size.height)
        self._draw()

    def _draw(self) -> None:
        outlook, brief = self.outlook, self.app.size.width < NARROW or self._width < SLIM
        lines = [
            Content.assemble((strong, "bold"), " ", (more, "$faint"))
            for strong, more, minor in outlook.lines
            if not (minor and brief)
        ]
        if outlook.waiting:
            lines.append(Content.styled(outlook.waiting, "$faint"))
        if outlook.problem:
            lines.append(Content.assemble(("✗ ", "bold $error"), (visible(outlook.problem), "$error")))
        lines += [Content.assemble(("! ", "bold $warning"), (line, "$warning")) for line in outlook.advice]
        if self._tallest or not outlook.waiting:
            self.styles.min_height = self._tallest
        self.update(Content("\n").join(lines))
