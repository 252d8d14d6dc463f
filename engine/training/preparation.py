"""From a request to a settled run: the text opened and encoded, the plan made, the folder taken, the model built."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import files
from engine.config import TrainConfig, parse_settings
from engine.data.corpus import Corpus, open_corpus
from engine.data.dataset import TokenData
from engine.data.tokenizer import Tokenizer
from engine.errors import ConfigError, DamagedModelError, EngineError, ModelNotFoundError, RequestError
from engine.events import Event, Prepare, Warning
from engine.model.gpt import GPT
from engine.store import checkpoint as store
from engine.store import models
from engine.store.models import ModelRecord
from engine.training import bases
from engine.training.beginning import Clock, Given, base_of, begin, encode, shares_weights
from engine.training.claiming import check_taken, discard, keep_text, take_folder
from engine.training.foresight import Standing
from engine.training.machine import CROWDED, keep_freed_pages, look, measure, remembered
from engine.training.parallel import Ranks
from engine.training.planner import Machine, Plan, plan
from engine.training.steps import settle

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
    stood: Standing | None = None
    """How the model that is gone on from does on this text."""


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
    if request.from_model in (None, bases.SCRATCH):
        return overrides
    if request.tokenizer or "vocab_size" in overrides[0]:
        raise ConfigError(
            "--from: the model brings its own tokenizer and vocabulary; leave --tokenizer and --vocab-size out."
        )
    if request.preset != "auto" or set(overrides[0]) - {"dropout"}:
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
    base = base_of(request, overrides[0])
    if base is None and request.from_model == bases.AUTO:
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
    given = Given(request, corpus, machine, device, budget, overrides, clock)
    planned, tokenizer, tokens, model, base, stood = yield from begin(given, base)
    ranks.share(planned.train.batch_size)
    train = settle(replace(planned.train, device=device), model, measured, device)
    sharded = shares_weights(planned, machine)
    if sharded and train.rounds > 1:
        yield Warning(elapsed=clock(), message="rounds: there is one, as each process keeps a part of the weights.")
        train = replace(train, rounds=1)
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
    job = Job(folder, lock, record, tokenizer, tokens, model, device, planned, measured, prompt)
    return replace(job, notes=corpus.notes, sharded=sharded, stood=stood)


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
        tokens = yield from encode(corpus, tokenizer, record.train.holdout, clock)
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
        sharded = shares_weights(planned, machine)
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
