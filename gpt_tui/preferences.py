"""The settings at work in the app: the theme that is shown, the keys, what is kept when one of them changes, and who is
told."""

from __future__ import annotations

import asyncio
import os
from dataclasses import fields
from typing import TYPE_CHECKING

from textual import events
from textual.app import App
from textual.theme import BUILTIN_THEMES, Theme
from textual.timer import Timer

from engine import locations
from gpt_tui import themes
from gpt_tui.navigation import ChangeKey, ChangeSetting, SettingsChanged
from gpt_tui.settings import Settings
from gpt_tui.stylesheet import LastingStylesheet

if TYPE_CHECKING:
    from gpt_tui.app import Services

_MANY = 1 << 24
_COLOURS = {"truecolor": _MANY, "256": 256, "standard": 16, "windows": 16}
_SAVE_AFTER = 0.3
_TELL_AFTER = 0.6


class Preferring(App[None]):
    """An app that does as its services' settings say."""

    _save_timer: Timer | None = None
    theme_note: str
    """Why another theme is shown than the one that was chosen; empty when it is that one."""

    def __init__(self, services: Services) -> None:
        """The theme is chosen before Textual begins, so that it makes the styles for that one only."""
        self.services = services
        self._settings_stamp = _stamp()
        self._more_themes = {theme.name: theme for theme in themes.OWN}
        chosen = services.settings
        if chosen.app_theme not in self._more_themes and chosen.app_theme not in BUILTIN_THEMES:
            self.read_themes()
        known = {**BUILTIN_THEMES, **self._more_themes}
        first, self.theme_note = themes.fitting(
            chosen.app_theme, known, colours=_MANY, no_color="NO_COLOR" in os.environ
        )
        self._reactive_theme = first
        super().__init__()
        self.stylesheet = LastingStylesheet(variables=self.get_css_variables())
        self._set_keys()

    @property
    def available_themes(self) -> dict[str, Theme]:
        return {**self._registered_themes, **self._more_themes}

    def on_mount(self) -> None:
        self.services.state.postpone = self._save_soon
        if self.colours <= 16:
            self.show_theme(self.services.settings.app_theme)
        self.set_timer(_TELL_AFTER, self._tell_problems)

    async def on_unmount(self) -> None:
        self.services.state.postpone = None
        await asyncio.to_thread(self.services.state.save)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables(self.current_theme)

    # Theme

    @property
    def colours(self) -> int:
        """How many the terminal has."""
        if self._driver is None or self.is_headless:
            return _MANY
        return _COLOURS.get(self.console.color_system or "", 2)

    def show_theme(self, name: str) -> None:
        """Show a theme, or the one that fits in its stead; the setting stays as it is."""
        if name not in self.available_themes:
            self.read_themes()
        fitting, self.theme_note = themes.fitting(
            name, self.available_themes, colours=self.colours, no_color=self.no_color
        )
        if self.theme != fitting:
            self.theme = fitting

    def read_themes(self) -> tuple[str, ...]:
        """Take the user's own themes from their files; returns what is wrong with these, a line each."""
        from gpt_tui.theme_files import read_all

        found = read_all()
        self._more_themes |= {theme.name: theme for theme in found.themes}
        return found.problems

    # Changes

    def apply_settings(self) -> None:
        """Do as the settings say."""
        self.show_theme(self.services.settings.app_theme)
        self._set_keys()

    def _set_keys(self) -> None:
        chosen = self.services.settings.keys
        if chosen or self._keymap:
            from gpt_tui.keys import usable

            self.set_keymap(usable(chosen))

    def on_change_setting(self, message: ChangeSetting) -> None:
        self.services.state.set(message.name, message.value)
        self.reload_settings()

    def on_change_key(self, message: ChangeKey) -> None:
        self.services.state.set_key(message.identity, message.key)
        self.reload_settings()

    def reload_settings(self) -> None:
        """Read the settings anew, do as they say, and tell every screen."""
        before = self.services.settings
        self.services.reload()
        self._settings_stamp = _stamp()
        after = self.services.settings
        names = frozenset(f.name for f in fields(Settings) if getattr(before, f.name) != getattr(after, f.name))
        self.apply_settings()
        for stack in self._screen_stacks.values():
            for screen in stack:
                screen.post_message(SettingsChanged(names, after))

    def on_app_focus(self) -> None:
        """settings.toml may have been edited in another window."""
        if _stamp() != self._settings_stamp:
            self.reload_settings()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if hasattr(event.widget, "cursor_blink"):
            event.widget.cursor_blink = self.services.settings.app_cursor_blink

    def _save_soon(self) -> None:
        if self._save_timer is None:
            self._save_timer = self.set_timer(_SAVE_AFTER, self._save)

    async def _save(self) -> None:
        self._save_timer = None
        await asyncio.to_thread(self.services.state.save)

    # Problems

    async def settings_problems(self) -> list[str]:
        """What is wrong with the settings, the themes and the keys, a line each."""
        problems = [*self.services.loaded.problems, *self.read_themes()]
        if self.services.state.problem and self.services.state.problem not in problems:
            problems.append(self.services.state.problem)
        if self.theme_note:
            problems.append(self.theme_note)
        if chosen := self.services.settings.keys:
            from gpt_tui import keys

            actions = await asyncio.to_thread(keys.actions)
            problems += keys.problems(chosen, actions)
        return problems

    async def _tell_problems(self) -> None:
        problems = await self.settings_problems()
        if problems:
            more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
            self.notify(
                f"{problems[0]}{more} See Settings (F9).",
                title="Settings",
                severity="warning",
                timeout=12,
                markup=False,
            )


def _stamp() -> tuple[int, int] | None:
    """Tells one state of settings.toml from another."""
    try:
        stat = locations.settings_file().stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
