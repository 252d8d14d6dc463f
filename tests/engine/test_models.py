"""The store: what is listed, found, renamed, deleted and restored, and what damage says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine import files, locations
from engine.config import ModelConfig, TrainConfig
from engine.errors import (
    BusyError,
    ConfigError,
    DamagedModelError,
    ModelNotFoundError,
    NameTakenError,
    StorageError,
)
from engine.store import models as store
from engine.store.models import ModelRecord


def record(name: str = "novel", **changes: object) -> ModelRecord:
    made = ModelRecord(
        name=name,
        created="2026-11-24T12:00:00Z",
        format=store.FORMAT,
        corpus={"name": "novel", "sources": ["/texts/novel.txt"], "bytes": 1234, "checksum": "ab"},
        summary={"bits_per_byte": 2.25, "steps": 100, "sample": 'Once "upon"\na time \x1b[0m', "val_loss": None},
        model=ModelConfig(vocab_size=300, n_layer=2),
        train=TrainConfig(minutes=2.0, learning_rate=1e-3),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def add(name: str = "novel", **changes: object) -> Path:
    folder = locations.models_dir() / name
    folder.mkdir(parents=True)
    store.write_record(folder, record(name, **changes))
    return folder


def damage(folder: Path, old: str, new: str) -> None:
    path = folder / "model.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def trained_elsewhere(folder: Path) -> subprocess.Popen[str]:
    """Another live process that holds the model's lock until its standard input closes."""
    program = (
        "import sys; from pathlib import Path; from engine.files import ModelLock\n"
        "lock = ModelLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_record_comes_back_as_it_was_written() -> None:
    folder = add()
    back = store.read_record(folder)
    assert back.model == record().model and back.train == record().train
    assert back.corpus == record().corpus
    assert back.summary == {key: value for key, value in record().summary.items() if value is not None}


def test_numbers_are_numbers_in_model_toml() -> None:
    text = (add() / "model.toml").read_text("utf-8")
    assert "\nvocab_size = 300\n" in text and "\nlearning_rate = 0.001\n" in text and "\nminutes = 2.0\n" in text


def test_what_was_added_by_hand_is_kept() -> None:
    folder = add()
    damage(folder, "format = 1", 'format = 1\nnote = "for Anna"')
    assert store.read_record(folder).extra == {"note": "for Anna"}
    assert store.read_record(store.rename("novel", "annas")).extra == {"note": "for Anna"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 99", "update gpt-tui"),
        ("format = 1", 'format = "one"', "format"),
        ("format = 1\n", "", "format"),
        ("vocab_size = 300", "vocab_size = -3", "vocab_size"),
        ("vocab_size = 300", 'vocab_size = "many"', "vocab_size"),
        ("vocab_size = 300\n", "", "vocab_size"),
        ("vocab_size = 300", "vocab_size = 300\nn_wings = 2", "n_wings"),
        ("minutes = 2.0", "minutes = nan", "minutes"),
        ("minutes = 2.0", f"minutes = 1{'0' * 400}", "minutes"),
        ("[summary]", "[summary", "not TOML"),
        ("[model]", "[modell]", "model"),
        ('name = "novel"', "name = 3", "name"),
        ('name = "novel"', "name = " + "[" * 5000, "not TOML"),
    ],
)
def test_damage_is_told_in_one_line(old: str, new: str, said: str) -> None:
    folder = add()
    damage(folder, old, new)
    with pytest.raises(DamagedModelError) as caught:
        store.read_record(folder)
    message = str(caught.value)
    assert said in message and "\n" not in message and message.startswith("novel: model.toml is damaged")


def test_a_record_that_is_missing_or_no_text_is_damage() -> None:
    folder = locations.models_dir() / "hollow"
    folder.mkdir(parents=True)
    with pytest.raises(DamagedModelError, match="missing"):
        store.read_record(folder)
    (folder / "model.toml").write_bytes(b"\xff\xfe\x00weights")
    with pytest.raises(DamagedModelError, match="UTF-8"):
        store.read_record(folder)


def test_a_folder_that_was_copied_by_hand_has_the_name_of_the_copy() -> None:
    folder = add()
    assert store.read_record(folder.rename(folder.with_name("copy"))).name == "copy"


def test_damaged_models_are_listed_with_what_is_wrong() -> None:
    add("good")
    damage(add("bad"), "format = 1", "format = 7")
    (locations.models_dir() / "hollow").mkdir()
    (locations.models_dir() / ".tmp-rest").mkdir()
    found = {entry.name: entry for entry in store.models()}
    assert list(found) == ["bad", "good", "hollow"]
    assert found["good"].record is not None and not found["good"].problem
    assert "format" in found["bad"].problem and "missing" in found["hollow"].problem


def test_an_empty_store_lists_nothing() -> None:
    assert store.models() == []


@pytest.mark.parametrize(
    "name",
    [
        "", "  ", ".", "..", ".hidden", "-x", "a/b", "a\\b", "/abs", "con", "NUL.txt", "com1", "a:b", "a\nb", "a\x00b",
        "x" * 65, "end.", "end ", " x", "a*", "\ud800",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        store.check_name(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["novel", "my novel", "novel-2", "роман", "小説", "a.b", "x" * 64, "v1.0_final"])
def test_good_names_are_taken(name: str) -> None:
    assert store.check_name(name) == name


def test_a_name_is_one_name_however_its_accents_are_written() -> None:
    assert store.check_name("cafe\u0301") == store.check_name("caf\u00e9")


def test_names_that_are_taken_are_numbered() -> None:
    assert store.free_name("novel") == "novel"
    add("novel")
    assert store.free_name("novel") == "novel-2"
    add("novel-2")
    assert store.free_name("novel") == "novel-3"
    add("x" * 64)
    assert store.free_name("x" * 64) == "x" * 62 + "-2"


def test_a_model_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add("novel")
    assert store.find("novel") == folder
    assert store.find(folder) == folder.resolve()
    elsewhere = tmp_path / "usb" / "stick"
    folder.rename(elsewhere.parent.mkdir(parents=True) or elsewhere)
    assert store.find(str(elsewhere)) == elsewhere.resolve()
    monkeypatch.chdir(elsewhere.parent)
    assert store.find("stick") == elsewhere.resolve()


@pytest.mark.parametrize("name", ["novle", "", "..", "no/such/place", "~nobody/x", "a\x00b", "x" * 5000])
def test_an_unknown_model_is_refused_in_one_line(name: str) -> None:
    add("novel")
    with pytest.raises(ModelNotFoundError) as caught:
        store.find(name)
    message = str(caught.value)
    assert "gpt-tui models" in message and "\n" not in message and len(message) < 250


def test_an_unknown_name_brings_the_closest_one() -> None:
    add("novel")
    with pytest.raises(ModelNotFoundError, match="Did you mean novel"):
        store.find("novle")


def test_a_folder_without_a_model_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"model\.toml"):
        store.find(tmp_path)


def test_renaming_changes_the_name_everywhere() -> None:
    add("novel")
    folder = store.rename("novel", "draft")
    assert folder == store.find("draft") and store.read_record(folder).name == "draft"
    assert [entry.name for entry in store.models()] == ["draft"]


def test_renaming_refuses_what_is_taken_and_what_is_no_name() -> None:
    add("novel")
    add("draft")
    with pytest.raises(NameTakenError):
        store.rename("novel", "draft")
    with pytest.raises(ConfigError):
        store.rename("novel", "../draft")
    with pytest.raises(ModelNotFoundError):
        store.rename("nothing", "draft-2")
    assert [entry.name for entry in store.models()] == ["draft", "novel"]


def test_a_duplicate_has_everything_but_the_name_and_the_lock() -> None:
    folder = add("novel")
    (folder / "run").mkdir()
    (folder / "checkpoints").mkdir()
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "run/events.jsonl").write_bytes(b"log\n")
    (folder / "run/.tmp-0-state").write_bytes(b"half")
    (folder / "checkpoints/30.safetensors").write_bytes(b"earlier")
    with files.ModelLock(folder):
        pass  # leaves its file
    copy = store.duplicate("novel", "second")
    assert copy == store.find("second") and store.read_record(copy).name == "second"
    assert store.read_record(copy).model == store.read_record(folder).model
    found = {str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    del found["model.toml"]
    assert found == {
        "weights.safetensors": b"weights", "run/events.jsonl": b"log\n", "checkpoints/30.safetensors": b"earlier"
    }  # fmt: skip
    assert [entry.name for entry in store.models()] == ["novel", "second"]
    assert [path.name for path in locations.models_dir().iterdir() if path.name.startswith(".tmp-")] == []


def test_duplicating_refuses_what_is_taken_damaged_or_in_training() -> None:
    add("novel")
    (locations.models_dir() / "hollow").mkdir()
    with pytest.raises(NameTakenError):
        store.duplicate("novel", "hollow")
    with pytest.raises(ConfigError):
        store.duplicate("novel", "../second")
    with pytest.raises(DamagedModelError):
        store.duplicate("hollow", "second")
    with pytest.raises(ModelNotFoundError):
        store.duplicate("nothing", "second")
    with files.ModelLock(locations.models_dir() / "novel"), pytest.raises(BusyError):
        store.duplicate("novel", "second")
    assert [entry.name for entry in store.models()] == ["hollow", "novel"]


def test_a_duplicate_that_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add("novel")
    (folder / "weights.safetensors").write_bytes(b"weights")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.shutil, "copyfile", full)
    with pytest.raises(StorageError, match="No space left"):
        store.duplicate("novel", "second")
    assert [path.name for path in locations.models_dir().iterdir()] == ["novel"]


def test_what_a_killed_copy_left_is_removed_a_day_later() -> None:
    add("novel")
    old, young = locations.models_dir() / ".tmp-old-second", locations.models_dir() / ".tmp-young-third"
    for rest in (old, young):
        rest.mkdir()
    os.utime(old, (1, 1))
    store.duplicate("novel", "second")
    assert not old.exists() and young.exists()


def test_a_deleted_model_comes_back_as_it_was() -> None:
    folder = add("novel")
    (folder / "weights.safetensors").write_bytes(b"weights")
    trashed = store.delete("novel")
    assert store.models() == [] and trashed.is_dir()
    assert store.restore("novel") == folder
    assert (folder / "weights.safetensors").read_bytes() == b"weights"


def test_restoring_refuses_a_taken_name_and_one_that_is_not_there() -> None:
    add("novel")
    store.delete("novel")
    add("novel")
    with pytest.raises(NameTakenError):
        store.restore("novel")
    with pytest.raises(ModelNotFoundError, match="Did you mean novel"):
        store.restore("novell")


def test_the_model_deleted_last_is_the_one_that_comes_back() -> None:
    for steps in (1, 2):
        add("novel", summary={"steps": steps})
        store.delete("novel")
    assert store.read_record(store.restore("novel")).summary == {"steps": 2}


def test_damaged_models_can_be_deleted() -> None:
    (locations.models_dir() / "hollow").mkdir(parents=True)
    store.delete("hollow")
    assert store.models() == []


def test_what_lies_outside_the_store_is_not_deleted(tmp_path: Path) -> None:
    folder = add("novel")
    elsewhere = tmp_path / "mine"
    folder.rename(elsewhere)
    with pytest.raises(ModelNotFoundError, match="outside the store"):
        store.delete(str(elsewhere))
    assert elsewhere.is_dir()


def test_a_model_in_training_is_marked_and_left_alone() -> None:
    folder = add("novel")
    trainer = trained_elsewhere(folder)
    try:
        assert [entry.running for entry in store.models()] == [True]
        with pytest.raises(BusyError):
            store.delete("novel")
        with pytest.raises(BusyError):
            store.rename("novel", "draft")
        assert store.read_record(folder).name == "novel"
    finally:
        trainer.kill()
        trainer.communicate()
    assert [entry.running for entry in store.models()] == [False]  # a dead process holds nothing
    store.delete("novel")


def test_a_model_being_prepared_is_no_damaged_one() -> None:
    folder = locations.models_dir() / "novel"
    folder.mkdir(parents=True)
    with files.ModelLock(folder):
        (entry,) = store.models()
        assert entry.running and entry.record is None and not entry.problem


def test_earlier_moments_are_listed_in_order() -> None:
    folder = add("novel")
    assert store.checkpoints(folder) == []
    (folder / "checkpoints").mkdir()
    for name in ("200.safetensors", "30.safetensors", ".tmp-1-40.safetensors", "notes.txt", "1000.safetensors"):
        (folder / "checkpoints" / name).touch()
    assert store.checkpoints(folder) == [30, 200, 1000]


def test_used_corpora_are_counted_once() -> None:
    add("a", corpus={"name": "novel", "checksum": "1"}, created="2026-01-01T00:00:00Z")
    add("b", corpus={"name": "novel-copy", "checksum": "1"}, created="2026-01-02T00:00:00Z")
    add("c", corpus={"name": "letters", "checksum": "2"}, created="2026-01-03T00:00:00Z")
    used = store.used_corpora(store.models())
    assert [(corpus["name"], names) for corpus, names in used] == [("letters", ["c"]), ("novel-copy", ["b", "a"])]


def test_the_public_face_imports_no_torch() -> None:
    program = (
        "import sys, engine\n"
        "engine.models(); engine.corpora(); engine.TrainConfig(); engine.EngineError; engine.Step\n"
        "assert not {'torch', 'numpy', 'tokenizers'} & set(sys.modules), sys.modules\n"
        "assert 'load' in dir(engine) and set(engine.__all__) <= set(dir(engine))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ))
