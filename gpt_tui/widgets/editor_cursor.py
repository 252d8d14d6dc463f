"""The editor's cursor, and what is selected."""

from __future__ import annotations

from textual.reactive import reactive
from textual.timer import Timer

from gpt_tui.widgets.editor_messages import Moved
from gpt_tui.widgets.editor_view import EditorView

BLINK = 0.5
"""Seconds that the cursor shows, and is hidden."""


class EditorCursor(EditorView):
    """Moves the cursor, shows it, and keeps it in view."""

    cursor_blink: reactive[bool] = reactive(True)

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes)
        self._blinker: Timer | None = None

    @property
    def cursor(self) -> int:
        """Its offset."""
        return self._cursor

    @cursor.setter
    def cursor(self, offset: int) -> None:
        self.move_to(offset)

    @property
    def selection(self) -> tuple[int, int]:
        """Where what is selected begins and ends."""
        return self.selection_range

    @property
    def selected_text(self) -> str:
        return self.document.buffer.slice(*self.selection)

    def move_to(self, offset: int, *, select: bool = False) -> None:
        """Put the cursor elsewhere; `select` what lies between."""
        offset = self.document.buffer.at_boundary(offset)
        self._select(self._anchor if select else offset, offset)

    def select(self, start: int, end: int) -> None:
        """Select a passage; the cursor is at its end."""
        buffer = self.document.buffer
        self._select(buffer.at_boundary(start), buffer.at_boundary(end))

    def _select(self, anchor: int, cursor: int) -> None:
        before = self._anchor, self._cursor
        self._goal = None
        if (anchor, cursor) != before:
            self.document.close_step()
            self._cursor_leaves(cursor)
            self._anchor, self._cursor = anchor, cursor
            self._move_focus()
            if anchor != cursor or before[0] != before[1]:
                self._repaint_range(min(*before, anchor, cursor), max(*before, anchor, cursor))
            else:
                self._repaint_range(before[1], before[1])
        self._cursor_moved()

    def _cursor_leaves(self, cursor: int) -> None:
        """The cursor is about to go to another place."""

    def _cursor_moved(self) -> None:
        """Show where it is now, and say so."""
        self._lit = True
        if self._blinker is not None:
            self._blinker.reset()
        coming = self.document.continuation
        self._following = coming is not None and self._cursor == coming.end
        self._repaint_range(self._cursor, self._cursor)
        if not self.reading:
            self._scroll_to_offset(self._cursor)
        self._cursor_seen = self._is_in_view(self._cursor)
        self._place_terminal_cursor()
        self.post_message(Moved(self, self._cursor))

    def _place_terminal_cursor(self) -> None:
        """Put the terminal's own cursor where ours is: input methods show there what they compose."""
        if self.has_focus and self.is_attached and not self.reading:
            self.app.cursor_position = self.cursor_screen_offset

    def _row_edge(self, offset: int, *, end: bool) -> int:
        """Where the row of an offset begins, or ends."""
        row = self._layout.row_of(self._shown.shown(offset))
        return self._offset_in(row, 1_000_000 if end else 0)

    # Blinking

    def on_mount(self) -> None:
        self._blinker = self.set_interval(BLINK, self._blink, pause=True)

    def on_focus(self) -> None:
        self._start_blinking()
        self._place_terminal_cursor()
        self._repaint_range(self._cursor, self._cursor)

    def on_blur(self) -> None:
        self._start_blinking()
        self._repaint_range(self._cursor, self._cursor)

    def watch_cursor_blink(self) -> None:
        self._start_blinking()

    def _start_blinking(self) -> None:
        self._lit = True
        if self._blinker is not None:
            if self.has_focus and self.cursor_blink and not self.reading:
                self._blinker.resume()
                self._blinker.reset()
            else:
                self._blinker.pause()

    def _blink(self) -> None:
        if self.screen.is_active:
            self._lit = not self._lit
            self._repaint_range(self._cursor, self._cursor)
