"""Trainings of a text in several rounds, whose weights are averaged."""

from __future__ import annotations

import pytest
import torch

from engine.training.rounds import Rounds


def begun(count: int, value: float = 1.0) -> Rounds:
    rounds = Rounds(torch.full((4,), value), count)
    rounds.begin()
    return rounds


def test_each_round_begins_from_the_first_weights_and_the_end_is_their_mean() -> None:
    rounds = begun(3)
    for number, came_to in enumerate((2.0, 4.0, 9.0)):
        assert rounds.reach(number / 3 + 0.01, 10 * number) == (number > 0)
        assert rounds.data.eq(1.0).all()
        assert (rounds.current, rounds.first_step) == (number, 10 * number)
        rounds.data.fill_(came_to)
    rounds.end(1.0)
    assert rounds.data.eq(5.0).all()
    assert not rounds.tensors()  # of a run that is over nothing more is wanted


def test_a_single_round_keeps_nothing_and_changes_nothing() -> None:
    rounds = begun(1)
    rounds.data.fill_(3.0)
    assert not rounds.reach(0.999, 7) and not rounds.reach(1.0, 8)
    assert rounds.part == 1.0
    with rounds.averaged():
        assert rounds.data.eq(3.0).all()
    rounds.end(1.0)
    assert rounds.data.eq(3.0).all() and not rounds.tensors()


def test_what_the_model_is_worth_moves_without_a_jump_from_mean_to_mean() -> None:
    rounds = begun(2)
    rounds.data.fill_(2.0)
    rounds.reach(0.5, 10)
    worth = []
    for progress in (0.5, 0.75, 1.0):
        rounds.reach(progress, 11)
        rounds.data.fill_(8.0)
        with rounds.averaged(), rounds.averaged():
            worth.append(float(rounds.data[0]))
        assert rounds.data.eq(8.0).all()
    assert worth == pytest.approx([2.0, 4.0, 5.0])


def test_a_round_that_is_broken_off_counts_for_as_much_as_it_went() -> None:
    rounds = begun(2)
    rounds.data.fill_(2.0)
    rounds.reach(0.5, 10)
    rounds.data.fill_(8.0)
    rounds.end(0.75)
    assert rounds.data.tolist() == pytest.approx([4.0] * 4)


def test_a_round_that_the_clock_leapt_over_does_not_count() -> None:
    rounds = begun(4)
    rounds.data.fill_(2.0)
    assert rounds.reach(0.8, 10)
    assert rounds.current == 3
    rounds.data.fill_(6.0)
    rounds.end(1.0)
    assert rounds.data.eq(4.0).all()


def test_the_progress_of_a_round_stays_within_it_until_the_next_begins() -> None:
    rounds = begun(2)
    assert rounds.part_at(0.25) == 0.5
    assert rounds.part_at(0.6) == 1.0  # the clock went on while the last step of the first round was computed
    rounds.reach(0.6, 10)
    assert rounds.part_at(0.6) == pytest.approx(0.2)


def test_rounds_are_taken_up_where_they_were() -> None:
    rounds = begun(3)
    rounds.data.fill_(2.0)
    rounds.reach(0.4, 10)
    rounds.data.fill_(6.0)
    rounds.reach(0.5, 12)
    saved = {name: tensor.clone() for name, tensor in rounds.tensors().items()}
    again = Rounds(rounds.data.clone(), 3)
    again.restore(saved, rounds.numbers())
    again.begin()
    for one in (rounds, again):
        one.reach(0.7, 20)
        assert one.data.eq(1.0).all()
        one.data.fill_(7.0)
        one.end(1.0)
    assert again.data.tolist() == rounds.data.tolist() == pytest.approx([5.0] * 4)


def test_rounds_of_another_model_are_refused() -> None:
    rounds = begun(2)
    with pytest.raises(ValueError, match="do not fit"):
        Rounds(torch.zeros(5), 2).restore(rounds.tensors(), rounds.numbers())
