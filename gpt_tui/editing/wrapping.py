"""Where rows break: between words, within the width; a word that is longer than a row is cut between its characters.

A row takes as many characters as fit, and one space more: a space at the margin hangs over it. Where a row ends depends
on no more than `BEHIND` characters before the row, which is what lets a layout be mended from any row on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Protocol

from gpt_tui.editing.graphemes import NARROW, NEWLINE, NEWLINES, cells, parts, single_run, widths

WINDOW = 8192
"""Code points that are looked at together."""

BEHIND = 4
"""Code points before a row that it may depend on: a dash at its beginning, and the word before that."""

_SPACES = frozenset(" \t\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000")
_DASHES = frozenset("-\u2010\u2013\u2014")
_OPENERS = frozenset("([{\u2018\u201c\u00ab\u3008\u300a\u300c\u300e\u3010\u3014\u3016\uff08\uff3b\uff5b")
_CLOSERS = frozenset(
    ")]},.;:!?\u2019\u201d\u00bb\u2026\u2014\u3001\u3002\u3005\u3009\u300b\u300d\u300f\u3011\u3015\u3017\u30fb\u30fc"
    "\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087"
    "\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7"
)


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
            begin = max(0, at - BEHIND)
            window = source.slice(begin, at + max(WINDOW, 2 * reach))
        end, newline = row_end(window, at - begin, width)
        at = begin + end
        yield at
        if newline and at == length:
            yield at
    if start == length:
        yield at


def row_end(text: str, start: int, width: int) -> tuple[int, bool]:
    """Where the row ends that begins at `start`, and whether a newline ends it."""
    found = _narrow_row(width).match(text, start)
    if found is not None:
        end = found.end()
        if end == start and found[1] is None and end < len(text):
            return start + width, False  # a word that is longer than the row
        return end, found[1] is not None
    return _row_end_of_singles(text, start, width) or _row_end_of_clusters(text, start, width)


@lru_cache(maxsize=16)
def _narrow_row(width: int) -> re.Pattern[str]:
    """A row of narrow characters: as many as fit, then a newline (its group), or a place where a row may break.

    It matches only where all that decides is narrow, and matches nothing where a word has no place to break. A regular
    expression is several times as fast as a loop here: a text of 500 KB is wrapped in about ten milliseconds.
    """
    one, dash, newline = f"[{NARROW}]", "[-\u2010\u2013\u2014]", NEWLINE.pattern
    hangs = f" (?={one}|{newline}|\\Z)"
    decided = f"(?={one}{{0,{width}}}+(?:{hangs}|(?! ){one}|{newline}|\\Z))"
    dashes = "|".join(f"(?<=\\w{dash * count})" for count in (1, 2, 3))
    breaks = f"(?<= )(?={one})|(?:{dashes})(?=[\\w\u2018\u201c(])|\\Z"
    return re.compile(f"{decided}(?:{one}{{0,{width}}}(?:({newline})|{hangs}|{breaks})|)")


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
    reach = 2 * width + 16
    while True:
        found = _scan(text[start : start + reach], width, complete=start + reach >= len(text))
        if found is not None:
            return start + found[0], found[1]
        reach *= 3


def _scan(piece: str, width: int, *, complete: bool) -> tuple[int, bool] | None:
    """The row's end in a piece that begins with the row; None when the piece is too short to tell."""
    row = parts(piece)
    newline = next((number for number, part in enumerate(row) if part in NEWLINES), len(row))
    known = newline if complete or newline < len(row) - 1 else min(newline, len(row) - 1)  # the last may not be whole
    fits = bisect_right(list(accumulate(widths(row[:known]))), width)
    if fits < known:
        if row[fits][0] in _SPACES:
            fits += 1
        else:
            starts = list(accumulate(map(len, row[: fits + 1]), initial=0))
            breaks = (at for at in range(fits, 0, -1) if _may_break(piece, starts[at - 1], starts[at]))
            fits = next(breaks, max(1, fits))
        return sum(map(len, row[:fits])), False
    if known == newline < len(row):
        return sum(map(len, row[: newline + 1])), True
    return (len(piece), False) if complete else None


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
