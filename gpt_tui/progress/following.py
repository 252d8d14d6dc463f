"""Following a run from a thread: one `Look` after another at how it stands. No Textual, no numpy.

A `Look` is whole and never changes, so that a screen may keep it while the thread goes on reading.
"""

from __future__ import annotations

import threading
import time
from array import array
from dataclasses import dataclass, field

from engine.errors import EngineError
from engine.events import End, Eval, Pause, Prepare, Resume, Round, Sample, Start, Step, Warning
from engine.store.models import checkpoints
from engine.training.log import Follower, History, LogReader, parse
from engine.training.runs import Report, Run
from engine.training.tickets import State

REPORT_SECONDS = 0.4
"""Between two questions whether the process is alive: each reads a file and tries a lock."""
COLUMN_SECONDS = 0.35
"""Between two copies of a run's numbers: a curve need not be drawn more often."""


@dataclass(frozen=True)
class Columns:
    """The numbers of a run's steps, one array each, all of one length."""

    elapsed: array[float] = field(default_factory=lambda: array("d"))
    step: array[int] = field(default_factory=lambda: array("q"))
    tokens: array[int] = field(default_factory=lambda: array("q"))
    loss: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def of(cls, history: History) -> Columns:
        """A copy: the history's own arrays grow."""
        return cls(history.elapsed[:], history.step[:], history.tokens[:], history.loss[:])


@dataclass(frozen=True)
class Look:
    """How a run stands at one moment."""

    report: Report
    prepared: tuple[Prepare, ...] = ()
    """What was done before the first step, in order; the last of it is being done while there is no `start`."""
    start: Start | None = None
    step: Step | None = None
    end: End | None = None
    loss: float = float("nan")
    """Of the last steps, smoothed."""
    columns: Columns = field(default_factory=Columns)
    evals: tuple[Eval, ...] = ()
    samples: tuple[Sample, ...] = ()
    pauses: tuple[Pause | Resume, ...] = ()
    rounds: tuple[Round, ...] = ()
    warnings: tuple[Warning, ...] = ()
    kept: tuple[int, ...] = ()
    """The steps whose weights are kept."""

    @property
    def name(self) -> str:
        return self.report.name

    @property
    def state(self) -> State:
        return self.report.state

    @property
    def best(self) -> Eval | None:
        """The evaluation with the fewest bits per byte."""
        known = [one for one in self.evals if one.bits_per_byte == one.bits_per_byte]
        return min(known, key=lambda one: one.bits_per_byte) if known else None

    @property
    def progress(self) -> float:
        """The share of the budget that is used, from 0 to 1."""
        if self.end is not None and self.end.reason in ("budget", "converged"):
            return 1.0
        return self.step.progress if self.step is not None else 0.0


class Following:
    """A run, looked at again and again. Everything here reads files: call it from a thread."""

    SMOOTHED = 40
    """Steps that the loss in words is the mean of."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._follower: Follower = run.follower()
        self._early = LogReader(run.ticket.early) if run.ticket is not None else None
        self._prepared: list[Prepare] = []
        self._report: Report | None = None
        self._reported = self._copied = 0.0
        self._columns = Columns()
        self._kept: tuple[int, ...] = ()
        self._shape: tuple[int, ...] = ()
        self._last: Look | None = None
        self._looking = threading.Lock()

    def forget(self) -> None:
        """Whoever looks next is told of everything."""
        self._last = None

    def look(self) -> Look | None:
        """How it stands now; None when nothing has changed since the last look."""
        with self._looking:  # a thread that was told to end may still be at it when the next begins
            return self._look_now()

    def _look_now(self) -> Look | None:
        now = time.monotonic()
        over_before = self._report is not None and not self._report.alive
        if self._report is None or now - self._reported > (2.0 if over_before else REPORT_SECONDS):
            # Asked before the log is read: when it is over, nothing of the log can be missed.
            self._report, self._reported = self.run.report(), now
        history = self._follower.catch_up()
        self._note_preparing()
        shape = _shape(history)
        due = now - self._copied > COLUMN_SECONDS or not self._report.alive
        if shape != self._shape and (due or len(self._columns) > len(history.step)):
            self._columns, self._copied = Columns.of(history), now
            if len(self._kept) != len(history.checkpoints) or not self._report.alive:
                self._kept = tuple(checkpoints(self._report.folder))
        stale = len(self._columns) != len(history.step)
        look = self._look_at(history)
        self._shape = () if stale else shape
        changed = self._last is None or _differ(look, self._last)
        self._last = look
        return look if changed else None

    def _look_at(self, history: History) -> Look:
        assert self._report is not None
        return Look(
            report=self._report,
            prepared=tuple(self._prepared),
            start=history.start,
            step=history.last,
            end=history.end if not self._report.alive else None,
            loss=_mean(history.loss[-self.SMOOTHED :]),
            columns=self._columns,
            evals=tuple(history.evals),
            samples=tuple(history.samples),
            pauses=tuple(history.pauses),
            rounds=tuple(history.rounds),
            warnings=tuple(history.warnings),
            kept=self._kept,
        )

    def _note_preparing(self) -> None:
        """The history keeps no such events; they stand beside the log until there is one."""
        if self._early is None:
            return
        for line in self._early.lines():
            event = parse(line)
            if not isinstance(event, Prepare):
                continue
            if self._prepared and self._prepared[-1].stage == event.stage:
                self._prepared[-1] = event
            else:
                self._prepared.append(event)


def _shape(history: History) -> tuple[int, ...]:
    last = history.last.step if history.last is not None else -1
    return (len(history.step), last, len(history.evals), len(history.samples), len(history.checkpoints))


def _differ(one: Look, other: Look) -> bool:
    """Whether anything in sight is another: by identity and length, as events do not change."""
    return (
        one.report != other.report
        or one.step is not other.step
        or one.columns is not other.columns
        or one.start is not other.start
        or one.end is not other.end
        or len(one.prepared) != len(other.prepared)
        or (bool(one.prepared) and one.prepared[-1] is not other.prepared[-1])
        or one.kept != other.kept
        or (len(one.evals), len(one.samples)) != (len(other.evals), len(other.samples))
        or (len(one.pauses), len(one.warnings)) != (len(other.pauses), len(other.warnings))
        or len(one.rounds) != len(other.rounds)
    )


def _mean(losses: array[float]) -> float:
    known = [loss for loss in losses if loss == loss]
    return sum(known) / len(known) if known else float("nan")


# Which run to show


@dataclass(frozen=True)
class Choice:
    """A run that can be shown: one with a process, or what a model's log tells of how it was trained."""

    name: str
    alive: bool
    words: str
    """How it stands, in a few words."""


def find_run(name: str | None) -> Run | None:
    """The run of that name; without a name the newest that is alive, else the newest at all. None when there is none.

    Raises `EngineError` when there is none of that name.
    """
    from engine.training import runs

    if name is not None:
        return runs.find(name)
    for run in [*runs.running()[:1], *runs.recent()[:1]]:
        return run
    logged = logged_models()
    return runs.find(logged[0]) if logged else None


def logged_models() -> list[str]:
    """The models that have a log of their training, the latest trained first."""
    from engine import locations
    from engine.training.log import LOG

    found: list[tuple[float, str]] = []
    try:
        folders = [path for path in locations.models_dir().iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    for folder in folders:
        try:
            found.append(((folder / LOG).stat().st_mtime, folder.name))
        except OSError:
            continue
    return [name for _, name in sorted(found, reverse=True)]


def choices() -> list[Choice]:
    """The runs that can be shown: the living first, then the latest."""
    from engine.training import runs

    alive = {}
    for run in runs.running():
        report = run.report()
        alive[report.name] = Choice(report.name, True, str(report.state.value))
    others: dict[str, Choice] = {}
    for run in runs.recent():
        report = run.report()
        if report.name not in alive and report.name not in others and report.reason != "discarded":
            words = {State.FAILED: "failed", State.DIED: "broken off"}.get(report.state, report.reason or "ended")
            others[report.name] = Choice(report.name, False, {"budget": "done"}.get(words, words))
    for name in logged_models():
        if name not in alive and name not in others:
            others[name] = Choice(name, False, "done")
    return [*alive.values(), *others.values()]


def other_history(name: str) -> History:
    """All that another model's log tells, to lay it over. Raises `EngineError` when there is none."""
    from engine.training import runs

    history = runs.find(name).follower().catch_up()
    if not history.step and not history.evals:
        raise EngineError(f"{name}: there is no log of how it was trained.")
    return history
