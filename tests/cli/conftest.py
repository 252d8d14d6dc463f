"""The command line, called as the shell calls it."""

from __future__ import annotations

import os
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
