"""Trainings that are killed while they are prepared, or before anything is saved: they leave nothing in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import ModelNotFoundError, NameTakenError
from engine.events import End, Resume
from engine.store import models
from engine.training.machine import Machine, remember
from engine.training.trainer import train

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no such signal")

TINY = ["n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4", "eval_interval=5"]
# Where each dies: `die` takes the place of what would have come next.
MOMENTS = {
    "encoding": "from engine.data import dataset; dataset.np.dtype = die",
    "the folder is made": "from engine.data.tokenizer import Tokenizer; Tokenizer.save = die",
    "the tokenizer is there": "from engine.store import checkpoint; checkpoint.save_heldout = die",
    "the held-out text is there": "from engine.store import models; models.write_record = die",
}
BEFORE_THE_STATE = {"the best weights are there": "from engine.store import checkpoint; checkpoint.save_state = die"}
ONCE_SAVED = {
    "the state is there": "from engine.training.state import TrainingState as S; save = S.save\n"
    "S.save = lambda self, **options: (save(self), die())"
}


def killed(moments: dict[str, str], text: Path, **options: object) -> None:
    """Begin a training for each moment, all at once, and see each of them die there."""
    began = []
    for moment in moments.values():
        script = (
            "import os, signal; die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"import engine.training.trainer as t\n{moment}\n"
            f"list(t.train({str(text)!r}, steps=10, device='cpu', settings={TINY!r}, **{options!r}))"
        )
        began.append(subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2]))
    for process in began:
        assert process.wait(120) == -9


@pytest.fixture(autouse=True)
def quick_machine() -> None:
    remember(Machine())  # so that none measures


def test_one_that_is_killed_while_it_is_prepared_is_not_in_the_way(prose: Path, home: Path) -> None:
    killed(MOMENTS, prose)
    assert list((home / "models").iterdir())  # each takes away what those before it left
    assert models.models() == []  # nothing to see of them
    events = list(train(prose, steps=5, device="cpu", settings=TINY))
    assert isinstance(events[-1], End) and events[-1].name == "prose"
    assert [path.name for path in (home / "models").iterdir()] == ["prose"]
    assert not list((home / "models/prose").rglob(".tmp-*"))


def test_one_that_is_killed_before_it_has_saved_says_so_and_is_trained_anew(prose: Path, home: Path) -> None:
    killed(BEFORE_THE_STATE, prose, name="mine")
    assert [entry.name for entry in models.models()] == ["mine"]
    with pytest.raises(ModelNotFoundError, match="nothing was saved"):
        list(train(name="mine", resume=True))
    events = list(train(prose, name="mine", replace=True, steps=5, device="cpu", settings=TINY))
    assert isinstance(events[-1], End) and events[-1].name == "mine"


def test_one_that_is_killed_after_it_has_saved_goes_on(prose: Path) -> None:
    killed(ONCE_SAVED, prose, name="mine")
    events = list(train(name="mine", resume=True))
    assert any(isinstance(event, Resume) for event in events)
    assert isinstance(events[-1], End) and events[-1].step == 10


def test_what_is_no_model_is_not_written_over(prose: Path, home: Path) -> None:
    (home / "models/mine").mkdir(parents=True)
    (home / "models/mine/letter.txt").write_text("dear")
    with pytest.raises(NameTakenError, match="is no model"):
        list(train(prose, name="mine", steps=5, device="cpu", settings=TINY))
    assert [path.name for path in (home / "models/mine").iterdir() if path.name != "lock"] == ["letter.txt"]
