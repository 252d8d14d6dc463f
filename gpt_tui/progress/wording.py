"""What the numbers of a training mean, in plain words: for the Training screen and whoever else shows them."""

from __future__ import annotations

import math

_QUALITY = (
    (1.0, "It foresees this text so well that much of it must be regular, or known by heart."),
    (1.5, "Its sentences mostly hold together; over a page it loses the thread."),
    (1.9, "It writes real words in mostly right sentences; the sense wanders."),
    (2.3, "It writes real words; the sentences seldom hold."),
    (2.9, "It has the sounds and the shapes of words, and some of the words."),
    (4.0, "It knows little more than which letters are common."),
    (math.inf, "It has hardly begun to learn."),
)


def quality(bits_per_byte: float) -> str:
    """What a model of that quality is like to read."""
    if math.isnan(bits_per_byte):
        return "It was not measured."
    return next(words for bound, words in _QUALITY if bits_per_byte < bound)


def against_plan(bits_per_byte: float, expected: float | None) -> str:
    """How it came out against what the plan expected; empty where the plan knew nothing."""
    if expected is None or math.isnan(expected) or math.isnan(bits_per_byte):
        return ""
    off = (bits_per_byte - expected) / expected
    if abs(off) < 0.04:
        return f"About what the plan expected ({expected:.2f})."
    return f"{'Better' if off < 0 else 'Worse'} than the plan expected ({expected:.2f})."


REASONS = {
    "time": "The time that it was given is used.",
    "steps": "All its steps are done.",
    "converged": "More passes would only teach it this text by heart, so it stopped early.",
    "stopped": "It was stopped, and everything is saved.",
    "diverged": "The loss became infinite; the best weights before that are kept. A smaller learning rate may help.",
    "discarded": "It was discarded and lies in the trash.",
}
"""Why a run is over."""

MEANINGS = (
    ("bits per byte", "How many bits the model needs for each byte of text that it has never read: fewer is better,"
     " and it compares models whatever their tokens are."),
    ("held out", "Its surprise, in nats per token, at the last part of the text, which is kept from it for this."),
    ("training", "Its surprise at the text it learns from; if this falls and held out does not, it learns by heart."),
    ("step", "It reads a batch, sees how wrong it was, and moves all its numbers a little."),
    ("tokens/s", "How much text it reads in a second: a token is a word or a piece of one."),
    ("learning rate", "How far a step moves the numbers: it rises at first, then falls to nothing."),
    ("gradient norm", "How steeply the loss falls in the direction of a step; what is longer than the limit is cut."),
    ("passes", "How often it has read the whole text by now; after many it knows it by heart."),
    ("round", "Where there is time for it, it learns the text anew from the same beginning, in another order, and"
     " averages what it comes to: the training loss rises again where a round begins."),
    ("memory", "What the training's process takes of the machine's memory."),
)  # fmt: skip
"""What each number on the Training screen means, one sentence each."""

PARTS = (
    ("embedding", "a row of numbers for each token: what it means"),
    ("positions", "a row of numbers for each place in the context"),
    ("attention", "how each token looks at those before it"),
    ("feed_forward", "what is known, and made of what was seen"),
    ("norms", "keep the numbers between the layers in size"),
    ("head", "from the last layer's numbers to the next token"),
)
"""The parts of a model whose parameters are counted, each with what it does."""
