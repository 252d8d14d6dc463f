"""The mouse in the editor: a click puts the cursor, two select a word, three a paragraph; dragging goes on by these."""

from __future__ import annotations

from textual import events
from textual.timer import Timer

from gpt_tui.editing.words import word_around
from gpt_tui.widgets.editor_keys import REACH, EditorKeys

CLICKS = 0.4
"""Seconds in which clicks on one place count together."""
SCROLL = 0.05
"""Seconds between two rows while the mouse drags beyond an edge."""


class EditorMouse(EditorKeys):
    """Clicks and drags."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes)
        self._clicks = (0.0, -1, 0)  # when and where the last one was, and how many there were
        self._dragging: tuple[int, int] | None = None  # what was selected when it began
        self._drag_by = 1
        self._drag_place = (0, 0)
        self._dragger: Timer | None = None

    def on_mount(self) -> None:
        self._dragger = self.set_interval(SCROLL, self._drag, pause=True)

    async def _on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1 or self.reading:
            return
        event.stop()
        self.focus()
        offset = self.offset_at(event.x, event.y)
        last, place, clicks = self._clicks
        clicks = clicks % 3 + 1 if offset == place and event.time - last < CLICKS else 1
        self._clicks = (event.time, offset, clicks)
        self._drag_by = clicks
        self.capture_mouse()
        if event.shift:
            self._dragging = (self._anchor, self._anchor)
            self.move_to(offset, select=True)
            return
        self._dragging = self._unit(offset)
        self._select(*self._dragging)

    def _unit(self, offset: int) -> tuple[int, int]:
        """What one, two or three clicks select: nothing yet, a word, a paragraph."""
        buffer = self.document.buffer
        if self._drag_by == 1:
            return offset, offset
        if self._drag_by == 3:
            return buffer.paragraph_start(offset), buffer.paragraph_end(offset)
        base = max(0, offset - REACH)
        start, end = word_around(buffer.slice(base, offset + REACH), offset - base)
        return base + start, base + end

    async def _on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragging is None or self._dragger is None:
            return
        self._drag_place = event.x, event.y
        if 0 <= event.y - self.gutter.top < self._room.height:
            self._dragger.pause()
            self._drag()
        else:
            self._dragger.resume()

    def _drag(self) -> None:
        """Select up to where the mouse is; while it is beyond an edge, on and on in that direction."""
        if self._dragging is None:
            return
        x, y = self._drag_place
        top, height = self.gutter.top, self._room.height
        if not 0 <= y - top < height:
            self._scroll_to_line(round(self.scroll_y) + (1 if y > top else -1))
        start, end = self._unit(self.offset_at(x, max(top, min(y, top + height - 1))))
        if start < self._dragging[0]:
            self._select(self._dragging[1], start)
        else:
            self._select(self._dragging[0], max(end, self._dragging[1]))

    async def _on_mouse_up(self, event: events.MouseUp) -> None:
        self._end_drag()

    def _on_hide(self, event: events.Hide) -> None:
        self._end_drag()

    def _end_drag(self) -> None:
        if self._dragging is not None:
            self._dragging = None
            self.release_mouse()
            if self._dragger is not None:
                self._dragger.pause()
