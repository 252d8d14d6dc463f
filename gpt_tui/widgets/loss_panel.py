"""The curve with what belongs to it: its legend above, the figures that the cursor reads below, and the keys."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.progress.axes import clock
from gpt_tui.progress.series import Drawing, Line, Numbers, Reading, View
from gpt_tui.terminal import count
from gpt_tui.widgets.loss_plot import LossPlot

UNIT_WORDS = {"nats": "nats per token", "bits": "bits per byte"}
AXIS_WORDS = {"time": "time", "steps": "steps", "tokens": "tokens read"}


class LossPanel(Vertical, can_focus=True):
    """`view`: what is shown of the curve; `numbers`: the run's; `others`: those of runs that are laid over it."""

    DEFAULT_CSS = """
    LossPanel { height: 1fr; }
    LossPanel #caption { height: 1; }
    LossPanel #legend-line { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    LossPanel #view-words { width: auto; height: 1; color: $faint; }
    LossPanel LossPlot { height: 1fr; }
    LossPanel #reading { height: 1; color: $faint; text-wrap: nowrap; text-overflow: ellipsis; }
    LossPanel.-reading #reading { color: $foreground; }
    LossPanel:focus #view-words { color: $primary; }
    """
    CURSOR = Binding.Group("Read values", compact=True)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Read to the left", id="training.read_left", group=CURSOR,
                tooltip="Move the cursor that reads the curve's values to the left."),
        Binding("right", "move(1)", "Read to the right", id="training.read_right", group=CURSOR,
                tooltip="Move the cursor that reads the curve's values to the right."),
        Binding("shift+left", "move(-10)", "Read far to the left", id="training.read_far_left", show=False,
                tooltip="Move the reading cursor by ten columns to the left."),
        Binding("shift+right", "move(10)", "Read far to the right", id="training.read_far_right", show=False,
                tooltip="Move the reading cursor by ten columns to the right."),
        Binding("home", "jump(0)", "Read at the beginning", id="training.read_first", show=False,
                tooltip="Put the reading cursor at the curve's beginning."),
        Binding("end", "jump(1)", "Read at the end", id="training.read_last", show=False,
                tooltip="Put the reading cursor at the curve's end."),
        Binding("escape", "leave", "Put the cursor away", id="training.read_leave", show=False,
                tooltip="Put the reading cursor away."),
    ]  # fmt: skip

    class Read(Message):
        """The cursor reads these values; None: it was put away."""

        def __init__(self, reading: Reading | None) -> None:
            super().__init__()
            self.reading = reading

    view: reactive[View] = reactive(View())
    numbers: reactive[Numbers | None] = reactive(None, always_update=True)

    def __init__(self, *, braille: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._braille = braille
        self._others: dict[str, Numbers] = {}
        self._drawing: Drawing | None = None
        self._cursor: float | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="caption"):
            yield Static("", id="legend-line", markup=False)
            yield Static("", id="view-words", markup=False)
        yield LossPlot(braille=self._braille)
        yield Static("", id="reading", markup=False)

    def set_braille(self, braille: bool) -> None:
        """Draw with dots, or with blocks."""
        self._braille = braille
        if self.is_made:
            self.plot.set_braille(braille)
        self._draw()

    @property
    def is_made(self) -> bool:
        """Whether its parts are there: not yet while it is mounted, no more while the app closes."""
        return self.is_mounted and any(plot.is_mounted for plot in self.query(LossPlot))

    @property
    def plot(self) -> LossPlot:
        return self.query_one(LossPlot)

    # What is drawn

    def watch_view(self) -> None:
        self._cursor = None if self._cursor is not None and self._drawing is None else self._cursor
        self._draw()

    def watch_numbers(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def set_others(self, others: dict[str, Numbers]) -> None:
        """Lay other runs over this one."""
        self._others = dict(others)
        self._draw()

    def _draw(self) -> None:
        if not self.is_made:
            return  # what it has by then is drawn when it gets its size
        numbers, view = self.numbers, self.view
        if numbers is None:
            self._drawing = None
            self.plot.show(None)
        else:
            columns = self.plot.dot_columns
            drawing = numbers.draw(view, columns)
            lines = [(name, other.held_out(drawing.view, columns)) for name, other in self._others.items()]
            self._drawing = drawing if view.follow else _widened(drawing, [line for _, line in lines])
            self.plot.show(self._drawing, lines)
        self._say_legend()
        self._put_cursor()

    # The cursor

    def action_move(self, columns: int) -> None:
        if self._drawing is None or self._drawing.empty:
            return
        plot = self.plot
        if self._cursor is None:
            column = plot.column_of(self._drawing.x[1] if columns < 0 else self._drawing.x[0])
        else:
            column = plot.column_of(self._cursor) + columns
        column = max(1, min(column, plot.column_of(self._drawing.x[1])))
        self._read_at(plot.place_of(column))

    def action_jump(self, end: int) -> None:
        if self._drawing is not None and not self._drawing.empty:
            self._read_at(self._drawing.x[end])

    def action_leave(self) -> None:
        self._cursor = None
        self._put_cursor()
        self.post_message(self.Read(None))

    def on_click(self, event: events.Click) -> None:
        """A click on the plot reads there."""
        if self._drawing is None or self._drawing.empty:
            return
        offset = event.screen_offset - self.plot.canvas.region.offset
        if 0 < offset.x < self.plot.canvas.size.width and 0 <= offset.y < self.plot.canvas.size.height:
            self._read_at(self.plot.place_of(offset.x))

    def _read_at(self, x: float) -> None:
        self._cursor = x
        self._put_cursor()
        if self.numbers is not None and self._drawing is not None:
            self.post_message(self.Read(self.numbers.read(self._drawing.view, x)))

    def _put_cursor(self) -> None:
        if not self.is_made:
            return
        drawing, reading = self._drawing, None
        if drawing is not None and self._cursor is not None and self.numbers is not None and not drawing.empty:
            reading = self.numbers.read(drawing.view, self._cursor)
            self._cursor = min(max(self._cursor, drawing.x[0]), drawing.x[1])
            self.plot.set_cursor(self.plot.column_of(self._cursor))
        else:
            self.plot.set_cursor(None)
        self.set_class(reading is not None, "-reading")
        words = reading_words(reading, drawing.view, self.size.width) if reading and drawing else self._axis_words()
        self.query_one("#reading", Static).update(words, layout=False)

    # Words

    def _axis_words(self) -> Content:
        drawing = self._drawing
        if drawing is None or drawing.empty:
            return Content("")
        words = AXIS_WORDS[drawing.view.axis] + (", logarithmic" if drawing.view.log else "")
        return Content(f"{words} →".rjust(self.size.width))

    def _say_legend(self) -> None:
        drawing = self._drawing
        if drawing is None or drawing.empty:
            self.query_one("#legend-line", Static).update("")
            self.query_one("#view-words", Static).update("")
            return
        line = "⠒⠒" if self._braille else "▀▀"
        unit = UNIT_WORDS[drawing.view.unit]
        parts: list[tuple[str, str] | str] = [unit if self.size.width >= 56 else unit.replace(" per ", "/"), "  "]
        parts += [(f"{line} ", "$train-curve"), "training  "]
        if len(drawing.held_out):
            parts += [("● ", "$eval-curve"), "held out  "]
        if len(drawing.sampled):
            parts += [("▲ ", "$secondary"), "sample  "]
        if len(drawing.paused):
            parts += [("┊ ", "$faint"), "pause  "]
        if len(drawing.rounds):
            parts += [("╎ ", "$secondary"), "round  "]
        if self._others:
            parts += [(f"{line} ", "$other-curve"), "others"]
        self.query_one("#legend-line", Static).update(Content.assemble(*parts), layout=False)
        share = f"the last {drawing.view.share:.0%}" if drawing.view.follow else "whole run"
        words, shown = f" {share}" if self.size.width >= 56 else "", self.query_one("#view-words", Static)
        if words != shown.content:  # its width is that of its words: another one lays the screen out anew
            shown.update(words)


def reading_words(reading: Reading, view: View, width: int) -> Content:
    """The values that the cursor reads, the most important first."""
    parts: list[tuple[str, str] | str] = []
    parts += [f"{clock(round(reading.elapsed, 1))} · step {reading.step:,}"]
    if width >= 96:
        parts += [f" · {count(reading.tokens)} tokens"]
    parts += ["   ", ("training ", "$train-curve"), f"{reading.loss:.3f}"]
    if width >= 72:
        parts += [f" (this step {reading.raw:.3f})"]
    if not math.isnan(reading.held_out):
        parts += ["   ", ("held out ", "$eval-curve"), f"{reading.held_out:.3f}"]
    if width >= 84:
        parts += [("  " + UNIT_WORDS[view.unit], "$faint")]
    return Content.assemble(*parts)


def _widened(drawing: Drawing, lines: Iterable[Line]) -> Drawing:
    """The drawing with room for other runs' lines: to the sides where they began earlier or went on for longer, and
    down where they came farther. What lies above it stays out of sight."""
    (first, last), (low, high) = drawing.x, drawing.y
    for line in lines:
        if len(line):
            first, last = min(first, float(line.x[0])), max(last, float(line.x[-1]))
            low = min(low, float(line.y.min()))
    if low < drawing.y[0]:
        low = max(0.0, low - 0.03 * (high - low))
    return replace(drawing, x=(first, last), y=(low, high))
