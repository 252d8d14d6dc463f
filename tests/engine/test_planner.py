"""What the planner chooses and says, without torch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from engine.config import ModelConfig, TrainConfig
from engine.errors import ConfigError
from engine.training.planner import Machine, Weighed, default_vocab_size, expected_after, plan, weigh


def test_vocabulary_grows_with_the_text() -> None:
    sizes = [
        default_vocab_size(size, "bpe") for size in (5_000, 50_000, 1_000_000, 4_000_000, 60_000_000, 1_000_000_000)
    ]
    assert sizes == [512, 512, 2048, 4096, 8192, 16384]
    assert default_vocab_size(1_000_000, "byte") == 257
    assert default_vocab_size(1_000_000, "word") == 20_000


@pytest.mark.parametrize("preset, millions", [("nano", 1), ("small", 10), ("medium", 30), ("large", 124)])
def test_presets_have_their_size(preset: str, millions: int) -> None:
    for n_bytes in (10**6, 6 * 10**7, 10**9):
        total = plan(n_bytes, Machine(), preset=preset, minutes=2).model.parameter_counts()["total"]
        assert total == pytest.approx(millions * 1e6, rel=0.25)


def test_own_settings_win() -> None:
    planned = plan(
        10**6, Machine(), minutes=1, overrides=({"n_layer": 2, "n_embd": 96, "n_head": 3}, {"batch_size": 5})
    )
    assert (planned.model.n_layer, planned.model.n_embd, planned.model.head_dim) == (2, 96, 32)
    assert planned.train.batch_size == 5


def test_more_minutes_are_more_steps_and_no_worse() -> None:
    short, long = (plan(4 * 10**6, Machine(), minutes=minutes) for minutes in (1, 10))
    assert long.tokens > 5 * short.tokens
    if math.isfinite(short.bits_per_byte):
        assert long.bits_per_byte <= short.bits_per_byte


def test_small_texts_get_short_blocks_and_plain_words() -> None:
    planned = plan(2_000, Machine(), minutes=1)
    assert planned.model.block_size < 128
    assert "by heart" in planned.advice[0]


def test_what_no_memory_here_can_hold_is_refused() -> None:
    machine = Machine(memory=16 * 10**9)
    with pytest.raises(ConfigError, match="n_embd"):
        plan(10**6, machine, minutes=1, overrides=({"n_embd": 8192, "n_layer": 32, "n_head": 64}, {}))
    with pytest.raises(ConfigError, match="batch_size"):
        plan(10**6, machine, minutes=1, overrides=({}, {"batch_size": 65_536}))
    assert plan(10**6, machine, preset="large", minutes=1).train.batch_size


def test_windows_that_leave_text_out_are_refused() -> None:
    with pytest.raises(ConfigError, match="stride"):
        plan(10**6, Machine(), minutes=1, overrides=({}, {"stride": 4000}))


def test_going_on_keeps_the_shape() -> None:
    base = ModelConfig(vocab_size=700, n_embd=64, n_head=2, n_layer=3)
    assert plan(10**6, Machine(), minutes=1, vocab_size=700, base=base).model == base


def test_a_model_is_gone_on_from_where_it_helps() -> None:
    base = ModelConfig(vocab_size=4096, block_size=256, n_embd=192, n_head=3)
    scratch = plan(10**6, Machine(), minutes=1, trigram_bits=2.2)

    def held(base_bits: float) -> Weighed:
        going_on = plan(10**6, Machine(), minutes=1, vocab_size=4096, base=base, base_bits=base_bits, trigram_bits=2.2)
        return weigh(going_on, scratch, 2.2, "english")

    assert held(2.0).better and "english stands at 2.00" in held(2.0).reason
    assert not held(9.0).better and held(9.0).reason.endswith("so from scratch is better.")  # of another language


def test_going_on_suits_the_time_and_the_text() -> None:
    base, machine = ModelConfig(vocab_size=4096, block_size=256, n_embd=192, n_head=3), Machine()

    def planned(minutes: float, base_bits: float) -> TrainConfig:
        given = {"base": base, "base_bits": base_bits, "trigram_bits": 2.2, "vocab_size": 4096}
        return plan(10**6, machine, minutes=minutes, **given).train

    short, long = planned(0.2, 2.4), planned(30, 2.4)
    assert short.optimizer == "adamw" and short.batch_size == 4
    assert long.optimizer == "muon" and long.batch_size > 4 and long.most_epochs
    for minutes in (0.2, 30):  # what it knows already is not unlearned
        assert planned(minutes, 1.8).learning_rate < planned(minutes, 2.4).learning_rate


def test_the_stranger_a_text_the_more_there_is_to_learn() -> None:
    gains = [base_bits / expected_after(base_bits, 2.0, 4e5, 7e5) for base_bits in (1.4, 1.8, 2.1, 3.0)]
    assert gains == sorted(gains) and 1.0 < gains[0] < 1.1 and gains[-1] > 1.6
    assert expected_after(1.8, 2.0, 1e5, 7e5) > expected_after(1.8, 2.0, 8e5, 7e5)


def test_without_a_forecast_a_model_must_do_better_than_counting() -> None:
    base = ModelConfig(vocab_size=257, block_size=64)
    scratch = plan(10**6, Machine(), minutes=1)
    for base_bits, wanted in ((1.5, True), (3.0, False)):
        going_on = plan(10**6, Machine(), minutes=1, tokenizer="byte", vocab_size=257, base=base)
        assert weigh(replace(going_on, base_bits=base_bits), scratch, 2.2, "bytes").better is wanted


def test_larger_models_waste_less_of_a_machine() -> None:
    machine = Machine(float32=1e11, bfloat16=4e11, step_efficiency=0.4)
    small, large = (ModelConfig(vocab_size=4096, block_size=256, n_embd=n, n_head=n // 64) for n in (128, 768))
    reached = [machine.tokens_per_second(model) * model.flops_per_token() for model in (small, large)]
    assert reached[0] < reached[1] <= 0.6 * machine.bfloat16


def test_going_on_from_a_model_ends_before_a_text_is_known_by_heart() -> None:
    """A text of a megabyte is read twice, one of a few thousand tokens as often as a hundred small steps take."""
    base = ModelConfig(vocab_size=4096, block_size=256, n_layer=6, n_head=3, n_embd=192, n_ff=512)
    given: dict[str, Any] = {"minutes": 10, "base": base, "vocab_size": 4096, "trigram_bits": 2.0, "base_bits": 1.9}
    novel, letters = plan(10**6, Machine(), **given), plan(90_000, Machine(), **given)
    assert novel.train.most_epochs == 2.0 and novel.epochs == pytest.approx(2.0, abs=0.02)
    assert letters.train.most_epochs == 4.0 and letters.train.batch_size == 4
    assert 80 < letters.steps <= 100


def test_minutes_that_are_left_over_go_into_rounds_where_a_text_is_strange_to_the_model() -> None:
    base = ModelConfig(vocab_size=4096, block_size=256, n_layer=6, n_head=3, n_embd=192, n_ff=512)
    machine = Machine(bfloat16=4e11, step_efficiency=0.47)

    def planned(base_bits: float, **budget: Any) -> TrainConfig:
        given = {"base": base, "vocab_size": 4096, "trigram_bits": 2.2, "base_bits": base_bits}
        return plan(10**6, machine, **given, **budget).train

    strange = [planned(2.5, minutes=minutes) for minutes in (1, 2.5, 60)]
    assert [train.rounds for train in strange] == [1, 2, 4]
    assert [train.most_epochs for train in strange] == [2.0, 4.0, 8.0]
    assert planned(1.8, minutes=60).rounds == 1
    assert planned(2.5, steps=5000).rounds == planned(2.5, epochs=20).rounds == 1
    machine = replace(machine, memory=150_000_000)  # enough for one
    assert planned(2.5, minutes=60).rounds == 1


def test_the_tokens_of_the_model_that_is_gone_on_from_are_counted() -> None:
    base = ModelConfig(vocab_size=4096, block_size=256, n_layer=6, n_head=3, n_embd=192, n_ff=512)
    few, many = (plan(10**6, Machine(), epochs=2, base=base, vocab_size=4096, base_bytes_per_token=n) for n in (4, 2))
    assert many.tokens == pytest.approx(2 * few.tokens, rel=0.01)
