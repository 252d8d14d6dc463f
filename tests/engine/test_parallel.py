"""Training by several processes: what they compute together, how they are stopped, and what is left when one dies."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchrun import STEPS, alone, assert_same_curves, assert_same_weights, settings_with, together

from engine.config import ModelConfig
from engine.data.dataset import Batches
from engine.errors import ConfigError
from engine.events import End, Step
from engine.model.evaluate import evaluate
from engine.model.gpt import GPT
from engine.store import checkpoint
from engine.training.machine import remember
from engine.training.parallel import Ranks
from engine.training.planner import Machine
from engine.training.trainer import Control, train


@pytest.fixture(autouse=True)
def measured(home: Path) -> None:
    """Nothing is measured in these tests, which would take a second in each process."""
    remember(Machine(device="cpu", threads=1))


# Alone


def test_one_process_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with Ranks.from_environment() as ranks:
        assert (ranks.rank, ranks.size, ranks.several) == (0, 1, False)
        assert ranks.share(7) == 7
        assert ranks.total([1.0, 2.0]) == [1.0, 2.0]


def test_two_processes_read_what_one_reads() -> None:
    tokens = np.arange(1000, dtype=np.uint16)
    one = Batches(tokens, block_size=10, batch_size=6, stride=0, seed=3)
    two = [Batches(tokens, block_size=10, batch_size=3, stride=0, seed=3, rank=r, world_size=2) for r in range(2)]
    seen: set[int] = set()
    for _ in range(16):
        whole, parts = next(one)[0], [next(each)[0] for each in two]
        assert torch.equal(whole, torch.cat(parts))
        assert all(each.state() == one.state() and each.epoch == one.epoch for each in two)
        first = set(whole[:, 0].tolist())
        assert not first & seen  # of an epoch
        seen |= first


def test_parts_of_an_evaluation_add_up() -> None:
    torch.manual_seed(0)
    model = GPT(ModelConfig(vocab_size=20, block_size=8, n_embd=16, n_head=2, n_layer=1))
    torch.nn.init.normal_(model.head.weight)
    tokens = np.random.default_rng(0).integers(1, 20, size=205)
    options: dict[str, Any] = {"first": 0, "max_windows": 13, "lengths": np.arange(20)}
    whole = evaluate(model, tokens, 900, **options)
    counted: list[list[float]] = []

    def count(values: list[float]) -> list[float]:
        counted.append(values)
        return values

    for rank in range(3):
        evaluate(model, tokens, 900, **options, rank=rank, world_size=3, add=count)
    nats, seen, size = (sum(column) for column in zip(*counted, strict=True))
    assert (seen, size) == (whole.tokens, whole.bytes)
    assert nats / seen == pytest.approx(whole.loss, rel=1e-6)


# Together


def test_two_processes_learn_what_one_learns(prose: Path, home: Path) -> None:
    settings = settings_with(["fast_step=on", "token_noise=0.1", "rounds=2"])
    run = together(prose, "--name", "two", "--steps", STEPS, settings=settings)
    error = run.finish()
    assert run.process.returncode == 0, error
    assert not run.lines(error)
    assert_same_curves(run.events, alone(prose, name="one", steps=STEPS, settings=settings))
    assert_same_weights(home, "two", "one")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that could be sent")
def test_a_run_of_two_stops_on_a_signal_and_goes_on_alone(prose: Path, home: Path) -> None:
    run = together(prose, "--name", "parts", "--steps", STEPS, settings=settings_with())
    run.until(step=10)
    run.process.send_signal(signal.SIGTERM)
    error = run.finish()
    assert run.events[-1]["reason"] == "stopped"
    assert [event["kind"] for event in run.events if event["event"] == "checkpoint"] == ["last"]
    assert len(run.lines(error)) == 1
    assert "--resume --name parts" in run.lines(error)[0]
    assert 10 <= checkpoint.load_state(home / "models/parts")[2]["step"] < STEPS

    end = alone(name="parts", resume=True)[-1]
    whole = alone(prose, name="whole", steps=STEPS, settings=settings_with())[-1]
    assert isinstance(end, End)
    assert isinstance(whole, End)
    assert (end.step, end.tokens) == (whole.step, whole.tokens)
    assert_same_weights(home, "parts", "whole")


def test_a_run_of_one_goes_on_with_two(prose: Path, home: Path) -> None:
    settings, control = settings_with(["fast_step=off", "accumulate=2"]), Control()
    for event in train(prose, device="cpu", name="parts", steps=STEPS, settings=settings, control=control):
        if isinstance(event, Step) and event.step >= 25:
            control.stop()
    run = together("--resume", "--name", "parts")
    error = run.finish()
    assert run.process.returncode == 0, error
    assert 25 <= next(event["resumed_from"] for event in run.events if event["event"] == "start") < STEPS
    assert_same_curves(run.events, alone(prose, name="whole", steps=STEPS, settings=settings))
    assert_same_weights(home, "parts", "whole")


# What goes wrong


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size.*multiple of 3"):
        Ranks(rank=0, size=3).share(16)


@pytest.mark.parametrize("setting, words", [("batch_size=5", "2 processes"), ("n_haed=2", "n_head")])
def test_a_wrong_request_is_told_once(prose: Path, home: Path, setting: str, words: str) -> None:
    run = together(prose, "--steps", 5, settings=[setting])
    error = run.finish()
    assert len(run.lines(error)) == 1
    assert words in run.lines(error)[0]
    assert "exitcode  : 2" in error  # of the process that torchrun saw fail first
    assert "engine" not in error  # torchrun's own traceback is all
    assert not any((home / "models").glob("*"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the processes are found in /proc")
def test_a_process_that_dies_leaves_a_model_to_go_on_with(prose: Path, home: Path) -> None:
    settings = settings_with(["token_noise=0.1"])
    run = together(prose, "--name", "mine", "--steps", STEPS, settings=settings)
    run.until(step=10)
    os.kill(run.pid(rank=1), signal.SIGKILL)
    error = run.finish()
    assert run.process.returncode != 0
    assert len(run.lines(error)) == 1
    assert "--resume --name mine" in run.lines(error)[0]
    assert checkpoint.load_state(home / "models/mine")[2]["step"] >= 10
    whole = alone(prose, name="whole", steps=STEPS, settings=settings)[-1]
    end = alone(name="mine", resume=True)[-1]
    assert isinstance(end, End)
    assert isinstance(whole, End)
    assert (end.reason, end.step, end.tokens) == ("budget", whole.step, whole.tokens)
    assert_same_weights(home, "mine", "whole")
