"""A row of figures, each above its name; those that there is no room for follow in one quiet line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


class Figure(NamedTuple):
    """A value, what it is, and, where it is not usual, its colour."""

    value: str
    name: str
    style: str = ""


class Figures(Widget):
    """`figures`, the most important first."""

    DEFAULT_CSS = """
    Figures { height: 3; width: 1fr; }
    Figures.-one-line { height: 1; }
    """
    COLUMN = 15
    """The least width of a figure."""

    figures: reactive[Sequence[Figure]] = reactive(())

    def render(self) -> Content:
        width, figures = self.size.width, self.figures
        if not figures:
            return Content("")
        if self.size.height < 3:
            return self._line(figures, width)
        across = max(1, min(len(figures), width // self.COLUMN))
        column = min(18, width // across)
        shown, rest = figures[:across], figures[across:]
        values = [(one.value.ljust(column), f"bold {one.style}".strip()) for one in shown]
        names = [(one.name.ljust(column), "$faint") for one in shown]
        rows = [Content.assemble(*values), Content.assemble(*names)]
        return Content("\n").join([*rows, self._line(rest, width)])

    def _line(self, figures: Sequence[Figure], width: int) -> Content:
        line = ""
        for one in figures:
            longer = f"{line} · {one.name} {one.value}" if line else f"{one.name} {one.value}"
            if len(longer) > width:
                break
            line = longer
        return Content.styled(line, "$faint")
