"""The command palette: everything that can be done from where one is, by name: what the keys of the screen do, the
places, the models to write or talk with, drafts, themes and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.fuzzy import Matcher
from textual.keys import key_to_character
from textual.message import Message
from textual.screen import Screen

from gpt_tui import navigation
from gpt_tui.keys import spelled
from gpt_tui.terminal import visible

_MOST_DRAFTS = 200
_NOT_OFFERED = {"app.palette"}
_CURSOR_KEYS = {
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
    *("enter", "space", "tab", "escape", "backspace", "delete"),
}
"""What these do in a widget is moving and writing, and nobody looks for it by name."""


@dataclass(frozen=True)
class Command:
    """A line of the palette."""

    name: str
    meaning: str
    run: Callable[[], Any]
    shown_first: bool = False
    """Whether it is listed before anything is typed."""


def bindings_of(screen: Screen[Any], *, by_key: bool = False) -> Iterator[tuple[DOMNode, Binding, str]]:
    """What keys do on a screen: for the focused widget, what it stands in, the screen and the app, in this order, with
    the keys as they are shown. Those that do nothing now are left out; `by_key`, also keys that are typed into a text
    or that something nearer to the focus takes."""
    node: DOMNode | None = screen.focused if screen.focused is not None else screen
    nearer: list[DOMNode] = []
    taken: set[str] = set()
    while node is not None:
        bindings = node._bindings.copy()
        if screen.app._keymap:
            bindings.apply_keymap(screen.app._keymap)
        together: dict[tuple[str, str], list[Binding]] = {}
        for key, binding in bindings:
            lost = by_key and (
                key in taken or any(each.check_consume_key(key, key_to_character(key)) for each in nearer)
            )
            if binding.description and not binding.system and not lost and _can_run(binding, node):
                together.setdefault((binding.action, binding.description), []).append(binding)
        for same in together.values():
            yield node, same[0], "  ".join(dict.fromkeys(spelled(binding.key) for binding in same))
        taken.update(bindings.key_to_bindings)
        nearer.append(node)
        node = node.parent if not node.is_modal else None


def _can_run(binding: Binding, node: DOMNode) -> bool:
    return node.app._check_action_state(binding.action, node) is True


class Everything(Provider):
    """All of it. What takes reading from the disk is read when the palette is opened."""

    async def startup(self) -> None:
        self._stored = await asyncio.to_thread(_stored)

    async def discover(self) -> Hits:
        for command in self._commands():
            if command.shown_first:
                yield DiscoveryHit(
                    Content(command.name),
                    command.run,
                    command.name,
                    Content(command.meaning),  # type: ignore[arg-type]
                )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            name = matcher.match(command.name)
            meaning = matcher.match(command.meaning) if query.casefold() in command.meaning.casefold() else 0.0
            if (score := max(name, meaning * 0.5)) > 0:
                shown = _highlighted(matcher, command.name)
                yield Hit(score, shown, command.run, command.name, Content(command.meaning))  # type: ignore[arg-type]

    def _commands(self) -> Iterator[Command]:
        seen = set()
        for command in (*self._actions(), *self._models(), *self._drafts(), *self._themes(), *self._settings()):
            if (command.name, command.meaning) not in seen:
                seen.add((command.name, command.meaning))
                yield command

    def _actions(self) -> Iterator[Command]:
        here = list(bindings_of(self.screen))
        here.sort(
            key=lambda found: (not found[1].show, not isinstance(found[0], Screen), not isinstance(found[0], App))
        )
        for node, binding, keys in here:  # what the line of keys shows, then what the place, the app, the widgets have
            moves = not isinstance(node, Screen | App) and binding.key.rpartition("+")[2] in _CURSOR_KEYS
            if binding.id is not None and binding.id not in _NOT_OFFERED and not moves:  # Textual's own have no id
                sentence = " ".join(filter(None, (binding.tooltip, f"({keys})")))
                yield Command(binding.description, sentence, partial(self._run, binding.action, node), shown_first=True)

    async def _run(self, action: str, node: DOMNode) -> None:
        if node.is_attached or node is self.app:
            await self.app.run_action(action, node)

    def _models(self) -> Iterator[Command]:
        for name in self._stored.models:
            yield Command(
                f"Write with {name}", "A new draft with that model.", self._say(navigation.OpenCompose, model=name)
            )
            yield Command(f"Talk with {name}", "A new conversation.", self._say(navigation.OpenChat, model=name))
            yield Command(f"Show {name}", "That model in the library.", self._say(navigation.OpenLibrary, name))
            yield Command(f"How {name} learned", "Its training.", self._say(navigation.OpenTraining, name))

    def _drafts(self) -> Iterator[Command]:
        for identity, title in self._stored.drafts:
            yield Command(f"Draft: {title}", "Go on writing it.", self._say(navigation.OpenCompose, draft=identity))

    def _themes(self) -> Iterator[Command]:
        from gpt_tui.themes import MEANINGS

        for name in sorted(self.app.available_themes, key=lambda name: (name not in MEANINGS, name)):
            meaning = MEANINGS.get(name, "The colours of everything.")
            yield Command(f"Theme: {name}", meaning, self._say(navigation.ChangeSetting, "app_theme", name))

    def _settings(self) -> Iterator[Command]:
        from dataclasses import fields

        from gpt_tui.settings import Settings
        from gpt_tui.widgets.setting_row import title_of

        for f in fields(Settings):
            meaning = f.metadata["meaning"]
            yield Command(f"Setting: {title_of(f.name)}", meaning, self._say(navigation.OpenSettings, f.name))

    def _say(self, kind: Callable[..., Message], *values: Any, **named: Any) -> Callable[[], Any]:
        return lambda: self.screen.post_message(kind(*values, **named))


@dataclass(frozen=True)
class _Stored:
    """What lies on the disk."""

    models: tuple[str, ...]
    drafts: tuple[tuple[str, str], ...]


def _stored() -> _Stored:
    from engine.store import models

    return _Stored(tuple(visible(model.name) for model in models.models() if model.record is not None), _drafts())


def _drafts() -> tuple[tuple[str, str], ...]:
    """The ids and titles of those that were written last."""
    from gpt_tui import drafts

    return tuple((draft.id, visible(draft.title)) for draft in drafts.summaries()[:_MOST_DRAFTS])


def _highlighted(matcher: Matcher, name: str) -> Content:
    """The name with what was typed marked in it. Textual's own way takes brackets in it for markup."""
    content = Content(name)
    for offset in matcher.fuzzy_search.match(matcher.query, name)[1]:
        content = content.stylize(matcher.match_style, offset, offset + 1)
    return content
