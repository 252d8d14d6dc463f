"""Trainings of several processes as `torchrun` starts them, and of one to hold them against."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.events import End, Event
from engine.training.trainer import train

# AdamW's sums differ between one process and two by float32's rounding alone; Muon's bfloat16 makes more of it.
TINY = ["n_layer=1", "n_embd=64", "n_head=2", "block_size=64", "batch_size=16", "dtype=float32", "optimizer=adamw"]
STEPS = 60
ROUNDING = 1e-5
"""Of a weight after 60 steps: weights are about 1, and a float32 there is exact to 1e-7."""


def settings_with(extra: Sequence[str] = ()) -> list[str]:
    return [*TINY, "patience=0", "moments=0", f"sample_interval={STEPS}", "eval_interval=20", *extra]


def alone(*texts: Path, **options: Any) -> list[Event]:
    return list(train(*texts, device="cpu", **options))


class Torchrun:
    """`torchrun … -m gpt_tui train …` with two processes, its events read as they come."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command += ["-m", "gpt_tui", "train", "--json", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )
        self.events: list[dict[str, Any]] = []

    def until(self, step: int) -> None:
        """Read events up to that step."""
        for event in self._read():
            if event["event"] == "step" and event["step"] >= step:
                return
        raise AssertionError(self.process.communicate()[1])

    def _read(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            yield self.events[-1]

    def finish(self) -> str:
        """Read to the end; returns what stands on standard error."""
        list(self._read())
        error = self.process.communicate(timeout=60)[1]
        return error

    def lines(self, error: str) -> list[str]:
        """What the training itself says on standard error, torchrun's own report left out."""
        return [line for line in error.splitlines() if line.startswith("gpt-tui:")]

    def pid(self, rank: int) -> int:
        """The process of that rank (Linux)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        return next(
            int(child)
            for child in children
            if f"\0RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes()
        )


def together(*arguments: object, settings: Sequence[str] = ()) -> Torchrun:
    return Torchrun(*arguments, *(word for setting in settings for word in ("--set", setting)))


def assert_same_weights(home: Path, one: str, other: str, *, but: str = " ") -> None:
    """Of the two models in the store; parameters whose names end in `but` are left out."""
    first, second = (load_file(home / "models" / name / "weights.safetensors") for name in (one, other))
    assert first.keys() == second.keys()
    for name in [name for name in first if not name.endswith(but)]:
        torch.testing.assert_close(first[name], second[name], atol=ROUNDING, rtol=0)


def assert_same_curves(events: list[dict[str, Any]], alone: list[Event]) -> None:
    one = {(event.event, getattr(event, "step", 0)): event for event in alone}
    for kind, figure in (("step", "loss"), ("eval", "val_loss"), ("eval", "bits_per_byte")):
        curve = {event["step"]: event[figure] for event in events if event["event"] == kind}
        same = {step: getattr(one[kind, step], figure) for step in curve if (kind, step) in one}
        assert len(same) >= 2
        assert {step: curve[step] for step in same} == pytest.approx(same, abs=1e-5)
    end, end_alone = events[-1], alone[-1]
    assert isinstance(end_alone, End)
    assert (end["reason"], end["step"], end["tokens"]) == (end_alone.reason, end_alone.step, end_alone.tokens)
