"""How fast this machine learns, and against what: bits per byte of held-out text over wall-clock time.

The yardstick is the recipe that nanoGPT publishes for characters, run as it stands: 2000 steps on a CPU (4 layers, 4
heads, 128 wide, block 64, batch 12), 5000 on a GPU (6 layers, 6 heads, 384 wide, block 256, batch 64, dropout 0.2),
AdamW from 1e-3 to 1e-4 by a cosine after 100 steps of warm-up, betas 0.9 and 0.99, decay 0.1, gradient norm clipped
at 1.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine import locations
from engine.config import ModelConfig
from engine.data.tokenizer import train_tokenizer
from engine.generation.language_model import LanguageModel
from engine.model.gpt import GPT
from engine.model.presets import sized_model
from engine.training import bases
from engine.training.planner import default_vocab_size

WRITTEN_TOKENS = 200
LossFunction = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """A published training recipe for characters."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int
    steps: int
    dropout: float = 0.0
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-4
    warmup_steps: int = 100
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    grad_clip: float = 1.0

    def rate(self, step: int) -> float:
        """The learning rate at `step`: linear warm-up, then a cosine down to the smallest."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / (self.warmup_steps + 1)
        share = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        low, high = self.min_learning_rate, self.learning_rate
        return low + 0.5 * (1 + math.cos(math.pi * share)) * (high - low)


CPU_RECIPE = Recipe(n_layer=4, n_head=4, n_embd=128, block_size=64, batch_size=12, steps=2000)
GPU_RECIPE = Recipe(n_layer=6, n_head=6, n_embd=384, block_size=256, batch_size=64, steps=5000, dropout=0.2)


@dataclass(frozen=True)
class Point:
    """One evaluation: seconds of training, steps, bits per byte of the held-out tenth."""

    seconds: float
    step: int
    bits_per_byte: float


def our_model(recipe: Recipe, vocab_size: int) -> tuple[nn.Module, LossFunction]:
    """The recipe's model as our own gpt2 family, which computes what transformers' does."""
    config = ModelConfig(
        family="gpt2",
        vocab_size=vocab_size,
        block_size=recipe.block_size,
        n_layer=recipe.n_layer,
        n_head=recipe.n_head,
        n_embd=recipe.n_embd,
        dropout=recipe.dropout,
        tie_embeddings=True,
    )
    return GPT(config), lambda model, ids, targets: model.loss(ids, targets)


def reference_curve(
    text: str,
    recipe: Recipe = CPU_RECIPE,
    make_model: Callable[[Recipe, int], tuple[nn.Module, LossFunction]] = our_model,
    *,
    device: str = "cpu",
    evaluate_every: int = 250,
    seed: int = 1337,
) -> Iterator[Point]:
    """Train by `recipe` on the first nine tenths of `text`'s characters; yields points, the last one on all of the
    held-out tenth.

    The clock stands still while it evaluates, which favours the reference.
    """
    torch.manual_seed(seed)
    alphabet = {character: index for index, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([alphabet[character] for character in text], device=device)
    cut = int(0.9 * len(ids))
    training, heldout = ids[:cut], ids[cut:]
    bytes_per_character = len(text[cut:].encode("utf-8")) / len(heldout)
    model, loss_of = make_model(recipe, len(alphabet))
    model.to(device).train()
    optimizer = _adamw(model, recipe, device)
    dtype = torch.bfloat16 if device == "cuda" else None
    seconds = 0.0
    for step in range(recipe.steps + 1):
        if step and (step % evaluate_every == 0 or step == recipe.steps):
            windows = None if step == recipe.steps else 64
            nats = _heldout_loss(model, loss_of, heldout, recipe.block_size, windows, dtype)
            yield Point(seconds, step, nats / math.log(2) / bytes_per_character)
        if step == recipe.steps:
            return
        begun = time.monotonic()
        starts = torch.randint(len(training) - recipe.block_size, (recipe.batch_size,)).tolist()
        x = torch.stack([training[at : at + recipe.block_size] for at in starts])
        y = torch.stack([training[at + 1 : at + 1 + recipe.block_size] for at in starts])
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            loss = loss_of(model, x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds += time.monotonic() - begun


def _adamw(model: nn.Module, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """AdamW that decays matrices only, as the recipe does."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, fused=device == "cuda")


@torch.no_grad()
def _heldout_loss(
    model: nn.Module, loss_of: LossFunction, heldout: Tensor, block: int, windows: int | None, dtype: torch.dtype | None
) -> float:
    """Mean nats per character of windows that do not overlap: all of them, or some spread evenly."""
    starts = np.arange(0, len(heldout) - block - 1, block)
    if windows is not None and windows < len(starts):
        starts = starts[np.linspace(0, len(starts) - 1, windows).astype(int)]
    model.eval()
    losses = []
    for at in range(0, len(starts), 64):
        rows = starts[at : at + 64]
        x = torch.stack([heldout[start : start + block] for start in rows])
        y = torch.stack([heldout[start + 1 : start + 1 + block] for start in rows])
        with torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None):
            losses.append((float(loss_of(model, x, y)), len(rows)))
    model.train()
    return sum(loss * rows for loss, rows in losses) / sum(rows for _, rows in losses)


def our_curve(
    command: Sequence[str], text: str, seconds: float, *, device: str = "cpu", options: Sequence[str] = ()
) -> tuple[list[Point], float]:
    """Run `command train TEXT` for `seconds`, in a home of its own: its evaluations by the clock of the whole process
    (start, imports, tokenizer, evaluations and saving included), and the seconds that the process took. It begins
    knowing nothing, as the reference does, unless the options say otherwise."""
    request = [*command, "train", text, "--minutes", str(seconds / 60), "--device", device, "--json", *options]
    if not any(option.startswith("--from") for option in options):
        request += ["--from", bases.SCRATCH]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, locations.HOME_VARIABLE: home}
        begun = time.monotonic()
        done = subprocess.run(request, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
        took = time.monotonic() - begun
    events = [json.loads(line) for line in done.stdout.splitlines()]
    points = [Point(e["elapsed"], e["step"], e["bits_per_byte"]) for e in events if e["event"] == "eval"]
    return points, took


def seconds_to(points: Sequence[Point], target: float) -> float | None:
    """When `target` bits per byte were reached first; None when they never were."""
    return next((point.seconds for point in points if point.bits_per_byte <= target), None)


def writing_speed(preset: str = "small", *, device: str = "cpu", rounds: int = 3) -> float:
    """Tokens a second of a stream from a model of that preset (untrained: the arithmetic is the same), the median of
    `rounds` after one that does not count."""
    tokenizer = train_tokenizer("byte", [], 257)
    config = ModelConfig(**sized_model(preset, default_vocab_size(4_000_000, "bpe")))
    torch.manual_seed(0)
    model = LanguageModel(GPT(config).to(device), tokenizer)
    speeds = []
    for _ in range(rounds + 1):
        begun = time.monotonic()
        count = sum(1 for _ in model.stream("Once", max_new_tokens=WRITTEN_TOKENS, temperature=1.0, seed=1))
        speeds.append(count / (time.monotonic() - begun))
    return statistics.median(speeds[1:])
