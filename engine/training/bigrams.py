"""A start before the start: embeddings and head learn which token follows which, from counts, before the blocks learn
anything.

While the blocks are still the identity, a GPT is a table of bigrams factored into two matrices (Levy and Goldberg
2014), and fitting it to the counts of the whole text takes a fraction of a second instead of the first tens of steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.model.gpt import GPT
from engine.training.optim import Adam

MOST_TOKENS = 2_000_000
MOST_LOGITS = 1 << 26
"""Logits of a step: of a large vocabulary, that many are computed for the tokens that occur most often."""
CHUNK = 1 << 23
"""Logits that are in memory at once."""
LEARNING_RATE = 0.02


class Pairs(NamedTuple):
    """Which token follows which, and how often: three columns."""

    first: Tensor
    second: Tensor
    times: Tensor


def fits(model: GPT) -> bool:
    """Whether this model begins as a table of bigrams: blocks that add nothing yet, and a head of its own."""
    return model.config.family == "qwen3" and not model.config.tie_embeddings


def count_bigrams(tokens: NDArray[np.integer], vocab_size: int) -> Pairs:
    """How often each token follows each, from up to two million tokens spread over the text in long stretches."""
    stretch = 50_000
    every = max(1, len(tokens) // MOST_TOKENS)
    starts = range(0, len(tokens) - 1, stretch * every)
    some = (np.asarray(tokens[start : start + stretch + 1], dtype=np.int64) for start in starts)
    keys, counts = np.unique(np.concatenate([part[:-1] * vocab_size + part[1:] for part in some]), return_counts=True)
    first, second = np.divmod(keys, vocab_size)
    return Pairs(torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(counts).float())


@torch.no_grad()
def fit_bigrams(model: GPT, pairs: Pairs, steps: int, dtype: torch.dtype) -> None:
    """Move embeddings and head by `steps` of Adam on the cross-entropy of all pairs at once, products in `dtype`; of a
    vocabulary past eight thousand, on that of the pairs that begin with its commonest tokens."""
    config, device = model.config, model.embedding.weight.device
    embedding, head = model.embedding.weight.detach(), model.head.weight.detach()
    embedding_grad, head_grad = torch.zeros_like(embedding), torch.zeros_like(head)
    chunks = [chunk.to(device) for chunk in _chunks(pairs, config.vocab_size)]
    adam = Adam([(embedding, embedding_grad, 0.0), (head, head_grad, 0.0)], (0.9, 0.95))
    for step in range(steps):
        head_grad.zero_()
        weight = head.to(dtype)
        for chunk in chunks:
            rows = embedding.index_select(0, chunk.tokens)  # (R, C)
            scale = torch.rsqrt(rows.square().mean(dim=1, keepdim=True) + config.norm_eps)
            normed = (rows * scale).to(dtype)
            probabilities = torch.softmax(torch.mm(normed, weight.t()).float(), dim=1)  # (R, V)
            probabilities.mul_(chunk.shares).view(-1).index_add_(0, chunk.places, chunk.counted, alpha=-1.0)
            dlogits = probabilities.to(dtype)
            head_grad.add_(torch.mm(dlogits.t(), normed))
            dnormed = torch.mm(dlogits, weight).float()
            embedding_grad.index_copy_(0, chunk.tokens, _norm_backward(dnormed, normed.float(), scale))
        adam.step(LEARNING_RATE * min(1.0, (step + 1) / 5) * (1 - 0.9 * step / steps))


class _Chunk(NamedTuple):
    """Some tokens (R,), how much of the text each begins (R, 1), and the pairs that they begin: where each stands among
    R x V logits, and its share of the text."""

    tokens: Tensor
    shares: Tensor
    places: Tensor
    counted: Tensor

    def to(self, device: torch.device) -> _Chunk:
        return _Chunk(*(tensor.to(device) for tensor in self))


def _chunks(pairs: Pairs, vocab: int) -> list[_Chunk]:
    """The pairs by their first tokens, the commonest first, in chunks that fit into memory."""
    share = pairs.times / pairs.times.sum()
    by_first = torch.zeros(vocab).index_add_(0, pairs.first, share)
    most = min(int((by_first > 0).sum()), max(1, MOST_LOGITS // vocab))
    order = torch.argsort(by_first, descending=True, stable=True)[:most]
    rank = torch.full((vocab,), vocab, dtype=torch.int64)
    rank[order] = torch.arange(most)
    ranks, size = rank[pairs.first], max(1, CHUNK // vocab)
    chunks = []
    for begin, tokens in enumerate(torch.split(order, size)):
        row = ranks - begin * size
        mine = (row >= 0) & (row < len(tokens))
        places = row[mine] * vocab + pairs.second[mine]
        chunks.append(_Chunk(tokens, by_first[tokens, None], places, share[mine]))
    return chunks


def _norm_backward(gradient: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
    return (gradient - normed * (gradient * normed).mean(dim=1, keepdim=True)) * scale
