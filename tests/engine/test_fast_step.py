"""The hand-written step computes what autograd computes."""

from __future__ import annotations

import pytest
import torch

from engine.config import ModelConfig
from engine.model.gpt import GPT
from engine.training.fast_step import FastStep, supports
from engine.training.optim import FlatParameters

SHAPES = {
    "plain": ModelConfig(vocab_size=300, block_size=24, n_layer=2),
    "grouped": ModelConfig(vocab_size=300, block_size=24, n_layer=2, n_embd=64, n_head=4, n_kv_head=2),
    "one key head, tied": ModelConfig(
        vocab_size=99, block_size=16, n_embd=48, n_head=3, n_kv_head=1, tie_embeddings=True
    ),
    "wide heads": ModelConfig(vocab_size=64, block_size=8, n_embd=32, n_head=2, head_dim=24),
}


def _gradients(config: ModelConfig, dtype: torch.dtype) -> tuple[float, float, dict[str, float]]:
    """Loss by autograd, loss by hand, and of each parameter how far apart the gradients are, relative to their size."""
    torch.manual_seed(5)
    model = GPT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    flat = FlatParameters(model)
    ids, targets = torch.randint(0, config.vocab_size, (2, 3, config.block_size))
    loss = model.loss(ids, targets)
    loss.backward()
    expected = flat.grad.clone()
    flat.grad.zero_()
    by_hand = FastStep(model, flat, dtype)(ids, targets)
    apart = {
        name: float((flat.view(flat.grad, name) - flat.view(expected, name)).norm() / flat.view(expected, name).norm())
        for name in flat.spans
    }
    return float(loss.detach()), float(by_hand), apart


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_gradients_are_autograds(shape: str) -> None:
    loss, by_hand, apart = _gradients(SHAPES[shape], torch.float32)
    assert by_hand == pytest.approx(loss, rel=1e-5)
    assert max(apart.values()) < 1e-4, max(apart, key=lambda name: apart[name])


def test_bfloat16_gradients_are_autograds_up_to_its_rounding() -> None:
    loss, by_hand, apart = _gradients(SHAPES["plain"], torch.bfloat16)
    assert by_hand == pytest.approx(loss, rel=5e-3)
    assert max(apart.values()) < 0.1  # 8 bits of mantissa through two blocks and back


def test_dropout_has_the_gradients_of_its_own_loss() -> None:
    """The same random numbers drop the same activations, so the loss along the gradient must change as it says."""
    torch.manual_seed(3)
    model = GPT(ModelConfig(vocab_size=60, block_size=12, n_layer=2, n_embd=32, n_head=2, dropout=0.3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    flat = FlatParameters(model)
    step = FastStep(model, flat, torch.float32)
    ids, targets = torch.randint(0, 60, (2, 4, 12))

    def loss() -> float:
        torch.manual_seed(8)
        return float(step(ids, targets))

    loss()
    direction = flat.grad.clone()
    distance = 0.01 / float(direction.norm())
    losses = []
    for sign in (1, -2):
        flat.data.add_(direction, alpha=sign * distance)
        losses.append(loss())
    slope = (losses[0] - losses[1]) / (2 * distance)
    assert slope == pytest.approx(float(direction.square().sum()), rel=0.02)
    model.eval()
    assert loss() == loss()


def test_gradients_add_up() -> None:
    config = SHAPES["grouped"]
    torch.manual_seed(1)
    model = GPT(config)
    flat = FlatParameters(model)
    step = FastStep(model, flat, torch.float32)
    ids, targets = torch.randint(0, config.vocab_size, (2, 2, config.block_size))
    step(ids, targets)
    once = flat.grad.clone()
    step(ids, targets)
    torch.testing.assert_close(flat.grad, 2 * once)


def test_windows_shorter_than_the_block() -> None:
    config = SHAPES["plain"]
    torch.manual_seed(2)
    model = GPT(config)
    flat = FlatParameters(model)
    ids, targets = torch.randint(0, config.vocab_size, (2, 3, 11))
    assert float(FastStep(model, flat, torch.float32)(ids, targets)) == pytest.approx(
        float(model.loss(ids, targets).detach()), rel=1e-5
    )


def test_what_it_does_not_support_is_known() -> None:
    assert not supports(ModelConfig(family="gpt2"))
    assert supports(ModelConfig(dropout=0.1))
    assert supports(ModelConfig())
