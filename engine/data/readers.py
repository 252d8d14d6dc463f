"""Files, folders and standard input → clean documents: decoded, newlines normalised, readable as often as one likes.

Nothing here is read whole: a document hands out its text in blocks, so that 10 GB take no more memory than 10 MB.
Encodings are recognised in the order of their certainty: a byte order mark, UTF-16's pattern of zero bytes, UTF-8's own
rules (checked to the last byte), and then charset-normalizer's opinion of a sample, with a note on what was assumed.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import stat
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from engine import files
from engine.errors import CorpusError

BLOCK = 1 << 20
"""Bytes that are read at once."""

IN_MEMORY = 64 << 20
"""Bytes up to which a stream is kept in memory; what is larger goes through a temporary file."""

_MARKS = (  # UTF-32's little-endian mark begins with UTF-16's: it is asked for first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes({*range(1, 32), 127} - set(b"\t\n\v\f\r\b\x1b"))
_SAMPLE = 32 << 10
_EAST_ASIAN = [
    "big5",
    "big5hkscs",
    "cp932",
    "cp949",
    "cp950",
    "euc_jis_2004",
    "euc_jisx0213",
    "euc_jp",
    "euc_kr",
    "gb18030",
    "gb2312",
    "gbk",
    "hz",
    "johab",
    "shift_jis",
    "shift_jis_2004",
    "shift_jisx0213",
]
# Without those that stand where Czech, Polish, Turkish and Baltic texts in their own encodings have common letters.
_WESTERN_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒŸßàáâãäåæçèéêëìíîïñòóôõöøùúûüœÿ"
_WESTERN_SIGNS = "‘’“”„–—…«»‹›¡¿°·•€£§©®™ªº´\u00a0"
_NOT_WESTERN = re.compile(rf"[{_WESTERN_LETTERS}]{{3}}|[^\W\d_][„“”‘][^\W\d_]")  # another alphabet; ä and ö of DOS
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True)
class Document:
    """One text. `open` begins a new pass over it: blocks of text whose newlines are all "\\n". `source` is a file's
    absolute path, or words that say where it is from."""

    source: str
    open: Callable[[], Iterator[str]]


@dataclass(frozen=True)
class Reading:
    """What one request for text came to: its documents in order, a name for them, and assumptions worth a word."""

    name: str
    source: str
    documents: list[Document]
    notes: list[str] = field(default_factory=list)


def read_path(path: Path) -> Reading:
    """A file, or a folder with every text file below it. Raises `CorpusError` when there is no text to be had."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise CorpusError(f"{path}: no such file or folder.") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        raise CorpusError(f"{path}: its name is not Unicode and cannot be noted. Rename it first.") from None
    if stat.S_ISDIR(mode):
        return _read_folder(path)
    if stat.S_ISFIFO(mode):
        with _opened(path) as stream:
            return read_stream(stream, source=str(path), name=path.name)
    if not stat.S_ISREG(mode):
        raise CorpusError(f"{path}: neither a file nor a folder.")
    document, notes = _document(path, str(path), label=path.name)
    return Reading(path.stem, str(path.resolve()), [document], notes)


def read_stream(stream: BinaryIO, *, source: str = "-", name: str = "stdin") -> Reading:
    """What comes through a pipe; kept in memory or in a temporary file, so that it can be read more than once."""
    label = "standard input" if source == "-" else source
    try:
        head = stream.read(IN_MEMORY + 1)
    except OSError as error:
        raise CorpusError(f"{label}: cannot be read: {error.strerror or error}.") from error
    if len(head) <= IN_MEMORY:
        document, notes = _document(head, label, label=label)
        return Reading(name, source, [document], notes)
    path = _keep(head, stream)
    try:
        document, notes = _document(path, label, label=label)
    except BaseException:
        _forget(path)
        raise
    weakref.finalize(document, _forget, path)
    return Reading(name, source, [document], notes)


def _keep(head: bytes, stream: BinaryIO) -> Path:
    """A temporary file with `head` and the rest of `stream`."""
    handle, name = tempfile.mkstemp(prefix="gpt-tui-", suffix=".txt")
    try:
        with os.fdopen(handle, "wb") as kept:
            while head:
                kept.write(head)
                head = stream.read(BLOCK)
    except BaseException as error:
        _forget(Path(name))
        if isinstance(error, OSError):
            raise files.storage_error(Path(name), error) from error
        raise
    return Path(name)


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _read_folder(folder: Path) -> Reading:
    """Every text file below `folder`, in the order of their paths."""
    found, hidden, unreadable = _files_below(folder)
    documents: list[Document] = []
    notes: list[str] = []
    skipped: dict[str, list[str]] = {"hidden": hidden, "empty": [], "not text": [], "unreadable": unreadable}
    for path in found:
        label = path.relative_to(folder).as_posix()
        try:
            if _is_blank(path):
                skipped["empty"].append(label)
                continue
            document, assumed = _document(path, str(path), label=label)
        except _UnreadableError:
            skipped["unreadable"].append(label)
        except CorpusError:
            skipped["not text"].append(label)
        else:
            documents.append(document)
            notes.extend(assumed)
    if not documents:
        raise CorpusError(f"{folder}: no text file in this folder{_in_brackets(skipped)}.")
    notes.extend(f"skipped, {why}: {_names(names)}" for why, names in skipped.items() if names)
    return Reading(folder.resolve().name, str(folder.resolve()), documents, notes)


def _files_below(folder: Path) -> tuple[list[Path], list[str], list[str]]:
    """The files below `folder`, sorted; the names of those that are hidden, and of those that may not be looked at."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise _unreadable(folder, error) from error
    found: list[Path] = []
    hidden: list[str] = []
    unreadable: list[str] = []

    def note(path: str | Path) -> None:
        unreadable.append(Path(path).relative_to(folder).as_posix())

    for parent, folders, names in os.walk(folder, onerror=lambda error: note(error.filename)):
        hidden.extend(name for name in (*folders, *names) if name.startswith("."))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            try:
                if path.is_file():  # no pipes and devices, no links that lead nowhere
                    found.append(path)
            except OSError:  # its folder may be listed and not entered
                note(path)
    return sorted(found, key=lambda path: path.relative_to(folder).parts), sorted(hidden), sorted(unreadable)


def _is_blank(path: Path) -> bool:
    with _opened(path) as file:
        try:
            head = file.read(4096)
            return (not head or head.isspace()) and not file.read(1)
        except OSError as error:
            raise _unreadable(path, error) from error


def _in_brackets(skipped: dict[str, list[str]]) -> str:
    said = [f"{why}: {_names(names)}" for why, names in skipped.items() if names]
    return f" ({'; '.join(said)})" if said else ""


def _names(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


# Bytes → text


def _document(raw: Path | bytes, source: str, *, label: str) -> tuple[Document, list[str]]:
    """The document in a file or in bytes, and notes on how it is read. `label` stands for it in the notes."""
    if isinstance(raw, Path):
        with _opened(raw) as file:
            status = os.fstat(file.fileno())
        size, blocks = status.st_size, partial(_file_blocks, raw, (status.st_size, status.st_mtime_ns))
    else:
        size, blocks = len(raw), partial(_memory_blocks, raw)
    if size == 0:
        raise CorpusError(f"{source}: empty.")
    codec, note = _recognise(blocks, source)
    origin = str(raw.resolve()) if isinstance(raw, Path) else source
    return Document(origin, partial(_decode, blocks, codec)), [f"{label}: {note}"] if note else []


def _decode(blocks: Callable[[], Iterator[bytes]], codec: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)("replace"), translate=True)
    for block in blocks():
        if text := decoder.decode(block):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _memory_blocks(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), BLOCK):
        yield raw[start : start + BLOCK]


def _file_blocks(path: Path, stamp: tuple[int, int]) -> Iterator[bytes]:
    with _opened(path) as file:
        status = os.fstat(file.fileno())
        if (status.st_size, status.st_mtime_ns) != stamp:
            raise CorpusError(f"{path}: changed while it was being read. Start again.")
        try:
            while block := file.read(BLOCK):
                yield block
        except OSError as error:
            raise _unreadable(path, error) from error


class _UnreadableError(CorpusError):
    """The system would not let it be read; in a folder it is passed over."""


def _unreadable(path: Path, error: OSError) -> CorpusError:
    if isinstance(error, PermissionError):
        return _UnreadableError(f"{path}: not allowed to read it. Change its permissions, or copy it.")
    return _UnreadableError(f"{path}: cannot be read: {error.strerror or error}.")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


# Which encoding


def _recognise(blocks: Callable[[], Iterator[bytes]], source: str) -> tuple[str, str]:
    """(codec, note): the codec reads the whole text, the note (often empty) says what was assumed.

    Raises `CorpusError` when it is no text.
    """
    head = next(blocks(), b"")
    for mark, codec in _MARKS:
        if head.startswith(mark):
            if codec != "utf-8-sig":
                return codec, ""
            return _check_utf8(blocks, source, codec)
    if b"\0" in head:
        if codec := _utf16_without_mark(head):
            return codec, "read as UTF-16 (it has no byte order mark)"
        raise _binary(source)
    if len(head) - len(head.translate(None, _CONTROLS)) > len(head) // 10:
        raise _binary(source)
    return _check_utf8(blocks, source, "utf-8")


def _binary(source: str) -> CorpusError:
    return CorpusError(f"{source}: binary, not text. Save it as plain text first, and give that.")


def _utf16_without_mark(head: bytes) -> str:
    """The codec when `head` is obviously UTF-16: zeros stand in one half of the pairs, and the text is printable."""
    head = head[:20_000]
    even, odd = head[::2].count(0), head[1::2].count(0)
    codec, zeros = ("utf-16-le", odd) if odd > even else ("utf-16-be", even)
    if zeros * 200 < len(head):  # one character in a hundred is a space, a newline or a Latin letter
        return ""
    text = codecs.getincrementaldecoder(codec)("replace").decode(head)
    good = sum((character.isprintable() or character.isspace()) and character != "\ufffd" for character in text)
    return codec if good > 0.98 * len(text) else ""


def _check_utf8(blocks: Callable[[], Iterator[bytes]], source: str, codec: str) -> tuple[str, str]:
    """`codec` when the bytes are UTF-8 from end to end, or else what `_second_look` finds."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in blocks():
            if b"\0" in block:
                raise _binary(source)
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _second_look(blocks, source, codec)
    return codec, ""


def _second_look(blocks: Callable[[], Iterator[bytes]], source: str, codec: str) -> tuple[str, str]:
    """UTF-8 with damaged places, or another encoding? Accents of another encoding hardly ever make valid UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    beyond_ascii = invalid = 0
    sample = bytearray()
    for block in blocks():
        if b"\0" in block:
            raise _binary(source)
        text = decoder.decode(block)
        beyond_ascii += len(text) - len(text.encode("ascii", "ignore"))
        invalid += text.count("\ufffd") - block.count(b"\xef\xbf\xbd")
        if len(sample) < _SAMPLE:
            sample += _telling_lines(block, _SAMPLE - len(sample))
    if beyond_ascii - invalid > 2 * invalid or codec == "utf-8-sig":
        places = "1 invalid place" if invalid <= 1 else f"{invalid:,} invalid places"
        return codec, f"read as UTF-8 with {places} replaced by \ufffd"
    guess = _guess(bytes(sample))
    if not guess:
        raise CorpusError(f"{source}: its encoding was not recognised. Save it as UTF-8, and give that.")
    return guess, f"read as {_usual_name(guess)}"


def _telling_lines(block: bytes, limit: int) -> bytes:
    """At most about `limit` bytes of those lines that go beyond ASCII: what tells one encoding from another."""
    lines, size, start = [], 0, 0
    while size < limit and (match := _BEYOND_ASCII.search(block, start)):
        begin = max(block.rfind(b"\n", start, match.start()) + 1, match.start() - 400, start)
        end = block.find(b"\n", match.end(), match.end() + 4000) + 1 or match.end() + 4000
        lines.append(block[begin:end])
        size += len(lines[-1])
        start = end
    return b"".join(lines)


def _guess(sample: bytes) -> str:
    """windows-1252 where that reads like a Western language, else charset-normalizer's opinion: of equals, what looks
    most like a language.

    It is asked twice, for once it finds that East Asian bytes could be meant it considers no alphabet any more.
    """
    if _is_western(sample):
        return "cp1252"
    from charset_normalizer import from_bytes  # costs 0.1 s, and hardly any text needs it

    found = (*from_bytes(sample), *from_bytes(sample, cp_exclusion=_EAST_ASIAN))
    matches = [match for match in found if match.encoding not in ("utf_8", "ascii")]
    if not matches:
        return ""
    least = min(match.chaos for match in matches)
    best = max((match for match in matches if match.chaos <= least + 0.02), key=lambda match: match.coherence)
    return "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding


def _is_western(sample: bytes) -> bool:
    """Whether the bytes, taken for windows-1252, hold nothing but what Western European languages write: their letters,
    few and singly, and signs that stand between words. charset-normalizer takes many a French or Swedish page for
    Nordic or Mac."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    accents = sum(character in _WESTERN_LETTERS for character in text)
    used = set(text)
    if any(character > "\x7f" and character not in _WESTERN_LETTERS + _WESTERN_SIGNS for character in used):
        return False
    if 4 * accents > sum(map(str.isalpha, text)) or _NOT_WESTERN.search(text):
        return False
    hungarian = used & set("õû") and used & set("öü") and "á" in used and not used & set("ãçñ")  # ő and ű, read so
    return not hungarian


def _usual_name(codec: str) -> str:
    return re.sub(r"^cp(125\d|874)$", r"windows-\1", codec.replace("_", "-"))
