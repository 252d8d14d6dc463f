"""The yardsticks: that they measure what they say. What they measure is printed by benchmarks, and asserted nowhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.bench import CPU_RECIPE, Point, Recipe, our_curve, reference_curve, seconds_to, writing_speed

TINY = Recipe(n_layer=1, n_head=2, n_embd=32, block_size=16, batch_size=4, steps=60, warmup_steps=5)


def test_the_reference_learns_and_tells_when(prose: Path) -> None:
    points = list(reference_curve(prose.read_text("utf-8"), TINY, evaluate_every=20))
    assert [point.step for point in points] == [20, 40, 60]
    assert points[-1].bits_per_byte < points[0].bits_per_byte
    assert points[-1].seconds > points[0].seconds > 0


def test_the_reference_follows_its_schedule() -> None:
    assert CPU_RECIPE.rate(0) == pytest.approx(1e-3 / 101)
    assert CPU_RECIPE.rate(100) == pytest.approx(1e-3)
    assert CPU_RECIPE.rate(2000) == pytest.approx(1e-4)


def test_ours_is_timed_from_outside(prose: Path) -> None:
    options = ["--set", "n_layer=1", "--set", "n_embd=32", "--set", "n_head=2", "--set", "patience=0"]
    points, took = our_curve([sys.executable, "-m", "gpt_tui"], str(prose), 6.0, options=options)
    assert points[-1].seconds < took
    assert seconds_to(points, 100.0) == points[0].seconds
    assert seconds_to([Point(1.0, 1, 2.0)], 1.0) is None


def test_writing_has_a_speed() -> None:
    assert writing_speed("nano", rounds=1) > 0
