"""The app: its places, its colours and keys, and what they share. Imports neither torch nor tokenizers nor numpy."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from gpt_tui import navigation, settings
from gpt_tui.generating import Generator
from gpt_tui.preferences import Preferring
from gpt_tui.progress.watching import Watcher
from gpt_tui.steady import Steady, last_words
from gpt_tui.terminal import FAILED, say


@dataclass
class Services:
    """What screens are given: the settings as they stand, the app's memory, and the generator."""

    state: settings.State = field(default_factory=settings.State)
    generator: Generator = field(default_factory=Generator)
    loaded: settings.Loaded = field(init=False)

    def __post_init__(self) -> None:
        self.reload()

    @property
    def settings(self) -> settings.Settings:
        return self.loaded.settings

    def reload(self) -> None:
        """Read the settings anew."""
        self.loaded = settings.load(self.state)


def _library(services: Services) -> Screen[Any]:
    from gpt_tui.screens.library import LibraryScreen

    return LibraryScreen(services)


def _corpora(services: Services) -> Screen[Any]:
    from gpt_tui.screens.corpora import CorporaScreen

    return CorporaScreen(services)


def _training(services: Services) -> Screen[Any]:
    from gpt_tui.screens.training import TrainingScreen

    return TrainingScreen(services)


def _compose(services: Services) -> Screen[Any]:
    from gpt_tui.screens.compose import ComposeScreen

    return ComposeScreen(services)


def _chat(services: Services) -> Screen[Any]:
    from gpt_tui.screens.chat import ChatScreen

    return ChatScreen(services)


_BEGINNINGS: dict[type, str] = {
    navigation.OpenLibrary: "library",
    navigation.OpenCorpora: "corpora",
    navigation.OpenTraining: "training",
    navigation.OpenCompose: "compose",
    navigation.OpenChat: "chat",
}
"""The places that the app can begin at."""

PLACES: dict[str, Callable[[Services], Screen[Any]]] = {
    "library": _library,
    "corpora": _corpora,
    "training": _training,
    "compose": _compose,
    "chat": _chat,
}
"""The places that one goes to and fro between, each kept as it was left. Imported when they are first opened."""

_MODULES = ["numpy", *(f"gpt_tui.screens.{place}" for place in ("training", "compose", "corpora", "chat"))]
_ONCE_SEEN = 0.4
"""Seconds until the first frame stands."""


def _import_places() -> None:
    with contextlib.suppress(Exception):  # whoever opens the place will hear of it
        for name in _MODULES:
            import_module(name)


def _everything() -> type[Provider]:
    from gpt_tui.palette import Everything

    return Everything


class GptTui(Steady, Preferring):
    """gpt-tui, the app."""

    TITLE = "gpt-tui"
    CSS_PATH = "styles/app.tcss"
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [  # type: ignore[misc]
        (0, "-tiny"),
        (60, "-narrow"),
        (80, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [  # type: ignore[misc]
        (0, "-short"),
        (24, "-tall"),
    ]
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_everything}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f1,question_mark", "open('Help')", "Help", id="app.help", tooltip="What every key does here, and words."
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Everything",
            id="app.palette",
            show=False,
            priority=True,
            tooltip="Find anything that can be done, by its name.",
        ),
        Binding("f2", "place('library')", "Library", id="app.library", show=False, tooltip="Your models."),
        Binding("f3", "place('corpora')", "New model", id="app.corpora", show=False, tooltip="Train a new model."),
        Binding("f4", "place('training')", "Training", id="app.training", show=False, tooltip="Watch a model learn."),
        Binding("f5", "place('compose')", "Compose", id="app.compose", show=False, tooltip="Write with a model."),
        Binding("f6", "place('chat')", "Chat", id="app.chat", show=False, tooltip="Talk with a model."),
        Binding(
            "f9", "open('Settings')", "Settings", id="app.settings", show=False, tooltip="Colours, defaults, keys."
        ),
        Binding(
            "f12", "open('Diagnostics')", "Diagnostics", id="app.diagnostics", show=False, tooltip="What runs here."
        ),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", show=False, priority=True, tooltip="Leave; trainings go on."),
    ]

    def __init__(self, first: navigation.Open | None = None, services: Services | None = None) -> None:
        """`first`: where to begin, else the library."""
        self._first = first
        # Made at once, with no empty screen before it.
        self.DEFAULT_MODE = _BEGINNINGS.get(type(first), "library")  # type: ignore[misc]
        super().__init__(services if services is not None else Services())
        self.watcher = Watcher(self)
        for name, make in PLACES.items():
            self.add_mode(name, partial(make, self.services))

    def get_key_display(self, binding: Binding) -> str:
        """Keys as they stand on the keyboard: F1, Enter."""
        shown = super().get_key_display(binding).replace("⏎", "enter")
        return shown.upper() if shown[:1] == "f" and shown[1:].isdigit() else shown

    def on_mount(self) -> None:
        if not self.is_headless:
            self.set_timer(_ONCE_SEEN, self._prepare_places)
        self.watcher.start()
        if self._first is not None:
            if type(self._first) in _BEGINNINGS:
                self.screen.call_after_refresh(self.screen.show, self._first)  # type: ignore[attr-defined]
            else:
                self.post_message(self._first)

    def _prepare_places(self) -> None:
        """Import what the other places are made of, aside, while somebody looks at the first."""
        Thread(target=_import_places, daemon=True).start()

    async def on_unmount(self) -> None:
        self.watcher.stop()
        await self.services.generator.close()

    # Places

    def action_place(self, name: str) -> None:
        """Go to a place as it was left."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(name)

    def action_open(self, what: str) -> None:
        """Open one of `navigation`'s places by its name."""
        self.post_message(getattr(navigation, f"Open{what}")())

    async def on_open_library(self, message: navigation.OpenLibrary) -> None:
        await self._show("library", message)

    async def on_open_corpora(self, message: navigation.OpenCorpora) -> None:
        await self._show("corpora", message)

    async def on_open_training(self, message: navigation.OpenTraining) -> None:
        await self._show("training", message)

    async def on_open_compose(self, message: navigation.OpenCompose) -> None:
        await self._show("compose", message)

    async def on_open_chat(self, message: navigation.OpenChat) -> None:
        await self._show("chat", message)

    async def _show(self, place: str, message: navigation.Open) -> None:
        """Go to a place and tell it what to show: every place has a method `show(message)`."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        await self.switch_mode(place)
        self.screen.call_after_refresh(self.screen.show, message)  # type: ignore[attr-defined]

    def on_open_settings(self, message: navigation.OpenSettings) -> None:
        from gpt_tui.screens.settings import SettingsScreen

        self._look_at(SettingsScreen(self.services, message.name))

    def on_open_help(self) -> None:
        from gpt_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self._look_at(HelpScreen(self.services, self.screen))

    def on_open_diagnostics(self) -> None:
        from gpt_tui.screens.diagnostics import DiagnosticsScreen

        self._look_at(DiagnosticsScreen(self.services))

    def _look_at(self, aside: Screen[None]) -> None:
        """Lay a screen over the place; over one of its own kind, in that one's stead."""
        if type(self.screen) is type(aside):
            self.pop_screen()
        self.push_screen(aside)


def run(first: navigation.Open | None = None) -> int:
    """Run the app to its end, beginning at `first`, else in the library; returns the exit status."""
    gc.disable()  # until the first frame stands
    try:
        app = GptTui(first)
        app.run()
    except Exception as error:  # before there was an app to say it
        say(last_words(error))
        return FAILED
    return app.return_code or 0
