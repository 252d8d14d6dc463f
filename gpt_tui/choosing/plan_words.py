"""A plan in plain words: what will be built, how long it takes, and what to expect of it. No Textual here."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from engine.config import ModelConfig
from engine.training.planner import Plan, bytes_per_token
from gpt_tui.terminal import count, duration

_TOKENS = {"bpe": "pieces of words", "byte": "bytes", "word": "words"}


def outlook(plan: Plan, *, awaited: bool = False) -> tuple[tuple[str, str, bool], ...]:
    """Lines on a plan: in each what matters, more about it, and whether it may be left out where there is no room.

    With `awaited`, a line keeps the place of the quality until that is known, so that nothing moves when it comes.
    """
    model, train = plan.model, plan.train
    rounded = float(f"{plan.steps:.2g}")
    size, tokens = count(model.parameter_counts()["total"]), f"{model.vocab_size:,} {_TOKENS[train.tokenizer]}"
    lines = [
        (f"{size} parameters", f"in {model.n_layer} blocks, {model.n_embd} wide", False),
        (tokens, f"to write with; it looks back {context_in_words(model, train.tokenizer)}", True),
        (f"about {rounded:,.0f} steps", _passes(plan.epochs, train.rounds), False),
        (f"about {count(float(f'{plan.tokens_per_second:.2g}'))} tokens", "a second on this machine", True),
    ]
    computing = plan.tokens / plan.tokens_per_second
    if train.budget != "minutes":
        lines.append((f"about {duration(computing)}", "in minutes, and a little to prepare", False))
    elif train.most_epochs and computing < 0.8 * 60 * train.minutes:
        lines.append((f"about {duration(computing)}", "in minutes: more passes would only teach it by heart", False))
    if quality := quality_in_words(plan.bits_per_byte):
        lines.append((quality, f"at about {plan.bits_per_byte:.1f} bits per byte", False))
    elif awaited:
        lines.append(("how well it will write", "is being worked out …", False))
    if plan.reason:
        lines.append(("going on pays:", plan.reason, False))
    return tuple(lines)


def _passes(epochs: float, rounds: int) -> str:
    if epochs < 0.01:
        return "that read less than 1% of the text"
    if epochs < 0.95:
        return f"that read {epochs:.0%} of the text"
    times = f"{epochs:.1f}" if epochs < 9.95 else f"{epochs:,.0f}"
    read = "that read the text once" if times == "1.0" else f"that read the text {times.removesuffix('.0')} times"
    return f"{read}, in {rounds} rounds" if rounds > 1 else read


def planned_values(plan: Plan) -> dict[str, str]:
    """Every setting of a plan as one would type it."""
    return {
        entry.name: _typed(getattr(config, entry.name))
        for config in (plan.model, plan.train)
        for entry in fields(config)
    }


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def context_in_words(model: ModelConfig, tokenizer: str) -> str:
    """How far a model looks back, in words of English."""
    words = round(model.block_size * bytes_per_token(tokenizer, model.vocab_size) / 5.5)
    rounded = words if words < 20 else round(words, -1) if words < 1000 else round(words, -2)
    return f"about {rounded:,} words"


def quality_in_words(bits_per_byte: float) -> str:
    """What text of such a quality reads like; nothing when the quality is not known."""
    if not math.isfinite(bits_per_byte):
        return ""
    for bound, words in (
        (1.2, "connected sentences"),
        (1.6, "whole sentences"),
        (2.1, "phrases that hold"),
        (2.6, "words in loose order"),
        (3.4, "almost words"),
    ):
        if bits_per_byte < bound:
            return words
    return "likely letters"
