"""Watching the trainings that are alive, wherever one is in the app: what the top bar says, the terminal's tab and
title, and the notice when one ends.

watcher = Watcher(app); watcher.start(); ...; watcher.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message
from textual.signal import Signal

from engine.errors import EngineError
from gpt_tui.terminal import visible

if TYPE_CHECKING:
    from engine.events import End
    from engine.training.log import Follower
    from engine.training.runs import Report, Run
    from gpt_tui.app import GptTui

EVERY = 1.0
"""Seconds between two looks."""
FIRST = 0.3
"""Seconds before the first: the app's first frame comes first."""


@dataclass(frozen=True)
class RunStatus:
    """A training that is alive, in a few figures. What is not known yet is None."""

    name: str
    state: str
    """`preparing`, `training` or `paused`."""
    message: str = ""
    """What is being prepared."""
    step: int = 0
    progress: float | None = None
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    loss: float | None = None
    bits_per_byte: float | None = None
    """The best so far."""


class RunsChanged(Message):
    """The trainings that are alive, the newest first. Goes to the screen that is shown, and from there to the app."""

    def __init__(self, runs: tuple[RunStatus, ...]) -> None:
        super().__init__()
        self.runs = runs


class RunEnded(Message):
    """A training is over: how it stands, and its last event where there is one."""

    def __init__(self, report: Report, end: End | None) -> None:
        super().__init__()
        self.report, self.end = report, end


@dataclass(frozen=True)
class _Found:
    alive: tuple[RunStatus, ...]
    ended: tuple[tuple[Report, End | None], ...]


class Watcher:
    """Looks at the runs once a second, in a thread, and tells the app, the top bars and the terminal."""

    def __init__(self, app: GptTui) -> None:
        self.app = app
        self.runs: tuple[RunStatus, ...] = ()
        """The trainings that are alive, as they stood at the last look."""
        self.changed: Signal[tuple[RunStatus, ...]] = Signal(app, "runs changed")
        """Published with `runs` whenever they change."""
        self.terminal = TerminalProgress(app)
        self._task: asyncio.Task[None] | None = None
        self._followers: dict[str, tuple[Run, Follower]] = {}
        self._known: set[str] | None = None  # tickets seen before, by folder: those of runs that ended long ago

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Watch no more, and leave the terminal's tab as it was."""
        if self._task is not None:
            self._task.cancel()
        self.terminal.clear()

    async def _watch(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            with contextlib.suppress(OSError, ValueError, EngineError):  # it may be well again at the next look
                self._tell(await asyncio.to_thread(self._look))
            await asyncio.sleep(EVERY)

    # In the thread

    def _look(self) -> _Found:
        from engine.training import runs
        from engine.training.tickets import all_tickets

        alive: list[RunStatus] = []
        for run in runs.running():
            report = run.report()
            if report.name not in self._followers:
                self._followers[report.name] = (run, run.follower())
            alive.append(_status(report, self._followers[report.name][1]))
        names = {status.name for status in alive}
        ended = [self._followers.pop(name) for name in list(self._followers) if name not in names]
        found = [(run.report(), follower.catch_up().end) for run, follower in ended]
        told = {report.name for report, _ in found}
        tickets = all_tickets()
        if self._known is not None:  # one that began and failed between two looks
            for ticket in tickets:
                name = ticket.status().get("name", "")
                if ticket.folder.name not in self._known and name and name not in names | told:
                    run = runs.Run(name, ticket)
                    report = run.report()
                    if not report.alive:
                        found.append((report, run.follower().catch_up().end))
        self._known = {ticket.folder.name for ticket in tickets}
        return _Found(tuple(alive), tuple(found))

    # In the app

    def _tell(self, found: _Found) -> None:
        if not self.app.is_running or not self.app.screen_stack:
            return
        if found.alive != self.runs:
            self.runs = found.alive
            self.changed.publish(self.runs)
            self.app.screen.post_message(RunsChanged(self.runs))
        settings = self.app.services.settings
        if settings.app_terminal_progress:
            self.terminal.show(self.runs)
        else:
            self.terminal.clear()
        for report, end in found.ended:
            self.app.screen.post_message(RunEnded(report, end))
            if settings.app_notify_end and report.reason not in ("discarded", "stopped"):
                self._notify(report, end)

    def _notify(self, report: Report, end: End | None) -> None:
        from engine.training.tickets import State

        if report.state in (State.FAILED, State.DIED):
            self.app.notify(visible(report.message), title="A training broke off", severity="error", markup=False)
        else:
            quality = f": {end.bits_per_byte:.2f} bits per byte" if end is not None else ""
            self.app.notify(visible(f"{report.name} is trained{quality}. F4 shows it."), markup=False, timeout=8)
        self.app.bell()


def _status(report: Report, follower: Follower) -> RunStatus:
    history = follower.catch_up()
    best = min((one.bits_per_byte for one in history.evals if one.bits_per_byte == one.bits_per_byte), default=None)
    last = history.last
    if last is None:
        return RunStatus(report.name, report.state.value, report.message)
    return RunStatus(
        name=report.name,
        state=report.state.value,
        step=last.step,
        progress=last.progress,
        seconds_left=last.eta if last.eta == last.eta else None,
        tokens_per_second=last.tokens_per_second,
        loss=last.loss,
        bits_per_byte=best,
    )


class TerminalProgress:
    """The progress in the terminal's tab (OSC 9;4) and in its title. Written only where something changes."""

    NONE, NORMAL, UNKNOWN, PAUSED = 0, 1, 3, 4

    def __init__(self, app: GptTui) -> None:
        self.app = app
        self._shown: tuple[int, int, str] | None = None

    def show(self, runs: tuple[RunStatus, ...]) -> None:
        """The newest training's progress; nothing when there is none."""
        if not runs:
            self.clear()
            return
        run = runs[0]
        percent = round(100 * (run.progress or 0.0))
        state = self.PAUSED if run.state == "paused" else self.NORMAL if run.progress is not None else self.UNKNOWN
        words = f"{percent}%" if run.progress is not None else run.state
        self._write(state, percent, f"{words} {visible(run.name)} – gpt-tui")

    def clear(self) -> None:
        """No progress, and the title that was there before."""
        if self._shown is not None:
            self._send("\x1b]9;4;0;0\x07" if _takes_progress() else "", "\x1b]0;\x07\x1b[23;0t")
            self._shown = None

    def _write(self, state: int, percent: int, title: str) -> None:
        wanted = (state, percent, title)
        if wanted == self._shown:
            return
        keep = "\x1b[22;0t" if self._shown is None else ""  # the terminal puts its own title aside
        progress = f"\x1b]9;4;{state};{percent}\x07" if _takes_progress() else ""
        self._send(progress, f"{keep}\x1b]0;{title}\x07")
        self._shown = wanted

    def _send(self, *sequences: str) -> None:
        driver = self.app._driver
        if driver is None or self.app.is_headless or self.app.is_web or os.environ.get("TERM") in ("linux", "dumb"):
            return
        with contextlib.suppress(Exception):  # a terminal that is gone is no reason to fail
            driver.write("".join(sequences))
            driver.flush()


def _takes_progress() -> bool:
    """Whether the terminal takes OSC 9;4 for progress: iTerm2 before 3.6 would show it as a notice."""
    if os.environ.get("TERM_PROGRAM") != "iTerm.app":
        return True
    version = os.environ.get("TERM_PROGRAM_VERSION", "0").split(".")
    return [int(part) if part.isdigit() else 0 for part in version[:2]] >= [3, 6]
