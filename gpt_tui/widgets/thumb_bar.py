"""A scroll bar that repaints no more than the rows through which its thumb moved."""

from __future__ import annotations

from math import ceil

from textual.geometry import Region
from textual.reactive import Reactive
from textual.scrollbar import ScrollBar

_EIGHTHS = 8
"""Into so many parts a cell is divided."""


class ThumbBar(ScrollBar):
    """Beside a text that grows many times a second painting all of the bar costs as much as painting the text."""

    window_virtual_size: Reactive[int] = Reactive(100, repaint=False)
    position: Reactive[float] = Reactive(0, repaint=False)

    _drawn: tuple[int, int] = (0, 0)
    """Where the thumb was drawn last: its first eighth of a cell, and the one after its last."""

    def watch_window_virtual_size(self) -> None:
        self._move()

    def watch_position(self) -> None:
        self._move()

    def _move(self) -> None:
        before, self._drawn = self._drawn, self._thumb()
        rows = [
            (min(was, now) // _EIGHTHS, max(was, now) // _EIGHTHS + 1)
            for was, now in zip(before, self._drawn, strict=True)
            if was != now
        ]
        if rows:
            self.refresh(*(Region(0, first, self.size.width, last - first) for first, last in rows))

    def _thumb(self) -> tuple[int, int]:
        """Where Textual draws it."""
        size, there = self.size.height, self.window_virtual_size
        if not size or there <= self.window_size:
            return 0, 0
        length = max(1.0, self.window_size * size / there)
        start = int((size - length) * self.position / (there - self.window_size) * _EIGHTHS)
        return start, start + ceil(length * _EIGHTHS)
