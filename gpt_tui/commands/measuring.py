"""How well a model predicts a text: its own held-out part, or another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.errors import DamagedModelError
from engine.store.models import find, read_record
from gpt_tui.commands.interrupts import held_back

if TYPE_CHECKING:
    from engine.data.corpus import Corpus
    from engine.model.evaluate import Evaluation


def measure(name: str, texts: list[str]) -> Evaluation:
    """Evaluate a model on the held-out part of its text, or on `texts`, document by document.

    Raises an `EngineError`.
    """
    folder = find(name)
    read_record(folder)  # damage is told before a second passes in importing torch
    with held_back():
        from engine.generation.language_model import load
        from engine.model.evaluate import evaluate, evaluation
        from engine.store.checkpoint import heldout_tokens

    if not texts:
        tokens, n_bytes = heldout_tokens(folder)
        model = load(folder)
        if tokens.max(initial=0) >= model.config.vocab_size:
            raise DamagedModelError(f"{folder.name}: the held-out text that lies with it is another model's.")
        return evaluate(model.model, tokens, n_bytes, first=model.tokenizer.end_of_text)
    from engine.data.corpus import open_corpus

    corpus = open_corpus(texts, smallest=1)
    model = load(folder)
    nats, tokens_seen, bytes_seen = 0.0, 0, 0
    for document in documents(corpus):
        found = model.evaluate(document)
        nats += found.loss * found.tokens
        tokens_seen += found.tokens
        bytes_seen += found.bytes
    return evaluation(nats, tokens_seen, bytes_seen)


def documents(corpus: Corpus) -> Iterator[str]:
    """The texts of a corpus's documents, whole."""
    parts: list[str] = []
    for piece in corpus.pieces():
        if piece.starts_document and parts:
            yield "".join(parts)
            parts = []
        parts.append(piece.text)
    yield "".join(parts)
