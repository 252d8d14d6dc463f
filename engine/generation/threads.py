"""One thread or all of them: whichever has been faster lately.

On an idle machine several threads read a model's weights faster than one. Beside a busy program (training, say) each of them waits
for the slowest, which waits for a core: a step that takes 3 ms alone then takes 100. Which it is cannot be known beforehand and
changes while a text is written, so it is measured as it goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_RETRY = 50  # a trial of the slower way may cost a fiftieth of the time at most
_MEMORY = 0.7  # how much of what was known before stays after a new measurement


class ThreadChoice:
    """How many threads torch takes within `measured` and `chosen`; outside them it is left as the caller set it."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = dict.fromkeys((max(1, torch.get_num_threads()), 1), 0.0)
        self._best = next(iter(self._seconds))
        self._retry_at = 0.0

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """Run with the number of threads that is the best so far."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._best)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Run one of many alike steps, now and then with the number of threads that was slower, and remember how long it took."""
        before, began = torch.get_num_threads(), time.perf_counter()
        trial = len(self._seconds) > 1 and began >= self._retry_at
        threads = next(count for count in self._seconds if count != self._best) if trial else self._best
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            self._learn(threads, time.perf_counter() - began, trial)

    def _learn(self, threads: int, seconds: float, trial: bool) -> None:
        known = self._seconds[threads]
        self._seconds[threads] = seconds if trial or not known else _MEMORY * known + (1 - _MEMORY) * seconds
        if trial:
            self._retry_at = time.perf_counter() + _RETRY * seconds
        if all(self._seconds.values()):
            self._best = min(self._seconds, key=lambda count: self._seconds[count])
