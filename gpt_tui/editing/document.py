"""What an editor edits: a text with its authors and its history, and the one continuation that may be coming in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from gpt_tui.editing.authorship import Author, Authors, Runs, Span, touched_words
from gpt_tui.editing.buffer import Buffer
from gpt_tui.editing.graphemes import NEWLINE
from gpt_tui.editing.history import Change, History, Selected, Step

PAUSE = 2.0
"""Seconds without a key after which what is typed is a step of its own."""

MANY = 20
"""Changes of one step beyond which they are told of as one."""

SAMPLE = 100_000
"""Code points that are looked at for the newline that a text uses."""


class Listener(Protocol):
    """Who is told of changes, as they are made."""

    def text_changed(self, start: int, removed: int, inserted: int) -> None:
        """`inserted` code points stand at `start` in the place of `removed` ones."""

    def authors_changed(self, start: int, end: int) -> None:
        """A passage has other authors; its text is the same."""

    def changes_made(self) -> None:
        """All that one call changes has been changed."""


class Cover:
    """Where many changes were made: one change that stands for all of them."""

    def __init__(self) -> None:
        self.start = 0
        self.removed = 0
        self.inserted = -1  # nothing yet

    def add(self, start: int, removed: int, inserted: int) -> None:
        """One more change, in offsets of the text as it was just before it."""
        if self.inserted < 0:
            self.start, self.removed, self.inserted = start, removed, inserted
            return
        end = self.start + self.inserted
        first, last = min(self.start, start), max(end, start + removed)
        self.removed += self.start - first + last - end
        self.start = first
        self.inserted = last - first + inserted - removed


class Document:
    """A text that is edited. Offsets are in code points; those beyond the ends mean the ends."""

    def __init__(self, text: str = "", spans: Iterable[Span | tuple[int, int, Author]] = ()) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.version = 0
        self.listener: Listener | None = None
        self.continuation: Continuation | None = None
        self._together: Step | None = None
        self._cover: Cover | None = None  # of the changes that are told of later, as one
        self._last_time = 0.0
        self.load(text, spans)

    def load(self, text: str, spans: Iterable[Span | tuple[int, int, Author]] = ()) -> None:
        """Another text, with no history."""
        self.end_continuation()
        self.buffer = Buffer(text)
        self.authors = Authors(len(text), spans)
        self.history = History()
        self.newline = usual_newline(text)
        self.version += 1

    @property
    def text(self) -> str:
        return self.buffer.text

    def __len__(self) -> int:
        return len(self.buffer)

    def replace(
        self,
        start: int,
        end: int,
        text: str,
        author: Author | Runs = Author.WRITER,
        *,
        kind: str = "edit",
        selected: Selected | None = None,
    ) -> int:
        """Put `text` in the place of what stands from `start` to `end`; where it ends then.

        Changes of one `kind` that follow upon each other become one step: "type", "backspace" and "delete" do. An
        "edit" is a step of its own. `selected` is what an undo selects again.
        """
        start, end = max(0, min(start, len(self))), max(0, min(end, len(self)))
        start, end = min(start, end), max(start, end)
        if start == end and not text:
            return start
        runs = [(len(text), author)] if isinstance(author, Author) else author
        step = self._together or self._step(kind, start, end, text, selected or (end, end))
        touched = touched_words(self.buffer, self.authors, start, end, text) if author is Author.WRITER else []
        grows = len(text) - (end - start)
        self._do(step, Change(start, self.buffer.slice(start, end), text, self.authors.runs(start, end), runs))
        for begin, finish in touched:
            if begin >= end:
                begin, finish = begin + grows, finish + grows
            self._set_author(step, begin, finish, Author.EDITED)
        self._finish()
        return start + len(text)

    def set_author(self, start: int, end: int, author: Author) -> None:
        """Say whose a passage is, as one step."""
        start, end = max(0, start), min(end, len(self))
        if start < end and self.authors.runs(start, end) != [(end - start, author)]:
            step = self._together or self.history.begin("authors", start, (start, end))
            self._set_author(step, start, end, author)
            self._finish()

    @contextmanager
    def together(self, start: int, selected: Selected) -> Iterator[None]:
        """All that is changed inside is one step; the first change is at `start`."""
        step = self._together = self.history.begin("together", start, selected)
        try:
            yield
        finally:
            self._together = None
            step.closed = True
            if not step.changes:
                self.history.done.remove(step)

    def close_step(self) -> None:
        """What is typed next is a step of its own."""
        self.history.close()

    def undo(self) -> Selected | None:
        """Undo the last step; the selection to go back to. None when there is none.

        A continuation ends with it; one that has not begun to come in is all that is undone.
        """
        coming = self.continuation
        if coming is not None:
            coming.finish()
            if coming.is_empty:
                return coming.start, coming.start
        if not self.history.done:
            return None
        step = self.history.done.pop()
        with self._told_as_one(len(step.changes)):
            for change in reversed(step.changes):
                self._apply(change.back())
        self.history.undone.append(step)
        self._finish()
        return step.selected_before()

    def redo(self) -> Selected | None:
        """Do again the step that was undone last."""
        self.end_continuation()
        if not self.history.undone:
            return None
        step = self.history.undone.pop()
        with self._told_as_one(len(step.changes)):
            for change in step.changes:
                self._apply(change)
        self.history.close()
        step.closed = True
        self.history.done.append(step)
        self._finish()
        return step.selected_after()

    def begin_continuation(
        self, at: int, replace_to: int | None = None, selected: Selected | None = None
    ) -> Continuation:
        """Begin to add a model's words at an offset, in the place of what stands up to `replace_to`."""
        self.end_continuation()
        at = max(0, min(at, len(self)))
        until = max(at, min(replace_to if replace_to is not None else at, len(self)))
        step = self.history.begin("continuation", at, selected or (at, at))
        step.closed = True
        change = Change(at, self.buffer.slice(at, until), "", self.authors.runs(at, until), [])
        step.changes.append(change)
        self.continuation = Continuation(self, step, at)
        if change.removed:
            self._apply(change)
            self._finish()
        return self.continuation

    def end_continuation(self) -> None:
        """No more is added to the continuation that is coming in."""
        if self.continuation is not None:
            self.continuation.finish()

    # Changes

    def _step(self, kind: str, start: int, end: int, text: str, selected: Selected) -> Step:
        """The step that a change belongs to: the last one when it goes on, else a new one."""
        now = self.clock()
        last = self.history.done[-1] if self.history.done else None
        goes_on = last is not None and not last.closed and last.kind == kind and now - self._last_time < PAUSE
        self._last_time = now
        change = last.last_text_change() if last is not None and goes_on and not self.history.undone else None
        if last is not None and change is not None:
            typed_on = kind == "type" and start == end == change.end and not _begins_word(change.inserted, text)
            if typed_on or (kind == "backspace" and end == change.end) or (kind == "delete" and start == change.end):
                return last
        step = self.history.begin(kind, start, selected)
        step.closed = kind == "edit"
        return step

    def _do(self, step: Step, change: Change) -> None:
        step.record(change)
        self._apply(change)

    def _set_author(self, step: Step, start: int, end: int, author: Author) -> None:
        """Record a change of authors; at the end of what is coming in it is cut, so that more can come there."""
        coming = self.continuation
        cuts = [coming.end] if coming is not None and start < coming.end < end else []
        for begin, finish in zip([start, *cuts], [*cuts, end], strict=True):
            text = self.buffer.slice(begin, finish)
            runs = self.authors.runs(begin, finish)
            change = Change(begin, text, text, runs, [(finish - begin, author)])
            step.changes.append(change)
            self._apply(change)

    def _apply(self, change: Change) -> None:
        """Make a change, and tell of it."""
        start, removed, inserted = change.start, len(change.removed), len(change.inserted)
        self.authors.replace(start, start + removed, change.inserted_runs)
        self.version += 1
        if change.removed != change.inserted:
            self.buffer.replace(start, start + removed, change.inserted)
            if self.continuation is not None:
                self.continuation.moved(start, removed, inserted)
        if self._cover is not None:
            self._cover.add(start, removed, inserted)
        elif self.listener is None:
            return
        elif change.removed == change.inserted:
            self.listener.authors_changed(start, start + removed)
        else:
            self.listener.text_changed(start, removed, inserted)

    @contextmanager
    def _told_as_one(self, count: int) -> Iterator[None]:
        """Tell of the changes inside as of one, where there are many: who listens does much for each."""
        if count <= MANY or self.listener is None:
            yield
            return
        self._cover = cover = Cover()
        try:
            yield
        finally:
            self._cover = None
            if cover.inserted >= 0:
                self.listener.text_changed(cover.start, cover.removed, cover.inserted)

    def _finish(self) -> None:
        if self.listener is not None and self._together is None:
            self.listener.changes_made()

    def spans(self) -> list[Span]:
        """All passages that are not the writer's own."""
        return self.authors.spans()

    def replace_many(self, pieces: Sequence[tuple[int, int, str]], selected: Selected) -> None:
        """Replace many passages, in rising order and apart from each other, as one step."""
        if not pieces:
            return
        with self.together(pieces[-1][0], selected), self._told_as_one(len(pieces)):
            for start, end, text in reversed(pieces):
                self.replace(start, end, text)
        self._finish()


class Continuation:
    """A model's words as they come in at one place. All of them are one step, whatever the writer does meanwhile."""

    def __init__(self, document: Document, step: Step, at: int) -> None:
        self._document = document
        self._step = step
        self.start = at
        self.end = at
        self.ended = False
        """Whether no more is taken: it was finished, withdrawn or undone, or its end was deleted."""

    @property
    def text(self) -> str:
        """What came in, as it stands now."""
        return self._document.buffer.slice(self.start, self.end)

    @property
    def is_empty(self) -> bool:
        """Whether nothing came in, and it took nothing's place."""
        change = self._step.changes[0]
        return not change.inserted and not change.removed

    def append(self, text: str) -> bool:
        """Add to its end; False when it takes no more."""
        if self.ended:
            return False
        if not text:
            return True
        runs: Runs = [(len(text), Author.MODEL)]
        if not self._document.history.grow(self._step, text, runs):
            self.finish()
            return False
        end = self.end
        self.end += len(text)
        self._document.continuation = None  # it is this that moves, not what is around it
        self._document._apply(Change(end, "", text, [], runs))
        self._document.continuation = self
        self._document._finish()
        return True

    def finish(self) -> None:
        """No more comes."""
        self.ended = True
        if self._document.continuation is self:
            self._document.continuation = None
            if self.is_empty:
                self._document.history.forget(self._step)  # nothing to undo

    def withdraw(self) -> None:
        """Take it out as if it had never been; where the writer has changed it, as a step that can be undone."""
        self.finish()
        document, change = self._document, self._step.changes[0]
        if not any(step is self._step for step in document.history.done):
            return
        place = document.history.forget(self._step)
        if place is None:
            document.replace(self.start, self.end, change.removed, change.removed_runs)
            return
        start, _ = place
        document._apply(Change(start, change.inserted, change.removed, change.inserted_runs, change.removed_runs))
        document._finish()

    def moved(self, start: int, removed: int, inserted: int) -> None:
        """The text changed around it, or in it."""
        if start >= self.end:
            return
        if start + removed > self.end:
            self.finish()  # its end is gone
            return
        if start + removed <= self.start:
            self.start += inserted - removed
        elif start < self.start:
            self.start = start + inserted
        self.end += inserted - removed


def usual_newline(text: str) -> str:
    """The newline that a text uses most, near its beginning."""
    found = Counter(match.group() for match in NEWLINE.finditer(text[:SAMPLE]) if match.group() in ("\n", "\r\n", "\r"))
    return found.most_common(1)[0][0] if found else "\n"


def _begins_word(before: str, text: str) -> bool:
    """Whether a word begins with this text: then what was typed before is a step of its own."""
    return before[-1:].isspace() and not text[:1].isspace()
