"""A folder for a new model: taken by its name, and given back when nothing comes of the run."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from engine import files, locations
from engine.data.corpus import Corpus
from engine.errors import NameTakenError
from engine.store import models
from engine.store.models import ModelRecord


def check_taken(name: str, *, replacing: bool) -> None:
    """Raises `NameTakenError` where a model of that name is there and not to be replaced, `BusyError` where a training
    is at work in it."""
    folder = locations.models_dir() / name
    if not models.is_there(folder) or not models.is_there(folder / models.RECORD):
        return
    if files.ModelLock(folder).is_held():
        files.ModelLock(folder).acquire()  # says who holds it
    if not replacing:
        raise NameTakenError(
            f"{name}: a model of that name is there already. Give another --name, or --resume to go on with it, "
            "or --replace to train it anew (the old one goes to the trash)."
        )


def take_folder(record: ModelRecord, *, own_name: bool, replacing: bool) -> tuple[Path, files.ModelLock, bool]:
    """A folder of that name that no one else has, locked. A model that is replaced goes to the trash; the last value
    says whether one did."""
    replaced = False
    root = locations.models_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.storage_error(root, error) from error
    models.remove_abandoned()
    while True:
        name = record.name if own_name else models.free_name(record.name)
        folder = root / name
        if models.is_there(folder) and models.is_there(folder / models.RECORD) and replacing:
            models.delete(name)
            replaced = True
        try:
            folder.mkdir()
        except FileExistsError:
            if models.is_there(folder / models.RECORD):
                if not own_name:
                    continue  # taken in this moment by another: the next free name
                check_taken(name, replacing=False)
        except OSError as error:
            raise files.storage_error(folder, error) from error
        lock = files.ModelLock(folder).acquire()
        files.remove_leftovers(folder)
        if any(path.name not in files.LOCK_FILES for path in folder.iterdir()):
            lock.release()
            raise NameTakenError(f"{name}: what lies in {folder} is no model; move it, or give another --name.")
        return folder, lock, replaced


def discard(folder: Path, lock: files.ModelLock) -> None:
    """Take back a folder that was begun and whose run came to nothing."""
    lock.release()
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)


def keep_text(corpus: Corpus, folder: Path) -> None:
    """Keep a text of which some came through a pipe and cannot be read again: a file for each document."""
    number = 0
    with contextlib.ExitStack() as open_file:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for piece in corpus.pieces():
                if piece.starts_document:
                    open_file.close()
                    path = folder / f"{number:08}.txt"
                    copy = open_file.enter_context(path.open("w", encoding="utf-8", newline=""))
                    number += 1
                copy.write(piece.text)
            open_file.close()
        except OSError as error:
            raise files.storage_error(folder, error) from error
