"""What keeps the app steady: whatever ends it, the terminal is left as it was, and an error of ours is written to the
log and said in one line."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time

from textual import events
from textual.app import App, ScreenStackError
from textual.css.query import NoMatches
from textual.dom import NoScreen
from textual.worker import WorkerFailed

from gpt_tui.terminal import log_exception, say

RESTING_SECONDS = 5.0
"""Without a key for so long, nobody would feel a pause."""
GONE = (NoMatches, NoScreen, ScreenStackError)
"""What is raised to whoever looks for a part of a screen that is there no more."""


class Steady(App[None]):
    """An app that leaves in order."""

    _last_words = ""
    _last_input = 0.0
    """When a key was pressed last, or the mouse moved, by the monotonic clock."""

    def on_mount(self) -> None:
        """Leave in order too when the system asks (kill, a closed terminal), which Textual does not see to."""
        if self.is_headless:
            return
        if not gc.isenabled():
            self.set_timer(1.0, self._keep_house)
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None:
                with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                    loop.add_signal_handler(number, self._leave, 128 + number)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._last_input = time.monotonic()
        await super().on_event(event)

    def _keep_house(self) -> None:
        """Let garbage be collected again. What the start has made stays anyway, and need not be looked through each
        time; and to look through all the rest, for 20 ms and more, waits until nobody types."""
        gc.freeze()
        gc.set_threshold(2000, 20, 10_000)
        gc.enable()
        self.set_interval(RESTING_SECONDS, self._collect_when_resting)

    def _collect_when_resting(self) -> None:
        if time.monotonic() - self._last_input > RESTING_SECONDS:
            gc.collect()

    def _leave(self, status: int) -> None:
        self.exit(return_code=status)

    def _handle_exception(self, error: Exception) -> None:
        """In the place of Textual's, which prints the traceback with all that it holds over the user's terminal."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if not self._running and isinstance(cause, GONE):
            return  # the app leaves, and something still ran
        if self._exception is None:
            self._exception = error  # where tests look
            self._exception_event.set()
        self._return_code = 1
        if not self._last_words:
            self._last_words = last_words(cause)
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()
        if self._last_words:
            say(self._last_words)
            self._last_words = ""


def last_words(error: BaseException) -> str:
    """One line on an error that nobody expected, which is written to the log."""
    try:
        raise error
    except BaseException:
        path = log_exception()
    where = f" Details are in {path}" if path is not None else ""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(": ")
    return f"it failed unexpectedly ({what}) and had to stop. Trainings go on, and what was saved is safe.{where}"
