"""How the editor looks: each row with all that is laid over it, in the colours of the theme."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, ClassVar

from textual._styles_cache import StylesCache
from textual.css.styles import StylesBase
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip

from gpt_tui.editing.authorship import Author
from gpt_tui.editing.buffer import Buffer
from gpt_tui.editing.ghost import ShownText
from gpt_tui.editing.shapes import line_of
from gpt_tui.editing.wrapping import row_ends
from gpt_tui.widgets.editor_painting import GHOST, Painter, Palette, RowLook
from gpt_tui.widgets.editor_rows import EditorRows, Range

RULE = " what the model sees begins here "


class _Rows(StylesCache):
    """The rows as they were painted, where nothing stands around them. Textual would make each anew when it is shown
    in another place, and lose what a `Strip` remembers of itself: scrolling then takes three times as long."""

    def render_line(
        self,
        styles: StylesBase,
        y: int,
        size: Size,
        content_size: Size,
        padding: Any,
        base_background: Any,
        background: Any,
        render_content_line: Callable[[int], Strip],
        border_title: Any,
        border_subtitle: Any,
        opacity: float,
        *others: Any,
    ) -> Strip:
        colours = base_background, background
        if size == content_size and opacity == 1.0:
            return render_content_line(y).adjust_cell_length(size.width, self.get_inner_outer(*colours)[0].rich_style)
        around = padding, *colours, render_content_line, border_title, border_subtitle, opacity
        return super().render_line(styles, y, size, content_size, *around, *others)


class EditorView(EditorRows):
    """Paints the rows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "editor--cursor",
        "editor--selection",
        "editor--model",
        "editor--edited",
        "editor--ghost",
        "editor--match",
        "editor--match-current",
        "editor--mark",
        "editor--rule",
        "editor--sign",
        "editor--placeholder",
    }
    DEFAULT_CSS = """
    EditorView {
        height: 1fr;
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-color: $rule;
        scrollbar-color-hover: $faint;
        scrollbar-color-active: $primary;

        & > .editor--cursor { background: $primary; color: $background; }
        & > .editor--selection { background: $primary 30%; }
        & > .editor--model { color: $model-text; }
        & > .editor--edited { color: $edited-text; }
        & > .editor--ghost { color: $ghost-text; text-style: italic; }
        & > .editor--match { background: $secondary 30%; }
        & > .editor--match-current { background: $warning; color: $background; text-style: bold; }
        & > .editor--mark { background: $accent 25%; }
        & > .editor--rule { color: $rule; }
        & > .editor--sign { color: $faint; }
        & > .editor--placeholder { color: $faint; }
    }
    """

    show_authors: reactive[bool] = reactive(True)
    """Whether a model's words look different from the writer's."""
    placeholder: reactive[str] = reactive("")
    """What is shown while there is no text."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes)
        self._styles_cache = _Rows()
        self._matches: list[Range] = []
        self._match_index = -1
        self._mark: Range | None = None
        self._lit = True  # whether the cursor shows, when it blinks
        self._paragraph: tuple[int, int, Range] = (-1, -1, (0, 0))  # of a version and a cursor
        self._focus_drawn: Range = (-1, -1)  # the rows of the paragraph that was painted as the focused one

    def show_now(self) -> None:
        """Paint what has changed. Textual paints by a clock, and after a frame that took long lets one more pass."""
        screen = self.screen
        if screen.is_current and not screen._layout_required and not self.app._batch_count:
            bar = {self.vertical_scrollbar} if self.show_vertical_scrollbar else set()
            screen._compositor.update_widgets({self, *bar})
            screen._compositor_refresh()

    def render_line(self, y: int) -> Strip:
        painter = self._painter
        if painter is None:
            painter = self._painter = Painter(Palette(self), self._left, self._room.width)
        line = y + self.scroll_offset.y
        row = self._row_at(line)
        if row is None:
            return self._rule(painter) if line >= self._above else painter.blank()
        if not len(self._shown) and self.placeholder:
            return self._placeholder_row(painter, row)
        if row >= len(self._layout):
            return painter.blank()
        return painter.strip(self._look(row))

    def _rule(self, painter: Painter) -> Strip:
        width, look = self._column, painter.palette
        words = RULE if width > len(RULE) + 8 else ""
        left = (width - len(words)) // 2
        right = "\u2500" * (width - left - len(words))
        return painter.line([("\u2500" * left, look.rule), (words, look.placeholder), (right, look.rule)])

    def _placeholder_row(self, painter: Painter, row: int) -> Strip:
        """What is shown where there is no text, with the cursor on its first letter."""
        text = Buffer(self.placeholder)
        ends = [0, *row_ends(text, 0, self._column)]
        if row + 1 >= len(ends):
            return painter.blank()
        words = line_of(text.slice(ends[row], ends[row + 1]))
        look = painter.palette.placeholder
        if row > 0 or self.reading or not self._lit:
            return painter.line([(words, look)])
        over = painter.palette.laid_over["cursor" if self.has_focus else "resting"]
        return painter.line([(words[:1] or " ", look + over), (words[1:], look)])

    def _look(self, row: int) -> RowLook:
        start, end = self._layout.bounds(row)
        whole = self._shown.slice(start, end)
        text = line_of(whole)
        length = len(text)
        shown, cursor = self._shown.shown, self._cursor

        def within(span: Range | None) -> Range | None:
            if span is None or span[0] >= span[1]:
                return None
            begin, finish = _after_ghost(self._shown, span[0]) - start, shown(span[1]) - start
            return (max(0, begin), min(length, finish)) if begin < length and finish > 0 else None

        match = self._matches[self._match_index] if 0 <= self._match_index < len(self._matches) else None
        selection = self.selection_range
        here = -1
        if not self.reading and start <= shown(cursor) <= end and self._layout.row_of(shown(cursor)) == row:
            hidden = (self.has_focus and not self._lit) or (match is not None and match[0] == cursor)
            here = -1 if hidden else shown(cursor) - start
        outside = 0
        if self.context_start:
            outside = max(0, min(length, shown(self.context_start) - start))
        first = self._shown.offset(start)
        newline_selected = len(whole) > length and selection[0] <= self._shown.offset(start + length) < selection[1]
        return RowLook(
            text,
            self._runs(start, start + length),
            within(selection),
            newline_selected,
            tuple(found for found in map(within, self._matches_in(first, self._shown.offset(end))) if found),
            within(match),
            within(self._mark),
            here,
            "cursor" if self.has_focus else "resting",
            outside,
            self._is_faded(start),
        )

    def _runs(self, start: int, end: int) -> tuple[tuple[int, str], ...]:
        """Who wrote what is shown from `start` to `end`."""
        shown = self._shown
        ghost, ghost_end = shown.at, shown.at + len(shown.ghost)
        authors = self.document.authors if self.show_authors else None

        def written(begin: int, finish: int) -> list[tuple[int, str]]:
            if begin >= finish or authors is None:
                return [(finish - begin, Author.WRITER)] if begin < finish else []
            return [*authors.runs(begin, finish)]

        if not shown.ghost or end <= ghost or start >= ghost_end:
            return tuple(written(shown.offset(start), shown.offset(end)))
        inside = min(end, ghost_end) - max(start, ghost)
        before = written(start, ghost) if start < ghost else []
        after = written(ghost, shown.offset(end)) if end > ghost_end else []
        return (*before, (inside, GHOST), *after)

    def _matches_in(self, start: int, end: int) -> list[Range]:
        first = bisect_right(self._matches, start, key=lambda match: match[1])
        last = bisect_left(self._matches, end, key=lambda match: match[0])
        return self._matches[first:last]

    def _is_faded(self, start: int) -> bool:
        """Whether a row lies outside of the paragraph that focus mode shows."""
        if not self.focus_mode or self.reading:
            return False
        first, last = self._focused_paragraph()
        return not first <= self._shown.offset(start) <= last

    def _focused_paragraph(self) -> Range:
        """Where the paragraph of the cursor begins and ends."""
        version, cursor, paragraph = self._paragraph
        if version != self.document.version or cursor != self._cursor:
            buffer = self.document.buffer
            paragraph = (buffer.paragraph_start(self._cursor), buffer.paragraph_end(self._cursor))
            self._paragraph = (self.document.version, self._cursor, paragraph)
        return paragraph

    def _move_focus(self) -> None:
        """Paint anew, in focus mode, when the paragraph that it shows is on other rows."""
        if not self.focus_mode or self.reading:
            return
        first, last = (self._layout.row_of(self._shown.shown(offset)) for offset in self._focused_paragraph())
        if (first, last) != self._focus_drawn:
            self._focus_drawn = first, last
            self.refresh()


def _after_ghost(shown: ShownText, offset: int) -> int:
    """Where the character at an offset is shown."""
    return offset if offset < shown.at else offset + len(shown.ghost)
