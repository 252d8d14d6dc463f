"""The draft that lies open: opened with whatever must be said of it, and kept on the disk as it changes. No Textual.

What is typed is on the disk within a second. Writing is done in a thread, one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import BusyError, EngineError
from gpt_tui import drafts
from gpt_tui.drafting import kept_tries, own_file
from gpt_tui.drafting.composing import Try
from gpt_tui.drafts import Draft, Hold, Span

KEEP_AFTER, NOTE_AFTER = 0.5, 3.0
"""Seconds from a change to its being written: of the text, and of what is kept beside it."""

Snapshot = tuple[str, Sequence[Span], int, int]
"""The text, its spans, where the cursor stands, and how many words there are."""


@dataclass
class Opened:
    """A draft as it was opened. `busy` says who else has it: then it may only be read. `notes` are for the user.
    `theirs` is the own file's text where both it and the draft were changed: which is to stay must be asked."""

    draft: Draft
    hold: Hold | None = None
    busy: str = ""
    notes: list[str] = field(default_factory=list)
    unsaved: bool = False
    theirs: own_file.Content | None = None


def open_draft(id_: str) -> Opened:
    """Raises `DraftNotFoundError`, `StorageError`; for that of an own file what `open_file` raises."""
    draft = drafts.load(id_)
    if draft.file is not None:
        with contextlib.suppress(own_file.FileRefusedError):
            return open_file(draft.file, draft)
    return _held(Opened(drafts.load(id_)))


def open_file(path: Path, usual: Draft) -> Opened:
    """The writer's own file, with its recovery copy and spans. `usual` gives model and settings to one that is opened
    for the first time. Raises `FileRefusedError` (`NotUtf8Error` among them), `StorageError`."""
    path = own_file.resolve(path)
    content = own_file.read(path)
    known = drafts.of_file(path)
    if known is None:
        draft = drafts.new(usual.model, usual.checkpoint, dict(usual.settings), content.text if content else "")
        draft.file, draft.bom = path, content.bom if content else False
        draft.stamp = content.stamp if content else None
        drafts.save(draft)
        opened = _held(Opened(draft))
        if content is None:
            opened.notes.append(f"{path.name} does not exist yet. Ctrl+S writes it.")
        return opened
    opened = _held(Opened(drafts.load(known)))
    _compare(opened, content)
    return opened


def _compare(opened: Opened, content: own_file.Content | None) -> None:
    """The recovery copy beside the file as it is now: which of them is the text?"""
    draft = opened.draft
    name = draft.file.name if draft.file is not None else ""
    nothing_unsaved = own_file.same_text(draft.stamp, draft.text, bom=draft.bom)
    if content is None:
        opened.unsaved = bool(draft.text)
        if draft.stamp is not None:
            opened.notes.append(f"{name} is not there any more. Your text is; Ctrl+S writes it again.")
        draft.stamp = None
    elif content.text == draft.text and content.bom == draft.bom:
        draft.stamp = content.stamp
    elif nothing_unsaved:
        take_text(draft, content)
        opened.notes.append(f"{name} was changed elsewhere since you were here; this is its text now.")
    elif draft.stamp is not None and draft.stamp.sum == content.stamp.sum:
        draft.stamp = content.stamp
        opened.unsaved = True
        opened.notes.append(f"What you had not yet written to {name} is here. Ctrl+S writes it.")
    else:
        opened.unsaved, opened.theirs = True, content


def take_text(draft: Draft, content: own_file.Content) -> None:
    """Let the file's text be the draft's; spans stay where the text did."""
    start, end, new_end = drafts.difference(draft.text, content.text)
    draft.spans = drafts.carried(draft.spans, start, end, new_end)
    draft.text, draft.bom, draft.stamp = content.text, content.bom, content.stamp
    draft.cursor = min(draft.cursor, len(draft.text))


def _held(opened: Opened) -> Opened:
    from gpt_tui.widgets.draft_list import ago

    draft = opened.draft
    try:
        opened.hold = Hold(draft.id).acquire()
    except BusyError as error:
        opened.busy = str(error)
        return opened
    if draft.text and draft.changed:
        with contextlib.suppress(ValueError):
            moment = drafts.moment(draft.changed)
            when = ago(moment)
            if opened.hold.left_open:
                at = moment.astimezone()
                opened.notes.append(
                    f"gpt-tui was ended while this was open. Your text is here as it stood at {at:%H:%M:%S}."
                )
            elif when != "just now":
                opened.notes.append(f"Here is where you stood: {when}.")
    return opened


class Desk:
    """One open draft. `take` gives what the editor holds, `told` hears what went wrong with keeping it (and, with an
    empty text, that all is well again)."""

    def __init__(self, opened: Opened, take: Callable[[], Snapshot], told: Callable[[str], None]) -> None:
        self.draft = opened.draft
        self.hold = opened.hold
        self.busy = opened.busy
        self.unsaved = opened.unsaved
        """Whether the writer's own file lacks some of the text."""
        self._take, self._told = take, told
        self._on_disk = opened.hold is not None
        self._text_changed = self._changed = self._failing = self._slow = False
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._tries: list[Try] = []  # that are not on the disk yet

    @property
    def read_only(self) -> bool:
        return bool(self.busy)

    def touch(self, *, text: bool = True) -> None:
        """Something changed: the text, or only what is kept beside it."""
        if self.read_only:
            return
        self._changed = True
        self._text_changed |= text
        if text and self.draft.file is not None:
            self.unsaved = True
        if text and self._slow and self._task is not None:
            self._task.cancel()
            self._task = None
        if self._task is None or self._task.done():
            self._slow = not text
            self._task = asyncio.create_task(self._later(KEEP_AFTER if text else NOTE_AFTER))

    def note(self, **fields: Any) -> None:
        """Other values of what is kept beside the text: `name`, `model`, `checkpoint`, `settings`."""
        for name, value in fields.items():
            setattr(self.draft, name, value)
        self.touch(text=False)

    def add_tries(self, tries: Sequence[Try]) -> None:
        """Keep what the model wrote, with its probabilities."""
        self._tries += tries
        self.touch(text=False)

    def tries(self) -> list[Try]:
        """All that was ever written for this draft, the oldest first."""
        return [*kept_tries.read(self.draft.folder), *self._tries]

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._task = None
        await self.keep()

    async def keep(self) -> bool:
        """Write what changed, now; whether it is written. What cannot be is tried again with the next change."""
        async with self._writing:
            if not self._changed or self.read_only:
                return not self.read_only
            self.snapshot()
            if not self._on_disk and not self.draft.text:
                return True  # nothing was ever written there: no draft is made of nothing
            text_changed, self._changed, self._text_changed = self._text_changed, False, False
            copy = replace(self.draft, spans=list(self.draft.spans), settings=dict(self.draft.settings))
            try:
                await asyncio.to_thread(self._save, copy, text_changed)
            except (EngineError, OSError) as error:
                self._changed, self._failing = True, True
                self._text_changed |= text_changed
                self._told(f"Not kept: {error}")
                return False
            if self._failing:
                self._failing = False
                self._told("")
            return True

    def snapshot(self) -> Draft:
        """The draft with what the editor holds now."""
        draft = self.draft
        draft.text, spans, draft.cursor, draft.words = self._take()
        draft.spans = list(spans)
        return self.draft

    def _save(self, copy: Draft, text_changed: bool) -> None:
        if self.hold is None:
            self.hold = Hold(copy.id).acquire()
        drafts.save(copy, text_changed=text_changed or not self._on_disk)
        self._on_disk = True
        self.draft.changed = copy.changed
        if tries := list(self._tries):  # more may come meanwhile
            kept_tries.add(copy.folder, tries)
            self._tries = self._tries[len(tries) :]

    async def save_file(self) -> None:
        """Write the writer's own file. Raises `StorageError`."""
        draft = self.snapshot()
        assert draft.file is not None
        file, text, bom = draft.file, draft.text, draft.bom
        draft.stamp = await asyncio.to_thread(own_file.write, file, text, bom=bom)
        self.unsaved = False
        self._changed = True
        await self.keep()

    async def changed_elsewhere(self) -> bool:
        """Whether the writer's own file is no more what it was when it was last read or written."""
        draft = self.draft
        return draft.file is not None and await asyncio.to_thread(own_file.changed, draft.file, draft.stamp)

    async def close(self) -> None:
        """Keep what is to be kept, and let others have the draft."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        await self.keep()
        self.release()

    def release(self) -> None:
        if self.hold is not None:
            self.hold.release()
            self.hold = None
