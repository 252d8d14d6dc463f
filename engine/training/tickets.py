"""A run's ticket: a folder in `models/.runs/` through which a training's process and those who watch it speak. It is
there before the model's own folder is, and in it lie

    request.json   what was asked for
    status.json    how far it is: told by the process, before that by whoever started it
    wish.json      what is asked of it now
    early.jsonl    its events before the model has a folder and a log
    lock           held for as long as the process lives

A wish is a state and no message in a queue: what was asked last counts, and nothing can be missed. What the process
prints goes to `logs/`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine import files, locations
from engine.errors import BusyError, StorageError


class State(StrEnum):
    """How a run stands. ENDED: also when it was stopped. FAILED: its process says why. DIED: it says nothing more."""

    STARTING = "starting"
    PREPARING = "preparing"
    TRAINING = "training"
    PAUSED = "paused"
    ENDED = "ended"
    FAILED = "failed"
    DIED = "died"

    @property
    def alive(self) -> bool:
        return self in (State.STARTING, State.PREPARING, State.TRAINING, State.PAUSED)


class Wish(StrEnum):
    """What is asked of a run."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    DISCARD = "discard"

    @property
    def final(self) -> bool:
        return self in (Wish.STOP, Wish.DISCARD)


def root() -> Path:
    """Where the tickets lie: no model's name begins with a dot."""
    return locations.models_dir() / ".runs"


def all_tickets() -> list[Ticket]:
    """The newest first."""
    with contextlib.suppress(OSError):
        return [Ticket(path) for path in sorted(root().iterdir(), reverse=True) if path.is_dir()]
    return []


@dataclass(frozen=True)
class Ticket:
    """One run's folder. What cannot be read counts as not there; what cannot be written raises `StorageError`."""

    folder: Path

    @staticmethod
    def new(request: dict[str, Any], status: dict[str, Any]) -> Ticket:
        ticket = Ticket(root() / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:4]}")
        _write(ticket.folder / "request.json", request)
        ticket.tell({**status, "state": State.STARTING, "since": time.time()})
        return ticket

    def request(self) -> dict[str, Any]:
        return _read(self.folder / "request.json")

    def status(self) -> dict[str, Any]:
        """`state` and `since` (seconds of the clock on the wall); `name`, `message`, and, where they are known,
        `folder` (the model's, once the log in it is this run's), `reason`, `error` (the name of its kind)."""
        return _read(self.folder / "status.json")

    def tell(self, status: dict[str, Any]) -> None:
        _write(self.folder / "status.json", status)

    def wish(self) -> Wish:
        try:
            return Wish(_read(self.folder / "wish.json").get("wish", Wish.RUN))
        except ValueError:
            return Wish.RUN

    def ask(self, wish: Wish) -> None:
        """There is no way back from a stop but to a discard, and none from that."""
        standing = self.wish()
        if not standing.final or (standing, wish) == (Wish.STOP, Wish.DISCARD):
            _write(self.folder / "wish.json", {"wish": wish})

    def age(self) -> float:
        """Seconds since the run was started; 0 when that is not known."""
        since = self.status().get("since")
        return max(0.0, time.time() - since) if since else 0.0

    def lock(self) -> files.ModelLock:
        return files.ModelLock(self.folder)

    @property
    def early(self) -> Path:
        return self.folder / "early.jsonl"

    @property
    def output(self) -> Path:
        """Where the process writes what it prints."""
        return locations.logs_dir() / f"train-{self.folder.name}.log"

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.output.unlink(missing_ok=True)


def patiently(lock: files.ModelLock, seconds: float = 5.0) -> files.ModelLock:
    """Acquire a lock that others hold, or look at, for moments only. Raises `BusyError` when it takes longer."""
    until = time.monotonic() + seconds
    while True:
        try:
            return lock.acquire()
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, record: dict[str, Any]) -> None:
    """Windows replaces no file at the moment in which another process reads it: then it is tried again."""
    for wait in (0.01, 0.03, 0.1, 0.3):
        try:
            files.write_text(path, json.dumps(record))
            return
        except StorageError:
            if os.name != "nt":
                raise
            time.sleep(wait)
    files.write_text(path, json.dumps(record))
