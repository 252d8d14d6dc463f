"""Several processes that train one model: which of them this is, and how they speak and add up.

torchrun starts one command many times, on a machine or on several, and tells each process through the environment
which it is, its rank. Rank 0 prepares, decides, reports and saves; the others follow it (`worker`). Before training
they leave each other messages in torchrun's own store, as JSON; then they form a group: NCCL on GPUs, gloo on CPUs.

There is no DistributedDataParallel here. It hooks itself into autograd's graph, and the hand-written step has none;
and what it does in many buckets is one all-reduce here, as all gradients lie in one flat buffer. Nor does it overlap
that with the backward pass: at sizes that fit on one card it is a few hundredths of a step. For larger ones `sharded`
has FSDP2.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import IntEnum
from types import TracebackType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from engine.errors import ConfigError, DeviceError, PeerError, RequestError, TrainingError
from engine.model.device import resolve_device
from engine.training.control import Control
from engine.training.planner import Machine
from engine.training.steps import random_states, restore_random_states

PATIENCE = timedelta(days=30)
"""How long the others wait for rank 0's next word: it may sample, save, or be paused."""
POLL_SECONDS = 0.05
_FAILURE = "failure"
_LOST = "Another process of this training has ended, or cannot be reached."
_trainings = itertools.count()


class Order(IntEnum):
    """What rank 0 tells the others to do with it, each with a number or two."""

    STEP = 0
    """One optimizer step, at this progress of the budget."""
    EVALUATE = 1
    """That many windows, exactly or not."""
    END = 2
    # In a sharded training alone, where rank 0 has no more than its own part:
    GATHER = 3
    """Bring the weights, or the best ones, to rank 0."""
    GATHER_OPTIMIZER = 4
    KEEP_BEST = 5
    SWAP_BEST = 6
    LOAD_BEST = 7


class RankLost(TrainingError):
    """What the processes do together failed: one of them has ended, or the network has."""


class Ranks:
    """This process among those that train one model; alone, it says and adds nothing, at no cost.

    Entered, it sees to it that a failure is known to all, and told by the one that had it.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0, local_size: int = 1) -> None:
        """`rank` of `size` in all; on this machine `local_rank` of `local_size`."""
        self.rank, self.size, self.local_rank, self.local_size = rank, size, local_rank, local_size
        self.several, self.first = size > 1, rank == 0
        self._tells: bool | None = None
        self._orders: dist.ProcessGroup | None = None
        """A group of its own, always on the CPU: an order waits for no device, and its patience is longer."""
        self._training = f"training {next(_trainings)}"

    @functools.cached_property
    def _store(self) -> Store:
        """Where the processes of this training leave each other messages."""
        with talking():
            return PrefixStore(self._training, _launcher_store())

    @classmethod
    def from_environment(cls) -> Ranks:
        """Who torchrun says that this process is; without it, the only one."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
            return cls()
        rank = int(os.environ["RANK"])
        return cls(rank, size, int(os.environ.get("LOCAL_RANK", rank)), int(os.environ.get("LOCAL_WORLD_SIZE", size)))

    # What several can do

    def share(self, batch_size: int) -> int:
        """This process's windows of a batch. Raises `ConfigError` when the batch does not divide."""
        if batch_size % self.size:
            raise ConfigError(
                f"batch_size: {batch_size} windows do not divide among {self.size} processes. Start as many processes "
                f"as divide it, or give a batch_size that is a multiple of {self.size}."
            )
        return batch_size // self.size

    def resolve_device(self, asked: str) -> str:
        """The device that each process trains on. Raises `DeviceError`, and `ConfigError` where they cannot share."""
        device = resolve_device(asked)
        if self.several and device == "mps":
            if asked == "auto":
                return "cpu"
            raise ConfigError("device: several processes cannot train on mps; start one, or give --device cpu.")
        return device

    def take_device(self, device: str) -> None:
        """Take the one of this machine's GPUs that is this process's. Raises `DeviceError` when there are too few."""
        if not self.several or device != "cuda":
            return
        if self.local_rank >= (there := torch.cuda.device_count()):
            raise DeviceError(
                f"device: torchrun started {self.local_size} processes on a machine that has {there} GPUs: "
                f"give --nproc-per-node {there}."
            )
        torch.cuda.set_device(self.local_rank)

    def threads(self, settled: int) -> int:
        """The CPU threads of this process: those settled, but together no more than this machine has cores."""
        return min(settled, max(1, (os.cpu_count() or 1) // self.local_size)) if self.several else settled

    def together(self, machine: Machine) -> Machine:
        """What all processes can do, from what one was measured to do, perhaps with more threads than it has now."""
        if not self.several:
            return machine
        times = self.size * (min(1.0, torch.get_num_threads() / machine.threads) if machine.device == "cpu" else 1.0)
        memories = self.size // self.local_size if machine.device == "cpu" else self.size
        return replace(
            machine,
            float32=times * machine.float32,
            bfloat16=times * machine.bfloat16,
            memory=memories * machine.memory,
            processes=self.size,
        )

    def reseed(self, seed: int, step: int) -> None:
        """Random numbers of its own (dropout) for each of the others, the same whenever this step is taken: rank 0's
        random state alone is saved."""
        if not self.first:
            drawn = np.random.SeedSequence((seed, self.rank, step)).generate_state(1, np.uint64)
            torch.manual_seed(int(drawn[0]))

    # Messages through the store, before there is a group

    def post(self, key: str, value: Any) -> None:
        """Leave a message, which must be plain JSON, for the others."""
        if self.several:
            with talking():
                self._store.set(key, json.dumps(value))

    def read(self, key: str, control: Control) -> Any:
        """Wait for a message. Raises what another process failed with meanwhile: `RequestError`, `PeerError`,
        KeyboardInterrupt; and KeyboardInterrupt when a stop is asked."""
        with talking():
            while not self._store.check([key]):
                if self._store.check([_FAILURE]):
                    self._raise_failure()
                if control.stopping:
                    raise KeyboardInterrupt
                time.sleep(POLL_SECONDS)
            return json.loads(self._store.get(key))

    def _raise_failure(self) -> None:
        failure = json.loads(self._store.get(_FAILURE))
        if failure["kind"] == "request":
            raise RequestError(failure["message"])
        if failure["kind"] == "interrupted":
            raise KeyboardInterrupt
        raise PeerError(failure["message"])

    def fail(self, error: BaseException) -> None:
        """Let the others know that this process ends, and of what."""
        if self.several and not isinstance(error, PeerError):
            interrupted = not isinstance(error, Exception)
            kind = "request" if isinstance(error, RequestError) else "interrupted" if interrupted else "failure"
            with contextlib.suppress(RankLost):
                self.post(_FAILURE, {"kind": kind, "message": str(error) or type(error).__name__})
            self.tells()

    def tells(self) -> bool:
        """Whether this process is the first to fail, which tells why; those that fail because it did are silent."""
        if self._tells is None:
            try:
                self._tells = not self.several or self._store.add("told", 1) == 1
            except (RuntimeError, RankLost):  # the store is gone, and perhaps everyone else
                self._tells = True
        return self._tells

    # The group

    def join(self, device: str) -> None:
        """Form the group of all processes, once each has what it needs for training on `device`."""
        if not self.several:
            return
        with talking():
            store = PrefixStore("group", self._store)
            backend = "nccl" if device == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.size)
            self._orders = dist.new_group(backend="gloo", timeout=PATIENCE)

    def leave(self) -> None:
        """Wait until all have finished, and dissolve the group: where one has ended with a status that is not zero,
        torchrun ends the others."""
        if self._orders is not None:
            with contextlib.suppress(RuntimeError):
                dist.barrier(group=self._orders)
                dist.destroy_process_group()
            self._orders = None

    def order(self, values: Sequence[float], stopping: bool) -> tuple[list[float], bool]:
        """Rank 0's `values`, for all (what others give is ignored); and whether any process was asked to stop."""
        message = torch.zeros(len(values) + 1, dtype=torch.float64)
        if self.first:
            message[:-1] = torch.tensor(values, dtype=torch.float64)
        message[-1] = float(stopping)
        with talking():
            dist.all_reduce(message, group=self._orders)  # the sum: the others add nothing
        *told, stops = message.tolist()
        return told, stops > 0

    def sum(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all processes."""
        if self.several:
            with talking():
                dist.all_reduce(tensor)

    def mean(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over all processes."""
        if self.several:
            self.sum(tensor)
            tensor.div_(self.size)

    def total(self, values: list[float]) -> list[float]:
        """Sums over all processes, in double precision."""
        if not self.several:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        with talking():
            dist.all_reduce(sums, group=self._orders)
        return list(sums.tolist())

    def equalize(self, tensor: Tensor) -> None:
        """Give every process rank 0's tensor."""
        if self.several:
            with talking():
                dist.broadcast(tensor, 0)

    def equalize_random_state(self, device: str) -> None:
        """Give every process rank 0's random state."""
        if not self.several:
            return
        states = random_states(device)
        with talking():
            for state in states:
                dist.broadcast(state, 0, group=self._orders)
        restore_random_states(states)

    # Beginning and end

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, GeneratorExit):
            self.leave()
            return
        self.fail(error)
        if isinstance(error, RankLost) and not self.tells():
            raise PeerError(str(error)) from error


@functools.cache
def _launcher_store() -> Store:
    """The key-value store of torchrun, which it keeps for all processes."""
    store: Store = next(rendezvous("env://"))[0]
    return store


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """A failure of torch.distributed as the engine's own."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError) as error:
        raise RankLost(_LOST) from error


@contextlib.contextmanager
def computing_together() -> Iterator[None]:
    """As `talking`, of a computation in which processes speak: what else fails in it stays what it is."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):  # gloo's failures have no type of their own
            raise RankLost(_LOST) from error
        raise
