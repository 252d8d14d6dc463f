"""The model that ships: a training goes on from it unasked where that pays, and begins from scratch where not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import locations
from engine.config import ModelConfig
from engine.errors import ModelNotFoundError
from engine.events import Event, Prepare, Warning
from engine.store import checkpoint as store
from engine.store import models
from engine.training import bases
from engine.training.trainer import train

SHIPPED = locations.base_dir()
QUICK: dict[str, Any] = {"minutes": 0.05, "device": "cpu", "settings": ["batch_size=2"]}


@pytest.fixture
def small_base(prose: Path, shipped: Path) -> Path:
    """A tiny model of `prose` as the one that ships; the store is empty."""
    settings = ["n_layer=1", "n_embd=32", "n_head=1", "block_size=32", "vocab_size=300"]
    list(train(prose, name="base", steps=80, device="cpu", settings=settings))
    shutil.copytree(models.find("base"), shipped)
    models.delete("base")
    return shipped


def weighings(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Prepare) and event.stage == "weighing"]


def came_from(name: str) -> str | None:
    return models.read_record(models.find(name)).corpus.get("from_model")


def test_a_training_of_minutes_goes_on_from_what_ships_where_that_pays(small_base: Path, prose: Path) -> None:
    events = list(train(prose, name="near", **QUICK))
    assert weighings(events)[-1].startswith("english stands at") and weighings(events)[-1].endswith(
        "goes on from there."
    )
    assert came_from("near") == "english"


@pytest.mark.parametrize(
    "asked",
    [
        {"from_model": "scratch"},
        {"tokenizer": "bpe"},
        {"vocab_size": 300},
        {"preset": "nano"},
        {"settings": ["n_layer=2", "batch_size=2"]},
        {"minutes": None, "steps": 2},
        {"minutes": None, "epochs": 0.02},
    ],
    ids=str,
)
def test_what_is_asked_for_begins_from_scratch(small_base: Path, prose: Path, asked: dict[str, Any]) -> None:
    events = list(train(prose, name="own", **QUICK | asked))
    assert not weighings(events) and came_from("own") is None


def test_what_it_is_a_stranger_to_begins_from_scratch(small_base: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.txt"
    strange.write_text("".join(f"{7**n % 100_003}\n" for n in range(1, 4000)), encoding="utf-8")
    events = list(train(strange, name="far", **QUICK))
    assert weighings(events)[-1].endswith("so from scratch is better.") and came_from("far") is None


def test_of_a_long_text_a_sample_tells(
    small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prose: Path
) -> None:
    monkeypatch.setattr("engine.training.beginning._ENCODED_AT_ONCE", 10_000)
    strange = tmp_path / "strange.txt"
    strange.write_text("".join(f"{7**n % 100_003}\n" for n in range(1, 4000)), encoding="utf-8")
    for text, name, base in ((strange, "far", None), (prose, "near", "english")):
        events = list(train(text, name=name, **QUICK))
        assert weighings(events)[0] == "Trying english on this text" and came_from(name) == base


def test_a_text_shorter_than_its_windows_begins_from_scratch(shipped: Path, prose: Path, tmp_path: Path) -> None:
    settings = ["n_layer=1", "n_embd=32", "n_head=1", "block_size=512", "vocab_size=300"]
    list(train(prose, name="base", steps=2, device="cpu", settings=settings))
    shutil.copytree(models.find("base"), shipped)
    short = tmp_path / "short.txt"
    short.write_text(prose.read_text("utf-8")[:1500], encoding="utf-8")
    list(train(short, name="brief", **QUICK))
    assert came_from("brief") is None


def test_damaged_it_is_said_and_left_alone(small_base: Path, prose: Path) -> None:
    (small_base / store.WEIGHTS).write_bytes(b"no weights")
    events = list(train(prose, name="own", **QUICK))
    said = [event.message for event in events if isinstance(event, Warning)]
    assert any("is damaged" in message and message.endswith("It begins from scratch.") for message in said)
    assert came_from("own") is None


def test_it_is_found_by_its_name_unless_a_model_of_the_store_bears_that(small_base: Path, prose: Path) -> None:
    assert models.find("english") == small_base and bases.likeliest([]) == small_base
    list(train(prose, name="named", from_model="english", steps=2, device="cpu"))
    assert came_from("named") == "english"
    list(train(prose, name="english", steps=1, device="cpu"))
    assert models.find("english") == locations.models_dir() / "english"
    with pytest.raises(ModelNotFoundError):
        models.find("welsh")


def test_a_text_that_ships_is_weighed_with_a_model_that_has_not_read_it(small_base: Path, tmp_path: Path) -> None:
    assert bases.unasked(["tales"]) == small_base  # as long as no other ships
    novels = shutil.copytree(small_base, small_base.parent / "novels")
    assert bases.unasked(["tales"]) == bases.likeliest(["dialogues"]) == models.find("novels") == novels
    for texts in (["tales", "letters"], ["./tales"], ["python"], [str(tmp_path)]):
        assert bases.unasked(texts) == small_base


def test_it_stands_in_no_list_and_cannot_be_deleted(small_base: Path) -> None:
    assert not engine.models()
    with pytest.raises(ModelNotFoundError):
        models.delete("english")


@pytest.mark.parametrize("name", [bases.ENGLISH, "novels"])
def test_what_ships_is_whole_and_knows_english(name: str) -> None:
    own = SHIPPED / name
    record = models.read_record(own)
    assert isinstance(record.model, ModelConfig) and "sources" not in record.corpus and record.name == name
    assert sum(path.stat().st_size for path in own.iterdir()) < 12e6
    language_model = engine.load(str(own))
    found = language_model.evaluate(
        "It was late when they came to the house, and nobody had lit a lamp in the hall. " * 20
    )
    assert found.bits_per_byte < 2.0
    titles = (SHIPPED / "novels" / "books.tsv").read_text("utf-8").splitlines()
    assert record.corpus["documents"] == len(titles) - 1 or name == bases.ENGLISH  # which reads more than books
