"""The rows of a whole text, kept up to date as it changes: a change mends the rows it touches, and no more.

Rows after a change are made anew only until one begins where a row began before; from there on all is as it was. In
text that offers that nowhere (a hundred pages without a space) mending stops after some rows and leaves a seam: every
row still fits, one may be shorter than it need be, and `settle` moves the seam on when there is time.
"""

from __future__ import annotations

from typing import NamedTuple

from gpt_tui.editing.stretches import Stretches
from gpt_tui.editing.wrapping import BEHIND, Source, row_ends

LIMIT = 200
"""Rows that are made anew at once behind a change, at most."""


class Mended(NamedTuple):
    """Rows that were made anew: from `first`, `after` rows stand in the place of `before` rows."""

    first: int
    before: int
    after: int


class Layout:
    """Rows of a text at a width. At least one row, even of nothing."""

    def __init__(self, source: Source, width: int) -> None:
        self.source = source
        self.width = max(1, width)
        self._seams: list[int] = []  # offsets of rows from which on rows may not be as they should
        self._rows: Stretches[None] = Stretches(self._make(0))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def settled(self) -> bool:
        """Whether all rows are as they should be."""
        return not self._seams

    def rewrap(self, width: int) -> None:
        """Make all rows anew."""
        self.width = max(1, width)
        self._seams.clear()
        self._rows = Stretches(self._make(0))

    def _make(self, start: int) -> list[tuple[int, None]]:
        rows: list[tuple[int, None]] = []
        for end in row_ends(self.source, start, self.width):
            rows.append((end - start, None))
            start = end
        return rows

    def row_of(self, offset: int) -> int:
        """The row that an offset stands in: of two, the one that begins there."""
        return self._rows.find(max(0, min(offset, self._rows.total)))[0]

    def start(self, row: int) -> int:
        """Where a row begins."""
        return self._rows.start(row)

    def bounds(self, row: int) -> tuple[int, int]:
        """Where a row begins and ends, its newline included."""
        start = self._rows.start(row)
        return start, start + self._rows[row][0]

    def text(self, row: int) -> str:
        """The text of a row, its newline included."""
        return self.source.slice(*self.bounds(row))

    def changed(self, start: int, removed: int, inserted: int) -> Mended:
        """Mend the rows after a change of the text that has been made: `inserted` stands in the place of `removed`."""
        first = max(0, self._rows.find(start)[0] - 1)  # its first word may now fit the row before
        begin = self._rows.start(first)
        grows = inserted - removed
        self._seams = sorted({_moved(seam, start, removed, inserted, begin) for seam in self._seams})
        return self._mend(first, begin, start + removed, grows)

    def settle(self, limit: int = LIMIT) -> Mended | None:
        """Make some of the rows after the first seam anew; None when there is no seam."""
        if not self._seams:
            return None
        seam = self._seams.pop(0)
        first, begin = self._rows.find(seam)
        return self._mend(first, begin, begin, 0, limit)

    def _mend(self, first: int, begin: int, until: int, grows: int, limit: int = LIMIT) -> Mended:
        """Make rows anew from one on, that begins at `begin`, and at least past what was at `until`, which now lies
        further by `grows`; then until a row begins where one began."""
        old = self._rows.iterate(first)
        old_start, number, old_total = begin, first, self._rows.total
        rows: list[tuple[int, None]] = []
        at = begin
        spare = limit
        finished = False
        for end in row_ends(self.source, begin, self.width):
            rows.append((end - at, None))
            at = end
            if at - grows <= until + BEHIND:
                continue
            while old_start < at - grows:
                old_start += next(old)[0]
                number += 1
            if old_start == at - grows and old_start < old_total:
                finished = True
                break
            spare -= 1
            if spare < 0 and old_start < old_total:
                rows.append((old_start + grows - at, None))
                self._seams = sorted({*self._seams, at})
                finished = True
                break
        last = number if finished else len(self._rows)
        self._rows.splice(first, last, rows)
        return Mended(first, last - first, len(rows))


def _moved(seam: int, start: int, removed: int, inserted: int, begin: int) -> int:
    """Where a seam is after a change; one in what was changed goes to the row that is mended first."""
    if seam <= start:
        return seam
    if seam < start + removed:
        return begin
    return seam + inserted - removed
