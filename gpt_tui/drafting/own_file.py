"""The writer's own file: read byte for byte, written only when the writer says so, and watched for others' changes.

No Textual.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from engine import files, locations
from engine.errors import CorpusError, RequestError, StorageError

LARGEST = 64 << 20
"""Bytes of a file that the editor takes."""
_BOM = b"\xef\xbb\xbf"


class FileRefusedError(RequestError):
    """A file that cannot be opened as it is."""


class NotUtf8Error(FileRefusedError):
    """A text in another encoding: it can be read into a draft, and the file stays as it is."""


class Stamp(NamedTuple):
    """What a file was like when it was looked at."""

    mtime: int
    size: int
    sum: str

    @classmethod
    def of(cls, value: Any) -> Stamp | None:
        """The stamp in a list that JSON kept."""
        with contextlib.suppress(TypeError, ValueError):
            mtime, size, sum_ = value
            if isinstance(mtime, int) and isinstance(size, int) and isinstance(sum_, str):
                return cls(mtime, size, sum_)
        return None


class Content(NamedTuple):
    """A file's text without its byte order mark, and whether it had one."""

    text: str
    bom: bool
    stamp: Stamp


def resolve(path: Path) -> Path:
    """Where the file really lies, links followed. Raises `FileRefusedError` when nothing could lie there."""
    try:
        path = locations.expanded(path).resolve()
        kind = path.stat().st_mode if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        raise FileRefusedError(f"{path}: no such file.") from None
    if kind is not None and stat.S_ISDIR(kind):
        raise FileRefusedError(f"{path}: this is a folder; name a file in it.")
    if kind is not None and not stat.S_ISREG(kind):
        raise FileRefusedError(f"{path}: this is no ordinary file.")
    if kind is None and not path.parent.is_dir():
        raise FileRefusedError(f"{path}: there is no folder {path.parent}.")
    return path


def read(path: Path) -> Content | None:
    """The file's text; None when there is no file. Raises `FileRefusedError`, `NotUtf8Error` among them."""
    try:
        status = path.stat()
        if status.st_size > LARGEST:
            raise FileRefusedError(f"{path.name} has more than {LARGEST >> 20} MB, which is more than one draft takes.")
        written = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be read: {error.strerror or error}.") from error
    bom = written.startswith(_BOM)
    try:
        text = written[len(_BOM) * bom :].decode("utf-8")
    except UnicodeDecodeError:
        raise NotUtf8Error(f"{path.name} is not UTF-8 text.") from None
    return Content(text, bom, _stamp(status, written))


def read_otherwise(path: Path) -> str:
    """The text of a file in another encoding, as far as it can be told. Raises `FileRefusedError`."""
    from engine.data import readers

    try:
        documents = readers.read_path(path).documents
        return "".join("".join(document.open()) for document in documents)
    except CorpusError as error:
        raise FileRefusedError(str(error)) from None


def write(path: Path, text: str, *, bom: bool = False) -> Stamp:
    """Replace the file, whole or not at all; its permissions stay. Raises `StorageError`."""
    written = _BOM * bom + text.encode("utf-8", "replace")
    with files.replacing(path) as temporary:
        temporary.write_bytes(written)
        _dress(temporary, path)
    try:
        return _stamp(path.stat(), written)
    except OSError as error:
        raise files.storage_error(path, error) from error


def _dress(temporary: Path, path: Path) -> None:
    """Give the new file the permissions and the owner of the one that it replaces, as far as that is allowed."""
    try:
        old = path.stat()
    except OSError:
        return
    if not os.access(path, os.W_OK):
        raise StorageError(f"{path.name} may only be read: change its permissions, or save the text elsewhere.")
    with contextlib.suppress(OSError):
        temporary.chmod(stat.S_IMODE(old.st_mode))
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            new = temporary.stat()
            if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
                os.chown(temporary, old.st_uid, old.st_gid)
                temporary.chmod(stat.S_IMODE(old.st_mode))  # a change of owner may have taken some away


def stamp_of(path: Path) -> Stamp | None:
    """What the file is like now; None where it cannot be told."""
    try:
        return _stamp(path.stat(), path.read_bytes())
    except OSError:
        return None


def same_text(stamp: Stamp | None, text: str, *, bom: bool) -> bool:
    """Whether this is the text that the file had when it was last looked at."""
    return stamp is not None and stamp.sum == _sum(_BOM * bom + text.encode("utf-8", "replace"))


def changed(path: Path, known: Stamp | None) -> bool:
    """Whether the file is no more what it was. Time and size tell at a glance; where they differ its bytes decide."""
    try:
        status = path.stat()
    except OSError:
        return known is not None
    if known is None:
        return True
    if (status.st_mtime_ns, status.st_size) == (known.mtime, known.size):
        return False
    try:
        return _sum(path.read_bytes()) != known.sum
    except OSError:
        return True


def _stamp(status: os.stat_result, written: bytes) -> Stamp:
    return Stamp(status.st_mtime_ns, status.st_size, _sum(written))


def _sum(written: bytes) -> str:
    return hashlib.blake2b(written, digest_size=16).hexdigest()
