"""Prompt → tokens: the loop that writes samples side by side. It knows nothing of models' names, files or devices."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from engine.config import SampleConfig
from engine.data.tokenizer import Tokenizer
from engine.errors import EngineError
from engine.events import Alternative, SampleEnd, Token
from engine.generation.decoder import Decoder, FastGPT
from engine.generation.prompt import Opening
from engine.generation.sampler import choose
from engine.generation.visible import VisibleText


class Pick(NamedTuple):
    """A token that was chosen, and how likely it and others were (ids and probabilities)."""

    id: int
    probability: float
    alternatives: list[tuple[int, float]]


@dataclass
class Sample:
    """One text being written."""

    index: int
    seed: int
    generator: Generator
    tokens: int = 0
    stop_reason: str = ""
    visible: VisibleText = field(init=False)


@dataclass
class Strand:
    """Samples with as many tokens before them, one row of the decoder each, and the logits (B, V) of what follows.

    Where a prompt ends in the middle of a word, samples may end it with one token or with two, and part.
    """

    decoder: Decoder
    samples: list[Sample]
    logits: Tensor
    written: Tensor | None = None  # (B, V): which tokens are there already; only for the repetition penalty


class Writer:
    """Writes continuations of one opening. Iterating over `write` gives each token as it is chosen, and each sample's end."""

    def __init__(self, fast: FastGPT, tokenizer: Tokenizer, config: SampleConfig, never: Tensor, alternatives: int) -> None:
        """`never` (V) is -inf for the tokens that are never written and 0 for others."""
        self.fast, self.tokenizer, self.config, self.never = fast, tokenizer, config, never
        self.count = min(alternatives, fast.config.vocab_size)
        self._texts: dict[int, str] = {}
        self._idle = 0.0  # seconds in which the reader of the tokens did something else

    def write(self, opening: Opening, seeds: Sequence[int]) -> Iterator[Token | SampleEnd]:
        """Raises `EngineError` when the model's output is no numbers."""
        self._began, self._idle = time.perf_counter(), 0.0
        samples = [Sample(index, seed, Generator().manual_seed(seed)) for index, seed in enumerate(seeds)]
        for event in self._events(opening, samples):
            left = time.perf_counter()
            yield event
            self._idle += time.perf_counter() - left

    def _events(self, opening: Opening, samples: list[Sample]) -> Iterator[Token | SampleEnd]:
        strands = yield from self._open(opening, samples)
        while strands:
            for strand in strands:
                picks = pick(strand.logits, self.config, strand.samples, self.never, strand.written, self.count)
                for sample, chosen in zip(strand.samples, picks, strict=True):
                    yield from self._accept(sample, chosen, self._named(chosen))
                self._advance(strand, [chosen.id for chosen in picks])
            strands = [strand for strand in strands if strand.samples]

    def _open(self, opening: Opening, samples: list[Sample]) -> Iterator[Token | SampleEnd]:
        ...
