"""What a training needs of memory, and whether several processes must share it out: arithmetic, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import ModelConfig, TrainConfig
from engine.errors import ConfigError

STATE_BYTES = 16
"""Of each parameter: weight, gradient and two moments (of Muon, one and its update) in float32."""
ROUND_BYTES = 12
"""Of each parameter, where there are several rounds: where they begin, their mean, and the weights that are laid aside
while that is looked at."""
GATHERED_BYTES = 8
"""Of each parameter that a sharded step has gathered: weight and gradient."""


@dataclass(frozen=True)
class Needs:
    """Bytes that training takes at the least, whatever is saved in it."""

    state: int
    """What is kept for the weights, once."""
    batch: int
    """What a batch leaves in each block for the way back, in all processes together."""
    gathered: int
    """What a process of a sharded training has whole while it computes: embeddings, head, and two blocks, of which one
    is on its way."""

    @classmethod
    def of(cls, model: ModelConfig, train: TrainConfig) -> Needs:
        counts = model.parameter_counts()
        outside = counts["embedding"] + counts["positions"] + counts["head"]
        block = (counts["attention"] + counts["feed_forward"]) // model.n_layer
        return cls(
            state=STATE_BYTES * counts["total"],
            batch=4 * 8 * train.batch_size * model.block_size * model.n_layer * model.n_embd,
            gathered=GATHERED_BYTES * (outside + 2 * block),
        )


def has_room_for_rounds(model: ModelConfig, memory: int, processes: int) -> bool:
    """Whether several rounds leave half of each process's share of `memory` (bytes in all, 0: unknown) for the batches
    and for others."""
    needed = processes * (STATE_BYTES + ROUND_BYTES) * model.parameter_counts()["total"]
    return not memory or needed <= memory / 2


def shards(model: ModelConfig, train: TrainConfig, memory: int, processes: int) -> bool:
    """Whether each of `processes`, which together have `memory` bytes (0: unknown), keeps a part of the weights instead
    of all of them. One process alone has nothing to share out, whatever is asked."""
    if processes == 1 or train.sharded != "auto":
        return processes > 1 and train.sharded == "on"
    needs = Needs.of(model, train)
    return 0 < memory < processes * needs.state + needs.batch


def check_memory(model: ModelConfig, train: TrainConfig, memory: int, processes: int) -> None:
    """Raises `ConfigError` when the training cannot fit into the `memory` bytes (0: unknown) that `processes` have
    together."""
    needs = Needs.of(model, train)
    sharded = shards(model, train, memory, processes)
    state = needs.state + processes * needs.gathered if sharded else processes * needs.state
    if not memory or state + needs.batch <= memory:
        return
    has = "this machine has" if processes == 1 else f"the {processes} processes have"
    needed = f"{(state + needs.batch) / 1e9:,.0f} GB of memory at least, and {has} {memory / 1e9:,.0f}"
    if state > needs.batch:
        parameters = model.parameter_counts()["total"]
        whole = ", or leave sharded=off out" if processes > 1 and not sharded else ""
        raise ConfigError(f"n_embd: training {parameters:,} parameters takes {needed}; lower it, or n_layer{whole}.")
    raise ConfigError(f"batch_size: batches of {train.batch_size:,} take {needed}; lower it.")
