"""The library: the trainings that go on and the models there are, the chosen one's details beside them. Home."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.css.query import NoMatches
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Input

from engine.errors import EngineError
from gpt_tui import navigation, shelf
from gpt_tui.phrases import lasting
from gpt_tui.screens.library_actions import ModelActions
from gpt_tui.shelf import Details, Item
from gpt_tui.terminal import visible
from gpt_tui.widgets.curve import has_braille
from gpt_tui.widgets.filter_line import FilterLine
from gpt_tui.widgets.model_columns import ORDERS
from gpt_tui.widgets.model_details import ModelDetails
from gpt_tui.widgets.model_list import ModelList, ModelTable
from gpt_tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from gpt_tui.app import Services

ORDER, REVERSE = "library.order", "library.reverse"
"""Under which the app remembers how the list is sorted."""


class LibraryScreen(ModelActions):
    """The models, sorted and narrowed as one likes. What is read of them is read in threads; `Shelf` knows how."""

    NAME: ClassVar[str] = "library"
    CSS_PATH = "../styles/library.tcss"
    HELP: ClassVar[str | None] = (
        "Your models, and above them the trainings that go on. "
        "Enter writes with the chosen model, or watches it learn. "
        "Bits per byte say how well it foresees text that it has never seen: less is better. "
        "Nothing that is deleted here is gone: it lies in the trash until u brings it back."
    )
    _MANAGE = Binding.Group("Manage", compact=True)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "enter", "Write", id="library.enter", tooltip="Write with it; of a training, watch it."),
        Binding("c", "compose", "Compose", id="library.compose", show=False, tooltip="Write with the chosen model."),
        Binding("t", "chat", "Chat", id="library.chat", tooltip="Talk with the chosen model."),
        Binding("w", "watch", "Watch", id="library.watch", tooltip="See how it learns, or how it learned."),
        Binding(
            "m",
            "further",
            "Train on",
            id="library.further",
            tooltip="Go on with its training, or on another text.",
        ),
        Binding("n", "new", "New", id="library.new", tooltip="Train a new model on a text of yours."),
        Binding("u", "undo", "Undo", id="library.undo", show=False, tooltip="Bring back a model from the trash."),
        Binding("slash", "filter", "Find", id="library.filter", tooltip="Show those whose name or corpus holds words."),
        Binding("r", "rename", "Rename", id="library.rename", group=_MANAGE, tooltip="Give it another name."),
        Binding("d", "duplicate", "Duplicate", id="library.duplicate", group=_MANAGE, tooltip="Copy it whole."),
        Binding("e", "export", "Export", id="library.export", group=_MANAGE, tooltip="Take it to other programs."),
        Binding("x", "delete", "Delete", id="library.delete", group=_MANAGE, tooltip="Move it to the trash."),
        Binding("s", "sort", "Sort", id="library.sort", show=False, tooltip="Sort by the next column."),
        Binding("S", "turn", "Turn around", id="library.turn", show=False, tooltip="Sort the other way round."),
        Binding("escape", "show_all", "Show all", id="library.show_all", show=False, tooltip="Forget the words."),
    ]
    EVERY = 0.5
    """Seconds between two looks at what there is."""
    FIRST_LOOK, LATER_LOOKS = 0.02, 0.1
    """Seconds that a look reads models before what was read is shown: a thousand take longer than one likes to wait."""
    FIRST_BREATH, LATER_BREATHS = 0.15, 0.02
    """Seconds between such looks, in which what was read is drawn."""
    BESIDE = 108
    """Columns from which the details stand beside the list."""
    SINGLE = 64
    """Columns below which they are one column below it, not two."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._wake = asyncio.Event()
        self._seen = True
        self._wish: str | None = None
        self.filled: bool | None = None
        """Whether there are models or trainings; None until that is known, and nothing is shown."""
        self._work = ""
        self._read: tuple[str, float] | None = None
        """Of which item, as it was when, the details are shown."""

    def content(self) -> Iterable[Widget]:
        beside, flat = self._sides(self.app.size)
        yield Welcome()
        with Container(id="shelf", classes="-beside" if beside else ""):
            with Vertical(id="left"):
                yield FilterLine(placeholder="words of a name or a corpus", compact=True)
                yield ModelTable()
            yield ModelDetails(classes="-flat" if flat else "")

    def _sides(self, size: Size) -> tuple[bool, bool]:
        """Whether the details stand beside the list; and, if below it, in two columns."""
        beside = size.width >= self.BESIDE
        return beside, not beside and size.width >= self.SINGLE

    def on_mount(self) -> None:
        memory = self.services.state.memory
        order = str(memory.get(ORDER))
        self.table.sort_by(order if order in ORDERS else "when", reverse=memory.get(REVERSE) is True)
        self._apply_settings()
        self._watch()

    @property
    def table(self) -> ModelTable:
        return self.query_one(ModelTable)

    @property
    def item(self) -> Item | None:
        return self.table.list.item if self.filled else None

    def show(self, message: navigation.Open) -> None:
        if isinstance(message, navigation.OpenLibrary) and message.model is not None:
            self.refresh_soon(message.model)

    def on_settings_changed(self) -> None:
        self._apply_settings()

    def _apply_settings(self) -> None:
        settings = self.services.settings
        self.query_one(Welcome).minutes = lasting(60 * settings.training_minutes)
        braille = has_braille(settings.app_plot)
        self.table.list.braille = self.query_one(ModelDetails).braille = braille

    # Looking at what there is

    @work(exclusive=True, group="watch")
    async def _watch(self) -> None:
        """Look, show, wait; at once again while models are unread."""
        with contextlib.suppress(NoMatches):  # when the app is left, the widgets go before this does
            look, breath = self.FIRST_LOOK, self.FIRST_BREATH
            while True:
                items: list[Item] = []
                if self._seen:
                    items = await asyncio.to_thread(self.shelf.look, look)
                    self._take(items)
                if not all(item.read for item in items):
                    await asyncio.sleep(breath)
                    look, breath = self.LATER_LOOKS, self.LATER_BREATHS
                else:
                    self._wake.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), self.EVERY)

    def _take(self, items: list[Item]) -> None:
        """Show what was found."""
        models = self.table.list
        models.keep_time()
        filled = bool(items)
        changed, self.filled = self.filled != filled, filled
        self.query_one("#shelf").display, self.query_one(Welcome).display = filled, not filled
        if items != list(models.items):
            models.items = items
            self.working(self._work)
        if changed:
            self.query_one(Welcome).busy = False
            self.call_after_refresh(models.focus if filled else self.query_one(Welcome).focus_first)
            self.refresh_bindings()
        if self._wish is not None and models.select(self._wish):
            self._wish = None

    def working(self, words: str = "") -> None:
        self._work = words
        number = sum(item.record is not None for item in self.table.list.items)
        self.say(words or f"{number:,} model" + ("s" if number != 1 else ""))

    def refresh_soon(self, choose: str | None = None) -> None:
        if choose is not None:
            self.query_one(FilterLine).clear_words()
            if not self.table.list.select(choose):
                self._wish = choose
        self.shelf.again()
        self._wake.set()

    def on_screen_suspend(self) -> None:
        self._seen = False

    def on_screen_resume(self) -> None:
        self._seen = True
        self._wake.set()

    # The chosen one

    @on(ModelList.Moved)
    def _show_details(self, message: ModelList.Moved) -> None:
        details, item = self.query_one(ModelDetails), message.item
        if (details.item is None) != (item is None) or (item and details.item and item.key != details.item.key):
            details.details = None
            self.refresh_bindings()
        details.item = item
        if item is not None and self._read != (item.key, item.changed):
            self._read_details(item)

    @work(exclusive=True, group="details")
    async def _read_details(self, item: Item) -> None:
        await asyncio.sleep(0.05)  # who runs down the list does not wait for each
        found: Details = await asyncio.to_thread(shelf.read_details, item)
        with contextlib.suppress(NoMatches):
            if self.item is not None and self.item.key == item.key:
                self._read = (item.key, item.changed)
                self.query_one(ModelDetails).details = found

    @on(ModelList.CurvesWanted)
    def _find_curves(self, message: ModelList.CurvesWanted) -> None:
        self._read_curves(message.items)

    @work(group="curves")
    async def _read_curves(self, items: list[Item]) -> None:
        def read() -> dict[str, tuple[float, shelf.Points]]:
            return {item.name: (item.changed, shelf.read_points(item.folder)) for item in items}

        curves = await asyncio.to_thread(read)
        with contextlib.suppress(NoMatches):
            self.table.list.learn_curves(curves)

    @on(ModelList.Chosen)
    def _enter_clicked(self) -> None:
        self.action_enter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a model, only what makes one."""
        return not (action in _OF_A_MODEL and self.item is None)

    # The list

    def action_filter(self) -> None:
        if self.filled:
            self.query_one(FilterLine).begin()

    def action_show_all(self) -> None:
        self.query_one(FilterLine).clear_words()
        self.table.list.focus()

    @on(Input.Changed, "FilterLine")
    def _narrow(self, event: Input.Changed) -> None:
        self.table.list.filter = event.value

    @on(FilterLine.Left)
    def _to_the_list(self) -> None:
        self.table.list.focus()

    def action_sort(self) -> None:
        orders = list(ORDERS)
        self.table.sort_by(orders[(orders.index(self.table.list.order) + 1) % len(orders)])
        self._sorted()

    def action_turn(self) -> None:
        self.table.sort_by(self.table.list.order, reverse=not self.table.list.reverse)
        self._sorted()

    @on(ModelTable.Sorted)
    def _sorted(self) -> None:
        self.services.state.remember(ORDER, self.table.list.order)
        self.services.state.remember(REVERSE, self.table.list.reverse or None)

    def on_resize(self, event: events.Resize) -> None:
        beside, flat = self._sides(event.size)
        self.query_one("#shelf").set_class(beside, "-beside")
        self.query_one(ModelDetails).set_class(flat, "-flat")

    # The first model

    @on(Welcome.Own)
    def _choose_own(self) -> None:
        self.action_new()

    @on(Welcome.First)
    @work(exclusive=True, group="first")
    async def _train_first(self) -> None:
        from engine.training import runs

        self.query_one(Welcome).busy = True
        settings = self.services.settings
        options = {"minutes": settings.training_minutes, "device": settings.training_device}
        if settings.training_preset != "auto":
            options["preset"] = settings.training_preset
        try:
            run = await asyncio.to_thread(lambda: runs.start("tales", **options))
        except EngineError as error:
            self.query_one(Welcome).busy = False
            self.notify(visible(str(error)), severity="error", markup=False, timeout=8)
        else:
            self.post_message(navigation.OpenTraining(run.name))


_OF_A_MODEL = {
    *("enter", "compose", "chat", "watch", "further", "rename", "duplicate", "export", "delete"),
    *("filter", "sort", "turn", "show_all"),
}
