"""What damages, fills up or comes once: training refuses it in one line, or goes on, and loses nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, DamagedModelError, StorageError
from engine.events import Event, Step
from engine.store import checkpoint, models
from engine.training import preparation
from engine.training.trainer import Control, train

SETTINGS = {"n_layer": 1, "n_embd": 32, "n_head": 2, "block_size": 32, "batch_size": 4, "patience": 0}
OPTIONS: dict[str, Any] = {"device": "cpu", "settings": SETTINGS}


def _stopped(*texts: Any, **options: Any) -> list[Event]:
    """The events of a run that is stopped after its first step."""
    control, events = Control(), []
    for event in train(*texts, control=control, **options):
        events.append(event)
        if isinstance(event, Step):
            control.stop()
    return events


def test_a_text_that_came_partly_through_a_pipe_is_gone_on_with(prose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"In year {n} a king spoke over stale bread.\n" for n in range(300))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    _stopped(prose, "-", name="both", steps=9, **OPTIONS)
    assert list(train("-", name="both", resume=True))[-1].reason == "budget"  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", ["random.cpu", "step", "batches"])
def test_a_damaged_state_is_refused_in_one_line(prose: Path, home: Path, damage: str) -> None:
    _stopped(prose, name="novel", steps=9, **OPTIONS)
    path = home / "models" / "novel" / checkpoint.STATE
    tensors, state = checkpoint.load_tensors(path)
    tensors.pop(damage, None)
    if damage == "batches":
        state["batches"] = {"epoch": "x", "window": 0}
    else:
        state.pop(damage, None)
    checkpoint.save_tensors(path, tensors, state)
    with pytest.raises(DamagedModelError) as caught:
        list(train(name="novel", resume=True))
    assert "\n" not in str(caught.value)


def test_a_log_that_was_cut_off_goes_on_in_a_line_of_its_own(prose: Path, home: Path) -> None:
    _stopped(prose, name="novel", steps=9, **OPTIONS)
    log = home / "models" / "novel" / "run" / "events.jsonl"
    log.write_bytes(log.read_bytes()[:-30])
    list(train(name="novel", resume=True))
    assert all(line.count('{"event": ') <= 1 for line in log.read_text("utf-8").splitlines())


def test_the_result_is_worth_more_than_the_earlier_moments(
    prose: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoint.save_tensors

    def full(path: Path, *rest: Any) -> None:
        """A disk that holds three files beside each other, not four."""
        others = [other for other in (home / "models").rglob("*.safetensors") if other != path]
        if len(others) >= 4:  # with the held-out tokens
            raise StorageError("No space left.")
        save(path, *rest)

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    list(train(prose, name="novel", steps=30, **OPTIONS))
    folder = home / "models" / "novel"
    assert (folder / checkpoint.WEIGHTS).exists() and (folder / checkpoint.STATE).exists()


def test_a_replacement_that_fails_brings_the_old_model_back(
    prose: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(prose, name="novel", steps=3, **OPTIONS))
    before = models.read_record(home / "models" / "novel")

    def full(*_: Any) -> None:
        raise StorageError("No space left.")

    monkeypatch.setattr(preparation.store, "save_heldout", full)
    with pytest.raises(StorageError):
        list(train(prose, name="novel", replace=True, steps=4, **OPTIONS))
    assert models.read_record(home / "models" / "novel") == before


@pytest.mark.parametrize("setting", ["device=cpu", "tokenizer=byte", "preset=nano"])
def test_settings_with_options_of_their_own_are_given_as_those(prose: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"--{setting.partition('=')[0]}"):
        list(train(prose, steps=3, settings=[setting]))
