"""How predictable a text is, before anything is trained: what the plan's quality is foretold from.

    python -m engine.training.foresight TEXT...      # prints one number: bits per byte under counted trigrams

A process of its own does it for the app, which imports neither torch nor tokenizers. It takes a second or two: a sample
of the text, a tokenizer of its own, and counts.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine import locations
from engine.errors import EngineError

SAMPLE = 4 << 20
"""Characters that are looked at."""
_SLICES = 32
_READ_WHOLE = 64 << 20


def foresee(texts: Sequence[str]) -> float:
    """Bits per byte of a text's own end under trigrams of what stands before it, from a sample; nan when it is too
    short. Raises `CorpusError`."""
    import numpy as np

    from engine.data.tokenizer import train_tokenizer
    from engine.training.ngrams import bits_per_byte
    from engine.training.planner import default_vocab_size

    size, slices = _slices(texts)
    text = "".join(slices)
    cut = text.rfind("\n", 0, round(0.9 * len(text))) + 1 or round(0.9 * len(text))
    before, end = text[:cut], text[cut:]
    tokenizer = train_tokenizer("bpe", [before[:SAMPLE]], default_vocab_size(size, "bpe"))
    train, heldout = (np.array(tokenizer.encode(part), dtype=np.int64) for part in (before, end))
    return bits_per_byte(train, heldout, len(end.encode()) / max(1, len(heldout)), tokenizer.vocab_size)


def _slices(texts: Sequence[str]) -> tuple[int, Iterator[str]]:
    """The bytes of all texts, and stretches of them in order, about `SAMPLE` characters in all."""
    paths = [locations.expanded(text) for text in texts]
    if all(path.is_file() for path in paths) and sum(path.stat().st_size for path in paths) > _READ_WHOLE:
        return sum(path.stat().st_size for path in paths), _cuts(paths)
    from engine.data.corpus import open_corpus

    corpus = open_corpus(list(texts))
    share = min(1.0, SAMPLE / corpus.characters)
    return corpus.bytes, (piece.text[: math.ceil(share * len(piece.text))] for piece in corpus.pieces())


def _cuts(paths: Sequence[Path]) -> Iterator[str]:
    """Stretches of large files, spread over each; letters that a cut went through are left out."""
    each = SAMPLE // (_SLICES * len(paths))
    for path in paths:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for number in range(_SLICES):
                file.seek(number * size // _SLICES)
                yield file.read(each).decode("utf-8", "ignore")


def foresee_in_child(texts: Sequence[str], *, timeout: float = 60.0) -> float:
    """`foresee` in a process of its own; nan when nothing can be said."""
    command = [sys.executable, "-m", "engine.training.foresight", *texts]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=environment, stdin=subprocess.DEVNULL
        )
        return float(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return math.nan


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{foresee(sys.argv[1:])}\n")
    except EngineError as error:
        sys.exit(str(error))
