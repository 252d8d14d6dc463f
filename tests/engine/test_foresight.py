"""What is foretold of a text: counted trigrams are a distribution, and tell easy texts from hard ones."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from engine.training import ngrams
from engine.training.foresight import foresee, foresee_in_child
from engine.training.planner import Machine, expected_bits, plan


def test_the_probabilities_after_every_pair_add_up_to_one() -> None:
    vocab = 7
    train = np.random.default_rng(1).integers(0, vocab - 1, 60)  # one token never occurs
    for first in range(vocab):
        for second in range(vocab):
            each = [ngrams._probabilities(train, np.array([first, second, third]), vocab)[0] for third in range(vocab)]
            assert sum(each) == pytest.approx(1.0)
            assert min(each) > 0


def test_what_repeats_is_easier_than_what_does_not() -> None:
    noise = np.random.default_rng(2).integers(0, 50, 5000)
    song = np.tile(np.arange(50), 100)
    hard, easy = (ngrams.bits_per_byte(tokens[:4000], tokens[4000:], 1.0, 50) for tokens in (noise, song))
    assert easy < 0.2
    assert math.log2(50) < hard < 1.2 * math.log2(50)  # counting sees patterns where there are none


def test_too_little_to_count_says_nothing() -> None:
    assert math.isnan(ngrams.bits_per_byte(np.arange(10), np.arange(10), 1.0, 50))


def test_a_text_is_foreseen_from_a_file_and_in_a_child(prose: Path, tmp_path: Path) -> None:
    generator = random.Random(4)
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_text(" ".join("".join(generator.choices("abcdefgh", k=5)) for _ in range(4000)), encoding="utf-8")
    easy, hard = foresee([str(prose)]).trigram_bits, foresee([str(shuffled)]).trigram_bits
    assert 0 < easy < hard < 8
    assert foresee_in_child([str(prose)]).trigram_bits == pytest.approx(easy)
    assert math.isnan(foresee_in_child([str(tmp_path / "missing.txt")]).trigram_bits)


def test_a_large_file_is_foreseen_from_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.foresight._READ_WHOLE", 10_000)
    path = tmp_path / "large.txt"
    path.write_text("Där går en räv över ängen, sade hon.\n" * 3000, encoding="utf-8")
    assert 0 < foresee([str(path)]).trigram_bits < 1


def test_more_reading_promises_more_and_rereading_less_each_time() -> None:
    once, twice, often, always = (expected_bits(2.0, passes * 1e6, 1e6) for passes in (1, 2, 20, 40))
    assert once > twice > often > always
    assert once - twice > often - always
    foretold = plan(1_000_000, Machine(), minutes=2, trigram_bits=2.2).bits_per_byte
    assert 1.5 < foretold < 2.5
    assert math.isnan(plan(1_000_000, Machine(), minutes=2).bits_per_byte)
