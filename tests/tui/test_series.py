"""What is drawn of a run: as few points as there are columns, and the values that belong to a place."""

from __future__ import annotations

import math
import random
from array import array
from types import SimpleNamespace

import pytest

from engine.events import Eval, Round, Step, to_json
from gpt_tui.progress.axes import Ticks
from gpt_tui.progress.following import Columns, Following
from gpt_tui.progress.series import Numbers, View, smoothed, to_axis
from gpt_tui.widgets.curve import curve_rows, curve_text


def numbers(count: int, noise: float = 0.2) -> Numbers:
    chance = random.Random(1)
    losses = [2 + 4 * math.exp(-8 * place / count) + chance.gauss(0, noise) for place in range(count)]
    columns = Columns(
        array("d", (4 + place / 10 for place in range(count))),
        array("q", range(1, count + 1)),
        array("q", (64 * (place + 1) for place in range(count))),
        array("d", losses),
    )
    evals = [
        Eval(
            elapsed=4 + step / 10,
            step=step,
            tokens=64 * step,
            val_loss=4.0 - step / count,
            perplexity=9.0,
            bits_per_byte=2.0 - step / count / 2,
            train_loss=3.0,
            best=True,
        )
        for step in range(count // 10, count + 1, count // 10)
    ]
    return Numbers.of(columns, evals)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", ["time", "steps", "tokens"])
def test_a_long_run_is_brought_to_the_columns_there_are(axis: str, log: bool) -> None:
    drawing = numbers(50_000).draw(View(axis=axis, log=log), 200)
    assert len(drawing.smooth) <= 202 and len(drawing.raw) <= 404
    assert drawing.x[0] <= drawing.smooth.x[0] and drawing.smooth.x[-1] <= drawing.x[1]


def test_the_smoothed_line_keeps_the_fall_and_loses_the_noise() -> None:
    found = numbers(5000)
    true = [2 + 4 * math.exp(-8 * place / 5000) for place in range(5000)]
    raw = sum(abs(a - b) for a, b in zip(found.loss, true, strict=True))
    smooth = sum(abs(a - b) for a, b in zip(found.smooth, true, strict=True))
    assert smooth < raw / 4
    assert found.smooth[0] == pytest.approx(found.loss[0])


def test_the_smoothed_line_jumps_where_a_round_begins() -> None:
    columns = Columns(*(array(code, range(1, 201)) for code in "dqq"), array("d", [2.0] * 100 + [5.0] * 100))
    found = Numbers.of(columns, rounds=[Round(elapsed=100.5, step=100, number=2, count=2)])
    assert found.smooth.tolist() == found.loss.tolist()
    assert found.draw(View(axis="steps"), 80).rounds.tolist() == [100.0]


def test_losses_that_are_no_numbers_are_left_out() -> None:
    columns = Columns(array("d", [1, 2, 3]), array("q", [1, 2, 3]), array("q", [1, 2, 3]), array("d", [3, math.nan, 2]))
    drawing = Numbers.of(columns).draw(View(), 80)
    assert list(drawing.smooth.y) == [3, 2]


def test_a_run_without_steps_draws_nothing() -> None:
    assert Numbers.of(Columns()).draw(View(), 80).empty


def test_following_shows_the_latest_part_with_its_own_height() -> None:
    found = numbers(1000, noise=0.0)
    whole, latest = found.draw(View(), 100), found.draw(View(follow=True, share=0.1), 100)
    assert latest.x[0] > 0.85 * whole.x[1]
    assert latest.y[1] - latest.y[0] < (whole.y[1] - whole.y[0]) / 3


def test_bits_per_byte_are_the_nats_in_the_measure_of_the_evaluations() -> None:
    found = numbers(100)
    nats, bits = found.draw(View(), 100), found.draw(View(unit="bits"), 100)
    assert bits.smooth.y[50] == pytest.approx(nats.smooth.y[50] / 2)
    assert list(bits.held_out.y) == [one.bits_per_byte for one in found.evals]


def test_without_an_evaluation_it_stays_in_nats() -> None:
    columns = SimpleNamespace(elapsed=[1.0], step=[1], tokens=[1], loss=[3.0])
    assert Numbers.of(columns).draw(View(unit="bits"), 80).view.unit == "nats"


def test_a_place_reads_the_nearest_step_and_the_last_evaluation() -> None:
    found = numbers(100)
    reading = found.read(View(axis="steps"), 44.8)
    assert reading is not None and reading.step == 45 and reading.held_out == found.evals[3].val_loss
    first = found.read(View(axis="steps", log=True), float(to_axis(found.step, log=True)[0]))
    assert first is not None and first.step == 1 and math.isnan(first.held_out)


def test_smoothing_takes_few_steps_as_they_are() -> None:
    columns = Columns(array("d", [1, 2]), array("q", [1, 2]), array("q", [1, 2]), array("d", [3, 2]))
    assert list(smoothed(Numbers.of(columns).loss)) == [3, 2]


# Axes


@pytest.mark.parametrize(
    ("kind", "low", "high", "labels"),
    [
        ("time", 0.0, 120.0, ["0:00", "0:30", "1:00", "1:30", "2:00"]),
        ("time", 3600.0, 36_000.0, ["1:00:00", "3:00:00", "5:00:00"]),
        ("count", 0.0, 1_100.0, ["0", "500", "1 k"]),
        ("loss", 1.9, 4.6, ["2.0", "3.0", "4.0"]),
    ],
)
def test_ticks_stand_at_round_places(kind: str, low: float, high: float, labels: list[str]) -> None:
    ticks = Ticks(kind, room=4)
    found = ticks.get_labels_for_ticks(ticks.get_ticks(low, high))
    assert len(found) <= 6 and all(label not in ("", "?") for label in found)
    if kind != "time" or high < 1000:
        assert found == labels


def test_logarithmic_ticks_are_labelled_with_what_they_stand_for() -> None:
    ticks = Ticks("count", log=True, room=12)
    assert ticks.get_labels_for_ticks(ticks.get_ticks(0.0, 3.0)) == [
        "1",
        "2",
        "5",
        "10",
        "20",
        "50",
        "100",
        "200",
        "500",
        "1 k",
    ]
    few = Ticks("count", log=True, room=3)
    assert len(few.get_ticks(0.0, 6.0)) <= 4


# The small curve


def test_the_small_curve_fills_its_width_in_dots_or_blocks() -> None:
    falling = [10 / (1 + place) for place in range(50)]
    assert len(curve_text(falling, 20)) == 20
    blocks = curve_text(falling, 20, braille=False)
    assert len(blocks) == 20 and blocks[0] == "█" and blocks[-1] == "▁"
    assert [len(row) for row in curve_rows(list(enumerate(falling)), 12, 3)] == [12, 12, 12]


def test_the_small_curve_bears_what_is_no_number_and_nothing_at_all() -> None:
    assert curve_text([], 5) == "     "
    assert curve_text([math.nan], 5) == "     "
    assert len(curve_text([1.0, math.nan, 3.0], 5).strip()) == 5


# Following


def test_a_look_is_new_only_when_something_is(home) -> None:  # type: ignore[no-untyped-def]
    from fake_run import FakeRun

    run = FakeRun("demo")
    try:
        run.start()
        run.learn(10)
        following = Following(run.run)
        look = following.look()
        assert look is not None and look.step is not None and look.step.step == 10 and len(look.columns) == 10
        assert following.look() is None
        run.evaluate(1.8)
        look = following.look()
        assert look is not None and look.best is not None and look.best.bits_per_byte == 1.8
        following.forget()
        assert following.look() is not None
    finally:
        run.lock.release()


def test_a_log_of_many_steps_is_whole_in_its_last(home) -> None:  # type: ignore[no-untyped-def]
    from fake_run import FakeRun

    run = FakeRun("demo")
    try:
        run.start()
        run.learn(30_000, of=30_000)
        look = Following(run.run).look()
        assert look is not None and look.columns.step[-1] == 30_000 and len(look.columns) > 5_000
    finally:
        run.lock.release()
    assert isinstance(look.step, Step) and to_json(look.step)
