"""What leaves: a passage or a conversation as plain text, as Markdown that says what made it, or as JSON.

    path = write(Passage(text, spans, model="tales"), "markdown", folder, "The hen")

Nothing that is there already is ever overwritten: the name gets a number instead.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from engine import files, locations
from engine.errors import StorageError
from gpt_tui import markdown

LONGEST_NAME = 80
"""Characters of a file's name, its suffix not counted."""

WRITER, MODEL, EDITED = "writer", "model", "edited"
"""Whose words they are: the writer's, a model's, a model's that the writer has changed."""

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Format:
    """A form that an export takes: its `key`, its name, what its file ends in, and a line about it."""

    key: str
    title: str
    suffix: str
    words: str


_FORMATS = (
    Format("text", "Plain text", ".txt", "the words alone"),
    Format("markdown", "Markdown", ".md", "with what made it, and which words are the model's"),
    Format("json", "JSON", ".json", "all of it: spans, settings, probabilities"),
)


def formats() -> tuple[Format, ...]:
    """What there is to choose from."""
    return _FORMATS


@dataclass(frozen=True)
class Passage:
    """A text, and who wrote which part of it.

    `spans`: (start, end, author) of what is not the writer's, in code points; `author` is `model` or `edited`.
    `tokens`: those of the model's words whose probabilities are known: anything with `text` and `probability`, and
    `position`, `alternatives` where it has them.
    """

    text: str
    spans: Sequence[tuple[int, int, str]] = ()
    model: str = ""
    checkpoint: str = "best"
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    title: str = ""
    tokens: Sequence[Any] = ()


@dataclass(frozen=True)
class Line:
    """One turn of a conversation. `author` as in a passage's spans, or `writer`."""

    speaker: str
    text: str
    author: str = WRITER
    seed: int | None = None
    tokens: Sequence[Any] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those that the model wrote it with, where they are known."""


@dataclass(frozen=True)
class Transcript:
    """A conversation: `voice` is the speaker that the model is, `scene` what it was told before the first turn."""

    lines: Sequence[Line]
    voice: str = ""
    scene: str = ""
    model: str = ""
    checkpoint: str = "best"
    settings: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""


Document = Passage | Transcript


def write(document: Document, format: str, folder: Path, name: str) -> Path:
    """Write it to a new file of that name in `folder`, numbered when the name is taken; returns the file.

    Raises `StorageError`, one line, when the disk refuses.
    """
    kind = next(kind for kind in _FORMATS if kind.key == format)
    content = render(document, format)
    return write_new(content, Path(locations.expanded(folder)), file_name(name, kind.suffix), kind.suffix)


def render(document: Document, format: str) -> str:
    """The content of the file."""
    if format == "json":
        return _json(document)
    if format == "markdown":
        return _markdown(document)
    return document.text if isinstance(document, Passage) else _script(document)


def suggested(title: str) -> str:
    """A file's name for a title, its suffix left out."""
    return file_name(title.rstrip("…"), "")


def file_name(title: str, suffix: str) -> str:
    """The title as every file system takes it, without the suffix: no separators, no controls, not too long."""
    name = unicodedata.normalize("NFC", title).strip()
    if suffix and name.casefold().endswith(suffix):
        name = name[: -len(suffix)]
    name = " ".join(_UNSAFE.sub(" ", name).split())[:LONGEST_NAME]
    while len(name.encode("utf-8")) > 2 * LONGEST_NAME:
        name = name[:-1]
    name = name.strip(". ").lstrip("-~")
    if not name:
        return "untitled"
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def free_path(folder: Path, name: str, suffix: str) -> Path:
    """Where a file of that name would go: `The hen.md`, or `The hen-2.md` when that is taken."""
    folder = locations.expanded(folder)
    for number in count(1):
        path = folder / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        if not os.path.lexists(path):
            return path
    raise AssertionError("unreachable: the numbers do not end")


def write_new(content: str, folder: Path, name: str, suffix: str) -> Path:
    """Write a file that was not there, whole or not at all. Raises `StorageError`."""
    while True:
        path = free_path(folder, name, suffix)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the name is ours now
        except FileExistsError:
            if folder.is_dir():
                continue  # somebody took the name in between
            raise StorageError(f"{folder} is a file, not a folder: choose another.") from None
        except (OSError, ValueError) as error:
            raise refused(folder, error) from error
        try:
            files.write_text(path, _SURROGATE.sub("\ufffd", content))
        except StorageError as error:
            path.unlink(missing_ok=True)
            raise refused(folder, error.__cause__ or error) from error
        return path


def refused(folder: Path, error: BaseException) -> StorageError:
    """Why nothing could be written there, in one line."""
    if isinstance(error, PermissionError):
        return StorageError(f"Not allowed to write in {folder}: choose another folder.")
    if isinstance(error, NotADirectoryError):
        return StorageError(f"{folder} lies in a file, not in a folder: choose another.")
    if isinstance(error, OSError):
        return StorageError(str(files.storage_error(folder, error)).replace("then go on", "then export again"))
    return StorageError(f"{folder} is no folder that can be written to: choose another.")


# Plain text


def _script(transcript: Transcript) -> str:
    """`NAME: what is said`, a line each; turns of several lines stand under their names, with empty lines between."""
    opening = f"{transcript.scene}\n\n" if transcript.scene else ""
    if all("\n" not in line.text for line in transcript.lines):
        return opening + "".join(f"{line.speaker}: {line.text}\n" for line in transcript.lines)
    return opening + "\n".join(f"{line.speaker}:\n{line.text}\n" for line in transcript.lines)


# Markdown


def _markdown(document: Document) -> str:
    title = document.title or ("A conversation" if isinstance(document, Transcript) else "A passage")
    head = f"# {markdown.escape(' '.join(title.split()))}\n\n{_legend(document)}\n\n"
    if isinstance(document, Passage):
        return head + markdown.marked(document.text, document.spans) + "\n"
    scene = markdown.marked(document.scene, []) + "\n\n" if document.scene else ""
    return head + scene + "\n\n".join(map(_turn, document.lines)) + "\n"


def _turn(line: Line) -> str:
    spans = [] if line.author == WRITER else [(0, len(line.text), line.author)]
    gap = "\\\n" if "\n" in line.text else " "
    return f"**{markdown.escape(line.speaker) or '?'}:**{gap}{markdown.marked(line.text, spans)}"


def _legend(document: Document) -> str:
    """A quotation that says what made the text and how its words are marked."""
    if isinstance(document, Passage):
        marks = {author for start, end, author in document.spans if end > start}
    else:
        marks = {line.author for line in document.lines}
    rows = []
    if MODEL in marks:
        rows.append(f"*Italics*: words of {_model(document)}.")
    elif document.model:
        rows.append(f"Written with {_model(document)} at hand.")
    if EDITED in marks:
        rows.append("**Bold**: words of the model that the writer has changed.")
    if marks & {MODEL, EDITED}:
        rows.append("All else is the writer's own.")
    if isinstance(document, Transcript) and document.voice:
        rows.append(f"The model speaks as {markdown.escape(document.voice)}.")
    if settings := _settings(document):
        rows.append(f"{markdown.escape(settings)}.")
    rows.append(f"Exported by gpt-tui, {datetime.now():%Y-%m-%d %H:%M}.")
    return "\n".join(f"> {row}\\" for row in rows).removesuffix("\\")


def _model(document: Document) -> str:
    which = {"best": "", "last": " (its latest weights)"}.get(document.checkpoint)
    which = f" (as it was after step {markdown.escape(document.checkpoint)})" if which is None else which
    return f"the model {markdown.escape(document.model)}{which}" if document.model else "a model"


def _settings(document: Document) -> str:
    """`temperature 0.8, top-k 50, seed 7`."""
    parts = [f"{name.replace('_', '-')} {_number(value)}" for name, value in document.settings.items() if _plain(value)]
    if isinstance(document, Passage) and document.seed is not None:
        parts.append(f"seed {document.seed}")
    return "Settings: " + ", ".join(parts) if parts else ""


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# JSON


def _json(document: Document) -> str:
    about = {
        "program": "gpt-tui",
        "format": 1,
        "kind": "passage" if isinstance(document, Passage) else "conversation",
        "title": document.title,
        "exported": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "model": document.model,
        "checkpoint": document.checkpoint,
        "settings": {key: value for key, value in document.settings.items() if value is not None},
    }
    if isinstance(document, Passage):
        spans = [{"start": start, "end": end, "author": str(author)} for start, end, author in document.spans]
        text = {"seed": document.seed, "text": document.text, "spans": spans, "tokens": _tokens(document.tokens)}
    else:
        text = {"voice": document.voice, "scene": document.scene, "turns": [_entry(line) for line in document.lines]}
    whole = about | text
    content = json.dumps(whole, ensure_ascii=False, indent=2)
    return (json.dumps(whole, indent=2) if _SURROGATE.search(content) else content) + "\n"


def _entry(line: Line) -> dict[str, Any]:
    entry: dict[str, Any] = {"speaker": line.speaker, "author": str(line.author), "text": line.text}
    if line.author != WRITER:
        entry |= {"seed": line.seed, "settings": dict(line.settings), "tokens": _tokens(line.tokens)}
    return entry


def _tokens(tokens: Sequence[Any]) -> list[dict[str, Any]]:
    """Tokens of any kind that has a `text` and a `probability`; what else they have goes along."""
    table = []
    for token in tokens:
        row: dict[str, Any] = {"text": token.text, "probability": round(token.probability, 6)}
        if (position := getattr(token, "position", None)) is not None:
            row = {"position": position, **row}
        if others := getattr(token, "alternatives", ()):
            row["alternatives"] = [{"text": other.text, "probability": round(other.probability, 6)} for other in others]
        table.append(row)
    return table
