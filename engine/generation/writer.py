"""Prompt → tokens: the loop that writes samples side by side. It knows nothing of models' names, files or devices."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import SampleConfig
from engine.data.tokenizer import Tokenizer
from engine.errors import EngineError
from engine.events import Alternative, SampleEnd, Token
from engine.generation.decoder import Decoder, FastGPT
from engine.generation.prompt import Ending, Opening, weigh_endings
from engine.generation.sampler import choose
from engine.generation.visible import VisibleText

Begun = Generator[Token | SampleEnd, None, "list[Strand]"]

_CHARACTER = 4  # tokens that may have a part in one character


class Pick(NamedTuple):
    """A token that was chosen and its probability, and the likeliest ones with theirs: the model's own, before
    temperature and truncation."""

    id: int
    probability: float
    likeliest: list[tuple[int, float]]


@dataclass
class Sample:
    """One text being written. `stop_reason` is empty until it is whole."""

    index: int
    seed: int
    generator: torch.Generator
    visible: VisibleText
    tokens: int = 0
    stop_reason: str = ""


@dataclass
class Strand:
    """Samples that have as many tokens behind them, a row of the decoder each, and the logits (B, V) of what follows.

    Where a prompt ends within a word, one sample may end that with one token and another with two: they part.
    """

    decoder: Decoder
    samples: list[Sample]
    logits: Tensor
    written: Tensor | None = None
    """Which tokens are there already (B, V, bool); only where there is a repetition penalty."""

    def advance(self, ids: list[int]) -> None:
        """Append a token to each sample; those that are whole are left behind."""
        rows = [row for row, sample in enumerate(self.samples) if not sample.stop_reason]
        if len(rows) < len(self.samples):
            self.samples, ids = [self.samples[row] for row in rows], [ids[row] for row in rows]
            if not rows:
                return
            self.decoder.keep(rows)
            self.written = self.written[rows] if self.written is not None else None
        if self.written is not None:
            self.written[range(len(ids)), ids] = True
        self.logits = self.decoder.step(ids)


class Writer:
    """Continues one prompt: iterating over `write` gives each token when it is chosen, and the end of each sample."""

    def __init__(
        self, fast: FastGPT, tokenizer: Tokenizer, config: SampleConfig, never: Tensor, alternatives: int
    ) -> None:
        """`never` (V) is -inf for tokens that are never written and 0 for all others."""
        self.fast, self.tokenizer, self.config, self.never = fast, tokenizer, config, never
        self.alternatives = alternatives
        self._began = self._away = 0.0

    def write(self, opening: Opening, seeds: Sequence[int]) -> Iterator[Token | SampleEnd]:
        """One sample for each of `seeds`, side by side. Raises `EngineError` when the model computes no numbers."""
        self._began, self._away = time.perf_counter(), 0.0
        for event in self._events(opening, seeds):
            left = time.perf_counter()
            yield event
            self._away += time.perf_counter() - left  # what the reader does meanwhile is not the model's time

    def _events(self, opening: Opening, seeds: Sequence[int]) -> Iterator[Token | SampleEnd]:
        strands = yield from self._begin(opening, seeds)
        while strands:
            for strand in strands:
                generators = [sample.generator for sample in strand.samples]
                with self.fast.threads.chosen():
                    picks = pick(strand.logits, self.config, generators, self.alternatives, self.never, strand.written)
                for sample, chosen in zip(strand.samples, picks, strict=True):
                    yield from self._accept(sample, chosen.id, chosen.probability, self._named(chosen.likeliest))
                strand.advance([chosen.id for chosen in picks])
            strands = [strand for strand in strands if strand.samples]

    def _begin(self, opening: Opening, seeds: Sequence[int]) -> Begun:
        """Read the prompt. Where its end is open, each sample chooses how to end it; what goes beyond the prompt is the
        sample's first token."""
        reader = Decoder(self.fast, 1)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        numbered = list(enumerate(zip(seeds, generators, strict=True)))
        if not opening.endings:
            logits = reader.prefill(opening.ids)
            samples = [Sample(i, seed, generator, self._visible(opening)) for i, (seed, generator) in numbered]
            return [self.strand(reader, len(opening.ids), samples, logits)]
        first = min(ending.start for ending in opening.endings)
        logits = reader.prefill(opening.ids, len(opening.ids) - first + 1)
        choices, weights = weigh_endings(opening, logits)
        picks = pick(weights.expand(len(seeds), -1), self.config, generators, self.alternatives)
        groups: dict[int, list[tuple[Sample, int]]] = {}
        for (i, (seed, generator)), chosen in zip(numbered, picks, strict=True):
            ending, id_ = choices[chosen.id]
            sample = Sample(i, seed, generator, self._visible(opening, ending.start))
            groups.setdefault(ending.start, []).append((sample, id_))
            if self._beyond(ending, id_):
                likeliest = tuple(self._alternative(*choices[choice], share) for choice, share in chosen.likeliest)
                yield from self._accept(sample, id_, chosen.probability, likeliest)
            else:
                sample.visible.push(id_)
        strands = []
        for start, group in groups.items():
            strand = self.strand(reader, start, [sample for sample, _ in group], logits[:1])
            strand.advance([id_ for _, id_ in group])
            strands.append(strand)
        return [strand for strand in strands if strand.samples]

    def _visible(self, opening: Opening, start: int | None = None) -> VisibleText:
        """The text of a sample that goes on from the opening's first `start` tokens, and says the rest once more."""
        start = len(opening.ids) if start is None else start
        streams = [self.tokenizer.stream() for _ in range(2)]
        for stream in streams:
            for id_ in opening.ids[max(0, start - _CHARACTER) : start]:
                stream.push(id_)
        said = "".join(map(streams[0].push, opening.ids[start:]))
        return VisibleText(streams[1], self.config.stop, skip=len(said), spaced=opening.spaced)

    def _named(self, likeliest: list[tuple[int, float]]) -> tuple[Alternative, ...]:
        known = self.tokenizer.vocab_size  # a model may have more ids than its tokenizer
        return tuple(Alternative(id_, self.tokenizer.decode([id_]), share) for id_, share in likeliest if id_ < known)

    def _beyond(self, ending: Ending, id_: int) -> bytes:
        return self.tokenizer.token_bytes(id_)[len(ending.covered) :]

    def _alternative(self, ending: Ending, id_: int, probability: float) -> Alternative:
        return Alternative(id_, self._beyond(ending, id_).decode("utf-8", "replace"), probability)

    def _accept(
        self, sample: Sample, id_: int, probability: float, likeliest: tuple[Alternative, ...]
    ) -> Iterator[Token | SampleEnd]:
        """The events of a new token: itself, and the sample's end if it is the last."""
        sample.tokens += 1
        text = sample.visible.push(id_)
        if sample.visible.stopped:
            sample.stop_reason = "stop"
        elif id_ == self.tokenizer.end_of_text:
            sample.stop_reason = "end_of_text"
        elif sample.tokens == self.config.max_new_tokens:
            sample.stop_reason = "length"
        if sample.stop_reason:
            text += sample.visible.finish()
        elapsed = time.perf_counter() - self._began
        yield Token(
            elapsed=elapsed,
            sample=sample.index,
            id=id_,
            text=text,
            probability=probability,
            alternatives=likeliest,
        )
        if sample.stop_reason:
            yield SampleEnd(
                elapsed=elapsed,
                sample=sample.index,
                text=sample.visible.shown,
                tokens=sample.tokens,
                tokens_per_second=sample.tokens / max(elapsed - self._away, 1e-9),
                stop_reason=sample.stop_reason,
                seed=sample.seed,
            )

    def strand(self, reader: Decoder, length: int, samples: list[Sample], logits: Tensor) -> Strand:
        """Samples that go on from the first `length` tokens that were read."""
        rows = len(samples)
        strand = Strand(reader.fork(rows, length), samples, logits.expand(rows, -1))
        if self.config.repetition_penalty != 1.0:
            strand.written = torch.zeros(rows, len(self.never), dtype=torch.bool, device=logits.device)
            strand.written[:, reader.ids[0, :length]] = True
            strand.written[:, self.tokenizer.end_of_text] = False  # it is no word
        return strand


@torch.inference_mode()
def pick(
    logits: Tensor,
    config: SampleConfig,
    generators: Sequence[torch.Generator],
    alternatives: int,
    never: Tensor | None = None,
    written: Tensor | None = None,
) -> list[Pick]:
    """Choose a token for each row of logits (B, V). Raises `EngineError` when they are no numbers."""
    probabilities = logits.softmax(dim=-1)
    ids = choose(logits if never is None else logits + never, config, generators, written)
    chances = probabilities.gather(1, ids[:, None])[:, 0].tolist()
    if not all(map(math.isfinite, chances)):
        raise EngineError(
            "The model computes no numbers: its training diverged. Write with an earlier checkpoint, or train it again."
        )
    likeliest: list[list[tuple[int, float]]] = [[] for _ in chances]
    if alternatives:
        shares, tokens = probabilities.topk(min(alternatives, logits.shape[-1]), dim=-1)
        likeliest = [list(zip(*row, strict=True)) for row in zip(tokens.tolist(), shares.tolist(), strict=True)]
    return list(map(Pick, ids.tolist(), chances, likeliest))
