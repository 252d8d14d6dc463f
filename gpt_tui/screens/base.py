"""What all screens have in common: the line on top, the keys below, and the services that they are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
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
        self._fresh = True
        self._read_styles()

    def _read_styles(self) -> None:
        """Its stylesheet names it in each rule, so there is nothing on the terminal yet that it could change: read by
        Textual it would have the styles of all widgets of the screen that is left made anew, twice."""
        app, stylesheet = self.app, self.app.stylesheet
        for path in self.css_path:
            if not stylesheet.has_source(str(path)):
                stylesheet.read(path)
        stylesheet.reparse()
        stylesheet.apply(app)  # its colours are inherited; the first screen comes before it has any
        self._css_update_count = app._css_update_count

    def compose(self) -> ComposeResult:
        # Before there are widgets, whose styles would be made twice.
        self.update_classes(self.size_classes(self.app.size), update=False)
        yield TopBar(self.NAME)
        yield from self.content()
        yield KeyLine()

    def size_classes(self, size: Size) -> dict[str, bool]:
        """The classes that follow its size, and which of them it has."""
        app = self.app
        steps = [(size.width, app.HORIZONTAL_BREAKPOINTS or []), (size.height, app.VERTICAL_BREAKPOINTS or [])]
        passed = set[str]().union(*(self._get_breakpoint_classes(*step) for step in steps))
        return {name: name in passed for _, names in steps for _, name in names}

    @on(events.Resize)
    def _follow_size(self, event: events.Resize) -> None:
        self.update_classes(self.size_classes(event.size), animate=False)  # all at once: styles are made anew

    @on(events.ScreenResume)
    def _keep_styles(self, event: events.ScreenResume) -> None:
        if self._fresh:  # it was not left yet: its widgets have just been styled
            event.refresh_styles = False

    @on(events.ScreenSuspend)
    def _grow_stale(self) -> None:
        self._fresh = False

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
