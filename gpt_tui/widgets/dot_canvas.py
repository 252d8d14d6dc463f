"""The canvas that a loss curve is drawn on: textual-plot's own, with lines set in one go rather than dot by dot, and a
cursor that moves without anything being drawn anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual_hires_canvas import Canvas, HiResMode, TextAlign
from textual_hires_canvas.hires import hires_sizes, pixels

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # the bit of each dot of a cell


class QuickCanvas(Canvas):
    """A canvas that does not look its style up anew for each row: that took a third of a plot's time."""

    @property
    def rich_style(self) -> Style:
        return self.visual_style.rich_style


class FigureCanvas(QuickCanvas):
    """A canvas for an axis's figures: one that would reach over its end moves in."""

    def write_text(self, x: int, y: int, text: str, align: TextAlign = TextAlign.LEFT) -> None:
        if align == TextAlign.CENTER:
            half = cell_len(Text.from_markup(text).plain) // 2
            x = max(min(x, self._canvas_size.width - 1 - half), 0)
        super().write_text(x, y, text, align)


class DotCanvas(QuickCanvas):
    """A canvas whose lines of dots cost a few matrix operations, and no message a dot."""

    cursor: int | None = None
    """The column that a reading cursor stands on."""
    cursor_style = Style(bold=True)

    def move_cursor(self, column: int | None) -> None:
        """Draw the columns that changed, and nothing else."""
        before, self.cursor = self.cursor, column
        for place in {before, column} - {None}:
            self.refresh(Region(place, 0, 1, self.size.height))  # type: ignore[arg-type]

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        column = self.cursor
        if column is None or not 0 <= column < strip.cell_length or not 0 <= y < len(self._buffer) - 1:
            return strip
        there = self._buffer[y][column]
        mark = Strip([Segment("│" if there == " " else there, self.rich_style + self.cursor_style)], 1)
        return Strip.join([strip.crop(0, column), mark, strip.crop(column + 1)])

    def draw_hires_lines(
        self,
        coordinates: Iterable[tuple[Any, Any, Any, Any]],
        hires_mode: HiResMode | None = None,
        style: str = "white",
    ) -> None:
        """Draw lines given by their ends."""
        ends = np.array(list(coordinates), np.float64)
        if len(ends):
            self.draw_segments(ends, hires_mode or self.default_hires_mode, style)

    def draw_segments(self, ends: NDArray[np.float64], mode: HiResMode, style: str) -> None:
        """Draw lines given by their ends, x0 y0 x1 y1 a row, in cells. What lies outside is not drawn."""
        size = hires_sizes[mode]
        width, height = self._canvas_region.width * size.width, self._canvas_region.height * size.height
        if not width or not height:
            return
        dots = ends * np.array([size.width, size.height] * 2)
        dots = dots.clip(-4.0 * (width + height), 5.0 * (width + height))  # far away is far enough
        lengths = np.ceil(np.abs(dots[:, 2:] - dots[:, :2]).max(axis=1)).astype(np.intp) + 1
        line = np.repeat(np.arange(len(dots)), lengths)
        place = np.arange(len(line)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        share = (place / np.maximum(lengths[line] - 1, 1))[:, None]
        points = np.floor(dots[line, :2] * (1 - share) + dots[line, 2:] * share).astype(np.intp)
        inside = (points[:, 0] >= 0) & (points[:, 0] < width) & (points[:, 1] >= 0) & (points[:, 1] < height)
        grid = np.zeros((height, width), bool)
        grid[points[inside, 1], points[inside, 0]] = True
        self._set_cells(grid, mode, style)

    def _set_cells(self, grid: NDArray[np.bool_], mode: HiResMode, style: str) -> None:
        """Write the cells that have dots."""
        size = hires_sizes[mode]
        rows, columns = grid.shape[0] // size.height, grid.shape[1] // size.width
        cells = grid.reshape(rows, size.height, columns, size.width)
        if mode is HiResMode.BRAILLE:
            bits = (cells * _BRAILLE[None, :, None, :]).sum(axis=(1, 3))
            characters = [chr(0x2800 + code) for code in range(256)]
        else:
            weights = 2 ** np.arange(size.height * size.width).reshape(size.height, size.width)
            bits = (cells * weights[None, :, None, :]).sum(axis=(1, 3))
            table = {sum(bit << place for place, bit in enumerate(key)): value for key, value in pixels[mode].items()}
            characters = [table[code] or " " for code in range(len(table))]
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(bits)), strict=True):
            self._buffer[row][column] = characters[bits[row, column]]
            self._styles[row][column] = style
        self.refresh()
