"""What a model wrote for a draft, kept beside it: the tokens of every try, with their probabilities. No Textual.

A line for each, added at the end of a file in the draft's folder; a line that a crash cut off is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.events import Alternative, Token
from engine.files import ends_in_a_line, storage_error
from gpt_tui.drafting.composing import Try

FILE = "tokens.jsonl"
MOST_BYTES = 64 << 20
"""What is read of it, from its end."""


def add(folder: Path, tries: Sequence[Try]) -> None:
    """Raises `StorageError`."""
    lines = "".join(json.dumps(_plain(try_), ensure_ascii=True, separators=(",", ":")) + "\n" for try_ in tries)
    path = folder / FILE
    try:
        with path.open("ab") as file:
            file.write(("" if ends_in_a_line(path) else "\n").encode() + lines.encode())
    except OSError as error:
        raise storage_error(path, error) from error


def read(folder: Path) -> list[Try]:
    """All of them, the oldest first; none where nothing can be read."""
    try:
        with (folder / FILE).open("rb") as file:
            file.seek(max(0, (folder / FILE).stat().st_size - MOST_BYTES))
            return list(_tries(file.read().splitlines()))
    except OSError:
        return []


def _tries(lines: list[bytes]) -> Iterator[Try]:
    for line in lines:
        try:
            plain = json.loads(line)
            yield Try(plain["text"], plain["seed"], [_token(*parts) for parts in plain["tokens"]])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue


def _token(id_: int, text: str, probability: float, others: list[list[Any]]) -> Token:
    alternatives = tuple(Alternative(*other) for other in others)
    return Token(sample=0, id=id_, text=text, probability=probability, alternatives=alternatives)


def _plain(try_: Try) -> dict[str, object]:
    tokens = [[t.id, t.text, t.probability, [list(other) for other in t.alternatives]] for t in try_.tokens]
    return {"text": try_.text, "seed": try_.seed, "tokens": tokens}
