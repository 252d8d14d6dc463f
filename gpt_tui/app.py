"""The app: its places, its colours and keys, and what they share. Imports neither torch nor tokenizers nor numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from gpt_tui import navigation, settings, themes
from gpt_tui.generating import Generator


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


PLACES: dict[str, Callable[[Services], Screen[Any]]] = {
    "library": _library,
    "corpora": _corpora,
    "training": _training,
    "compose": _compose,
    "chat": _chat,
}
"""The places that one goes to and fro between, each kept as it was left. Imported when they are first opened."""


class GptTui(App[None]):
    """gpt-tui, the app."""

    TITLE = "gpt-tui"
    CSS_PATH = "styles/app.tcss"
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [
        (0, "-tiny"),
        (60, "-narrow"),
        (80, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-short"), (24, "-tall")]
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "open('Help')", "Help", id="app.help", tooltip="What every key does here."),
        Binding("f2", "place('library')", "Library", id="app.library", show=False, tooltip="Your models."),
        Binding("f3", "place('corpora')", "New model", id="app.corpora", show=False, tooltip="Train a new model."),
        Binding("f4", "place('training')", "Training", id="app.training", show=False, tooltip="Watch a model learn."),
        Binding("f5", "place('compose')", "Compose", id="app.compose", show=False, tooltip="Write with a model."),
        Binding("f6", "place('chat')", "Chat", id="app.chat", show=False, tooltip="Talk with a model."),
        Binding("f9", "open('Settings')", "Settings", id="app.settings", show=False, tooltip="Colours, defaults, keys."),
        Binding("f12", "open('Diagnostics')", "Diagnostics", id="app.diagnostics", show=False, tooltip="What runs here."),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", show=False, priority=True, tooltip="Leave; trainings go on."),
    ]

    def __init__(self, first: navigation.Open | None = None, services: Services | None = None) -> None:
        """`first`: where to begin, else the library."""
        self.services = services if services is not None else Services()
        super().__init__()
        self._first = first
        for name, make in PLACES.items():
            self.add_mode(name, lambda make=make: make(self.services))
        for theme in themes.OWN:
            self.register_theme(theme)
        self._apply_settings()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables(self.current_theme)

    def on_mount(self) -> None:
        self.switch_mode("library")
        if self._first is not None:
            self.post_message(self._first)

    async def on_unmount(self) -> None:
        await self.services.generator.close()

    def _apply_settings(self) -> None:
        chosen = self.services.settings
        if chosen.app_theme in self.available_themes:
            self.theme = chosen.app_theme
        self.set_keymap(chosen.keys)

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

    def on_open_settings(self) -> None:
        from gpt_tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen(self.services))

    def on_open_help(self) -> None:
        from gpt_tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def on_open_diagnostics(self) -> None:
        from gpt_tui.screens.diagnostics import DiagnosticsScreen

        self.push_screen(DiagnosticsScreen(self.services))


def run(first: navigation.Open | None = None) -> int:
    """Run the app to its end, beginning at `first`, else in the library; returns the exit status."""
    app = GptTui(first)
    app.run()
    return app.return_code or 0
