"""The conversations that were kept, as the chat screen lists, searches, renames, deletes and brings them back."""

from __future__ import annotations

import asyncio

from textual import on, work

from engine.errors import EngineError
from gpt_tui import conversations
from gpt_tui.conversing import opening
from gpt_tui.screens.chat_base import Talk
from gpt_tui.widgets.conversation_list import ConversationList


class Kept(Talk):
    """A place where one talks, with a list of the conversations beside it."""

    _deleted: list[str] = []  # noqa: RUF012 - replaced, never changed
    """The conversations that were deleted here, the last one last."""

    def fit(self) -> None:
        """Something beside the talk has come or gone."""

    def action_conversations(self) -> None:
        kept = self.query_one(ConversationList)
        if kept.has_class("-open") and self.focused is not None and kept in self.focused.ancestors:
            self._close_list()
        else:
            kept.add_class("-open")
            self.look_for_conversations()
            kept.begin()
        self.call_after_refresh(self.fit)

    def _close_list(self) -> None:
        self.query_one(ConversationList).remove_class("-open")
        self.prompt.focus()
        self.call_after_refresh(self.fit)

    @on(ConversationList.Searched)
    def _searched(self, event: ConversationList.Searched) -> None:
        event.stop()
        self.look_for_conversations(0.15)

    @work(exclusive=True, group="search")
    async def look_for_conversations(self, after: float = 0.0) -> None:
        """Show in the list what was kept and holds what is looked for; `after` so many seconds without another key."""
        await asyncio.sleep(after)
        kept = self.query_one(ConversationList)
        if not kept.has_class("-open"):
            return
        await self.keeper.settle()
        found = await asyncio.to_thread(conversations.summaries, kept.query_text)
        kept.show(found, self.talk.id if self.talk is not None else "")

    @on(ConversationList.Asked)
    def _asked_of_list(self, event: ConversationList.Asked) -> None:
        event.stop()
        if event.what == "open" and event.conversation:
            if not self.has_class("-wide"):
                self.query_one(ConversationList).remove_class("-open")
            self.open_conversation(event.conversation)
        elif event.what == "rename" and event.conversation:
            self._rename(event.conversation)
        elif event.what == "delete" and event.conversation:
            self._delete(event.conversation)
        elif event.what == "restore":
            self._restore()
        elif event.what == "close":
            if self.has_class("-wide"):
                self.prompt.focus()
            else:
                self._close_list()

    def action_rename(self) -> None:
        if self.talk is not None:
            self._rename(self.talk.id)

    @work(exclusive=True, group="dialog")
    async def _rename(self, id: str) -> None:
        from gpt_tui.widgets.dialogs import Ask

        await self.keeper.settle()
        try:
            title = (await asyncio.to_thread(conversations.load, id)).title
            name = await self.app.push_screen_wait(Ask("What shall it be called?", title, title="Rename"))
            if name is None:
                return
            if self.talk is not None and self.talk.id == id:
                self.talk.name = conversations.shortened(name, 200)
                self.keeper.keep(self.talk)
            else:
                await asyncio.to_thread(conversations.rename, id, name)
        except EngineError as error:
            self.complain(error)
        self.look_for_conversations()

    @work(exclusive=True, group="delete")
    async def _delete(self, id: str) -> None:
        here = self.talk is not None and self.talk.id == id
        if here:
            self.drop_answer()
        self.keeper.forget(id)
        await self.keeper.settle()
        try:
            await asyncio.to_thread(conversations.delete, id)
        except EngineError as error:
            self.complain(error)
            return
        self._deleted = [*self._deleted, id]
        self.notify("It is in the trash. u, in the list, brings it back.", title="Deleted", markup=False)
        if here:
            self.services.state.remember(opening.LAST, None)
            self.open_somewhere()
        self.look_for_conversations()

    @work(exclusive=True, group="delete")
    async def _restore(self) -> None:
        if not self._deleted:
            self.notify("Nothing was deleted here.", markup=False, timeout=3)
            return
        *self._deleted, id = self._deleted
        try:
            await asyncio.to_thread(conversations.restore, id)
        except EngineError as error:
            self.complain(error)
            return
        self.open_conversation(id)
        self.notify("It is back.", markup=False, timeout=3)
