"""How far a training is: its name, a bar, and time and step of the budget in words."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.terminal import visible


@dataclass(frozen=True)
class Progress:
    """What the line says."""

    name: str = ""
    about: str = ""
    """What is trained, on what, where: a few words, the less important last, with dots between them."""
    state: str = ""
    """One word at the right."""
    share: float | None = None
    """From 0 to 1; None while that is unknown: then there is no bar."""
    words: tuple[str, ...] = ()
    """Time, step, time left: as many of them as there is room for."""
    quiet: bool = False
    """Whether it stands still: paused, or over."""


class ProgressLine(Widget):
    """`progress`: what it says, in three rows; on a low screen in two."""

    DEFAULT_CSS = """
    ProgressLine { height: 3; width: 1fr; }
    ProgressLine.-low { height: 2; }
    """

    progress: reactive[Progress] = reactive(Progress())

    def render(self) -> Content:
        width = self.size.width
        rows = [self._title(width), self._bar(width), self._words(width)]
        if self.size.height < 3:
            rows = [self._title(width), self._bar_with_words(width)]
        return Content("\n").join(rows)

    def _title(self, width: int) -> Content:
        shown = self.progress
        name, state = visible(shown.name), shown.state
        if len(name) > max(8, width // 2):
            name = name[: max(7, width // 2 - 1)] + "…"
        room = width - len(name) - len(state) - 5
        about = _fitting(visible(shown.about).split(" · "), room, " · ")
        gap = " " * max(1, width - len(name) - len(state) - (len(about) + 3 if about else 0))
        tone = "$faint" if shown.quiet else "$primary"
        return Content.assemble((name, "bold $primary"), ("   " + about if about else "", "$faint"), gap, (state, tone))

    def _bar(self, width: int) -> Content:
        share = self.progress.share
        if share is None:
            return Content.styled("─" * width, "$rule")
        full = round(width * min(1.0, max(0.0, share)))
        tone = "$faint" if self.progress.quiet else "$primary"
        return Content.assemble(("━" * full, tone), ("─" * (width - full), "$rule"))

    def _words(self, width: int) -> Content:
        return Content(_fitting([self._percent(), *self.progress.words], width, "   "))

    def _percent(self) -> str:
        return f"{self.progress.share:.0%}" if self.progress.share is not None else ""

    def _bar_with_words(self, width: int) -> Content:
        words = _fitting([self._percent(), *self.progress.words], max(20, width * 3 // 4), " · ")
        room = width - len(words) - 1
        if not words:
            return self._bar(width)
        return Content.assemble(words, " ", self._bar(room)) if room > 4 else Content(words)


def _fitting(parts: list[str], room: int, between: str) -> str:
    """As many of the parts, from the first on, as there is room for."""
    line = ""
    for part in parts:
        longer = f"{line}{between}{part}" if line and part else line + part
        if len(longer) > room:
            break
        line = longer
    return line
