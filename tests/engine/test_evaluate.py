"""Held-out tokens to bits per byte."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.config import ModelConfig
from engine.model.evaluate import evaluate
from engine.model.gpt import GPT

CONFIG = ModelConfig(vocab_size=50, block_size=8, n_layer=1, n_embd=16, n_head=2)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    model = GPT(CONFIG)
    with torch.no_grad():
        model.head.weight.normal_()
    return model.eval()


def test_every_token_counts_once(model: GPT) -> None:
    tokens = np.random.default_rng(1).integers(1, 50, 21)
    nats = 0.0
    for start in range(0, 21, 8):  # window by window, by hand
        window = tokens[start : start + 8]
        ids = torch.tensor([[0 if start == 0 else tokens[start - 1], *window[:-1]]])
        nats += float(torch.nn.functional.cross_entropy(model(ids)[0], torch.tensor(window), reduction="sum").detach())
    found = evaluate(model, tokens, 60, first=0)
    assert (found.tokens, found.bytes) == (21, 60)
    assert found.loss == pytest.approx(nats / 21, rel=1e-5)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / 60, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(nats / 21), rel=1e-5)


def test_an_untrained_model_is_uniform() -> None:
    found = evaluate(GPT(CONFIG), np.arange(1, 40), 39, first=0)  # the head begins at zero
    assert found.perplexity == pytest.approx(50, rel=1e-4)


def test_some_windows_stand_for_all(model: GPT) -> None:
    tokens = np.random.default_rng(2).integers(1, 50, 4000)
    lengths = np.arange(50)
    whole = evaluate(model, tokens, int(lengths[tokens].sum()), first=0)
    part = evaluate(model, tokens, whole.bytes, first=0, max_windows=100, lengths=lengths)
    assert part.tokens == 800
    assert part.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=0.1)


def test_it_leaves_the_model_in_its_mode(model: GPT) -> None:
    model.train()
    evaluate(model, np.arange(1, 20), 19, first=0)
    assert model.training
