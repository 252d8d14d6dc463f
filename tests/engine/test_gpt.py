"""The GPT itself: what a position may see, how many parameters there are, and that a KV cache changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.generation.decoder import Cache, Decoder, FastGPT
from engine.model.gpt import GPT

SHAPE: dict[str, Any] = {"vocab_size": 61, "block_size": 24, "n_layer": 2, "n_head": 4, "n_embd": 32}
CONFIGS = {
    "gpt2": ModelConfig(family="gpt2", **SHAPE),
    "gpt2, tied, odd heads": ModelConfig(
        family="gpt2", vocab_size=61, block_size=24, n_layer=2, n_head=3, n_embd=9, n_ff=1, tie_embeddings=True
    ),
    "qwen3": ModelConfig(**SHAPE),
    "qwen3, tied, grouped, wide heads": ModelConfig(**SHAPE, n_kv_head=2, head_dim=20, tie_embeddings=True),
    "llama": ModelConfig(**SHAPE, n_kv_head=1, qk_norm=False),
    "qwen3, cut in parts": ModelConfig(vocab_size=400, block_size=24, n_layer=1, n_head=4, n_embd=320),
    "gpt2, cut in parts": ModelConfig(family="gpt2", vocab_size=400, block_size=24, n_layer=1, n_head=4, n_embd=320),
}


@pytest.fixture(params=CONFIGS, name="model")
def _model(request: pytest.FixtureRequest) -> GPT:
    return random_model(CONFIGS[request.param])


def random_model(config: ModelConfig) -> GPT:
    """A model none of whose parts is zero or one, as they are at the beginning."""
    torch.manual_seed(3)
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def _ids(model: GPT, rows: int, tokens: int) -> Tensor:
    return torch.randint(model.config.vocab_size, (rows, tokens), generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def test_a_position_sees_the_past_and_not_the_future(model: GPT) -> None:
    ids = _ids(model, 1, 20)
    changed = ids.clone()
    changed[0, 10] = (changed[0, 10] + 1) % model.config.vocab_size
    before, after = model(ids)[0], model(changed)[0]
    assert torch.equal(before[:10], after[:10])
    assert all(not torch.allclose(before[position], after[position]) for position in range(10, 20))


def test_parameter_counts_are_the_real_ones(model: GPT) -> None:
    counts = model.config.parameter_counts()
    assert counts["total"] == sum(parameter.numel() for parameter in model.parameters())
    parts = {
        "embedding": [model.embedding],
        "positions": [model.positions] if model.positions is not None else [],
        "attention": [module for name, module in model.named_modules() if name.endswith(("qkv", "attention.output"))],
        "feed_forward": [module for name, module in model.named_modules() if name.endswith("feed_forward")],
        "norms": [module for name, module in model.named_modules() if name.endswith("norm")],
        "head": [] if model.config.tie_embeddings else [model.head],
    }
    for part, modules in parts.items():
        assert counts[part] == sum(parameter.numel() for module in modules for parameter in module.parameters())


@torch.no_grad()
def test_reading_in_pieces_through_a_cache_equals_reading_at_once(model: GPT) -> None:
    ids = _ids(model, 3, 24)
    cache = Cache(model.config, 3, model.embedding.weight)
    pieces = [model(piece, cache) for piece in ids.split((7, 1, 10, 6), dim=1)]
    assert cache.length == 24
    torch.testing.assert_close(
        torch.cat(pieces, dim=1), model(ids), atol=1e-5, rtol=0
    )  # float32, summed in another order


@torch.no_grad()
def test_the_fast_step_equals_the_forward_pass(model: GPT) -> None:
    """For one row and for several, which lie otherwise in memory."""
    ids = _ids(model, 1, 24)
    expected = model(ids)[0]
    for rows in (1, 3):
        reader = Decoder(FastGPT(model), 1)
        read = reader.prefill(ids[0, :9].tolist(), 4)
        torch.testing.assert_close(read, expected[5:9], atol=1e-5, rtol=0)
        decoder = reader.fork(rows, 9)
        for position in range(9, 24):
            logits = decoder.step([int(ids[0, position])] * rows)
            torch.testing.assert_close(logits, expected[position].expand(rows, -1), atol=1e-4, rtol=0)


@torch.no_grad()
def test_past_the_end_of_the_context_the_last_half_is_read_anew(model: GPT) -> None:
    ids = _ids(model, 1, 40)[0].tolist()
    decoder = Decoder(FastGPT(model), 1)
    decoder.prefill(ids[:24])
    for position in range(24, 40):
        begin = 12 if position < 36 else 24  # the cache is full after 24 tokens, and after 12 more
        logits = decoder.step([ids[position]])
        torch.testing.assert_close(
            logits[0], model(torch.tensor([ids[begin : position + 1]]))[0, -1], atol=1e-4, rtol=0
        )


@torch.no_grad()
def test_rows_go_their_own_ways_and_may_be_dropped(model: GPT) -> None:
    ids = _ids(model, 3, 12)
    reader = Decoder(FastGPT(model), 1)
    reader.prefill([1, 2, 3])
    decoder = reader.fork(3, 3)
    for position in range(6):
        decoder.step(ids[:, position].tolist())
    decoder.keep([0, 2])
    for position in range(6, 12):
        logits = decoder.step(ids[[0, 2], position].tolist())
    for row, original in enumerate((0, 2)):
        expected = model(torch.tensor([[1, 2, 3, *ids[original].tolist()]]))[0, -1]
        torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=0)


def test_dropout_is_off_while_a_model_in_training_is_read() -> None:
    model = random_model(ModelConfig(**SHAPE, dropout=0.5)).train()
    decoder = Decoder(FastGPT(model), 1)
    first = decoder.prefill([1, 2, 3]).clone()
    assert torch.equal(first, Decoder(FastGPT(model), 1).prefill([1, 2, 3]))
    assert model.training
