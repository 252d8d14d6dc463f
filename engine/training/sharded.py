"""A training whose weights, gradients and optimizer state are shared out among its processes, for a model that one
card's memory does not hold: PyTorch's FSDP2 (Zhao et al. 2023), which does what Rajbhandari et al. (2020, ZeRO) thought
of.

Each process keeps its rows of every parameter. What computes is gathered for as long as it does: a block at a time, and
embeddings and head for the step. So no process has the whole model but rank 0, in the machine's memory and not the
card's: before the first step, when it writes a sample, and while it saves.

`ShardedParameters` and `ShardedOptimizer` stand where `FlatParameters` and `Optimizer` do. What needs all processes
begins, on rank 0, by telling the others (`ordering`), which then call the same method. Only a sharded training imports
this module: FSDP takes a second to import.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.func import functional_call

from engine.config import ModelConfig, TrainConfig
from engine.errors import DamagedModelError
from engine.generation.decoder import lay_out
from engine.model.gpt import GPT
from engine.training.optim import MATRICES, Adam, Layout, decay_of, matrices_of, orthogonalize, scale_of
from engine.training.parallel import Order, Ranks, computing_together, talking
from engine.training.steps import DTYPES, Step

Ordering = Callable[..., AbstractContextManager[None]]


class ShardedParameters(Layout):
    """A process's rows of a model's parameters, the first dimension cut as `torch.chunk` cuts it; their gradients; and
    a copy of the best that they have been, in the machine's memory, as it is the card's that is scarce."""

    def __init__(self, source: GPT, ranks: Ranks, device: str, config: TrainConfig) -> None:
        """`source` has the weights to begin from on rank 0, on the CPU; elsewhere it lies on the meta device."""
        super().__init__(source)
        self.source, self.ranks, self.device = source, ranks, device
        self.dtype = DTYPES[config.dtype]
        self.mesh = init_device_mesh(device, (ranks.size,))
        self.model = shard(source.config, self.mesh, self.dtype, compiled=config.compile)
        self.ordering: Ordering = lambda *_: nullcontext()
        """Rank 0's way to have the others do with it what is done within."""
        parameters = dict(self.model.named_parameters())
        self.rows: dict[str, Tensor] = {name: _own(parameters[name]) for name in self.spans}
        self.grad = torch.zeros(sum(rows.numel() for rows in self.rows.values()), device=device)
        self.grads: dict[str, Tensor] = {}
        self._best: dict[str, Tensor] | None = None
        at = 0
        for name, rows in self.rows.items():
            self.grads[name] = self.grad[at : at + rows.numel()].view(rows.shape)
            parameters[name].grad = self._distributed(name, self.grads[name])  # FSDP adds to what is there
            at += rows.numel()

    # A parameter whole, and a process's rows of it

    def _distributed(self, name: str, rows: Tensor) -> DTensor:
        shape = self.shapes[name]
        strides = torch.empty(shape, device="meta").stride()
        return DTensor.from_local(rows, self.mesh, [Shard(0)], run_check=False, shape=shape, stride=strides)

    def whole(self, name: str, rows: Tensor) -> Tensor:
        """What all processes have of a parameter, or of something of its shape, put together in each of them."""
        with talking():
            whole: Tensor = self._distributed(name, rows).full_tensor()
        return whole

    def rows_of(self, name: str, whole: Tensor) -> Tensor:
        """This process's rows of a parameter, or of something of its shape."""
        each = math.ceil(len(whole) / self.ranks.size)
        return whole[self.ranks.rank * each : (self.ranks.rank + 1) * each]

    def hand_out(self, name: str, rows: Tensor, whole: Tensor | None) -> None:
        """Fill each process's `rows` from what rank 0 has whole."""
        if whole is None or not self.ranks.first:
            whole = torch.empty(self.shapes[name])
        whole = whole.to(self.device, torch.float32).view(self.shapes[name]).contiguous()
        self.ranks.equalize(whole)
        rows.copy_(self.rows_of(name, whole))

    # As `FlatParameters`

    @torch.no_grad()
    def begin(self, equalize: Callable[[Tensor], None]) -> None:
        """Begin from rank 0's weights in every process; rank 0 has them whole no longer."""
        there = dict(self.source.named_parameters())
        for name, rows in self.rows.items():
            self.hand_out(name, rows, there[name] if self.ranks.first else None)
        self.source = self.model

    @staticmethod
    def computing(step: Step) -> Step:
        """That step, which says so when another process is lost in its midst."""

        def computed(ids: Tensor, targets: Tensor) -> Tensor:
            with computing_together():
                return step(ids, targets)

        return computed

    def average(self, mean: Callable[[Tensor], None]) -> None:
        """Nothing: FSDP has averaged the gradients on the way back."""

    def clip_gradients(self, largest: float) -> Tensor:
        """Scale the gradients so that the norm of all processes' is at most `largest` (0: leave them); the norm
        before."""
        square = torch.linalg.vector_norm(self.grad).square()
        self.ranks.sum(square)
        norm: Tensor = square.sqrt()
        if largest:
            self.grad.mul_(torch.clamp(largest / (norm + 1e-6), max=1.0))
        return norm

    @contextmanager
    def evaluated(self, equalize: Callable[[Tensor], None], *, exact: bool) -> Iterator[GPT]:
        """The model to evaluate. A step's products take weights that were gathered in bfloat16; an exact evaluation
        takes them in float32."""
        with computing_together():
            yield self._in_float32() if exact and self.dtype != torch.float32 else self.model
        self._let_go()

    def _in_float32(self) -> GPT:
        """A model like this one that has its blocks' weights only while each computes. All processes must call it
        alike."""
        outside = {name: rows for name, rows in self.rows.items() if not name.startswith("blocks.")}
        model = with_weights(self.config, {name: self.whole(name, rows) for name, rows in outside.items()})
        model.cos, model.sin = model.cos.to(self.device), model.sin.to(self.device)
        model.blocks = nn.ModuleList(_LentBlock(block, self, f"blocks.{i}.") for i, block in enumerate(model.blocks))
        return model

    def _let_go(self) -> None:
        """FSDP keeps embeddings and head gathered after a forward pass, for a way back that may not come."""
        assert isinstance(self.model, FSDPModule)
        self.model.reshard()

    def gathered(self) -> GPT:
        """The model as it is now, whole, to write with on rank 0's CPU."""
        model = with_weights(self.config, self.tensors())
        lay_out(model)
        if self.device != "cpu":
            torch.set_num_threads(os.cpu_count() or 1)  # torchrun gives each process one; but the others wait now
        return model

    @torch.no_grad()
    def tensors(self, *, best: bool = False) -> dict[str, Tensor]:
        """The weights by name as they are now, or the best, where they are kept: whole, on rank 0's CPU; elsewhere
        nothing."""
        with self.ordering(Order.GATHER, best):
            kept = self._best if best and self._best is not None else self.rows
            return self._on_the_cpu({name: kept[name] for name in self.spans})

    def _on_the_cpu(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, rows in parts.items():
            whole = self.whole(name, rows.to(self.device))
            if self.ranks.first:
                found[name] = whole.cpu()
        return found

    @property
    def has_best(self) -> bool:
        return self._best is not None

    def keep_best(self) -> None:
        """Keep the weights as they are now as the best."""
        with self.ordering(Order.KEEP_BEST):
            self._best = {name: rows.to("cpu", copy=True) for name, rows in self.rows.items()}

    def load_best(self, tensors: dict[str, Tensor]) -> None:
        """Keep rank 0's `tensors` as the best."""
        with self.ordering(Order.LOAD_BEST):
            best = {name: torch.empty_like(rows, device="cpu") for name, rows in self.rows.items()}
            for name, rows in best.items():
                self.hand_out(name, rows, tensors.get(name))
            self._best = best

    def swap_best(self) -> None:
        """Exchange the weights and the best ones, which are in memory."""
        with self.ordering(Order.SWAP_BEST):
            assert self._best is not None
            now = {name: rows.to("cpu", copy=True) for name, rows in self.rows.items()}
            for name, rows in self.rows.items():
                rows.copy_(self._best[name])
            self._best = now

    def follow(self, order: Order, value: float) -> None:
        """What rank 0 has ordered of the weights."""
        if order == Order.GATHER:
            self.tensors(best=bool(value))
        elif order == Order.KEEP_BEST:
            self.keep_best()
        elif order == Order.SWAP_BEST:
            self.swap_best()
        elif order == Order.LOAD_BEST:
            self.load_best({})


def shard(config: ModelConfig, mesh: DeviceMesh, dtype: torch.dtype, *, compiled: bool) -> GPT:
    """A GPT without numbers yet, shared out. What the blocks compute with is gathered in `dtype`; embeddings, head and
    what runs between the blocks stay in float32, as without sharding. Gradients are added up in float32.

    Blocks are compiled one by one: between two of them FSDP waits for weights, which no compiler follows.
    """
    with torch.device("meta"):
        model = GPT(config, initialize=False)
    tables = dict(model.named_buffers())  # of rotary positions: they do have numbers
    narrow = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in model.blocks:
        if compiled:
            block.forward = torch.compile(block.forward)
        fully_shard(block, mesh=mesh, mp_policy=narrow)
    fully_shard(model, mesh=mesh, mp_policy=MixedPrecisionPolicy(cast_forward_inputs=False))
    model.to_empty(device=mesh.device_type)
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    for name, table in tables.items():
        model.get_buffer(name).copy_(table)
    return model


def with_weights(config: ModelConfig, tensors: dict[str, Tensor]) -> GPT:
    """A GPT that computes with `tensors` by their names; what they leave out stays on the meta device."""
    with torch.device("meta"):
        model = GPT(config, initialize=False)
    for name, tensor in tensors.items():
        module, _, last = name.rpartition(".")
        setattr(model.get_submodule(module), last, nn.Parameter(tensor, requires_grad=False))
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    return model.eval()


def _own(parameter: Tensor) -> Tensor:
    """This process's rows of a parameter, in the memory that FSDP gathers from."""
    assert isinstance(parameter, DTensor)
    with torch.no_grad():
        rows: Tensor = parameter.to_local()
    return rows


class _LentBlock(nn.Module):
    """A block that computes with float32 weights which it gathers each time anew."""

    def __init__(self, block: nn.Module, parameters: ShardedParameters, prefix: str) -> None:
        super().__init__()
        self.block, self.parameters_of_all, self.prefix = block, parameters, prefix

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: None = None) -> Tensor:
        rows = self.parameters_of_all.rows
        names = [name for name, _ in self.block.named_parameters()]
        weights = {name: self.parameters_of_all.whole(self.prefix + name, rows[self.prefix + name]) for name in names}
        y: Tensor = functional_call(self.block, weights, (x, rotary, cache))
        return y


class ShardedOptimizer:
    """As `Optimizer`, of each process's rows. Its state is saved as that one's is, and taken up from it."""

    def __init__(self, flat: ShardedParameters, config: TrainConfig) -> None:
        self.flat, self.config = flat, config
        self.muon = ShardedMuon(flat, config) if config.optimizer == "muon" else None
        self.names = {group: flat.names(group) for group in flat.groups if self.muon is None or group != MATRICES}
        parts = [
            (flat.rows[name], flat.grads[name], decay_of(group, config))
            for group, names in self.names.items()
            for name in names
        ]
        self.adam = Adam(parts, (config.beta1, config.beta2), decoupled=config.optimizer != "adam")

    def step(self, scale: float) -> None:
        """One update with every peak rate multiplied by `scale`."""
        self.adam.step(self.config.learning_rate * scale)
        if self.muon is not None:
            self.muon.step(self.config.matrix_learning_rate * scale)

    def _parts(self) -> Iterator[tuple[str, str, dict[str, Tensor]]]:
        """What is saved as one flat tensor: its name, the group of its parameters, and this process's rows by
        parameter."""
        moments = iter(self.adam.parts)
        for index, (group, names) in enumerate(self.names.items()):
            states = {name: next(moments) for name in names}
            for key in ("exp_avg", "exp_avg_sq"):
                yield f"adam.{index}.{key}", group, {name: getattr(state, key) for name, state in states.items()}
        if self.muon is not None:
            yield "muon.buffer", MATRICES, self.muon.buffers

    @torch.no_grad()
    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, whole, on rank 0's CPU; elsewhere nothing."""
        flat, tensors = self.flat, {}
        with flat.ordering(Order.GATHER_OPTIMIZER):
            for key, group, parts in self._parts():
                first, last = flat.groups[group]
                gathered = torch.empty(last - first if flat.ranks.first else 0)
                for name, rows in parts.items():
                    whole = flat.whole(name, rows)
                    if flat.ranks.first:
                        start, end = flat.spans[name]
                        gathered[start - first : end - first] = whole.reshape(-1)
                tensors[key] = gathered
        steps = {f"adam.{index}.step": self.adam.parts[0].step.clone() for index in range(len(self.names))}
        return {**tensors, **steps} if flat.ranks.first else {}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up, in all processes, the state that `state` gave rank 0. Raises `DamagedModelError` there when it is
        another model's."""
        flat = self.flat
        begun = not flat.ranks.first or any(name.startswith("adam.") for name in tensors)  # as in `Optimizer`
        for key, group, parts in self._parts():
            first, last = flat.groups[group]
            saved = tensors.get(key) if begun or not key.startswith("adam.") else torch.zeros(last - first)
            if flat.ranks.first and (saved is None or saved.shape != (last - first,)):
                raise DamagedModelError(f"The saved state of this training is damaged: {key} does not fit the model.")
            for name, rows in parts.items():
                start, end = flat.spans[name]
                flat.hand_out(name, rows, saved[start - first : end - first] if saved is not None else None)
        step = tensors.get("adam.0.step", torch.zeros(())).to(flat.device)
        flat.ranks.equalize(step)
        for part in self.adam.parts:
            part.step.copy_(step)


class ShardedMuon:
    """As `Muon`. A matrix's update needs all of it: each is gathered in turn, and every process keeps its rows of what
    comes out."""

    def __init__(self, flat: ShardedParameters, config: TrainConfig) -> None:
        self.flat, self.momentum, self.weight_decay = flat, config.momentum, config.weight_decay
        self.buffers = {name: torch.zeros_like(flat.rows[name]) for name in flat.names(MATRICES)}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update at `learning_rate`."""
        flat = self.flat
        for name, buffer in self.buffers.items():
            data, grad = flat.rows[name], flat.grads[name]
            buffer.lerp_(grad, 1 - self.momentum)
            update = torch.lerp(grad, buffer, self.momentum)  # Nesterov
            whole = flat.whole(name, update.bfloat16())  # as `orthogonalize` reads it
            parts = torch.split(whole, matrices_of(name, len(whole), flat.config))
            done = [orthogonalize(part[None])[0].float().mul_(scale_of(*part.shape)) for part in parts]
            if self.weight_decay:
                data.mul_(1 - learning_rate * self.weight_decay)
            data.add_(flat.rows_of(name, torch.cat(done)), alpha=-learning_rate)
