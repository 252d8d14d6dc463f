"""The text, in chunks: what is put in or taken out costs what a chunk costs, however long the text is."""

from __future__ import annotations

import re

from gpt_tui.editing.graphemes import NEWLINE, boundaries
from gpt_tui.editing.stretches import Stretches
from gpt_tui.editing.words import count_words

CHUNK = 2048
"""Code points in a chunk of a text that is loaded; chunks grow to twice that before they are divided."""

_breaks_or_reach = 256  # code points that are looked at around an offset to find where clusters part
_NEWLINES = re.compile("[\n\r\x85\u2028\u2029]")


class Chunk:
    """A piece of the text, and what was found out about it."""

    __slots__ = ("has_newline", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = -1
        self.has_newline: bool | None = None

    def breaks(self) -> bool:
        """Whether a paragraph ends in it."""
        if self.has_newline is None:
            self.has_newline = _NEWLINES.search(self.text) is not None
        return self.has_newline


class Buffer:
    """A text that changes. Offsets are in code points, as in `str`."""

    def __init__(self, text: str = "") -> None:
        self._chunks = Stretches(_chunks(text))
        self._text: str | None = text

    def __len__(self) -> int:
        return self._chunks.total

    @property
    def text(self) -> str:
        """All of it."""
        if self._text is None:
            self._text = "".join(chunk.text for _, chunk in self._chunks.iterate())
        return self._text

    def slice(self, start: int, end: int) -> str:
        """The text from `start` up to `end`; both may lie beyond its ends."""
        start, end = max(0, start), min(end, len(self))
        if start >= end:
            return ""
        number, at = self._chunks.find(start)
        length, chunk = self._chunks[number]
        if end <= at + length:
            return chunk.text[start - at : end - at]
        parts = [chunk.text[start - at :]]
        at += length
        for length, chunk in self._chunks.iterate(number + 1):
            parts.append(chunk.text[: end - at] if at + length > end else chunk.text)
            at += length
            if at >= end:
                break
        return "".join(parts)

    def replace(self, start: int, end: int, text: str) -> None:
        """Put `text` in the place of what stands from `start` up to `end`."""
        self._text = None
        if not len(self):
            self._chunks = Stretches(_chunks(text))
            return
        first, at = self._chunks.find(start)
        last, last_at = self._chunks.find(end)
        before = self._chunks[first][1].text[: start - at]
        after = self._chunks[last][1].text[end - last_at :]
        changed = before + text + after
        last += 1
        if len(changed) < CHUNK // 4 and last < len(self._chunks):  # else deletions would leave crumbs
            changed += self._chunks[last][1].text
            last += 1
        pieces = [(len(changed), Chunk(changed))] if 0 < len(changed) <= 2 * CHUNK else _chunks(changed)
        self._chunks.splice(first, last, pieces)

    def paragraph_start(self, offset: int) -> int:
        """Where the paragraph of an offset begins."""
        if not len(self) or offset <= 0:
            return 0
        number, at = self._chunks.find(offset)
        text = self._chunks[number][1].text[: offset - at]
        if text.endswith("\r") and self.slice(offset, offset + 1) == "\n":
            text = text[:-1]  # between the two halves of one newline
        while True:
            found = max(text.rfind(newline) for newline in "\n\r\x85\u2028\u2029")
            if found >= 0:
                return at + found + 1
            number -= 1
            while number >= 0 and not self._chunks[number][1].breaks():
                at -= self._chunks[number][0]
                number -= 1
            if number < 0:
                return 0
            text = self._chunks[number][1].text
            at -= len(text)

    def paragraph_end(self, offset: int) -> int:
        """Where the paragraph of an offset ends: before its newline, or at the end of the text."""
        if offset >= len(self):
            return len(self)
        number, at = self._chunks.find(offset)
        skip = offset - at
        for length, chunk in self._chunks.iterate(number):
            if chunk.breaks():
                found = NEWLINE.search(chunk.text, skip)
                if found:
                    position = at + found.start()
                    divided = found.group() == "\n" and self.slice(position - 1, position) == "\r"
                    return position - 1 if divided else position
            at += length
            skip = 0
        return len(self)

    def next_boundary(self, offset: int) -> int:
        """Where the character that begins at the offset ends, as a reader counts characters."""
        text = self.slice(offset, offset + _breaks_or_reach)
        return offset + (boundaries(text)[1] if text else 0)

    def previous_boundary(self, offset: int) -> int:
        """Where the character begins that ends at the offset."""
        if offset <= 0:
            return 0
        begin = self._safe_start(offset)
        starts = boundaries(self.slice(begin, offset))
        return begin + starts[-2]

    def at_boundary(self, offset: int) -> int:
        """The offset itself, or where the character begins inside of which it lies."""
        if offset <= 0 or offset >= len(self):
            return max(0, min(offset, len(self)))
        around = self.slice(offset - 1, offset + 1)
        if around.isascii() and around != "\r\n":
            return offset
        begin = self._safe_start(offset)
        starts = boundaries(self.slice(begin, offset + _breaks_or_reach))
        return begin + max(start for start in starts if start <= offset - begin)

    def _safe_start(self, offset: int) -> int:
        """An offset before another from where clusters can be told apart: after an ASCII character, or far away."""
        reach = 32
        while True:
            begin = max(0, offset - reach)
            if begin == 0 or reach >= _breaks_or_reach:
                return begin
            before = self.slice(begin, offset - 1)
            for at in range(len(before) - 1):
                if before[at].isascii() and before[at + 1].isascii() and before[at] != "\r":
                    return begin + at + 1
            reach *= 2

    def count_words(self) -> int:
        """How many words it has; only chunks that changed are counted anew."""
        total = 0
        in_word = False
        for _, chunk in self._chunks.iterate():
            if chunk.words < 0:
                chunk.words = count_words(chunk.text)
            total += chunk.words
            if in_word and _goes_on(chunk.text[0]):
                total -= 1
            in_word = _goes_on(chunk.text[-1])
        return total


def _goes_on(character: str) -> bool:
    """Whether a word may go on over this character."""
    return count_words(f"a{character}a") == 1


def _chunks(text: str) -> list[tuple[int, Chunk]]:
    pieces = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
    return [(len(piece), Chunk(piece)) for piece in pieces]
