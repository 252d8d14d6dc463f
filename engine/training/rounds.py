"""Trainings that begin from the same weights and read the text in other orders, one after the other within a budget.
What they come to is averaged.

A model that went on from another soon knows a short text by heart, and more passes make it worse. Averaged, weights
that left the same place by different ways keep what they have in common and lose what each has by chance (Wortsman et
al. 2022, model soups): so minutes are of use that would teach nothing more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_FIRST, _MEAN = "rounds.first", "rounds.mean"
_NUMBERS = ("current", "first_step", "over", "part")


class Rounds:
    """Which round a run is in, where all of them begin, and the mean of those that are over.

    What the model is worth in the middle of a round is told by a mean of these and of the weights as they are, which
    count the more the further the round is: it moves without a jump from one round's mean to the next one's.
    """

    def __init__(self, data: Tensor, count: int) -> None:
        """`data` is the flat buffer of the weights, which the rounds change in place."""
        self.data, self.count = data, count
        self.current = self.first_step = self.over = 0
        """The round it is in, from 0; the step that it began at; how many rounds the mean is of."""
        self.part = 0.0
        """How far the current round is, 0 to 1."""
        self.first: Tensor | None = None
        self.mean: Tensor | None = None
        self._aside: Tensor | None = None

    def begin(self) -> None:
        """Keep the weights as they are: each round begins from them."""
        if self.count > 1 and self.first is None:
            self.first = self.data.clone()

    def reach(self, progress: float, step: int) -> bool:
        """Be, before `step`, at that progress (0 to 1) of the budget; says whether a new round begins."""
        due = min(self.count - 1, int(progress * self.count))
        if self.first is None or due <= self.current:
            self.part = self.part_at(progress)
            return False
        self._count_in(1.0)
        self.data.copy_(self.first)
        self.current, self.first_step, self.part = due, step, 0.0
        return True

    def part_at(self, progress: float) -> float:
        """How far the current round is at that progress of the budget."""
        return min(1.0, max(0.0, progress * self.count - self.current))

    def end(self, progress: float) -> None:
        """Let the weights be what the rounds have come to at that progress of the budget."""
        if self.mean is not None:
            self.part = self.part_at(progress)
            self._count_in(self.part)
            self.data.copy_(self.mean)
        self.forget()

    def forget(self) -> None:
        """Let the weights be what they are."""
        self.first = self.mean = None

    def _count_in(self, part: float) -> None:
        if self.mean is None:
            self.mean = self.data.clone()
        else:
            self.mean.lerp_(self.data, part / (self.over + part))
        self.over += 1

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Have, for a while, the weights that tell what the model is worth now."""
        if self.mean is None or self._aside is not None:
            yield
            return
        self._aside = self.data.clone()
        try:
            torch.lerp(self.mean, self._aside, self.part / (self.over + self.part), out=self.data)
            yield
        finally:
            self.data.copy_(self._aside)
            self._aside = None

    # What is saved

    def tensors(self) -> dict[str, Tensor]:
        """What the next step depends on, beside numbers."""
        kept = {_FIRST: self.first, _MEAN: self.mean}
        return {name: tensor for name, tensor in kept.items() if tensor is not None}

    def numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NUMBERS}

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Take up what `tensors` and `numbers` gave. Raises `ValueError` where it is another model's."""
        self.current, self.first_step, self.over, self.part = (numbers[name] for name in _NUMBERS)
        kept = [tensors[name].to(self.data.device) if name in tensors else None for name in (_FIRST, _MEAN)]
        if any(tensor is not None and tensor.shape != self.data.shape for tensor in kept):
            raise ValueError("the weights that its rounds begin from do not fit the model")
        self.first, self.mean = kept
