"""Where rows break: between words, within the width; a word that is longer than a row is cut between its characters.

A row takes as many characters as fit, and one space more: a space at the margin hangs over it. Where a row ends depends
on nothing before the row, which is what lets a layout be mended from any row on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

from gpt_tui.editing.graphemes import NEWLINE, cells, clusters, narrow_run, single_run

WINDOW = 4096
"""Code points that are looked at together."""

_SPACES = frozenset(" \t\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000")
_DASHES = frozenset("-\u2010\u2013\u2014")
_OPENERS = frozenset("([{\u2018\u201c\u00ab\u3008\u300a\u300c\u300e\u3010\u3014\u3016\uff08\uff3b\uff5b")
_CLOSERS = frozenset(
    ")]},.;:!?\u2019\u201d\u00bb\u2026\u2014\u3001\u3002\u3005\u3009\u300b\u300d\u300f\u3011\u3015\u3017\u30fb\u30fc"
    "\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087"
    "\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7"
)
_DASHED = re.compile(r"\w[-\u2010\u2013\u2014]+(?=[\w\u2018\u201c(])")


class Source(Protocol):
    """A text that rows are made of."""

    def __len__(self) -> int: ...

    def slice(self, start: int, end: int) -> str:
        """The text from `start` up to `end`."""


def row_ends(source: Source, start: int, width: int) -> Iterator[int]:
    """Where each row ends, from one that begins at `start` to the end of the text. A newline belongs to its row.

    After a newline at the very end comes an empty row, which ends where it begins.
    """
    length = len(source)
    reach = 8 * width + 256  # code points that a row can need to be seen; a row of more is cut
    at, begin, window = start, start, ""
    while at < length:
        if at + reach > begin + len(window) and begin + len(window) < length:
            begin, window = at, source.slice(at, at + max(WINDOW, 2 * reach))
        end, newline = row_end(window, at - begin, width)
        at = begin + end
        yield at
        if newline and at == length:
            yield at
    if start == length:
        yield at


def row_end(text: str, start: int, width: int) -> tuple[int, bool]:
    """Where the row ends that begins at `start`, and whether a newline ends it."""
    run = narrow_run(text, start, start + width + 2).end()  # type: ignore[union-attr]
    newline = NEWLINE.match(text, run)
    if run > start + width:
        limit = start + width
        if text[limit] != " ":
            return _break_before(text, start, limit), False
        if run > limit + 1 or run == len(text) or newline:
            return limit + 1, False
    elif run == len(text):
        return run, False
    elif newline:
        return newline.end(), True
    return _row_end_of_singles(text, start, width) or _row_end_of_clusters(text, start, width)


def _break_before(text: str, start: int, limit: int) -> int:
    """The last place up to `limit` where a row of narrow characters may break; `limit` itself when there is none."""
    place = text.rfind(" ", start, limit) + 1
    for dash in _DASHES:
        if text.find(dash, max(start, place), limit) >= 0:
            for found in _DASHED.finditer(text, max(start, place), limit + 1):
                place = max(place, min(found.end(), limit))
            break
    return place if place > start else limit


def _row_end_of_singles(text: str, start: int, width: int) -> tuple[int, bool] | None:
    """The same where each code point is a character of its own, narrow or wide; None where one may not be."""
    end = single_run(text, start, start + width + 2).end()  # type: ignore[union-attr]
    newline = NEWLINE.match(text, end)
    known = end == len(text) or newline is not None  # nothing that follows joins the last one
    line = text[start:end]
    fits = bisect_right(list(accumulate(map(cells.__getitem__, line))), width)
    if fits + (not known) < len(line):
        if line[fits] in _SPACES:
            return start + fits + 1, False
        place = next((at for at in range(fits, 0, -1) if _may_break(line, at - 1, at)), max(1, fits))
        return start + place, False
    if fits == len(line) and known:
        return (newline.end(), True) if newline else (end, False)
    return None


def _row_end_of_clusters(text: str, start: int, width: int) -> tuple[int, bool]:
    """The same for any text, cluster by cluster: of as many as a row is likely to take, then of more."""
    reach = width + 16
    while True:
        found = _scan(text[start : start + reach], width, complete=start + reach >= len(text))
        if found is not None:
            return start + found[0], found[1]
        reach *= 3


def _scan(piece: str, width: int, *, complete: bool) -> tuple[int, bool] | None:
    """The row's end in a piece that begins with the row; None when the piece is too short to tell."""
    column = place = 0
    row = clusters(piece)
    for number, cluster in enumerate(row):
        is_last = number == len(row) - 1
        if is_last and not complete:
            return None
        if number and cluster.drawn and _may_break(piece, row[number - 1].start, cluster.start):
            place = cluster.start
        if not cluster.drawn:
            newline = NEWLINE.match(piece, cluster.start)
            return (newline.end() if newline else len(piece)), True
        column += cluster.width
        if column > width:
            hangs = piece[cluster.start] in _SPACES
            if hangs or not number:  # a space at the margin; a character that is wider than any row
                return (len(piece) if is_last else row[number + 1].start), False
            return place or cluster.start, False
    return len(piece), False


def _may_break(line: str, before: int, at: int) -> bool:
    """Whether a row may end between two characters, which begin at `before` and at `at`."""
    first, following = line[before], line[at]
    if first in _SPACES:
        return True
    if following in _SPACES or following in _CLOSERS or first in _OPENERS:
        return False
    if first in _DASHES:
        return before > 0 and following not in _DASHES and not line[before - 1].isspace()
    return cells[first] > 1 or cells[following] > 1
