"""About how much there is in texts: at once from a sample, and exactly as soon as a text of moderate size is counted.

A large one is never read whole for it. Whoever asks may lose interest at any moment: `wanted` is asked for that.
"""

from __future__ import annotations

import codecs
import math
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from engine import locations
from engine.data.corpus import _WORD, CatalogEntry, Corpus, catalog, open_corpus
from engine.data.preview import Wanted, always, documents_of, files_below, is_folder, recognised, unfinished
from engine.data.readers import _binary, _opened, _unreadable
from engine.errors import CorpusError

EXACT = 32 << 20
"""Bytes up to which everything is counted; more is estimated."""

_SLICE, _SLICES = 64 << 10, 32
_QUICK = 2 << 20  # bytes from which an estimate is worth having while the text is counted
_OFTEN = 0.15  # seconds between two reports of a count
_LOOKED_AT = 4000  # files of a folder that are opened to see whether they are text


@dataclass(frozen=True)
class Counts:
    """What some texts come to, as far as that is known. Words are None while nothing is known of them."""

    bytes: int = 0
    documents: int = 0
    words: int | None = None
    distinct_words: int | None = None
    exact: bool = False
    """Whether everything was counted; else bytes and words are about right."""
    done: bool = False
    """Whether no better ones will come."""
    notes: tuple[str, ...] = ()
    """How the texts are read, where that is worth a word."""


def count(texts: Sequence[str], wanted: Wanted = always) -> Iterator[Counts]:
    """Counts of the texts, better and better. Raises `CorpusError` when they cannot be trained on."""
    shipped = {entry.name: entry for entry in catalog()}
    own = [locations.expanded(text) for text in texts if text not in shipped]
    sizes: list[tuple[Path, int]] = []
    total, told = 0, time.monotonic()
    for path in own:
        for file in files_below(path, wanted) if is_folder(path) else (path,):
            if (size := _text_size(file, look=file is path or len(sizes) < _LOOKED_AT)) > 0:
                sizes.append((file, size))
                total += size
            if time.monotonic() - told > _OFTEN:
                told = time.monotonic()
                yield Counts(total, len(sizes))
    if not wanted():
        return
    if total > EXACT:
        yield from _with_shipped(_sampled(sizes, total, _SLICES, wanted), [e for t, e in shipped.items() if t in texts])
        return
    if total > _QUICK:
        yield from (replace(counts, done=False) for counts in _sampled(sizes, total, _SLICES // 4, wanted))
    only = shipped.get(texts[0]) if len(texts) == 1 else None
    corpus = Corpus(only.name, [only.name], documents_of(only.name)) if only is not None else open_corpus(list(texts))
    yield from _counted(corpus, wanted)


def _text_size(path: Path, *, look: bool) -> int:
    """A file's bytes; 0 when it is obviously no text and stands among others."""
    try:
        size = path.stat().st_size
        if look:
            with path.open("rb") as file:
                head = file.read(4096)
            marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            if b"\0\0" in head and not marked:
                return 0
    except OSError:
        return 0
    return size


def _counted(corpus: Corpus, wanted: Wanted) -> Iterator[Counts]:
    """The counts of a corpus that is open: first its size, then words as they are found."""
    known = Counts(corpus.bytes, corpus.documents, exact=True, notes=corpus.notes)
    yield replace(known, exact=False)
    distinct: set[str] = set()
    words = seen = 0
    told = time.monotonic()
    for piece in corpus.pieces():
        for text in _slices(piece.text):  # short ones: nobody else in this process has to wait for long
            if not wanted():
                return
            found = _WORD.findall(text.casefold())
            words += len(found)
            distinct.update(found)
            seen += len(text)
            if time.monotonic() - told > _OFTEN:
                told = time.monotonic()
                share = seen / corpus.characters
                yield replace(known, words=round(words / share), exact=False)
    yield replace(known, words=words, distinct_words=len(distinct), done=True)


def _slices(text: str, length: int = 16 << 10) -> Iterator[str]:
    """Stretches of a text that part no word."""
    start = 0
    while len(text) - start > length:
        end = max(text.rfind(" ", start + 1, start + length), text.rfind("\n", start + 1, start + length)) + 1
        end = end if end > start else start + length
        yield text[start:end]
        start = end
    yield text[start:]


def _sampled(sizes: list[tuple[Path, int]], total: int, slices: int, wanted: Wanted) -> Iterator[Counts]:
    """Estimates from slices that are spread evenly over the files. Raises `CorpusError` on what turns out no text."""
    ends = list(accumulate(size for _, size in sizes))
    sample = _Sample(total, len(sizes))
    codecs_of: dict[Path, tuple[str, str]] = {}
    for number in _spread(slices):
        if not wanted():
            return
        place = min(total - 1, total * number // slices)
        index = bisect_right(ends, place)
        path, size = sizes[index]
        try:
            if path not in codecs_of:
                codecs_of[path] = recognised(path)
        except CorpusError:
            if len(sizes) == 1:
                raise
            continue  # in a folder, what is no text is passed over
        sample.add(path, place - (ends[index] - size), *codecs_of[path])
        if sample.slices % 8 == 0:
            yield sample.counts(done=False)
    if not sample.words:
        raise CorpusError(f"{sizes[0][0].name if len(sizes) == 1 else 'These files'}: no words in it.")
    yield sample.counts(done=True)


def _spread(slices: int) -> Iterator[int]:
    """0 … slices - 1, the far ones first, so that the first few already stand for the whole."""
    step = max(1, slices // 8)
    for first in range(step):
        yield from range(first, slices, step)


class _Sample:
    """Slices of a large text, and what they say of the whole."""

    def __init__(self, total: int, documents: int) -> None:
        self.total, self.documents = total, documents
        self.slices = self.raw = self.encoded = self.words = self.damaged = 0
        self.seen: set[str] = set()
        self.growth: list[tuple[int, int]] = []  # words so far, distinct ones so far
        self.notes: dict[str, None] = {}

    def add(self, path: Path, start: int, codec: str, note: str) -> None:
        """Take a slice of a file into the sample."""
        with _opened(path) as file:
            try:
                file.seek(start - start % 4)  # a unit of UTF-16 or UTF-32 is not torn apart
                raw = file.read(_SLICE)
            except OSError as error:
                raise _unreadable(path, error) from error
        if b"\0" in raw and codec.startswith("utf-8"):
            raise _binary(path.name)
        if codec.startswith("utf-8"):
            raw = raw.lstrip(bytes(range(0x80, 0xC0)))  # what is left of a character that began before
            raw = raw[: len(raw) - unfinished(raw)]
        if start and codec in ("utf-16", "utf-32"):  # the mark that says which stands at the beginning alone
            codec = f"{codec}-{_order(path)}"
        text = raw.decode(codec, "replace")
        found = _WORD.findall(text.casefold())
        self.slices += 1
        self.raw += len(raw)
        self.encoded += len(text.encode("utf-8", "replace"))
        self.damaged += text.count("\ufffd")
        self.words += len(found)
        self.seen.update(found)
        self.growth.append((self.words, len(self.seen)))
        if note:
            self.notes.setdefault(f"{path.name}: {note}")

    def counts(self, *, done: bool) -> Counts:
        size = round(self.total * self.encoded / max(1, self.raw))
        words = round(self.words * self.total / max(1, self.raw))
        notes = tuple(self.notes)
        if self.damaged and not notes:
            notes = (f"some places are no valid UTF-8 and are replaced by \ufffd ({self.damaged:,} in a sample)",)
        distinct = self._distinct(words) if done else None  # it wavers before
        return Counts(size, self.documents, words, distinct, done=done, notes=notes)

    def _distinct(self, words: int) -> int | None:
        """Distinct words of the whole: they grow as a power of all words (Heaps 1978)."""
        if len(self.growth) < 4:
            return None
        (half, few), (all_, many) = self.growth[len(self.growth) // 2 - 1], self.growth[-1]
        if not 0 < half < all_ or not few:
            return None
        power = min(1.0, max(0.0, math.log(many / few) / math.log(all_ / half)))
        return round(many * math.exp(power * math.log(max(words, all_) / all_)))


def _order(path: Path) -> str:
    with _opened(path) as file:
        return "be" if file.read(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) else "le"


def _with_shipped(counts: Iterator[Counts], entries: list[CatalogEntry]) -> Iterator[Counts]:
    """Add what the catalogue says of the corpora that come with files of one's own."""
    words, size = sum(entry.words for entry in entries), sum(round(5.2 * entry.words) for entry in entries)
    for found in counts:
        known = found.words + words if found.words is not None else None
        yield replace(found, bytes=found.bytes + size, documents=found.documents + len(entries), words=known)
