"""A run's log, `events.jsonl`, as others read it: what is new at little cost, and of a long one what a plot needs."""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from engine.events import Checkpoint, End, Eval, Event, Pause, Resume, Sample, Start, Step, Warning, from_json

LOG = "run/events.jsonl"
"""Where it lies in a model's folder."""

_BEGINNING = b'{"event": "'  # in a text of the log its quotes would be escaped: it begins an event wherever it stands
_STEP = _BEGINNING + b'step"'
_COLUMNS = ("elapsed", "step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second")
_NUMBERS = re.compile(
    _STEP + b"".join(rb', "%s": ([^,}]+)' % name.encode() for name in _COLUMNS)  # as `to_json` writes a step
)
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

    def feed(self, lines: Sequence[bytes]) -> None:
        """Add lines of a log; 100,000 take a fifth of a second."""
        steps: list[bytes] = []
        for line in lines:
            if line.startswith(_STEP):
                steps.append(line)
                continue
            self._add_lines(steps)
            steps.clear()
            if (event := parse(line)) is not None:
                self.add(event)
        self._add_lines(steps)

    def _add_lines(self, steps: list[bytes]) -> None:
        if not steps:
            return
        found = _NUMBERS.findall(b"\n".join(steps))
        last = parse(steps[-1])
        if len(found) != len(steps) or not isinstance(last, Step):
            self._add_each(steps)  # a line cut off, or written by another version
            return
        columns = list(zip(*found, strict=True))
        try:
            read = [
                array(self._column(n).typecode, map(float if self._column(n).typecode == "d" else int, c))
                for n, c in zip(_COLUMNS, columns, strict=True)
            ]
        except ValueError:  # a loss that is no number
            self._add_each(steps)
            return
        for name, numbers in zip(_COLUMNS, read, strict=True):
            self._column(name).extend(numbers)
        self.last, self.end = last, None

    def _add_each(self, steps: list[bytes]) -> None:
        for line in steps:
            if (event := parse(line)) is not None:
                self.add(event)

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
