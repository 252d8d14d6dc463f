"""What training and generation report, as dataclasses; the same objects, one a line, are the `--json` output.

Every event carries `elapsed`: seconds since the command began, pauses and interruptions not counted.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple


def to_json(event: Event) -> str:
    """One line of JSON: `event` first, then the fields. What is not a finite number becomes null, as JSON has no
    NaN."""
    record = {"event": event.event, **_plain(vars(event))}
    line = json.dumps(record, ensure_ascii=False)
    if not line.isascii() and _SURROGATE.search(line):  # a file's name that is no Unicode; escaped it can be written
        return json.dumps(record)
    return line


_SURROGATE = re.compile("[\ud800-\udfff]")


def _plain(value: Any) -> Any:
    """The value as JSON has it; a tuple whose places have names becomes an object."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if isinstance(value, Alternative):
            return dict(zip(value._fields, map(_plain, value), strict=True))
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events share."""

    event: ClassVar[str] = ""
    elapsed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Prepare(Event):
    """Work before the first step: reading, the tokenizer, encoding, measuring. `progress` is from 0 to 1, or None
    when unknown."""

    event: ClassVar[str] = "prepare"
    stage: str
    message: str
    progress: float | None = None


@dataclass(frozen=True, kw_only=True)
class Start(Event):
    """The run is settled: what will be trained, on what, with which settings."""

    event: ClassVar[str] = "start"
    name: str
    path: str
    corpus: dict[str, Any]
    model: dict[str, Any]
    train: dict[str, Any]
    parameters: dict[str, int]
    device: str
    plan: dict[str, Any] = field(default_factory=dict)
    resumed_from: int = 0


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """One optimizer step. `loss` is in nats per token; `eta` is the seconds left; `memory` is in bytes."""

    event: ClassVar[str] = "step"
    step: int
    tokens: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_second: float
    memory: int
    eta: float
    progress: float
    epoch: float


@dataclass(frozen=True, kw_only=True)
class Eval(Event):
    """Held-out loss (nats per token) and bits per byte after `step` steps."""

    event: ClassVar[str] = "eval"
    step: int
    tokens: int
    val_loss: float
    perplexity: float
    bits_per_byte: float
    train_loss: float
    best: bool


@dataclass(frozen=True, kw_only=True)
class Sample(Event):
    """What the model writes at this step."""

    event: ClassVar[str] = "sample"
    step: int
    prompt: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Event):
    """Weights were saved. `kind` is `best`, `last` or `moment` (one of the earlier moments that are kept)."""

    event: ClassVar[str] = "checkpoint"
    step: int
    kind: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Pause(Event):
    event: ClassVar[str] = "pause"
    step: int


@dataclass(frozen=True, kw_only=True)
class Resume(Event):
    """Training goes on, after a pause or in a new process."""

    event: ClassVar[str] = "resume"
    step: int


@dataclass(frozen=True, kw_only=True)
class Round(Event):
    """After `step` the weights begin again where they began first: training `number`, from 1, of the `count` that are
    averaged."""

    event: ClassVar[str] = "round"
    step: int
    number: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Warning(Event):
    """Something that the user should know and that stops nothing."""

    event: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class End(Event):
    """The run is over. `reason`: `budget`, `stopped`, `converged` or `diverged`. `bits_per_byte` is that of the
    weights kept as best."""

    event: ClassVar[str] = "end"
    reason: str
    name: str
    path: str
    step: int
    tokens: int
    val_loss: float
    perplexity: float
    bits_per_byte: float
    best_step: int
    seconds: float
    message: str = ""


class Alternative(NamedTuple):
    """A token that could have stood in a place, the text that would have come with it, and its probability."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Token(Event):
    """One token that a model wrote. `text` is what becomes visible with it, which may be nothing: half a character,
    or what may be the beginning of a stop text. `probability` and `alternatives` (the likeliest tokens) are the
    model's own: before temperature and truncation, and, where a prompt ends within a token, given the prompt."""

    event: ClassVar[str] = "token"
    sample: int
    id: int
    text: str
    probability: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SampleEnd(Event):
    """A sample is whole. `text` is its continuation, `tokens` how many were written. `stop_reason`: `length`, `stop`
    (a stop text came) or `end_of_text`. The same prompt, settings and `seed` give the same text again."""

    event: ClassVar[str] = "end"
    sample: int
    text: str
    tokens: int
    tokens_per_second: float
    stop_reason: str
    seed: int


def from_json(line: str) -> Event | None:
    """The event in a line of `events.jsonl`; None for a line cut off by a crash or written by a newer version."""
    kinds: dict[str, type[Event]] = {
        kind.event: kind
        for kind in (Prepare, Start, Step, Eval, Sample, Checkpoint, Pause, Resume, Round, Warning, End)
    }
    try:
        record = json.loads(line)
        kind = kinds[record.pop("event")]
        return kind(
            **{key: math.nan if value is None and key != "progress" else value for key, value in record.items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
