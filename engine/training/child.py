"""The process that `runs.start` starts: trains as its ticket asks, tells how far it is, and listens.

python -m engine.training.child TICKET
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import signal
import sys
import time
import traceback
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

from engine import files
from engine.courtesy import give_way
from engine.errors import BusyError, EngineError, NameTakenError
from engine.events import End, Event
from engine.store import models
from engine.training.attendance import Attendance, failure
from engine.training.control import Control
from engine.training.tickets import State, Ticket

NICENESS = 10
"""How far training steps back behind the keys, the screen and the writing of the app, while those have work."""


class Child:
    """One run, seen from inside its process."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.request = ticket.request()
        self.began = time.monotonic() - min(ticket.age(), 60.0)
        """When the run was started: from there a budget of minutes counts."""
        self.control = Control()
        self.attendance = Attendance(ticket, self.control, interrupt=_thread.interrupt_main)
        self.interruptible = False

    def run(self) -> int:
        """Train, and tell how it went; returns the exit status. Raises `BusyError` when another has the ticket."""
        signal.signal(signal.SIGINT, self._hear)
        signal.signal(signal.SIGTERM, self._hear)
        with self.attendance:
            outcome = self.attendance.conclude(**self._outcome())
        return 0 if outcome["state"] == State.ENDED else 1

    def _outcome(self) -> dict[str, Any]:
        try:
            self.interruptible = True
            if self.control.stopping:  # heard just before
                raise KeyboardInterrupt
            end = self._train()
            return {"state": State.ENDED, "reason": end.reason, "message": end.message}
        except KeyboardInterrupt:
            message = "" if self.attendance.has_model else "Stopped before training began."
            return {"state": State.ENDED, "reason": "stopped", "message": message}
        except EngineError as error:
            return failure(error)
        except BaseException as error:
            traceback.print_exc()
            return failure(EngineError(self._explain(error)))
        finally:
            self.interruptible = False

    def _train(self) -> End:
        self.attendance.tell(state=State.PREPARING, message="Loading PyTorch")
        last: Event | None = None
        with contextlib.closing(self._events()) as events:
            for last in events:
                self.attendance.note(last)
        if not isinstance(last, End):
            raise RuntimeError("the training ended without a word")
        return last

    def _events(self) -> Generator[Event, None, None]:
        from engine.training.trainer import train  # a second passes in importing torch

        texts, options = self.request["texts"], self.request["options"]
        _tidy(options["name"])
        try:
            yield from train(*texts, **options, control=self.control, began=self.began)
        except NameTakenError:
            if self.request["named"]:
                raise
            # Somebody took the name that was free when this run was started: then the next one.
            yield from train(*texts, **{**options, "name": None}, control=self.control, began=self.began)

    def _explain(self, error: BaseException) -> str:
        text = " ".join(str(error).split())[:300] or "no message"
        if isinstance(error, MemoryError) or "not enough memory" in text:
            return "Memory ran out: close other programs, or train a smaller model, or one with a smaller batch_size."
        return f"It failed unexpectedly: {type(error).__name__}: {text}. Details are in {self.ticket.output}"

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """A signal, in the main thread: the system shuts down, or the preparing is to end."""
        self.control.stop()
        if self.interruptible and not self.attendance.has_model:
            raise KeyboardInterrupt


def _tidy(name: str) -> None:
    """Take away what a killed process signed the model with: whoever sees a signature tries the lock, and would hold
    it at the moment in which this run wants it."""
    with contextlib.suppress(EngineError):
        files.ModelLock(models.find(name)).acquire().release()


def main(folder: Path) -> int:
    faulthandler.enable()
    give_way(NICENESS)
    try:
        return Child(Ticket(folder)).run()
    except BusyError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
