"""The command line, called as the shell calls it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import locations
from engine.config import ModelConfig, TrainConfig
from engine.store import models as store
from gpt_tui import cli


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def gpt_tui(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = cli.run(list(arguments))
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command line in a process of its own, as a user does."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "gpt_tui", *arguments],
            input=stdin,
            capture_output=True,
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[2],
            timeout=120,
        )

    return run


TINY = ("n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a tiny model, `novel`, was trained for a moment."""
    import engine
    from engine.training.machine import machine, remember

    home = tmp_path_factory.mktemp("trained")
    text = home / "novel.txt"
    text.write_text("".join(f"On day {n} the dog ran to the old gate and looked at the road.\n" for n in range(300)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPT_TUI_HOME", str(home / "home"))
        remember(machine("cpu"))  # also where others keep the machine busy
        list(engine.train(text, name="novel", steps=40, device="cpu", settings=TINY))
    return home / "home"


@pytest.fixture
def novel(trained: Path, home: Path) -> Path:
    """The folder of a trained model `novel`, in this test's own home."""
    shutil.copytree(trained, home)
    return home / "models" / "novel"


@pytest.fixture
def add_model() -> Callable[..., Path]:
    """Put a model into the store: its record and no weights, which is all that lists and tables read."""

    def add(name: str, **changes: object) -> Path:
        fields = {
            "name": name,
            "created": "2026-11-24T12:00:00Z",
            "format": store.FORMAT,
            "corpus": {"name": "novel", "sources": ["/texts/novel.txt"], "bytes": 1_234_567, "checksum": "ab"},
            "summary": {"bits_per_byte": 2.25, "steps": 1200, "seconds": 61.0},
            "model": ModelConfig(vocab_size=300, n_layer=2),
            "train": TrainConfig(minutes=2.0),
            **changes,
        }
        folder = locations.models_dir() / name
        folder.mkdir(parents=True)
        store.write_record(folder, store.ModelRecord(**fields))  # type: ignore[arg-type]
        return folder

    return add
