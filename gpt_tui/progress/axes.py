"""The figures along a plot's axes: times, counts and losses at round places, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from textual_plot.axis_formatter import AxisFormatter

from gpt_tui.terminal import count, duration

_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def clock(seconds: float) -> str:
    """5 → 5 s; 75 → 1:15."""
    return f"{seconds:g} s" if seconds < 60 else duration(seconds)


def round_interval(span: float, room: int) -> float:
    """The smallest of …, 1, 2, 5, 10, … that divides a span into at most `room` parts."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    least = span / max(1, room)
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10, 20) if power * digit >= least)


def _time_interval(span: float, room: int) -> float:
    if span < room:
        return max(round_interval(span, room), 0.1)
    fitting = next((seconds for seconds in _SECONDS if span / seconds <= room), None)
    return float(fitting) if fitting is not None else 86_400 * round_interval(span / 86_400, room)


def _multiples(low: float, high: float, interval: float) -> list[float]:
    first = math.ceil(low / interval - 1e-9)
    return [interval * number for number in range(first, math.floor(high / interval + 1e-9) + 1)]


class Ticks(AxisFormatter):
    """Round places between two ends, `room` of them at most. `kind`: `time` in seconds, `count`, or `loss`."""

    def __init__(self, kind: str, *, log: bool = False, room: int = 8) -> None:
        self.kind, self.log, self.room = kind, log, room

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        if self.log:
            return self._log_ticks(min_, max_)
        interval: Callable[[float, int], float] = _time_interval if self.kind == "time" else round_interval
        wide = interval(max_ - min_, self.room)
        return _multiples(min_, max_, max(1.0, wide) if self.kind == "count" else wide)

    def _log_ticks(self, low: float, high: float) -> list[float]:
        """1, 2, 5, 10, … where there is room, else the tens alone, else every second, third, … of them; times at
        whole minutes and hours."""
        if self.kind == "time":
            places = [math.log10(seconds) for seconds in _SECONDS if low <= math.log10(seconds) <= high]
        else:
            decades = range(math.floor(low), math.ceil(high) + 1)
            places = [decade + math.log10(digit) for decade in decades for digit in (1, 2, 5)]
            places = [place for place in places if low <= place <= high]
            if len(places) > self.room:
                places = [place for place in places if abs(place - round(place)) < 1e-9]
        if not places:
            return _multiples(low, high, round_interval(high - low, self.room))
        return _apart(places, (high - low) / max(1, self.room))

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        values = [10**tick for tick in ticks] if self.log else list(ticks)
        if self.kind == "time":
            in_one_way = clock if max(values, default=0.0) < 60 else duration
            return [in_one_way(round(value, 1)) for value in values]
        if self.kind == "count":
            return [count(value) for value in values]
        apart = ticks[1] - ticks[0] if len(ticks) > 1 else 0.1
        decimals = max(1, min(4, -math.floor(math.log10(apart) + 1e-9))) if apart > 0 else 1
        return [f"{value:.{decimals}f}" for value in values]


def _apart(places: list[float], least: float) -> list[float]:
    """Those of the places that are not too near to the one kept before."""
    kept: list[float] = []
    for place in places:
        if not kept or place - kept[-1] >= least:
            kept.append(place)
    return kept
