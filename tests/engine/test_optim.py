"""Optimizers, schedules and the flat buffer."""

from __future__ import annotations

import pytest
import torch

from engine.config import ModelConfig, TrainConfig
from engine.errors import DamagedModelError
from engine.model.gpt import GPT
from engine.training.optim import FlatParameters, Optimizer, orthogonalize, rate_scale

CONFIG = ModelConfig(vocab_size=64, block_size=16, n_layer=2, n_embd=32, n_head=2)


def _loss(model: GPT) -> torch.Tensor:
    ids, targets = torch.randint(0, 64, (2, 4, 16), generator=torch.Generator().manual_seed(3))
    return model.loss(ids, targets)


@pytest.mark.parametrize("shape", [(3, 16, 48), (2, 48, 16), (4, 32, 32)])
def test_orthogonalize_brings_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    before = torch.linalg.svdvals(matrices / matrices.norm(dim=(1, 2), keepdim=True))
    values = torch.linalg.svdvals(orthogonalize(matrices).float())
    assert values.max() < 1.2  # the polynomials end within a tenth of 1, bfloat16 a little beyond
    assert values[before > 0.03].min() > 0.8


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam"])
def test_each_optimizer_learns(optimizer: str) -> None:
    torch.manual_seed(0)
    model = GPT(CONFIG)
    flat = FlatParameters(model)
    moves = Optimizer(flat, TrainConfig(optimizer=optimizer, learning_rate=3e-3))
    first = float(_loss(model).detach())
    for _ in range(20):
        flat.grad.zero_()
        _loss(model).backward()
        flat.clip_gradients(1.0)
        moves.step(1.0)
    assert float(_loss(model).detach()) < first - 0.3


@pytest.mark.parametrize("kind", ["muon", "adamw", "adam"])
def test_the_state_of_another_model_is_refused(kind: str) -> None:
    model = GPT(CONFIG)
    flat = FlatParameters(model)
    optimizer = Optimizer(flat, TrainConfig(steps=1, optimizer=kind))
    optimizer.step(1.0)
    state = optimizer.state()
    optimizer.restore(state)
    for name, tensor in state.items():
        for damaged in ({**state, name: tensor.reshape(-1)[:0]}, {key: state[key] for key in state if key != name}):
            with pytest.raises(DamagedModelError):
                optimizer.restore(damaged)


def test_adam_on_the_flat_buffer_is_torchs_adam() -> None:
    torch.manual_seed(0)
    ours, theirs = GPT(CONFIG), GPT(CONFIG)
    theirs.load_state_dict(ours.state_dict())
    flat = FlatParameters(ours)
    moves = Optimizer(flat, TrainConfig(optimizer="adam", learning_rate=1e-3, beta2=0.999, weight_decay=0.0))
    reference = torch.optim.Adam(theirs.parameters(), lr=1e-3, betas=(0.9, 0.999))
    for _ in range(3):
        flat.grad.zero_()
        _loss(ours).backward()
        moves.step(1.0)
        reference.zero_grad()
        _loss(theirs).backward()
        reference.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=name, atol=1e-5, rtol=1e-4)


def test_clipping_limits_the_norm_and_tells_it() -> None:
    flat = FlatParameters(GPT(CONFIG))
    flat.grad.normal_()
    before = float(flat.grad.norm())
    assert float(flat.clip_gradients(0.5)) == pytest.approx(before, rel=1e-4)
    assert float(flat.grad.norm()) == pytest.approx(0.5, rel=1e-3)
    assert float(flat.clip_gradients(0.0)) == pytest.approx(0.5, rel=1e-3)
    assert float(flat.grad.norm()) == pytest.approx(0.5, rel=1e-3)


def test_the_rate_rises_then_falls_to_zero() -> None:
    config = TrainConfig(warmup_steps=9, schedule="linear")
    assert rate_scale(config, 0, 0.0) == pytest.approx(0.1)
    assert rate_scale(config, 50, 0.5) == pytest.approx(0.5)
    assert rate_scale(config, 100, 1.0) == 0.0
    assert rate_scale(TrainConfig(schedule="cosine", warmup_steps=0), 5, 0.5) == pytest.approx(0.5)
    assert rate_scale(TrainConfig(schedule="constant", warmup_steps=0), 5, 0.9) == 1.0
    assert rate_scale(TrainConfig(min_learning_rate=0.1, warmup_steps=0), 9, 1.0) == pytest.approx(0.1)
