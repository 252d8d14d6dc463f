"""Finding and replacing in the editor, and passages that are marked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from textual.timer import Timer

from gpt_tui.editing import search
from gpt_tui.editing.authorship import Author, Span
from gpt_tui.widgets.editor_text import EditorText

FIND_AGAIN = 0.3
"""Seconds after a change until matches are looked for anew."""


class EditorFinding(EditorText):
    """Marks what is found, goes from one to the next, and puts other words in their place."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes)
        self._query: search.Query | None = None
        self._finder: Timer | None = None

    def on_mount(self) -> None:
        self._finder = self.set_interval(FIND_AGAIN, self._refind, pause=True)

    def load(self, text: str, spans: Iterable[Span | tuple[int, int, Author]] = (), *, cursor: int = 0) -> None:
        self._query = None
        self._matches, self._match_index = [], -1
        super().load(text, spans, cursor=cursor)

    def text_changed(self, start: int, removed: int, inserted: int) -> None:
        super().text_changed(start, removed, inserted)
        if self._query is not None:
            self._move_matches(start, removed, inserted)
            if self._finder is not None:
                self._finder.reset()
                self._finder.resume()

    def _move_matches(self, start: int, removed: int, inserted: int) -> None:
        """After a change matches are elsewhere; those that it touched are gone until they are looked for anew."""
        if not self._matches:
            return
        current = search.moved([self._matches[self._match_index]], start, removed, inserted)
        count = len(self._matches)
        self._matches = search.moved(self._matches, start, removed, inserted)
        place = bisect_left(self._matches, current[0] if current else (start, start))
        self._match_index = min(place, len(self._matches) - 1)
        if len(self._matches) != count:
            self.refresh()

    def find(
        self, query: str, *, regex: bool = False, case: bool = False, words: bool = False
    ) -> list[tuple[int, int]]:
        """Mark all places where the query is found, and go to the next. Raises `search.SearchError`."""
        wanted, start = search.Query(query, regex, case, words), self.selection[0]
        self._query, self._matches = None, []
        self._matches = wanted.find_all(self.text)
        self._query = wanted
        self._match_index = next((n for n, (begin, _) in enumerate(self._matches) if begin >= start), 0)
        self._go_to_match()
        self.refresh()
        return list(self._matches)

    @property
    def matches(self) -> list[tuple[int, int]]:
        """Where the query is found."""
        return self._matches

    @property
    def match_index(self) -> int:
        """The number of the match that one is at; -1 when there is none."""
        return self._match_index if self._matches else -1

    def find_next(self) -> None:
        """Go to the next match; after the last, to the first."""
        self._step_match(1)

    def find_previous(self) -> None:
        self._step_match(-1)

    def _step_match(self, by: int) -> None:
        if self._matches:
            self._match_index = (self._match_index + by) % len(self._matches)
            self._go_to_match()

    def _go_to_match(self) -> None:
        if not self._matches:
            self._match_index = -1
            return
        start, end = self._matches[self._match_index]
        self._select(end, start)
        self._anchor = self._cursor
        self._scroll_to_offset(end)
        self._scroll_to_offset(start, centre=True)
        self.refresh()

    def replace_match(self, text: str) -> None:
        """Put a text in the place of the match that one is at, and go to the next."""
        if self._query is None or not self._matches or not self.can_edit:
            return
        start, end = self._matches[self._match_index]
        text = self._query.replacement(self.text, start, end, text)
        self.document.replace(start, end, text, selected=(start, end))
        self._find_again(start + len(text))

    def replace_all(self, text: str) -> int:
        """Put a text in the place of all matches, as one step; how many there were."""
        if self._query is None or not self._matches or not self.can_edit:
            return 0
        whole, query, matches = self.text, self._query, list(self._matches)
        pieces = [(start, end, query.replacement(whole, start, end, text)) for start, end in matches]
        self._matches = []
        self.document.replace_many(pieces, (self._anchor, self._cursor))
        self._find_again(self._cursor)
        return len(pieces)

    def end_find(self) -> None:
        """Matches are no longer marked."""
        self._query = None
        self._matches, self._match_index = [], -1
        self.refresh()

    def _find_again(self, start: int) -> None:
        """Look for matches anew, the current one being the first from an offset on."""
        if self._query is not None:
            self._matches = self._found(self._query)
            self._match_index = next((n for n, match in enumerate(self._matches) if match[0] >= start), 0)
            self._go_to_match()
            self.refresh()

    def _found(self, query: search.Query) -> search.Spans:
        """The matches in the text as it is now. What takes too long there is not looked for any more."""
        try:
            return query.find_all(self.text)
        except search.SearchError:
            self._query = None
            return []

    def _refind(self) -> None:
        """After changes: the matches as they are now, the view as it is."""
        if self._finder is not None:
            self._finder.pause()
        if self._query is not None:
            current = self._matches[self._match_index][0] if self._matches else self._cursor
            self._matches = self._found(self._query)
            self._match_index = next((n for n, match in enumerate(self._matches) if match[0] >= current), 0)
            self._match_index = self._match_index if self._matches else -1
            self.refresh()

    # One passage marked

    def mark(self, start: int, end: int) -> None:
        """Highlight one passage, and bring it into view."""
        self.unmark()
        self._mark = (start, end)
        self._repaint_range(start, end)
        self._scroll_to_offset(start, centre=True)

    def unmark(self) -> None:
        if self._mark is not None:
            mark, self._mark = self._mark, None
            self._repaint_range(*mark)
