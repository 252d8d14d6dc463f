"""What the way to a new model computes: which texts were meant, what was chosen, and what will come of it.

No Textual here, and no torch: what takes longer than a moment is called in a thread.
"""

from __future__ import annotations

import contextlib
import math
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine import locations
from engine.config import ModelConfig, TrainConfig, check_fields, parse_settings
from engine.data.corpus import catalog, model_name
from engine.errors import ConfigError, EngineError
from engine.store import models
from engine.store.models import ModelRecord
from engine.training import bases
from engine.training.foresight import NOTHING, Foresight, foresee_in_child
from engine.training.planner import Machine, Plan, plan, weigh

BUDGETS = ("steps", "epochs")
"""Settings that take the place of the minutes."""

CHOSEN_ELSEWHERE = ("preset", "tokenizer", "minutes")
"""Settings that have a place of their own among the choices."""

KEPT_FROM_BASE = "the model that it goes on from brings its own"


@dataclass(frozen=True)
class Choices:
    """What the user has chosen of a new model. `settings` are as typed; what is not among them the plan settles."""

    name: str = ""
    """Empty: the text's own, numbered when it is taken."""
    minutes: float = 2.0
    preset: str = "auto"
    tokenizer: str = "bpe"
    device: str = "auto"
    from_model: str = ""
    """Empty: a model that ships where that is expected to pay, else scratch."""
    texts: tuple[str, ...] = ()
    """What it shall learn: texts that ship have a model of their own to go on from."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The device that is asked for."""
        return self.settings.get("device", self.device)

    @property
    def base(self) -> str:
        """The model that is gone on from, or weighed where that is left open: by its name, one that ships by its
        folder, as one of the store may bear its name. Nothing: scratch."""
        if self.from_model:
            return "" if self.from_model == bases.SCRATCH else self.from_model
        ours = bases.unasked(self.texts) if self._left_open else None
        return str(ours) if ours is not None else ""

    @property
    def _left_open(self) -> bool:
        shape = {name for name in self.settings if name in ModelConfig.__dataclass_fields__}
        in_minutes = not any(self.settings.get(name, "").strip() for name in BUDGETS)
        return bases.left_open(
            preset=self.preset, tokenizer=self._tokens_asked, in_minutes=in_minutes, model_settings=shape
        )

    @property
    def _tokens_asked(self) -> str | None:
        """Pieces of words are what one gets unasked."""
        return None if self.tokenizer == "bpe" and self.preset == "auto" else self.tokenizer


# What was chosen → what the engine is asked for


def options(choices: Choices) -> dict[str, Any]:
    """The options of `engine.training.runs.start`. Raises `ConfigError`."""
    settings = dict(choices.settings)
    asked: dict[str, Any] = {"device": settings.pop("device", choices.device)}
    budget = _budget(choices)
    for name in budget:
        settings.pop(name, None)
    asked |= budget
    if choices.from_model:
        asked["from_model"] = choices.from_model
    if choices.from_model in ("", bases.SCRATCH):
        asked["preset"] = choices.preset
        if choices._tokens_asked is not None:
            asked["tokenizer"] = choices.tokenizer
    if choices.name.strip():
        asked["name"] = choices.name.strip()
    if settings:
        asked["settings"] = [f"{name}={text}" for name, text in settings.items()]
    return asked


def make_plan(
    n_bytes: int,
    machine: Machine,
    choices: Choices,
    base: ModelRecord | None = None,
    distinct_words: int | None = None,
    foreseen: Foresight = NOTHING,
) -> Plan:
    """What will be built of a text of so many bytes, of which so much is foreseen; `base` is the record of
    `choices.base`. Raises `ConfigError`, which begins with a setting's name."""
    model, train = parse_settings([f"{name}={text}" for name, text in choices.settings.items()])
    for name in ("device", *BUDGETS):
        train.pop(name, None)
    budget = _budget(choices)
    if base is not None and (choices.from_model or not math.isnan(foreseen.base_bits)):
        for name in model:
            if name != "dropout":
                raise ConfigError(f"{name}: {KEPT_FROM_BASE}; leave it empty.")
        planned = plan(
            n_bytes,
            machine,
            tokenizer=base.train.tokenizer,
            vocab_size=base.model.vocab_size,
            base=base.model,
            overrides=(model, train),
            **foreseen._asdict(),
            **budget,
        )
        if math.isnan(foreseen.base_bits):
            return planned
        scratch = plan(n_bytes, machine, trigram_bits=foreseen.trigram_bits, overrides=(model, train), **budget)
        weighed = weigh(planned, scratch, foreseen.trigram_bits, base.name)
        if weighed.better:
            return replace(planned, reason=weighed.figures)
        if not choices.from_model:
            return scratch
        return replace(planned, advice=(*planned.advice, weighed.reason))
    _check_vocabulary(model, choices.tokenizer)
    vocab_size = None
    if choices.tokenizer == "word" and distinct_words is not None:  # a word counts twice where it begins a sentence
        vocab_size = min(int(model.get("vocab_size", 20_000)), round(1.3 * distinct_words) + 100)
    return plan(
        n_bytes,
        machine,
        preset=choices.preset,
        tokenizer=choices.tokenizer,
        vocab_size=vocab_size,
        overrides=(model, train),
        trigram_bits=foreseen.trigram_bits,
        **budget,
    )


def base_record(choices: Choices, known: Mapping[str, ModelRecord]) -> ModelRecord | None:
    """The record of `choices.base`, out of those `known` by name, or of the model that ships; None where there is none,
    or that is damaged: then the training begins from scratch."""
    if not choices.base or choices.from_model:
        return known.get(choices.base)
    with contextlib.suppress(EngineError):
        return models.read_record(Path(choices.base))
    return None


def _budget(choices: Choices) -> dict[str, Any]:
    """The one budget that was given. Raises `ConfigError`."""
    given = {name: choices.settings[name] for name in BUDGETS if choices.settings.get(name, "").strip()}
    _, budget = parse_settings([f"{name}={text}" for name, text in given.items()])
    for name, value in budget.items():
        if value <= 0:
            raise ConfigError(f"{name}: {value} is too small; it must be more than 0.")
    return budget or {"minutes": choices.minutes}


def _check_vocabulary(model: Mapping[str, Any], tokenizer: str) -> None:
    """What the trainer would refuse only after it has begun."""
    if "vocab_size" not in model:
        return
    if tokenizer == "byte":
        raise ConfigError("vocab_size: bytes always make 257 tokens; leave it empty.")
    least = 257 if tokenizer == "bpe" else 3
    if model["vocab_size"] < least:
        raise ConfigError(f"vocab_size: {model['vocab_size']} is too small; at least {least}.")


# Single settings


@dataclass(frozen=True)
class Setting:
    """A field of ModelConfig or TrainConfig, as the app offers it."""

    name: str
    table: str
    """`model` or `training`."""
    meaning: str
    bounds: str
    """In words: `1 to 256`, `more than 0`, `gpt2 or qwen3`."""
    choices: tuple[str, ...]


def settings() -> list[Setting]:
    """Every setting but those that have a place of their own among the choices."""
    found = []
    for kind, table in ((ModelConfig, "model"), (TrainConfig, "training")):
        for entry in fields(kind):
            if entry.name in CHOSEN_ELSEWHERE:
                continue
            choices = entry.metadata.get("choices", ())
            if isinstance(entry.default, bool):
                choices = ("true", "false")
            found.append(
                Setting(entry.name, table, entry.metadata["meaning"], _bounds(entry.metadata, choices), choices)
            )
    return found


def _bounds(metadata: Mapping[str, Any], choices: tuple[str, ...]) -> str:
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    least = f"{metadata['ge']:,g}" if "ge" in metadata else ""
    most = f"{metadata['le']:,}".removesuffix(".0") if "le" in metadata and metadata["le"] < 1e15 else ""
    if "lt" in metadata:
        most = f"less than {metadata['lt']:g}"
    if "gt" in metadata:
        return f"more than {metadata['gt']:g}" + (f", at most {most}" if most else "")
    return f"{least} to {most}" if least and most else f"at least {least}" if least else ""


def setting_problem(name: str, text: str) -> str:
    """What is wrong with a value as typed, in one line without the setting's name; nothing when it may stand."""
    if not text.strip():
        return ""
    try:
        for kind, table in zip((ModelConfig, TrainConfig), parse_settings([f"{name}={text}"]), strict=True):
            if table:
                _check_alone(kind, table)
    except ConfigError as error:
        return without_name(str(error), name)
    return ""


def _check_alone(kind: type[ModelConfig] | type[TrainConfig], table: Mapping[str, Any]) -> None:
    """Check a value's own bounds, whatever the others are."""
    config = object.__new__(kind)
    for entry in fields(kind):
        object.__setattr__(config, entry.name, table.get(entry.name, entry.default))
    check_fields(config)


def without_name(message: str, name: str) -> str:
    """`n_layer: 0 is too small; at least 1.` → `0 is too small; at least 1.`"""
    rest = message.removeprefix(f"{name}: ")
    return rest[:1].upper() + rest[1:]


def minutes_of(text: str) -> float | None:
    """Minutes as typed: `1.5`, `1,5`, `½`; None when they are none that can be a budget."""
    text = text.strip().replace(",", ".")
    half = text.endswith("½")
    try:
        value = float(text.removesuffix("½") or (0 if half else "")) + (0.5 if half else 0.0)
    except ValueError:
        return None
    most = next(entry.metadata["le"] for entry in fields(TrainConfig) if entry.name == "minutes")
    return value if math.isfinite(value) and 0 < value <= most else None


# The machine


def likely_device(asked: str) -> str:
    """Where it will be computed: `auto` is guessed from what torch was built for and which drivers there are, as asking
    torch itself takes seconds."""
    if asked != "auto":
        return asked
    if platform.system() == "Darwin":
        return "mps" if platform.machine() == "arm64" else "cpu"
    try:
        built_for_cpu = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        built_for_cpu = True
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    return "cuda" if driver and not built_for_cpu else "cpu"


def known_machine(asked: str) -> Machine | None:
    """What was measured before; None when nothing was."""
    from engine.training.machine import remembered

    return remembered(likely_device(asked))


def measured_machine(asked: str) -> tuple[Machine, bool]:
    """What the machine can do, and whether that may be too little, as others kept it busy. Measured in a child process,
    in seconds, unless it is remembered."""
    from engine.training.machine import look

    device = likely_device(asked)
    found, crowded = look(device)
    if asked == "auto" and device != "cpu" and found == Machine(device=device):  # nothing could be measured on it
        return look("cpu")
    return found, crowded


CROWDED = "Other programs keep this machine busy; without them it will do more."
"""What is said of a machine that was measured so."""


def foreseen(texts: tuple[str, ...], base: str = "") -> Foresight:
    """How predictable the texts are, and how the model `base` does on them, from which the quality is foretold. Takes a
    child process one to three seconds, once for each text and model in this session."""
    key = (texts, base, *map(_stamp, texts))
    if key not in _foreseen:
        _foreseen[key] = foresee_in_child(texts, base)
    return _foreseen[key]


_foreseen: dict[tuple[Any, ...], Foresight] = {}


def _stamp(text: str) -> tuple[int, int]:
    """What tells that a file has changed."""
    try:
        status = locations.expanded(text).stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return 0, 0


# Names


def own_name(texts: tuple[str, ...]) -> str:
    """What a model of these texts is called unless it is given a name: the text's own, numbered when that is taken."""
    from engine.training import runs

    if texts[0] in {entry.name for entry in catalog()}:
        own = texts[0]
    else:
        first = locations.expanded(texts[0])
        own = model_name(first.name if first.is_dir() else first.stem)
    alive = {run.name.casefold() for run in runs.running()}
    name, number = models.free_name(own), 2
    while name.casefold() in alive:
        name, number = models.free_name(f"{own}-{number}"), number + 1
    return name


def is_taken(name: str) -> bool:
    """Whether a model of that name is there."""
    try:
        return bool(name.strip()) and (locations.models_dir() / models.check_name(name.strip())).exists()
    except ConfigError:
        return False


def name_problem(name: str) -> str:
    """What is wrong with a name, in one line; nothing when it may stand (or is left to the text)."""
    if not name.strip():
        return ""
    try:
        models.check_name(name.strip())
    except ConfigError as error:
        return without_name(str(error), "name")
    return ""


def shorter(error: EngineError, texts: tuple[str, ...]) -> str:
    """An error's line with names of files instead of whole paths: what was chosen is on the screen."""
    line = " ".join(str(error).split())
    for text in texts:
        line = line.replace(text, Path(text).name or text)
    return line
