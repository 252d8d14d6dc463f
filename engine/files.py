"""Atomic writes, locks, trash: the only file that knows how bytes reach the disk safely.

A write that replaces anything is: write beside, flush, fsync, rename, fsync the folder. A reader sees the old or the
new, never half.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import locations
from engine.errors import BusyError, EngineError, ModelNotFoundError, StorageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_TEMPORARY = ".tmp-"
_ABANDONED = 86_400.0  # seconds after which nobody is building a folder any more


def storage_error(path: Path, error: OSError) -> StorageError:
    """The disk's refusal in one line."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"No space left to write {path}: free some, then go on.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"Not allowed to write {path}: change its permissions, or set GPT_TUI_HOME to another folder."
        )
    return StorageError(f"Cannot write {path}: {error.strerror or error}.")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole: yields a path beside `path`; what was written there takes its place when the block ends well.

    Raises `StorageError` when the disk refuses; then `path` is as it was, and nothing is left beside it.
    """
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Make a folder whole: yields a new one beside `folder`, which takes that name when the block ends well.

    Raises `StorageError` when the disk refuses, or `folder` is there by then; nothing is left beside it.
    """
    _remove_abandoned(folder.parent)
    temporary = folder.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:12]}-{folder.name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                with path.open("rb+") as written:
                    os.fsync(written.fileno())
        if folder.exists():  # an empty one would be replaced without a word
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(root: Path) -> None:
    """Delete folders that a killed process left half-built in `root`."""
    with contextlib.suppress(OSError):
        for path in root.glob(f"{_TEMPORARY}*"):
            if path.is_dir() and time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)


def copy_files(source: Path, target: Path, *, leave_out: Collection[str] = ()) -> None:
    """Copy what lies in a folder, and below it, into another, without half-written files and those of `leave_out`.

    Raises `StorageError`.
    """
    path = source
    try:
        for path in sorted(source.rglob("*")):
            copy = target / path.relative_to(source)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
            elif path.name not in leave_out and not path.name.startswith(_TEMPORARY):
                shutil.copyfile(path, copy)
    except OSError as error:
        raise storage_error(target / path.relative_to(source), error) from error


def write_text(path: Path, text: str) -> None:
    """Replace the file's content by `text` in UTF-8, newlines as they are."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last. Where folders cannot be opened (Windows), the file system sees to it itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, *, older_than: float = 0.0) -> None:
    """Delete what a killed process left half-written in `folder` and below it, if it is `older_than` so many seconds.

    Without an age, only for whoever holds the folder's lock.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.rglob(f"{_TEMPORARY}*")):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink()


LOCK_FILES = ("lock", "lock.json")
"""What a `ModelLock` keeps in the folder."""


def _file_lock(folder: Path, **options: Any) -> BaseFileLock:
    from filelock import FileLock  # here, as few who import this file lock anything, and it takes its time

    return FileLock(str(folder / "lock"), **options)


class ModelLock:
    """The right to change a model's folder: one process at a time. The operating system lets go of it when the
    process dies.

    Beside the lock lies who holds it, for others' messages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = _file_lock(folder, thread_local=False)  # what one thread began another may end
        self._owner = folder / "lock.json"

    def acquire(self) -> ModelLock:
        """Raises `BusyError` when another live process holds it."""
        try:
            self._lock.acquire(timeout=0)
        except TimeoutError:  # filelock's own is one
            who = self.holder() or "another process"
            raise BusyError(f"{self.folder.name}: {who} is changing this model. Wait, or stop it first.") from None
        except OSError as error:
            raise storage_error(self.folder / "lock", error) from error
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        with contextlib.suppress(EngineError):
            write_text(self._owner, json.dumps(owner))
        return self

    def release(self) -> None:
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._owner.unlink(missing_ok=True)
            self._lock.release()

    def holder(self) -> str | None:
        """Who holds it, in words, as far as is known."""
        try:
            owner = json.loads(self._owner.read_text("utf-8"))
            return f"process {owner['pid']} on {owner['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_held(self) -> bool:
        """Whether a live process (this one too) holds it."""
        if self._lock.is_locked:
            return True
        if not (self.folder / "lock").exists():
            return False
        try:
            with _file_lock(self.folder, timeout=0):
                return False
        except TimeoutError:
            return True
        except OSError:
            return False

    def __enter__(self) -> ModelLock:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # another file system
            raise
        shutil.move(path, target)


def move_to_trash(path: Path, kind: str) -> Path:
    """Move a file or folder to `trash/<kind>/<time>-<name>`, from where `restore_from_trash` brings it back."""
    folder = locations.trash_dir() / kind
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")  # to the microsecond, so that the newest is known
    target = folder / f"{stamp}-{uuid.uuid4().hex[:4]}-{path.name}"
    try:
        _move(path, target)
    except OSError as error:
        raise storage_error(target, error) from error
    return target


def trashed(kind: str) -> dict[str, list[Path]]:
    """What lies in the trash, by its name; of each the newest first."""
    found: dict[str, list[Path]] = {}
    with contextlib.suppress(OSError):
        for path in sorted((locations.trash_dir() / kind).iterdir(), reverse=True):
            parts = path.name.split("-", 2)
            if len(parts) == 3:
                found.setdefault(parts[2], []).append(path)
    return found


def restore_from_trash(name: str, kind: str, target: Path) -> None:
    """Bring the newest `name` back to `target`, which must not exist."""
    versions = trashed(kind).get(name)
    if not versions:
        raise ModelNotFoundError(f"{name}: nothing of that name in the trash.")
    try:
        _move(versions[0], target)
    except OSError as error:
        raise storage_error(target, error) from error


def ends_in_a_line(path: Path) -> bool:
    """Whether the last line of a file is whole: what adds lines to it may have been killed in the middle of one."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read(1) in (b"", b"\n")
