"""Every test has a home of its own; none downloads anything; torch uses one thread, so that tests can run side by
side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import locations

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `GPT_TUI_HOME` names in this test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("GPT_TUI_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where *english*, which ships, would lie, for this process; nothing does, so that trainings begin from scratch."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(locations, "base_dir", lambda: folder)
    return folder / "english"


@pytest.fixture
def prose(tmp_path: Path) -> Path:
    """A text of about 24 KB, regular enough that a tiny model learns from it at once."""
    lines = []
    for number in range(400):
        who, what = ("the dog", "the cat", "a hen", "the fox")[number % 4], ("ran", "sat", "slept")[number % 3]
        lines.append(f"On day {number} {who} {what} by the old gate and looked at the road.\n")
    path = tmp_path / "prose.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path
