"""How predictable a text is, before anything is trained: what the plan's quality is foretold from.

    python -m engine.training.foresight MODEL TEXT...      # prints both as JSON; MODEL may be empty

A process of its own does it for the app, which imports neither torch nor tokenizers. It takes a second or two: a sample
of the text, a tokenizer of its own, and counts; with a model, how that does on the text's end.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import locations
from engine.errors import EngineError
from engine.store import models

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from engine.data.corpus import Corpus
    from engine.data.dataset import TokenData
    from engine.model.evaluate import Evaluation
    from engine.model.gpt import GPT

SAMPLE = 4 << 20
"""Characters that are looked at."""
_SLICES = 32
_READ_WHOLE = 64 << 20
WINDOWS, OPERATIONS = 32, 2e11
"""On so many windows of the held-out text, spread evenly, a model is tried; on fewer where that would take more
operations: a model of 100 million parameters would be at it for a minute."""


class Foresight(NamedTuple):
    """Bits per byte of a text's end: under trigrams of what stands before it, and under a model as it is; and how many
    bytes of the text that model's tokens stand for. nan: not known."""

    trigram_bits: float = math.nan
    base_bits: float = math.nan
    base_bytes_per_token: float = math.nan


NOTHING = Foresight()


class Standing(NamedTuple):
    """How a model does on so many windows of a held-out text."""

    found: Evaluation
    windows: int


def standing(
    model: GPT, tokens: TokenData, lengths: NDArray[np.integer] | None = None, dtype: torch.dtype | None = None
) -> Standing:
    """How a model does that has not been trained on a text: on the held-out part, products in `dtype`; `lengths` as
    `evaluate` takes them."""
    from engine.model.evaluate import evaluate

    first, size = tokens.end_of_text, tokens.heldout_bytes
    a_window = model.config.flops_per_token() / 3 * model.config.block_size  # forward alone
    windows = max(2, min(WINDOWS, int(OPERATIONS / a_window)))
    options: dict[str, Any] = {"max_windows": windows, "lengths": lengths, "dtype": dtype}
    return Standing(evaluate(model, tokens.heldout, size, first=first, **options), windows)


def foresee(texts: Sequence[str], base: str = "") -> Foresight:
    """What can be told of texts from a sample of them, and of the model `base` on it. Raises `EngineError`."""
    return _told(*_slices(texts), models.find(base) if base else None)


def foresee_corpus(corpus: Corpus, base: Path) -> Foresight:
    """As `foresee`, of a corpus that is open and the model in the folder `base`."""
    return _told(corpus.bytes, _samples(corpus), base)


def _told(size: int, slices: Iterator[str], base: Path | None) -> Foresight:
    import numpy as np

    from engine.data.tokenizer import train_tokenizer
    from engine.training.ngrams import bits_per_byte
    from engine.training.planner import default_vocab_size

    text = "".join(slices)
    cut = text.rfind("\n", 0, round(0.9 * len(text))) + 1 or round(0.9 * len(text))
    before, end = text[:cut], text[cut:]
    tokenizer = train_tokenizer("bpe", [before[:SAMPLE]], default_vocab_size(size, "bpe"))
    train, heldout = (np.array(tokenizer.encode(part), dtype=np.int64) for part in (before, end))
    trigram_bits = bits_per_byte(train, heldout, len(end.encode()) / max(1, len(heldout)), tokenizer.vocab_size)
    return Foresight(trigram_bits, *_under(base, end)) if base else Foresight(trigram_bits)


def _under(folder: Path, end: str) -> tuple[float, float]:
    """Bits per byte of a text under the model in that folder, and bytes for each of its tokens."""
    import numpy as np

    from engine.data.dataset import TokenData
    from engine.store import checkpoint

    tokenizer = checkpoint.load_tokenizer(folder)
    heldout = np.array(tokenizer.encode(end), dtype=np.int64)
    tokens = TokenData(heldout[:0], heldout, 0, len(end.encode()), tokenizer.end_of_text)
    found = standing(checkpoint.load_model(folder, "best", "cpu"), tokens).found
    return found.bits_per_byte, tokens.heldout_bytes / max(1, len(heldout))


def _slices(texts: Sequence[str]) -> tuple[int, Iterator[str]]:
    """The bytes of all texts, and stretches of them in order, about `SAMPLE` characters in all."""
    paths = [locations.expanded(text) for text in texts]
    if all(path.is_file() for path in paths) and sum(path.stat().st_size for path in paths) > _READ_WHOLE:
        return sum(path.stat().st_size for path in paths), _cuts(paths)
    from engine.data.corpus import open_corpus

    corpus = open_corpus(list(texts))
    return corpus.bytes, _samples(corpus)


def _samples(corpus: Corpus) -> Iterator[str]:
    """The beginning of each of its pieces."""
    share = min(1.0, SAMPLE / corpus.characters)
    return (piece.text[: math.ceil(share * len(piece.text))] for piece in corpus.pieces())


def _cuts(paths: Sequence[Path]) -> Iterator[str]:
    """Stretches of large files, spread over each; letters that a cut went through are left out."""
    each = SAMPLE // (_SLICES * len(paths))
    for path in paths:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for number in range(_SLICES):
                file.seek(number * size // _SLICES)
                yield file.read(each).decode("utf-8", "ignore")


def foresee_in_child(texts: Sequence[str], base: str = "", *, timeout: float = 60.0) -> Foresight:
    """`foresee` in a process of its own; nothing but nan when nothing can be said."""
    command = [sys.executable, "-m", "engine.training.foresight", base, *texts]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=environment, stdin=subprocess.DEVNULL
        )
        return Foresight(*map(float, json.loads(done.stdout)))
    except (subprocess.SubprocessError, OSError, ValueError, TypeError):
        return NOTHING


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(foresee(sys.argv[2:], sys.argv[1])))
    except EngineError as error:
        sys.exit(str(error))
