"""Logits → the next token: small functions that compose. Each takes and gives logits (B, V), one row a sample.

What is ruled out has the logit -inf. Noise is drawn on the CPU by a generator per sample: a seed gives the same text on
every device, and a sample the same text alone as among others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from engine.config import SampleConfig

_RULED_OUT = -math.inf
_COLDEST = 1e-6  # a lower temperature than that would make infinite numbers, and chooses no differently


def choose(
    logits: Tensor, config: SampleConfig, generators: Sequence[Generator], written: Tensor | None = None
) -> Tensor:
    """The next token (B,) of each sample. `written` (B, V, bool) says which tokens are there already; it is read only
    when there is a repetition penalty."""
    shaped = shape(logits, config, written)
    return shaped.argmax(dim=-1) if config.temperature == 0.0 else race(shaped, generators)


def shape(logits: Tensor, config: SampleConfig, written: Tensor | None = None) -> Tensor:
    """Logits as the next token is drawn from them: after repetition penalty, temperature and truncation. At temperature
    0 the likeliest token alone is left."""
    if written is not None and config.repetition_penalty != 1.0:
        logits = penalize(logits, written, config.repetition_penalty)
    if config.temperature == 0.0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, _RULED_OUT).scatter_(-1, best, 0.0)
    logits = logits / max(config.temperature, _COLDEST)
    if config.top_k:
        logits = keep_top_k(logits, config.top_k)
    if config.top_p < 1.0:
        logits = keep_top_p(logits, config.top_p)
    if config.min_p:
        logits = keep_min_p(logits, config.min_p)
    return logits


def penalize(logits: Tensor, written: Tensor, penalty: float) -> Tensor:
    """Divide the logits of tokens already written by `penalty` (Keskar et al. 2019, CTRL); a negative one is
    multiplied, so that it sinks too."""
    return torch.where(written, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the `k` likeliest tokens (Fan et al. 2018), no more of them where several are equally likely."""
    if k >= logits.shape[-1]:
        return logits
    values, ids = logits.topk(k, dim=-1)
    return torch.full_like(logits, _RULED_OUT).scatter_(-1, ids, values)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the likeliest tokens that together have the probability `p`: the nucleus (Holtzman et al. 2020); one at
    least.

    Looks at the 64 likeliest first, and at more only where the nucleus is larger: sorting a whole vocabulary is slow.
    """
    vocabulary = logits.shape[-1]
    total = logits.logsumexp(dim=-1, keepdim=True)
    k = min(64, vocabulary)
    while True:
        values, ids = logits.topk(k, dim=-1)
        shares = (values - total).exp()
        before = shares.cumsum(dim=-1) - shares  # the probability of all likelier tokens
        if k == vocabulary or bool((before[:, -1] >= p).all()):
            break
        k = min(8 * k, vocabulary)
    inside = values.masked_fill(before >= p, _RULED_OUT)
    inside[:, 0] = values[:, 0]
    return torch.full_like(logits, _RULED_OUT).scatter_(-1, ids, inside)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Rule out tokens less likely than the share `p` of the likeliest (Nguyen et al. 2024)."""
    return logits.masked_fill(logits < logits.amax(dim=-1, keepdim=True) + math.log(p), _RULED_OUT)


def race(logits: Tensor, generators: Sequence[Generator]) -> Tensor:
    """Draw a token (B,) from each row's softmax: of clocks that ring after exponential times, each at the rate p_i,
    number i rings first with the probability p_i. Unlike `multinomial` it takes a generator for each row, and no device
    waits."""
    times = torch.empty(logits.shape, dtype=torch.float32)
    for row, generator in zip(times, generators, strict=True):
        row.uniform_(generator=generator)
    times.log_().neg_()  # of a uniform number: exponential, five times faster than `exponential_`
    return (logits.softmax(dim=-1) / times.to(logits.device)).argmax(dim=-1)
