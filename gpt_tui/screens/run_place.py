"""A place that shows one run: finds it, follows it in a thread, and asks of it what the user wants of it."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import var
from textual.worker import get_current_worker

from engine.errors import EngineError
from engine.store import models
from engine.training import runs
from engine.training.tickets import State
from gpt_tui import navigation
from gpt_tui.progress import following
from gpt_tui.progress.following import Following, Look
from gpt_tui.screens.base import Place
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Confirm

if TYPE_CHECKING:
    from gpt_tui.progress.series import Numbers

_DONE_AT = {"pausing": State.PAUSED, "going on": State.TRAINING}
"""When what was asked of a run is done; all else when the run is over."""
LOOK_SECONDS, LOOK_SECONDS_OVER = 0.12, 1.0
"""Between two looks at a run that is alive, and at one that is over."""


class Looked(Message):
    """The thread that follows a run found something new. `numbers`: those of its curve, where they changed."""

    def __init__(self, run: runs.Run, look: Look, numbers: Numbers | None) -> None:
        super().__init__()
        self.run, self.look, self.numbers = run, look, numbers


class RunPlace(Place):
    """A subclass gives `begin`, called when another run is shown, `take`, called with every look at it, and `invite`,
    called when there is none to show."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause / resume", id="training.pause",
                tooltip="Pause the training, or let it go on after a pause."),
        Binding("s", "stop", "Stop", id="training.stop",
                tooltip="Stop the training, and keep the best that it has learned; it can be gone on with."),
        Binding("r", "go_on", "Resume", id="training.go_on",
                tooltip="Go on with a training that was stopped or broke off."),
        Binding("d", "discard", "Discard", id="training.discard", show=False,
                tooltip="Stop the training and move its model to the trash."),
        Binding("u", "bring_back", "Restore", id="training.bring_back",
                tooltip="Restore the discarded model from the trash."),
    ]  # fmt: skip

    PANEL = "gpt_tui.widgets.loss_panel"
    """What draws the curve."""

    run_shown: var[runs.Run | None] = var(None)
    """The run that is followed."""
    look: var[Look | None] = var(None)
    """How it stood at the last look."""
    asked: var[str] = var("")
    """What was asked of it and is not done yet, as `pausing`."""

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self._following: Following | None = None
        self._taken = threading.Event()
        self._ran_then: set[str] = set()  # when the place was left

    def begin(self) -> None:
        raise NotImplementedError

    async def take(self, look: Look, before: Look | None, numbers: Numbers | None) -> None:
        raise NotImplementedError

    def invite(self, nothing: bool) -> None:
        raise NotImplementedError

    # Which run

    def show(self, message: navigation.Open) -> None:
        self.open_run(message.name if isinstance(message, navigation.OpenTraining) else None)

    @work(group="open", exclusive=True)
    async def open_run(self, name: str | None) -> None:
        """Follow the run of that name; without one the newest, unless the one that is shown is still alive."""
        if name is None and self.look is not None and self.look.report.alive:
            return
        run = self.run_shown
        try:
            run = await asyncio.to_thread(following.find_run, name) or run
        except EngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
        self.invite(run is None)
        if run is not None and run != self.run_shown:
            self.begin_following(run)
        self.refresh_bindings()

    def begin_following(self, run: runs.Run) -> None:
        """Show that run instead of the one before."""
        self.run_shown, self.look, self.asked = run, None, ""
        self._following = Following(run)
        self.begin()
        self._follow(self._following)

    def on_screen_suspend(self) -> None:
        """Nobody sees it: nothing need be read."""
        self._ran_then = {run.name for run in self.app.watcher.runs}  # type: ignore[attr-defined]
        self.workers.cancel_group(self, "follow")

    def on_screen_resume(self) -> None:
        if self._following is not None:
            self._follow(self._following)
        if self.look is None or not self.look.report.alive:
            began = [run.name for run in self.app.watcher.runs if run.name not in self._ran_then]  # type: ignore[attr-defined]
            self.open_run(began[0] if began else self.run_shown.name if self.run_shown is not None else None)

    @work(thread=True, group="follow", exclusive=True)
    def _follow(self, follower: Following) -> None:
        """In a thread: look, tell, and wait until that was taken, so that what is found never piles up."""
        worker = get_current_worker()
        follower.forget()
        drawn: tuple[Any, ...] = ()
        while not worker.is_cancelled:
            look = follower.look()
            if look is not None and look.step is not None:
                importlib.import_module(self.PANEL)  # here, where it holds up nobody: numpy takes its time
            if look is not None:
                now = (id(look.columns), len(look.evals), len(look.samples), len(look.pauses), len(look.rounds))
                numbers = _numbers(look) if now != drawn else None
                drawn = now
                self._taken.clear()
                self.post_message(Looked(follower.run, look, numbers))
                while not self._taken.wait(0.2) and not worker.is_cancelled:
                    pass
            wait = LOOK_SECONDS if look is None or look.report.alive else LOOK_SECONDS_OVER
            for _ in range(round(wait / 0.06)):
                if worker.is_cancelled:
                    return
                threading.Event().wait(0.06)

    async def on_looked(self, message: Looked) -> None:
        message.stop()
        self._taken.set()
        if message.run != self.run_shown:
            return
        before, self.look = self.look, message.look
        if self.look.state == _DONE_AT.get(self.asked) or not self.look.report.alive:
            self.asked = ""
        await self.take(message.look, before, message.numbers)
        if self.look is not message.look:  # another run was chosen meanwhile
            return
        if before is None or _possible(before) != _possible(self.look):
            self.refresh_bindings()

    # What can be asked of it now

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        look = self.look
        alive = look is not None and look.report.alive
        match action:
            case "pause":
                return alive and look is not None and look.state != State.PREPARING
            case "stop" | "discard":
                return alive
            case "go_on":
                return look is not None and not alive and look.report.resumable
            case "bring_back":
                return look is not None and look.report.reason == "discarded"
            case "compose" | "talk":
                return look is not None and bool(look.evals) and look.report.reason != "discarded"
            case "library":
                return True
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        if self.run_shown is None or self.look is None:
            return
        if self.look.state == State.PAUSED or self.asked == "pausing":
            self._ask(self.run_shown.resume, "going on")
        else:
            self._ask(self.run_shown.pause, "pausing")

    @work(group="ask", exclusive=True)
    async def action_stop(self) -> None:
        run, look = self.run_shown, self.look
        if run is None or look is None:
            return
        if look.start is None:
            question = f"{visible(look.name)} is still being prepared. Stop it? Nothing of it is kept."
            if not await self.app.push_screen_wait(Confirm(question, yes="Stop it", no="Let it go on")):
                return
        self._ask(run.stop, "stopping")

    @work(group="ask", exclusive=True)
    async def action_discard(self) -> None:
        run, look = self.run_shown, self.look
        if run is None or look is None:
            return
        question = f"Stop {visible(look.name)} and move what it has learned to the trash?"
        if await self.app.push_screen_wait(Confirm(question, yes="Discard it", no="Keep it", danger=True)):
            self._ask(run.discard, "discarding")

    @work(group="act")
    async def _ask(self, wish: Callable[[], None], word: str) -> None:
        """Ask it, off the event loop; it is done when the run says so."""
        self.asked = word
        try:
            await asyncio.to_thread(wish)
        except EngineError as error:
            self.asked = ""
            self.notify(visible(str(error)), severity="warning", markup=False)

    @work(group="act")
    async def action_go_on(self) -> None:
        """Go on with it, in a new process."""
        if self.look is None:
            return
        try:
            run = await asyncio.to_thread(runs.resume_run, self.look.name)
        except EngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
        else:
            self.begin_following(run)

    @work(group="act")
    async def action_bring_back(self) -> None:
        if self.look is None:
            return
        try:
            folder = await asyncio.to_thread(models.restore, self.look.name)
        except EngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
        else:
            self.notify(f"{visible(folder.name)} is back among your models.", markup=False)
            self.begin_following(runs.Run(folder.name, None))

    # Elsewhere

    def action_compose(self) -> None:
        if self.look is not None:
            self.post_message(navigation.OpenCompose(model=self.look.name))

    def action_talk(self) -> None:
        if self.look is not None:
            self.post_message(navigation.OpenChat(model=self.look.name))

    def action_library(self) -> None:
        self.post_message(navigation.OpenLibrary(self.look.name if self.look is not None else None))

    def action_anew(self) -> None:
        self.post_message(navigation.OpenCorpora())


def _numbers(look: Look) -> Numbers | None:
    """What its curve is drawn from; nothing before there is a curve."""
    if look.step is None:
        return None
    from gpt_tui.progress.series import Numbers

    return Numbers.of(look.columns, look.evals, look.samples, look.pauses, look.rounds)


def _possible(look: Look) -> tuple[object, ...]:
    """On what depends which of the keys do something."""
    report = look.report
    return (report.state, report.reason, report.resumable, bool(look.evals), look.step is None, len(look.samples) > 1)
