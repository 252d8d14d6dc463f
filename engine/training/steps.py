"""A batch in, a loss out, gradients in the flat buffer: by autograd on any device, or by the hand-written step on a
CPU."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from engine.config import TrainConfig
from engine.model.gpt import GPT
from engine.training import fast_step
from engine.training.fast_step import FastStep
from engine.training.optim import FlatParameters
from engine.training.planner import Machine

if TYPE_CHECKING:
    from engine.training.sharded import ShardedParameters

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Step(Protocol):
    """ids, targets (B, T) → mean cross-entropy in nats per token; gradients are added to those that are there."""

    def __call__(self, ids: Tensor, targets: Tensor) -> Tensor: ...


class AutogradStep:
    """Forward and backward by autograd, matrix products in `dtype` (autocast), compiled where asked."""

    def __init__(self, model: GPT, dtype: torch.dtype, *, compiled: bool = False) -> None:
        self.device = model.embedding.weight.device.type
        self.dtype = dtype
        self.loss: Callable[[Tensor, Tensor], Tensor] = torch.compile(model.loss) if compiled else model.loss

    def __call__(self, ids: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(self.device, dtype=self.dtype, enabled=self.dtype != torch.float32):
            loss = self.loss(ids, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def with_noise(ids: Tensor, share: float, vocab_size: int, *, rank: int = 0, world_size: int = 1) -> Tensor:
    """ids (B, T), that share of them replaced by tokens drawn at random: a small text then lasts for more epochs
    (Xie et al. 2017, data noising as smoothing). Each of several processes draws for all of them, in one random
    state, and takes its own rows, so that together they read what one would."""
    rows, length = ids.shape
    own = slice(rank * rows, (rank + 1) * rows)
    chances = torch.rand((world_size * rows, length), device=ids.device)[own]
    others = torch.randint(vocab_size, (world_size * rows, length), device=ids.device)[own]
    return torch.where(chances < share, others, ids)


def random_states(device: str) -> list[Tensor]:
    """The states of the CPU's random numbers and, where that computes, of the GPU's; both lie on the CPU."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if device == "cuda" else [])]


def restore_random_states(states: list[Tensor]) -> None:
    """Go on with random numbers where `random_states` was taken."""
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)


def synchronize(device: str) -> None:
    """Wait for what the device still computes, so that a clock reads right."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def settle(config: TrainConfig, model: GPT, machine: Machine, device: str) -> TrainConfig:
    """`auto` in dtype, fast_step and threads → what this machine measured best. What is settled stays for the whole
    run."""
    dtype = config.dtype if config.dtype != "auto" else machine.dtype
    fast = config.fast_step
    possible = device == "cpu" and fast_step.supports(model.config)
    if fast == "auto" or not possible:
        fast = "on" if possible and machine.fast_step else "off"
    threads = config.threads or (torch.get_num_threads() if device == "cpu" else 1)
    return replace(config, dtype=dtype, fast_step=fast, threads=threads)


def make_step(config: TrainConfig, flat: FlatParameters | ShardedParameters) -> Step:
    """The step that a settled config asks for. Of sharded weights it is autograd's, their blocks compiled already."""
    dtype = DTYPES[config.dtype]
    if not isinstance(flat, FlatParameters):
        return flat.computing(AutogradStep(flat.model, dtype))
    if config.fast_step == "on":
        return FastStep(flat.model, flat, dtype)
    return AutogradStep(flat.model, dtype, compiled=config.compile)


def memory_used(device: str) -> int:
    """Bytes that training takes: the device's, or on a CPU this process's resident memory (its peak where that is all
    one can ask)."""
    if device == "cuda":
        return torch.cuda.memory_allocated()
    if device == "mps":
        return torch.mps.current_allocated_memory()
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return _peak_memory()


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def crowded(threads: int) -> bool:
    """Whether more wants this machine's processors than `threads` of ours, as far as the system tells."""
    try:
        return os.getloadavg()[0] > threads + 0.5
    except (AttributeError, OSError):  # Windows
        return False


class Threads:
    """How many CPU threads a run of minutes uses, watched while it trains.

    With another job on one of two cores, two threads that wait for each other can be several times slower than one.
    When steps become much slower than they were, or others are at work too, one thread is tried, and what is faster is
    kept; from time to time all are tried again. A run of steps or epochs keeps its threads, as sums are rounded
    differently with another number; so does one of several processes, which are all as slow as the slowest.
    """

    TRIAL = 3
    """Steps in a trial."""
    PATIENCE = 20.0
    """Seconds between two trials."""

    def __init__(self, config: TrainConfig, device: str, *, alone: bool = True) -> None:
        self.most = config.threads
        self.active = alone and device == "cpu" and config.budget == "minutes" and self.most > 1
        self.current = self.most
        self.typical: dict[int, float] = {}
        self.trial: list[float] = []
        self.trying: int | None = None
        self.next_trial = 0.0
        self.fastest = math.inf

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Time one step, and choose the threads of the next."""
        begun = time.monotonic()
        yield
        if self.active:
            self._stepped(time.monotonic() - begun)

    def _stepped(self, seconds: float) -> None:
        if self.trying is not None:
            self.trial.append(seconds)
            if len(self.trial) > self.TRIAL:
                self._judge()
            return
        before = self.typical.get(self.current, seconds)
        self.typical[self.current] = 0.8 * before + 0.2 * seconds
        self.fastest = min(self.fastest, self.typical[self.current])
        now = time.monotonic()
        if now < self.next_trial:
            return
        slow = self.current == self.most and self.typical[self.most] > 1.7 * self.fastest
        if slow or self.current == 1 or crowded(self.most):
            self._try(1 if self.current == self.most else self.most)

    def _try(self, count: int) -> None:
        self.trying, self.trial = count, []
        torch.set_num_threads(count)

    def _judge(self) -> None:
        took = sorted(self.trial[1:])[self.TRIAL // 2]
        if took < 0.95 * self.typical[self.current]:
            self.current = self.trying or self.current
            self.typical[self.current] = took
        torch.set_num_threads(self.current)
        self.trying, self.next_trial = None, time.monotonic() + self.PATIENCE
