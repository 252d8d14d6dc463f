"""What texts begin with, before anything is read whole: as much as is looked at, and more as it is asked for.

The beginning is decoded as the readers decode it, as far as its own bytes tell. Whoever asks may lose interest at any
moment, also while a large folder is searched: that is what `wanted` is asked for.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from engine import locations
from engine.data.corpus import _read_entry, catalog
from engine.data.readers import Document, _decode, _opened, _recognise, _unreadable
from engine.errors import CorpusError

HEAD = 64 << 10
"""Bytes that an encoding is recognised from."""

PAGE = 32 << 10
"""Characters that are shown at first, and again whenever somebody scrolls to the end of them."""

Wanted = Callable[[], bool]


def always() -> bool:
    """The interest of somebody who waits."""
    return True


@dataclass(frozen=True)
class Part:
    """A stretch of a text. `begins`: the name of the document that begins with it (None: it goes on with the last)."""

    text: str
    begins: str | None = None


class Preview:
    """The beginning of some texts, a page at a time, in the order in which they would be read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._wanted: Wanted = always
        self._parts = self._read(tuple(texts))
        self.ended = False
        """Whether there is no more."""

    def more(self, wanted: Wanted = always) -> list[Part]:
        """The next page; less at the end, or when it is not wanted any more. Raises `CorpusError`."""
        self._wanted = wanted
        page: list[Part] = []
        size = 0
        while size < PAGE and wanted():
            part = next(self._parts, None)
            if part is None:
                self.ended = True
                break
            page.append(part)
            size += len(part.text)
        return page

    def _read(self, texts: Sequence[str]) -> Iterator[Part]:
        shipped = {entry.name for entry in catalog()}
        for text in texts:
            if text in shipped:
                for document in documents_of(text):
                    name = "" if document.source == text else Path(document.source).name
                    yield from _named(document.open(), name)
                continue
            path = locations.expanded(text)
            if not is_folder(path):
                yield from _named(_beginning(path), path.name if len(texts) > 1 else "")
                continue
            empty = True
            for file in files_below(path, self._wanted_still):
                try:
                    for part in _named(_beginning(file), file.relative_to(path).as_posix()):
                        empty = False
                        yield part
                except CorpusError:  # not text: passed over, as the readers do
                    continue
            if empty and self._wanted():
                raise CorpusError(f"{path.name}: no text file in this folder.")

    def _wanted_still(self) -> bool:
        return self._wanted()


def _named(blocks: Iterator[str], name: str) -> Iterator[Part]:
    """Blocks of a document as parts of at most a page."""
    begins: str | None = name
    for block in blocks:
        for start in range(0, len(block), PAGE):
            yield Part(block[start : start + PAGE], begins)
            begins = None


@lru_cache(maxsize=1)
def documents_of(name: str) -> list[Document]:
    """Those of a corpus of the catalogue; of the last one they are kept, for a recipe may take a second."""
    return _read_entry(next(entry for entry in catalog() if entry.name == name)).documents


def _beginning(path: Path) -> Iterator[str]:
    """A file's text from its beginning, decoded as its first bytes ask for. Raises `CorpusError`."""
    codec, _ = recognised(path)
    return _decode(partial(_pages_of, path), codec)


def _pages_of(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        try:
            while block := file.read(PAGE):
                yield block
        except OSError as error:
            raise _unreadable(path, error) from error


def recognised(path: Path) -> tuple[str, str]:
    """(codec, note) as `readers` would find them, had the file ended after its head. Raises `CorpusError`."""
    if not _is_file(path):
        raise CorpusError(f"{path}: neither a file nor a folder.")
    with _opened(path) as file:
        try:
            head = file.read(HEAD)
        except OSError as error:
            raise _unreadable(path, error) from error
    if not head:
        raise CorpusError(f"{path.name}: empty.")
    if len(head) == HEAD:
        head = head[: HEAD - unfinished(head)]
    return _recognise(lambda: iter((head,)), path.name)


def unfinished(head: bytes) -> int:
    """How many bytes at its end begin a character that ends beyond it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(head)
    return len(decoder.getstate()[0])


def is_folder(path: Path) -> bool:
    """Raises `CorpusError` when there is nothing at that path."""
    try:
        path.stat()
        return path.is_dir()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise CorpusError(f"{path}: no such file or folder.") from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def files_below(folder: Path, wanted: Wanted) -> Iterator[Path]:
    """The files below a folder in the order in which they would be read, hidden ones left out, found as they are asked
    for."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if not wanted():
            return
        try:
            is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file()
        except OSError:
            continue
        if is_folder:
            yield from files_below(Path(entry.path), wanted)
        elif is_file:
            yield Path(entry.path)
