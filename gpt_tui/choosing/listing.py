"""What there is to train on: what ships, what was used before; and which models one can go on from. No widget is
touched here: only what they show is made."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from engine.data.census import Counts
from engine.data.corpus import catalog
from engine.errors import EngineError
from engine.store import models
from engine.store.models import ModelRecord
from gpt_tui.terminal import byte_size, count
from gpt_tui.widgets.corpus_list import ListedText
from gpt_tui.widgets.text_facts import Facts


def gather() -> tuple[list[ListedText], list[ListedText], dict[str, ModelRecord]]:
    """(what ships, what was used before, models by name, the newest first and what ships last). Reads the store: call
    it in a thread."""
    entries = catalog()
    shipped = [
        ListedText((entry.name,), entry.title, count(entry.words), entry.description, entry.advice) for entry in entries
    ]
    stored = models.models()
    names = {entry.name for entry in entries}
    known: dict[tuple[str, ...], tuple[dict[str, Any], list[str]]] = {}
    for corpus, learned in models.used_corpora(stored):  # a file that has grown meanwhile is still one text
        sources = corpus.get("sources")
        texts = tuple(map(str, sources)) if isinstance(sources, list | tuple) else ()
        if texts and texts != ("-",) and not (len(texts) == 1 and texts[0] in names):
            known.setdefault(texts, (corpus, []))[1].extend(learned)
    used = []
    for texts, (corpus, learned) in known.items():
        gone = not all(text in names or Path(text).exists() for text in texts)
        size = corpus.get("bytes")
        words = byte_size(size) if isinstance(size, int) else ""
        about = f"{texts[0]}{f' and {len(texts) - 1} more' if len(texts) > 1 else ''}"
        used.append(ListedText(texts, str(corpus.get("name", texts[0])), words, about, _learned(learned), gone))
    records = {entry.name: entry.record for entry in stored if entry.record is not None}
    newest = sorted(records, key=lambda name: records[name].created, reverse=True)
    bases = {name: records[name] for name in newest}
    for ours in models.all_shipped():
        with contextlib.suppress(EngineError):  # damaged: it is not offered
            bases.setdefault(ours.name, models.read_record(ours))
    return shipped, used, bases


def _learned(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"Learned by {', '.join(names[:3])}{more}."


def described(record: ModelRecord) -> str:
    """A model in a line of a list."""
    parameters = count(record.model.parameter_counts()["total"])
    quality = record.summary.get("bits_per_byte")
    parts = [record.name, str(record.corpus.get("name", "?")), parameters]
    if isinstance(quality, float):
        parts.append(f"{quality:.2f} bits per byte")
    return " · ".join(parts)


def with_counts(facts: Facts, counts: Counts) -> Facts:
    """What is known of a text, with what was counted in it."""
    return facts._replace(
        bytes=counts.bytes,
        words=counts.words,
        distinct_words=counts.distinct_words,
        documents=counts.documents,
        exact=counts.exact and counts.done,
        counting=not counts.done,
        notes=tuple(_sentence(note) for note in counts.notes),
    )


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")


def first_folder(remembered: object) -> Path:
    """The folder to look for files in at first: the last one, else where the app was started."""
    for folder in ([Path(remembered)] if isinstance(remembered, str) else []) + [Path.cwd()]:
        if folder.is_dir():
            return folder
    return Path.home()


def short_path(path: Path) -> str:
    """A path with ~ for the user's home."""
    try:
        return f"~/{path.relative_to(Path.home())}".removesuffix("/.")
    except (ValueError, RuntimeError):
        return str(path)
