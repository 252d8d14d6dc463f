"""A corpus: documents in order, with their statistics, their checksum and the cut between training and held-out text.

A corpus of up to 64 MB stays in memory once it was opened; a larger one is streamed from its files at every pass.
The catalogue describes the corpora that ship (`corpora/catalog.toml`).
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
import tomllib
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, BinaryIO

from engine import locations
from engine.data.readers import IN_MEMORY, Document, Reading, read_path, read_stream
from engine.data.recipes import RECIPES
from engine.errors import CorpusError

SMALLEST = 1_000
"""Bytes that a text has at least: less is nothing to learn from."""

PIECE = 256 << 10
"""Characters of a piece at most."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SAFE = re.compile(r"[^\w\-.]+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class Piece:
    """A stretch of a document; `starts_document` when it is its first."""

    text: str
    starts_document: bool


@dataclass(frozen=True)
class Statistics:
    """What a corpus comes to. Words are runs of letters and digits; upper and lower case make no distinct words."""

    bytes: int
    characters: int
    words: int
    distinct_words: int
    lines: int
    documents: int


class Corpus:
    """Documents that were opened, checked and counted. `bytes` are those of the normalised text in UTF-8.

    Raises `CorpusError` when they hold fewer than `smallest` bytes of text, or blanks alone.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[str],
        documents: Sequence[Document],
        notes: Sequence[str] = (),
        smallest: int = SMALLEST,
    ) -> None:
        self.name, self.sources, self.notes, self._smallest = name, tuple(sources), tuple(notes), smallest
        self._documents = documents
        self._kept: list[Piece] | None = []
        self._sizes = array("Q")  # UTF-8 bytes of each piece
        self._beginnings = array("Q")  # bytes of text before each document
        self._scan()

    def _scan(self) -> None:
        """One pass over the text: count, hash, and keep what is small enough to be kept."""
        digest = hashlib.sha256()
        blank = True
        self.bytes = self.characters = 0
        for piece in self._stream():
            encoded = piece.text.encode()
            if piece.starts_document:
                digest.update(b"\xff")  # no byte of UTF-8: documents that are parted elsewhere hash differently
                self._beginnings.append(self.bytes)
            digest.update(encoded)
            self._sizes.append(len(encoded))
            self.bytes += len(encoded)
            self.characters += len(piece.text)
            blank = blank and piece.text.isspace()
            if self._kept is not None:
                self._kept.append(piece)
                if self.bytes > IN_MEMORY:
                    self._kept = None
        self.documents = len(self._beginnings)
        self.checksum = digest.hexdigest()
        given = ", ".join("standard input" if source == "-" else source for source in self.sources)
        if blank:
            raise CorpusError(f"{given}: no text in it, only blanks.")
        if self.bytes < self._smallest:
            few = f"{self.bytes} bytes of text are too few to learn from"
            raise CorpusError(f"{given}: {few}; give at least {self._smallest:,}.")

    def pieces(self) -> Iterator[Piece]:
        """The text in order, in pieces of at most 256 Ki characters, in bounded memory.

        Tokenizing piece by piece gives the tokens of the whole document: a piece ends where no token reaches across.
        """
        return iter(self._kept) if self._kept is not None else self._stream()

    def _stream(self) -> Iterator[Piece]:
        for document in self._documents:
            starts = True
            for text in cut_pieces(document.open()):
                yield Piece(text, starts)
                starts = False

    def statistics(self) -> Statistics:
        """Counts of the whole text; words take a pass over it the first time."""
        return self._statistics

    @cached_property
    def _statistics(self) -> Statistics:
        distinct: set[str] = set()
        words = lines = 0
        unfinished = False
        for piece in self.pieces():
            if piece.starts_document:
                lines += unfinished
            found = _WORD.findall(piece.text.casefold())
            words += len(found)
            distinct.update(found)
            lines += piece.text.count("\n")
            unfinished = not piece.text.endswith("\n")
        return Statistics(self.bytes, self.characters, words, len(distinct), lines + unfinished, self.documents)

    def split(self, holdout: float) -> tuple[Callable[[], Iterator[Piece]], Callable[[], Iterator[Piece]]]:
        """Two functions that begin a pass over the first (1 - holdout) of the bytes, and over the rest.

        The cut falls between documents when one ends within a hundredth of the whole, else after a newline, else after
        a space.
        """
        index, characters = self._cut(holdout)
        return partial(self._before, index, characters), partial(self._after, index, characters)

    def _before(self, index: int, characters: int) -> Iterator[Piece]:
        pieces = self.pieces()
        yield from islice(pieces, index)
        if characters:
            piece = next(pieces)
            yield Piece(piece.text[:characters], piece.starts_document)

    def _after(self, index: int, characters: int) -> Iterator[Piece]:
        pieces = islice(self.pieces(), index, None)
        if characters:
            yield Piece(next(pieces).text[characters:], False)
        yield from pieces

    def _cut(self, holdout: float) -> tuple[int, int]:
        """Where the held-out text begins: (index of the piece, characters of that piece that come before)."""
        target = min(max(round(self.bytes * (1 - holdout)), 1), self.bytes - 1)
        held = self.bytes - target
        ends = array("Q", accumulate(self._sizes))  # text before and in each piece
        place = bisect_left(self._beginnings, target)
        near = [beginning for beginning in self._beginnings[max(place - 1, 0) : place + 1] if beginning > 0]
        nearest = min(near, key=lambda beginning: abs(beginning - target), default=0)
        if nearest and abs(nearest - target) <= min(self.bytes // 100, held // 2):
            return bisect_left(ends, nearest) + 1, 0
        index = bisect_right(ends, target)
        begin = ends[index] - self._sizes[index]
        text = next(islice(self.pieces(), index, None)).text
        at = len(text.encode()[: target - begin].decode(errors="ignore"))
        return index, _cut_within(text, at, slack=min(max(self.bytes // 100, 400), held // 2), first=index == 0)


def _cut_within(text: str, at: int, *, slack: int, first: bool) -> int:
    """The place nearest to `at`, at most `slack` from it, after a newline, else after a space, else `at` itself."""
    for blank in "\n ":
        after = text.find(blank, at, at + slack)
        while 0 <= after < len(text) - 1 and text[after + 1] == blank:
            after += 1
        before = text.rfind(blank, max(at - slack, 0), at)
        if places := [end + 1 for end in (before, after) if 0 <= end < len(text) - 1 and text[end + 1] != blank]:
            return min(places, key=lambda place: abs(place - at))
    return max(at, 1) if first else at


def cut_pieces(blocks: Iterable[str], limit: int = PIECE) -> Iterator[str]:
    """Join `blocks` and cut them into pieces of at most `limit` characters, at places where no token reaches across:
    after the last newline before a line's first letter, else before the last space, else anywhere."""
    text = ""
    for block in blocks:
        text = text + block if text else block
        start = 0
        while len(text) - start > limit:
            end = _piece_end(text, start, start + limit)
            yield text[start:end]
            start = end
        text = text[start:]
    if text:
        yield text


def _piece_end(text: str, start: int, limit: int) -> int:
    """The last good place to cut in (start, limit]; `limit` is inside of `text`."""
    end = limit + 1
    while (end := text.rfind("\n", start, end - 1) + 1) > start:
        if not text[end].isspace():
            return end
    end = limit + 1
    while (end := text.rfind(" ", start + 1, end)) > start:
        if not text[end - 1].isspace():
            return end
    return limit


# From what was asked for to a corpus


def open_corpus(texts: Sequence[str | Path], *, stdin: BinaryIO | None = None, smallest: int = SMALLEST) -> Corpus:
    """The corpus in files, folders, `-` (standard input) and the catalogue's names, in that order.

    A text is a name of the catalogue before it is a file; `./tales` is the file. Raises `CorpusError`, one line, when a
    text is missing, unreadable, binary or empty, or when all together have fewer than `smallest` bytes.
    """
    if isinstance(texts, str | Path):
        texts = [texts]
    if not texts:
        raise CorpusError("No text given: name a file, a folder, a corpus, or - for standard input.")
    entries = {entry.name: entry for entry in catalog()}
    readings = [_read(text, entries, stdin) for text in texts]
    documents: list[Document] = []
    seen: set[str] = set()
    twice: list[str] = []
    for document in (document for reading in readings for document in reading.documents):
        if Path(document.source).is_absolute():
            if document.source in seen:
                twice.append(Path(document.source).name)
                continue
            seen.add(document.source)
        documents.append(document)
    notes = [note for reading in readings for note in reading.notes]
    if twice:
        notes.append(f"given twice, read once: {', '.join(twice[:3])}")
    sources = [reading.source for reading in readings]
    return Corpus(model_name(readings[0].name), sources, documents, notes, smallest)


def _read(text: str | Path, entries: dict[str, CatalogEntry], stdin: BinaryIO | None) -> Reading:
    if text == "-":
        stream = stdin or getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise CorpusError("-: there is no standard input to read from.")
        return read_stream(stream)
    if isinstance(text, str):
        if text in entries:
            return _read_entry(entries[text])
        if not text.strip():
            raise CorpusError("A text with no name: name a file, a folder, a corpus, or - for standard input.")
        path = locations.expanded(text)
        if not _exists(path) and not re.search(r"[\\/.]", text):
            close = difflib.get_close_matches(text, entries, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Corpora by name: {', '.join(entries)}."
            raise CorpusError(f"{text}: no such file or folder, and no corpus of that name. {hint}")
        return read_path(path)
    return read_path(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def model_name(name: str) -> str:
    """`name` as a model may be called: one that every file system takes, at most 48 characters."""
    name = _SAFE.sub("-", unicodedata.normalize("NFC", name))[:48].strip("-._ ")
    if not name:
        return "text"
    return f"text-{name}" if _RESERVED.fullmatch(name) else name


# The catalogue


@dataclass(frozen=True)
class CatalogEntry:
    """A corpus that ships: a file in `corpora/` (`path`), or a recipe that any Python can follow (`recipe`)."""

    name: str
    title: str
    description: str
    words: int
    licence: str
    advice: str
    prompts: tuple[str, ...]
    separator: str = ""
    voices: dict[str, str] = field(default_factory=dict)
    path: Path | None = None
    recipe: str = ""
    base: str = ""
    """The model that ships which a training on this text goes on from: one that has not read it."""


def catalog() -> list[CatalogEntry]:
    """The corpora that ship, in the catalogue's order; none when the catalogue is not there."""
    folder = locations.corpora_dir()
    try:
        tables = tomllib.loads((folder / "catalog.toml").read_text("utf-8"))
    except FileNotFoundError:
        return []
    return [_entry(name, table, folder) for name, table in tables.items()]


def _entry(name: str, table: dict[str, Any], folder: Path) -> CatalogEntry:
    rest = {key: value for key, value in table.items() if key not in ("file", "prompts")}
    path = folder / table["file"] if "file" in table else None
    return CatalogEntry(name=name, prompts=tuple(table["prompts"]), path=path, **rest)


def _read_entry(entry: CatalogEntry) -> Reading:
    """The documents of a catalogue's entry: a recipe's, or what stands between its file's separators."""
    if entry.path is None:
        return Reading(entry.name, entry.name, RECIPES[entry.recipe]())
    try:
        text = entry.path.read_text("utf-8")  # newlines become \n
    except OSError as error:
        raise CorpusError(f"{entry.name}: {entry.path} is not there. Install gpt-tui again.") from error
    parts = (part.strip("\n") for part in (text.split(entry.separator) if entry.separator else [text]))
    documents = [Document(entry.name, partial(iter, (part + "\n",))) for part in parts if part]
    return Reading(entry.name, entry.name, documents)
