"""What `load` returns: a GPT with its tokenizer; it writes, gives logits, and is measured on a text."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.config import ModelConfig, SampleConfig, from_table
from engine.data.tokenizer import Tokenizer
from engine.errors import ConfigError, RequestError
from engine.events import Alternative, SampleEnd, Token
from engine.generation.decoder import FastGPT, evaluating, lay_out
from engine.generation.prompt import Vocabulary, read_prompt
from engine.generation.writer import Writer
from engine.model.device import resolve_device
from engine.model.evaluate import Evaluation
from engine.model.evaluate import evaluate as evaluate_tokens
from engine.model.gpt import GPT
from engine.store.checkpoint import load_model, load_tokenizer
from engine.store.models import find, read_record

__all__ = ["Alternative", "LanguageModel", "SampleEnd", "Token", "load"]

MOST_SAMPLES = 256
ALTERNATIVES = 8


def load(name_or_folder: str | Path, *, checkpoint: str | int = "best", device: str = "auto") -> LanguageModel:
    """The model of that name in the store, or in that folder: its `best` or `last` weights, or those after some steps.

    `device`: `auto` (cuda, else mps, else cpu), or one of them.
    Raises `ModelNotFoundError`, `DamagedModelError` or `DeviceError`.
    """
    device = resolve_device(device)
    folder = find(name_or_folder)
    record = read_record(folder)
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, checkpoint, device)
    lay_out(model)
    # Where nobody knows how many documents there were, the model may have learned how one ends.
    return LanguageModel(model, tokenizer, name=record.name, documents=record.corpus.get("documents", 2))


class LanguageModel:
    """A GPT and its tokenizer. Text goes in, text comes out, token by token.

    Settings are those of `SampleConfig` by name: max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty,
    stop, seed. A wrong one raises `ConfigError` when the method is called. Without a `seed` one is drawn. A prompt that
    ends in a space or within a word goes on as if it had been written whole. Several streams may be read in turn.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer, *, name: str = "", documents: int = 1) -> None:
        """`documents`: how many the model learned from. Of one alone it never saw the end, and so it never ends itself.

        When the model's weights change, make a new `LanguageModel`: what steps need of them is gathered once.
        """
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self._documents = documents

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    def generate(self, prompt: str = "", **settings: Any) -> str:
        """The continuation of `prompt`, without the prompt: `prompt + generate(prompt)` is the whole text."""
        config = from_table(SampleConfig, settings)
        return "".join(
            token.text for token in self._write(prompt, config, 1, alternatives=0) if isinstance(token, Token)
        )

    def stream(self, prompt: str = "", **settings: Any) -> Iterator[Token]:
        """The tokens of a continuation, each when it is chosen. Their texts, joined, are what `generate` returns."""
        config = from_table(SampleConfig, settings)
        events = self._write(prompt, config, 1, alternatives=ALTERNATIVES)
        return (event for event in events if isinstance(event, Token))

    def stream_samples(self, prompt: str = "", *, samples: int = 1, **settings: Any) -> Iterator[Token | SampleEnd]:
        """Several continuations of `prompt`, decoded side by side: the tokens of all as they come, and the end of each.

        Sample number i is written with the seed `seed + i`, which repeats it alone. At most 256.
        """
        if not isinstance(samples, int) or isinstance(samples, bool) or not 1 <= samples <= MOST_SAMPLES:
            raise ConfigError(f"samples: {samples!r} is no whole number from 1 to {MOST_SAMPLES}.")
        return self._write(prompt, from_table(SampleConfig, settings), samples, alternatives=ALTERNATIVES)

    def _write(self, prompt: str, config: SampleConfig, samples: int, alternatives: int) -> Iterator[Token | SampleEnd]:
        if not isinstance(prompt, str):
            raise RequestError(f"The prompt must be a text, not {type(prompt).__name__}.")
        seed = secrets.randbits(32) if config.seed is None else config.seed
        opening = read_prompt(prompt, self.tokenizer, self.vocabulary, self.config.block_size)
        writer = Writer(self.fast, self.tokenizer, config, self.never, alternatives)
        return writer.write(opening, [(seed + index) % 2**63 for index in range(samples)])

    @cached_property
    def fast(self) -> FastGPT:
        """The weights as single steps read them."""
        return FastGPT(self.model)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens by their bytes."""
        return Vocabulary(self.tokenizer)

    @cached_property
    def never(self) -> Tensor:
        """-inf (V) for what is only read, never written: the unknown word, ids without a meaning, an end never seen."""
        never = torch.zeros(self.config.vocab_size, device=self.fast.device)
        never[self.tokenizer.vocab_size :] = -math.inf
        if self.tokenizer.unknown is not None:
            never[self.tokenizer.unknown] = -math.inf
        if self._documents == 1:
            never[self.tokenizer.end_of_text] = -math.inf
        return never

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> Tensor:
        """Float32 logits (tokens, vocabulary), on the CPU: row i is what follows the ids up to number i.

        Raises `RequestError` when there are none, more than `block_size`, or one that is not in the vocabulary.
        """
        try:
            tokens = torch.as_tensor(ids)
        except (TypeError, ValueError, RuntimeError):
            tokens = torch.empty(0)
        block, vocabulary = self.config.block_size, self.config.vocab_size
        if tokens.dim() != 1 or not len(tokens) or tokens.is_floating_point() or tokens.dtype == torch.bool:
            raise RequestError("logits: give a list of at least one token id.")
        tokens = tokens.to(torch.int64)
        if len(tokens) > block:
            raise RequestError(f"logits: {len(tokens)} tokens are too many; the model sees {block} at once.")
        if int(tokens.min()) < 0 or int(tokens.max()) >= vocabulary:
            raise RequestError(f"logits: token ids go from 0 to {vocabulary - 1}.")
        with evaluating(self.model):
            logits: Tensor = self.model(tokens.to(self.model.embedding.weight.device)[None])
        return logits[0].float().cpu()

    def evaluate(self, text: str) -> Evaluation:
        """How well the model predicts `text`, the beginning of a document. Raises `RequestError` when it is empty."""
        if not text:
            raise RequestError("There is no text to evaluate the model on: it is empty.")
        tokens = np.array(self.tokenizer.encode(text), dtype=np.int64)
        n_bytes = len(text.encode("utf-8", "surrogatepass"))
        return evaluate_tokens(self.model, tokens, n_bytes, first=self.tokenizer.end_of_text)
