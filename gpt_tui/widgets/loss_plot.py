"""The plot itself: a run's losses, quiet axes, marks, other runs, and a column that a reading cursor stands on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Grid
from textual.css.query import NoMatches
from textual_hires_canvas import Canvas, HiResMode
from textual_plot import PlotWidget
from textual_plot.plot_widget import Legend, LinePlot

from gpt_tui.progress.axes import Ticks
from gpt_tui.progress.series import Drawing, Line
from gpt_tui.terminal import visible
from gpt_tui.widgets.dot_canvas import DotCanvas, FigureCanvas, QuickCanvas

_THIN = str.maketrans({"┃": "│", "━": "─", "┣": "┤", "┫": "┤", "┳": "┬", "┻": "─", "╋": "┼", "┗": "└", "┛": "─"})
"""The library's heavy frame, made a thin one."""
_KINDS = {"time": "time", "steps": "count", "tokens": "count"}


class LossPlot(PlotWidget, inherit_bindings=False, can_focus=False):
    """Draws a `Drawing`, and the lines of other runs by their names. The keys are its panel's."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "loss-plot--raw",
        "loss-plot--train",
        "loss-plot--held-out",
        "loss-plot--other",
        "loss-plot--sample",
        "loss-plot--pause",
        "loss-plot--round",
        "loss-plot--cursor",
    }
    DEFAULT_CSS = """
    LossPlot > .plot--axis { color: $rule; }
    LossPlot > .plot--tick { color: $faint; text-style: none; }
    LossPlot > .loss-plot--raw { color: $train-curve 45%; }
    LossPlot:ansi > .loss-plot--raw { color: $rule; }
    LossPlot > .loss-plot--train { color: $train-curve; }
    LossPlot > .loss-plot--held-out { color: $eval-curve; text-style: bold; }
    LossPlot > .loss-plot--other { color: $other-curve; }
    LossPlot > .loss-plot--sample { color: $secondary; }
    LossPlot > .loss-plot--pause { color: $faint; }
    LossPlot > .loss-plot--round { color: $secondary; }
    LossPlot > .loss-plot--cursor { color: $foreground; text-style: bold; }
    """
    LEAST = (10, 3)
    """Columns and rows of the canvas below which nothing is drawn."""

    def __init__(self, *, braille: bool = True, id: str | None = None) -> None:
        super().__init__(id=id, allow_pan_and_zoom=False)
        self.set_braille(braille)
        self._drawing: Drawing | None = None
        self._others: tuple[tuple[str, Line], ...] = ()
        self.set_reactive(PlotWidget.margin_top, 0)
        self.set_reactive(PlotWidget.margin_bottom, 1)
        self.set_reactive(PlotWidget.margin_left, 7)

    def compose(self) -> ComposeResult:
        with Grid():
            yield QuickCanvas(1, 1, id="margin-top")
            yield QuickCanvas(1, 1, id="margin-left")
            yield DotCanvas(1, 1, id="plot")
            yield FigureCanvas(1, 1, id="margin-bottom")
        yield Legend(id="legend")

    def _update_margin_sizes(self) -> None:
        with contextlib.suppress(NoMatches):  # the app is left at the moment in which this is mounted
            super()._update_margin_sizes()

    def set_braille(self, braille: bool) -> None:
        self.mode = HiResMode.BRAILLE if braille else HiResMode.HALFBLOCK

    @property
    def canvas(self) -> DotCanvas:
        return self.query_one("#plot", DotCanvas)

    @property
    def dot_columns(self) -> int:
        """How many points can stand side by side."""
        return max(2, (self.canvas.size.width - 2) * (2 if self.mode is HiResMode.BRAILLE else 1))

    def show(self, drawing: Drawing | None, others: Sequence[tuple[str, Line]] = ()) -> None:
        """Draw this; None: nothing yet."""
        self._drawing, self._others = drawing, tuple(others)
        self._put()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def _recolour(self, _: object) -> None:
        """Another theme: the same lines in its colours, once the styles are that theme's."""
        self.call_after_refresh(self._put)

    def _style(self, name: str) -> str:
        return str(self.get_component_rich_style(f"loss-plot--{name}").without_color + self._ink(name))

    def _ink(self, name: str) -> Style:
        """The colour alone: the background is the screen's own."""
        return Style(color=self.get_component_rich_style(f"loss-plot--{name}").color)

    def _put(self) -> None:
        """Hand the lines to the plot, from the back to the front."""
        self.clear()
        self.canvas.cursor_style = self.get_component_rich_style("loss-plot--cursor")
        drawing = self._drawing
        if drawing is None or drawing.empty:
            return
        size = self.canvas.size
        self.set_x_formatter(Ticks(_KINDS[drawing.view.axis], log=drawing.view.log, room=max(2, size.width // 11)))
        self.set_y_formatter(Ticks("loss", room=max(2, size.height // 3)))
        # Where there are no colours to tell them apart, single steps would only blur the line.
        lines = [(drawing.raw, "raw")] if self._style("raw") != self._style("train") else []
        lines += [(line, "other") for _, line in self._others]
        lines += [(drawing.smooth, "train"), (drawing.held_out, "held-out")]
        for line, name in lines:
            if len(line):
                self.plot(line.x, line.y, self._style(name), hires_mode=self.mode)
        if len(drawing.held_out):
            self.scatter(drawing.held_out.x, drawing.held_out.y, marker="●", marker_style=self._style("held-out"))
        self.set_xlimits(*drawing.x)
        self.set_ylimits(*drawing.y)
        if self.canvas.size:
            self.render()  # now, not when it is painted: the canvases would follow a frame later

    # What textual-plot draws, and what we add

    def _render_plot(self) -> None:
        size = self.canvas.size
        if size.width < self.LEAST[0] or size.height < self.LEAST[1] or not self._datasets:
            self._blank()
            return
        with self.canvas.batch_refresh():
            super()._render_plot()
            self._thin_frame()
            self._mark()

    def _blank(self) -> None:
        for canvas in self.query(Canvas):
            canvas.reset()

    def _render_line_plot(self, dataset: LinePlot) -> None:
        """All of a line at once, where the library goes from point to point."""
        assert dataset.hires_mode is not None
        if not len(dataset.x):
            return
        box = self._scale_rectangle
        across = (dataset.x - self._x_min) * (box.width / (self._x_max - self._x_min)) + box.x
        down = (self._y_max - dataset.y) * (box.height / (self._y_max - self._y_min)) + box.y
        points = np.stack((across, down), axis=1)
        if len(points) == 1:
            points = np.repeat(points, 2, axis=0)
        self.canvas.draw_segments(np.hstack((points[:-1], points[1:])), dataset.hires_mode, dataset.line_style)

    def _thin_frame(self) -> None:
        """A line to the left and one below are enough."""
        canvas = self.canvas
        rows, last = canvas._buffer, canvas.size.width - 1
        rows[0] = [" " if place else "│" for place in range(last + 1)]
        for row in rows[1:-1]:
            row[0], row[last] = row[0].translate(_THIN), " "
        rows[-1] = [character.translate(_THIN) for character in rows[-1]]
        rows[-1][0] = "└"
        rows[-1][last] = "─"

    def _mark(self) -> None:
        """Samples on the axis, pauses and rounds as broken upright lines, other runs' names at the ends of theirs."""
        drawing, canvas = self._drawing, self.canvas
        if drawing is None:
            return
        bottom = canvas.size.height - 1
        for places, character, name in ((drawing.paused, "┊", "pause"), (drawing.rounds, "╎", "round")):
            for x in places:
                column, _ = self.get_pixel_from_coordinate(x, self._y_min)
                for row in range(1, bottom):
                    if drawing.x[0] <= x <= drawing.x[1] and canvas.get_pixel(column, row)[0] == " ":
                        canvas.set_pixel(column, row, character, self._style(name))
        for x in drawing.sampled:
            if drawing.x[0] <= x <= drawing.x[1]:
                column, _ = self.get_pixel_from_coordinate(x, self._y_min)
                canvas.set_pixel(min(column, canvas.size.width - 2), bottom, "▲", self._style("sample"))
        for name, line in self._others:
            self._write_name(name, line)

    def _write_name(self, name: str, line: Line) -> None:
        """A run's name, above the end of its line or below it, where there is room."""
        seen = (line.x >= self._x_min) & (line.x <= self._x_max) & (line.y >= self._y_min) & (line.y <= self._y_max)
        if not seen.any():
            return
        place = np.flatnonzero(seen)[-1]
        column, row = self.get_pixel_from_coordinate(line.x[place], line.y[place])
        text = visible(name)[:16]
        begin = max(1, min(column, self.canvas.size.width - 1) - len(text))
        cells = range(begin, begin + len(text))
        for beside in (row - 1, row + 1, row - 2, row + 2):
            if 1 <= beside < self.canvas.size.height - 1 and all(
                self.canvas.get_pixel(cell, beside)[0] == " " for cell in cells if cell < self.canvas.size.width
            ):
                for cell, character in zip(cells, text, strict=True):
                    self.canvas.set_pixel(cell, beside, character, self._style("other"))
                return

    # The cursor

    def column_of(self, x: float) -> int:
        """The canvas' column of a place on the axis."""
        column, _ = self.get_pixel_from_coordinate(x, self._y_min)
        return max(1, min(column, self.canvas.size.width - 2))

    def place_of(self, column: int) -> float:
        """The place on the axis in the middle of a column."""
        return self.get_coordinate_from_pixel(column, 1)[0]

    def set_cursor(self, column: int | None) -> None:
        self.canvas.move_cursor(column)
