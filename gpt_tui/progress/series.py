"""What a plot draws of a run: its numbers brought to as many points as a screen has columns for. numpy, no Textual.

Imported with the plot, when the Training screen is opened first: numpy takes its time to load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.events import Eval, Pause, Resume, Round, Sample
from gpt_tui.progress.following import Columns

Floats = NDArray[np.float64]

AXES = ("time", "steps", "tokens")
UNITS = ("nats", "bits")
_COLUMN = {"time": "elapsed", "steps": "step", "tokens": "tokens"}


@dataclass(frozen=True)
class View:
    """What one wants to see of the curve."""

    axis: str = "time"
    """What goes to the right: `time`, `steps` or `tokens`."""
    unit: str = "nats"
    """What the loss is in: `nats` per token, or `bits` per byte."""
    log: bool = False
    """Whether the axis to the right is logarithmic."""
    follow: bool = False
    """Only the newest part, rather than the whole run."""
    share: float = 0.25
    """Of the run, when following: how much of it."""

    def next_axis(self) -> View:
        return replace(self, axis=AXES[(AXES.index(self.axis) + 1) % len(AXES)])


@dataclass(frozen=True, eq=False)
class Line:
    """Points to be joined, from left to right, in the view's units; logarithmic where the view is."""

    x: Floats
    y: Floats

    def __len__(self) -> int:
        return len(self.x)


NOTHING = Line(np.empty(0), np.empty(0))


@dataclass(frozen=True, eq=False)
class Drawing:
    """All that is drawn of a run."""

    view: View
    raw: Line = NOTHING
    """The losses of single steps: where they are many, a band from the least to the largest."""
    smooth: Line = NOTHING
    held_out: Line = NOTHING
    sampled: Floats = field(default_factory=lambda: np.empty(0))
    """Where samples were written."""
    paused: Floats = field(default_factory=lambda: np.empty(0))
    """Where it was paused, or gone on with."""
    rounds: Floats = field(default_factory=lambda: np.empty(0))
    """Where a further round began."""
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    @property
    def empty(self) -> bool:
        return not len(self.smooth) and not len(self.held_out)


@dataclass(frozen=True)
class Reading:
    """The values at one place of the curve."""

    step: int
    elapsed: float
    tokens: int
    loss: float
    """Smoothed, in the view's unit."""
    raw: float
    held_out: float
    """Of the last evaluation by then; nan when there was none."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A run's numbers, ready to be drawn in any view. Made when there are new ones."""

    elapsed: Floats
    step: Floats
    tokens: Floats
    loss: Floats
    smooth: Floats
    evals: tuple[Eval, ...] = ()
    samples: tuple[Sample, ...] = ()
    pauses: tuple[Pause | Resume, ...] = ()
    rounds: tuple[Round, ...] = ()

    @classmethod
    def of(
        cls,
        columns: Columns | Any,
        evals: Sequence[Eval] = (),
        samples: Sequence[Sample] = (),
        pauses: Sequence[Pause | Resume] = (),
        rounds: Sequence[Round] = (),
    ) -> Numbers:
        """From `following.Columns`, or a `History` that grows no more."""
        elapsed, loss = np.array(columns.elapsed, np.float64), np.array(columns.loss, np.float64)
        step, tokens = np.array(columns.step, np.float64), np.array(columns.tokens, np.float64)
        known = np.isfinite(loss)
        if not known.all():
            elapsed, loss, step, tokens = elapsed[known], loss[known], step[known], tokens[known]
        finite = tuple(one for one in evals if math.isfinite(one.val_loss))
        borders = np.searchsorted(step, [one.step for one in rounds], side="right")
        smooth = np.concatenate([smoothed(part) for part in np.split(loss, borders)])  # a round begins with a jump
        return cls(elapsed, step, tokens, loss, smooth, finite, tuple(samples), tuple(pauses), tuple(rounds))

    def bits_per_nat(self) -> float | None:
        """How many bits per byte a nat per token is in this run's tokens; None before the first evaluation."""
        last = next((one for one in reversed(self.evals) if one.val_loss > 0), None)
        return last.bits_per_byte / last.val_loss if last is not None else None

    def along(self, axis: str) -> Floats:
        found: Floats = getattr(self, _COLUMN[axis])
        return found

    def _scale(self, unit: str) -> float:
        return (self.bits_per_nat() or 1.0) if unit == "bits" else 1.0

    def _eval_line(self, view: View) -> Line:
        if view.unit == "bits":
            heights = [one.bits_per_byte for one in self.evals]
        else:
            heights = [one.val_loss for one in self.evals]
        return Line(self._places(self.evals, view), np.array(heights, np.float64))

    def _places(self, events: Sequence[Any], view: View) -> Floats:
        """Where on the axis events stand; those that bear no such figure stand at their step."""
        if view.axis == "time":
            places = np.array([event.elapsed for event in events], np.float64)
        elif view.axis == "steps" or not len(self.step):
            places = np.array([event.step for event in events], np.float64)
        else:
            steps = np.array([event.step for event in events], np.float64)
            places = np.interp(steps, self.step, self.tokens)
        return to_axis(places, log=view.log)

    def draw(self, view: View, columns: int) -> Drawing:
        """What is to be drawn on so many columns of dots."""
        if view.unit == "bits" and self.bits_per_nat() is None:
            view = replace(view, unit="nats")
        held_out = self._eval_line(view)
        x = to_axis(self.along(view.axis), log=view.log)
        if not len(x) and not len(held_out):
            return Drawing(view)
        ends = [line for line in (x, held_out.x) if len(line)]
        first, last = min(float(line[0]) for line in ends), max(float(line[-1]) for line in ends)
        if view.follow:
            first = self._followed_from(view, first, last)
        if last <= first:
            first, last = first - 0.5, last + 0.5
        last += 0.006 * (last - first)  # so that what stands at the end is not at the very edge
        begin = max(0, int(np.searchsorted(x, first)) - 1)
        scale = self._scale(view.unit)
        raw = band(x[begin:], self.loss[begin:] * scale, columns, (first, last))
        smooth = means(x[begin:], self.smooth[begin:] * scale, columns, (first, last))
        return Drawing(
            view,
            raw,
            smooth,
            held_out,
            self._places(self.samples, view),
            self._places(self.pauses, view),
            self._places(self.rounds, view),
            (first, last),
            limits(smooth, held_out, (first, last)),
        )

    def _followed_from(self, view: View, first: float, last: float) -> float:
        if view.log:  # the same share of the run, not of the axis
            return math.log10(max(10**first, 10**last * (1.0 - view.share)))
        return last - (last - first) * view.share

    def held_out(self, view: View, columns: int) -> Line:
        """The held-out loss alone: what is laid over another run's curve. Smoothed training loss where there is
        none."""
        if self.evals:
            return self._eval_line(view)
        x = to_axis(self.along(view.axis), log=view.log)
        if not len(x):
            return NOTHING
        return means(x, self.smooth * self._scale(view.unit), columns, (float(x[0]), float(x[-1]) or 1.0))

    def read(self, view: View, x: float) -> Reading | None:
        """The values at a place of the axis: those of the step nearest to it."""
        if not len(self.step):
            return None
        along = to_axis(self.along(view.axis), log=view.log)
        after = int(np.clip(np.searchsorted(along, x), 0, len(along) - 1))
        before = max(0, after - 1)
        place = before if abs(along[before] - x) < abs(along[after] - x) else after
        scale = self._scale(view.unit)
        step = int(self.step[place])
        evaluated = [one for one in self.evals if one.step <= step]
        held_out = math.nan
        if evaluated:
            held_out = evaluated[-1].bits_per_byte if view.unit == "bits" else evaluated[-1].val_loss
        return Reading(
            step,
            float(self.elapsed[place]),
            int(self.tokens[place]),
            float(self.smooth[place] * scale),
            float(self.loss[place] * scale),
            held_out,
        )


def to_axis(values: Floats, *, log: bool) -> Floats:
    """The values where they are drawn."""
    return np.log10(np.maximum(values, 1e-3)) if log else values


def smoothed(loss: Floats) -> Floats:
    """The running mean around each step: over a sixth of what has been by then, and over a fortieth of the run at most,
    so that the fall at the beginning keeps its shape."""
    count = len(loss)
    if count < 3:
        return loss
    half = np.minimum(np.arange(count) // 12, max(6, count // 80))
    half = np.minimum(half, np.maximum(np.arange(count)[::-1], half // 2))
    sums = np.concatenate(([0.0], np.cumsum(loss)))
    low = np.maximum(np.arange(count) - half, 0)
    high = np.minimum(np.arange(count) + half, count - 1) + 1
    mean: Floats = (sums[high] - sums[low]) / (high - low)
    return mean


def _bins(x: Floats, columns: int, ends: tuple[float, float]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in x each bin that holds something begins, and which bin that is."""
    first, last = ends
    places = ((x - first) * (columns / (last - first))).astype(np.intp).clip(-1, columns)
    begins = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    return begins, places[begins]


def means(x: Floats, y: Floats, columns: int, ends: tuple[float, float]) -> Line:
    """One point for each column that has any: the mean of what falls into it."""
    if len(x) <= columns:
        return Line(x, y)
    begins, _ = _bins(x, columns, ends)
    counts = np.diff(np.concatenate((begins, [len(x)])))
    return Line(np.add.reduceat(x, begins) / counts, np.add.reduceat(y, begins) / counts)


def band(x: Floats, y: Floats, columns: int, ends: tuple[float, float]) -> Line:
    """The points as they are, while they are few; else for each column an upright stroke from the least to the
    largest, up and down in turn so that they join."""
    if len(x) <= 1.5 * columns:
        return Line(x, y)
    begins, _ = _bins(x, columns, ends)
    low, high = np.minimum.reduceat(y, begins), np.maximum.reduceat(y, begins)
    odd = np.arange(len(begins)) % 2 == 1
    heights = np.empty(2 * len(begins))
    heights[0::2], heights[1::2] = np.where(odd, high, low), np.where(odd, low, high)
    return Line(np.repeat(x[begins], 2), heights)


def limits(smooth: Line, held_out: Line, ends: tuple[float, float]) -> tuple[float, float]:
    """The least and the largest loss to show: of the lines that matter, with a little room. What single steps had does
    not count, nor what lies before the part that is shown."""
    parts = [line.y[line.x >= ends[0]] for line in (smooth, held_out) if len(line)]
    heights = np.concatenate(parts) if parts else np.empty(0)
    heights = heights[np.isfinite(heights)]
    if not len(heights):
        return (0.0, 1.0)
    low, high = float(heights.min()), float(heights.max())
    room = 0.06 * (high - low) or 0.05
    return (max(0.0, low - room), high + room)
