"""Training by processes that each keep a part of the weights: it learns what one process learns, is saved as that one's
is, and takes a part of the memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torchrun import STEPS, alone, assert_same_curves, assert_same_weights, settings_with, together

from engine.config import ModelConfig, TrainConfig
from engine.errors import ConfigError
from engine.events import End, Step
from engine.model.evaluate import evaluate
from engine.store import checkpoint
from engine.training.machine import remember
from engine.training.memory import Needs, shards
from engine.training.planner import Machine, plan
from engine.training.trainer import Control, train

SHARDED = ["sharded=on", "fast_step=off"]


@pytest.fixture(autouse=True)
def measured(home: Path) -> None:
    """Nothing is measured in these tests, which would take a second in each process."""
    remember(Machine(device="cpu", threads=1))


# Whether


def test_weights_are_shared_out_where_a_process_cannot_hold_them() -> None:
    model, train_config = ModelConfig(n_embd=512, n_layer=8), TrainConfig(batch_size=4)
    needs = Needs.of(model, train_config)
    enough = 2 * needs.state + needs.batch
    assert not shards(model, train_config, enough, processes=2)
    assert shards(model, train_config, enough - 1, processes=2)
    assert not shards(model, train_config, 0, processes=2)  # nobody knows
    assert shards(model, TrainConfig(sharded="on"), enough, processes=2)
    assert not shards(model, TrainConfig(sharded="off"), 1, processes=2)
    assert not shards(model, TrainConfig(sharded="on"), 1, processes=1)


def test_what_processes_hold_together_is_not_refused() -> None:
    large = {"n_embd": 4096, "n_layer": 32, "n_head": 32}  # 6.5 thousand million parameters, 16 bytes each
    alone_, eight = Machine(memory=80 * 10**9), Machine(memory=8 * 80 * 10**9, processes=8)
    assert plan(10**7, eight, minutes=1, overrides=(large, {})).model.n_embd == 4096
    with pytest.raises(ConfigError, match=r"n_embd: .* this machine has 80"):
        plan(10**7, alone_, minutes=1, overrides=(large, {}))
    with pytest.raises(ConfigError, match=r"n_embd: .* 8 processes have 640; .*sharded=off"):
        plan(10**7, eight, minutes=1, overrides=(large, {"sharded": "off"}))


# What it learns


@pytest.mark.parametrize(
    "settings",
    [
        ["token_noise=0.1", "accumulate=2", "bigram_steps=3", "n_layer=2"],
        # Tied, with biases; and rows that two do not divide.
        ["family=gpt2", "tie_embeddings=true", "n_embd=66", "n_head=2", "n_ff=99", "block_size=63"],
    ],
    ids=["qwen3", "gpt2"],
)
def test_two_processes_learn_what_one_learns(prose: Path, home: Path, settings: list[str]) -> None:
    settings = settings_with([*SHARDED, *settings])
    run = together(prose, "--name", "two", "--steps", STEPS, settings=settings)
    error = run.finish()
    assert run.process.returncode == 0, error
    assert not run.lines(error)
    whole = alone(prose, name="one", steps=STEPS, settings=settings)
    assert_same_curves(run.events, whole)
    # A bias of the keys changes no softmax: its gradient is rounding alone, and Adam makes as much of that as of any.
    assert_same_weights(home, "two", "one", but="qkv.bias")
    samples = [event["text"] for event in run.events if event["event"] == "sample"]
    assert samples == [event.text for event in whole if event.event == "sample"]


def test_muon_and_bfloat16_are_measured_exactly(prose: Path, home: Path) -> None:
    """Muon moves whole matrices, of which each process has a part; and the last word on a model is float32's."""
    settings = settings_with([*SHARDED, "optimizer=muon", "dtype=bfloat16", "moments=2"])
    run = together(prose, "--name", "two", "--steps", STEPS, settings=settings)
    error = run.finish()
    assert run.process.returncode == 0, error
    end = alone(prose, name="one", steps=STEPS, settings=settings)[-1]
    assert isinstance(end, End)
    # Sums of bfloat16 products in another order: a run that were wrong would be off by tenths.
    assert run.events[-1]["val_loss"] == pytest.approx(end.val_loss, abs=0.05)
    folder = home / "models/two"
    tokens, size = checkpoint.heldout_tokens(folder)
    model, tokenizer = checkpoint.load_model(folder), checkpoint.load_tokenizer(folder)
    found = evaluate(model, tokens, size, first=tokenizer.end_of_text)
    assert found.loss == pytest.approx(run.events[-1]["val_loss"], abs=1e-5)
    last = load_file(folder / f"checkpoints/{STEPS}.safetensors")
    assert {name: tensor.shape for name, tensor in last.items()} == {n: p.shape for n, p in model.named_parameters()}


# What it saves


def test_a_sharded_run_is_gone_on_with_alone(prose: Path, home: Path) -> None:
    settings = settings_with(SHARDED)
    run = together(prose, "--name", "parts", "--steps", STEPS, settings=settings)
    run.until(step=25)  # there is a best evaluation by then
    run.process.terminate()
    run.finish()
    assert run.events[-1]["reason"] == "stopped"
    assert 25 <= checkpoint.load_state(home / "models/parts")[2]["step"] < STEPS
    end = alone(name="parts", resume=True)[-1]
    whole = alone(prose, name="whole", steps=STEPS, settings=settings)[-1]
    assert isinstance(end, End)
    assert isinstance(whole, End)
    assert (end.step, end.tokens) == (whole.step, whole.tokens)
    assert_same_weights(home, "parts", "whole")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the processes are found in /proc")
@pytest.mark.parametrize("dies", [False, True], ids=["to the end", "until one dies"])
def test_a_run_of_one_goes_on_sharded(prose: Path, home: Path, dies: bool) -> None:
    settings, control = settings_with(SHARDED), Control()
    for event in train(prose, device="cpu", name="parts", steps=STEPS, settings=settings, control=control):
        if isinstance(event, Step) and event.step >= 25:
            control.stop()
    run = together("--resume", "--name", "parts")
    if dies:
        run.until(step=30)
        os.kill(run.pid(rank=1), signal.SIGKILL)
    error = run.finish()
    assert 25 <= next(event["resumed_from"] for event in run.events if event["event"] == "start") < STEPS
    if dies:  # a part of the weights is gone: what was saved stands
        assert run.process.returncode != 0
        assert len(run.lines(error)) == 1
        assert "--resume --name parts" in run.lines(error)[0]
        assert 25 <= checkpoint.load_state(home / "models/parts")[2]["step"] < STEPS
        alone(name="parts", resume=True)
    else:
        assert run.process.returncode == 0, error
    whole = alone(prose, name="whole", steps=STEPS, settings=settings)
    if not dies:
        assert_same_curves(run.events, whole)
    assert_same_weights(home, "parts", "whole")


def test_the_best_that_only_the_disk_has_is_measured_and_kept(tmp_path: Path, home: Path) -> None:
    text = tmp_path / "turns.txt"  # what is held out is unlike the rest: the more is learned, the worse it is foretold
    text.write_text("the dog ran to the gate and sat by it.\n" * 270 + "QUICK ZEBRAS JUMPED OVER FOXES; 7 & 9!\n" * 30)
    settings = settings_with([*SHARDED, "eval_interval=10", "learning_rate=0.01", "schedule=constant"])
    options = {"tokenizer": "byte", "steps": STEPS, "settings": settings}
    control = Control()
    for event in train(text, device="cpu", name="parts", control=control, **options):
        if isinstance(event, Step) and event.step >= 40:
            control.stop()
    run = together("--resume", "--name", "parts")
    error = run.finish()
    assert run.process.returncode == 0, error
    end, one = run.events[-1], alone(text, name="whole", **options)[-1]
    assert isinstance(one, End)
    assert end["best_step"] == one.best_step < 40
    assert end["val_loss"] == pytest.approx(one.val_loss, abs=1e-5)
    assert_same_weights(home, "parts", "whole")


# What it takes

HELD = """
import gc, json, torch
from engine.config import ModelConfig, TrainConfig
from engine.model.gpt import GPT
from engine.training.parallel import Ranks
from engine.training.sharded import ShardedOptimizer, ShardedParameters
from engine.training.steps import make_step

shape = ModelConfig(vocab_size=64, block_size=16, n_layer=24, n_embd=64, n_head=2)

def held(ranks, config):
    with torch.device("cpu" if ranks.first else "meta"):
        source = GPT(shape, initialize=ranks.first)
    flat = ShardedParameters(source, ranks, "cpu", config)
    optimizer = ShardedOptimizer(flat, config)
    flat.begin(ranks.equalize)
    del source
    ids = torch.zeros(2, 16, dtype=torch.int64)
    for _ in range(2):
        flat.grad.zero_()
        make_step(config, flat)(ids, ids)
        flat.clip_gradients(1.0)
        optimizer.step(1.0)
    gc.collect()
    tensors = [each for each in gc.get_objects() if type(each) in (torch.Tensor, torch.nn.Parameter)]
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values()) / 4 / shape.parameter_counts()["total"]

with Ranks.from_environment() as ranks:
    ranks.join("cpu")
    found = {kind: held(ranks, TrainConfig(optimizer=kind, dtype="float32")) for kind in ("adamw", "muon")}
    print(json.dumps(found), flush=True)
"""


def test_each_process_holds_a_half(tmp_path: Path) -> None:
    """Of weights, gradients and moments between two steps, as numbers for each parameter: without sharding AdamW has
    four, and Muon three, where its update is there in passing."""
    program = tmp_path / "held.py"
    program.write_text(HELD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    folder = str(Path(__file__).parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": folder}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    held = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(held) == 2
    for each in held:
        assert each == {"adamw": pytest.approx(4 / 2, rel=0.03), "muon": pytest.approx(3 / 2, rel=0.03)}  # padding
