"""What is done before a training's first step, one line each: what is done, what is being done, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.terminal import visible


class Stage(NamedTuple):
    """One thing to do, and how much of it is done where that is known."""

    words: str
    share: float | None = None


class Preparing(Widget):
    """`stages` so far; the last of them is being done."""

    DEFAULT_CSS = """
    Preparing { height: 1fr; padding: 1 2; }
    """
    TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
    PLAIN = "|/-\\"

    stages: reactive[Sequence[Stage]] = reactive(())
    turn: reactive[int] = reactive(0)

    def __init__(self, *, braille: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marks = self.TURNING if braille else self.PLAIN

    def on_mount(self) -> None:
        self._timer = self.set_interval(0.12, self._advance)

    def _advance(self) -> None:
        if self.is_on_screen:
            self.turn += 1

    @property
    def is_on_screen(self) -> bool:
        """Whether somebody sees it: what turns unseen costs for nothing."""
        return bool(self.size) and self.screen is self.app.screen

    def render(self) -> Content:
        lines = [Content.styled("Preparing", "bold $primary"), Content("")]
        for stage in self.stages[:-1]:
            lines.append(Content.assemble(("✓ ", "$success"), (visible(stage.words), "$faint")))
        for stage in self.stages[-1:]:
            mark = self._marks[self.turn % len(self._marks)]
            share = f"  {stage.share:.0%}" if stage.share is not None and stage.share < 1 else ""
            lines.append(Content.assemble((f"{mark} ", "$primary"), visible(stage.words), (share, "$primary")))
        words = "The first step follows in a few seconds. You can leave: it goes on."
        lines += [Content(""), Content.styled(words, "$faint")]
        return Content("\n").join(lines)
