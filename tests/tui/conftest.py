"""The app's tests: a tiny model, trained once and copied into each test's home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's folder with two tiny models in it: `novel`, of prose, and `talk`, of dialogues with voices."""
    import engine

    home = tmp_path_factory.mktemp("trained")
    before = os.environ.get("GPT_TUI_HOME")
    os.environ["GPT_TUI_HOME"] = str(home)
    try:
        lines = [
            f"On day {n} the {('dog', 'cat', 'hen')[n % 3]} sat by the old gate. It was cold.\n" for n in range(400)
        ]
        (home / "novel.txt").write_text("".join(lines), encoding="utf-8")
        turns = [f"OTTO: How is the day {n}?\nMARTA: The day {n} is cold, Otto.\n" for n in range(300)]
        (home / "talk.txt").write_text("".join(turns), encoding="utf-8")
        for name in ("novel", "talk"):
            settings = ["n_layer=1", "n_embd=32", "n_head=1", "block_size=64", "sample_interval=20", "eval_interval=20"]
            list(
                engine.train(home / f"{name}.txt", name=name, steps=60, device="cpu", vocab_size=400, settings=settings)
            )
    finally:
        if before is None:
            del os.environ["GPT_TUI_HOME"]
        else:
            os.environ["GPT_TUI_HOME"] = before
    return home


@pytest.fixture
def store(trained: Path, home: Path) -> Path:
    """This test's home, with the models `novel` and `talk` in it."""
    shutil.copytree(trained / "models", home / "models")
    for text in trained.glob("*.txt"):
        shutil.copy(text, home / text.name)
    return home
