"""What the user writes: drafts in folders of their own. No Textual.

    drafts/<id>/draft.txt     the text, newlines as they are
    drafts/<id>/draft.json    its name, its model and settings, where the cursor stood, which words a model wrote

The two are written one after the other, and the program may die between them: so draft.json says of which text its
spans are, and keeps those of the text before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine import files, locations
from engine.errors import BusyError, ModelNotFoundError, RequestError
from gpt_tui.drafting.own_file import Stamp

TEXT, RECORD = "draft.txt", "draft.json"
TRASH = "drafts"
UNTITLED = "Untitled"
LONGEST_TITLE = 48
_PASSAGE = 70  # characters that are shown of a place that was found

Span = tuple[int, int, str]
"""A passage that is not the writer's own: from, to, and whose it is (`model`, or `edited` by the writer)."""


class DraftNotFoundError(RequestError):
    """No draft of that id, or nothing that can be read as one."""


@dataclass
class Draft:
    """One text and what belongs to it. What is new lies on the disk from its first `save` on."""

    id: str
    name: str = ""
    """As the user called it; empty: its first line is its title."""
    text: str = ""
    spans: list[Span] = field(default_factory=list)
    words: int | None = None
    """How many words it has, where that has been counted."""
    cursor: int = 0
    model: str = ""
    checkpoint: str = "best"
    settings: dict[str, Any] = field(default_factory=dict)
    """How it is written on: the fields of SampleConfig, and `until`, where a continuation ends."""
    created: str = ""
    changed: str = ""
    file: Path | None = None
    """The writer's own file of which this is the recovery copy."""
    bom: bool = False
    stamp: Stamp | None = None
    """The own file as it was last read or written; None while there is none."""

    @property
    def title(self) -> str:
        return title_of(self.text, self.name, self.file)

    @property
    def folder(self) -> Path:
        return folder_of(self.id)


@dataclass(frozen=True)
class Summary:
    """A draft in a list; `passage` is the place that a search found."""

    id: str
    title: str
    changed: datetime
    words: int
    model: str
    file: Path | None
    passage: str = ""


def folder_of(id_: str) -> Path:
    return locations.drafts_dir() / id_


def new(model: str = "", checkpoint: str = "best", settings: dict[str, Any] | None = None, text: str = "") -> Draft:
    """A draft that is nowhere yet."""
    now = datetime.now(UTC)
    id_ = f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    stamp = now.isoformat(timespec="seconds")
    return Draft(
        id_, text=text, model=model, checkpoint=checkpoint, settings=settings or {}, created=stamp, changed=stamp
    )


def title_of(text: str, name: str = "", file: Path | None = None) -> str:
    """The name that was given, or the file's, or the first words."""
    if name or file is not None:
        return name or file.name  # type: ignore[union-attr]
    head = text[:2000].strip().splitlines()
    line = " ".join(head[0].split()) if head else ""
    if len(line) > LONGEST_TITLE:
        line = line[:LONGEST_TITLE].rsplit(" ", 1)[0] + "…"
    return line or UNTITLED


def count_words(text: str) -> int:
    return len(text.split())


# To the disk and back


def save(draft: Draft, *, text_changed: bool = True) -> None:
    """Write it, whole or not at all. Raises `StorageError`."""
    written = draft.text.encode("utf-8", "replace")  # a lone surrogate is no text in any file
    if text_changed:
        draft.changed = datetime.now(UTC).isoformat(timespec="seconds")
    before = _record(draft.folder)
    record: dict[str, Any] = {
        "name": draft.name,
        "title": draft.title,
        "words": count_words(draft.text) if draft.words is None else draft.words,
        "created": draft.created,
        "changed": draft.changed,
        "model": draft.model,
        "checkpoint": draft.checkpoint,
        "settings": draft.settings,
        "cursor": draft.cursor,
        "sum": sum_of(written),
        "spans": draft.spans,
    }
    if draft.file is not None:
        stamp = list(draft.stamp) if draft.stamp is not None else None
        record["file"] = {"path": str(draft.file), "bom": draft.bom, "stamp": stamp}
    if text_changed and "sum" in before:
        record["earlier"] = {"sum": before["sum"], "spans": before.get("spans", [])}
    files.write_text(draft.folder / RECORD, json.dumps(record, ensure_ascii=True))
    if text_changed:
        with files.replacing(draft.folder / TEXT) as temporary:
            temporary.write_bytes(written)


def load(id_: str) -> Draft:
    """Raises `DraftNotFoundError` when there is no text; what else is damaged is left out."""
    folder = folder_of(id_)
    try:
        written = (folder / TEXT).read_bytes()
    except OSError as error:
        why = "there is no draft of that name" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise DraftNotFoundError(f"This draft cannot be opened: {why}.") from None
    record = _record(folder)
    text = written.decode("utf-8", "replace")
    draft = Draft(
        id_,
        _as(record, "name", str, ""),
        text,
        _spans_for(record, sum_of(written), len(text)),
        None,
        min(max(0, _as(record, "cursor", int, 0)), len(text)),
        _as(record, "model", str, ""),
        _as(record, "checkpoint", str, "best"),
        _as(record, "settings", dict, {}),
        _as(record, "created", str, ""),
        _as(record, "changed", str, ""),
    )
    if own := _as(record, "file", dict, {}):
        draft.file = Path(str(own.get("path")))
        draft.bom = own.get("bom") is True
        draft.stamp = Stamp.of(own.get("stamp"))
    return draft


def sum_of(written: bytes) -> str:
    return hashlib.blake2b(written, digest_size=16).hexdigest()


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _as(record: dict[str, Any], key: str, kind: type, otherwise: Any) -> Any:
    value = record.get(key)
    return value if isinstance(value, kind) and not isinstance(value, bool) else otherwise


def _spans_for(record: dict[str, Any], sum_: str, length: int) -> list[Span]:
    """The spans that were kept for this very text."""
    for kept in (record, _as(record, "earlier", dict, {})):
        if kept.get("sum") == sum_:
            return list(_checked(kept.get("spans"), length))
    return []


def _checked(spans: Any, length: int) -> Iterator[Span]:
    end = 0
    for span in spans if isinstance(spans, list) else []:
        with contextlib.suppress(TypeError, ValueError):
            first, last, author = span
            if end <= first < last <= length and author in ("model", "edited"):
                yield first, last, author
                end = last


def carried(spans: Iterable[Span], start: int, end: int, new_end: int) -> list[Span]:
    """The spans after the text from `start` to `end` was replaced by one that ends at `new_end`."""
    moved: list[Span] = []
    for first, last, author in spans:
        for left, right in ((first, min(last, start)), (max(first, end) + new_end - end, last + new_end - end)):
            if left < right:
                moved.append((left, right, author))
    return moved


def difference(old: str, new: str) -> tuple[int, int, int]:
    """Where two texts differ: from `start` to `end` in the old one, to `new_end` in the new one."""
    start = _common(old, new)
    rest = min(len(old), len(new)) - start
    back = _common_end(old, new, rest)
    return start, len(old) - back, len(new) - back


def _common(a: str, b: str) -> int:
    """How long their common beginning is; by halves, since comparing slices is quick and counting is not."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _common_end(a: str, b: str, most: int) -> int:
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        same = a[len(a) - middle : len(a) - low] == b[len(b) - middle : len(b) - low]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


# All of them


def summaries() -> list[Summary]:
    """Every draft, the latest first."""
    try:
        folders = [path for path in locations.drafts_dir().iterdir() if (path / TEXT).is_file()]
    except OSError:
        return []
    return sorted(map(_summary, folders), key=lambda found: found.changed, reverse=True)


def _summary(folder: Path) -> Summary:
    record = _record(folder)
    own = _as(record, "file", dict, {})
    file = Path(str(own["path"])) if "path" in own else None
    title = _as(record, "title", str, "") or UNTITLED
    return Summary(
        folder.name,
        title,
        _when(_as(record, "changed", str, ""), folder),
        max(0, _as(record, "words", int, 0)),
        _as(record, "model", str, ""),
        file,
    )


def moment(changed: str) -> datetime:
    """The moment that a draft tells of. Raises `ValueError`."""
    return datetime.fromisoformat(changed).astimezone(UTC)


def _when(changed: str, folder: Path) -> datetime:
    try:
        return moment(changed)
    except ValueError:
        with contextlib.suppress(OSError):
            return datetime.fromtimestamp((folder / TEXT).stat().st_mtime, UTC)
    return datetime.fromtimestamp(0, UTC)


def search(query: str) -> list[Summary]:
    """The drafts that have all words of the query, in title or text, each with the first place; the latest first."""
    words = query.casefold().split()
    if not words:
        return summaries()
    found = []
    for summary in summaries():
        with contextlib.suppress(OSError):
            text = (folder_of(summary.id) / TEXT).read_text("utf-8", "replace")
            lower = text.casefold()
            title = summary.title.casefold()
            if all(word in lower or word in title for word in words):
                passage = _passage(text, lower, " ".join(words), words)
                found.append(replace(summary, passage=passage))
    return found


def _passage(text: str, lower: str, whole: str, words: list[str]) -> str:
    """A line's worth of text around the first place of the words together, else of the first word."""
    place = max(lower.find(whole), -1)
    if place < 0:
        place = min((at for word in words if (at := lower.find(word)) >= 0), default=-1)
    if place < 0 or len(lower) != len(text):  # folding case may change lengths: then the place is only near
        place = min(max(place, 0), max(0, len(text) - 1))
    start = max(0, place - _PASSAGE // 3)
    piece = " ".join(text[start : start + _PASSAGE + 20].split())[:_PASSAGE]
    return ("…" if start else "") + piece


def rename(id_: str, name: str) -> None:
    """Raises `DraftNotFoundError` or `StorageError`."""
    draft = load(id_)
    draft.name = " ".join(name.split())
    save(draft, text_changed=False)


def delete(id_: str) -> None:
    """Move it to the trash. Raises `BusyError` when another gpt-tui has it open, `StorageError`."""
    with Hold(id_):
        pass
    files.move_to_trash(folder_of(id_), TRASH)


def restore(id_: str) -> None:
    """Bring it back. Raises `DraftNotFoundError` or `StorageError`."""
    try:
        files.restore_from_trash(id_, TRASH, folder_of(id_))
    except ModelNotFoundError:
        raise DraftNotFoundError("That draft is not in the trash any more.") from None


def of_file(path: Path) -> str | None:
    """The draft that keeps the recovery copy of the writer's file, by its resolved path."""
    return next((found.id for found in summaries() if found.file == path), None)


class Hold:
    """The right to write a draft: one program at a time. `left_open`: whoever had it before died with it open."""

    def __init__(self, id_: str) -> None:
        self._lock = files.ModelLock(folder_of(id_))
        self.left_open = False

    def acquire(self) -> Hold:
        """Raises `BusyError` when another program has the draft open, `StorageError`."""
        self._lock.folder.mkdir(parents=True, exist_ok=True)
        left = self._lock.holder() is not None
        try:
            self._lock.acquire()
        except BusyError:
            who = self._lock.holder() or "another program"
            raise BusyError(f"This draft is open in another gpt-tui ({who}).") from None
        self.left_open = left
        return self

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> Hold:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()
