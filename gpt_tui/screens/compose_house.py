"""Compose, the part that keeps house: the list of drafts, new ones, copies, names, the trash."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from engine.errors import EngineError
from gpt_tui import drafts, navigation
from gpt_tui.drafting.desk import Opened
from gpt_tui.screens.compose_drafts import KeepsDrafts
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Ask
from gpt_tui.widgets.draft_list import DraftList

if TYPE_CHECKING:
    from gpt_tui.app import Services


class KeepsHouse(KeepsDrafts):
    """What is done with drafts as a whole."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._deleted: list[str] = []
        """What can be brought back, the latest last."""

    @work(group="drafts", exclusive=True)
    async def action_drafts(self) -> None:
        """The list; a draft is opened, or a new one begun."""
        if self.desk is not None:
            await self.desk.keep()
        chosen = await self.app.push_screen_wait(DraftList(self._search, self._do, self.draft.id))
        if chosen == "":
            self.action_new()
        elif chosen is not None:
            self.open(navigation.OpenCompose(draft=chosen))

    def action_new(self) -> None:
        """A new draft, with the model of this one."""
        if self.desk is not None and not self.editor.text and self.draft.file is None:
            self.tell("This is a new draft already")
            return
        self._begin()

    @work(group="open")
    async def _begin(self) -> None:
        async with self._opening:
            draft = self.draft
            await self.put_on_desk(Opened(drafts.new(draft.model, draft.checkpoint, dict(draft.settings))))

    @work(group="copy", exclusive=True)
    async def action_copy(self) -> None:
        """Go on in a copy, as where another gpt-tui has this draft open."""
        old = self.draft
        copy = drafts.new(old.model, old.checkpoint, dict(old.settings), self.editor.text)
        copy.name, copy.spans = f"{old.title} (copy)", list(self._held()[1])
        try:
            await asyncio.to_thread(drafts.save, copy)
        except EngineError as error:
            self.complain(error)
            return
        self.open(navigation.OpenCompose(draft=copy.id))

    async def _search(self, query: str) -> list[drafts.Summary]:
        return await asyncio.to_thread(drafts.search, query)

    async def _do(self, verb: str, id_: str, title: str) -> None:
        """What the list asks for."""
        try:
            match verb:
                case "rename":
                    await self._rename(id_, title)
                case "delete":
                    await self._delete(id_, title)
                case "undo":
                    await self._bring_back()
        except EngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)

    @work(group="wanted", exclusive=True)
    async def action_rename(self) -> None:
        try:
            await self._rename(self.draft.id, self.bar.draft)
        except EngineError as error:
            self.complain(error)

    async def _rename(self, id_: str, title: str) -> None:
        name = await self.app.push_screen_wait(Ask("What is this draft called?", title, title="Rename"))
        if name is None:
            return
        name = " ".join(name.split())
        if id_ == self.draft.id and self.desk is not None:
            self.desk.note(name=name)
            self.show_draft()
            await self.desk.keep()
        else:
            await asyncio.to_thread(drafts.rename, id_, name)

    @work(group="wanted", exclusive=True)
    async def action_delete(self) -> None:
        try:
            await self._delete(self.draft.id, self.bar.draft)
        except EngineError as error:
            self.complain(error)

    async def _delete(self, id_: str, title: str) -> None:
        """To the trash; where it is the open one, a new one takes its place. The writer's own file stays."""
        desk = self.desk
        if desk is not None and id_ == desk.draft.id:
            self.stop_writing()
            await desk.close()
            if drafts.folder_of(id_).exists():
                await asyncio.to_thread(drafts.delete, id_)
                self._deleted.append(id_)
            desk.busy = "It was deleted."  # nothing of it is written any more
            await self.put_on_desk(
                Opened(drafts.new(desk.draft.model, desk.draft.checkpoint, dict(desk.draft.settings)))
            )
        else:
            await asyncio.to_thread(drafts.delete, id_)
            self._deleted.append(id_)
        self.notify(visible(f"{title} is in the trash. Ctrl+O, then Ctrl+Z, brings it back."), markup=False)

    async def _bring_back(self) -> None:
        if not self._deleted:
            self.notify("Nothing was deleted here since gpt-tui began.", markup=False)
            return
        await asyncio.to_thread(drafts.restore, self._deleted[-1])
        self._deleted.pop()
        self.notify("It is back.", markup=False)
