"""What a budget of minutes sets aside for its end, and how the weights are measured there."""

from __future__ import annotations

from typing import cast

import pytest

from engine.config import TrainConfig
from engine.training.budget import EXACT_COST, FINAL_MOST, FINAL_SHARE, FINAL_WINDOWS, MinutesBudget, make_budget

BLOCK = 256


def budget(minutes: float, windows: int, per_second: float, dtype: str = "bfloat16") -> MinutesBudget:
    """A budget of minutes on a held-out text of so many windows, of which so many tokens are read in a second."""
    config = TrainConfig(minutes=minutes, dtype=dtype)
    made = cast(MinutesBudget, make_budget(config, lambda: 0.0, BLOCK, windows * BLOCK, 1000))
    made.begin(0)
    made.evaluated(8192, 8192 / per_second)
    return made


def test_a_held_out_text_that_is_soon_read_is_measured_whole_in_float32() -> None:
    assert budget(2, 100, 1e6).final(0, 1) == (100, True)


def test_one_that_is_not_is_measured_in_part_and_not_in_float32() -> None:
    windows, exact = budget(1, 400, 15_000).final(0, 1)
    assert FINAL_WINDOWS < windows < 400 and not exact
    assert windows == int(FINAL_SHARE * 60 * 15_000) // BLOCK


def test_a_short_training_spends_a_larger_share_on_windows_enough_to_tell() -> None:
    half, quarter = budget(0.5, 400, 15_000), budget(0.25, 400, 15_000)
    assert half.final(0, 1).windows == FINAL_WINDOWS
    assert quarter.final(0, 1).windows == int(FINAL_MOST * 15 * 15_000) // BLOCK
    assert budget(0.25, 400, 100).final(0, 1).windows == 8  # so slow that even these cost more


def test_nearly_all_of_a_held_out_text_is_all_of_it() -> None:
    assert budget(1, 130, 15_000).final(0, 1) == (130, False)


def test_two_weights_share_the_time_of_one() -> None:
    large = budget(1, 4000, 15_000)
    assert large.final(0, 2).windows == large.final(0, 1).windows // 2


@pytest.mark.parametrize("windows", [20, 60, 90, 130, 180, 400, 4000])
@pytest.mark.parametrize("dtype, exactly", [("bfloat16", EXACT_COST), ("float32", 1.0)])
@pytest.mark.parametrize("candidates", [1, 2])
def test_what_is_set_aside_lasts_for_the_measuring(windows: int, dtype: str, exactly: float, candidates: int) -> None:
    for minutes in (0.25, 0.5, 1, 3):
        made = budget(minutes, windows, 15_000, dtype)
        final = made.final(0, candidates)
        takes = candidates * final.windows * BLOCK / 15_000 * (exactly if final.exact else 1)
        assert takes <= made.reserve


def test_a_budget_of_steps_depends_on_no_clock() -> None:
    made = make_budget(TrainConfig(minutes=0, steps=100), lambda: 0.0, BLOCK, 4000 * BLOCK, 1000)
    before = made.final(2**20, 1)
    made.evaluated(8192, 100.0)
    assert made.final(2**20, 2) == before == (2**17 // BLOCK, True)
