"""What all screens have in common: the line on top, the keys below, and the services that they are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget

from gpt_tui import navigation
from gpt_tui.widgets.key_line import KeyLine
from gpt_tui.widgets.top_bar import Tab, TopBar

if TYPE_CHECKING:
    from gpt_tui.app import Services


class Framed(Screen[None]):
    """A screen between the line on top and the keys below. A subclass gives `content`.

    When a setting has changed it is told by `navigation.SettingsChanged`.
    """

    NAME: ClassVar[str] = ""
    """Which of the places on top it is."""
    HELP: ClassVar[str | None] = ""
    """What one does here, in a few plain sentences: the Help screen shows them. Widgets have such a text too."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services

    def compose(self) -> ComposeResult:
        self._take_size()
        yield TopBar(self.NAME)
        yield from self.content()
        yield KeyLine()

    def _take_size(self) -> None:
        """Take the classes of the sizes before there are widgets, whose styles would be made twice."""
        app, size = self.app, self.app.size
        horizontal = self._get_breakpoint_classes(size.width, app.HORIZONTAL_BREAKPOINTS or [])
        vertical = self._get_breakpoint_classes(size.height, app.VERTICAL_BREAKPOINTS or [])
        self.update_classes(dict.fromkeys(horizontal | vertical, True), update=False)

    def content(self) -> Iterable[Widget]:
        """The widgets between the top bar and the keys."""
        raise NotImplementedError

    def say(self, status: str) -> None:
        """A few words at the right of the top bar."""
        self.query_one(TopBar).status = status

    async def on_tab_chosen(self, message: Tab.Chosen) -> None:
        message.stop()
        await self.run_action(f"app.place('{message.place}')")


class Place(Framed):
    """One of the places of `gpt_tui.app.PLACES`, under its NAME. A subclass also answers `show`."""

    def show(self, message: navigation.Open) -> None:
        """What was asked for by whoever opened the place."""


class Aside(Framed):
    """A screen that is looked at in between: it lies over the place, and Escape goes back there."""

    TITLE: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="aside.close", tooltip="Back to where you were."),
    ]

    def on_mount(self) -> None:
        self.say(self.TITLE or "")

    def action_close(self) -> None:
        self.dismiss()
