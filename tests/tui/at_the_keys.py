"""Somebody at the keys of the Compose screen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from scripted import ScriptedGenerator
from textual.pilot import Pilot

from gpt_tui import navigation
from gpt_tui.app import GptTui, Services
from gpt_tui.screens.compose import ComposeScreen

PATIENCE = 15.0  # a busy machine


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to come to pass."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


async def opened(screen: ComposeScreen) -> None:
    """Until what was asked for lies on the desk."""
    await until(lambda: screen._asked and screen.desk is not None and not screen._to_open)


class Writer:
    """Somebody at the keys."""

    def __init__(self, pilot: Pilot[None], app: GptTui, generator: ScriptedGenerator) -> None:
        self.pilot, self.app, self.generator = pilot, app, generator

    @property
    def screen(self) -> ComposeScreen:
        return next(screen for screen in self.app.screen_stack if isinstance(screen, ComposeScreen))

    @property
    def text(self) -> str:
        return self.screen.editor.text

    @property
    def folder(self) -> Path:
        return self.screen.draft.folder

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        self.screen.editor.type_text(text)
        await self.pilot.pause()

    async def on_disk(self, text: str) -> None:
        """Wait until that is what is kept."""
        path = self.folder / "draft.txt"
        await until(lambda: path.exists() and path.read_bytes() == text.encode())

    async def rest(self) -> None:
        """Until nothing is being written."""
        await until(lambda: self.screen.composer.current is None)
        await self.pilot.pause()


@contextlib.asynccontextmanager
async def writing(first: navigation.Open | None = None, *, size: tuple[int, int] = (100, 30)):  # type: ignore[no-untyped-def]
    """The app at the Compose screen, with a generator that writes what it is told."""
    generator = ScriptedGenerator()
    services = Services(generator=generator)  # type: ignore[arg-type]
    app = GptTui(first or navigation.OpenCompose(), services)
    async with app.run_test(size=size) as pilot:
        await until(lambda: any(isinstance(screen, ComposeScreen) for screen in app.screen_stack))
        writer = Writer(pilot, app, generator)
        await opened(writer.screen)
        await pilot.pause()
        yield writer
