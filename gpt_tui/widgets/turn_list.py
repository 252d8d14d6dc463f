"""The turns of a conversation. It follows the end as long as one is there, and stays where one reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from gpt_tui.widgets.turn import Shown, TurnView

MOST_SHOWN = 60
"""Turns that are on the screen at once; earlier ones come when one asks for them."""

MOST_NAME = 16
"""Columns of a name beside what is said."""

HORIZON = "the model sees what follows"


class _Earlier(Static):
    """Says that there is more above, and shows it when it is clicked."""

    class Asked(Message):
        pass

    def on_click(self) -> None:
        self.post_message(self.Asked())


class TurnList(VerticalScroll, can_focus=False):
    """`seen_from`: how many of the first turns the model does not see any more; a thin rule stands after them."""

    DEFAULT_CSS = """
    TurnList { height: 1fr; width: 1fr; padding: 1 1 0 1; scrollbar-size-vertical: 1; }
    TurnList > #earlier { width: 1fr; color: $faint; text-align: center; padding: 0 0 1 0; display: none; }
    TurnList > #earlier:hover { color: $foreground; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home", "earlier", "To the first turn", id="turns.home", show=False, tooltip="To the first turn."),
        Binding("end", "latest", "To the last turn", id="turns.end", show=False, tooltip="To the last turn."),
    ]

    seen_from: reactive[int] = reactive(0)
    stacked: reactive[bool] = reactive(False)
    """Names above what is said, where there is no room beside it."""

    class Left(Message):
        """One has gone on below the last turn."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Shown] = []
        self._views: dict[int, TurnView] = {}
        self._welcome: Widget | None = None
        self._most = MOST_SHOWN

    def compose(self) -> ComposeResult:
        yield _Earlier("", id="earlier", markup=False)

    def on_mount(self) -> None:
        self.anchor()

    def load(self, rows: Sequence[Shown], welcome: Widget | None = None) -> None:
        """Show another conversation, from its end; `welcome` while nothing is said."""
        self._most = MOST_SHOWN
        with self.app.batch_update():
            self.show([])
            if self._welcome is not None:
                self._welcome.remove()
            self._welcome = welcome if not rows else None
            if self._welcome is not None:
                self.mount(self._welcome)
            self.show(rows)
        self.anchor()

    def show(self, rows: Sequence[Shown]) -> None:
        """Bring what is on the screen to these turns; those that were there already stay."""
        self._rows = list(rows)
        wanted = self._rows[max(0, len(rows) - self._most) :]
        if rows and self._welcome is not None:
            self._welcome.remove()
            self._welcome = None
        for turn in set(self._views) - {row.turn for row in wanted}:
            self._views.pop(turn).remove()
        self._mount(wanted)
        for row in wanted:
            self._views[row.turn].row = row
            self._views[row.turn].indent = self._indent
        left = len(rows) - len(wanted)
        earlier = self.query_one("#earlier", Static)
        earlier.display = left > 0
        earlier.update(f"{left:,} earlier turns: Home, or a click, shows more")
        self._mark()

    def _mount(self, wanted: Sequence[Shown]) -> None:
        """Mount what is new: before the first that is there already, or at the end."""
        known = next((row.turn for row in wanted if row.turn in self._views), None)
        before: list[TurnView] = []
        after: list[TurnView] = []
        reached = known is None
        for row in wanted:
            reached = reached or row.turn == known
            if row.turn not in self._views:
                (after if reached else before).append(TurnView(row))
        if before and known is not None:
            self.mount_all(before, before=self._views[known])
        if after:
            self.mount_all(after)
        for view in (*before, *after):
            self._views[view.turn] = view
            view.indent = self._indent

    def grow(self, row: Shown) -> None:
        """One turn has changed, and no other."""
        self._rows = [row if old.turn == row.turn else old for old in self._rows]
        if (view := self._views.get(row.turn)) is not None:
            view.row = row

    # Where one looks

    def look_at(self, turn: int) -> None:
        """Put the focus on a turn."""
        if (view := self._views.get(turn)) is not None:
            view.focus()

    def look_at_last(self) -> None:
        if self._rows:
            self.look_at(self._rows[-1].turn)

    def move(self, turn: int, by: int) -> None:
        """From that turn to another; beyond the last one leaves the list."""
        turns = [row.turn for row in self._rows]
        at = turns.index(turn) + by
        if at >= len(turns):
            self.post_message(self.Left())
        elif at >= 0:
            if turns[at] not in self._views:
                self._show_more()
            self.call_after_refresh(self.look_at, turns[at])

    def action_earlier(self) -> None:
        self._show_more()
        self.release_anchor()
        self.scroll_home(animate=False)
        if self._rows and self.screen.focused in self._views.values():
            shown = max(0, len(self._rows) - self._most)
            self.call_after_refresh(self.look_at, self._rows[shown].turn)

    def action_latest(self) -> None:
        self.anchor()
        if self.screen.focused in self._views.values():
            self.look_at_last()

    def on__earlier_asked(self) -> None:
        self.action_earlier()

    def _show_more(self) -> None:
        if len(self._rows) > self._most:
            self._most += MOST_SHOWN
            self.show(self._rows)

    # What the model sees

    def watch_seen_from(self) -> None:
        self._mark()

    def watch_stacked(self) -> None:
        for view in self._views.values():
            view.indent = self._indent

    @property
    def _indent(self) -> int:
        """Columns of the names: the longest, in bounds."""
        if self.stacked:
            return 0
        return 2 + min(MOST_NAME, max((cell_len(row.speaker) for row in self._rows), default=0))

    def _mark(self) -> None:
        for number, row in enumerate(self._rows):
            if (view := self._views.get(row.turn)) is not None:
                view.set_class(number < self.seen_from, "-forgotten")
                horizon = 0 < self.seen_from == number
                view.set_class(horizon, "-horizon")
                view.border_title = HORIZON if horizon else ""
