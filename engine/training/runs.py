"""Training as a process of its own that outlives whoever started it: start, find again, follow, pause, stop, resume.

run = start("novel.txt", minutes=5)     # the options of `train`
run.report()                            # how it stands, how it ended, what went wrong
run.follower()                          # its events, as they come
run.pause(); run.resume(); run.stop()   # or run.discard()
running()                               # those that are alive, whoever started them
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import errors, files, locations
from engine.data.corpus import catalog, model_name
from engine.errors import BusyError, EngineError, RequestError
from engine.events import End, Event, Prepare, to_json
from engine.store import models
from engine.training.log import LOG, Follower, last_event
from engine.training.tickets import State, Ticket, Wish, all_tickets, patiently, root

OPTIONS = (
    *("name", "replace", "minutes", "steps", "epochs", "preset", "tokenizer", "vocab_size", "device", "seed"),
    *("from_model", "resume", "settings"),
)
"""The options of `engine.training.trainer.train` that a process can be given."""

_START_SECONDS = 20.0  # in which a process has taken its ticket's lock
_KEPT_SECONDS = 30 * 86_400.0  # after which a ticket that nobody asked about is dropped

_children: dict[Ticket, subprocess.Popen[bytes]] = {}  # those that this process started


@dataclass(frozen=True)
class Report:
    """What is known of a run."""

    name: str
    folder: Path
    """The model's; while it is prepared there may be none yet."""
    state: State
    message: str = ""
    """One line: what is being prepared, how it ended, what went wrong."""
    reason: str = ""
    """Of one that ended: `budget`, `stopped`, `converged`, `diverged` or `discarded`."""
    error: EngineError | None = None
    """Of one that failed: what `train` raised."""
    resumable: bool = False
    """Whether it is over, and something was saved that it can go on from."""

    @property
    def alive(self) -> bool:
        return self.state.alive


@dataclass(frozen=True)
class Run:
    """A training process, or what is left of one. `ticket` is None where there is only a model: for one that was
    started in Python, or that ended well and is forgotten."""

    name: str
    ticket: Ticket | None

    def report(self) -> Report:
        """How it stands now. `starting` counts as `preparing`."""
        if self.ticket is None:
            return _report_of_model(self.name)
        status = self.ticket.status()
        if not _is_over(status) and not _is_alive(self.ticket, status):
            status = self.ticket.status()  # it may have ended between the two looks
            if not status:  # a training on a command line that ended well: it has dropped its ticket
                return _report_of_model(self.name)
            if not _is_over(status):
                status |= {"state": State.DIED, "message": _last_words(self.name, self.ticket)}
        state = State.PREPARING if status["state"] == State.STARTING else State(status["state"])
        name, message = status.get("name", self.name), status.get("message", "")
        folder = locations.models_dir() / name
        error = getattr(errors, status["error"], EngineError)(message) if state == State.FAILED else None
        resumable = not state.alive and "folder" in status and is_resumable(folder)
        return Report(name, folder, state, message, status.get("reason", ""), error, resumable)

    def follower(self) -> Follower:
        """Its events: those so far, and those to come. Of a run that was gone on with, also those before that."""
        return Follower(self._logged, self.ticket.early if self.ticket is not None else None)

    def follow(self, every: float = 0.1) -> Iterator[Event]:
        """Its events as they come, to the last; waits for each."""
        follower = self.follower()
        while True:
            over = not self.report().alive  # asked before the events are read: then none can be missed
            yield from follower.poll()
            if over:
                return
            time.sleep(every)

    def _logged(self) -> Path | None:
        """The model's folder, if the log in it is of this run."""
        if self.ticket is None:
            return locations.models_dir() / self.name
        folder = self.ticket.status().get("folder")
        return Path(folder) if folder else None

    # What is asked of it is seen between two steps, within a fifth of a second.

    def pause(self) -> None:
        """Save, and wait. Raises `RequestError` when it is over, or hears no messages."""
        self._ask(Wish.PAUSE)

    def resume(self) -> None:
        """Go on after a pause."""
        self._ask(Wish.RUN)

    def stop(self) -> None:
        """Save and end: it can be gone on with by `resume_run`. While it is prepared: end, and leave nothing."""
        self._ask(Wish.STOP)

    def discard(self) -> None:
        """End, and move the model to the trash."""
        self._ask(Wish.DISCARD)

    def _ask(self, wish: Wish) -> None:
        report = self.report()
        if not report.alive:
            raise RequestError(f"{report.name} is not being trained any more.")
        if self.ticket is None:
            raise RequestError(f"{report.name} is trained by a program that hears no messages: stop it there.")
        self.ticket.ask(wish)

    def forget(self) -> None:
        """Drop the ticket of a run that is over, and what its process printed; the model stays."""
        if self.ticket is not None and not self.report().alive:
            _children.pop(self.ticket, None)
            self.ticket.drop()


def start(*texts: str | Path, **options: Any) -> Run:
    """Begin to train, in a process that lives on when this one ends. Texts and options are those of `train`.

    The run has its name at once. Whether the request can be fulfilled turns out while it is prepared: see
    `report().error`. Raises `BusyError` when a training of that name is alive, `ConfigError` on what is no name,
    `RequestError` on standard input, `StorageError`.
    """
    for option in options:
        if option not in OPTIONS:
            raise TypeError(f"start() got an unexpected option {option!r}")
    given = [_settled(text) for text in texts]
    with patiently(files.ModelLock(root())):
        name = _settle_name(given, options)
        named = options.get("name") is not None
        status = {"name": name, "message": "Starting"}
        if options.get("resume"):
            status["folder"] = str(locations.models_dir() / name)  # its log goes on
        ticket = Ticket.new({"texts": given, "options": {**options, "name": name}, "named": named}, status)
    with contextlib.suppress(OSError):
        first = Prepare(stage="starting", message="Starting the training's process")
        ticket.early.write_text(to_json(first) + "\n", encoding="utf-8")
    _children[ticket] = _spawn(ticket)
    return Run(name, ticket)


def resume_run(name: str) -> Run:
    """Go on with a run that was stopped, or whose process died. Raises what `start` raises."""
    return start(name=name, resume=True)


def running() -> list[Run]:
    """The runs that are alive, the newest first, whoever started them: also those on a command line."""
    found = [run for run in recent() if run.report().alive]
    known = {run.report().name for run in found}
    with contextlib.suppress(OSError):
        for folder in sorted(locations.models_dir().iterdir()):
            if not folder.name.startswith(".") and folder.name not in known and models.is_running(folder):
                found.append(Run(folder.name, None))
    return found


def recent() -> list[Run]:
    """The runs that `start` began and nobody has forgotten, alive or over; the newest first."""
    return [Run(name, ticket) for ticket in all_tickets() if (name := ticket.status().get("name"))]


def find(name: str) -> Run:
    """The run of that name: the one that is alive, else the last. Raises `ModelNotFoundError`."""
    reports = [(run, run.report()) for run in recent()]
    named = [(run, report) for run, report in reports if report.name == name]
    alive = [run for run, report in named if report.alive]
    return (alive or [run for run, _ in named] or [Run(models.find(name).name, None)])[0]


def is_resumable(folder: Path) -> bool:
    """Whether a model's folder holds the state of a training that is not finished. Reads the head of one file."""
    try:
        with (folder / "run/state.safetensors").open("rb") as file:  # a length, then as much JSON, then tensors
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return not json.loads(head["__metadata__"]["state"])["finished"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return False


# Starting one


def _settled(text: str | Path) -> str:
    """A text as the process will find it: a path whole, a name of the catalogue as it is."""
    if text == "-":
        raise RequestError("-: a training in the background cannot read standard input; save the text in a file.")
    if isinstance(text, str) and text in {entry.name for entry in catalog()}:
        return text
    path = locations.expanded(text)
    with contextlib.suppress(OSError, ValueError):
        if path.exists():
            return str(path.resolve())
    return str(text)  # there is none: the process says so as `train` does


def _settle_name(texts: list[str], options: dict[str, Any]) -> str:
    """The run's name: as given, or the text's own, numbered when it is taken. Drops what is over of the same name."""
    runs = [(run, run.report()) for run in recent()]
    alive = {report.name.casefold() for _, report in runs if report.alive}
    if options.get("name") is not None:
        name = models.check_name(options["name"])
        if name.casefold() in alive:
            raise BusyError(f"{name}: a training of that name is going on already. Stop it first, or choose another.")
    else:
        name = own_name(texts, alive)
    forget_what_is_over(name, runs)
    return name


def own_name(texts: Sequence[str], alive: set[str]) -> str:
    """The name that the texts give a model, numbered while another has it."""
    first = Path(texts[0] if texts[0] != "-" else "stdin") if texts else Path("text")
    folder = False
    with contextlib.suppress(OSError):  # not allowed to look
        folder = first.is_dir()
    own = model_name(first.name if folder else first.stem)
    numbered = itertools.chain([own], (f"{own}-{number}" for number in itertools.count(2)))
    return next(n for n in numbered if n.casefold() not in alive and models.free_name(n) == n)


def forget_what_is_over(name: str, runs: Sequence[tuple[Run, Report]]) -> None:
    """Drop the tickets of that name, and very old ones."""
    for run, report in runs:
        if report.name == name or (run.ticket is not None and run.ticket.age() > _KEPT_SECONDS):
            run.forget()


def _spawn(ticket: Ticket) -> subprocess.Popen[bytes]:
    """Raises `EngineError` when the system refuses; then the run is taken back."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.setdefault(
        "GOMP_SPINCOUNT", "100000"
    )  # threads that spin for ever while they wait keep others from working
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        ticket.output.parent.mkdir(parents=True, exist_ok=True)
        with ticket.output.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "engine.training.child", str(ticket.folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # but on Windows: the terminal's end is not its end
                creationflags=flags,
            )
    except OSError as error:
        ticket.drop()
        raise EngineError(f"The training's process cannot be started: {error.strerror or error}.") from error


# How one stands


def _is_over(status: dict[str, Any]) -> bool:
    return status.get("state") in (State.ENDED, State.FAILED)


def _is_alive(ticket: Ticket, status: dict[str, Any]) -> bool:
    if ticket.lock().is_held():
        return True
    child = _children.get(ticket)
    starting = status.get("state") == State.STARTING and ticket.age() < _START_SECONDS
    return starting and (child is None or child.poll() is None)


def _report_of_model(name: str) -> Report:
    """What a model's folder tells of a run without a ticket."""
    folder = locations.models_dir() / name
    last = last_event(folder / LOG)
    if models.is_running(folder):
        state = State.PREPARING if last is None else State.PAUSED if last.event == "pause" else State.TRAINING
        return Report(name, folder, state)
    resumable = is_resumable(folder)
    if isinstance(last, End):
        return Report(name, folder, State.ENDED, last.message, last.reason, resumable=resumable)
    if not resumable:
        return Report(name, folder, State.ENDED)
    return Report(name, folder, State.DIED, _last_words(name, None), resumable=True)


def _last_words(name: str, ticket: Ticket | None) -> str:
    """One line on a process that is gone without having said why."""
    child = _children.get(ticket) if ticket is not None else None
    code = child.poll() if child is not None else None
    if code == -getattr(signal, "SIGKILL", 9):
        how = "its process was killed: by hand, or by the system because memory ran out"
    elif code is not None and code < 0:
        how = f"its process crashed ({signal.Signals(-code).name})"
    elif code:
        how = f"its process ended with status {code}"
    else:
        how = "its process is gone: it was killed, memory ran out, or the machine was switched off"
    said = _last_line(ticket.output) if ticket is not None else ""
    return f"{name}: {how}." + (f" It said last: {said}" if said else "")


def _last_line(output: Path) -> str:
    try:
        lines = [line.strip() for line in output.read_text("utf-8", "replace").split("\n") if line.strip()]
    except OSError:
        return ""
    crashes = [line for line in lines if line.startswith("Fatal Python error")]  # below it stands where
    return (crashes or lines or [""])[-1][:300]
