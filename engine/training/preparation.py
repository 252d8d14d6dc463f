"""From a request to a settled run: the text opened and encoded, the plan made, the folder taken, the model built."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine import files, locations
from engine.config import ModelConfig, TrainConfig, parse_settings
from engine.data.corpus import Corpus, open_corpus
from engine.data.dataset import TokenData, encode_corpus
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.errors import ConfigError, DamagedModelError, EngineError, ModelNotFoundError, RequestError
from engine.events import Event, Prepare, Warning
from engine.model.gpt import GPT
from engine.store import checkpoint as store
from engine.store import models
from engine.store.models import ModelRecord
from engine.training.claiming import check_taken, discard, keep_text, take_folder
from engine.training.foresight import likeliest, standing
from engine.training.machine import CROWDED, keep_freed_pages, look, measure, remembered
from engine.training.memory import shards
from engine.training.ngrams import trigram_bits
from engine.training.parallel import Ranks
from engine.training.planner import FROM_AUTO, Machine, Plan, plan, weigh
from engine.training.steps import DTYPES, settle

DEFAULT_MINUTES = 2.0
SMALLEST_VOCABULARY = {"bpe": 257, "byte": 257, "word": 3}
TEXT_COPY = "run/text"


@dataclass(frozen=True)
class Request:
    """What `train` was asked for. None stands for what was left open."""

    texts: tuple[str, ...] = ()
    name: str | None = None
    replace: bool = False
    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    preset: str = "auto"
    tokenizer: str | None = None
    vocab_size: int | None = None
    device: str = "auto"
    seed: int | None = None
    from_model: str | None = None
    resume: bool = False
    settings: Sequence[str] | Mapping[str, Any] = ()


@dataclass
class Job:
    """A settled run, its folder locked: everything that the trainer needs."""

    folder: Path
    lock: files.ModelLock
    record: ModelRecord
    tokenizer: Tokenizer
    tokens: TokenData
    model: GPT
    device: str
    plan: Plan
    machine: Machine
    prompt: str
    """The first words of the held-out text: what samples begin with."""
    resumed: tuple[dict[str, Tensor], dict[str, Any]] | None = None
    """The saved tensors and state of the run that is gone on with."""
    notes: tuple[str, ...] = ()
    sharded: bool = False
    """Whether each of several processes trains a part of the weights. Then `model` has all of them on rank 0 alone, on
    the CPU, until the training begins."""


Clock = Callable[[], float]
Begun = tuple[Plan, Tokenizer, TokenData, GPT]
Preparing = Generator[Event, None, Job]


def prepare(request: Request, clock: Clock, ranks: Ranks) -> Preparing:
    """Settle a request; yields what is being done. Raises an `EngineError`, and then leaves nothing in the store."""
    return (yield from _resume(request, clock, ranks) if request.resume else _begin(request, clock, ranks))


def check(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Refuse what can be refused without reading a text; returns the settings of ModelConfig and TrainConfig."""
    overrides = _settings(request.settings)
    if request.seed is not None:
        overrides[1]["seed"] = request.seed
    budget = {"minutes": request.minutes, "steps": request.steps, "epochs": request.epochs}
    for key, value in budget.items():
        if value is not None and value <= 0:
            raise ConfigError(f"{key}: {value} is too small; it must be more than 0.")
        if key in overrides[1]:
            raise ConfigError(f"{key}: give the budget as --{key}, not as a setting.")
    for key in ("preset", "device", "tokenizer"):
        if key in overrides[1]:
            raise ConfigError(f"{key}: give it as --{key}, not as a setting.")
    given: dict[str, Any] = {key: value for key, value in budget.items() if value is not None}
    TrainConfig(**given, preset=request.preset)
    TrainConfig(tokenizer=request.tokenizer or "bpe", device=request.device, **overrides[1])
    if request.vocab_size is not None and "vocab_size" in overrides[0]:
        raise ConfigError("vocab_size: it is given twice.")
    if request.vocab_size is not None:
        overrides[0]["vocab_size"] = request.vocab_size
    if "vocab_size" in overrides[0]:
        smallest = SMALLEST_VOCABULARY[request.tokenizer or "bpe"]
        if overrides[0]["vocab_size"] < smallest:
            raise ConfigError(f"vocab_size: {overrides[0]['vocab_size']} is too small; at least {smallest}.")
        if request.tokenizer == "byte":
            raise ConfigError("vocab_size: the byte tokenizer always has 257 tokens; leave it out.")
    if request.from_model is not None and (request.tokenizer or "vocab_size" in overrides[0]):
        raise ConfigError(
            "--from: the model brings its own tokenizer and vocabulary; leave --tokenizer and --vocab-size out."
        )
    if request.from_model is not None and (request.preset != "auto" or set(overrides[0]) - {"dropout"}):
        raise ConfigError("--from: the model brings its own shape; of its settings only dropout can be changed.")
    return overrides


def _settings(settings: Sequence[str] | Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    assignments = (
        [f"{key}={value}" for key, value in settings.items()] if isinstance(settings, Mapping) else list(settings)
    )
    return parse_settings(assignments)


def _begin(request: Request, clock: Clock, ranks: Ranks) -> Preparing:
    overrides = check(request)
    if not request.texts:
        raise RequestError(
            "Nothing to train on: name a text file, a folder or a corpus (`gpt-tui corpora` lists those that ship)."
        )
    if request.name is not None:
        check_taken(models.check_name(request.name), replacing=request.replace)
    device = ranks.resolve_device(request.device)
    base = None
    if request.from_model is not None:
        base = likeliest() if request.from_model == FROM_AUTO else models.find(request.from_model)
        if base is None:
            yield Warning(elapsed=clock(), message="There is no model to go on from: it begins from scratch.")

    yield Prepare(elapsed=clock(), stage="reading", message="Reading the text")
    corpus = open_corpus(list(request.texts))
    for note in corpus.notes:
        yield Warning(elapsed=clock(), message=note)
    budget: dict[str, Any] = {"minutes": request.minutes, "steps": request.steps, "epochs": request.epochs}
    budget = {key: value for key, value in budget.items() if value is not None} or {"minutes": DEFAULT_MINUTES}

    yield Prepare(elapsed=clock(), stage="measuring", message="Measuring what this machine can do")
    measured, crowded = _measured(device, ranks)
    if crowded:
        yield Warning(elapsed=clock(), message=CROWDED)
    machine = ranks.together(measured)
    given = _Given(request, corpus, machine, device, budget, overrides, clock)
    begun = None
    if base is not None:
        begun = yield from _from_model(base, given)
    if begun is None:
        base, begun = None, (yield from _from_scratch(given))
    planned, tokenizer, tokens, model = begun
    ranks.share(planned.train.batch_size)
    train = settle(replace(planned.train, device=device), model, measured, device)
    record = ModelRecord(
        name=request.name or corpus.name,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        format=models.FORMAT,
        corpus=_describe(corpus, base.name if base is not None else None),
        summary={},
        model=planned.model,
        train=train,
        tokenizer_checksum=tokenizer.checksum,
    )
    folder, lock, replaced = take_folder(record, own_name=request.name is not None, replacing=request.replace)
    try:
        record = replace(record, name=folder.name)
        tokenizer.save(folder / store.TOKENIZER)
        store.save_heldout(folder, tokens.heldout, tokens.heldout_bytes)
        if any(source == "-" or Path(source).is_fifo() for source in corpus.sources):
            keep_text(corpus, folder / TEXT_COPY)
        models.write_record(folder, record)
    except BaseException:
        discard(folder, lock)
        if replaced:
            with contextlib.suppress(EngineError):
                models.restore(folder.name)
        raise
    prompt = _opening(tokenizer, tokens)
    sharded = _shards(planned, machine)
    notes = corpus.notes
    return Job(folder, lock, record, tokenizer, tokens, model, device, planned, measured, prompt, None, notes, sharded)


def _shards(planned: Plan, machine: Machine) -> bool:
    """Whether the processes that are together `machine` share the plan's weights out."""
    return shards(planned.model, planned.train, machine.memory, machine.processes)


class _Given(NamedTuple):
    """What a model is begun from: what was asked for, and what was found out of it."""

    request: Request
    corpus: Corpus
    machine: Machine
    device: str
    budget: Mapping[str, Any]
    overrides: tuple[dict[str, Any], dict[str, Any]]
    clock: Clock


def _from_scratch(given: _Given) -> Generator[Event, None, Begun]:
    """A tokenizer of this text's own, and a model that knows nothing."""
    request, corpus, machine, device, budget, overrides, clock = given
    kind = request.tokenizer or "bpe"
    options: dict[str, Any] = {**budget, "preset": request.preset, "tokenizer": kind}
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    yield Prepare(elapsed=clock(), stage="tokenizer", message="Learning which tokens this text is made of")
    holdout = planned.train.holdout
    tokenizer = train_tokenizer(kind, (piece.text for piece in corpus.split(holdout)[0]()), planned.model.vocab_size)
    tokens = yield from _encode(corpus, tokenizer, holdout, clock)
    overrides[0].pop("vocab_size", None)
    options |= {"vocab_size": tokenizer.vocab_size, "trigram_bits": trigram_bits(tokens, tokenizer)}
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    _check_length(tokens, planned.model)
    torch.manual_seed(planned.train.seed)
    return planned, tokenizer, tokens, GPT(planned.model).to("cpu" if _shards(planned, machine) else device)


def _from_model(base: Path, given: _Given) -> Generator[Event, None, Begun | None]:
    """A model of the store, its tokenizer and its shape; None when it was to be chosen, and scratch is expected to come
    out better."""
    request, corpus, machine, device, budget, overrides, clock = given
    tokenizer, record = store.load_tokenizer(base), models.read_record(base)
    options: dict[str, Any] = {**budget, "tokenizer": record.train.tokenizer, "base": record.model}
    options["vocab_size"] = record.model.vocab_size
    planned = plan(corpus.bytes, machine, overrides=overrides, **options)
    tokens = yield from _encode(corpus, tokenizer, planned.train.holdout, clock)
    _check_length(tokens, planned.model)
    torch.manual_seed(planned.train.seed)
    model = store.load_model(base, "best", "cpu" if _shards(planned, machine) else device)
    yield Prepare(elapsed=clock(), stage="weighing", message=f"Trying {base.name} on this text")
    dtype = DTYPES[machine.dtype] if machine.dtype != "float32" else None
    base_bits, trigrams = standing(model, tokens, dtype), trigram_bits(tokens, tokenizer)
    planned = plan(corpus.bytes, machine, overrides=overrides, base_bits=base_bits, trigram_bits=trigrams, **options)
    scratch = plan(corpus.bytes, machine, trigram_bits=trigrams, **budget)
    weighed = weigh(planned, scratch, trigrams, base.name)
    yield Prepare(elapsed=clock(), stage="weighing", message=weighed.reason)
    if not weighed.better and request.from_model == FROM_AUTO:
        return None
    if not weighed.better:
        yield Warning(elapsed=clock(), message=f"{weighed.reason} Leave --from out for that.")
    model.config = planned.model
    return replace(planned, reason=weighed.reason), tokenizer, tokens, model


def _encode(corpus: Corpus, tokenizer: Tokenizer, holdout: float, clock: Clock) -> Generator[Event, None, TokenData]:
    """Encode the corpus; reports how far it is when that takes a while."""
    yield Prepare(elapsed=clock(), stage="encoding", message="Turning the text into tokens", progress=0.0)
    reported: list[float] = []
    tokens = encode_corpus(
        corpus, tokenizer, holdout, folder=locations.cache_dir() / "tokens", progress=reported.append
    )
    if reported:
        yield Prepare(elapsed=clock(), stage="encoding", message="Turning the text into tokens", progress=1.0)
    return tokens


def _describe(corpus: Corpus, base: str | None) -> dict[str, Any]:
    """The corpus as model.toml keeps it: enough to find the text again and to know whether it is still the same."""
    return {
        "name": corpus.name,
        "sources": list(corpus.sources),
        "checksum": corpus.checksum,
        "bytes": corpus.bytes,
        "characters": corpus.characters,
        "documents": corpus.documents,
        **({"from_model": base} if base else {}),
    }


def _check_length(tokens: TokenData, model: ModelConfig) -> None:
    if len(tokens.train) < model.block_size + 1:
        raise ConfigError(
            f"block_size: {model.block_size} is longer than the text, which has {len(tokens.train)} tokens to train "
            "on. Choose a smaller block_size or a longer text."
        )


def _opening(tokenizer: Tokenizer, tokens: TokenData) -> str:
    """The first words of the held-out text, about twenty characters."""
    text = tokenizer.decode([int(token) for token in tokens.heldout[:48]]).lstrip()
    words, line = "", text.split("\n\n")[0]
    for word in line.split(" "):
        if len(words) + len(word) > 24 and words:
            break
        words = f"{words} {word}" if words else word
    return words[:60]


def _resume(request: Request, clock: Clock, ranks: Ranks) -> Preparing:
    if request.name is None:
        raise RequestError("--resume: name the model to go on with (--name NAME).")
    others = ("minutes", "steps", "epochs", "tokenizer", "vocab_size", "seed", "from_model")
    given = [key for key in others if getattr(request, key) is not None]
    if given or request.settings or request.preset != "auto" or request.replace:
        what = given[0].replace("_", "-") if given else "replace" if request.replace else "options"
        raise RequestError(f"--resume: a run goes on with the options that it began with; leave --{what} out.")
    models.check_name(request.name)
    folder = models.find(request.name)
    record = models.read_record(folder)
    if not models.is_there(folder / store.STATE):
        raise ModelNotFoundError(f"{record.name}: nothing was saved to go on from. Train it anew with --replace.")
    device = ranks.resolve_device(request.device if request.device != "auto" else record.train.device)
    ranks.share(record.train.batch_size)
    lock = files.ModelLock(folder).acquire()
    try:
        files.remove_leftovers(folder)
        yield Prepare(elapsed=clock(), stage="reading", message="Reading the text")
        weights, tensors, state = store.load_state(folder)
        if state.get("finished"):
            raise RequestError(f"{record.name}: its training is finished. Go on from it with --from {record.name}.")
        corpus = _same_corpus(request, record, folder)
        tokenizer = store.load_tokenizer(folder)
        tokens = yield from _encode(corpus, tokenizer, record.train.holdout, clock)
        measured, _ = _measured(device, ranks)
        machine = ranks.together(measured)
        planned = plan(
            corpus.bytes,
            machine,
            preset=record.train.preset,
            tokenizer=record.train.tokenizer,
            vocab_size=record.model.vocab_size,
            base=record.model,
            **{record.train.budget: getattr(record.train, record.train.budget)},
        )
        planned = replace(planned, model=record.model, train=record.train)
        sharded = _shards(planned, machine)
        model = store.assemble(record.model, weights, folder / store.STATE, "cpu" if sharded else device)
        prompt = _opening(tokenizer, tokens)
        saved, notes = (tensors, state), corpus.notes
        return Job(
            folder, lock, record, tokenizer, tokens, model, device, planned, measured, prompt, saved, notes, sharded
        )
    except BaseException:
        lock.release()
        raise


def _same_corpus(request: Request, record: ModelRecord, folder: Path) -> Corpus:
    """The text of a run that is gone on with, which must not have changed."""
    sources = [str(source) for source in record.corpus.get("sources", [])]
    copies = [str(path) for path in sorted((folder / TEXT_COPY).glob("*.txt"))]
    again = [] if copies and "-" in request.texts else list(request.texts)
    texts = again or copies or sources
    if not texts:
        raise DamagedModelError(f"{record.name}: model.toml does not say which text it was trained on; name it again.")
    corpus = open_corpus(texts)
    if corpus.checksum != record.corpus.get("checksum"):
        raise RequestError(
            f"{record.name}: the text has changed since its training began. Bring it back, or begin a new model "
            f"from this one with --from {record.name}."
        )
    return corpus


def _measured(device: str, ranks: Ranks) -> tuple[Machine, bool]:
    """What the machine can do, and whether others kept it busy meanwhile. What a process among several measures, on its
    few threads, is not remembered."""
    return (remembered(device) or measure(device), False) if ranks.several else look(device)


def use_machine(job: Job, ranks: Ranks) -> None:
    """Settle this process's threads and memory habits for the run."""
    if job.device == "cpu":
        torch.set_num_threads(ranks.threads(job.record.train.threads))
        keep_freed_pages()
