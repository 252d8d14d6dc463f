"""How predictable a text is before any model has learned it: a trigram model, counted in a fraction of a second.

What a neural model reaches on a text follows closely what counting reaches on it, so the planner foretells from here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from engine.data.dataset import TokenData
    from engine.data.tokenizer import Tokenizer

TRAIN_TOKENS = 400_000
"""Tokens that are counted at most: the same for every text, so that what is compared is the texts."""
HELDOUT_TOKENS = 60_000
_STRETCH = 4_000
_DISCOUNT = 0.75  # of absolute discounting; between the 0.7 and 0.9 that texts of this size ask for

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]


def bits_per_byte(
    train: NDArray[np.integer], heldout: NDArray[np.integer], bytes_per_token: float, vocab_size: int
) -> float:
    """Bits per byte of held-out tokens under a trigram model of the training tokens: Kneser-Ney's interpolated
    smoothing with one discount (Kneser & Ney 1995; Chen & Goodman 1998), from at most `TRAIN_TOKENS` tokens; nan when
    there is too little to count. Less of them where many triples are known: in a text as regular as that a model finds
    more than is counted (of six texts the most regular, conversations, came out 8% better than their trigrams told)."""
    train, heldout = _spread(train, TRAIN_TOKENS), _spread(heldout, HELDOUT_TOKENS)
    if len(train) < 64 or len(heldout) < 16:
        return math.nan
    nats = -float(np.log(_probabilities(train, heldout, vocab_size)).mean())
    regular = 1 - 0.3 * (min(max(_known(train, heldout, vocab_size), 0.25), 0.65) - 0.38)
    return regular * nats / math.log(2) / bytes_per_token


def _known(train: NDArray[np.int64], heldout: NDArray[np.int64], vocab: int) -> float:
    """The share of the held-out triples of tokens that stand in the training tokens as well."""
    there, wanted = ((part[:-2] * vocab + part[1:-1]) * vocab + part[2:] for part in (train, heldout))
    return float(np.isin(wanted, there).mean())


def trigram_bits(tokens: TokenData, tokenizer: Tokenizer) -> float:
    """`bits_per_byte` of a corpus's held-out part."""
    bytes_per_token = tokens.heldout_bytes / max(1, len(tokens.heldout))
    return bits_per_byte(tokens.train, tokens.heldout, bytes_per_token, tokenizer.vocab_size)


def _spread(tokens: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """At most that many tokens, in stretches that are spread evenly over all."""
    if len(tokens) <= most:
        return tokens.astype(np.int64)
    begins = np.linspace(0, len(tokens) - _STRETCH, most // _STRETCH).astype(np.int64)
    return np.concatenate([tokens[begin : begin + _STRETCH] for begin in begins]).astype(np.int64)


def _probabilities(train: NDArray[np.int64], heldout: NDArray[np.int64], vocab: int) -> NDArray[np.float64]:
    """The probability of each token of `heldout` from its third on. Pairs and triples are counted under one number."""
    pairs = np.unique(train[:-2] * vocab + train[1:-1], return_counts=True)  # those that something follows
    triples = np.unique((train[:-2] * vocab + train[1:-1]) * vocab + train[2:], return_counts=True)

    followers = np.unique(triples[0] // vocab, return_counts=True)  # different tokens after each pair
    before = np.unique(triples[0] % (vocab * vocab), return_counts=True)  # different tokens before each pair
    before_first = np.bincount(before[0] // vocab, weights=before[1], minlength=vocab)
    pairs_first = np.bincount(before[0] // vocab, minlength=vocab)
    contexts = np.bincount(pairs[0] % vocab, minlength=vocab) + 0.5  # different tokens before each token

    first, second, third = heldout[:-2], heldout[1:-1], heldout[2:]
    single = contexts[third] / contexts.sum()
    double = _interpolated(_count(before, second * vocab + third), before_first[second], pairs_first[second], single)
    context = first * vocab + second
    return _interpolated(
        _count(triples, context * vocab + third), _count(pairs, context), _count(followers, context), double
    )


def _interpolated(
    count: NDArray[np.int64],
    total: NDArray[np.int64 | np.float64],
    kinds: NDArray[np.int64],
    shorter: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Discounted counts, and what the discounts leave shared out by the shorter context; that alone where this context
    was never seen."""
    seen = np.maximum(total, 1)
    share = np.minimum(1.0, _DISCOUNT * kinds / seen)
    return np.where(kinds > 0, np.maximum(count - _DISCOUNT, 0) / seen + share * shorter, shorter)


def _count(counts: Counts, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of `wanted` was counted."""
    keys, numbers = counts
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, numbers[at], 0)
