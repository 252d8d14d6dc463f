"""The list of models: trainings on top, then the models, a line each. Only the lines that are seen are drawn: a
thousand models cost as much as ten."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual
from textual.widgets import Static

from gpt_tui.shelf import Item, Points
from gpt_tui.widgets.curve import curve_rows
from gpt_tui.widgets.model_columns import ORDERS, Columns, heading, holds, line, sort


class ModelList(ScrollView, can_focus=True):
    """`items` as they come; `order`, `reverse` and `filter` say which are shown and how. A cursor is on one of them."""

    DEFAULT_CSS = """
    ModelList { height: 1fr; width: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    ModelList > .model-list--line { color: $foreground; }
    ModelList > .model-list--hover { background: $foreground 6%; }
    ModelList > .model-list--cursor {
        background: $block-cursor-blurred-background; text-style: $block-cursor-blurred-text-style;
    }
    ModelList > .model-list--mark { color: $primary; }
    ModelList > .model-list--rule { color: $rule; }
    ModelList > .model-list--empty { color: $faint; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "model-list--line",
        "model-list--hover",
        "model-list--cursor",
        "model-list--mark",
        "model-list--rule",
        "model-list--empty",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="list.up", show=False, tooltip="To the line above."),
        Binding("down,j", "move(1)", "Down", id="list.down", show=False, tooltip="To the line below."),
        Binding("pageup", "page(-1)", "Page up", id="list.page_up", show=False, tooltip="A page up."),
        Binding("pagedown", "page(1)", "Page down", id="list.page_down", show=False, tooltip="A page down."),
        Binding("home", "end(False)", "First", id="list.first", show=False, tooltip="To the first line."),
        Binding("end", "end(True)", "Last", id="list.last", show=False, tooltip="To the last line."),
    ]

    MOMENT = 20.0
    """Seconds after which ages are told anew."""
    MOST_DRAWN = 500
    """Lines that are kept as they were drawn."""

    items: reactive[Sequence[Item]] = reactive((), always_update=True)
    order: reactive[str] = reactive("when")
    reverse: reactive[bool] = reactive(False)
    filter: reactive[str] = reactive("")
    braille: reactive[bool] = reactive(True)

    class Moved(Message):
        """Another item is under the cursor, or what is known of it has changed."""

        def __init__(self, item: Item | None) -> None:
            super().__init__()
            self.item = item

    class Chosen(Message):
        """An item was clicked twice."""

        def __init__(self, item: Item) -> None:
            super().__init__()
            self.item = item

    class CurvesWanted(Message):
        """The curves of these items are to be seen and not known: `learn_curves` takes them."""

        def __init__(self, items: list[Item]) -> None:
            super().__init__()
            self.items = items

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Item | None] = []
        """What each line shows; None is the rule between trainings and models."""
        self._cursor = 0
        self._hover = -1
        self._curves: dict[str, tuple[float, Points | None]] = {}
        """By the items' names: when the model was changed, and its points; None while they are read."""
        self._wanted: dict[str, Item] = {}
        self._drawn: dict[str, tuple[object, Strip]] = {}
        """Lines that were drawn, by their items' keys, with all that they came of."""
        self._now = time.time()

    # What is shown

    @property
    def item(self) -> Item | None:
        """What is under the cursor."""
        return self._lines[self._cursor] if 0 <= self._cursor < len(self._lines) else None

    @property
    def shown(self) -> list[Item]:
        """The items in the order in which they stand."""
        return [item for item in self._lines if item is not None]

    def select(self, name: str) -> bool:
        """Put the cursor on the item of that name; whether there is one."""
        for place, item in enumerate(self._lines):
            if item is not None and item.name == name:
                self._go(place)
                return True
        return False

    def learn_curves(self, curves: Mapping[str, tuple[float, Points]]) -> None:
        """Take curves, by the items' names: when the model was changed, and its points."""
        self._curves.update(curves)
        self.refresh()

    def has_curve(self, item: Item) -> bool:
        """Whether the item's curve is known, or there is none to be known."""
        return item.record is None or self._curves.get(item.name, (-1.0, None))[1] is not None

    def keep_time(self) -> None:
        """Tell ages anew when they may have changed."""
        if time.time() - self._now > self.MOMENT:
            self._now = time.time()
            self.refresh()

    def watch_items(self) -> None:
        self._arrange()

    def watch_order(self) -> None:
        self._arrange()

    def watch_reverse(self) -> None:
        self._arrange()

    def watch_filter(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Lay the lines anew, the cursor on the item that it was on, as far as it is still there."""
        before, place = self.item, self._cursor
        words = self.filter.casefold().split()
        running = [item for item in self.items if item.run is not None and holds(item, words)]
        resting = [item for item in self.items if item.run is None and holds(item, words)]
        resting = sort(resting, self.order, reverse=self.reverse)
        self._lines = [*running, *([None] if running and resting else []), *resting]
        if len(self._drawn) > self.MOST_DRAWN:
            self._drawn.clear()
        self._cursor = self._place_of(before, place)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines))
        self._show_cursor()
        self.refresh()
        self.post_message(self.Moved(self.item))

    def _place_of(self, before: Item | None, place: int) -> int:
        lines = [(at, item) for at, item in enumerate(self._lines) if item is not None]
        if before is not None:
            same = [at for at, item in lines if item.key == before.key]
            named = [at for at, item in lines if item.name == before.name]
            if same or named:
                return (same or named)[0]
        place = max(0, min(place, len(self._lines) - 1))
        return place + 1 if self._lines and self._lines[place] is None else place

    # The cursor

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self._lines) - 1))
        if self._lines and self._lines[place] is None:
            place += 1 if place > self._cursor else -1
        if place != self._cursor:
            self._cursor = place
            self.refresh()
            self.post_message(self.Moved(self.item))
        self._show_cursor()

    def _show_cursor(self) -> None:
        if self.is_mounted and self._lines:
            region = Region(0, self._cursor, self.scrollable_content_region.width, 1)
            self.scroll_to_region(region, animate=False, immediate=True, force=True)

    def action_move(self, by: int) -> None:
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._go(self._cursor + by * max(1, self.size.height - 1))

    def action_end(self, last: bool) -> None:
        self._go(len(self._lines) - 1 if last else 0)

    # Drawing

    @property
    def _columns(self) -> Columns:
        return Columns.fitting(self.scrollable_content_region.width)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines))
        self.call_after_refresh(self._show_cursor)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        base = self.get_visual_style("model-list--line")
        if not self._lines and self.items and y == 0:
            return self._strip(Content("   Nothing here holds these words. Esc shows all."), "model-list--empty")
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, base.rich_style)
        item = self._lines[place]
        if item is None:
            return self._strip(Content(" " + "─" * max(0, width - 2)), "model-list--rule")
        state = "model-list--cursor" if place == self._cursor else "model-list--hover" if place == self._hover else ""
        points = self._points(item)
        looks = (item, points, width, state, place, self._now, self.braille)
        before, strip = self._drawn.get(item.key, (None, None))
        if strip is None or before != looks:
            strip = self._draw(item, points, state).apply_meta({"place": place})
            self._drawn[item.key] = (looks, strip)
        return strip

    def _draw(self, item: Item, points: Points, state: str) -> Strip:
        columns = self._columns
        room = columns.widths.get("curve", 0)
        curve = curve_rows(points, room, 1, braille=self.braille)[0] if room and len(points) > 1 else ""
        mark = "▌" if state == "model-list--cursor" else " "
        return self._strip(Content.assemble((mark, "$primary"), line(item, columns, curve, now=self._now)), state)

    def _strip(self, content: Content, component: str) -> Strip:
        width = self.scrollable_content_region.width
        classes = ("model-list--line", component) if component else ("model-list--line",)
        style = self.get_visual_style(*classes)
        strips = Visual.to_strips(self, content, width, 1, style)
        return strips[0].adjust_cell_length(width, style.rich_style) if strips else Strip.blank(width, style.rich_style)

    def _points(self, item: Item) -> Points:
        """Its curve as far as it is known; what is not, and can be seen, is asked for."""
        if item.run is not None and item.run.points:
            return item.run.points
        if "curve" not in self._columns.widths:
            return ()
        changed, known = self._curves.get(item.name, (-1.0, None))
        if changed != item.changed and item.record is not None:
            self._want(item)
        return known or ()

    def _want(self, item: Item) -> None:
        if not self._wanted:
            self.call_later(self._ask)
        self._wanted[item.name] = item

    def _ask(self) -> None:
        wanted, self._wanted = list(self._wanted.values()), {}
        for item in wanted:  # none is asked for twice
            self._curves[item.name] = (item.changed, self._curves.get(item.name, (0.0, None))[1])
        self.post_message(self.CurvesWanted(wanted))

    # The mouse

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._over(event.style.meta.get("place", -1))

    def on_leave(self) -> None:
        self._over(-1)

    def _over(self, place: int) -> None:
        if place != self._hover:
            self._hover = place
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        place = event.style.meta.get("place")
        if place is None:
            return
        self._go(place)
        if event.chain >= 2 and self.item is not None:
            self.post_message(self.Chosen(self.item))


class ListHeading(Static):
    """The columns' titles; a click on one sorts by it."""

    DEFAULT_CSS = """
    ListHeading { height: 1; width: 1fr; }
    """

    columns: reactive[Columns] = reactive(Columns.fitting(80))
    order: reactive[str] = reactive("when")
    reverse: reactive[bool] = reactive(False)

    class Sort(Message):
        def __init__(self, order: str) -> None:
            super().__init__()
            self.order = order

    def render(self) -> Content:
        return heading(self.columns, self.order, reverse=self.reverse)

    def on_resize(self, event: events.Resize) -> None:
        self.columns = Columns.fitting(event.size.width - 1)  # beside the list's scrollbar

    def on_click(self, event: events.Click) -> None:
        column = self.columns.at(event.x)
        if column is not None and column in ORDERS:
            self.post_message(self.Sort(column))


class ModelTable(Vertical):
    """The list under its titles, sorted by the column that was clicked, or by `sort_by`."""

    DEFAULT_CSS = """
    ModelTable { height: 1fr; width: 1fr; }
    """

    class Sorted(Message):
        """A click has sorted the list anew."""

    def compose(self) -> ComposeResult:
        yield ListHeading()
        yield ModelList()

    @property
    def list(self) -> ModelList:
        return self.query_one(ModelList)

    def sort_by(self, order: str, *, reverse: bool = False) -> None:
        """Sort by that column."""
        for widget in (self.query_one(ListHeading), self.list):
            widget.order, widget.reverse = order, reverse

    def on_list_heading_sort(self, message: ListHeading.Sort) -> None:
        message.stop()
        again = message.order == self.list.order
        self.sort_by(message.order, reverse=not self.list.reverse if again else False)
        self.post_message(self.Sorted())
