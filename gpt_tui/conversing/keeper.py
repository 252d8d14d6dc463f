"""Conversations are saved while they go on. No Textual."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine import files
from engine.errors import EngineError
from gpt_tui.conversations import Conversation, path_of


class Keeper:
    """Saves a conversation while it goes on: soon after a change, one writing at a time, never on the event loop."""

    SECONDS = 0.4
    """After a change, until it is written: a program that is killed loses no more than that and the writing's own."""

    def __init__(self) -> None:
        self.problem = ""
        """Why the last writing failed, in a line; empty when it did not."""
        self._waiting: dict[str, Conversation] = {}
        self._task: asyncio.Task[None] | None = None

    def keep(self, conversation: Conversation) -> None:
        """It has changed."""
        self._waiting[conversation.id] = conversation
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._save())

    async def settle(self) -> None:
        """Wait until everything is written."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)

    def now(self) -> None:
        """Write what waits before this returns: the program ends."""
        waiting, self._waiting = self._waiting, {}
        for conversation in waiting.values():
            self._write(path_of(conversation.id), conversation.to_json() if conversation.turns else "")

    def forget(self, id: str) -> None:
        """It was deleted: what waits to be written of it is not."""
        self._waiting.pop(id, None)

    async def _save(self) -> None:
        while self._waiting:
            await asyncio.sleep(self.SECONDS)
            waiting, self._waiting = self._waiting, {}
            for conversation in waiting.values():
                content = conversation.to_json() if conversation.turns else ""
                await asyncio.to_thread(self._write, path_of(conversation.id), content)

    def _write(self, path: Path, content: str) -> None:
        if not content:
            return
        self.problem = ""
        try:
            files.write_text(path, content)
        except EngineError as error:
            self.problem = str(error)
