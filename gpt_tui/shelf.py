"""What the library shows, read from the store and from the runs into plain values. Knows nothing of screens; its
methods take time and are called in a thread, one at a time."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine import locations
from engine.errors import EngineError
from engine.training.tickets import State
from gpt_tui.late import Late
from gpt_tui.phrases import moment, without_options

if TYPE_CHECKING:
    from engine import events
    from engine.events import Prepare, Sample
    from engine.store import models
    from engine.store.models import ModelRecord
    from engine.training import log, runs
    from engine.training.log import Follower, History
else:  # read in a thread, after the first frame
    events, log = Late("engine.events"), Late("engine.training.log")
    models, runs = Late("engine.store.models"), Late("engine.training.runs")

Points = tuple[tuple[float, float], ...]
"""A curve of learning: seconds of training, bits per byte."""


@dataclass(frozen=True)
class RunView:
    """How a training stands that goes on, or that came to no good end and that nobody has looked at since."""

    run: runs.Run = field(compare=False)
    state: State
    message: str = ""
    """What is being prepared, or how it came to its end; without the run's name."""
    progress: float | None = None
    """From 0 to 1; of the preparing step while it is prepared, None when that is not known."""
    bits_per_byte: float = math.nan
    eta: float = math.nan
    points: Points = ()
    sample: tuple[str, str] = ("", "")
    """What it wrote last: the prompt, and what it made of it."""
    resumable: bool = False

    @property
    def alive(self) -> bool:
        return self.state.alive


@dataclass(frozen=True)
class Item:
    """What a row of the library stands for: a model, a run, or both in one."""

    key: str
    """Tells it from all others."""
    name: str
    folder: Path
    record: ModelRecord | None = None
    problem: str = ""
    """What is wrong with a damaged model."""
    changed: float = 0.0
    """When model.toml was written: about when it was trained, known before it is read."""
    read: bool = True
    """Whether `record` and `problem` are known."""
    run: RunView | None = None

    @cached_property
    def corpus(self) -> str:
        return str(self.record.corpus.get("name", "")) if self.record else ""

    @cached_property
    def parameters(self) -> int:
        return self.record.model.parameter_counts()["total"] if self.record else 0

    @property
    def bits_per_byte(self) -> float:
        if self.run is not None and math.isfinite(self.run.bits_per_byte):
            return self.run.bits_per_byte
        return number_of(self.record, "bits_per_byte")

    @cached_property
    def trained(self) -> float:
        """When its training began, in seconds since 1970."""
        return (moment(self.record.created) if self.record else 0.0) or self.changed


@dataclass(frozen=True)
class Details:
    """What is read of a model when it is chosen."""

    points: Points = ()
    sample: tuple[str, str] = ("", "")
    resumable: bool = False
    progress: float = math.nan
    """How far its training came, from 0 to 1."""
    moments: int = 0
    """How many earlier moments are kept."""
    size: int = 0
    """Bytes on the disk."""


def number_of(record: ModelRecord | None, key: str) -> float:
    """A number of the summary; not a number where there is none."""
    value = record.summary.get(key) if record is not None else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


class Shelf:
    """The models and runs as they stand; each look reads only what is new since the last."""

    SCREENFUL = 48
    """Models that are read at once, however long it takes."""
    SCAN_SECONDS = 3.0
    """After how long the models' records are looked at even though no folder has come or gone."""

    def __init__(self) -> None:
        self.busy: set[str] = set()
        """Models that this app is copying or renaming: their locks are held, yet nobody trains them."""
        self._root_changed = -1
        self._scanned = -math.inf
        self._models: dict[str, tuple[tuple[int, int], Item]] = {}
        self._looked_around = -math.inf
        self._others: list[runs.Run] = []
        self._followers: dict[str, tuple[Follower, Prepare | None]] = {}

    def look(self, seconds: float = math.inf) -> list[Item]:
        """All there is. Records are read for about so long, but at least a screenful, the newest first; the rest says
        `read=False`."""
        self._scan()
        self._read(time.monotonic() + seconds)
        views = self._runs()
        taken = {item.name for item in views if item.key == _run_key(item.name)}
        return views + [item for _, item in self._models.values() if item.name not in taken]

    def again(self) -> None:
        """Let the next look see everything anew."""
        self._scanned = self._looked_around = -math.inf

    # Models

    def _scan(self) -> None:
        """Which models there are, and which of them have changed; costs one look at the folder when none came or
        went."""
        root = locations.models_dir()
        try:
            changed = root.stat().st_mtime_ns
        except OSError:
            self._models, self._root_changed = {}, -1
            return
        if changed == self._root_changed and time.monotonic() - self._scanned < self.SCAN_SECONDS:
            return
        self._root_changed, self._scanned = changed, time.monotonic()
        found: dict[str, tuple[tuple[int, int], Item]] = {}
        with contextlib.suppress(OSError), os.scandir(root) as folders:
            for folder in folders:
                if not folder.name.startswith(".") and folder.is_dir():
                    found[folder.name] = self._stand(folder)
        self._models = found

    def _stand(self, folder: os.DirEntry[str]) -> tuple[tuple[int, int], Item]:
        """What is known of a model by now."""
        try:
            status = os.stat(f"{folder.path}/{models.RECORD}")  # noqa: PTH116 - a thousand paths take their time
            stamp, changed = (status.st_mtime_ns, status.st_size), status.st_mtime
        except OSError:
            stamp, changed = (0, 0), 0.0
        known = self._models.get(folder.name)
        if known is not None and known[0] == stamp:
            return known
        return stamp, Item(folder.name, folder.name, Path(folder.path), changed=changed, read=False)

    def _read(self, until: float) -> None:
        unread = [item for _, item in self._models.values() if not item.read]
        for number, item in enumerate(sorted(unread, key=lambda item: item.changed, reverse=True), start=1):
            stamp, _ = self._models[item.name]
            self._models[item.name] = stamp, _with_record(item)
            if number >= self.SCREENFUL and time.monotonic() > until:
                return

    # Runs

    def _runs(self) -> list[Item]:
        """The trainings that go on, then those that were broken off, the newest of each first."""
        alive: list[Item] = []
        over: list[Item] = []
        known = set()
        for run in self._candidates():
            report = run.report()
            if report.state == State.ENDED and report.reason != "diverged":
                continue
            known.add(_follower_key(run))
            view = self._view(run, report)
            model = self._models.get(report.name)
            if model is not None and (run.ticket is None or _owns(run, report)):
                item = replace(model[1], key=_run_key(report.name), run=view)
            elif model is None:
                item = Item(_run_key(report.name), report.name, report.folder, run=view)
            else:  # it failed before it touched the model of its name
                item = Item(_follower_key(run), report.name, run.ticket.folder if run.ticket else Path(), run=view)
            (alive if report.alive else over).append(item)
        self._followers = {key: kept for key, kept in self._followers.items() if key in known}
        return alive + over

    def _candidates(self) -> Iterable[runs.Run]:
        """Runs that the app started; and those of command lines, for which every model's folder is looked into."""
        yield from runs.recent()
        read = all(item.read for _, item in self._models.values())
        if read and time.monotonic() - self._looked_around > self.SCAN_SECONDS:
            self._looked_around = time.monotonic()
            self._others = [run for run in runs.running() if run.ticket is None]
        yield from (run for run in self._others if run.name not in self.busy and run.report().alive)

    def _view(self, run: runs.Run, report: runs.Report) -> RunView:
        key = _follower_key(run)
        follower, preparing = self._followers.get(key) or (run.follower(), None)
        if follower.history.start is None and report.state == State.PREPARING:
            preparing = next((e for e in reversed(follower.poll()) if isinstance(e, events.Prepare)), preparing)
        else:
            follower.catch_up()
        self._followers[key] = follower, preparing
        return _view_of(run, report, follower.history, preparing)


def _view_of(run: runs.Run, report: runs.Report, history: History, preparing: Prepare | None) -> RunView:
    last, progress = history.last, None
    message = without_options(report.message.removeprefix(f"{report.name}: "))
    if last is not None:
        progress = last.progress
    elif preparing is not None:
        message, progress = preparing.message, preparing.progress
    return RunView(
        run=run,
        state=report.state,
        message=message,
        progress=progress,
        bits_per_byte=history.evals[-1].bits_per_byte if history.evals else math.nan,
        eta=last.eta if last is not None else math.nan,
        points=_points(history),
        sample=_sample(history.samples),
        resumable=report.resumable,
    )


def read_points(folder: Path) -> Points:
    """A model's curve, from its log."""
    history = log.History()
    history.feed([line for line in log.LogReader(folder / log.LOG).lines() if line.startswith((_EVAL, _START))])
    return _points(history)


def read_details(item: Item) -> Details:
    """What is read of a model when it is chosen."""
    history = _history(item.folder)
    prompt, text = _sample(history.samples)
    kept = item.record.summary.get("sample") if item.record is not None else None
    if not text and isinstance(kept, str):
        prompt, text = "", kept
    return Details(
        points=_points(history),
        sample=(prompt, text),
        resumable=runs.is_resumable(item.folder),
        progress=history.last.progress if history.last is not None else math.nan,
        moments=len(models.checkpoints(item.folder)),
        size=_size(item.folder),
    )


def trashed() -> list[str]:
    """The names of the models in the trash, the one deleted last first."""
    from engine import files

    deleted = files.trashed(models.TRASH)
    return sorted(deleted, key=lambda name: deleted[name][0].name, reverse=True)


def has_weights(folder: Path) -> bool:
    return (folder / "weights.safetensors").is_file()


def _with_record(item: Item) -> Item:
    try:
        return replace(item, record=models.read_record(item.folder), problem="", read=True)
    except EngineError as error:
        said = str(error).partition(": ")[2].removeprefix(f"{models.RECORD} is damaged: ")
        return replace(item, record=None, problem=said, read=True)


def _history(folder: Path) -> History:
    """Its evaluations and samples; of its steps the last alone."""
    history = log.History()
    lines = log.LogReader(folder / log.LOG).lines()
    steps = [line.startswith(_STEP) and line.rfind(_EVENT) == 0 for line in lines]  # not what stands behind half a step
    history.feed([line for line, is_step in zip(lines, steps, strict=True) if not is_step])
    history.feed([line for line, is_step in zip(lines, steps, strict=True) if is_step][-1:])
    return history


_EVENT = b'{"event": "'
_STEP, _EVAL, _START = _EVENT + b'step"', _EVENT + b'eval"', _EVENT + b'start"'


def _points(history: History) -> Points:
    return tuple((event.elapsed, event.bits_per_byte) for event in history.evals if math.isfinite(event.bits_per_byte))


def _sample(samples: Collection[Sample]) -> tuple[str, str]:
    last = list(samples)[-1:]
    return (last[0].prompt, last[0].text) if last else ("", "")


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


def _owns(run: runs.Run, report: runs.Report) -> bool:
    """Whether the model of the run's name is what it trained."""
    return report.alive or (run.ticket is not None and "folder" in run.ticket.status())


def _run_key(name: str) -> str:
    return f"run:{name}"


def _follower_key(run: runs.Run) -> str:
    return f"run:{run.ticket.folder}" if run.ticket is not None else _run_key(run.name)
