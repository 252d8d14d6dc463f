"""What there is to train on: what ships, what was used before; and which models one can go on from. No Textual here but
for the rows' own type."""

from __future__ import annotations

from pathlib import Path

from engine.data.corpus import catalog
from engine.store import models
from engine.store.models import ModelRecord
from gpt_tui.terminal import byte_size, count
from gpt_tui.widgets.corpus_list import ListedText


def gather() -> tuple[list[ListedText], list[ListedText], dict[str, ModelRecord]]:
    """(what ships, what was used before, models by name, the newest first). Reads the store: call it in a thread."""
    entries = catalog()
    shipped = [
        ListedText((entry.name,), entry.title, count(entry.words), entry.description, entry.advice) for entry in entries
    ]
    stored = models.models()
    names = {entry.name for entry in entries}
    used = []
    for corpus, learned in models.used_corpora(stored):
        sources = corpus.get("sources")
        texts = tuple(map(str, sources)) if isinstance(sources, list | tuple) else ()
        if not texts or texts == ("-",) or (len(texts) == 1 and texts[0] in names):
            continue
        gone = not all(text in names or Path(text).exists() for text in texts)
        size = corpus.get("bytes")
        words = byte_size(size) if isinstance(size, int) else ""
        about = f"{texts[0]}{f' and {len(texts) - 1} more' if len(texts) > 1 else ''}"
        used.append(ListedText(texts, str(corpus.get("name", texts[0])), words, about, _learned(learned), gone))
    records = {entry.name: entry.record for entry in stored if entry.record is not None}
    newest = sorted(records, key=lambda name: records[name].created, reverse=True)
    return shipped, used, {name: records[name] for name in newest}


def _learned(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"Learned by {', '.join(names[:3])}{more}."


def described(record: ModelRecord) -> str:
    """A model in a line of a list."""
    parameters = count(record.model.parameter_counts()["total"])
    quality = record.summary.get("bits_per_byte")
    parts = [record.name, f"{parameters} parameters"]
    if isinstance(quality, float):
        parts.append(f"{quality:.3f} bits per byte")
    return " · ".join([*parts, f"of {record.corpus.get('name', '?')}"])


def short_path(path: Path) -> str:
    """A path with ~ for the user's home."""
    try:
        return f"~/{path.relative_to(Path.home())}".removesuffix("/.")
    except (ValueError, RuntimeError):
        return str(path)
