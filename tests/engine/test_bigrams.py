"""The start on bigrams: counts, and a model that knows them before its first step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import ModelConfig
from engine.model.gpt import GPT
from engine.training.bigrams import count_bigrams, fit_bigrams, fits


def test_counts_are_those_of_the_text() -> None:
    tokens = np.random.default_rng(0).integers(0, 7, 120_000).astype(np.uint16)
    pairs = count_bigrams(tokens, 7)
    assert pairs.times.sum() == len(tokens) - 1  # the seams of the stretches count once
    found = pairs.times[(pairs.first == 3) & (pairs.second == 5)]
    assert found == np.sum((tokens[:-1] == 3) & (tokens[1:] == 5))


@pytest.mark.parametrize("logits", [1 << 20, 40 * 7])  # all at once; seven tokens at a time
def test_the_model_knows_what_follows(logits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.bigrams.CHUNK", logits)
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=40, block_size=16, n_layer=2, n_embd=32, n_head=2)
    model = GPT(config)
    tokens = np.tile(np.random.default_rng(1).permutation(40), 50)  # each token is always followed by the same one
    assert fits(model)
    fit_bigrams(model, count_bigrams(tokens, 40), 40, torch.float32)
    ids = torch.from_numpy(tokens[:34]).view(2, 17)
    assert float(model.loss(ids[:, :-1], ids[:, 1:]).detach()) < 1.0  # ln 40 = 3.7 before


def test_of_a_large_vocabulary_the_commonest_tokens_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.bigrams.MOST_LOGITS", 40 * 10)
    torch.manual_seed(0)
    model = GPT(ModelConfig(vocab_size=40, block_size=16, n_layer=2, n_embd=32, n_head=2))
    common, rare = np.tile(np.arange(10), 200), np.tile(np.arange(10, 40), 20)
    fit_bigrams(model, count_bigrams(np.concatenate((common, rare)), 40), 40, torch.float32)

    def loss(tokens: np.ndarray) -> float:
        ids = torch.from_numpy(tokens[:17]).view(1, 17)
        return float(model.loss(ids[:, :-1], ids[:, 1:]).detach())

    assert loss(common) < 1.0 < loss(rare)


def test_models_that_begin_otherwise_are_left_alone() -> None:
    assert not fits(GPT(ModelConfig(vocab_size=40, n_embd=32, n_head=2, tie_embeddings=True)))
    assert not fits(GPT(ModelConfig(family="gpt2", vocab_size=40, n_embd=32, n_head=2)))
