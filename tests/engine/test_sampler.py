"""How the next token is chosen."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from engine.config import SampleConfig
from engine.generation.sampler import choose, keep_min_p, keep_top_k, keep_top_p, penalize, race

# Probabilities 0.4, 0.3, 0.15, 0.1 and 0.05, not in order.
LOGITS = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]]).log() + 3.0


def _kept(logits: Tensor) -> list[int]:
    return [index for index, logit in enumerate(logits[0].tolist()) if logit > -math.inf]


def _generators(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


def _shares(logits: Tensor, config: SampleConfig, draws: int = 4000) -> Tensor:
    """How often each token is chosen."""
    ids = choose(logits.expand(draws, -1), config, _generators(*range(draws)))
    return torch.bincount(ids, minlength=logits.shape[-1]) / draws


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose(LOGITS, SampleConfig(temperature=0.0), _generators(1)).tolist() == [1]


@pytest.mark.parametrize("temperature", [1e-40, 1e-9, 1e-3])
def test_a_temperature_near_zero_is_as_good_as_zero(temperature: float) -> None:
    assert set(
        choose(LOGITS.expand(50, -1), SampleConfig(temperature=temperature), _generators(*range(50))).tolist()
    ) == {1}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_come_as_often_as_the_distribution_says(temperature: float) -> None:
    expected = (LOGITS / temperature).softmax(dim=-1)[0]
    found = _shares(LOGITS, SampleConfig(temperature=temperature))
    torch.testing.assert_close(found, expected, atol=0.035, rtol=0)  # four standard deviations of 4000 draws


def test_a_seed_repeats_alone_and_among_others() -> None:
    logits = torch.randn(1, 1000, generator=Generator().manual_seed(0))
    alone = [race(logits, _generators(seed)).item() for seed in range(20)]
    together = race(logits.expand(20, -1), _generators(*range(20))).tolist()
    assert alone == together
    assert len(set(alone)) > 10


def test_top_k_keeps_k_even_where_all_are_alike() -> None:
    assert _kept(keep_top_k(LOGITS, 2)) == [1, 3]
    assert len(_kept(keep_top_k(torch.zeros(1, 9), 4))) == 4
    assert torch.equal(keep_top_k(LOGITS, 5), LOGITS)
    assert torch.equal(keep_top_k(LOGITS, 1000), LOGITS)


def test_top_p_keeps_the_fewest_that_reach_the_probability() -> None:
    assert _kept(keep_top_p(LOGITS, 0.01)) == [1]
    assert _kept(keep_top_p(LOGITS, 0.39)) == [1]
    assert _kept(keep_top_p(LOGITS, 0.41)) == [1, 3]
    assert _kept(keep_top_p(LOGITS, 0.84)) == [1, 3, 4]
    assert _kept(keep_top_p(LOGITS, 0.999)) == [0, 1, 2, 3, 4]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 700), st.floats(0.01, 0.999), st.floats(0.1, 5.0), st.integers(0, 1000))
def test_top_p_equals_sorting_everything(vocabulary: int, p: float, spread: float, seed: int) -> None:
    logits = spread * torch.randn(2, vocabulary, generator=Generator().manual_seed(seed))
    for row, kept in zip(logits, keep_top_p(logits, p), strict=True):
        chances = row.double().softmax(dim=-1)
        inside = chances[kept > -math.inf]
        assert torch.equal(kept[kept > -math.inf], row[kept > -math.inf])
        # the nucleus reaches p, does not without its least likely token, and holds none less likely than one left out
        assert inside.sum() >= p - 1e-5  # float32
        assert len(inside) == 1 or inside.sum() - inside.min() <= p + 1e-5
        assert len(inside) == vocabulary or inside.min() >= chances[kept == -math.inf].max() - 1e-7


def test_min_p_is_a_share_of_the_likeliest() -> None:
    assert _kept(keep_min_p(LOGITS, 1.0)) == [1]
    assert _kept(keep_min_p(LOGITS, 0.3)) == [1, 3, 4]
    assert _kept(keep_min_p(LOGITS, 0.01)) == [0, 1, 2, 3, 4]


def test_the_penalty_sinks_what_was_written_whatever_its_sign() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    written = torch.tensor([[True, True, False, False]])
    assert penalize(logits, written, 2.0).tolist() == [[1.0, -4.0, 2.0, -2.0]]
    config = SampleConfig(temperature=0.0, repetition_penalty=5.0)
    assert choose(LOGITS, config, _generators(1), torch.tensor([[False, True, False, False, False]])).tolist() == [3]


def test_rules_work_together_row_by_row() -> None:
    logits = torch.cat((LOGITS, LOGITS.flip(-1)))
    config = SampleConfig(temperature=2.0, top_k=3, top_p=0.9, min_p=0.1)
    ids = [choose(logits, config, _generators(seed, seed)).tolist() for seed in range(200)]
    assert {first for first, _ in ids} == {1, 3, 4}
    assert {second for _, second in ids} == {3, 1, 0}


def test_what_is_ruled_out_never_comes() -> None:
    logits = LOGITS.clone()
    logits[0, 1] = -math.inf
    for config in (
        SampleConfig(temperature=50.0),
        SampleConfig(top_p=0.5),
        SampleConfig(top_k=2),
        SampleConfig(min_p=0.1),
    ):
        assert _shares(logits, config, 500)[1] == 0
