"""Whose words are whose: the writer's, a model's, and those of a model's that the writer has changed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from gpt_tui.editing.buffer import Buffer
from gpt_tui.editing.stretches import Stretches
from gpt_tui.editing.words import is_ideograph, is_word

LONGEST_WORD = 64
"""Code points of a model's word that are marked as edited on either side of a change."""


class Author(StrEnum):
    """Who wrote a passage."""

    WRITER = "writer"
    MODEL = "model"
    EDITED = "edited"


class Span(NamedTuple):
    """A passage that is not the writer's own, in offsets of code points."""

    start: int
    end: int
    author: Author


Runs = list[tuple[int, Author]]
"""Lengths, one after the other, with who wrote them."""


class Authors:
    """Who wrote each part of a text."""

    def __init__(self, length: int = 0, spans: Iterable[Span | tuple[int, int, Author]] = ()) -> None:
        """Spans beyond the text, empty, or over one another, are cut to what makes sense."""
        runs: Runs = []
        at = 0
        for start, end, author in sorted(spans, key=lambda span: span[0]):
            start, end = max(start, at), min(end, length)
            if start < end:
                runs += [(start - at, Author.WRITER), (end - start, Author(author))]
                at = end
        self._runs = Stretches(tidy([*runs, (length - at, Author.WRITER)]))

    @property
    def length(self) -> int:
        return self._runs.total

    @property
    def only_writer(self) -> bool:
        """Whether all of it is the writer's own."""
        return len(self._runs) == 0 or (len(self._runs) == 1 and self._runs[0][1] is Author.WRITER)

    def runs(self, start: int, end: int) -> Runs:
        """Who wrote the passage from `start` up to `end`."""
        found: Runs = []
        if start >= end or not len(self._runs):
            return found
        number, at = self._runs.find(start)
        for length, author in self._runs.iterate(number):
            here = min(at + length, end) - max(at, start)
            found.append((here, author))
            at += length
            if at >= end:
                break
        return found

    def spans(self) -> list[Span]:
        """All that is not the writer's."""
        found = []
        at = 0
        for length, author in self._runs.iterate():
            if author is not Author.WRITER:
                found.append(Span(at, at + length, author))
            at += length
        return found

    def replace(self, start: int, end: int, runs: Runs) -> None:
        """Put `runs` in the place of what stands from `start` up to `end`."""
        if not len(self._runs):
            self._runs = Stretches(tidy(runs))
            return
        first, first_at = self._runs.find(start)
        last, last_at = self._runs.find(end)
        length, author = self._runs[last]
        around = [(start - first_at, self._runs[first][1]), *runs, (last_at + length - end, author)]
        if first > 0:
            first -= 1
            around.insert(0, self._runs[first])
        last += 1
        if last < len(self._runs):
            around.append(self._runs[last])
            last += 1
        self._runs.splice(first, last, tidy(around))


def tidy(runs: Iterable[tuple[int, Author]]) -> Runs:
    """Without empty runs, and neighbours of one author as one."""
    tidy: Runs = []
    for length, author in runs:
        if not length:
            continue
        if tidy and tidy[-1][1] is author:
            tidy[-1] = (tidy[-1][0] + length, author)
        else:
            tidy.append((length, author))
    return tidy


def touched_words(buffer: Buffer, authors: Authors, start: int, end: int, text: str) -> list[tuple[int, int]]:
    """The parts of a model's words that stay but are no longer the model's words, when `text` takes the place of what
    stands from `start` to `end`. Asked before it does.

    A word is changed when what it is made of changes: letters of it go, others come to it, or it is cut in two. What
    is put between words, or taken from between them, changes none.
    """
    if authors.only_writer:
        return []
    before = buffer.slice(start - LONGEST_WORD, start)
    after = buffer.slice(end, end + LONGEST_WORD)
    removed = buffer.slice(start, min(end, start + 1)), buffer.slice(max(start, end - 1), end)
    parts = []
    if _joined(before[-1:], (removed[0] or after)[:1]) or _joined(before[-1:], (text or after)[:1]):
        begin = start
        while begin > start - len(before) and _is_of_model(buffer, authors, begin - 1):
            begin -= 1
            if is_ideograph(buffer.slice(begin, begin + 1)):
                break
        parts.append((begin, start))
    if _joined((removed[1] or before)[-1:], after[:1]) or _joined((text or before)[-1:], after[:1]):
        finish = end
        while finish < end + len(after) and _is_of_model(buffer, authors, finish):
            finish += 1
            if is_ideograph(buffer.slice(finish - 1, finish)):
                break
        parts.append((end, finish))
    return [(a, b) for a, b in parts if a < b]


def _joined(one: str, other: str) -> bool:
    """Whether two characters beside each other are of one word."""
    return bool(one and other and is_word(one) and is_word(other)) and not (is_ideograph(one) or is_ideograph(other))


def _is_of_model(buffer: Buffer, authors: Authors, at: int) -> bool:
    """Whether the character is part of a word that a model wrote."""
    return authors.runs(at, at + 1)[0][1] is Author.MODEL and is_word(buffer.slice(at, at + 1))
