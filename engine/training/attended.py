"""A training in this process, on a command line: others watch, pause and stop it as they do one of `runs.start`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine import locations
from engine.errors import EngineError
from engine.events import End, Event
from engine.training import runs
from engine.training.attendance import Attendance, failure
from engine.training.control import Control
from engine.training.tickets import State, Ticket, root


class Attended:
    """A training in this process that others may watch, pause and stop. Its ticket is there from its first event on,
    and goes when it ended well or came to nothing. What hinders the ticket hinders no training."""

    def __init__(self, texts: Sequence[str], options: Mapping[str, Any], control: Control) -> None:
        """Texts and options are those of `train`."""
        self._texts, self._options, self._control = texts, options, control
        self._attendance: Attendance | None = None
        self._opened = False
        self._end: End | None = None

    def note(self, event: Event) -> None:
        """Each event of the training, as it comes."""
        if not self._opened:
            self._opened = True
            with contextlib.suppress(EngineError, OSError):
                self._attendance = Attendance(self._ticket(), self._control).__enter__()
        if self._attendance is not None:
            self._attendance.note(event)
        if isinstance(event, End):
            self._end = event

    def _ticket(self) -> Ticket:
        found = [(run, run.report()) for run in runs.recent()]
        alive = {report.name.casefold() for _, report in found if report.alive}
        name = self._options.get("name") or runs.own_name(self._texts, alive)
        status = {"name": name, "message": "Starting"}
        if self._options.get("resume"):
            status["folder"] = str(locations.models_dir() / name)  # its log goes on
        if name.casefold() not in alive:
            runs.forget_what_is_over(name, found)
        return Ticket.new({}, status)

    def conclude(self, error: BaseException | None = None) -> bool:
        """The training is over: with `error`, or as its last event says. Returns whether it was discarded."""
        if self._attendance is None:
            return False
        try:
            outcome = self._attendance.conclude(**self._outcome(error))
        finally:
            self._attendance.__exit__()
        reason = outcome.get("reason")
        if not self._attendance.has_model or reason in ("budget", "converged"):
            self._attendance.ticket.drop()
            with contextlib.suppress(OSError):
                root().rmdir()  # if nothing else is in it
        return reason == "discarded"

    def _outcome(self, error: BaseException | None) -> dict[str, Any]:
        if isinstance(error, EngineError):
            return failure(error)
        if isinstance(error, Exception):
            return failure(EngineError(f"It failed unexpectedly: {type(error).__name__}: {str(error)[:300]}"))
        if self._end is None:
            return {"state": State.ENDED, "reason": "stopped", "message": ""}
        return {"state": State.ENDED, "reason": self._end.reason, "message": self._end.message}
