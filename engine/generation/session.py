"""What one asks of a language model while working on a text with it: to write with settings that change meanwhile,
what may come next, what of the text it sees, and which words could have stood there.

Shapes: B samples side by side, T tokens, V vocabulary.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import SampleConfig
from engine.errors import ConfigError, EngineError
from engine.events import Alternative, SampleEnd, Token
from engine.generation.decoder import Decoder
from engine.generation.language_model import ALTERNATIVES, MOST_SAMPLES, LanguageModel
from engine.generation.messages import MOST_SCORED, Prediction, Scored, Scores, Tokenized
from engine.generation.prompt import Opening, read_prompt, weigh_endings
from engine.generation.sampler import shape
from engine.generation.writer import Sample, Strand, Writer


class LiveWriter(Writer):
    """A writer whose `config` may be replaced between two tokens: temperature, top-k, top-p, min-p, the repetition
    penalty and the length are felt at the next one. Seed and stop texts stay."""

    def strand(self, reader: Decoder, length: int, samples: list[Sample], logits: Tensor) -> Strand:
        """With the tokens that are there, in any case: a repetition penalty may come later."""
        strand = super().strand(reader, length, samples, logits)
        if strand.written is None:
            written = _written(reader.ids[0, :length], len(self.never), self.tokenizer.end_of_text)
            strand.written = written.repeat(len(samples), 1)
        return strand


class Outlook(NamedTuple):
    """What may follow a text, before settings shape it: `logits` (1, V) of the token after its last one, and where the
    text's end is open, the logarithms (1, N) of the probabilities of the ways to end it, with what each adds."""

    logits: Tensor
    written: Tensor
    weights: Tensor | None
    added: list[tuple[int, str]]
    spaced: bool


class Session:
    """A language model at work on texts. Wrong settings raise `ConfigError`."""

    def __init__(self, model: LanguageModel) -> None:
        self.model, self.tokenizer = model, model.tokenizer
        self._fast, self._vocabulary, self._never = model.fast, model.vocabulary, model.never
        self.reach = (model.config.block_size + 8) * max(1, self._vocabulary.longest)
        """As many characters of a text's end decide what follows it, at most."""
        self._outlook = lru_cache(maxsize=1)(self._look)  # a text stays while its settings are tried out

    def write(
        self, prompt: str, config: SampleConfig, samples: int = 1
    ) -> tuple[LiveWriter, Iterator[Token | SampleEnd], list[int]]:
        """The writer, its events, and the samples' seeds. The same texts as `LanguageModel.stream_samples` writes."""
        if not 1 <= samples <= MOST_SAMPLES:
            raise ConfigError(f"samples: {samples} is no whole number from 1 to {MOST_SAMPLES}.")
        seed = secrets.randbits(32) if config.seed is None else config.seed
        seeds = [(seed + index) % 2**63 for index in range(samples)]
        writer = LiveWriter(self._fast, self.tokenizer, config, self._never, ALTERNATIVES)
        return writer, writer.write(self._opening(prompt), seeds), seeds

    def _opening(self, text: str) -> Opening:
        return read_prompt(text, self.tokenizer, self._vocabulary, self.model.config.block_size)

    # What may come next

    @torch.inference_mode()
    def predict(self, text: str, config: SampleConfig, top: int = 20) -> Prediction:
        """The likeliest tokens after `text`, before and after temperature, truncation and repetition penalty.

        Where the text's end is open, these are what would be added to it: 'Once upon a ti' goes on with 'me'.
        """
        outlook = self._outlook(text[-self.reach :])
        before = outlook.logits.softmax(dim=-1)[0]
        after = shape(outlook.logits + self._never, config, outlook.written).softmax(dim=-1)[0]
        if not bool(before.isfinite().all()):
            raise EngineError("The model computes no numbers: its training diverged. Choose an earlier checkpoint.")
        if outlook.weights is not None:
            plain, shaped = outlook.weights.softmax(dim=-1)[0], shape(outlook.weights, config).softmax(dim=-1)[0]
            ends = torch.tensor([not text for _, text in outlook.added], device=plain.device)  # the text as it stands
            before = torch.cat((plain.masked_fill(ends, 0.0), before * plain[ends].sum()))
            after = torch.cat((shaped.masked_fill(ends, 0.0), after * shaped[ends].sum()))
        likeliest = self._likeliest(before, outlook, top), self._likeliest(after, outlook, top)
        return Prediction(before=likeliest[0], after=likeliest[1], possible=int((after > 0).sum()))

    def _look(self, text: str) -> Outlook:
        opening = self._opening(text)
        reader = Decoder(self._fast, 1)
        starts = [ending.start for ending in opening.endings]
        logits = reader.prefill(opening.ids, len(opening.ids) - min(starts) + 1 if starts else 1)
        read = torch.tensor(opening.ids, device=logits.device)
        written = _written(read, logits.shape[-1], self.tokenizer.end_of_text)[None]
        if not starts:
            return Outlook(logits, written, None, [], opening.spaced)
        choices, weights = weigh_endings(opening, logits)
        added = [
            (id_, self.tokenizer.token_bytes(id_)[len(ending.covered) :].decode("utf-8", "replace"))
            for ending, id_ in choices
        ]
        return Outlook(logits[-1:], written, weights, added, opening.spaced)

    def _likeliest(self, shares: Tensor, outlook: Outlook, top: int) -> list[Alternative]:
        """The likeliest of the ways to end the text and of all tokens, whose `shares` stand one behind the other."""
        values, places = shares.topk(min(top, len(shares)))
        found = []
        for share, place in zip(values.tolist(), places.tolist(), strict=True):
            if place < len(outlook.added):
                id_, text = outlook.added[place]
            elif (id_ := place - len(outlook.added)) < self.tokenizer.vocab_size:
                text = self.tokenizer.decode([id_])
                text = text.removeprefix(" ") if outlook.spaced else text
            else:
                continue  # an id that the tokenizer does not know
            if share > 0:
                found.append(Alternative(id_, text, share))
        return found

    # What it reads

    def tokenize(self, text: str) -> Tokenized:
        """The tokens of `text`, and those of them that are read when it is continued."""
        ids, texts = self._cut(text)
        spaces = len(text) - len(text.rstrip(" ")) if self.tokenizer.kind == "word" else 0
        sent = self._opening(text).ids
        begins_document = sent[0] == self.tokenizer.end_of_text
        first = max(0, len(ids) - spaces - (len(sent) - begins_document))
        return Tokenized(
            ids=ids,
            texts=texts,
            unknown=[index for index, id_ in enumerate(ids) if id_ == self.tokenizer.unknown],
            first=first,
            begins=sum(map(len, texts[:first])),
            sent=len(sent),
            room=self.model.config.block_size,
        )

    def _cut(self, text: str) -> tuple[list[int], list[str]]:
        """The ids of `text` and the piece of it that each stands for: joined they are the text. Of a character that
        several tokens make up, the last has it."""
        ids = self.tokenizer.encode(text)
        if self.tokenizer.kind == "word":  # an unknown word's id does not tell how long it is
            return ids, self.tokenizer.words(text)
        stream = self.tokenizer.stream()
        return ids, list(map(stream.push, ids))

    # Which words could have been

    def score(self, text: str, start: int = 0) -> Scores:
        """How likely each token of `text` was from the character `start` on, and what else was likely there.

        At most 2,048 tokens. Each is predicted from at least half a context, where there is as much text before it.
        """
        ids, texts = self._cut(text)
        positions = [0]
        for piece in texts:
            positions.append(positions[-1] + len(piece))
        begin = next((i for i in range(len(ids)) if positions[i + 1] > start), len(ids))
        end = min(len(ids), begin + MOST_SCORED)
        tokens: list[Scored] = []
        while begin + len(tokens) < end:
            at = begin + len(tokens)
            for index, (probability, likeliest) in enumerate(self._chances(ids, at, end), at):
                tokens.append(Scored(ids[index], texts[index], positions[index], probability, likeliest))
        return Scores(tokens)

    def _chances(self, ids: list[int], at: int, end: int) -> list[tuple[float, list[Alternative]]]:
        """The probabilities of the tokens from number `at` on, as many as one context gives, and the likeliest."""
        block = self.model.config.block_size
        read = [self.tokenizer.end_of_text, *ids]  # number i is predicted by what follows read[i]
        stop = min(end, max(block, at + max(1, block // 2)))
        start = max(0, stop - block)
        shares = self.model.logits(read[start:stop])[at - start :].softmax(dim=-1)  # (T, V)
        chances = shares.gather(1, torch.tensor(ids[at:stop])[:, None])[:, 0].tolist()
        values, tokens = shares.topk(min(ALTERNATIVES, shares.shape[-1]), dim=-1)
        rows = zip(tokens.tolist(), values.tolist(), strict=True)
        likeliest = [self._named(*row) for row in rows]
        return list(zip(chances, likeliest, strict=True))

    def _named(self, ids: list[int], shares: list[float]) -> list[Alternative]:
        known = self.tokenizer.vocab_size  # a model may have more ids than its tokenizer
        pairs = zip(ids, shares, strict=True)
        return [Alternative(id_, self.tokenizer.decode([id_]), share) for id_, share in pairs if id_ < known]


def _written(ids: Tensor, vocabulary: int, end_of_text: int) -> Tensor:
    """Which tokens are among `ids` (V, bool); the end of a text is no word."""
    written = torch.zeros(vocabulary, dtype=torch.bool, device=ids.device)
    written[ids] = True
    written[end_of_text] = False
    return written
