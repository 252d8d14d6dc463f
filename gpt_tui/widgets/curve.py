"""A small line that shows how a model learned: one to three rows, in braille or blocks. Needs no numpy."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

BARS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille cell: by column, from the top down


def has_braille(setting: str = "auto") -> bool:
    """Whether to draw with braille: as `app.plot` says; of itself wherever the font is not the bare console's."""
    return setting == "braille" or (setting == "auto" and os.environ.get("TERM", "") not in ("linux", "vt100", "dumb"))


def curve_text(values: Sequence[float], width: int, *, braille: bool = True) -> str:
    """The values, evenly apart, as one row of `width` characters: a line of braille dots, or blocks ▁▂▃▄▅▆▇█."""
    points = [(float(place), value) for place, value in enumerate(values)]
    return "".join(curve_rows(points, width, 1, braille=braille))


def curve_rows(points: Iterable[tuple[float, float]], width: int, height: int, *, braille: bool = True) -> list[str]:
    """The line through the points (by x) as `height` rows of `width` characters, the largest value on top.

    What is not a number is left out. One point alone is a level line; without any all is blank.
    """
    known = sorted((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y))
    if not known or width < 1 or height < 1:
        return [" " * max(width, 0)] * max(height, 0)
    columns, levels = (2 * width, 4 * height) if braille else (width, 8 * height)
    heights = _levels(known, columns, levels)
    return _dotted(heights, width, height) if braille else _barred(heights, height)


def _levels(points: list[tuple[float, float]], columns: int, levels: int) -> list[int]:
    """The line's level at each column, from 0 at the bottom."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    scale = (levels - 1) / (high - low) if high > low else 0.0
    span = xs[-1] - xs[0]
    found = []
    for column in range(columns):
        x = xs[0] + span * (column / (columns - 1) if columns > 1 else 1.0)
        after = min(bisect_right(xs, x), len(xs) - 1)
        before = max(after - 1, 0)
        gap = xs[after] - xs[before]
        share = min(1.0, max(0.0, (x - xs[before]) / gap)) if gap > 0 else 1.0
        found.append(round((ys[before] + share * (ys[after] - ys[before]) - low) * scale))
    return found


def _dotted(heights: list[int], width: int, height: int) -> list[str]:
    """A line of dots, its steps joined by upright strokes."""
    cells = [[0] * width for _ in range(height)]
    top = 4 * height - 1
    before = heights[0]
    for column, level in enumerate(heights):
        # From beside the level before up or down to this one: without gaps, and without double dots.
        first = level if level == before else before + (1 if level > before else -1)
        for dot in range(min(first, level), max(first, level) + 1):
            row = top - dot
            cells[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
        before = level
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in row) for row in cells]


def _barred(heights: list[int], height: int) -> list[str]:
    """Bars from the bottom up."""
    rows = []
    for row in range(height - 1, -1, -1):
        filled = (level + 1 - 8 * row for level in heights)
        rows.append("".join(BARS[min(eighths, 8) - 1] if eighths > 0 else " " for eighths in filled))
    return rows


class Curve(Widget):
    """`points` (x, y), drawn as a line that fills the widget."""

    DEFAULT_CSS = """
    Curve { height: 2; width: 1fr; color: $eval-curve; }
    """

    points: reactive[Sequence[tuple[float, float]]] = reactive((), always_update=True)
    braille: reactive[bool] = reactive(True)

    def __init__(
        self,
        points: Sequence[tuple[float, float]] = (),
        *,
        braille: bool = True,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(Curve.points, points)
        self.set_reactive(Curve.braille, braille)

    def render(self) -> Content:
        rows = curve_rows(self.points, self.size.width, self.size.height, braille=self.braille)
        return Content("\n".join(rows))
