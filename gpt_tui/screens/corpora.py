"""The way to a new model: which text, what is in it, how it shall be learned, and what will come of that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Button, Input

from engine.data.census import Counts, count
from engine.data.preview import Preview
from engine.errors import ConfigError, EngineError
from engine.store.models import ModelRecord
from engine.training.foresight import NOTHING, Foresight
from engine.training.planner import Machine
from gpt_tui import navigation
from gpt_tui.background import Interest, each_in_background, in_background
from gpt_tui.choosing import listing, plan_words, planning, starting
from gpt_tui.choosing.dropped import paths_in
from gpt_tui.screens.base import Place
from gpt_tui.widgets.choices import ChoicesPanel
from gpt_tui.widgets.corpus_list import CorpusList
from gpt_tui.widgets.file_browser import FileBrowser
from gpt_tui.widgets.parts import Parts
from gpt_tui.widgets.plan_panel import Outlook, PlanPanel
from gpt_tui.widgets.sources import Sources, names_of
from gpt_tui.widgets.text_facts import Facts, TextFacts
from gpt_tui.widgets.text_preview import TextPreview
from gpt_tui.widgets.train_settings import OfferedSetting, TrainSettings

FOLDER = "corpora_folder"
"""What the app's memory calls the folder that files were last looked for in."""


class CorporaScreen(Place):
    """Sources at the left, the text in the middle, the choices and the plan at the right; one under the other where
    that is too wide."""

    NAME: ClassVar[str] = "corpora"
    CSS_PATH = "../styles/corpora.tcss"
    AUTO_FOCUS = "CorpusList"
    HELP = (
        "Choose a text, have a look at it, and start. Everything has a good default: Enter goes from the text to the "
        "choices, from there to Start, and starts. A file or folder can also be dropped on the terminal."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "Start", id="corpora.start", tooltip="Train a model of this text, as planned."),
        Binding("p", "path", "Path", id="corpora.path", tooltip="Type or paste the path of a file or folder."),
        Binding("f", "files", "Files", id="corpora.files", tooltip="Look for a text among your files."),
        Binding("t", "text", "Read", id="corpora.text", show=False, tooltip="Go to the text, to scroll through it."),
        Binding("c", "choices", "Choices", id="corpora.choices", tooltip="Go to minutes, size and tokens."),
        Binding("a", "settings", "All settings", id="corpora.settings", tooltip="See and change every setting."),
        Binding("enter", "choices", "Go on", id="corpora.accept", show=False, tooltip="On to the choices."),
        Binding("escape", "back", "Back", id="corpora.back", tooltip="Back by one step."),
    ]

    texts: reactive[tuple[str, ...]] = reactive((), init=False)
    settings_open: reactive[bool] = reactive(False, init=False)

    # What is known: of the text that was chosen, of the machine's devices, of the models that one can go on from
    _facts = Facts()
    _counts: Counts | None = None
    _preview: Preview | None = None
    _foreseen: tuple[str, Foresight | None] = ("", None)  # with which model, and what was told; None: nothing yet
    _awaited: navigation.OpenCorpora | None = None  # what was asked for before the lists were there

    def content(self) -> Iterable[Widget]:
        self._machines: dict[str, Machine] = {}
        self._crowded: set[str] = set()
        self._bases: dict[str, ModelRecord] = {}
        chosen = self.services.settings
        offered = [OfferedSetting(s.name, s.table, s.meaning, s.bounds, s.choices) for s in planning.settings()]
        with Parts(id="way"):
            folder = listing.first_folder(self.services.state.memory.get(FOLDER))
            yield Sources(folder, listing.short_path(folder), id="sources")
            with Vertical(id="text"):
                yield TextFacts(id="facts")
                yield TextPreview(id="preview")
                yield TrainSettings(offered, planning.setting_problem, id="settings")
            with VerticalScroll(id="model", can_focus=False):
                defaults = (chosen.training_minutes, chosen.training_preset, chosen.training_tokenizer)
                yield ChoicesPanel(planning.minutes_of, *defaults, id="choices")
                with Vertical(id="outcome"):
                    yield PlanPanel(id="plan")
                    yield Button("Start", id="start", compact=True)

    def on_mount(self) -> None:
        self._measure(self.choices.where)

    def on_screen_resume(self) -> None:
        self._gather()

    def on_settings_changed(self, message: navigation.SettingsChanged) -> None:
        """A default was changed on the Settings screen: it stands here as well."""
        if self._is_open() and any(name.startswith("training_") for name in message.names):
            chosen = message.settings
            self.query_one(ChoicesPanel).choose(
                chosen.training_minutes, chosen.training_preset, chosen.training_tokenizer
            )
            self._measure(self.choices.where)

    def show(self, message: navigation.Open) -> None:
        if isinstance(message, navigation.OpenCorpora) and (message.text or message.from_model):
            self._awaited = message
            self._gather()

    def _is_open(self) -> bool:
        """Not so once it is being closed: then whoever waits for a thread shall touch nothing any more."""
        return bool(self.query(Parts))

    @property
    def _settled(self) -> Callable[..., Any]:
        """Runs work in a thread for this screen."""
        return partial(in_background, still=self._is_open)

    # Sources

    @work(exclusive=True, group="gather")
    async def _gather(self) -> None:
        """What ships, what was used, and which models there are; then what was asked for."""
        shipped, used, self._bases = await self._settled(listing.gather)
        sources = self.query_one(Sources)
        sources.show([("Comes with gpt-tui", "words", shipped), ("Used before", "", used)])
        panel = self.query_one(ChoicesPanel)
        panel.set_bases(list(self._bases))
        awaited, self._awaited = self._awaited, None
        if awaited is not None and awaited.from_model:
            panel.go_on_from(awaited.from_model)
        if awaited is not None and awaited.text:
            if not sources.choose_listed((awaited.text,)):
                self._take_paths(awaited.text, go_on=False)
        elif not self.texts:
            sources.choose_listed()
        if self.texts:
            self._find_name(self.texts)
        self._replan()

    @on(Sources.Picked)
    def _picked(self, event: Sources.Picked) -> None:
        listed = event.listed
        if listed.texts != self.texts:
            self._facts = Facts(listed.title, listed.about, listed.advice)
            self.texts = listed.texts

    @on(Sources.Accepted)
    def _text_accepted(self) -> None:
        self.action_choices()

    @on(Sources.PathsGiven)
    def _paths_given(self, event: Sources.PathsGiven) -> None:
        self._take_paths(event.text, go_on=True)

    def on_paste(self, event: events.Paste) -> None:
        """A file that was dropped on the terminal, or a path that was pasted anywhere but into a line of text."""
        event.stop()
        self._take_paths(event.text, go_on=True)

    @work(exclusive=True, group="paths")
    async def _take_paths(self, text: str, *, go_on: bool) -> None:
        paths, problem = await self._settled(partial(paths_in, text))
        sources = self.query_one(Sources)
        if problem:
            sources.refuse_path()
            self.notify(problem, severity="error", markup=False)
            return
        sources.choose_paths(paths, names_of([Path(path) for path in paths]))
        if go_on:
            self.action_choices()

    @on(Sources.Moved)
    def _folder_moved(self, event: Sources.Moved) -> None:
        self.services.state.remember(FOLDER, str(event.folder))
        self.query_one(Sources).name_folder(listing.short_path(event.folder))

    # The text

    def watch_texts(self, texts: tuple[str, ...]) -> None:
        self._counts = self._preview = None
        self._foreseen = "", None
        self._show_facts(self._facts._replace(counting=True))
        self._look(texts)
        self._find_name(texts)
        self._replan()

    def _show_facts(self, facts: Facts) -> None:
        self._facts = self.query_one(TextFacts).facts = facts

    @work(exclusive=True, group="look")
    async def _look(self, texts: tuple[str, ...]) -> None:
        """Show what the texts begin with, then how much there is in them; until others are chosen."""
        shown, preview = self.query_one(TextPreview), Preview(texts)
        shown.show()
        with Interest() as interest:
            try:
                parts = await self._settled(partial(preview.more, interest))
                self._preview = preview
                shown.show([(part.text, part.begins) for part in parts], ended=preview.ended)
                await asyncio.sleep(0.1)  # a cursor that only passes by starts no count
                async for counts in each_in_background(count(texts, interest), still=self._is_open):
                    self._counted(counts)
                self._foresee(texts, self.choices.base)
            except EngineError as error:
                self._counts = None
                self._show_facts(self._facts._replace(counting=False, problem=planning.shorter(error, texts)))
                self._replan()

    @work(exclusive=True, group="foresee")
    async def _foresee(self, texts: tuple[str, ...], base: str) -> None:
        """How well it may be learned, from scratch or from a model, once somebody stays with a text."""
        self._foreseen = base, None
        await asyncio.sleep(0.7)
        found = await self._settled(partial(planning.foreseen, texts, base))
        if texts == self.texts and base == self.choices.base:
            self._foreseen = base, found
            self._replan()

    def _counted(self, counts: Counts) -> None:
        self._counts = counts
        self._show_facts(listing.with_counts(self._facts, counts))
        self._replan()

    @on(TextPreview.MoreWanted)
    @work(group="more")
    async def _more(self) -> None:
        """Read further, as the text is scrolled."""
        preview = self._preview
        if preview is None:
            return
        try:
            parts = await self._settled(preview.more)
        except EngineError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if preview is self._preview:
            self.query_one(TextPreview).add([(part.text, part.begins) for part in parts], ended=preview.ended)

    # The choices and the plan

    @property
    def choices(self) -> planning.Choices:
        panel, settings = self.query_one(ChoicesPanel), self.query_one(TrainSettings)
        return planning.Choices(
            name=panel.name_typed,
            minutes=panel.minutes,
            preset=panel.preset,
            tokenizer=panel.tokenizer,
            device=self.services.settings.training_device,
            from_model=panel.base,
            texts=self.texts,
            settings=settings.values,
        )

    @on(ChoicesPanel.Changed)
    def _choices_changed(self) -> None:
        panel = self.query_one(ChoicesPanel)
        panel.name_problem = planning.name_problem(panel.name_typed)
        base = self.choices.base
        if self._counts is not None and base != self._foreseen[0]:
            self._foresee(self.texts, base)
        self._replan()

    @on(TrainSettings.Changed)
    def _settings_changed(self, event: TrainSettings.Changed) -> None:
        self.query_one(ChoicesPanel).changed_settings = len(event.values)
        if not event.problem:
            self._measure(self.choices.where)
        self._replan()

    @work(exclusive=True, group="name")
    async def _find_name(self, texts: tuple[str, ...]) -> None:
        """What it is called when no name is typed."""
        try:
            self.query_one(ChoicesPanel).own_name = await self._settled(partial(planning.own_name, texts))
        except EngineError:
            self.query_one(ChoicesPanel).own_name = ""

    @work(group="measure")
    async def _measure(self, where: str) -> None:
        """What the machine can do: remembered, or measured, which takes seconds."""
        if where in self._machines:
            return
        machine = await self._settled(partial(planning.known_machine, where))
        if machine is None:
            self.say("measuring this machine …")
            measured = await self._settled(partial(planning.measured_machine, where))
            self.say("")
            machine, self._crowded = measured[0], self._crowded | ({where} if measured[1] else set())
        self._machines[where] = machine
        self._replan()

    def _replan(self) -> None:
        """Plan anew, or say what is missing."""
        choices, settings = self.choices, self.query_one(TrainSettings)
        machine, counts = self._machines.get(choices.where), self._counts
        outlook, refused = Outlook(), ("", "")
        if settings.problem:
            outlook = Outlook(problem=settings.problem)
        elif self._facts.problem or not self.texts:
            outlook = Outlook(waiting="Choose a text, and see here what will be built.")
        elif machine is None:
            outlook = Outlook(waiting="Measuring what this machine can do …")
        elif counts is None or not counts.bytes:
            outlook = Outlook(waiting="Looking at the text …")
        else:
            try:
                base = planning.base_record(choices, self._bases)
                foreseen = self._foreseen[1]
                known = (base, counts.distinct_words, foreseen or NOTHING)
                plan = planning.make_plan(counts.bytes, machine, choices, *known)
                crowded = (planning.CROWDED,) if choices.where in self._crowded else ()
                outlook = Outlook(plan_words.outlook(plan, awaited=foreseen is None), (*plan.advice, *crowded))
                settings.planned = plan_words.planned_values(plan)
            except ConfigError as error:
                outlook = Outlook(problem=str(error))
                name = str(error).partition(":")[0]
                refused = (name, planning.without_name(str(error), name))
        settings.refused = refused
        self.query_one(PlanPanel).outlook = outlook

    def watch_settings_open(self, is_open: bool) -> None:
        self.set_class(is_open, "-settings")
        if is_open:
            self.query_one(TrainSettings).query_one(Input).focus()

    @on(ChoicesPanel.SettingsWanted)
    def action_settings(self) -> None:
        if self.settings_open:
            self.query_one("#more").focus()
        self.settings_open = not self.settings_open

    @on(ChoicesPanel.BasesWanted)
    @work
    async def _choose_base(self) -> None:
        panel = self.query_one(ChoicesPanel)
        chosen = await starting.chosen_base(self.app, self._bases, panel.base)
        if chosen is not None:
            panel.go_on_from(chosen)

    # From step to step

    @on(ChoicesPanel.Accepted)
    def _choices_accepted(self) -> None:
        self.query_one("#start").focus()

    def action_choices(self) -> None:
        self.settings_open = False
        self.query_one(ChoicesPanel).focus_first()

    def action_path(self) -> None:
        self.query_one("#path").focus()

    def action_files(self) -> None:
        self.query_one(FileBrowser).focus()

    def action_text(self) -> None:
        self.settings_open = False
        self.query_one(TextPreview).focus()

    def action_back(self) -> None:
        """From the settings to the choices, from there to the text's source, from there to the library."""
        sources, listed = self.query_one(Sources), self.query_one(CorpusList)
        if self.settings_open:
            self.action_settings()
        elif self.focused is listed:
            self.post_message(navigation.OpenLibrary())
        elif self.focused is None or sources in self.focused.ancestors:
            listed.focus()
        else:
            sources.holder.focus()

    # Start

    @on(Button.Pressed, "#start")
    def _start_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_start()

    def action_start(self) -> None:
        panel, plan = self.query_one(ChoicesPanel), self.query_one(PlanPanel)
        problem = self._facts.problem or panel.name_problem or plan.outlook.problem
        if problem or not self.texts:
            self.notify(problem or "Choose a text first.", severity="error", markup=False)
        elif not self.query_one("#start").disabled:
            self._start(self.choices, self.texts)

    @work(exclusive=True, group="start")
    async def _start(self, choices: planning.Choices, texts: tuple[str, ...]) -> None:
        """Begin the training, and go where it is watched."""
        button = self.query_one("#start", Button)
        try:
            options = await starting.settled(self.app, choices)
            if options is None:
                return
            button.disabled, button.label = True, "Starting …"
            name = await starting.start(texts, options)
        except EngineError as error:
            self.notify(str(error), severity="error", markup=False, timeout=8)
            return
        finally:
            button.disabled, button.label = False, "Start"
        if self._is_open():
            self.query_one(ChoicesPanel).forget_name()
            self.post_message(navigation.OpenTraining(name))
