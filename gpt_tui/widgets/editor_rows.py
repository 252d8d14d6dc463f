"""The rows of an editor's text: where they are on the screen, and what is repainted when something changes."""

from __future__ import annotations

from textual.geometry import Offset, Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from gpt_tui.editing.document import Document
from gpt_tui.editing.ghost import ShownText
from gpt_tui.editing.layout import Layout, Mended
from gpt_tui.editing.shapes import RowShape, line_of
from gpt_tui.widgets.editor_painting import Painter
from gpt_tui.widgets.thumb_bar import ThumbBar

Range = tuple[int, int]


class EditorRows(ScrollView, can_focus=True, inherit_bindings=False):
    """A text in rows, with a cursor, a selection, and what is laid over it."""

    ALLOW_SELECT = False  # Textual's own selection knows nothing of rows

    column_width: reactive[int] = reactive(0)
    """Columns of the text, which stands in the middle; 0: as wide as there is room."""
    focus_mode: reactive[bool] = reactive(False)
    """Whether all but the paragraph of the cursor is dimmed, and the cursor's row stays in the middle."""
    reading: reactive[bool] = reactive(False)
    """Whether the text is only read: no cursor, no changes, keys scroll."""
    context_start: reactive[int | None] = reactive(None)
    """Where what the model sees begins: a rule is drawn there, and the text before it dimmed."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.document = Document(text)
        self._shown = ShownText(self.document)
        self._layout = Layout(self._shown, 80)
        self._painter: Painter | None = None
        self._anchor = 0
        self._cursor = 0
        self._goal: int | None = None  # the cell that moving up and down keeps to
        self._scrolling = False  # whether it is we who scroll
        self._following = False  # whether the view goes with what comes in
        self._rows_pushed = 0  # rows by which what is above the view has grown
        self._rule_drawn: int | None = None  # the row above which the rule was painted last
        self._cursor_seen = True  # whether the cursor was in view when anything last moved

    # Rows and cells

    @property
    def _room(self) -> Size:
        return self.scrollable_content_region.size

    @property
    def _column(self) -> int:
        """Cells of the text's column."""
        return self._column_in(self._room.width)

    def _column_in(self, width: int) -> int:
        """The same in a view of a width. The cell to the right is for a space that hangs, and the cursor; one to the
        left, where there is room, keeps letters off the edge."""
        room = width - 2 if width > 20 else width - 1
        return max(1, min(self.column_width, room) if self.column_width > 0 else room)

    @property
    def _left(self) -> int:
        return max(0, (self._room.width - self._column) // 2)

    @property
    def _above(self) -> int:
        """Empty rows above the text: in focus mode half a screen, so that the first row can be in the middle."""
        return self._room.height // 2 if self.focus_mode and not self.reading else 0

    @property
    def _below(self) -> int:
        """Empty rows below the text; none where the view is as high as the text."""
        height = self._room.height
        if self.focus_mode and not self.reading:
            return height // 2
        return 0 if self.styles.is_auto_height else min(2, height // 6)

    @property
    def _rule_row(self) -> int | None:
        """The row above which the rule of the context stands; none above the first."""
        return self._rule_row_at(self.context_start)

    def _rule_row_at(self, offset: int | None) -> int | None:
        if not offset or offset < 0:
            return None
        return self._layout.row_of(self._shown.shown(min(offset, len(self.document)))) or None

    def _y_of(self, row: int) -> int:
        """The line of the whole view that a row is on."""
        rule = self._rule_row
        return self._above + row + (1 if rule is not None and row >= rule else 0)

    def _row_at(self, y: int) -> int | None:
        """The row on a line; None where there is no text. May be beyond the last."""
        y -= self._above
        rule = self._rule_row
        if rule is not None and y >= rule:
            if y == rule:
                return None
            y -= 1
        return y if y >= 0 else None

    def _place(self, offset: int) -> tuple[int, int]:
        """The row of an offset, and the cell in the row's column."""
        shown = self._shown.shown(offset)
        row = self._layout.row_of(shown)
        start, end = self._layout.bounds(row)
        return row, RowShape(line_of(self._shown.slice(start, end))).column(shown - start)

    def _offset_in(self, row: int, column: int) -> int:
        """The offset nearest to a cell of a row."""
        row = max(0, min(row, len(self._layout) - 1))
        start, end = self._layout.bounds(row)
        text = self._shown.slice(start, end)
        index = RowShape(line_of(text)).index(column)
        if text and index >= len(text) and row + 1 < len(self._layout):
            index = len(text) - 1  # at its very end the next row begins
        return self.document.buffer.at_boundary(self._shown.offset(start + index))

    def offset_at(self, x: int, y: int) -> int:
        """The offset nearest to a cell of the widget."""
        line = y - self.gutter.top + self.scroll_offset.y
        row = self._row_at(line)
        if row is None:
            row = 0 if line < self._above else self._row_at(line + 1) or 0
        if row >= len(self._layout):
            return len(self.document)
        return self._offset_in(row, x - self.gutter.left - self._left)

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the cursor is on the screen."""
        row, column = self._place(self._cursor)
        region = self.content_region
        return Offset(region.x + self._left + column, region.y + self._y_of(row) - self.scroll_offset.y)

    @property
    def _top_row(self) -> int:
        """The first row in view."""
        return min(self._row_at(round(self.scroll_y)) or 0, len(self._layout) - 1)

    # What changes

    def _text_changed(self, start: int, removed: int, inserted: int) -> None:
        """Mend the rows after a change, in offsets of what is shown, and repaint them."""
        top = self._top_row
        self._repaint_mended(self._layout.changed(start, removed, inserted), top)

    def _repaint_mended(self, mended: Mended, top: int) -> None:
        if mended.before == mended.after:
            self._repaint_rows(mended.first, mended.first + mended.after)
            return
        if mended.first + mended.before <= top:
            self._rows_pushed += mended.after - mended.before
        self._repaint_rows(mended.first, None)
        self._resize_view()

    def _repaint_rows(self, first: int, last: int | None) -> None:
        """Repaint rows from `first` up to `last`; None: to the end of the view."""
        height = self._room.height
        rule = 0 if self._rule_row is None else 1
        begin = max(0, self._y_of(first) - rule - self.scroll_offset.y)
        end = height if last is None else min(height, self._y_of(last) + rule - self.scroll_offset.y)
        if begin < end:
            self.refresh(Region(0, begin, self.size.width, end - begin))

    def _repaint_range(self, start: int, end: int) -> None:
        """Repaint the rows of a passage."""
        first = self._layout.row_of(self._shown.shown(start))
        last = self._layout.row_of(self._shown.shown(end))
        self._repaint_rows(first, last + 1)

    def _resize_view(self) -> None:
        """Tell the scroll bar how many rows there are.

        `virtual_size` would lay out the whole screen anew for each row that is added, although no widget moves.
        """
        rule = 0 if self._rule_row is None else 1
        size = Size(self._room.width, self._above + len(self._layout) + rule + self._below)
        if size != self.virtual_size and self.is_attached:
            self.set_reactive(Widget.virtual_size, size)
            if self.styles.is_auto_height:
                self.refresh(layout=True)
            self._refresh_scrollbars()
            if self.show_vertical_scrollbar:
                self.vertical_scrollbar.window_virtual_size = size.height
                self.vertical_scrollbar.window_size = self.container_size.height - self.scrollbar_size_horizontal
            self.scroll_y = self.validate_scroll_y(self.scroll_y)

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        """As in Textual, but another kind of bar."""
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = ThumbBar(name="vertical", thickness=self.scrollbar_size_vertical)
            self._vertical_scrollbar.display = False
            self.app._start_widget(self, self._vertical_scrollbar)
        return self._vertical_scrollbar

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the text takes, where the height is `auto`."""
        column = self._column_in(width - self.scrollbar_size_vertical)
        if column != self._layout.width:
            self._layout.rewrap(column)
        return max(1, len(self._layout) + (0 if self._rule_row is None else 1))

    def _rewrap(self) -> None:
        """Make all rows anew where the column has another width, and keep what is looked at in view."""
        self._painter = None
        if self._column != self._layout.width:
            offset = self._layout.start(self._top_row)
            self._layout.rewrap(self._column)
            self._resize_view()
            self._scroll_to_line(self._y_of(self._layout.row_of(offset)))
        self._rule_drawn = self._rule_row
        self._resize_view()
        self.refresh()

    def _new_layout(self) -> None:
        """Another text."""
        self._layout = Layout(self._shown, self._column)
        self._resize_view()
        self.refresh()

    def _scroll_to_line(self, y: int) -> None:
        self._scrolling = True
        self.scroll_to(y=max(0, y), animate=False, force=True)
        self._scrolling = False

    def _settle_scroll(self) -> None:
        """Keep the view where it was when rows above it came or went."""
        if self._rows_pushed:
            pushed, self._rows_pushed = self._rows_pushed, 0
            self._scroll_to_line(round(self.scroll_y) + pushed)

    def _scroll_to_offset(self, offset: int, *, centre: bool = False) -> None:
        """Bring an offset into view, with some rows around it."""
        height = self._room.height
        if height <= 0:
            return
        y = self._y_of(self._layout.row_of(self._shown.shown(offset)))
        top = round(self.scroll_y)
        margin = min(2, (height - 1) // 4)
        if self.focus_mode and not self.reading:
            wanted = y - height // 2
        elif centre and not top + margin <= y < top + height - margin:
            wanted = y - height // 3
        else:
            wanted = max(y + margin + 1 - height, min(top, y - margin))
        if max(0, wanted) != top:
            self._scroll_to_line(wanted)

    def _is_in_view(self, offset: int) -> bool:
        y = self._y_of(self._layout.row_of(self._shown.shown(offset))) - round(self.scroll_y)
        return 0 <= y < self._room.height

    def watch_context_start(self) -> None:
        if self.is_attached:
            self._move_rule()
            self._settle_scroll()

    def _move_rule(self) -> None:
        """Repaint what the rule of the context passes when it is above another row; what is in view stays there."""
        was, now = self._rule_drawn, self._rule_row
        self._rule_drawn = now
        if was == now:
            if now is not None:  # it may begin at another place of the same row
                self._repaint_rows(now, now + 1)
        elif was is None or now is None:
            top = round(self.scroll_y) - self._above
            self._rows_pushed += (now is not None and now < top) - (was is not None and was < top)
            self._resize_view()
            self.refresh()
        else:
            self._repaint_rows(min(was, now) - 1, max(was, now) + 1)

    @property
    def selection_range(self) -> Range:
        """Start and end of what is selected."""
        return min(self._anchor, self._cursor), max(self._anchor, self._cursor)
