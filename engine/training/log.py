"""A run's log, `events.jsonl`, as others read it: what is new at little cost, and of a long one what a plot needs.

follower = run.follower()
history = follower.catch_up()      # all so far, in columns
for event in follower.poll(): ...  # what is new since; it is in `history` too
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.events import Checkpoint, End, Eval, Event, Pause, Resume, Round, Sample, Start, Step, Warning, from_json

LOG = "run/events.jsonl"
"""Where it lies in a model's folder."""

_BEGINNING = b'{"event": "'  # in a text of the log its quotes would be escaped: it begins an event wherever it stands
_START, _STEP = _BEGINNING + b'start"', _BEGINNING + b'step"'
_COLUMNS = ("elapsed", "step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second")
_WHOLE, _DECIMAL = rb"\d++", rb"-?\d++(?:\.\d++)?(?:e[+-]?\d++)?"
_NUMBERS = re.compile(  # a step as `to_json` writes it
    _STEP
    + b"".join(
        b', "%s": (%s)' % (name.encode(), _WHOLE if name in ("step", "tokens") else _DECIMAL) for name in _COLUMNS
    )
)
_MOST = 10_000  # steps that are read of a log at once: more than any screen has columns for
_MARK = 64  # bytes at a log's beginning that tell it from another
_TAIL = 1 << 16


def parse(line: bytes) -> Event | None:
    """The event in a line. Where a process died in the middle of one, the next stands in the same line behind it."""
    beginning = max(line.rfind(_BEGINNING), 0)
    return from_json(line[beginning:].decode("utf-8", "replace"))


def last_event(path: Path) -> Event | None:
    """The last event of a log; None when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
            lines = log.read().split(b"\n")
    except OSError:
        return None
    return next((event for line in reversed(lines) if (event := parse(line)) is not None), None)


class LogReader:
    """Whole lines that were added to a log since the last look. A log that begins anew is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._mark = b""
        self._seen: tuple[int, int] | None = None

    def lines(self) -> list[bytes]:
        """Costs one look at the file's size when nothing was added. A line that is still being written has to wait."""
        try:
            status = self.path.stat()
            if (stamp := (status.st_size, status.st_mtime_ns)) == self._seen:
                return []
            with self.path.open("rb") as log:
                mark = log.read(_MARK)
                if not mark.startswith(self._mark):
                    self._offset = 0
                self._mark = mark
                log.seek(self._offset)
                new = log.read()
        except OSError:
            return []
        self._seen = stamp
        whole = new.rfind(b"\n") + 1
        self._offset += whole
        return new[: whole - 1].split(b"\n") if whole else []


class History:
    """What a plot of a run needs, gathered from its log: numbers of steps in columns, and the rarer events whole.

    A run that is gone on with from an earlier step takes back what came after that step.
    """

    def __init__(self) -> None:
        self.start: Start | None = None
        self.last: Step | None = None
        self.end: End | None = None
        self.warnings: list[Warning] = []
        self._clear()

    def _clear(self) -> None:
        self.step, self.tokens = array("q"), array("q")
        self.elapsed, self.loss, self.lr = array("d"), array("d"), array("d")
        self.grad_norm, self.tokens_per_second = array("d"), array("d")
        self.evals: list[Eval] = []
        self.samples: list[Sample] = []
        self.checkpoints: list[Checkpoint] = []
        self.pauses: list[Pause | Resume] = []
        self.rounds: list[Round] = []

    def feed(self, lines: Sequence[bytes]) -> None:
        """Add lines of a log: all events but steps, and of very many steps at once every second, third, … one."""
        every = len(lines) // _MOST + 1
        steps: list[bytes] = []
        for line in lines:
            if line.startswith(_STEP):
                steps.append(line)
                continue
            self._add_steps(steps[::-every][::-1])  # the last one is among them
            steps.clear()
            if (event := parse(line)) is not None:
                self.add(event)
        self._add_steps(steps[::-every][::-1])

    def _add_steps(self, steps: list[bytes]) -> None:
        if not steps:
            return
        found = _NUMBERS.findall(b"\n".join(steps))
        last = parse(steps[-1])
        if len(found) != len(steps) or not isinstance(last, Step):
            for line in steps:  # a loss that is no number, a line cut off, or what another version wrote
                if (event := parse(line)) is not None:
                    self.add(event)
            return
        for name, numbers in zip(_COLUMNS, zip(*found, strict=True), strict=True):
            column = self._column(name)
            column.extend(map(int if column.typecode == "q" else float, numbers))
        self.last, self.end = last, None

    def _column(self, name: str) -> array[float]:
        column: array[float] = getattr(self, name)
        return column

    def add(self, event: Event) -> None:
        """Add one event."""
        match event:
            case Step():
                for name in _COLUMNS:
                    self._column(name).append(getattr(event, name))
                self.last, self.end = event, None
            case Eval():
                self.evals.append(event)
            case Sample():
                self.samples.append(event)
            case Checkpoint():
                self.checkpoints.append(event)
            case Pause() | Resume():
                self.pauses.append(event)
            case Round():
                if not self.rounds or self.rounds[-1].number < event.number:  # a resumed run says again where it is
                    self.rounds.append(event)
            case Warning():
                self.warnings.append(event)
            case Start():
                self.start, self.end = event, None
                self._rewind(event.resumed_from)
            case End():
                self.end = event

    def _rewind(self, step: int) -> None:
        """Take back what came after `step`: the run went on from there."""
        if not step:
            self._clear()
            return
        kept = bisect_right(self.step, step)
        for name in _COLUMNS:
            del self._column(name)[kept:]
        self.evals = [event for event in self.evals if event.step <= step]
        self.samples = [event for event in self.samples if event.step <= step]
        self.checkpoints = [event for event in self.checkpoints if event.step <= step]
        self.pauses = [event for event in self.pauses if event.step <= step]
        self.rounds = [event for event in self.rounds if event.step < step]


class Follower:
    """The events of a run, each once: those of its preparing, which stand beside it, then those of its log."""

    def __init__(self, folder: Callable[[], Path | None], early: Path | None = None) -> None:
        """`folder()`: the model's folder once the log in it is this run's own; `early`: where its preparing is told."""
        self.history = History()
        self._folder = folder
        self._early = LogReader(early) if early is not None else None
        self._told: set[bytes] = set()
        self._log: LogReader | None = None

    def catch_up(self) -> History:
        """Read all that is new into the history, and give no events of it: the quick way to open a long log."""
        self.history.feed(self._lines())
        return self.history

    def poll(self) -> list[Event]:
        """The events since the last look."""
        events = [event for line in self._lines() if (event := parse(line)) is not None]
        for event in events:
            self.history.add(event)
        return events

    def _lines(self) -> list[bytes]:
        if self._log is None and (folder := self._folder()) is not None:
            self._log = LogReader(folder / LOG)
        early = self._early.lines() if self._early is not None else []
        self._told.update(early)
        logged = self._log.lines() if self._log is not None else []
        if logged and self._told:  # a new run's log begins with what was told while it was prepared
            logged = [line for line in logged if line not in self._told]
            if any(line.startswith(_START) for line in logged):
                self._told.clear()
        return early + logged
