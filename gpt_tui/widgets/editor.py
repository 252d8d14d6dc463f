"""The editor: a text for two writers, the one at the keys and a model.

editor_rows      where the rows are
editor_view      how they look (editor_painting paints one)
editor_cursor    the cursor, and what is selected
editor_text      changes, history, continuations, suggestions
editor_finding   find, replace, mark
editor_keys      keys, editor_mouse the mouse
"""

from __future__ import annotations

from typing import ClassVar

from gpt_tui.editing.authorship import Author, Span
from gpt_tui.editing.document import Continuation
from gpt_tui.editing.search import SearchError
from gpt_tui.widgets import editor_messages
from gpt_tui.widgets.editor_mouse import EditorMouse

__all__ = ["Author", "Continuation", "Editor", "SearchError", "Span"]


class Editor(EditorMouse):
    """A text that is edited, with a cursor, a selection, suggestions, and a model's words as they come in."""

    HELP = """\
Type. With Shift the keys that move the cursor select; with Ctrl they go by words and paragraphs.

While a suggestion stands in dim letters, Tab takes all of it, Ctrl+Right a word, Ctrl+Down a sentence, and Escape none.
Typing what it says takes it letter by letter.
"""
    WRITES: ClassVar[bool] = True

    Changed = editor_messages.Changed
    Moved = editor_messages.Moved
    SuggestionEnded = editor_messages.SuggestionEnded
    Copied = editor_messages.Copied

    def __init__(
        self,
        text: str = "",
        *,
        id: str | None = None,
        classes: str | None = None,
        read_only: bool = False,
        placeholder: str = "",
    ) -> None:
        super().__init__(text, id=id, classes=classes)
        self.set_reactive(Editor.read_only, read_only)
        self.set_reactive(Editor.placeholder, placeholder)
        self._was_above = 0  # empty rows above the text when that last changed

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._theme_changed, init=False)

    def _theme_changed(self) -> None:
        self._painter = None
        self.refresh()

    def notify_style_update(self) -> None:
        self._painter = None
        super().notify_style_update()

    def on_resize(self) -> None:
        seen = self._cursor_seen
        self._was_above = self._above
        self._rewrap()
        self._keep_in_view(seen)

    def watch_column_width(self) -> None:
        if self.is_attached:
            seen = self._cursor_seen
            self._rewrap()
            self._keep_in_view(seen)

    def _keep_in_view(self, seen: bool) -> None:
        """After the view changed: what was followed, or the cursor where it was seen, is in view again."""
        coming = self.document.continuation
        if self._following and coming is not None:
            self._scroll_to_offset(coming.end)
        elif seen and not self.reading:
            self._scroll_to_offset(self._cursor)
        self._place_terminal_cursor()

    def watch_focus_mode(self) -> None:
        self._change_mode()

    def watch_reading(self) -> None:
        self._change_mode()

    def _change_mode(self) -> None:
        """Focus and reading mode have other room above the text: what is in view stays, but for the cursor's row."""
        if not self.is_attached:
            return
        if self.reading:
            self.dismiss()
        self._start_blinking()
        above, self._was_above = self._was_above, self._above
        self._resize_view()
        self._scroll_to_line(round(self.scroll_y) + self._above - above)
        self._keep_in_view(self._cursor_seen)
        self.refresh()

    def watch_show_authors(self) -> None:
        self.refresh()
