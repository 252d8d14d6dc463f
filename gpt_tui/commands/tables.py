"""Models and corpora as tables for a person, and as JSON for a program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.config import to_table
from engine.store.models import ModelRecord, StoredModel, checkpoints
from gpt_tui.terminal import byte_size, count, duration, visible

if TYPE_CHECKING:
    from engine.data.corpus import CatalogEntry

Used = list[tuple[dict[str, Any], list[str]]]
"""Corpora that models were trained on, with those models' names."""

_UNITS = {"bits_per_byte": ".3f", "val_loss": ".3f", "train_loss": ".3f", "loss": ".3f", "perplexity": ",.1f"}


def print_models(console: Console, stored: list[StoredModel]) -> None:
    """Name, corpus, parameters, bits per byte, steps, when; fewer on a narrow terminal. Damaged ones come last."""
    rows = [_model_row(entry) for entry in stored if entry.record is not None or entry.running]
    if rows:
        columns = ["name", "corpus", "parameters", "bits per byte", "steps", "trained"]
        _print_table(console, columns, rows, give_up=["steps", "corpus", "parameters", "trained"], right=columns[2:5])
    damaged = [entry for entry in stored if entry.problem]
    for entry in damaged:
        line = Text.assemble((visible(entry.name), "bold"), (" is damaged: ", "red"), visible(entry.problem))
        console.print(line, soft_wrap=not console.is_terminal)


def model_object(entry: StoredModel) -> dict[str, Any]:
    """A model of `gpt-tui models --json`."""
    record = entry.record
    return {
        "name": entry.name,
        "path": str(entry.folder),
        "created": record.created if record else None,
        "corpus": record.corpus if record else {},
        "summary": record.summary if record else {},
        "parameters": record.model.parameter_counts()["total"] if record else None,
        "running": entry.running,
        "problem": entry.problem,
    }


def print_record(console: Console, folder: Path, record: ModelRecord, *, running: bool) -> None:
    """All that is known of a model, without its weights."""
    parameters = record.model.parameter_counts()
    shares = {part: f"{number:,} ({number / parameters['total']:.0%})" for part, number in parameters.items() if number}
    shares["total"] = f"{parameters['total']:,}"
    top = {
        "folder": str(folder),
        "created": _local_time(record.created) + (" (training now)" if running else ""),
        "checkpoints": ", ".join(["best", "last", *map(str, checkpoints(folder))]),
        "format": record.format,
    }
    parts: list[tuple[str, Mapping[str, Any]]] = [
        (folder.name, {**top, **record.extra}),
        ("Corpus", record.corpus),
        ("Result", record.summary),
        ("Parameters", shares),
        ("Model", to_table(record.model)),
        ("Training", to_table(record.train)),
    ]
    widest = max(len(key) for _, table in parts for key in table)
    for number, (title, table) in enumerate(parts):
        if number:
            console.print()
        console.print(Text(visible(title), style="bold"))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=widest, style="bright_black", no_wrap=True)
        grid.add_column(overflow="fold")
        for key, value in table.items():
            words = (
                key if title in ("Model", "Training") else key.replace("_", " ")
            )  # --set takes the fields' own names
            grid.add_row(Text(f"  {visible(words)}"), Text(visible(_words(key, value))))
        _print(console, grid)


def record_object(folder: Path, record: ModelRecord, *, running: bool) -> dict[str, Any]:
    """A model of `gpt-tui show --json`."""
    return {
        **record.extra,
        "name": folder.name,
        "path": str(folder),
        "created": record.created,
        "format": record.format,
        "corpus": record.corpus,
        "summary": record.summary,
        "model": to_table(record.model),
        "train": to_table(record.train),
        "parameters": record.model.parameter_counts(),
        "checkpoints": checkpoints(folder),
        "running": running,
    }


def print_corpora(console: Console, catalog: list[CatalogEntry], used: Used) -> None:
    """What ships, by name; then the user's own texts that models learned from."""
    rows = [
        [entry.name, f"{count(entry.words)} words", ", ".join(_learned(entry, used)), entry.description]
        for entry in catalog
    ]
    columns = ["name", "size", "models", "what it is"]
    console.print(Text("What ships: train on it by its name", style="bold"))
    _print_table(console, columns, rows, give_up=["models", "what it is"], right=["size"])
    own = [(corpus, models) for corpus, models in used if not _ships(corpus, catalog)]
    if own:
        console.print()
        console.print(Text("What models learned from before", style="bold"))
        rows = [
            [str(corpus.get("name", "?")), _size(corpus), ", ".join(models), ", ".join(_sources(corpus))]
            for corpus, models in own
        ]
        columns = ["name", "size", "models", "where"]
        _print_table(console, columns, rows, give_up=["where", "models"], right=["size"])


def corpus_objects(catalog: list[CatalogEntry], used: Used) -> Iterator[dict[str, Any]]:
    """The lines of `gpt-tui corpora --json`: `ships` is true for the catalogue's own."""
    for entry in catalog:
        words = {"title": entry.title, "description": entry.description, "words": entry.words, "licence": entry.licence}
        yield {"name": entry.name, "ships": True, **words, "models": _learned(entry, used)}
    for corpus, models in used:
        if not _ships(corpus, catalog):
            yield {**corpus, "ships": False, "models": models}


def _sources(corpus: Mapping[str, Any]) -> list[str]:
    sources = corpus.get("sources")
    return [str(source) for source in sources] if isinstance(sources, list | tuple) else []


def _ships(corpus: Mapping[str, Any], catalog: list[CatalogEntry]) -> bool:
    return any(_sources(corpus) == [entry.name] for entry in catalog)


def _learned(entry: CatalogEntry, used: Used) -> list[str]:
    """The models that learned from a corpus of the catalogue."""
    return [model for corpus, models in used if _sources(corpus) == [entry.name] for model in models]


def _model_row(entry: StoredModel) -> list[str]:
    record = entry.record
    if record is None:
        return [entry.name, "", "", "", "", "being prepared"]
    quality, steps = record.summary.get("bits_per_byte"), record.summary.get("step", record.summary.get("steps"))
    known = isinstance(quality, float) and math.isfinite(quality)
    return [
        entry.name,
        str(record.corpus.get("name", "")),
        count(record.model.parameter_counts()["total"]),
        f"{quality:.3f}" if known else "",
        f"{steps:,}" if isinstance(steps, int) else "",
        "training now" if entry.running else _local_time(record.created),
    ]


def _print_table(
    console: Console, columns: list[str], rows: list[list[str]], *, give_up: list[str], right: Iterable[str]
) -> None:
    """A table without lines. Columns of `give_up` are left out, in that order, until the rest fits the terminal.

    The last column may be cut short, down to twenty characters.
    """
    cells = [[Text(visible(cell)) for cell in row] for row in rows]
    widths = {name: max([len(name), *(row[index].cell_len for row in cells)]) for index, name in enumerate(columns)}
    widths[columns[-1]] = min(widths[columns[-1]], 20)
    kept = list(columns)
    for name in give_up:
        if sum(widths[column] + 2 for column in kept) - 2 <= console.width:
            break
        kept.remove(name)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in kept:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True, overflow="ellipsis")
    room = console.width - sum(widths[column] + 2 for column in kept[:-1])
    for row in cells:
        row[columns.index(kept[-1])].truncate(max(room, 8), overflow="ellipsis")
        table.add_row(*(row[columns.index(name)] for name in kept))
    _print(console, table)


def _print(console: Console, table: Table) -> None:
    """Print a table; in a file or a pipe without the blanks that fill its columns."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def _words(key: str, value: Any) -> str:
    """A value as a person reads it; `key` tells its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if key == "seconds":
            return duration(value)
        return format(value, _UNITS.get(key, "g"))
    if isinstance(value, int):
        return byte_size(value) if key == "bytes" else f"{value:,}" if key not in ("seed", "format") else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _size(corpus: Mapping[str, Any]) -> str:
    size = corpus.get("bytes")
    return byte_size(size) if isinstance(size, int) else ""


def _local_time(moment: str) -> str:
    """An ISO moment in UTC as the clock on the wall showed it."""
    try:
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OSError, OverflowError):
        return moment
