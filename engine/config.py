"""What a model is, how it is trained and how it is sampled: frozen dataclasses, checked, TOML in and out.

Every field carries its meaning and its bounds, so that the command line, the app and the documentation say the same.
A value that is out of bounds raises `ConfigError` at construction: a config that exists is a config that is valid.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from engine.errors import ConfigError

Config = TypeVar("Config", "ModelConfig", "TrainConfig", "SampleConfig")


def setting(
    default: Any,
    meaning: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with its one-line meaning and its bounds (`ge` and `le` inclusive, `gt` and `lt` exclusive)."""
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt, "choices": choices}
    return field(default=default, metadata={"meaning": meaning, **{k: v for k, v in bounds.items() if v is not None}})


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a GPT. Zero in `n_kv_head`, `head_dim` or `n_ff` stands for the family's usual value and is
    replaced by it."""

    family: str = setting("qwen3", "The architecture: gpt2 or qwen3.", choices=("gpt2", "qwen3"))
    vocab_size: int = setting(2048, "How many different tokens there are.", ge=2, le=1_000_000)
    block_size: int = setting(128, "How many tokens the model sees at once (context length).", ge=2, le=1_048_576)
    n_layer: int = setting(4, "How many transformer blocks are stacked.", ge=1, le=256)
    n_head: int = setting(2, "Attention heads in a block.", ge=1, le=256)
    n_kv_head: int = setting(0, "Key and value heads (grouped-query attention); 0: as many as heads.", ge=0, le=256)
    n_embd: int = setting(128, "Width: numbers that stand for one token between the blocks.", ge=4, le=32_768)
    head_dim: int = setting(0, "Width of one attention head; 0: n_embd / n_head.", ge=0, le=1024)
    n_ff: int = setting(0, "Width of the feed-forward layer; 0: the family's usual.", ge=0, le=262_144)
    dropout: float = setting(0.0, "Share of activations dropped while training.", ge=0.0, lt=1.0)
    tie_embeddings: bool = setting(False, "Whether the output head is the token embedding.")
    qk_norm: bool = setting(True, "Whether queries and keys are normalised (qwen3; without it: llama).")
    rope_theta: float = setting(10_000.0, "Base of the rotary positions (qwen3).", gt=1.0, le=1e9)
    norm_eps: float = setting(1e-5, "Small number in the norms' division.", gt=0.0, le=0.01)

    def __post_init__(self) -> None:
        check_fields(self)
        set_ = object.__setattr__
        if self.family == "gpt2":
            set_(self, "qk_norm", False)
            if self.n_kv_head not in (0, self.n_head):
                raise ConfigError("n_kv_head: the gpt2 family has as many key heads as heads; leave it at 0.")
            if self.head_dim and self.head_dim * self.n_head != self.n_embd:
                raise ConfigError("head_dim: in the gpt2 family it is n_embd / n_head; leave it at 0.")
        if not self.head_dim and self.n_embd % self.n_head:
            raise ConfigError(f"n_head: {self.n_head} heads do not divide the width n_embd = {self.n_embd}.")
        set_(self, "n_kv_head", self.n_kv_head or self.n_head)
        set_(self, "head_dim", self.head_dim or self.n_embd // self.n_head)
        if self.n_head % self.n_kv_head:
            raise ConfigError(f"n_kv_head: {self.n_kv_head} does not divide n_head = {self.n_head}.")
        if self.family == "qwen3" and self.head_dim % 2:
            raise ConfigError(f"head_dim: rotary positions need an even width of a head, not {self.head_dim}.")
        if not self.n_ff:
            usual = 4 * self.n_embd if self.family == "gpt2" else 64 * max(1, round(self.n_embd * 8 / 3 / 64 + 0.25))
            set_(self, "n_ff", usual)

    def parameter_counts(self) -> dict[str, int]:
        """Parameters by part: embedding, positions, attention, feed_forward, norms, head, total (what is tied counts
        once)."""
        width, gpt2 = self.n_embd, self.family == "gpt2"
        query, key = self.n_head * self.head_dim, self.n_kv_head * self.head_dim
        attention = width * (query + 2 * key) + query * width
        feed_forward = (2 if gpt2 else 3) * width * self.n_ff
        norms = 2 * width + (2 * self.head_dim if self.qk_norm else 0)
        if gpt2:  # biases
            attention += query + 2 * key + width
            feed_forward += self.n_ff + width
            norms += 2 * width
        counts = {
            "embedding": self.vocab_size * width,
            "positions": self.block_size * width if gpt2 else 0,
            "attention": self.n_layer * attention,
            "feed_forward": self.n_layer * feed_forward,
            "norms": self.n_layer * norms + (2 if gpt2 else 1) * width,
            "head": 0 if self.tie_embeddings else self.vocab_size * width,
        }
        return {**counts, "total": sum(counts.values())}

    def flops_per_token(self) -> float:
        """Floating-point operations of a training step for one token, forward and backward (Chowdhery et al. 2022,
        PaLM, appendix B)."""
        counts = self.parameter_counts()
        matrices = counts["attention"] + counts["feed_forward"] + self.vocab_size * self.n_embd
        return 6.0 * matrices + 12.0 * self.n_layer * self.n_head * self.head_dim * self.block_size


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained. Exactly one of `minutes`, `steps` and `epochs` is above zero: the budget."""

    preset: str = setting(
        "auto", "The recipe it began from.", choices=("auto", "classic", "nano", "small", "medium", "large")
    )
    minutes: float = setting(0.0, "Budget of wall-clock minutes, everything included.", ge=0.0, le=525_600.0)
    steps: int = setting(0, "Budget of optimizer steps.", ge=0, le=1_000_000_000)
    epochs: float = setting(0.0, "Budget of passes over the text.", ge=0.0, le=1_000_000.0)
    most_epochs: float = setting(
        0.0, "Passes over the text after which minutes end early; 0: no limit.", ge=0.0, le=1e6
    )
    rounds: int = setting(
        1, "Trainings of the budget, each from the same model in another order, averaged; from scratch: 1.", ge=1, le=64
    )
    tokenizer: str = setting("bpe", "What a token is: bpe, byte or word.", choices=("bpe", "byte", "word"))
    holdout: float = setting(0.1, "Share of the text, at its end, that is kept for measuring.", ge=0.001, le=0.5)
    batch_size: int = setting(16, "Windows of text in one step.", ge=1, le=65_536)
    accumulate: int = setting(1, "Batches whose gradients are added up before a step.", ge=1, le=4096)
    stride: int = setting(
        0, "Tokens between two windows' beginnings; 0: block_size, so that none overlap.", ge=0, le=1_048_576
    )
    optimizer: str = setting("muon", "Which optimizer moves the weights.", choices=("muon", "adamw", "adam"))
    learning_rate: float = setting(6e-3, "Peak learning rate of Adam(W).", gt=0.0, le=1.0)
    matrix_learning_rate: float = setting(0.02, "Peak learning rate of Muon, for the blocks' matrices.", gt=0.0, le=1.0)
    bigram_steps: int = setting(0, "Steps, before training, on which token follows which.", ge=0, le=10_000)
    token_noise: float = setting(0.0, "Share of the tokens read that are replaced by random ones.", ge=0.0, le=0.9)
    schedule: str = setting("linear", "How the rate falls after the warm-up.", choices=("linear", "cosine", "constant"))
    min_learning_rate: float = setting(0.0, "Share of the peak rate that is left at the end.", ge=0.0, le=1.0)
    warmup_steps: int = setting(20, "Steps in which the rate rises to its peak.", ge=0, le=1_000_000)
    weight_decay: float = setting(0.1, "How strongly weights are pulled to zero.", ge=0.0, le=10.0)
    beta1: float = setting(0.9, "Adam's memory of the gradient.", ge=0.0, lt=1.0)
    beta2: float = setting(0.95, "Adam's memory of the squared gradient.", ge=0.0, lt=1.0)
    momentum: float = setting(0.95, "Muon's memory of the gradient.", ge=0.0, lt=1.0)
    grad_clip: float = setting(1.0, "Largest norm of the gradient; 0: not clipped.", ge=0.0, le=1e6)
    patience: int = setting(0, "Evaluations without progress after which it stops early; 0: never.", ge=0, le=1_000_000)
    eval_interval: int = setting(0, "Steps between two evaluations; 0: fitted to the budget.", ge=0, le=1_000_000_000)
    sample_interval: int = setting(0, "Steps between two samples; 0: fitted to the budget.", ge=0, le=1_000_000_000)
    moments: int = setting(6, "How many earlier moments of the model are kept.", ge=0, le=100)
    seed: int = setting(1, "Seed of everything random.", ge=0, le=2**63 - 1)
    device: str = setting("auto", "Where it is computed.", choices=("auto", "cpu", "cuda", "mps"))
    dtype: str = setting(
        "auto", "Arithmetic of the matrix products; auto: measured.", choices=("auto", "float32", "bfloat16")
    )
    compile: bool = setting(False, "Whether torch.compile prepares the model.")
    fast_step: str = setting(
        "auto", "The hand-written training step for CPUs; auto: measured.", choices=("auto", "on", "off")
    )
    threads: int = setting(0, "CPU threads; 0: measured.", ge=0, le=1024)
    sharded: str = setting(
        "auto",
        "Whether each of several processes keeps a part of the weights; auto: where they do not fit otherwise.",
        choices=("auto", "on", "off"),
    )

    def __post_init__(self) -> None:
        check_fields(self)
        given = [name for name in ("minutes", "steps", "epochs") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)}: give one budget, not {len(given)}.")

    @property
    def budget(self) -> str:
        """Which of `minutes`, `steps` and `epochs` bounds the run."""
        return "steps" if self.steps else "epochs" if self.epochs else "minutes"


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How the next token is chosen. The defaults leave the model's distribution as it is, at temperature 0.8."""

    max_new_tokens: int = setting(200, "Tokens to write at most.", ge=1, le=10_000_000)
    temperature: float = setting(
        0.8, "Below 1: safer words; above 1: wilder ones; 0: always the likeliest.", ge=0.0, le=100.0
    )
    top_k: int = setting(0, "Choose among the k likeliest tokens; 0: among all.", ge=0, le=1_000_000)
    top_p: float = setting(
        1.0, "Choose among the likeliest tokens that together have this probability.", gt=0.0, le=1.0
    )
    min_p: float = setting(0.0, "Leave out tokens less likely than this share of the likeliest.", ge=0.0, le=1.0)
    repetition_penalty: float = setting(1.0, "Above 1: words already there become less likely.", ge=0.01, le=100.0)
    stop: tuple[str, ...] = setting((), "Texts at which writing stops.")
    seed: int | None = setting(
        None, "The same seed gives the same text; none: a new one each time.", ge=0, le=2**63 - 1
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        check_fields(self)
        if any(not text for text in self.stop):
            raise ConfigError("stop: an empty text would stop at once; leave it out.")


def to_table(config: ModelConfig | TrainConfig | SampleConfig) -> dict[str, Any]:
    """The config as a TOML table (numbers as numbers, tuples as lists, None left out)."""
    table = {f.name: getattr(config, f.name) for f in fields(config)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in table.items() if v is not None}


def from_table(kind: type[Config], table: Mapping[str, Any]) -> Config:
    """The config in a TOML table. Raises `ConfigError` on an unknown key or a value that is out of bounds."""
    known = [f.name for f in fields(kind)]
    for key in table:
        if key not in known:
            raise ConfigError(_unknown(key, known))
    return kind(**table)


def parse_settings(assignments: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`["n_layer=4", "learning_rate=1e-3"]` → (settings of ModelConfig, settings of TrainConfig), values in their
    types.

    Raises `ConfigError` on what is no assignment, an unknown key or a value of the wrong type. Bounds are checked
    when the configs are made.
    """
    tables: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    names = [{f.name for f in fields(kind)} for kind in (ModelConfig, TrainConfig)]
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals:
            raise ConfigError(f"--set {assignment!r}: write KEY=VALUE.")
        for kind, known, table in zip((ModelConfig, TrainConfig), names, tables, strict=True):
            if key in known:
                table[key] = _parse(key, text.strip(), get_type_hints(kind)[key])
                break
        else:
            raise ConfigError(_unknown(key, sorted(names[0] | names[1])))
    return tables


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"{key}: no such setting. " + (f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}.")


def _parse(key: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in ("true", "yes", "on", "1"):
            return True
        if text.lower() in ("false", "no", "off", "0"):
            return False
        raise ConfigError(f"{key}: {text!r} is neither true nor false.")
    if kind is int:
        try:
            return int(text.replace("_", ""))
        except ValueError:
            raise ConfigError(f"{key}: {text!r} is not a whole number.") from None
    if kind is float:
        try:
            return float(text.replace("_", ""))
        except ValueError:
            raise ConfigError(f"{key}: {text!r} is not a number.") from None
    return text


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a config's fields; resolving them anew would take half the time of listing a thousand models."""
    return get_type_hints(kind)


def check_fields(config: Any) -> None:
    """Types, finiteness and bounds of every field. Raises `ConfigError` in one line that names the field."""
    kind: Any = type(config)
    hints = _hints(kind)
    for f in fields(config):
        value, bounds = getattr(config, f.name), f.metadata
        if value is None and type(None) in get_args(hints[f.name]):
            continue
        kinds = [
            k for k in (get_args(hints[f.name]) or (hints[f.name],)) if isinstance(k, type) and k is not type(None)
        ]
        if get_origin(hints[f.name]) is dict:
            if not isinstance(value, dict):
                raise ConfigError(f"{f.name}: {value!r} is not a table.")
            continue
        if get_origin(hints[f.name]) is tuple:
            if not all(isinstance(item, str) for item in value):
                raise ConfigError(f"{f.name}: {value!r} is not a list of texts.")
            continue
        if float in kinds and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 1e300 else math.inf if value > 0 else -math.inf
            object.__setattr__(config, f.name, value)
        if not isinstance(value, tuple(kinds)) or (isinstance(value, bool) and bool not in kinds):
            names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
            raise ConfigError(f"{f.name}: {value!r} is not {names.get(kinds[0], kinds[0].__name__)}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{f.name}: {value} is not a finite number.")
        if "choices" in bounds and value not in bounds["choices"]:
            raise ConfigError(f"{f.name}: {value!r} is none of {', '.join(bounds['choices'])}.")
        if "ge" in bounds and value < bounds["ge"]:
            raise ConfigError(f"{f.name}: {value} is too small; at least {bounds['ge']}.")
        if "gt" in bounds and value <= bounds["gt"]:
            raise ConfigError(f"{f.name}: {value} is too small; it must be more than {bounds['gt']}.")
        if "le" in bounds and value > bounds["le"]:
            raise ConfigError(f"{f.name}: {value} is too large; at most {bounds['le']}.")
        if "lt" in bounds and value >= bounds["lt"]:
            raise ConfigError(f"{f.name}: {value} is too large; it must be less than {bounds['lt']}.")
