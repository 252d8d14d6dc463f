"""What one may not read or write: one line that says so, whoever looks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data.tokenizer import train_tokenizer
from engine.errors import DamagedModelError, EngineError, RequestError, StorageError
from engine.generation.language_model import load
from engine.store import models
from engine.store.importing import import_model
from engine.training.machine import Machine, remember
from engine.training.trainer import train

TINY = ["n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4"]


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[list[Path]]:
    """Paths that are put in here can be opened again when the test is over."""
    paths: list[Path] = []
    yield paths
    for path in reversed(paths):
        path.chmod(0o755)


def close(path: Path, closed: list[Path]) -> None:
    path.chmod(0)
    closed.append(path)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs this may read everything")


def refused(request: object) -> EngineError:
    """What `request` raises, in one line."""
    with pytest.raises(EngineError, match=r"[Nn]ot allowed|[Pp]ermission") as raised:
        request()  # type: ignore[operator]
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_text_in_a_folder_that_is_closed(prose: Path, tmp_path: Path, closed: list[Path]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    text = prose.rename(folder / "prose.txt")
    close(folder, closed)
    for source in (folder, text):
        error = refused(lambda source=source: list(train(source, steps=1, device="cpu", settings=TINY)))
        assert isinstance(error, RequestError)


@pytest.mark.parametrize("part", ["models", "models/prose", "cache"])
def test_a_store_that_is_closed(part: str, prose: Path, home: Path, closed: list[Path]) -> None:
    remember(Machine())
    list(train(prose, steps=1, device="cpu", settings=TINY))
    close(home / part, closed)
    if part == "models":
        assert isinstance(refused(models.check_readable), StorageError) and models.models() == []
        refused(lambda: load("prose"))
    elif part == "models/prose":
        assert "ermission" in models.models()[0].problem
        refused(lambda: import_model(home / part))
    text = prose.with_name("other.txt")
    text.write_text(prose.read_text() + "And more.\n")
    name = "prose" if part == "models/prose" else None
    refused(lambda: list(train(text, name=name, steps=1, device="cpu", settings=TINY)))


@pytest.mark.parametrize("file", ["weights.safetensors", "tokenizer.json", "model.toml"])
def test_a_models_file_that_is_closed(file: str, prose: Path, home: Path, closed: list[Path]) -> None:
    remember(Machine())
    list(train(prose, steps=1, device="cpu", settings=TINY))
    close(home / "models/prose" / file, closed)
    assert isinstance(refused(lambda: load("prose")), DamagedModelError)


def test_a_tokenizer_that_is_no_tokenizer_is_told_from_one_that_is_closed(tmp_path: Path) -> None:
    tokenizer = train_tokenizer("byte", [], 257)
    tokenizer.save(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DamagedModelError, match="damaged"):
        type(tokenizer).load(tmp_path / "tokenizer.json")
