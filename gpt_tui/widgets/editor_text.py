"""The editor's text: changes of it, its history, a model's words as they come in, and suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from textual.reactive import reactive
from textual.timer import Timer

from gpt_tui.editing.authorship import Author, Span
from gpt_tui.editing.document import Continuation
from gpt_tui.editing.words import count_words, first_sentence, first_word
from gpt_tui.widgets.editor_cursor import EditorCursor
from gpt_tui.widgets.editor_messages import Changed, Moved, SuggestionEnded

SETTLE = 0.02
"""Seconds between two rounds of mending rows far from the view."""

Part = Literal["all", "word", "sentence"]
"""How much of a suggestion is taken."""


class EditorText(EditorCursor):
    """A text that is edited. Listens to its document, and brings rows, cursor and suggestion after each change."""

    read_only: reactive[bool] = reactive(False)
    """Whether the text cannot be changed by keys; the cursor still moves."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes)
        self.document.listener = self
        self._accepted = ""  # what was taken of the suggestion
        self._own_edit = False  # whether what changes is what the writer does at the cursor
        self._eats_ghost = False  # whether what is put in is the beginning of the suggestion
        self._settler: Timer | None = None

    @property
    def text(self) -> str:
        """All of it, with the newlines that it was loaded with."""
        return self.document.text

    @property
    def length(self) -> int:
        return len(self.document)

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self.document.version

    def spans(self) -> list[Span]:
        """The passages that are not the writer's own."""
        return self.document.spans()

    def load(self, text: str, spans: Iterable[Span | tuple[int, int, Author]] = (), *, cursor: int = 0) -> None:
        """Another text, with no history. The suggestion, the mark and the context of the last one are gone."""
        self._shown.ghost = self._accepted = ""
        self._mark = None
        self._following = False
        self.set_reactive(EditorText.context_start, None)
        self.document.load(text, spans)
        self._anchor = self._cursor = self.document.buffer.at_boundary(cursor)
        self._goal = self._rule_drawn = None
        self._scroll_to_line(0)
        self._new_layout()
        self._scroll_to_offset(self._cursor, centre=True)
        self._place_terminal_cursor()
        self.post_message(Changed(self, self.version))
        self.post_message(Moved(self, self._cursor))

    def word_count(self) -> int:
        """How many words the text has. Cheap: only what changed is counted anew."""
        return self.document.buffer.count_words()

    def selected_word_count(self) -> int:
        """How many words are selected."""
        return count_words(self.selected_text)

    @property
    def can_edit(self) -> bool:
        """Whether keys change the text."""
        return not (self.read_only or self.reading)

    def insert(self, text: str, author: Author = Author.WRITER) -> None:
        """Put a text in the place of what is selected; the cursor goes behind it."""
        self._edit(*self.selection, text, "edit", author)

    def replace(self, start: int, end: int, text: str, author: Author = Author.WRITER) -> None:
        """Put a text in the place of a passage; the cursor keeps to the words that it is at."""
        self.document.replace(start, end, text, author, selected=(self._anchor, self._cursor))

    def delete(self, start: int, end: int) -> None:
        """Take a passage out."""
        self.replace(start, end, "")

    def adopt(self, start: int, end: int) -> None:
        """That passage is the writer's own from now on."""
        self.document.set_author(start, end, Author.WRITER)

    def type_text(self, text: str) -> None:
        """Put in what the writer types: what goes together is one step of the history."""
        self._edit(*self.selection, text, "type")

    def _edit(self, start: int, end: int, text: str, kind: str, author: Author = Author.WRITER) -> None:
        """A change at the cursor, which goes to its end."""
        ghost, at = self._shown.ghost, self._shown.at
        self._eats_ghost = bool(text) and start == end == at and ghost.startswith(text)
        self._own_edit = True
        self._goal = None
        self.document.replace(start, end, text, author, kind=kind, selected=(self._anchor, self._cursor))
        self._own_edit = self._eats_ghost = False

    # Changes, as the document tells of them

    def text_changed(self, start: int, removed: int, inserted: int) -> None:
        end, grows = start + removed, inserted - removed

        def moved(offset: int, sticks: bool) -> int:
            """Where an offset is now; at the very place of what was put in, it goes behind that unless it sticks."""
            if offset < start or (offset == start and (removed or sticks)):
                return offset
            return offset + grows if offset >= end else min(offset, start + inserted)

        if self._shown.ghost:
            self._change_around_ghost(start, removed, inserted)
        else:
            self._shown.at = 0
            self._text_changed(start, removed, inserted)
        if self._own_edit:
            self._anchor = self._cursor = start + inserted
        else:
            sticks = self._anchor != self._cursor
            self._anchor, self._cursor = moved(self._anchor, sticks), moved(self._cursor, sticks)
        if self._mark is not None:
            begin, finish = moved(self._mark[0], False), moved(self._mark[1], True)
            self._mark = (begin, max(begin, finish))
        if self.context_start:
            self.set_reactive(EditorText.context_start, moved(self.context_start, True))

    def _change_around_ghost(self, start: int, removed: int, inserted: int) -> None:
        """A change while there is a suggestion: typed into it, it is eaten; elsewhere it moves, or is gone."""
        shown = self._shown
        own = self._own_edit
        if self._eats_ghost:
            self._accepted += shown.ghost[:inserted]
            shown.at += inserted
            shown.ghost = shown.ghost[inserted:]  # what is shown is the same: no row changes
            self._repaint_range(start, shown.at)
            if not shown.ghost:
                self._suggestion_ended()
        elif not own and start + removed <= shown.at and (removed or start < shown.at):
            shown.at += inserted - removed
            self._text_changed(start, removed, inserted)
        elif not own and start >= shown.at and (removed or start > shown.at):
            self._text_changed(start + len(shown.ghost), removed, inserted)
        else:  # the suggestion goes with what changed: one change of what is shown
            length, shown.ghost = len(shown.ghost), ""
            begin, finish = min(start, shown.at), max(start + removed, shown.at)
            self._text_changed(begin, finish - begin + length, finish - begin + inserted - removed)
            self._suggestion_ended()

    def authors_changed(self, start: int, end: int) -> None:
        self._repaint_range(start, end)

    def changes_made(self) -> None:
        self._move_rule()
        self._settle_scroll()
        self._move_focus()
        if self._own_edit:
            self._cursor_moved()
        else:
            self._follow()
            self._cursor_seen = self._is_in_view(self._cursor)
            self._place_terminal_cursor()
        if not self._layout.settled and self._settler is not None:
            self._settler.resume()
        self.post_message(Changed(self, self.version))

    def on_mount(self) -> None:
        self._settler = self.set_interval(SETTLE, self._settle, pause=True)

    def _settle(self) -> None:
        """Mend some of the rows that a change left for later."""
        mended = self._layout.settle()
        if mended is not None:
            self._repaint_mended(mended, self._top_row)
            self._move_rule()
            self._move_focus()
            self._settle_scroll()
        elif self._settler is not None:
            self._settler.pause()

    # Undo

    @property
    def can_undo(self) -> bool:
        return bool(self.document.history.done)

    @property
    def can_redo(self) -> bool:
        return bool(self.document.history.undone)

    def undo(self) -> bool:
        """Undo the last step; False when there is none."""
        self.dismiss()
        return self._select_again(self.document.undo())

    def redo(self) -> bool:
        """Do again what was undone; False when there is nothing."""
        self.dismiss()
        return self._select_again(self.document.redo())

    def _select_again(self, selected: tuple[int, int] | None) -> bool:
        if selected is None:
            return False
        buffer = self.document.buffer
        self._select(buffer.at_boundary(selected[0]), buffer.at_boundary(selected[1]))
        return True

    # A model's words

    def begin_continuation(self, at: int | None = None, *, replace_to: int | None = None) -> Continuation:
        """Begin to add a model's words at an offset (the cursor), in the place of what stands up to `replace_to`."""
        self.dismiss()
        at = self._cursor if at is None else at
        continuation = self.document.begin_continuation(at, replace_to, (self._anchor, self._cursor))
        self._following = self._is_in_view(continuation.end)
        return continuation

    def _follow(self) -> None:
        """Go with what comes in, unless the reader looks elsewhere."""
        coming = self.document.continuation
        if coming is None or not self._following:
            return
        elsewhere = self._cursor != coming.end and not self.reading
        if elsewhere and self.focus_mode:
            return
        top = round(self.scroll_y)
        self._scroll_to_offset(coming.end)
        if elsewhere and not self._is_in_view(self._cursor):  # the writer writes on at another place
            self._scroll_to_line(top)
            self._following = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        coming = self.document.continuation
        if not self._scrolling and coming is not None and round(old_value) != round(new_value):
            self._following = new_value > old_value and self._is_in_view(coming.end)
        self._cursor_seen = self._is_in_view(self._cursor)
        self._place_terminal_cursor()

    # Suggestions

    @property
    def suggestion(self) -> str:
        """What is suggested and not taken yet."""
        return self._shown.ghost

    def suggest(self, text: str, at: int | None = None) -> None:
        """Suggest a text, in dim letters at an offset (the cursor). A longer one may follow as it grows."""
        at = self._cursor if at is None else self.document.buffer.at_boundary(at)
        shown = self._shown
        if shown.ghost and shown.at != at:
            self.dismiss()
        if not shown.ghost:
            self._accepted = ""
        old, same = shown.ghost, 0
        while same < min(len(old), len(text)) and old[same] == text[same]:
            same += 1
        shown.at, shown.ghost = at, text
        self._text_changed(at + same, len(old) - same, len(text) - same)
        self._move_rule()
        self._settle_scroll()
        if old and not text:
            self._suggestion_ended()

    def dismiss(self) -> None:
        """Take the suggestion away."""
        if self._shown.ghost:
            self.suggest("", self._shown.at)

    def accept(self, what: Part = "all") -> str:
        """Take the suggestion, or the next word or sentence of it; what was taken."""
        ghost, at = self._shown.ghost, self._shown.at
        if not ghost:
            return ""
        taken = {"all": ghost, "word": first_word(ghost), "sentence": first_sentence(ghost)}[what]
        self._anchor = self._cursor = at
        self._edit(at, at, taken, "edit", Author.MODEL)
        return taken

    def _cursor_leaves(self, cursor: int) -> None:
        if self._shown.ghost and cursor != self._shown.at:
            self.dismiss()

    def _suggestion_ended(self) -> None:
        accepted, self._accepted = self._accepted, ""
        self.post_message(SuggestionEnded(self, accepted))
