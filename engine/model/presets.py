"""The named shapes: classic, nano, small, medium, large. (`auto` is the planner's.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.config import ModelConfig

PRESETS = ("auto", "classic", "nano", "small", "medium", "large")


@dataclass(frozen=True)
class Shape:
    """A width and a parameter count to reach: the number of layers follows from the vocabulary."""

    parameters: int
    n_embd: int
    n_head: int
    block_size: int
    vocab_size: int
    batch_size: int
    learning_rate: float


SHAPES = {
    "nano": Shape(1_000_000, 128, 2, 128, 2048, 16, 6e-3),
    "small": Shape(10_000_000, 320, 5, 256, 4096, 16, 3e-3),
    "medium": Shape(30_000_000, 512, 8, 256, 8192, 16, 2e-3),
    "large": Shape(124_000_000, 768, 12, 512, 32768, 16, 1e-3),
}

CLASSIC_TRAINING: dict[str, Any] = {
    "batch_size": 32,
    "stride": 1,
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "beta2": 0.999,
    "grad_clip": 1.0,
    "patience": 0,
}
"""The textbook's training: shuffled pairs one token apart, Adam at a constant 1e-4, gradient norm clipped at 1."""


def classic_model(vocab_size: int) -> dict[str, Any]:
    """The textbook's model: three layers, four heads, 256 wide, learned positions, dropout, untied head."""
    return {
        "family": "gpt2",
        "vocab_size": vocab_size,
        "block_size": 128,
        "n_layer": 3,
        "n_head": 4,
        "n_embd": 256,
        "dropout": 0.1,
        "tie_embeddings": False,
    }


def sized_model(preset: str, vocab_size: int) -> dict[str, Any]:
    """The qwen3 model of a named size whose layers bring the count of parameters, embeddings included, nearest to
    it."""
    shape = SHAPES[preset]
    base: dict[str, Any] = {
        "vocab_size": vocab_size,
        "block_size": shape.block_size,
        "n_head": shape.n_head,
        "n_embd": shape.n_embd,
        "tie_embeddings": True,
    }
    one = ModelConfig(n_layer=1, **base).parameter_counts()["total"]
    two = ModelConfig(n_layer=2, **base).parameter_counts()["total"]
    layers = round((shape.parameters - one) / (two - one)) + 1
    return {**base, "n_layer": max(2, layers)}
