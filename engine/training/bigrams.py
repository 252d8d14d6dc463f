"""A start before the start: embeddings and head learn which token follows which, from counts, before the blocks learn
anything.

While the blocks are still the identity, a GPT is a table of bigrams factored into two matrices (Levy and Goldberg
2014), and fitting it to the counts of the whole text takes a fraction of a second instead of the first tens of steps.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.model.gpt import GPT
from engine.training.optim import FlatParameters

MOST_TOKENS = 4_000_000
MOST_VOCABULARY = 4096
"""Above it the table of all pairs is too large to be worth it."""
LEARNING_RATE = 0.02


def fits(model: GPT) -> bool:
    """Whether this model begins as a table of bigrams: blocks that add nothing yet, and a head of its own."""
    config = model.config
    return config.family == "qwen3" and not config.tie_embeddings and config.vocab_size <= MOST_VOCABULARY


def count_bigrams(tokens: NDArray[np.integer], vocab_size: int) -> NDArray[np.float32]:
    """How often each token follows each: (V, V), from up to four million tokens spread over the text in long
    stretches."""
    stretch = 50_000
    every = max(1, len(tokens) // MOST_TOKENS)
    counts = np.zeros(vocab_size * vocab_size, dtype=np.int64)
    for start in range(0, len(tokens) - 1, stretch * every):
        some = np.asarray(tokens[start : start + stretch + 1], dtype=np.int64)
        counts += np.bincount(some[:-1] * vocab_size + some[1:], minlength=len(counts))
    return counts.reshape(vocab_size, vocab_size).astype(np.float32)


@torch.no_grad()
def fit_bigrams(model: GPT, flat: FlatParameters, counts: NDArray[np.float32], steps: int, dtype: torch.dtype) -> None:
    """Move embeddings and head by `steps` of Adam on the cross-entropy of all pairs at once, products in `dtype`."""
    config = model.config
    embedding, head = (nn.Parameter(flat.view(flat.data, name)) for name in ("embedding.weight", "head.weight"))
    pairs = torch.from_numpy(counts).to(flat.data.device)
    pairs /= pairs.sum()
    firsts = pairs.sum(dim=1, keepdim=True)  # (V, 1)
    adam = torch.optim.Adam([embedding, head], lr=LEARNING_RATE, betas=(0.9, 0.95))
    for step in range(steps):
        adam.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 5) * (1 - 0.9 * step / steps)
        scale = torch.rsqrt(embedding.square().mean(dim=1, keepdim=True) + config.norm_eps)
        normed = (embedding * scale).to(dtype)  # (V, C)
        logits = torch.mm(normed, head.to(dtype).t()).float()
        dlogits = torch.softmax(logits, dim=1).mul_(firsts).sub_(pairs).to(dtype)  # (V, V)
        head.grad = torch.mm(dlogits.t(), normed).float()
        embedding.grad = _norm_backward(torch.mm(dlogits, head.to(dtype)).float(), normed.float(), scale)
        adam.step()


def _norm_backward(gradient: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
    return (gradient - normed * (gradient * normed).mean(dim=1, keepdim=True)) * scale
