"""What is asked of a running training from outside, and its clock."""

from __future__ import annotations

import threading
import time


class Control:
    """Requests to a running training from another thread or a signal handler, seen between two steps."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._pause = threading.Event()

    def stop(self) -> None:
        """Save and end."""
        self._stop.set()

    def pause(self) -> None:
        """Save, and wait until `resume` or `stop`."""
        self._pause.set()

    def resume(self) -> None:
        self._pause.clear()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        return self._pause.is_set() and not self.stopping


class Clock:
    """Seconds since the command began. Pauses do not count, nor what lay between an interruption and going on."""

    def __init__(self, began: float | None, control: Control) -> None:
        self.began = time.monotonic() if began is None else began
        self.control = control
        self.before = 0.0
        """Seconds that earlier commands gave to the same run."""
        self.paused = 0.0

    def __call__(self) -> float:
        return self.before + time.monotonic() - self.began - self.paused

    def wait(self) -> None:
        """Wait, off the clock, until the training is told to go on or to stop."""
        begun = time.monotonic()
        while self.control.paused:
            time.sleep(0.05)
        self.paused += time.monotonic() - begun
