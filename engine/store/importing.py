"""Models from elsewhere into the store: a Hugging Face folder, or a model's folder of our own that lies elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from engine import files, locations
from engine.config import TrainConfig
from engine.data.corpus import model_name
from engine.errors import ModelNotFoundError, NameTakenError, RequestError
from engine.store import checkpoint as store
from engine.store import models
from engine.store.formats import hugging_face
from engine.store.models import ModelRecord


def import_model(source: str | Path, *, name: str | None = None) -> Path:
    """Bring the model in the folder `source` into the store; returns its folder there.

    Without a `name` it is called as the folder is, numbered when that is taken. Raises `ModelNotFoundError` when no
    model lies there, `RequestError` when it is one that our GPT cannot compute, `NameTakenError`, `ConfigError`,
    `DamagedModelError`, `StorageError`; then nothing is left of it.
    """
    folder = _folder(source)
    models.remove_abandoned()
    if name is None:
        target = locations.models_dir() / models.free_name(model_name(folder.name))
    else:
        target = locations.models_dir() / models.check_name(name)
        if models.is_there(target):
            raise NameTakenError(f"{target.name}: a model of that name is there already; choose another name.")
    if (folder / models.RECORD).exists():
        _import_own(folder, target)
    else:
        _import_hugging_face(folder, target)
    return target


def _folder(source: str | Path) -> Path:
    """The folder that is meant. Raises `ModelNotFoundError` or `RequestError` when no model lies there."""
    folder = locations.expanded(source).absolute()
    try:
        if folder.is_dir() and any((folder / name).exists() for name in (models.RECORD, hugging_face.CONFIG)):
            return folder.resolve()
        there = folder.exists()
    except PermissionError:
        raise RequestError(f"{source}: not allowed to read it. Change its permissions, or copy it.") from None
    except (OSError, ValueError):  # a name too long, or a null byte
        there = False
    if folder.suffix == ".gguf":
        raise RequestError(f"{source}: GGUF is written, and not read; import the folder that it was made from.")
    if not there:
        raise ModelNotFoundError(f"{source}: there is no such folder.")
    both = f"neither a {hugging_face.CONFIG} (Hugging Face) nor a {models.RECORD} (gpt-tui)"
    raise ModelNotFoundError(f"{source}: no model lies there: {both}.")


def _import_own(folder: Path, target: Path) -> None:
    """Copy a folder of our own format: the files that belong to it, and no others."""
    record = models.read_record(folder)
    store.load_tokenizer(folder)
    store.load_model(folder)  # that it can be read at all
    with files.building(target) as copy:
        for path in _own_files(folder):
            place = copy / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        models.write_record(copy, replace(record, name=target.name))


def _own_files(folder: Path) -> Iterator[Path]:
    for pattern in ("weights.safetensors", "tokenizer.json", "checkpoints/*.safetensors"):
        yield from folder.glob(pattern)
    for pattern in ("*.safetensors", "events.jsonl", "text/*.txt"):
        yield from folder.glob(f"run/{pattern}")


def _import_hugging_face(folder: Path, target: Path) -> None:
    model, tokenizer = hugging_face.read_folder(folder)
    record = ModelRecord(
        name=target.name,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        format=models.FORMAT,
        corpus={},
        summary={"parameters": model.config.parameter_counts()["total"]},
        model=model.config,
        train=TrainConfig(tokenizer=tokenizer.kind),
        tokenizer_checksum=tokenizer.checksum,
        extra={"imported_from": str(folder)},
    )
    with files.building(target) as made:
        store.save_tensors(made / store.WEIGHTS, store.weights_of(model))
        tokenizer.save(made / store.TOKENIZER)
        models.write_record(made, record)
