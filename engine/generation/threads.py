"""One thread or all of them: whichever is faster at the moment.

On an idle machine several threads read a model's weights faster than one. Beside a busy program (training, say) each of
them waits for the slowest, which waits for a core: what takes 3 ms on one thread then takes 100 on two. Which it is
changes while a text is written, so a small piece of the work is timed both ways, again and again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_REPEATS = 3
_EVERY = 0.1  # seconds at least between two trials
_SHARE = 50  # a trial may take a fiftieth of the time


class ThreadChoice:
    """How many threads torch takes within `chosen`; outside it is left as the caller set it."""

    def __init__(self, work: Callable[[], object] | None) -> None:
        """`work`: what is timed; None when several threads never pay."""
        self._work = work if torch.get_num_threads() > 1 else None
        self._all = torch.get_num_threads()
        self._best = 1
        self._try_at = 0.0

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """Run with the number of threads that is the faster."""
        before = torch.get_num_threads()
        try:
            if self._work is not None and time.perf_counter() >= self._try_at:
                self._best = self._faster(self._work)
            torch.set_num_threads(self._best)
            yield
        finally:
            torch.set_num_threads(before)

    def _faster(self, work: Callable[[], object]) -> int:
        began = time.perf_counter()
        seconds = {threads: _seconds(work, threads) for threads in (1, self._all)}
        now = time.perf_counter()
        self._try_at = now + max(_EVERY, _SHARE * (now - began))
        return min(seconds, key=lambda threads: seconds[threads])


def _seconds(work: Callable[[], object], threads: int) -> float:
    """How long a few repeats take: all of them, for to be held up once in a while is what makes many threads slow."""
    torch.set_num_threads(threads)
    began = time.perf_counter()
    for _ in range(_REPEATS):
        work()
    return time.perf_counter() - began
