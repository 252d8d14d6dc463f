"""Held-out tokens → loss in nats per token, perplexity, bits per byte.

Windows do not overlap and every token is predicted once; the first is predicted from the end-of-text token, as at the
beginning of a document.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from engine.model.gpt import GPT


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts a text: `loss` in nats per token, `bits_per_byte` of the text's UTF-8."""

    bits_per_byte: float
    loss: float
    perplexity: float
    tokens: int
    bytes: int


def evaluation(nats: float, tokens: int, n_bytes: int) -> Evaluation:
    """The three figures from a sum of cross-entropies."""
    loss = nats / max(tokens, 1)
    return Evaluation(
        bits_per_byte=nats / math.log(2) / max(n_bytes, 1),
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),
        tokens=tokens,
        bytes=n_bytes,
    )


@torch.no_grad()
def window_losses(
    model: GPT, tokens: NDArray[np.integer], first: int, windows: NDArray[np.int64], *, dtype: torch.dtype | None = None
) -> NDArray[np.float64]:
    """Sum of nats in each of `windows` (indices k: tokens kB … (k+1)B of the text, B the block size).

    `first` is the token before the text (end-of-text). `dtype` bfloat16 computes the products in it.
    """
    block = model.config.block_size
    longest = max(1, min(block, len(tokens)))  # a text shorter than a window needs no row as long
    device = model.embedding.weight.device
    rows = max(1, min(64, 2**24 // (longest * model.config.vocab_size)))
    sums = np.zeros(len(windows))
    training = model.training
    model.eval()
    for start in range(0, len(windows), rows):
        chosen = windows[start : start + rows]
        ids = np.full((len(chosen), longest), first, dtype=np.int64)
        # What lies past the text's end has cross_entropy's ignore_index.
        targets = np.full((len(chosen), longest), -100, dtype=np.int64)
        for row, window in enumerate(chosen):
            text = tokens[window * block : (window + 1) * block]
            targets[row, : len(text)] = text
            ids[row, 1 : len(text)] = text[:-1]
            if window > 0:
                ids[row, 0] = tokens[window * block - 1]
        x, y = torch.from_numpy(ids).to(device), torch.from_numpy(targets).to(device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            logits = model(x)
        nats = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), reduction="none").view(len(chosen), longest)
        sums[start : start + rows] = nats.double().sum(dim=1).cpu().numpy()
    model.train(training)
    return sums


def evaluate(
    model: GPT,
    tokens: NDArray[np.integer],
    n_bytes: int,
    *,
    first: int,
    max_windows: int | None = None,
    lengths: NDArray[np.integer] | None = None,
    dtype: torch.dtype | None = None,
    rank: int = 0,
    world_size: int = 1,
    add: Callable[[list[float]], list[float]] | None = None,
) -> Evaluation:
    """Evaluate `tokens`, a text of `n_bytes`, or `max_windows` windows spread evenly over it.

    A part's bytes are counted by `lengths`, the bytes of each token of the vocabulary (V), else in proportion to its
    tokens. Of several processes each takes every `world_size`-th window, and `add` adds up, over all of them, what
    each has counted.
    """
    block = model.config.block_size
    order = _spread(math.ceil(len(tokens) / block))
    whole = max_windows is None or max_windows >= len(order)
    every = np.sort(order[:max_windows])
    chosen = every[rank::world_size]
    # Processes that share a model out compute in step: who has a window less computes one that does not count.
    spare = every[: math.ceil(len(every) / world_size) - len(chosen)]
    nats, seen, size = 0.0, 0, 0
    for start in range(0, len(chosen) + len(spare), 64):
        windows = chosen[start : start + 64]
        computed = np.append(windows, spare) if start + 64 > len(chosen) else windows
        nats += float(window_losses(model, tokens, first, computed, dtype=dtype)[: len(windows)].sum())
        seen += int(np.minimum(block, len(tokens) - windows * block).sum())
    if not whole and lengths is not None:
        size = sum(int(lengths[tokens[window * block : (window + 1) * block]].sum()) for window in chosen)
    if add is not None:
        totals = add([nats, seen, size])
        nats, seen, size = totals[0], round(totals[1]), round(totals[2])
    if whole or lengths is None:
        size = round(n_bytes * seen / max(len(tokens), 1))
    return evaluation(nats, seen, size)


def _spread(count: int) -> NDArray[np.int64]:
    """0 … count-1 in an order whose every beginning is spread evenly (steps of the golden ratio; Weyl 1916)."""
    step = max(1, round(count * 0.6180339887498949))
    while math.gcd(step, count) != 1:
        step += 1
    return (np.arange(count, dtype=np.int64) * step) % max(count, 1)
