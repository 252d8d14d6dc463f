"""Ctrl-C and its relatives, heard so that nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last two are not on every platform


class Interrupts:
    """While this is entered, Ctrl-C, SIGTERM and a terminal that closes call `stop` the first time.

    The second time they raise KeyboardInterrupt.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.stop = stop
        self.heard = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # Python lets no other set handlers
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) is not signal.SIG_IGN:  # what nohup ignores stays ignored
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stay(self) -> None:
        """Go on hearing them when this is left: the process has only its last words to say."""
        self._before.clear()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.heard += 1
        if self.heard > 1:
            raise KeyboardInterrupt
        self.stop()


@contextmanager
def held_back() -> Iterator[None]:
    """For heavy imports: a Ctrl-C is heard when they are done.

    In their middle it would surface as an error of theirs. Raises KeyboardInterrupt.
    """
    with Interrupts(lambda: None) as interrupts:
        yield
    if interrupts.heard:
        raise KeyboardInterrupt
