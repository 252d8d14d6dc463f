"""What all places have in common: the line on top, the keys below, and the services that they are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from gpt_tui import navigation
from gpt_tui.widgets.top_bar import Tab, TopBar

if TYPE_CHECKING:
    from gpt_tui.app import Services


class Place(Screen[None]):
    """One of the places of `gpt_tui.app.PLACES`. A subclass gives `content`, and answers `show`."""

    NAME: ClassVar[str] = ""
    """Its key in `gpt_tui.app.PLACES`."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME)
        yield from self.content()
        yield Footer(compact=True, show_command_palette=False)

    def content(self) -> Iterable[Widget]:
        """The widgets between the top bar and the keys."""
        raise NotImplementedError

    def show(self, message: navigation.Open) -> None:
        """What was asked for by whoever opened the place."""

    def say(self, status: str) -> None:
        """A few words at the right of the top bar."""
        self.query_one(TopBar).status = status

    async def on_tab_chosen(self, message: Tab.Chosen) -> None:
        message.stop()
        await self.run_action(f"app.place('{message.place}')")
