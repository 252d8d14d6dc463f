"""Parameter groups, optimizers, learning-rate schedules.

All weights lie in one flat buffer and all gradients in another, so that clipping, casting and Adam are a few large
operations instead of hundreds of small ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from engine.config import ModelConfig, TrainConfig
from engine.errors import DamagedModelError
from engine.model.gpt import GPT

MATRICES, EMBEDDINGS, VECTORS = "matrices", "embeddings", "vectors"


def group_of(name: str, parameter: Tensor) -> str:
    """Which group a parameter belongs to: the blocks' matrices, embeddings and head, or gains and biases."""
    if parameter.dim() < 2:
        return VECTORS
    return MATRICES if name.startswith("blocks.") else EMBEDDINGS


class Layout:
    """Where each of a model's parameters lies in a flat buffer of all of them, ordered by group. The optimizer's state
    is saved in that order."""

    def __init__(self, model: GPT) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters()]
        order = {MATRICES: 0, EMBEDDINGS: 1, VECTORS: 2}
        named.sort(key=lambda item: order[group_of(*item)])
        self.config = model.config
        self.spans: dict[str, tuple[int, int]] = {}
        self.shapes: dict[str, torch.Size] = {}
        self.groups: dict[str, tuple[int, int]] = {}
        self.total = 0
        for name, parameter in named:
            at, end = self.total, self.total + parameter.numel()
            self.spans[name], self.shapes[name] = (at, end), parameter.shape
            first, _ = self.groups.get(group_of(name, parameter), (at, end))
            self.groups[group_of(name, parameter)] = (first, end)
            self.total = end

    def names(self, group: str) -> list[str]:
        """The parameters of a group, in order."""
        first, last = self.groups[group]
        return [name for name, (start, end) in self.spans.items() if first <= start and end <= last]


class FlatParameters(Layout):
    """A model's parameters as views of one flat float32 buffer, their gradients as views of another, ordered by group;
    and a copy of the best that they have been."""

    def __init__(self, model: GPT) -> None:
        super().__init__(model)
        self.model = self.source = model
        device = model.embedding.weight.device
        self.data = torch.empty(self.total, dtype=torch.float32, device=device)
        self.grad = torch.zeros(self.total, dtype=torch.float32, device=device)
        self._best: Tensor | None = None
        for name, parameter in model.named_parameters():
            self.view(self.data, name).copy_(parameter.detach())
            parameter.data = self.view(self.data, name)
            parameter.grad = self.view(self.grad, name)

    def view(self, flat: Tensor, name: str) -> Tensor:
        """The part of a flat buffer that belongs to the parameter `name`, in its shape."""
        start, end = self.spans[name]
        return flat[start:end].view(self.shapes[name])

    def clip_gradients(self, largest: float) -> Tensor:
        """Scale the gradients so that their norm is at most `largest` (0: leave them); the norm before (Pascanu et
        al. 2013)."""
        norm: Tensor = torch.linalg.vector_norm(self.grad)
        if largest:
            self.grad.mul_(torch.clamp(largest / (norm + 1e-6), max=1.0))
        return norm

    # What may differ where the weights are sharded: see `ShardedParameters`

    def begin(self, equalize: Callable[[Tensor], None]) -> None:
        """Begin from rank 0's weights in every process."""
        equalize(self.data)

    def average(self, mean: Callable[[Tensor], None]) -> None:
        """Make of each process's gradients those of all."""
        mean(self.grad)

    @contextmanager
    def evaluated(self, equalize: Callable[[Tensor], None], *, exact: bool) -> Iterator[GPT]:
        """The model to evaluate, with rank 0's weights: it may have put back earlier ones, and where machines round
        differently their weights drift apart no further than this."""
        equalize(self.data)
        yield self.model

    def gathered(self) -> GPT:
        """The model as it is now, to write with in this process."""
        return self.model

    def tensors(self, *, best: bool = False) -> dict[str, Tensor]:
        """The weights by name as they are now, or the best, where they are kept."""
        flat = self._best if best and self._best is not None else self.data
        return {name: self.view(flat, name) for name in self.spans}

    @property
    def has_best(self) -> bool:
        """Whether the best weights are in memory."""
        return self._best is not None

    def keep_best(self) -> None:
        """Keep the weights as they are now as the best."""
        self._best = self.data.clone()

    def load_best(self, tensors: dict[str, Tensor]) -> None:
        """Keep those weights as the best."""
        self._best = torch.cat([tensors[name].to(self.data.device).reshape(-1) for name in self.spans])

    def swap_best(self) -> None:
        """Exchange the weights and the best ones, which are in memory."""
        assert self._best is not None
        now = self.data.clone()
        self.data.copy_(self._best)
        self._best = now


NEWTON_SCHULZ = ((7.7110, -22.1138, 16.2487), (3.2153, -2.4112, 0.5013), (2.2183, -1.5940, 0.4107))
"""(a, b, c) of three polynomials ax + bx³ + cx⁵ that together bring singular values from [0.02, 1] to within a tenth
of 1: each is the nearest to 1 on the interval that those before it leave (Amsel et al. 2025, Polar Express; found by
Remez exchange). They learned as well as Muon's published five, in three fifths of the time."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrix to each of `matrices` (n, rows, columns), approximately, by Newton-Schulz
    in bfloat16 (Jordan et al. 2024, Muon; Bernstein and Newhouse 2024)."""
    x = matrices.bfloat16()
    wide = x.shape[-2] <= x.shape[-1]
    if not wide:
        x = x.mT
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True, dtype=torch.float32) * 1.02 + 1e-7).bfloat16()
    for a, b, c in NEWTON_SCHULZ:
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x if wide else x.mT


def matrices_of(name: str, rows: int, config: ModelConfig) -> list[int]:
    """The rows of each matrix that the parameter `name` of so many rows holds. Fused projections are taken apart, as
    each is a matrix of its own: queries, keys, values; gate, up."""
    if name.endswith("qkv.weight"):
        return [config.n_head * config.head_dim, *[config.n_kv_head * config.head_dim] * 2]
    return [config.n_ff] * 2 if name.endswith("up.weight") and config.family == "qwen3" else [rows]


def scale_of(rows: int, columns: int) -> float:
    """What Muon's update of such a matrix is multiplied by."""
    return math.sqrt(max(1.0, rows / columns))


def decay_of(group: str, config: TrainConfig) -> float:
    """The weight decay of a group under Adam. Beside Muon embeddings are left free: its decay is measured in its own
    rate."""
    free = group == VECTORS or (config.optimizer == "muon" and group == EMBEDDINGS)
    return 0.0 if free else config.weight_decay


class Muon:
    """Momentum orthogonalised, for the matrices of the blocks (Jordan et al. 2024), with decoupled weight decay."""

    def __init__(self, flat: FlatParameters, momentum: float, weight_decay: float) -> None:
        first, last = flat.groups[MATRICES]
        self.data, self.grad = flat.data[first:last], flat.grad[first:last]
        self.momentum, self.weight_decay = momentum, weight_decay
        self.buffer = torch.zeros_like(self.data)
        self.update = torch.zeros_like(self.data)
        self.pieces: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for name in flat.names(MATRICES):
            rows, columns = flat.shapes[name]
            at = flat.spans[name][0] - first
            for part in matrices_of(name, rows, flat.config):
                self.pieces.setdefault((part, columns), []).append((at, at + part * columns))
                at += part * columns

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update at `learning_rate`."""
        self.buffer.lerp_(self.grad, 1 - self.momentum)
        torch.lerp(self.grad, self.buffer, self.momentum, out=self.update)  # Nesterov
        for (rows, columns), spans in self.pieces.items():
            stacked = torch.stack([self.update[start:end] for start, end in spans]).view(-1, rows, columns)
            result = orthogonalize(stacked).float().mul_(scale_of(rows, columns)).reshape(len(spans), -1)
            for (start, end), piece in zip(spans, result, strict=True):
                self.update[start:end] = piece
        if self.weight_decay:
            self.data.mul_(1 - learning_rate * self.weight_decay)
        self.data.add_(self.update, alpha=-learning_rate)


@dataclass
class _Moments:
    """A stretch of weights under Adam: what it moves, by which gradients and with which decay; its state."""

    data: Tensor
    grad: Tensor
    weight_decay: float

    def __post_init__(self) -> None:
        self.step = torch.zeros((), dtype=torch.float32, device=self.data.device)
        self.exp_avg, self.exp_avg_sq = torch.zeros_like(self.data), torch.zeros_like(self.data)

    def state(self) -> dict[str, Tensor]:
        return {"step": self.step, "exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}


class Adam:
    """Adam (Kingma and Ba 2015), or with `decoupled` decay AdamW (Loshchilov and Hutter 2019), fused.

    It calls the function that torch's class of that name calls; the class imports a second's worth of torch with it.
    """

    def __init__(
        self, parts: Sequence[tuple[Tensor, Tensor, float]], betas: tuple[float, float], *, decoupled: bool = True
    ) -> None:
        self.parts = [_Moments(*part) for part in parts]
        self.betas, self.decoupled = betas, decoupled

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update at `learning_rate`."""
        for part in self.parts:
            adam(
                [part.data],
                [part.grad],
                [part.exp_avg],
                [part.exp_avg_sq],
                [],
                [part.step],
                fused=True,
                decoupled_weight_decay=self.decoupled,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=learning_rate,
                weight_decay=part.weight_decay,
                eps=1e-8,
                maximize=False,
            )


class Optimizer:
    """What moves the weights: Adam, AdamW, or Muon on the matrices with AdamW on the rest. One state, saved and
    restored whole."""

    def __init__(self, flat: FlatParameters, config: TrainConfig) -> None:
        self.config = config
        self.muon: Muon | None = None
        groups = dict(flat.groups)
        if config.optimizer == "muon":
            self.muon = Muon(flat, config.momentum, config.weight_decay)
            groups.pop(MATRICES)
        parts = [
            (flat.data[start:end], flat.grad[start:end], decay_of(group, config))
            for group, (start, end) in groups.items()
        ]
        self.adam = Adam(parts, (config.beta1, config.beta2), decoupled=config.optimizer != "adam")

    def step(self, scale: float) -> None:
        """One update with every peak rate multiplied by `scale`."""
        self.adam.step(self.config.learning_rate * scale)
        if self.muon is not None:
            self.muon.step(self.config.matrix_learning_rate * scale)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors."""
        tensors = {
            f"adam.{index}.{key}": value
            for index, part in enumerate(self.adam.parts)
            for key, value in part.state().items()
        }
        if self.muon is not None:
            tensors["muon.buffer"] = self.muon.buffer
        return tensors

    def reset(self) -> None:
        """Forget all gradients."""
        for tensor in self.state().values():
            tensor.zero_()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `state` gave. Raises `DamagedModelError` when it is another model's."""
        begun = any(name.startswith("adam.") for name in tensors)  # older files have nothing of a run of no steps
        for name, own in self.state().items():
            if not begun and name.startswith("adam."):
                continue
            if name not in tensors or tensors[name].shape != own.shape:
                raise DamagedModelError(f"The saved state of this training is damaged: {name} does not fit the model.")
            own.copy_(tensors[name])


def rate_scale(config: TrainConfig, step: int, progress: float) -> float:
    """The share of the peak learning rate at `step` (from 0), when `progress` (0 to 1) of the budget is used: a
    linear warm-up, then linear (Defazio et al. 2023), cosine (Loshchilov and Hutter 2017) or no decay."""
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    progress = min(max(progress, 0.0), 1.0)
    decay = {"constant": 1.0, "linear": 1.0 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}[
        config.schedule
    ]
    return warmup * (config.min_learning_rate + (1 - config.min_learning_rate) * decay)
