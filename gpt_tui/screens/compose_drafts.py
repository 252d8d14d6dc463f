"""Compose, the part that keeps: drafts and the writer's own files, opened, saved, left and found again."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work

from engine.errors import EngineError
from gpt_tui import drafts, navigation
from gpt_tui.drafting import desk as desks
from gpt_tui.drafting import own_file
from gpt_tui.drafting.desk import Desk, Opened
from gpt_tui.screens.compose_choices import OffersChoices
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Choose, Confirm
from gpt_tui.widgets.editor import Author, Editor

if TYPE_CHECKING:
    from gpt_tui.app import Services
    from gpt_tui.widgets import editor_messages

LAST_DRAFT, LAST_MODEL = "compose.draft", "compose.model"
"""What the app remembers."""

_COUNT_AFTER = 0.3


class KeepsDrafts(OffersChoices):
    """There is always a draft on the desk, if only an empty one that is nowhere yet."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._opening = asyncio.Lock()
        self._asked = False
        self._to_open = 0
        self._asked_about: own_file.Stamp | None = None
        self._loaded = 0
        """The editor's version of the draft as it was opened."""

    # Opening

    def show(self, message: navigation.Open) -> None:
        if isinstance(message, navigation.OpenCompose):
            self._asked = True
            self.open(message)

    def open(self, message: navigation.OpenCompose) -> None:
        """Open what is asked for, after what was asked for before."""
        self._to_open += 1
        self._open(message)

    @work(group="open")
    async def _open(self, message: navigation.OpenCompose) -> None:
        """If it cannot be, say why, and leave what is open."""
        try:
            await self._open_now(message)
        finally:
            self._to_open -= 1

    async def _open_now(self, message: navigation.OpenCompose) -> None:
        async with self._opening:
            await self.find_models(message.model)
            try:
                opened = await self._find(message)
            except own_file.NotUtf8Error as error:
                opened = await self._offer_to_read(error, message)
            except EngineError as error:
                self.complain(error)
                opened = None
            if opened is None and self.desk is None:
                opened = Opened(self._blank(message.model, message.checkpoint))
            if opened is not None:
                await self.put_on_desk(opened)
                if message.model and message.model not in self.models:
                    self.say_no_model()

    async def _find(self, message: navigation.OpenCompose) -> Opened | None:
        """The draft that is meant. None: the one that is open."""
        if message.draft is not None:
            same = self.desk is not None and self.desk.draft.id == message.draft
            return None if same else await asyncio.to_thread(desks.open_draft, message.draft)
        if message.file is not None:
            usual = self._blank(message.model, message.checkpoint)
            path = await asyncio.to_thread(own_file.resolve, message.file)
            if self.desk is not None and self.desk.draft.file == path:
                return None
            return await asyncio.to_thread(desks.open_file, path, usual)
        if message.model is not None:
            return Opened(self._blank(message.model, message.checkpoint))
        if self.desk is not None:
            return None
        return await asyncio.to_thread(_last, self.services.state.memory.get(LAST_DRAFT))

    async def _offer_to_read(self, error: EngineError, message: navigation.OpenCompose) -> Opened | None:
        """A file in another encoding stays as it is; its text may become a draft."""
        assert message.file is not None
        question = f"{error} The file stays as it is. Read its text into a new draft?"
        if not await self.app.push_screen_wait(Confirm(question, yes="Read it", no="Leave it")):
            return None
        try:
            text = await asyncio.to_thread(own_file.read_otherwise, message.file)
        except EngineError as error:
            self.complain(error)
            return None
        draft = self._blank(message.model, message.checkpoint)
        draft.text, draft.name = text, message.file.stem
        await asyncio.to_thread(drafts.save, draft)
        return await asyncio.to_thread(desks.open_draft, draft.id)

    def _blank(self, model: str | None = None, checkpoint: str = "best") -> drafts.Draft:
        return drafts.new(model or self.usual_model, checkpoint)

    @property
    def usual_model(self) -> str:
        """The one that was written with last, else the newest."""
        last = self.services.state.memory.get(LAST_MODEL)
        return last if isinstance(last, str) and last in self.models else next(iter(self.models), "")

    async def put_on_desk(self, opened: Opened) -> None:
        """Leave the draft that was open, and show this one as it was left."""
        self.forget_writing()
        if self.desk is not None:
            await self.desk.close()
        draft = opened.draft
        if not draft.model:
            draft.model = self.usual_model
        self.desk = Desk(opened, self._held, self._trouble)
        self.services.state.remember(LAST_DRAFT, draft.id)
        self._load(opened)
        self.tell("")
        self.notice.clear()
        if opened.busy:
            self.notice.say(f"{opened.busy} It may only be read here; F10 C writes in a copy.")
        elif not self.models:
            self.say_no_model()
        if opened.theirs is not None:
            await self._settle_conflict(opened.theirs)
        elif opened.notes:
            if opened.notes[0].startswith("Here is where") and len(opened.notes) == 1:
                self.tell(opened.notes[0])
            else:
                self.notice.say(" ".join(opened.notes))

    def _load(self, opened: Opened) -> None:
        draft = opened.draft
        self.editor.load(draft.text, [(s, e, Author(a)) for s, e, a in draft.spans], cursor=draft.cursor)
        self._loaded = self.editor.version
        self.editor.read_only = bool(opened.busy)
        self.panel.load(self.values)
        self.show_draft()
        self.count_words()
        self.editor.focus()
        self.look_soon()

    def _held(self) -> desks.Snapshot:
        spans = [(span.start, span.end, str(span.author)) for span in self.editor.spans()]
        return self.editor.text, spans, self.editor.cursor, self.editor.word_count()

    def _trouble(self, words: str) -> None:
        """A draft cannot be kept, or can again."""
        if words:
            self.notice.say(f"{visible(words)} It is tried again as you type on.", wrong=True)
        else:
            self.notice.clear()

    def show_draft(self) -> None:
        """Which draft it is, and with which model."""
        draft = self.draft
        self.bar.draft = drafts.title_of(self.editor.text[:2000], draft.name, draft.file)
        self.bar.unsaved = self.desk is not None and self.desk.unsaved
        moment = "" if draft.checkpoint == "best" else f" ({draft.checkpoint})"
        self.bar.model = f"{Path(draft.model).name}{moment}" if draft.model else "no model"

    @on(Editor.Changed)
    def _edited(self, event: editor_messages.Changed) -> None:
        if self.desk is None or event.version <= self._loaded:
            return
        self.desk.touch()
        if self.composer.current is None or self.composer.current.kind == "suggestion":
            self.suggest_when_idle()
        self.look_soon()
        self._count_soon()

    def _count_soon(self) -> None:
        if not self._counting:
            self._counting = True
            self.set_timer(_COUNT_AFTER, self._count)

    _counting = False

    def _count(self) -> None:
        self._counting = False
        self.show_draft()
        self.count_words()

    def count_words(self) -> None:
        self.bar.words = self.editor.word_count()
        self.bar.chosen_words = self.editor.selected_word_count()

    # The models

    async def find_models(self, more: str | None = None) -> None:
        """What there is to write with; `more` is a model that lies elsewhere."""
        self.models = await asyncio.to_thread(_models, more or (self.desk.draft.model if self.desk else None))

    # Saving, and changes made elsewhere

    @work(group="save", exclusive=True)
    async def action_save(self) -> None:
        desk = self.desk
        if desk is None:
            return
        if desk.read_only:
            self.tell("This draft may only be read here")
            return
        if desk.draft.file is None:
            if await desk.keep():
                self.tell("Kept, as always while you type. F10 E exports a file")
            return
        if await desk.changed_elsewhere() and not await self._ask_whose(desk):
            return
        await self._write_file(desk)

    async def _write_file(self, desk: Desk) -> None:
        try:
            await desk.save_file()
        except EngineError as error:
            self.complain(error, "Your text is kept among the drafts.")
            return
        assert desk.draft.file is not None
        self.show_draft()
        self.notice.clear()
        self.tell(f"Saved {desk.draft.file.name}")

    @work(group="elsewhere", exclusive=True)
    async def look_elsewhere(self) -> None:
        """The terminal is looked at again: has somebody else written the file?"""
        desk = self.desk
        if desk is None or desk.read_only or not await desk.changed_elsewhere():
            return
        now = await asyncio.to_thread(own_file.stamp_of, desk.draft.file) if desk.draft.file is not None else None
        if self.is_here and now != self._asked_about:  # once for each change
            self._asked_about = now
            await self._ask_whose(desk)

    async def _ask_whose(self, desk: Desk) -> bool:
        """The file was changed elsewhere. Whether the writer's text may be written over it."""
        assert desk.draft.file is not None
        try:
            theirs = await asyncio.to_thread(own_file.read, desk.draft.file)
        except EngineError as error:
            self.complain(error, "Your text is kept among the drafts.")
            return False
        if theirs is None:
            desk.draft.stamp = None
            return True
        if theirs.text == self.editor.text:
            desk.draft.stamp = theirs.stamp
            return True
        if not desk.unsaved:
            self._take_theirs(desk, theirs)
            return False
        return await self._settle_conflict(theirs)

    async def _settle_conflict(self, theirs: own_file.Content) -> bool:
        """Both were changed: ask which is to stay. Whether the writer's own is."""
        desk = self.desk
        assert desk is not None and desk.draft.file is not None
        mine = self.editor.text
        name = desk.draft.file.name
        sizes = f"{drafts.count_words(theirs.text):,} words", f"{drafts.count_words(mine):,} words"
        start, _, _ = drafts.difference(theirs.text, mine)
        same = drafts.count_words(mine[:start])
        place = f"The two are the same for {same:,} words." if same else "The two differ from the beginning on."
        answer = await self.app.push_screen_wait(
            Choose(
                f"{name} was changed elsewhere. {place}",
                [
                    ("mine", f"Keep mine ({sizes[1]}); Ctrl+S writes it over the file"),
                    ("theirs", f"Take the file's ({sizes[0]}); Ctrl+Z brings mine back"),
                    ("copy", "Take the file's, and put mine into a draft of its own"),
                ],
            )
        )
        if answer == "copy":
            draft = drafts.new(desk.draft.model, desk.draft.checkpoint, dict(desk.draft.settings), mine)
            draft.name, draft.spans = f"{name} (mine)", list(self._held()[1])
            await asyncio.to_thread(drafts.save, draft)
        if answer in ("theirs", "copy"):
            self._take_theirs(desk, theirs)
            return False
        if answer == "mine":
            desk.draft.stamp = theirs.stamp
            desk.unsaved = True
            self.show_draft()
        return answer == "mine"

    def _take_theirs(self, desk: Desk, theirs: own_file.Content) -> None:
        """The file's text, as one step that can be undone; what is the same keeps its spans and its place."""
        self.stop_writing()
        self.replace_text(theirs.text)
        desk.draft.bom, desk.draft.stamp = theirs.bom, theirs.stamp
        desk.touch()
        desk.unsaved = False
        self.show_draft()
        name = visible(desk.draft.file.name) if desk.draft.file is not None else ""
        self.notice.say(f"{name} was changed elsewhere: this is its text now. Ctrl+Z brings yours back.")

    def replace_text(self, text: str) -> None:
        start, end, new_end = drafts.difference(self.editor.text, text)
        if start < max(end, new_end):
            self.editor.replace(start, end, text[start:new_end])


def _last(id_: object) -> Opened | None:
    """The draft that was open last; where that is no more, or was nothing yet, the one that was written last."""
    latest = [found.id for found in drafts.summaries()[:1]]
    for candidate in [id_, *latest]:
        if isinstance(candidate, str):
            with contextlib.suppress(drafts.DraftNotFoundError):
                return desks.open_draft(candidate)
    return None


def _models(more: str | None) -> dict[str, list[str]]:
    """The models of the store that can be read, the newest first; and that one, where it lies elsewhere."""
    from engine.store import models as store

    found: dict[str, list[str]] = {}
    entries = [entry for entry in store.models() if entry.record is not None]
    for entry in sorted(entries, key=lambda entry: entry.record.created if entry.record else "", reverse=True):
        if (entry.folder / "weights.safetensors").exists():
            found[entry.name] = _checkpoints(entry.folder)
    if more and more not in found:
        with contextlib.suppress(EngineError):
            found[more] = _checkpoints(store.find(more))
    return found


def _checkpoints(folder: Path) -> list[str]:
    from engine.store import models as store

    last = ["last"] if (folder / "run" / "state.safetensors").exists() else []
    return ["best", *last, *map(str, reversed(store.checkpoints(folder)))]
