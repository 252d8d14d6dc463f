"""The models in the user's data folder: list, find, rename, duplicate, delete, restore. Reads `model.toml`, no weights.

A model is a folder. Its name in the store is the folder's name, and every command takes either that name or a path.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import shutil
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from engine import files, locations
from engine.config import ModelConfig, TrainConfig, from_table, to_table
from engine.errors import ConfigError, DamagedModelError, EngineError, ModelNotFoundError, NameTakenError, StorageError

FORMAT = 1
"""The version of a model's folder that this program writes. Later versions are refused, earlier ones read."""

RECORD = "model.toml"
LONGEST_NAME = 64
TRASH = "models"

_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}
_RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | _PORTS
_BEGUN = {*files.LOCK_FILES, "tokenizer.json", "run", "heldout.safetensors", "text"}  # before there is a record
_SHAPE = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")  # without these the weights cannot be understood


@dataclass(frozen=True)
class ModelRecord:
    """What `model.toml` says. `corpus` and `summary` are tables of plain values; `extra` is what was added by hand."""

    name: str
    created: str
    """When training began: ISO 8601, UTC."""
    format: int
    corpus: dict[str, Any]
    summary: dict[str, Any]
    model: ModelConfig
    train: TrainConfig
    tokenizer_checksum: str = ""
    """Of the tokenizer.json that belongs to it; none in records of earlier versions."""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_toml(self) -> str:
        tables = {
            "corpus": _without_none(self.corpus),
            "summary": _without_none(self.summary),
            "model": to_table(self.model),
            "train": to_table(self.train),
        }
        top: dict[str, Any] = {"name": self.name, "created": self.created, "format": self.format}
        if self.tokenizer_checksum:
            top["tokenizer_checksum"] = self.tokenizer_checksum
        return tomli_w.dumps({**top, **_without_none(self.extra), **tables})

    @classmethod
    def from_toml(cls, text: str) -> ModelRecord:
        """Raises `DamagedModelError` when the text is no TOML, lacks something, or holds what cannot be."""
        try:
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise DamagedModelError(f"it is not TOML: {error}.") from None
        version = _take(table, "format", int)
        if version > FORMAT:
            raise DamagedModelError(f"its format is {version}, and this gpt-tui reads up to {FORMAT}: update gpt-tui.")
        name, created = _take(table, "name", str), _take(table, "created", str)
        checksum = _take(table, "tokenizer_checksum", str) if "tokenizer_checksum" in table else ""
        corpus, summary = _take(table, "corpus", dict), _take(table, "summary", dict)
        model, train = _take(table, "model", dict), _take(table, "train", dict)
        for key in _SHAPE:
            if key not in model:
                raise DamagedModelError(f"[model] has no {key}.")
        try:
            configs = from_table(ModelConfig, model), from_table(TrainConfig, train)
        except ConfigError as error:
            raise DamagedModelError(str(error)) from None
        return cls(name, created, version, corpus, summary, *configs, tokenizer_checksum=checksum, extra=table)


@dataclass(frozen=True)
class StoredModel:
    """A model's folder in the store: its record, or in one line why that cannot be read."""

    name: str
    folder: Path
    record: ModelRecord | None
    problem: str = ""
    running: bool = False
    """Whether a live process is training it."""


def read_record(folder: Path) -> ModelRecord:
    """The record of a model's folder, under that folder's name, as it may have been copied or renamed by hand.

    Raises `DamagedModelError` when it is missing, cut off or makes no sense.
    """
    path = folder / RECORD
    try:
        return replace(ModelRecord.from_toml(path.read_bytes().decode("utf-8")), name=folder.name)
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedModelError(f"{folder.name}: {RECORD} is missing from {folder}.") from None
    except OSError as error:
        raise DamagedModelError(f"{folder.name}: cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise DamagedModelError(f"{folder.name}: {RECORD} is damaged: it is not UTF-8 text.") from None
    except DamagedModelError as error:
        raise DamagedModelError(f"{folder.name}: {RECORD} is damaged: {' '.join(str(error).split())}") from None


def write_record(folder: Path, record: ModelRecord) -> None:
    """Write `model.toml`, whole or not at all. Raises `StorageError`."""
    files.write_text(folder / RECORD, record.to_toml())


def check_name(name: str) -> str:
    """The name as it is stored (composed Unicode, so that it is one name on every file system).

    Raises `ConfigError` on what is no name, or is no file name on some platform.
    """
    name = unicodedata.normalize("NFC", name)
    wrong = ""
    if not name.strip():
        wrong = "a name cannot be empty"
    elif any(character in name for character in "/\\"):
        wrong = "a name cannot hold a path"
    elif not name.isprintable() or any(character in name for character in '<>:"|?*'):
        wrong = 'a name cannot hold < > : " | ? * or what cannot be printed'
    elif name[0] in ".-" or name[0].isspace():
        wrong = "a name cannot begin with a dot, a dash or a space"
    elif name[-1] == "." or name[-1].isspace():
        wrong = "a name cannot end with a dot or a space"
    elif name.split(".")[0].strip().casefold() in _RESERVED:
        wrong = "Windows keeps this name for itself"
    elif len(name) > LONGEST_NAME or len(name.encode("utf-8")) > 3 * LONGEST_NAME:
        wrong = f"a name has at most {LONGEST_NAME} characters"
    if wrong:
        raise ConfigError(f"name: {wrong}, so not {_short(name)!r}.")
    return name


def free_name(name: str) -> str:
    """The first of `novel`, `novel-2`, `novel-3`, … that is not taken. Raises `ConfigError` like `check_name`."""
    name = check_name(name)
    if not is_there(_folder(name)):
        return name
    for number in itertools.count(2):
        suffix = f"-{number}"
        candidate = name[: LONGEST_NAME - len(suffix)].rstrip(". ") + suffix
        if not is_there(_folder(candidate)):
            return candidate
    raise AssertionError("unreachable: the numbers do not end")


def find(name_or_folder: str | Path) -> Path:
    """The folder of a model: of that name in the store, at that path, or the one that ships. Raises
    `ModelNotFoundError`."""
    name = str(name_or_folder)
    with contextlib.suppress(ConfigError):
        folder = _folder(check_name(name))
        if is_there(folder) and folder.is_dir():
            return folder
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no such home, a null byte, a name too long
        path = Path(name).expanduser()
        if name.strip() and (path / RECORD).is_file():
            return path.resolve()
        if path.is_dir() and len(path.parts) > 1:
            raise ModelNotFoundError(f"{_short(name)}: no model lies in this folder ({RECORD} is missing).")
    if (ours := shipped(name)) is not None:
        return ours
    advice = _suggestion(name, _names(), "`gpt-tui models` lists what there is.")
    raise ModelNotFoundError(f"{_short(name)}: no model of that name. {advice}")


def all_shipped() -> list[Path]:
    """The folders of the models that ship, by name. They are only read."""
    with contextlib.suppress(OSError):
        return sorted(folder for folder in locations.base_dir().iterdir() if is_there(folder / RECORD))
    return []


def shipped(name: str) -> Path | None:
    """The folder of the model of that name that ships; None where there is none."""
    return next((folder for folder in all_shipped() if folder.name == name), None)


def check_readable() -> None:
    """Raises `StorageError` where there is a store in which one may not look."""
    root = locations.models_dir()
    if is_there(root) and not os.access(root, os.R_OK | os.X_OK):
        advice = "Change its permissions, or set GPT_TUI_HOME to another folder."
        raise StorageError(f"{root}: not allowed to read it. {advice}")


def models() -> list[StoredModel]:
    """Every model in the store, by name; damaged ones too, with what is wrong. None where one may not look."""
    folders = [_folder(name) for name in _names()]
    return [_look_at(folder) for folder in folders if not is_abandoned(folder)]


def rename(old: str, new: str) -> Path:
    """Give a model of the store another name; returns its new folder.

    Raises `ModelNotFoundError`, `ConfigError`, `NameTakenError`, `BusyError`, `DamagedModelError` or `StorageError`.
    """
    folder, target = _in_store(old), _folder(check_name(new))
    if is_there(target) and not target.samefile(folder):  # it is the same where only the case changes and cases are one
        raise NameTakenError(f"{target.name}: a model of that name is there already; choose another name.")
    with files.ModelLock(folder):
        write_record(folder, replace(read_record(folder), name=target.name))
    try:  # the lock is let go first: Windows moves no folder that has an open file
        folder.rename(target)
    except OSError as error:
        raise files.storage_error(target, error) from error
    return target


def duplicate(name: str, new: str) -> Path:
    """Copy a model of the store, its earlier moments and its training's state with it, under another name; returns the
    copy's folder. The copy is there whole or not at all.

    Raises `ModelNotFoundError`, `ConfigError`, `NameTakenError`, `BusyError`, `DamagedModelError` or `StorageError`.
    """
    folder, target = _in_store(name), _folder(check_name(new))
    if is_there(target):
        raise NameTakenError(f"{target.name}: a model of that name is there already; choose another name.")
    with files.ModelLock(folder):  # nobody trains it meanwhile: its files belong together
        record = read_record(folder)
        with files.building(target) as copy:
            files.copy_files(folder, copy, leave_out=files.LOCK_FILES)
            write_record(copy, replace(record, name=target.name))
    return target


def delete(name: str) -> Path:
    """Move a model of the store to the trash; returns where it lies now.

    Raises `ModelNotFoundError`, `BusyError` or `StorageError`.
    """
    folder = _in_store(name)
    with files.ModelLock(folder):
        pass  # whoever trains it holds the lock; it is let go before the move, for Windows' sake
    return files.move_to_trash(folder, TRASH)


def restore(name: str) -> Path:
    """Bring the model of that name that was deleted last back from the trash; returns its folder.

    Raises `ModelNotFoundError`, `NameTakenError` or `StorageError`.
    """
    name = unicodedata.normalize("NFC", name)
    deleted = files.trashed(TRASH)
    if name not in deleted:
        there = f"The trash holds: {', '.join(sorted(deleted))}." if deleted else "The trash is empty."
        advice = _suggestion(name, list(deleted), there)
        raise ModelNotFoundError(f"{_short(name)}: no model of that name in the trash. {advice}")
    folder = _folder(name)
    if is_there(folder):
        raise NameTakenError(f"{name}: a model of that name is there already; rename that one first.")
    files.restore_from_trash(name, TRASH, folder)
    return folder


def is_there(folder: Path) -> bool:
    """Whether something lies at a place in the store. Raises `StorageError` where one is not allowed to look."""
    try:
        return folder.exists()
    except OSError as error:
        advice = "Change its permissions, or set GPT_TUI_HOME to another folder."
        raise StorageError(f"{folder}: not allowed to look there. {advice}") from error


def is_running(folder: Path) -> bool:
    """Whether a live process holds the model's lock: trains it."""
    # Asking the lock itself takes it for a moment, which could turn a trainer away: only where somebody has signed.
    try:
        return (folder / "lock.json").exists() and files.ModelLock(folder).is_held()
    except OSError:  # not allowed to look
        return False


def is_abandoned(folder: Path) -> bool:
    """Whether a training was killed here before it had a record: nothing in the folder is worth keeping."""
    try:
        names = {path.name for path in folder.iterdir()}
        if RECORD in names or "lock.json" not in names:  # nobody has signed
            return False
        names |= {path.name for path in (folder / "run").iterdir()} if "run" in names else set()
    except OSError:
        return False
    return all(name in _BEGUN or name.startswith(".") for name in names) and not files.ModelLock(folder).is_held()


def remove_abandoned() -> None:
    """Take away what killed trainings left in the store before they had anything to keep."""
    for folder in map(_folder, _names()):
        if is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def checkpoints(folder: Path) -> list[int]:
    """The steps of the earlier moments that are kept, in order."""
    stems = (path.stem for path in (folder / "checkpoints").glob("*.safetensors"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def used_corpora(stored: list[StoredModel]) -> list[tuple[dict[str, Any], list[str]]]:
    """The corpora that models were trained on, each with those models' names; the newest first.

    A corpus is known by its checksum, so that one file under two names counts once.
    """
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    records = [(entry.name, entry.record) for entry in stored if entry.record is not None]
    for name, record in sorted(records, key=lambda pair: pair[1].created, reverse=True):
        key = str(record.corpus.get("checksum") or record.corpus.get("name"))
        found.setdefault(key, (record.corpus, []))[1].append(name)
    return list(found.values())


def _folder(name: str) -> Path:
    return locations.models_dir() / name


def _names() -> list[str]:
    try:
        names = [path.name for path in locations.models_dir().iterdir() if path.is_dir()]
    except OSError:
        return []
    return sorted((name for name in names if not name.startswith(".")), key=lambda name: (name.casefold(), name))


def _look_at(folder: Path) -> StoredModel:
    running = is_running(folder)
    try:
        return StoredModel(folder.name, folder, read_record(folder), running=running)
    except EngineError as error:
        _, _, problem = str(error).partition(": ")
        return StoredModel(folder.name, folder, None, "" if running else problem, running)


def _in_store(name: str) -> Path:
    """The folder of a model of the store, damaged or not; a path elsewhere is none."""
    folder = find(name)
    if folder.parent == locations.base_dir():
        raise ModelNotFoundError(f"{name}: it comes with gpt-tui and stays as it is. `--from {name}` goes on from it.")
    if folder.parent != locations.models_dir():
        raise ModelNotFoundError(f"{_short(name)}: it lies outside the store ({folder}); rename or delete it by hand.")
    return folder


def _suggestion(name: str, names: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}? {otherwise}" if close else otherwise


def _take(table: dict[str, Any], key: str, kind: type) -> Any:
    """Take a key out of a table. Raises `DamagedModelError` when it is not there or of another type."""
    if key not in table:
        raise DamagedModelError(f"it has no {key}.")
    value = table.pop(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DamagedModelError(f"its {key} is {_short(repr(value))}, which makes no sense there.")
    return value


def _without_none(value: Any) -> Any:
    """TOML has no null: what is None is left out."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value if item is not None]
    return value


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME + 16 else f"{text[:LONGEST_NAME]}…"
