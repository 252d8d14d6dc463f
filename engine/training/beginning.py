"""What a model is begun from: nothing, or what another model knows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from engine import locations
from engine.config import ModelConfig
from engine.data.corpus import Corpus
from engine.data.dataset import TokenData, encode_corpus
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.errors import ConfigError, DamagedModelError
from engine.events import Event, Prepare, Warning
from engine.model.gpt import GPT
from engine.store import checkpoint as store
from engine.store import models
from engine.training import bases
from engine.training.foresight import Foresight, Standing, foresee_corpus, standing
from engine.training.memory import shards
from engine.training.ngrams import trigram_bits
from engine.training.planner import Machine, Plan, Weighed, plan, weigh
from engine.training.steps import DTYPES

if TYPE_CHECKING:
    from engine.training.preparation import Request

Clock = Callable[[], float]
_ENCODED_AT_ONCE = 8 << 20
"""Bytes of a text that is turned into a model's tokens only to see how it does on it; of a longer one a sample is."""


def base_of(request: Request, model_settings: Mapping[str, Any]) -> Path | None:
    """The folder of the model to go on from, certainly or if that is expected to pay; None: none. Raises
    `ModelNotFoundError`."""
    if request.from_model is None:
        is_open = bases.left_open(
            preset=request.preset,
            tokenizer=request.tokenizer,
            in_minutes=request.steps is None and request.epochs is None,
            model_settings=model_settings,
        )
        return bases.unasked(request.texts) if is_open else None
    if request.from_model == bases.SCRATCH:
        return None
    return bases.likeliest(request.texts) if request.from_model == bases.AUTO else models.find(request.from_model)


class Given(NamedTuple):
    """What a model is begun from: what was asked for, and what was found out of it."""

    request: Request
    corpus: Corpus
    machine: Machine
    device: str
    budget: Mapping[str, Any]
    overrides: tuple[dict[str, Any], dict[str, Any]]
    clock: Clock


class Begun(NamedTuple):
    """A model to train, and what belongs to it."""

    plan: Plan
    tokenizer: Tokenizer
    tokens: TokenData
    model: GPT
    base: Path | None = None
    """The folder of the model that it goes on from."""
    stood: Standing | None = None
    """How that does on this text."""


def begin(given: Given, base: Path | None) -> Generator[Event, None, Begun]:
    """Begin from `base`, or from scratch where there is none, or where that was left open and is expected to come out
    better."""
    if base is not None:
        try:
            begun = yield from _from_model(base, given)
        except DamagedModelError as error:
            if given.request.from_model is not None:
                raise
            yield Warning(elapsed=given.clock(), message=f"{error} It begins from scratch.")
        else:
            if begun is not None:
                return begun
    return (yield from _from_scratch(given))


def _from_scratch(given: Given) -> Generator[Event, None, Begun]:
    """A tokenizer of this text's own, and a model that knows nothing."""
    request, corpus, machine, device, budget, overrides, clock = given
    kind = request.tokenizer or "bpe"
    options: dict[str, Any] = {**budget, "preset": request.preset, "tokenizer": kind}
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    yield Prepare(elapsed=clock(), stage="tokenizer", message="Learning which tokens this text is made of")
    holdout = planned.train.holdout
    tokenizer = train_tokenizer(kind, (piece.text for piece in corpus.split(holdout)[0]()), planned.model.vocab_size)
    tokens = yield from encode(corpus, tokenizer, holdout, clock)
    overrides[0].pop("vocab_size", None)
    options |= {"vocab_size": tokenizer.vocab_size, "trigram_bits": trigram_bits(tokens, tokenizer)}
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    _check_length(tokens, planned.model)
    torch.manual_seed(planned.train.seed)
    model = GPT(planned.model).to("cpu" if shares_weights(planned, machine) else device)
    return Begun(planned, tokenizer, tokens, model)


def _from_model(base: Path, given: Given) -> Generator[Event, None, Begun | None]:
    """The model in the folder `base`, its tokenizer and its shape; None where it was left open and scratch is expected
    to come out better."""
    request, corpus, machine, device, budget, overrides, clock = given
    chosen = request.from_model not in (None, bases.AUTO)
    tokenizer, record = store.load_tokenizer(base), models.read_record(base)
    options: dict[str, Any] = {**budget, "tokenizer": record.train.tokenizer, "base": record.model}
    options["vocab_size"] = record.model.vocab_size

    def weighed(found: Foresight) -> tuple[Plan, Weighed]:
        planned = plan(corpus.bytes, machine, overrides=overrides, **options, **found._asdict())
        scratch = plan(corpus.bytes, machine, trigram_bits=found.trigram_bits, **budget)
        return planned, weigh(planned, scratch, found.trigram_bits, base.name)

    if not chosen and corpus.bytes > _ENCODED_AT_ONCE:
        yield Prepare(elapsed=clock(), stage="weighing", message=f"Trying {base.name} on this text")
        _, verdict = weighed(foresee_corpus(corpus, base))
        if not verdict.better:
            yield Prepare(elapsed=clock(), stage="weighing", message=verdict.reason)
            return None
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    tokens = yield from encode(corpus, tokenizer, planned.train.holdout, clock)
    if not chosen and len(tokens.train) <= record.model.block_size:
        return None
    _check_length(tokens, record.model)
    model = store.load_model(base, "best", "cpu" if shares_weights(planned, machine) else device)
    yield Prepare(elapsed=clock(), stage="weighing", message=f"Trying {base.name} on this text")
    dtype = DTYPES[machine.dtype] if machine.dtype != "float32" else None
    stood = standing(model, tokens, tokenizer.token_lengths(), dtype)
    a_token = tokens.train_bytes / len(tokens.train)
    planned, verdict = weighed(Foresight(trigram_bits(tokens, tokenizer), stood.found.bits_per_byte, a_token))
    yield Prepare(elapsed=clock(), stage="weighing", message=verdict.reason)
    if not verdict.better and not chosen:
        return None
    if not verdict.better:
        yield Warning(elapsed=clock(), message=f"{verdict.reason} That is --from scratch.")
    torch.manual_seed(planned.train.seed)
    model.config = planned.model
    return Begun(replace(planned, reason=verdict.reason), tokenizer, tokens, model, base, stood)


def shares_weights(planned: Plan, machine: Machine) -> bool:
    """Whether the processes that are together `machine` share the plan's weights out."""
    return shards(planned.model, planned.train, machine.memory, machine.processes)


def encode(corpus: Corpus, tokenizer: Tokenizer, holdout: float, clock: Clock) -> Generator[Event, None, TokenData]:
    """Encode the corpus; reports how far it is when that takes a while."""
    yield Prepare(elapsed=clock(), stage="encoding", message="Turning the text into tokens", progress=0.0)
    reported: list[float] = []
    tokens = encode_corpus(
        corpus, tokenizer, holdout, folder=locations.cache_dir() / "tokens", progress=reported.append
    )
    if reported:
        yield Prepare(elapsed=clock(), stage="encoding", message="Turning the text into tokens", progress=1.0)
    return tokens


def _check_length(tokens: TokenData, model: ModelConfig) -> None:
    if len(tokens.train) < model.block_size + 1:
        raise ConfigError(
            f"block_size: {model.block_size} is longer than the text, which has {len(tokens.train)} tokens to train "
            "on. Choose a smaller block_size or a longer text."
        )
