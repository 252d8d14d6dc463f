"""The Training screen: a run as it learns, what it writes meanwhile, how it is built, and how it grew up.

The run is followed by `RunPlace`; what is found of it goes from here to the widgets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from engine.config import ModelConfig, TrainConfig
from engine.errors import EngineError
from gpt_tui import navigation
from gpt_tui.progress import following, run_words
from gpt_tui.progress.following import Look
from gpt_tui.progress.upbringing import grow_up
from gpt_tui.progress.watching import RunsChanged
from gpt_tui.progress.wording import MEANINGS
from gpt_tui.screens.run_place import RunPlace
from gpt_tui.terminal import visible
from gpt_tui.widgets.childhood import Childhood
from gpt_tui.widgets.curve import has_braille
from gpt_tui.widgets.dialogs import Choose
from gpt_tui.widgets.figures import Figures
from gpt_tui.widgets.invitation import Invitation
from gpt_tui.widgets.learners_corner import LearnersCorner
from gpt_tui.widgets.outcome import Outcome
from gpt_tui.widgets.preparing import Preparing, Stage
from gpt_tui.widgets.progress_line import ProgressLine
from gpt_tui.widgets.sample_reel import SampleBook, SampleReel
from gpt_tui.widgets.view_strip import ViewStrip

if TYPE_CHECKING:
    from engine.events import Start
    from gpt_tui.progress.series import Numbers
    from gpt_tui.widgets.loss_panel import LossPanel

VIEWS = {
    "curve": ("1", "Curve"),
    "samples": ("2", "Samples"),
    "model": ("3", "Model"),
    "childhood": ("4", "Childhood"),
}
_LOOK, _NEXT = Binding.Group("Look", compact=True), Binding.Group("Next", compact=True)


class TrainingScreen(RunPlace):
    """Training."""

    NAME: ClassVar[str] = "training"
    CSS_PATH = "../styles/training.tcss"
    HELP = """\
A model learns here, by itself: you may leave, or close the app, and it goes on.

The curve shows how surprised it is by the text: by the part that it learns from, and, with dots, by the part that is
kept from it. Both fall while it learns. Below or beside it stands what it writes at that time.
"""
    AUTO_FOCUS = ""
    ROOMY = 34
    """Rows from which there is room for empty ones."""
    LARGE = 40
    """Rows from which there is room for what says little new."""
    LOW = 24
    """Rows below which each row counts."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "axis", "Time, steps, tokens", id="training.axis", group=_LOOK,
                tooltip="What goes to the right on the curve: time, steps, or tokens read."),
        Binding("y", "unit", "Unit of the loss", id="training.unit", group=_LOOK,
                tooltip="The loss in nats per token, or in bits per byte."),
        Binding("g", "log", "Logarithmic", id="training.log", group=_LOOK,
                tooltip="Make the axis to the right logarithmic, or linear again."),
        Binding("f", "follow", "Follow / whole", id="training.follow", group=_LOOK,
                tooltip="Show the latest part of the curve, or the whole of it."),
        Binding("plus,equals_sign", "zoom(0.5)", "Shorter part", id="training.closer", show=False,
                tooltip="Follow a shorter part of the curve."),
        Binding("minus", "zoom(2)", "Longer part", id="training.farther", show=False,
                tooltip="Follow a longer part of the curve."),
        Binding("v", "lay_over", "Lay over", id="training.lay_over", group=_LOOK,
                tooltip="Lay the curve of another model over this one, or take it away."),
        Binding("left_square_bracket", "sample(-1)", "Earlier sample", id="training.earlier", show=False,
                tooltip="What it wrote earlier."),
        Binding("right_square_bracket", "sample(1)", "Later sample", id="training.later", show=False,
                tooltip="What it wrote later."),
        Binding("1", "view('curve')", "Curve", id="training.curve", show=False,
                tooltip="The curve of how it learns."),
        Binding("2", "view('samples')", "Samples", id="training.samples", show=False,
                tooltip="All that it wrote while it learned, from noise to prose."),
        Binding("3,k", "view('model')", "The model", id="training.model", show=False,
                tooltip="The learner's corner: how the model is built, and what the numbers mean."),
        Binding("4", "view('childhood')", "Childhood", id="training.childhood", show=False,
                tooltip="The same words gone on with by each moment of the model that is kept."),
        Binding("o", "other", "Another training", id="training.other", show=False,
                tooltip="Choose another training to look at."),
        Binding("c", "compose", "Compose", id="training.compose", group=_NEXT,
                tooltip="Write with this model, also while it is still learning."),
        Binding("t", "talk", "Chat", id="training.talk", group=_NEXT, tooltip="Talk with this model."),
        Binding("l", "library", "Library", id="training.library", group=_NEXT,
                tooltip="This model among all your models."),
    ]  # fmt: skip

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self._braille = has_braille(services.settings.app_plot)
        self._others: dict[str, Numbers] = {}

    def content(self) -> Iterable[Widget]:
        yield Invitation(
            "Nothing is being trained",
            "A model learns from any text that you give it: a novel, your notes, letters. "
            "Two minutes are enough for a first one, and you can watch it learn here.",
            "Train a model   F3",
            id="empty",
        )
        with Vertical(id="run", classes="-preparing"):
            yield ProgressLine()
            yield Figures()
            yield Outcome()
            yield ViewStrip(VIEWS)
            with ContentSwitcher(initial="curve", id="views"):
                with Container(id="curve"):
                    yield Preparing(braille=self._braille)
                    yield SampleReel()
                yield SampleBook(id="samples")
                yield LearnersCorner(id="model")
                yield Childhood(id="childhood")

    def on_mount(self) -> None:
        self.query_one("#empty").display = False
        self.query_one("#run").display = False
        self.query_one(ViewStrip).current = "curve"

    def size_classes(self, size: Size) -> dict[str, bool]:
        own = {"-roomy": size.height >= self.ROOMY, "-large": size.height >= self.LARGE}
        return {**super().size_classes(size), **own}

    def on_resize(self, event: events.Resize) -> None:
        height = event.size.height
        self.query_one(ProgressLine).set_class(height < self.ROOMY, "-low")
        self.query_one(Outcome).set_class(height < 28, "-low")
        self._fit_figures()

    def _fit_figures(self) -> None:
        """In one line on a low screen, and once they change no more: the curve needs the rows."""
        over = self.query_one("#run").has_class("-over")
        self.query_one(Figures).set_class(over or self.size.height < self.LOW, "-one-line")

    def on_settings_changed(self, message: navigation.SettingsChanged) -> None:
        if "app_plot" in message.names:
            self._braille = has_braille(message.settings.app_plot)
            for panel in self._panel():
                panel.set_braille(self._braille)

    # The run

    def invite(self, nothing: bool) -> None:
        self.query_one("#empty").display = nothing
        self.query_one("#run").display = not nothing
        if nothing:
            self.query_one("#accept").focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("axis", "unit", "log", "follow", "zoom", "lay_over"):
            drawn = self.look is not None and self.look.step is not None
            return drawn and self.is_mounted and self.query_one(ViewStrip).current == "curve"
        if action == "sample":
            return self.look is not None and len(self.look.samples) > 1
        return super().check_action(action, parameters)

    def on_invitation_accepted(self) -> None:
        self.action_anew()

    def begin(self) -> None:
        self._others = {}
        self.stop_growing()
        self.query_one("#run").update_classes({"-over": False, "-preparing": True})
        self.query_one(Preparing).stages = [Stage("Opening")]
        self.query_one(SampleReel).samples = self.query_one(SampleBook).samples = ()
        for panel in self._panel():
            panel.numbers = None
            panel.set_others({})

    async def take(self, look: Look, before: Look | None, numbers: Numbers | None) -> None:
        """Show how the run stands."""
        self.query_one(ProgressLine).progress = run_words.progress_of(look, self.asked)
        self.query_one(Figures).figures = run_words.figures_of(look)
        told = run_words.outcome_of(look)
        self.query_one("#run").update_classes({"-preparing": look.step is None, "-over": told is not None})
        if look.step is None:
            self.query_one(Preparing).stages = run_words.stages_of(look)
        self._fit_figures()
        if told is not None:
            await self.query_one(Outcome).tell(told.title, told.more, told.steps, bad=told.bad)
            if self.look is not look:  # another run was chosen meanwhile
                return
        if before is None or len(before.samples) != len(look.samples) or before.start is not look.start:
            written = run_words.written_of(look)
            self.query_one(SampleReel).samples = self.query_one(SampleBook).samples = written
        if look.start is not None and (before is None or before.start is not look.start):
            self._show_model(look.start)
        if numbers is not None and look.step is not None:
            panel = await self._loss_panel()
            if self.look is not look:
                return
            panel.numbers = numbers
        self._say_moments()

    def watch_asked(self) -> None:
        if self.look is not None:
            self.query_one(ProgressLine).progress = run_words.progress_of(self.look, self.asked)

    async def on_outcome_chosen(self, message: Outcome.Chosen) -> None:
        await self.run_action(message.action)

    def _show_model(self, start: Start) -> None:
        self.query_one(LearnersCorner).show(
            run_words.parts_of(start),
            run_words.settings_of(start.model, ModelConfig),
            run_words.settings_of(start.train, TrainConfig),
            MEANINGS,
        )

    def _panel(self) -> Iterable[LossPanel]:
        """The curve's panel, once there is one."""
        yield from self.query("LossPanel")  # type: ignore[misc]

    async def _loss_panel(self) -> LossPanel:
        """The curve's panel. It is made when there is something to draw: numpy is imported with it."""
        panel = next(iter(self._panel()), None)
        if panel is None:
            from gpt_tui.widgets.loss_panel import LossPanel

            panel = LossPanel(braille=self._braille)
            await self.query_one("#curve").mount(panel, before=self.query_one(SampleReel))
        if self.focused is None and self.query_one(ViewStrip).current == "curve":
            panel.focus()
        return panel

    @on(RunsChanged)
    def _count_runs(self, message: RunsChanged) -> None:
        others = [run for run in message.runs if self.run_shown is None or run.name != self.run_shown.name]
        words = f"{len(others)} more running · o" if others else ""
        self.query_one(ViewStrip).beside = words
        if self.run_shown is None and message.runs:
            self.open_run(None)

    # Views

    def action_view(self, view: str) -> None:
        self.query_one(ContentSwitcher).current = view
        self.query_one(ViewStrip).current = view
        focused: dict[str, Callable[[], Widget]] = {
            "curve": lambda: next(iter(self._panel()), self.query_one(SampleBook)),
            "samples": lambda: self.query_one(SampleBook),
            "model": lambda: self.query_one(LearnersCorner),
            "childhood": lambda: self.query_one("#childhood VerticalScroll"),
        }
        focused[view]().focus()
        self._say_moments()
        self.refresh_bindings()

    def on_view_strip_chosen(self, message: ViewStrip.Chosen) -> None:
        self.action_view(message.view)

    def action_axis(self) -> None:
        for panel in self._panel():
            panel.view = panel.view.next_axis()

    def action_unit(self) -> None:
        for panel in self._panel():
            panel.view = replace(panel.view, unit="bits" if panel.view.unit == "nats" else "nats")

    def action_log(self) -> None:
        for panel in self._panel():
            panel.view = replace(panel.view, log=not panel.view.log)

    def action_follow(self) -> None:
        for panel in self._panel():
            panel.view = replace(panel.view, follow=not panel.view.follow)

    def action_zoom(self, factor: float) -> None:
        for panel in self._panel():
            share = min(1.0, max(0.01, panel.view.share * factor)) if panel.view.follow else 0.5
            panel.view = replace(panel.view, follow=share < 1.0, share=share if share < 1.0 else 0.25)

    def action_sample(self, by: int) -> None:
        self.query_one(SampleReel).step(by)

    def on_loss_panel_read(self, message: Any) -> None:
        """The sample beside the curve is the one of the moment that is read."""
        self.query_one(SampleReel).show_at(message.reading.step if message.reading is not None else None)

    @work(group="choose", exclusive=True)
    async def action_lay_over(self) -> None:
        own = self.run_shown.name if self.run_shown is not None else ""
        names = [name for name in await asyncio.to_thread(following.logged_models) if name != own]
        if not names:
            self.notify("There is no other model whose training could be laid over this one.")
            return
        options = [(name, f"{'✓' if name in self._others else ' '} {visible(name)}") for name in names]
        chosen = await self.app.push_screen_wait(Choose("Lay over this curve, or take away", options))
        if chosen is None:
            return
        if chosen in self._others:
            del self._others[chosen]
        else:
            try:
                self._others[chosen] = await asyncio.to_thread(_numbers_of, chosen)
            except EngineError as error:
                self.notify(visible(str(error)), severity="error", markup=False)
        (await self._loss_panel()).set_others(self._others)

    @work(group="choose", exclusive=True)
    async def action_other(self) -> None:
        found = await asyncio.to_thread(following.choices)
        if not found:
            self.notify("There is no other training.")
            return
        options = [(one.name, f"{visible(one.name)}   {'▸ ' if one.alive else ''}{one.words}") for one in found]
        chosen = await self.app.push_screen_wait(Choose("Trainings", options))
        if chosen is not None:
            self.open_run(chosen)

    # Childhood

    def _say_moments(self) -> None:
        """How many moments there are to ask, and how."""
        childhood = self.query_one(Childhood)
        if self.look is None or childhood.writing or self.query_one(ViewStrip).current != "childhood":
            return
        titles = run_words.moments_of(self.look)
        if self.look.samples:
            childhood.suggest(self.look.samples[-1].prompt)
        if not titles:
            childhood.hint = "No moment of it is kept yet; the first comes after a few steps."
        else:
            many = f"{len(titles)} moments of it are kept" if len(titles) > 1 else "One moment of it is kept"
            childhood.hint = f"{many}. Enter: each goes on with these words. e: other words."

    def on_childhood_asked(self, message: Childhood.Asked) -> None:
        self.grow(message.prompt)

    def on_childhood_cancelled(self) -> None:
        self.stop_growing()

    def stop_growing(self) -> None:
        self.workers.cancel_group(self, "grow")
        self.query_one(Childhood).writing = False

    @work(group="grow", exclusive=True)
    async def grow(self, prompt: str) -> None:
        """Let each kept moment write, from the first to the best."""
        childhood, look = self.query_one(Childhood), self.look
        titles = run_words.moments_of(look) if look is not None else {}
        if look is None or not titles:
            return
        await childhood.begin(titles, prompt)
        try:
            moments = grow_up(self.services.generator, look.name, list(titles), prompt)
            async with aclosing(moments):
                async for moment, text, note in moments:
                    childhood.tell(moment, text, note)
        except EngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
        finally:
            childhood.writing = False
            if self.is_running:
                self._say_moments()


def _numbers_of(name: str) -> Numbers:
    """Another model's curve, from its log. Raises `EngineError`."""
    from gpt_tui.progress.series import Numbers

    history = following.other_history(name)
    return Numbers.of(history, history.evals)
