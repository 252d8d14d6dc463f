"""A sequence of values, each with a length: searched by offset and by number, and changed, without a walk over all.

A text's chunks are such a sequence, and so are its rows on the screen and the runs of its authors.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

BUCKET = 128
"""Stretches that lie together. What is done to one costs about as much as a bucket is long, or as there are buckets."""


class Stretches(Generic[T]):
    """Stretches laid end to end. Only the last may be empty of length, else an offset would not name one stretch."""

    __slots__ = ("_counts", "_ends", "_lengths", "_values")

    def __init__(self, items: Iterable[tuple[int, T]] = ()) -> None:
        items = list(items)
        self._lengths: list[list[int]] = []
        self._values: list[list[T]] = []
        self._ends: list[int] | None = None  # offset where each bucket ends; None: to be added up anew
        self._counts: list[int] | None = None  # stretches up to the end of each bucket
        for at in range(0, len(items), BUCKET):
            part = items[at : at + BUCKET]
            self._lengths.append([length for length, _ in part])
            self._values.append([value for _, value in part])

    def __len__(self) -> int:
        return self._sums()[1][-1] if self._lengths else 0

    @property
    def total(self) -> int:
        """The length of all together."""
        return self._sums()[0][-1] if self._lengths else 0

    def _sums(self) -> tuple[list[int], list[int]]:
        if self._ends is None or self._counts is None:
            self._ends = list(accumulate(map(sum, self._lengths)))
            self._counts = list(accumulate(map(len, self._lengths)))
        return self._ends, self._counts

    def find(self, offset: int) -> tuple[int, int]:
        """The number of the stretch in which the offset lies, and where that begins. At the very end: the last one."""
        ends, counts = self._sums()
        bucket = min(bisect_right(ends, offset), len(ends) - 1)
        lengths = self._lengths[bucket]
        start = ends[bucket] - sum(lengths)
        inner = list(accumulate(lengths))
        place = min(bisect_right(inner, offset - start), len(lengths) - 1)
        return counts[bucket] - len(lengths) + place, start + inner[place] - lengths[place]

    def _locate(self, number: int) -> tuple[int, int]:
        """The bucket of a stretch, and its place there; one past the last for the number after the last."""
        counts = self._sums()[1]
        bucket = min(bisect_right(counts, number), len(counts) - 1)
        return bucket, number - (counts[bucket] - len(self._lengths[bucket]))

    def start(self, number: int) -> int:
        """Where a stretch begins; the whole length for the number after the last."""
        if not self._lengths:
            return 0
        bucket, place = self._locate(number)
        lengths = self._lengths[bucket]
        return self._sums()[0][bucket] - sum(lengths[place:])

    def __getitem__(self, number: int) -> tuple[int, T]:
        bucket, place = self._locate(number)
        return self._lengths[bucket][place], self._values[bucket][place]

    def iterate(self, first: int = 0) -> Iterator[tuple[int, T]]:
        """The stretches from number `first` on."""
        if not self._lengths:
            return
        bucket, place = self._locate(first)
        for lengths, values in zip(self._lengths[bucket:], self._values[bucket:], strict=True):
            yield from zip(lengths[place:], values[place:], strict=True)
            place = 0

    def splice(self, first: int, last: int, items: Iterable[tuple[int, T]]) -> None:
        """Put `items` in the place of the stretches from number `first` up to `last` (not included)."""
        items = list(items)
        if not self._lengths:
            self.__init__(items)  # type: ignore[misc]
            return
        bucket, place = self._locate(first)
        until, end = self._locate(last) if last > first else (bucket, place)
        lengths = [*self._lengths[bucket][:place], *(length for length, _ in items), *self._lengths[until][end:]]
        values = [*self._values[bucket][:place], *(value for _, value in items), *self._values[until][end:]]
        if len(lengths) < BUCKET // 4 and until + 1 < len(self._lengths):  # else many small buckets would be left
            until += 1
            lengths += self._lengths[until]
            values += self._values[until]
        size = len(lengths) if len(lengths) <= 2 * BUCKET else BUCKET
        cuts = range(0, len(lengths), size) if size else ()
        self._lengths[bucket : until + 1] = [lengths[cut : cut + size] for cut in cuts]
        self._values[bucket : until + 1] = [values[cut : cut + size] for cut in cuts]
        self._ends = self._counts = None
