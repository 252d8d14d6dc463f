"""The process that `runs.start` starts: trains as its ticket asks, tells how far it is, and listens.

python -m engine.training.child TICKET
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

from engine import files
from engine.errors import BusyError, EngineError, NameTakenError, StorageError
from engine.events import End, Event, Pause, Prepare, Resume, Start, to_json
from engine.store import models
from engine.training.control import Control
from engine.training.tickets import State, Ticket, Wish, patiently

LISTEN_SECONDS = 0.2


class Child:
    """One run, seen from inside its process."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.request, self.status = ticket.request(), ticket.status()
        self.began = time.monotonic() - min(ticket.age(), 60.0)
        """When the run was started: from there a budget of minutes counts."""
        self.control = Control()
        self.has_model = False
        """Before there is one, a stop leaves nothing."""
        self.over = self.interrupted = False

    def run(self) -> int:
        """Train, and tell how it went; returns the exit status."""
        signal.signal(signal.SIGINT, self._hear)
        signal.signal(signal.SIGTERM, self._hear)
        threading.Thread(target=self._listen, daemon=True).start()
        outcome: dict[str, Any]
        try:
            end = self._train()
            outcome = {"state": State.ENDED, "reason": end.reason, "message": end.message}
        except KeyboardInterrupt:
            message = "" if self.has_model else "Stopped before training began."
            outcome = {"state": State.ENDED, "reason": "stopped", "message": message}
        except EngineError as error:
            outcome = _failure(error)
        except BaseException as error:
            traceback.print_exc()
            outcome = _failure(EngineError(self._explain(error)))
        self.over = True
        if self.ticket.wish() == Wish.DISCARD:
            outcome |= self._discard()
        self._tell(**outcome)
        return 0 if outcome["state"] == State.ENDED else 1

    def _train(self) -> End:
        self._tell(state=State.PREPARING, message="Loading PyTorch")
        last: Event | None = None
        with contextlib.closing(self._events()) as events:
            for last in events:
                self._note(last)
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

    def _discard(self) -> dict[str, Any]:
        if self.has_model:
            try:
                models.delete(self.status["name"])
            except EngineError as error:
                return _failure(error)
        return {"state": State.ENDED, "reason": "discarded", "message": "Discarded."}

    # What it tells

    def _note(self, event: Event) -> None:
        match event:
            case Prepare():
                self._tell(message=event.message)
            case Start():
                self.has_model = True
                self._tell(state=State.TRAINING, message="", name=event.name, folder=event.path)
            case Pause():
                self._tell(state=State.PAUSED)
            case Resume():
                self._tell(state=State.TRAINING)
        if not self.has_model:
            with contextlib.suppress(OSError), self.ticket.early.open("a", encoding="utf-8") as early:
                early.write(to_json(event) + "\n")

    def _tell(self, **changes: Any) -> None:
        """A full disk must not end a training."""
        self.status |= changes
        with contextlib.suppress(StorageError):
            self.ticket.tell(self.status)

    # What it hears

    def _listen(self) -> None:
        """In a thread of its own: do as is wished."""
        while not self.over:
            wish = self.ticket.wish()
            if wish.final:
                self.control.stop()
                if not self.has_model and not self.interrupted:
                    self.interrupted = True
                    _thread.interrupt_main()
            elif wish == Wish.PAUSE:
                self.control.pause()
            else:
                self.control.resume()
            time.sleep(LISTEN_SECONDS)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """A signal, in the main thread: the system shuts down, or `_listen` wants the preparing to end."""
        self.control.stop()
        if not self.has_model and not self.over:
            raise KeyboardInterrupt


def _failure(error: EngineError) -> dict[str, Any]:
    return {"state": State.FAILED, "error": type(error).__name__, "message": str(error)}


def _tidy(name: str) -> None:
    """Take away what a killed process signed the model with: whoever sees a signature tries the lock, and would hold
    it at the moment in which this run wants it."""
    with contextlib.suppress(EngineError):
        files.ModelLock(models.find(name)).acquire().release()


def main(folder: Path) -> int:
    faulthandler.enable()
    ticket = Ticket(folder)
    try:
        lock = patiently(ticket.lock())
    except BusyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        return Child(ticket).run()
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
