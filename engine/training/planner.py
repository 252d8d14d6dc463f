"""Corpus + machine + minutes → which model and which schedule: plain arithmetic, no torch.

The app and the command line show what a plan says before anything is trained, and afterwards how far it was off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from engine.config import ModelConfig, TrainConfig
from engine.errors import ConfigError
from engine.model.presets import CLASSIC_TRAINING, SHAPES, classic_model, sized_model
from engine.training.memory import check_memory, has_room_for_rounds

MEASURED_OPERATIONS = 8.3e6
"""Operations a token of the model that a machine is measured with."""
LARGEST_SHARE = 0.6
"""Of the rate of products, what a step of a large model reaches."""

BYTES_PER_TOKEN = {"byte": 1.0, "word": 4.6}


@dataclass(frozen=True)
class Machine:
    """What a machine can do: matrix products of a small model's sizes, in operations a second."""

    device: str = "cpu"
    name: str = ""
    threads: int = 1
    float32: float = 5e10
    bfloat16: float = 5e10
    step_efficiency: float = 0.5
    """The share of those that a whole training step of the ladder's smallest model reaches, its update included."""
    fast_step: bool = True
    memory: int = 0
    """Bytes of the device's memory, 0 when unknown."""
    processes: int = 1
    """How many train one model together, with the memory and the rates of all."""

    @property
    def dtype(self) -> str:
        """The type that the matrix products are faster in."""
        return "bfloat16" if self.bfloat16 > 1.15 * self.float32 else "float32"

    @property
    def flops(self) -> float:
        return max(self.float32, self.bfloat16) * self.step_efficiency

    def tokens_per_second(self, model: ModelConfig) -> float:
        """How many tokens its training steps read. Larger products are done faster: from 8 to 40 million operations a
        token, the time of a step grew with their power of 0.86."""
        operations = model.flops_per_token()
        gain = math.pow(operations / MEASURED_OPERATIONS, 0.14)
        return min(self.flops * gain, max(self.flops, LARGEST_SHARE * max(self.float32, self.bfloat16))) / operations


@dataclass(frozen=True)
class Plan:
    """What will be built, and what to expect of it."""

    model: ModelConfig
    train: TrainConfig
    tokens_per_second: float
    steps: int
    tokens: int
    epochs: float
    bits_per_byte: float
    """Of held-out English prose of the corpus's size; nan where nothing is known (other tokens, no budget)."""
    seconds: float
    advice: tuple[str, ...] = field(default_factory=tuple)
    base_bits: float = math.nan
    """Bits per byte of the text under the model that training goes on from, before any."""
    reason: str = ""
    """Why it goes on from a model, or does not."""

    def to_table(self) -> dict[str, Any]:
        """The figures alone, as they stand in the `start` event and in model.toml."""
        table = asdict(self)
        del table["model"], table["train"]
        table["advice"] = list(self.advice)
        return table


def bytes_per_token(tokenizer: str, vocab_size: int) -> float:
    """About how many bytes of English a token stands for: for BPE 2.9 at 1024 entries, and 0.42 more with each
    doubling."""
    if tokenizer == "bpe":
        return max(1.0, min(4.8, 2.9 + 0.42 * math.log2(vocab_size / 1024)))
    return BYTES_PER_TOKEN[tokenizer]


def plan(
    n_bytes: int,
    machine: Machine,
    *,
    preset: str = "auto",
    minutes: float = 0.0,
    steps: int = 0,
    epochs: float = 0.0,
    tokenizer: str = "bpe",
    vocab_size: int | None = None,
    base: ModelConfig | None = None,
    overrides: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    trigram_bits: float = math.nan,
    base_bits: float = math.nan,
    base_bytes_per_token: float = math.nan,
) -> Plan:
    """What to build from a corpus of `n_bytes` on `machine`, in `minutes`, `steps` or `epochs`.

    `vocab_size` is the tokenizer's when that is settled; `base` is the model that training goes on from; `overrides`
    are the user's own settings of ModelConfig and TrainConfig, which win; `trigram_bits` is what
    `engine.training.foresight` says of the text, `base_bits` how `base` does on it, and `base_bytes_per_token` how much
    of it is a token of that: without the first two no quality is foretold. Raises `ConfigError`.
    """
    model_overrides, train_overrides = overrides
    budget = {"minutes": minutes, "steps": steps, "epochs": epochs}
    seconds = 60 * minutes
    vocab = vocab_size or int(model_overrides.get("vocab_size", 0))
    if not vocab:
        vocab = default_vocab_size(n_bytes, tokenizer, _tokens_read(seconds, machine) if minutes else math.inf)
    if preset in SHAPES and tokenizer == "bpe" and not (vocab_size or "vocab_size" in model_overrides):
        vocab = min(vocab, SHAPES[preset].vocab_size)  # a larger one would be most of the model
    a_token = bytes_per_token(tokenizer, vocab) if math.isnan(base_bytes_per_token) else base_bytes_per_token
    tokens_there = max(1, round(0.9 * n_bytes / a_token))
    if base is not None:
        shape: dict[str, Any] = {f: getattr(base, f) for f in base.__dataclass_fields__}
        tokens = (seconds or 120.0) * machine.tokens_per_second(base)
        roomy = has_room_for_rounds(base, machine.memory, machine.processes)
        strangeness, rounds = base_bits / max(trigram_bits, 1e-6), MOST_ROUNDS if minutes and roomy else 1
        training = fine_tuning(base, tokens, tokens_there, strangeness, rounds)
    elif preset == "classic":
        shape, training = classic_model(vocab), dict(CLASSIC_TRAINING)
    elif preset in SHAPES:
        shape, training = sized_model(preset, vocab), sized_training(preset)
    else:
        shape, training = automatic(n_bytes, vocab, seconds or 120.0, machine)
    if preset != "classic" and base is None and "block_size" not in model_overrides:
        block = fitting_block(shape["block_size"], tokens_there)
        training["batch_size"] *= shape["block_size"] // block  # a step reads as many tokens
        shape["block_size"] = block
    if base is None and (changed := {"n_embd", "n_head", "family"} & set(model_overrides)):
        for derived in ("head_dim", "n_ff", "n_kv_head"):
            if changed and derived not in model_overrides:
                shape.pop(derived, None)
    model = ModelConfig(**{**shape, **model_overrides, "vocab_size": vocab})
    train = TrainConfig(**{**training, "preset": preset, "tokenizer": tokenizer, **budget, **train_overrides})
    if train.stride > model.block_size:
        raise ConfigError(f"stride: {train.stride} would leave out text between windows of {model.block_size} tokens.")
    check_memory(model, train, machine.memory, machine.processes)
    forecast = replace(_forecast(n_bytes, tokens_there, model, train, machine), base_bits=base_bits)
    if tokenizer != "bpe" or preset == "classic":
        return forecast  # nothing is known of these
    if base is not None:
        expected = expected_after(base_bits, trigram_bits, forecast.tokens / train.rounds, tokens_there)
        return replace(forecast, bits_per_byte=expected)
    return replace(forecast, bits_per_byte=expected_bits(trigram_bits, forecast.tokens, tokens_there))


VOCABULARIES = {512: 60e3, 1024: 250e3, 2048: 2.5e6, 4096: 20e6, 8192: 300e6, 16384: 5e9}
"""BPE vocabularies, each for corpora of fewer bytes than this."""

READ_PER_ENTRY = 200.0
"""Tokens that are read for each entry of a vocabulary at least: of 60 MB a minute left 1.89 bits per byte with 4096,
and 2.06 with 8192."""


def default_vocab_size(n_bytes: int, tokenizer: str, tokens_read: float = math.inf) -> int:
    """The vocabulary for a corpus of this size, of which so many tokens are read, when nothing else is asked."""
    if tokenizer == "byte":
        return 257
    if tokenizer == "word":
        return 20_000
    vocab = next((size for size, bound in VOCABULARIES.items() if n_bytes < bound), 32768)
    while vocab > 1024 and tokens_read < READ_PER_ENTRY * vocab:
        vocab //= 2
    return vocab


def _tokens_read(seconds: float, machine: Machine) -> float:
    """About how many tokens the smallest of the ladder reads in that time."""
    return seconds * machine.tokens_per_second(ModelConfig(**_shape(LADDER[0], 2048)))


def fitting_block(block_size: int, tokens: int) -> int:
    """The block size, smaller for a text of few tokens, so that there are some windows to learn from."""
    while block_size > 16 and block_size * 8 > tokens:
        block_size //= 2
    return block_size


def sized_training(preset: str) -> dict[str, Any]:
    """The training of a named size: Muon and AdamW, rates falling to zero."""
    shape = SHAPES[preset]
    return {
        "batch_size": shape.batch_size,
        "learning_rate": shape.learning_rate,
        "weight_decay": 0.1,
        "patience": 10,
    }


@dataclass(frozen=True)
class _Width:
    """One rung of the ladder of models: width, layers, feed-forward width; heads are 64 wide."""

    n_embd: int
    n_layer: int
    n_ff: int


_LASTING_EPOCHS = 2.5
"""About how many passes over a text teach something."""

LADDER = (
    _Width(128, 4, 384),
    _Width(192, 4, 512),
    _Width(192, 6, 512),
    _Width(256, 6, 704),
    _Width(320, 8, 896),
    _Width(448, 8, 1216),
    _Width(512, 12, 1408),
    _Width(768, 12, 2048),
)
TOKENS_PER_PARAMETER = 2.0
"""Read in a budget that is spent best: far fewer than the twenty of long trainings (Hoffmann et al. 2022), as a small
model's steps waste much of a machine, and a short text is soon known by heart."""
PARAMETERS_PER_BYTE = 1.5
"""A model larger than its text learns it by heart before it learns anything else from it."""


REGULARIZATION = ((2.5, 0.1, 0.0), (4.0, 0.5, 0.0), (6.0, 0.5, 0.05), (math.inf, 0.5, 0.1))
"""For up to so many passes over the text: weight decay, and the share of tokens that are replaced by noise. At 0.4 MB
and ten passes the last left 1.44 bits per byte where the second left 1.68."""

MOST_EPOCHS = {700_000: 10.0, math.inf: 6.0}
"""Passes after which a model learns a text by heart even so, by the bytes of the text: tiny shakespeare stood at 2.055
after three and after six, and at 2.08 after nine; 0.4 MB at 1.44 after ten and 1.47 after sixteen."""


def automatic(n_bytes: int, vocab: int, seconds: float, machine: Machine) -> tuple[dict[str, Any], dict[str, Any]]:
    """The shape and the training that suit a corpus of this size and this much arithmetic: the largest of the ladder
    that the text is long enough for, and of which the budget reads twice as many tokens as it has parameters, or which
    has a use for time that a smaller one would spend on learning the text by heart."""
    text_tokens = 0.9 * n_bytes / bytes_per_token("bpe", vocab)
    most = next(epochs for size, epochs in MOST_EPOCHS.items() if n_bytes < size)
    chosen = _shape(LADDER[0], vocab)
    epochs = math.inf
    for rung in LADDER:
        shape = _shape(rung, vocab)
        model = ModelConfig(**shape)
        parameters = model.parameter_counts()["total"] - vocab * rung.n_embd  # the embedding costs no arithmetic
        tokens = seconds * machine.tokens_per_second(model)
        useful = tokens >= TOKENS_PER_PARAMETER * parameters or epochs > most
        if rung == LADDER[0] or (useful and parameters <= PARAMETERS_PER_BYTE * n_bytes):
            chosen, epochs = shape, tokens / text_tokens
    wide = chosen["n_embd"] / LADDER[0].n_embd
    decay, noise = next((decay, noise) for passes, decay, noise in REGULARIZATION if min(epochs, most) <= passes)
    training: dict[str, Any] = {
        "batch_size": 8 if machine.device == "cpu" else 64,
        "learning_rate": 6e-3 / wide**0.5,
        "weight_decay": decay,
        "token_noise": noise,
        "bigram_steps": 12,
        "most_epochs": most,
        "patience": 8,
    }
    return chosen, training


def _shape(rung: _Width, vocab: int) -> dict[str, Any]:
    width = {"n_layer": rung.n_layer, "n_head": rung.n_embd // 64, "n_embd": rung.n_embd, "n_ff": rung.n_ff}
    return {"vocab_size": vocab, "block_size": 256, **width}


FINE_TUNING_STEPS = 240
"""A training that goes on from a model is short, and is divided into that many steps to twice as many, as long as that
leaves each as much as `MUON_FROM` says: tales in 120 s came to 1.244 bits per byte in 383 of eight windows, and to
1.253 and 1.248 in 237 and 216 of sixteen."""
FINE_TUNING_EPOCHS = 2.0
"""Passes over a text after which a model that went on from another learns it by heart: a novelist of 0.8 MB came to
1.260 after 1.6 of them, to 1.256 after two and to 1.256 after four, the best of which was there after 2.7; 1.1 MB of
conversations to 1.122 after two and to 1.126 after four, 3.3 MB of another novelist to 1.418 and to 1.420."""
FEWEST_STEPS, LARGEST_EPOCHS = 100, 4.0
"""A text that is too short for so many steps of the smallest batch is read up to so many times: letters of 0.1 MB came
to 1.366 in 94 such steps, and to 1.425 in 24 of eight windows, which are two passes."""
MOST_ROUNDS, STRANGE_ENOUGH = 4, 0.5
"""A text to which more than this share of the highest rates is due is learned, where there is time, in so many rounds
at most, which are averaged: tiny shakespeare, which two passes bring to 1.840, came to 1.812 in three rounds of 1.3
passes and to 1.807 in four of two; but 1.1 MB of conversations to 1.135 in three rounds of 1.3 passes and to 1.122 in
one of two. What is learned at low rates comes to the same by each way: novelists and letters gained nothing."""
SMALLEST_BATCH, MUON_FROM = 4, 5.0
"""Windows in a step. From so many on, as `FINE_TUNING_STEPS` counts them, Muon takes the matrices, in steps of eight:
tiny shakespeare in 60 s came to 1.834 in 182 of those, and to 1.850 in 410 of four by AdamW. Where steps are small, so
that Muon would be a fifth of each, AdamW takes more of them: in 30 s it came to 1.894, to 1.902 by Muon in steps of
four and to 1.930 in steps of eight."""


def fine_tuning(base: ModelConfig, tokens: float, there: float, strangeness: float, most_rounds: int) -> dict[str, Any]:
    """Training that goes on from a model and has time for so many tokens of a text of `there`; rates fall to zero.

    Momentum is short, as these trainings are: with Muon's at 0.95 tiny shakespeare came to 1.895 bits per byte in 350
    steps, with 0.9 to 1.858 and with 0.8 to 1.841; in 90 steps by AdamW to 2.025 with 0.9 and to 2.010 with 0.7. A text
    that is no stranger to the model than its like is learned at low rates, for what the model knows already serves it.
    Where a text is read twice lower rates help or harm: tiny shakespeare came to 1.840 with AdamW at 2e-3 and to 1.821
    at 8e-4, but conversations to 1.122 and to 1.139.
    """
    smallest = SMALLEST_BATCH * base.block_size
    epochs = min(LARGEST_EPOCHS, max(FINE_TUNING_EPOCHS, FEWEST_STEPS * smallest / there))
    share = math.exp(min(0.0, max(-2.1, 6 * (strangeness - STRANGE)))) if math.isfinite(strangeness) else 0.5
    whole = STEPPING * tokens / (epochs * there)
    rounds = max(1, min(most_rounds, int(whole + 0.35))) if share > STRANGE_ENOUGH else 1
    windows = min(tokens / rounds, epochs * there) / (FINE_TUNING_STEPS * base.block_size)
    training = {"rounds": rounds, "most_epochs": round(rounds * epochs, 2), "warmup_steps": 6, "weight_decay": 0.1}
    training["patience"] = 8 if rounds == 1 else 0  # a mean may stand still for a while
    if windows < MUON_FROM:
        rate = float(f"{1e-3 * share:.2g}")
        adamw = {"batch_size": SMALLEST_BATCH, "learning_rate": rate, "optimizer": "adamw", "beta1": 0.7}
        return training | adamw
    rate = 2e-3 * share
    training["batch_size"] = 2 ** int(math.log2(min(64.0, max(2.0 * SMALLEST_BATCH, windows))))
    rates = {"learning_rate": float(f"{rate:.2g}"), "matrix_learning_rate": float(f"{6 * rate:.2g}")}
    return training | rates | {"momentum": 0.8}


STRANGE = 1.09
"""Bits per byte under a model of novels to those under counted trigrams, of plays in verse; of another novelist's
books 0.87."""


PREPARATION, PREPARED_A_SECOND = 4.0, 8e6
"""Seconds before the first step, and bytes of the text that are prepared in another one."""
STEPPING = 0.94
"""The share of a training's time that its steps take; evaluations, samples and saves take the rest."""


def _forecast(n_bytes: int, tokens_there: int, model: ModelConfig, train: TrainConfig, machine: Machine) -> Plan:
    rate = machine.tokens_per_second(model)
    per_step = train.batch_size * train.accumulate * model.block_size
    window_tokens = tokens_there * (model.block_size / train.stride if train.stride else 1.0)
    if train.steps:
        steps = train.steps
    elif train.epochs:
        steps = max(1, math.ceil(train.epochs * window_tokens / per_step))
    else:
        seconds = 60 * train.minutes
        training = STEPPING * max(seconds - PREPARATION - n_bytes / PREPARED_A_SECOND, 0.5 * seconds)
        steps = max(1, round(training * rate / per_step))
        if train.most_epochs:
            steps = min(steps, math.ceil(train.most_epochs * window_tokens / per_step))
    tokens = steps * per_step
    return Plan(
        model=model,
        train=train,
        tokens_per_second=rate,
        steps=steps,
        tokens=tokens,
        epochs=tokens / window_tokens,
        bits_per_byte=math.nan,
        seconds=60 * train.minutes or tokens / rate,
        advice=tuple(advice(n_bytes, tokens / tokens_there)),
    )


def _new_tokens(read: float, there: float) -> float:
    """Millions of tokens that would teach as much as so many of a text of `there`: one that is read again teaches less
    each time (Muennighoff et al. 2023)."""
    return _LASTING_EPOCHS * (1 - math.exp(-read / there / _LASTING_EPOCHS)) * there / 1e6


def expected_bits(trigram_bits: float, tokens_read: float, tokens_there: float) -> float:
    """Bits per byte of held-out text after reading so many tokens of a text of `tokens_there`, from what counted
    trigrams make of it. The numbers are fitted to trainings of texts of 0.4 to 60 MB in half a minute to ten, which
    they meet within 5%."""
    new = _new_tokens(tokens_read, tokens_there)
    return float(trigram_bits * 0.907 * max(new, 1e-3) ** -0.09 * _counted(tokens_there))


def _counted(tokens_there: float) -> float:
    """What counted trigrams of a short text are too high by: they suffer more from its length than models do."""
    return min(1.0, tokens_there / 0.3e6) ** 0.06  # type: ignore[no-any-return]


def expected_after(base_bits: float, trigram_bits: float, tokens_read: float, tokens_there: float) -> float:
    """As `expected_bits`, of a training that goes on from a model that stands at `base_bits` on this text. The stranger
    the text is to it, the more there is to learn. Fitted to a quarter of a minute to three, from models of novels, of
    plays, five novelists, tales, letters and conversations, which it meets within 4%."""
    if math.isnan(trigram_bits):
        return math.nan
    new = _new_tokens(tokens_read, tokens_there)
    strangeness = base_bits / max(trigram_bits * _counted(tokens_there), 1e-6)
    slope = 0.124 / (1 + math.exp(-(strangeness - STRANGE) / 0.11))
    return float(base_bits * (1 + new / 0.004) ** -slope)


class Weighed(NamedTuple):
    """Whether going on from a model is expected to come out better than scratch, and the figures that say so."""

    better: bool
    figures: str

    @property
    def reason(self) -> str:
        return f"{self.figures}, so {'it goes on from there' if self.better else 'from scratch is better'}."


def weigh(planned: Plan, scratch: Plan, trigram_bits: float, name: str) -> Weighed:
    """Hold going on from the model `name`, as `planned`, against `scratch` in the same budget. Where nothing can be
    foretold, a model that already does better than counted trigrams is gone on from."""
    figures = f"{name} stands at {planned.base_bits:.2f} bits per byte of this text"
    if math.isnan(planned.bits_per_byte) or math.isnan(scratch.bits_per_byte):
        return Weighed(not planned.base_bits > trigram_bits, figures)
    figures += f"; {planned.bits_per_byte:.2f} is expected from there and {scratch.bits_per_byte:.2f} from scratch"
    return Weighed(planned.bits_per_byte <= scratch.bits_per_byte, figures)


def advice(n_bytes: int, epochs: float) -> list[str]:
    """Plain words on what a corpus of this size gives."""
    words = []
    if n_bytes < 50_000:
        words.append(f"{n_bytes / 1000:.0f} KB: it will learn this by heart rather than learn to write.")
    elif n_bytes < 300_000:
        words.append(f"{n_bytes / 1000:.0f} KB is little: it will pick up the manner, and repeat whole phrases.")
    elif epochs < 0.5:
        share = f"{epochs:.0%}" if epochs >= 0.01 else "less than 1%"
        words.append(f"In this time it reads {share} of the text; more minutes will show.")
    return words
