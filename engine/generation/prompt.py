"""A prompt → the tokens that a model reads, and the other ways in which its end could be written.

A text's tokens depend on what comes after it: 'Once upon a ti' ends in ' t' and 'i', 'Once ' in ' ', and neither is
followed by 'me' or 'upon' anywhere in a text that was cut into ' time' and ' upon'. So the end of a prompt stays open
("token healing", Lundberg 2023): the model chooses among all tokens that cover what the prompt's last tokens say. It
reads the prompt once; the probabilities of the tokens on the way tell how likely each ending is. That the tokens before
the ending would have to be others too is rare (after 0.5% of places in English prose, with 2,048 tokens).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.data.tokenizer import Tokenizer


class Vocabulary:
    """The tokens that have bytes, in the bytes' order, to find those that begin alike."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        spelled = sorted(
            (spelling, id_) for id_ in range(tokenizer.vocab_size) if (spelling := tokenizer.token_bytes(id_))
        )
        self._spellings = [spelling for spelling, _ in spelled]
        self._ids = [id_ for _, id_ in spelled]
        self.longest = max(map(len, self._spellings), default=0)

    def beginning_with(self, start: bytes) -> list[int]:
        """The ids of the tokens whose bytes are `start` or begin with it."""
        first = last = bisect_left(self._spellings, start)
        while last < len(self._spellings) and self._spellings[last].startswith(start):
            last += 1
        return self._ids[first:last]


@dataclass(frozen=True)
class Ending:
    """The prompt may be written with the tokens before `start` and then any of `tokens`, which all cover the rest: the
    bytes `covered`."""

    start: int
    tokens: list[int]
    covered: bytes


@dataclass(frozen=True)
class Opening:
    """What the model reads before it writes, and the other ways to end it (none: it is used as it stands)."""

    ids: list[int]
    endings: list[Ending] = field(default_factory=list)
    spaced: bool = False
    """Whether the prompt ended in a space, left out here: one that comes with the next word must not be shown."""


def read_prompt(prompt: str, tokenizer: Tokenizer, vocabulary: Vocabulary, block_size: int) -> Opening:
    """The opening for a prompt. An empty one, or one that may be taken back whole, begins a document: with end-of-text.

    Of a prompt that is longer than the context, three quarters of a context are read: there is room to write on.
    """
    prompt = prompt[-(block_size + 8) * max(1, vocabulary.longest) :]  # more could never be read
    spaced = tokenizer.kind == "word" and prompt.endswith(" ")  # words bring their space with them
    ids = tokenizer.encode(prompt.rstrip(" ") if spaced else prompt)
    if not ids:
        return Opening([tokenizer.end_of_text], spaced=spaced)
    endings = find_endings(ids, tokenizer, vocabulary) if tokenizer.kind == "bpe" else []
    if endings and endings[-1].start == 0:
        ids, endings = [tokenizer.end_of_text, *ids], _moved(endings, 1)
    if len(ids) > block_size:
        left_out = len(ids) - max(1, block_size * 3 // 4)
        ids, endings = ids[left_out:], _moved(endings, -left_out)
    return Opening(ids, endings, spaced)


def find_endings(ids: Sequence[int], tokenizer: Tokenizer, vocabulary: Vocabulary) -> list[Ending]:
    """From the last token backwards, each place from which one token covers the rest; none if only the last does."""
    endings: list[Ending] = []
    rest = b""
    for start in reversed(range(len(ids))):
        spelling = tokenizer.token_bytes(ids[start])
        rest = spelling + rest
        if not spelling or len(rest) > vocabulary.longest:
            break
        if tokens := vocabulary.beginning_with(rest):
            endings.append(Ending(start, tokens, rest))
    return [] if sum(len(ending.tokens) for ending in endings) <= 1 else endings


def _moved(endings: list[Ending], by: int) -> list[Ending]:
    """The endings in a context that begins `by` tokens earlier, but those that leave nothing to read before them."""
    return [Ending(ending.start + by, ending.tokens, ending.covered) for ending in endings if ending.start + by > 0]


@torch.inference_mode()
def weigh_endings(opening: Opening, logits: Tensor) -> tuple[list[tuple[Ending, int]], Tensor]:
    """Every way to end the prompt (an ending and one of its tokens), and the logarithms (1, N) of their probabilities.

    `logits` (T, V): what follows the tokens of the opening, from the one before the earliest ending on.
    """
    first = min(ending.start for ending in opening.endings)
    shares = logits.log_softmax(dim=-1)
    choices: list[tuple[Ending, int]] = []
    weights: list[Tensor] = []
    for ending in opening.endings:
        row = ending.start - first
        before = torch.tensor(opening.ids[first : ending.start], dtype=torch.int64, device=logits.device)
        path = shares[:row].gather(1, before[:, None]).sum()  # that the tokens up to there are as they are
        weights.append(path + shares[row, torch.tensor(ending.tokens, device=logits.device)])
        choices += [(ending, token) for token in ending.tokens]
    return choices, torch.cat(weights)[None]
