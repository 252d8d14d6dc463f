"""What every process of a training does: optimizer steps, and evaluations.

Rank 0 decides what comes next, by its clock, its measurements and what is asked of it, and orders it once a step; the
others do as they are told, so that none can come to another conclusion. Alone, a process orders itself nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from engine.events import End, from_json, to_json
from engine.model.evaluate import Evaluation, evaluate
from engine.training.control import Control
from engine.training.optim import FlatParameters, Optimizer, rate_scale
from engine.training.parallel import Order, RankLost, Ranks
from engine.training.preparation import Job
from engine.training.state import TrainingState
from engine.training.steps import DTYPES, Threads, make_step, random_states, restore_random_states, with_noise

_END = "end"


class Worker:
    """One process's share of the work on a run."""

    def __init__(self, job: Job, state: TrainingState, ranks: Ranks, control: Control) -> None:
        self.job, self.state, self.ranks, self.control = job, state, ranks, control
        self.config = job.record.train
        self.compute = make_step(self.config, state.flat)
        self.threads = Threads(self.config, job.device, alone=not ranks.several)
        self.lengths = job.tokenizer.token_lengths()
        self.rate = 0.0
        self.updating = False
        """Whether the weights are just being changed: then they are neither the old nor the new."""
        self._started, self._together = False, True
        if not isinstance(state.flat, FlatParameters) and ranks.first:
            state.flat.ordering = self._ordering
        self._begun = self._position()
        self._dismissed = not ranks.several

    # Rank 0

    def begin(self) -> None:
        """Begin from rank 0's weights and random state everywhere."""
        self.ranks.equalize_random_state(self.job.device)  # with patience: rank 0 may have counted bigrams
        self.state.flat.begin(self.ranks.equalize)
        self.state.rounds.begin()
        self._started, self._together = True, False

    def step(self) -> tuple[Tensor, Tensor]:
        """One optimizer step of all processes; the loss (nats per token) and the gradient's norm."""
        if not self.ranks.several:
            return self._step()
        progress = self.state.budget.progress(self.state.step)
        with self._ordering(Order.STEP, progress):
            return self._step(progress)

    def evaluate(self, windows: int, *, exact: bool) -> Evaluation:
        """Evaluate the weights as they are on that many windows of the held-out text, in float32 when `exact`."""
        if not self.ranks.several:
            return self._evaluate(windows, exact)
        with self._ordering(Order.EVALUATE, windows, exact):
            return self._evaluate(windows, exact)

    @property
    def broken_off(self) -> bool:
        """Whether the processes of a sharded training may be waiting for each other in the middle of something: then
        nothing can be brought together any more."""
        return self.job.sharded and self._together

    def dismiss(self, end: End | None) -> None:
        """Let the others go, at the end of the training; without an `end`, because no one reads its events on."""
        if not self._dismissed:
            self._dismissed = True
            with contextlib.suppress(RankLost):  # everything is saved
                if not self._started:
                    self.begin()  # the others wait for that
                self.ranks.post(_END, to_json(end) if end is not None else "")
                self._tell(Order.END)

    def take_back(self) -> None:
        """Forget of a step that was broken off what it had read and drawn, so that it is taken again as it was."""
        step, tokens, batches, random = self._begun
        if step == self.state.step and not self.updating:
            self.state.tokens = tokens
            self.state.batches.restore(batches)
            restore_random_states(random)

    def _position(self) -> tuple[int, int, dict[str, int], list[Tensor]]:
        return self.state.step, self.state.tokens, self.state.batches.state(), random_states(self.job.device)

    @contextlib.contextmanager
    def _ordering(self, order: Order, value: float = 0.0, exact: bool = False) -> Iterator[None]:
        """Have the others do what is done within."""
        self._together = True
        self._tell(order, value, exact)
        yield
        self._together = False

    def _tell(self, order: Order, value: float = 0.0, exact: bool = False) -> None:
        _, stopping = self.ranks.order([order, value, exact], self.control.stopping)
        if stopping:
            self.control.stop()

    # The others

    def follow(self) -> Iterator[End]:
        """Do what rank 0 orders, until it says that this is the end; yields how it ended."""
        self.state.take_up()
        self.begin()
        while True:
            (order, value, exact), _ = self.ranks.order([0.0, 0.0, 0.0], self.control.stopping)
            if order == Order.STEP:
                self._step(value)
            elif order == Order.EVALUATE:
                self._evaluate(int(value), bool(exact))
            elif order == Order.END:
                break
            elif order == Order.GATHER_OPTIMIZER:
                self.state.optimizer.state()
            elif not isinstance(self.state.flat, FlatParameters):
                self.state.flat.follow(Order(int(order)), value)
        end = from_json(self.ranks.read(_END, Control()))
        if isinstance(end, End):
            yield end

    # All

    def _step(self, progress: float | None = None) -> tuple[Tensor, Tensor]:
        """One step on this process's part of each batch, at that progress of the budget, else at what it is then."""
        state, config, ranks = self.state, self.config, self.ranks
        flat, rounds = state.flat, state.rounds
        self._begun = self._position()
        self._begin_round(state.budget.progress(state.step) if progress is None else progress)
        flat.grad.zero_()
        loss = torch.zeros((), device=flat.grad.device)
        if self.job.model.config.dropout:
            ranks.reseed(config.seed, state.step)
        with self.threads.watching():
            for _ in range(config.accumulate):
                ids, targets = next(state.batches)
                ids = ids.to(self.job.device, non_blocking=True)
                targets = targets.to(self.job.device, non_blocking=True)
                if config.token_noise:
                    vocabulary = self.job.model.config.vocab_size
                    ids = with_noise(ids, config.token_noise, vocabulary, rank=ranks.rank, world_size=ranks.size)
                loss = loss + self.compute(ids, targets)
                state.tokens += ranks.size * ids.numel()
            if config.accumulate > 1:
                flat.grad.div_(config.accumulate)
            flat.average(ranks.mean)
            ranks.mean(loss)
            norm = flat.clip_gradients(config.grad_clip)
            self.updating = True
            progress = state.budget.progress(state.step) if progress is None else progress
            self.rate = rate_scale(config, state.step - rounds.first_step, rounds.part_at(progress))
            state.optimizer.step(self.rate)
            state.step += 1
            self.updating = False
        return loss / config.accumulate, norm

    def _begin_round(self, progress: float) -> None:
        """Begin the round that is due, if one is."""
        self.updating = True
        if self.state.rounds.reach(progress, self.state.step) and isinstance(self.state.optimizer, Optimizer):
            self.state.optimizer.reset()
        self.updating = False

    def _evaluate(self, windows: int, exact: bool) -> Evaluation:
        """This process's part of the windows, added to the others'."""
        tokens, ranks, state = self.job.tokens, self.ranks, self.state
        with state.rounds.averaged(), state.flat.evaluated(ranks.equalize, exact=exact) as model:
            return evaluate(
                model,
                tokens.heldout,
                tokens.heldout_bytes,
                first=tokens.end_of_text,
                max_windows=windows,
                lengths=self.lengths,
                dtype=None if exact or self.config.dtype == "float32" else DTYPES[self.config.dtype],
                rank=ranks.rank,
                world_size=ranks.size,
                add=ranks.total,
            )
