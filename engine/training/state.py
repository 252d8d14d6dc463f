"""A run's state: weights, optimizer, data position, the best so far. It knows how to save itself and to take itself
up again."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.data.dataset import Batches
from engine.errors import DamagedModelError
from engine.model.evaluate import Evaluation, evaluation
from engine.store import checkpoint as store
from engine.store.models import write_record
from engine.training.budget import Budget, make_budget
from engine.training.control import Clock
from engine.training.optim import FlatParameters, Optimizer
from engine.training.parallel import Ranks
from engine.training.preparation import Job
from engine.training.rounds import Rounds

if TYPE_CHECKING:
    from engine.training.sharded import ShardedOptimizer, ShardedParameters

_OPTIMIZER = "optimizer."


def _weights(job: Job, ranks: Ranks) -> tuple[FlatParameters | ShardedParameters, Optimizer | ShardedOptimizer]:
    """What is trained, and what moves it: whole in this process, or shared out among all."""
    config = job.record.train
    if job.sharded:
        from engine.training.sharded import ShardedOptimizer, ShardedParameters

        rows = ShardedParameters(job.model, ranks, job.device, config)
        return rows, ShardedOptimizer(rows, config)
    flat = FlatParameters(job.model)
    return flat, Optimizer(flat, config)


class TrainingState:
    """Everything that changes while a run goes on, and its way to disk and back. Of several processes each has it, and
    counts what all have done together; one saves it."""

    def __init__(self, job: Job, clock: Clock, ranks: Ranks) -> None:
        self.job, self.clock, self.folder = job, clock, job.folder
        config = job.record.train
        self.flat, self.optimizer = _weights(job, ranks)
        data = self.flat.data if isinstance(self.flat, FlatParameters) else torch.empty(0)
        self.rounds = Rounds(data, 1 if job.sharded else config.rounds)
        job.model = self.flat.model.train()
        self.batches = Batches(
            job.tokens.train,
            block_size=job.model.config.block_size,
            batch_size=ranks.share(config.batch_size),
            stride=config.stride,
            seed=config.seed,
            rank=ranks.rank,
            world_size=ranks.size,
            pin_memory=job.device == "cuda",
        )
        self.budget: Budget = make_budget(
            config, clock, job.model.config.block_size, len(job.tokens.heldout), self.batches.windows
        )
        self.step = self.tokens = 0
        self.loss = math.nan
        """The last step's, in nats per token."""
        self.text = ""
        """What the model wrote last."""
        self.best: Evaluation | None = None
        self.best_step = self.bad_evals = 0
        self.unsaved_best = False
        self.saved_step = -1

    def consider(self, found: Evaluation) -> bool:
        """Keep the weights as they are now if `found` is the best so far; says whether it is."""
        better = self.best is None or found.loss < self.best.loss
        if better:
            self.keep_as_best(found)
        else:
            self.bad_evals += 1
        return better

    def keep_as_best(self, found: Evaluation) -> None:
        self.best, self.best_step, self.bad_evals = found, self.step, 0
        self.flat.keep_best()
        self.unsaved_best = True

    def bring_best(self) -> bool:
        """Whether there are best weights yet; those that only the disk has are brought into memory."""
        if self.best is not None and not self.flat.has_best:
            self.flat.load_best(store.weights_of(store.load_model(self.folder, "best")))
        return self.best is not None

    def save(self, *, finished: bool = False) -> None:
        """The best weights if they are new, then the state to go on from, then model.toml. Raises `StorageError`."""
        begun = time.monotonic()
        if self.unsaved_best or not (self.folder / store.WEIGHTS).exists():
            store.save_tensors(self.folder / store.WEIGHTS, self.flat.tensors(best=True))
            self.unsaved_best = False
        store.save_state(self.folder, self.flat.tensors(), self._tensors(), self._numbers(finished))
        write_record(self.folder, replace(self.job.record, summary=self.summary()))
        self.saved_step = self.step
        self.budget.saved(time.monotonic() - begun)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {_OPTIMIZER + name: tensor for name, tensor in self.optimizer.state().items()}
        tensors |= self.rounds.tensors()
        tensors["random.cpu"] = torch.get_rng_state()
        if self.job.device == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        return tensors

    def _numbers(self, finished: bool) -> dict[str, Any]:
        best = self.best and {"loss": self.best.loss, "tokens": self.best.tokens, "bytes": self.best.bytes}
        return {
            "step": self.step,
            "tokens": self.tokens,
            "elapsed": self.clock(),
            "batches": self.batches.state(),
            "budget": self.budget.state(),
            "rounds": self.rounds.numbers(),
            "best": best,
            "best_step": self.best_step,
            "bad_evals": self.bad_evals,
            "text": self.text,
            "finished": finished,
        }

    def take_up(self) -> int:
        """Restore what an earlier process saved; returns the step that it had reached, 0 for a new run.

        Raises `DamagedModelError` when that is another model's, or lacks something.
        """
        if self.job.resumed is None:
            return 0
        (tensors, numbers), self.job.resumed = self.job.resumed, None  # which is large, and read once
        try:
            return self._restore(tensors, numbers)
        except torch.OutOfMemoryError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DamagedModelError(
                f"{self.folder / store.STATE} is damaged: {type(error).__name__}: {' '.join(str(error).split())[:200]}."
            ) from error

    def _restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> int:
        self.optimizer.restore({n.removeprefix(_OPTIMIZER): t for n, t in tensors.items() if n.startswith(_OPTIMIZER)})
        torch.set_rng_state(tensors["random.cpu"].cpu())
        if self.job.device == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"].cpu())
        self.step = self.saved_step = numbers["step"]
        self.tokens, self.text = numbers["tokens"], numbers["text"]
        self.best_step, self.bad_evals = numbers["best_step"], numbers["bad_evals"]
        self.clock.before = numbers["elapsed"]
        self.batches.restore(numbers["batches"])
        self.budget.restore(numbers["budget"])
        if "rounds" in numbers:  # else it was saved by an earlier version
            self.rounds.restore(tensors, numbers["rounds"])
        if best := numbers["best"]:
            self.best = evaluation(best["loss"] * best["tokens"], best["tokens"], best["bytes"])
        return self.step

    def summary(self) -> dict[str, Any]:
        """What model.toml says of the run."""
        best = self.best
        return {
            "steps": self.step,
            "tokens": self.tokens,
            "seconds": round(self.clock(), 2),
            "epochs": round(self.batches.epoch, 3),
            "best_step": self.best_step,
            "bits_per_byte": best.bits_per_byte if best else None,
            "val_loss": best.loss if best else None,
            "perplexity": best.perplexity if best else None,
            "train_loss": self.loss if math.isfinite(self.loss) else None,
            "parameters": self.job.record.model.parameter_counts()["total"],
            "device": self.job.device,
            "predicted_bits_per_byte": self.job.plan.bits_per_byte
            if math.isfinite(self.job.plan.bits_per_byte)
            else None,
            "sample": self.job.prompt + self.text if self.text else None,
        }
