"""A training's own side of its ticket: it tells those who watch how far it is, and does what they wish."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from engine.errors import EngineError, StorageError
from engine.events import Event, Pause, Prepare, Resume, Start, to_json
from engine.store import models
from engine.training.control import Control
from engine.training.tickets import State, Ticket, Wish, patiently

LISTEN_SECONDS = 0.2


class Attendance:
    """One run, seen from inside its process. Use it as a context: the ticket's lock is held meanwhile."""

    def __init__(self, ticket: Ticket, control: Control, *, interrupt: Callable[[], None] | None = None) -> None:
        """`interrupt` ends what goes on before there is a model, where `control` is not looked at."""
        self.ticket, self.control, self._interrupt = ticket, control, interrupt
        self.status = ticket.status()
        self.has_model = False
        """Before there is one, a stop leaves nothing."""
        self.over = False
        self._lock = ticket.lock()

    def __enter__(self) -> Attendance:
        """Raises `BusyError` when another process has the ticket."""
        patiently(self._lock)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over = True
        self._lock.release()

    # What it tells

    def note(self, event: Event) -> None:
        """Tell what this event changes."""
        match event:
            case Prepare():
                self.tell(state=State.PREPARING, message=event.message)
            case Start():
                self.has_model = True
                self.tell(state=State.TRAINING, message="", name=event.name, folder=event.path)
            case Pause():
                self.tell(state=State.PAUSED)
            case Resume():
                self.tell(state=State.TRAINING)
        if not self.has_model:
            with contextlib.suppress(OSError), self.ticket.early.open("a", encoding="utf-8") as early:
                early.write(to_json(event) + "\n")

    def tell(self, **changes: Any) -> None:
        """A full disk must not end a training."""
        self.status |= changes
        with contextlib.suppress(StorageError):
            self.ticket.tell(self.status)

    def conclude(self, **outcome: Any) -> dict[str, Any]:
        """Tell how it ended; a model that is to be discarded goes to the trash first. Returns what was told."""
        self.over = True
        if self.ticket.wish() == Wish.DISCARD:
            outcome |= self._discard()
        self.tell(**outcome)
        return outcome

    def _discard(self) -> dict[str, Any]:
        if self.has_model:
            try:
                models.delete(self.status["name"])
            except EngineError as error:
                return failure(error)
        return {"state": State.ENDED, "reason": "discarded", "message": "Discarded."}

    # What it hears

    def _listen(self) -> None:
        """In a thread of its own: do as is wished."""
        interrupted = False
        while not self.over:
            wish = self.ticket.wish()
            if wish.final:
                self.control.stop()
                if self._interrupt is not None and not self.has_model and not interrupted:
                    interrupted = True
                    self._interrupt()
            elif wish == Wish.PAUSE:
                self.control.pause()
            else:
                self.control.resume()
            time.sleep(LISTEN_SECONDS)


def failure(error: EngineError) -> dict[str, Any]:
    """The outcome of a run that failed, as its ticket tells it."""
    return {"state": State.FAILED, "error": type(error).__name__, "message": str(error)}
