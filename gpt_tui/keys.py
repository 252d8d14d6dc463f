"""The keys: what can be bound to one, which keys a terminal cannot send, and what is wrong with those that were chosen.

A binding's id says what it does ("compose.continue"), and the user's `[keys]` say which key does it:

    [keys]
    "compose.continue" = "ctrl+g"
"""

from __future__ import annotations

import inspect
import os
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding
from textual.keys import KEY_TO_UNICODE_NAME, Keys, _character_to_key, format_key

_MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")
_PLAIN = {key.value for key in Keys if "+" not in key.value and not key.value.startswith("<")} - {"return", "ctrl-at"}
_RENAMED = {"slash", "backslash", "at", "minus", "plus", "underscore"}
_ALIKE = {
    "ctrl+i": "Tab",
    "ctrl+m": "Enter",
    "ctrl+h": "Backspace",
    "ctrl+left_square_bracket": "Escape",
}
_CONTROL_SIGNS = {"at", "@", "backslash", "right_square_bracket", "circumflex_accent", "underscore"}
_TERMINALS_OWN = {"f10": "opens the menu", "f11": "makes the window fill the screen"}
_PLACES = {
    "app": "Everywhere",
    "library": "Library",
    "corpora": "New model",
    "training": "Training",
    "compose": "Compose",
    "chat": "Chat",
    "editor": "Text editor",
}


@dataclass(frozen=True)
class Action:
    """What can be bound to a key: one binding of a class, with all the keys that it has."""

    id: str
    keys: tuple[str, ...]
    description: str
    tooltip: str
    owner: type
    typed_over: bool = False
    """Whether text is written where it applies, so that a plain letter cannot be its key."""

    @property
    def place(self) -> str:
        """Where it applies, in words."""
        first = self.id.partition(".")[0]
        return _PLACES.get(first, first.replace("_", " ").replace("-", " ").capitalize())


# Names of keys


def normal(key: str) -> str:
    """A key as Textual names it: `?` is question_mark, `Ctrl+G` ctrl+g, and the modifiers stand in its order."""
    key = key.strip()
    if len(key) == 1:
        return _character_to_key(key)
    *modifiers, last = key.replace("^", "ctrl+").split("+") if len(key) == 2 else key.split("+")
    if not last:  # ctrl++
        modifiers, last = [name for name in modifiers if name], "plus"
    last = _character_to_key(last) if len(last) == 1 else last.lower()
    if modifiers and len(last) == 1:
        last = last.lower()
    return "+".join([*sorted(name.lower() for name in modifiers), last])


def spelled(key: str) -> str:
    """A key as one reads it, and, but for the arrows, writes it in settings.toml: ctrl+g, F1, ?, ↑."""
    *modifiers, last = key.split("+")
    last = format_key(last).replace("⏎", "enter").replace("⌫", "backspace")
    last = last.upper() if last[:1] == "f" and last[1:].isdigit() else last
    return "+".join([*modifiers, last])


def split(keys: str) -> list[str]:
    """The keys of a setting, which are separated by commas; a comma itself is `comma`, or stands alone."""
    return ["comma"] if keys.strip() == "," else [normal(key) for key in keys.split(",") if key.strip()]


def is_key(key: str) -> bool:
    """Whether there is a key of that (normal) name."""
    *modifiers, last = key.split("+")
    if not set(modifiers) <= set(_MODIFIERS) or len(set(modifiers)) != len(modifiers):
        return False
    if len(last) == 1 or last in _PLAIN or last in _RENAMED or last in KEY_TO_UNICODE_NAME:
        return True
    try:
        unicodedata.lookup(last.replace("_", " ").upper())
    except KeyError:
        return False
    return True


def speaks_kitty(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal is one that sends every key apart (the Kitty keyboard protocol), as far as it says who it
    is. Within tmux or screen it does not."""
    told = os.environ if environment is None else environment
    if "TMUX" in told or "STY" in told or told.get("TERM", "").startswith(("tmux", "screen")):
        return False
    known = {"ghostty", "rio", "kitty", "foot", "WarpTerminal"}
    return (
        "KITTY_WINDOW_ID" in told
        or told.get("TERM_PROGRAM") in known
        or told.get("TERM", "") in ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "rio")
    )


def cannot_send(key: str, *, kitty: bool = False, mac: bool = sys.platform == "darwin", tmux: bool = False) -> str:
    """Why a (normal) key may never arrive, in one sentence; empty when every terminal sends it."""
    *modifiers, last = key.split("+")
    if tmux and key == "ctrl+b":
        return "tmux keeps ctrl+b for itself, unless told otherwise."
    if modifiers == ["alt"] and len(last) == 1 and mac:
        return f"on a Mac, Option and {last} type a letter, unless the terminal is told otherwise."
    if last in _TERMINALS_OWN and not modifiers:
        return f"in some terminals {last} {_TERMINALS_OWN[last]}."
    if kitty:
        return ""
    if key in _ALIKE:
        return f"most terminals send it as {_ALIKE[key]}."
    if {"super", "hyper", "meta"} & set(modifiers):
        return "most terminals send no key with Super, Hyper or Meta."
    if modifiers == ["shift"] and len(last) == 1:
        return f"with Shift a terminal sends the letter itself: {last.upper()}."
    if "ctrl" in modifiers and "shift" in modifiers and len(last) == 1:
        return "most terminals do not tell it from the same without Shift."
    if "ctrl" in modifiers and last not in _PLAIN and last not in _CONTROL_SIGNS and not _is_letter(last):
        return "most terminals send nothing for ctrl with that sign."
    if (
        modifiers
        and (last in ("enter", "tab", "space", "backspace", "escape"))
        and key not in ("shift+tab", "ctrl+space")
    ):
        return f"most terminals send it as {last} alone."
    return ""


def _is_letter(name: str) -> bool:
    return len(name) == 1 and name.isascii() and name.isalpha()


# What can be bound


def actions() -> list[Action]:
    """Everything that has an id, from the classes of the app. Imports them all, which takes a moment: call it in a
    thread."""
    found: dict[str, Action] = {}
    for kind in _classes():
        typed_over = _writes(kind)
        for binding in Binding.make_bindings(vars(kind).get("BINDINGS", ())):
            if binding.id is None:
                continue
            if (known := found.get(binding.id)) is None:
                found[binding.id] = Action(
                    binding.id, (binding.key,), binding.description, binding.tooltip, kind, typed_over
                )
            elif known.owner is kind and binding.key not in known.keys:
                found[binding.id] = replace(known, keys=(*known.keys, binding.key))
    order = {place: number for number, place in enumerate(_PLACES.values())}
    return sorted(found.values(), key=lambda action: (order.get(action.place, len(order)), action.place))


def _classes() -> Iterable[type]:
    import importlib
    import pkgutil

    import gpt_tui.screens
    import gpt_tui.widgets

    modules = [importlib.import_module("gpt_tui.app")]
    for package in (gpt_tui.screens, gpt_tui.widgets):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            modules.append(importlib.import_module(info.name))
    for module in modules:
        for kind in list(vars(module).values()):
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and "BINDINGS" in vars(kind):
                yield kind


def _writes(kind: type) -> bool:
    """Whether text is written in that screen or widget: it says so itself, by WRITES or by its name."""
    return bool(getattr(kind, "WRITES", kind.__name__ in ("ComposeScreen", "ChatScreen", "Editor")))


def merged(all_actions: Iterable[Action], chosen: Mapping[str, str]) -> list[Action]:
    """The actions with the keys that the user chose in the place of their own."""
    return [
        replace(action, keys=tuple(split(chosen[action.id]))) if action.id in chosen else action
        for action in all_actions
    ]


def usable(chosen: Mapping[str, str]) -> dict[str, str]:
    """What of the user's keys the app can take: those that there are, as Textual names them."""
    return {
        identity: ",".join(keys)
        for identity, value in chosen.items()
        if (keys := [key for key in split(value) if is_key(key)])
    }


# What is wrong


def problems(
    chosen: Mapping[str, str], all_actions: Iterable[Action], *, kitty: bool | None = None, tmux: bool | None = None
) -> list[str]:
    """What is wrong with the user's keys, a line each: unknown ids, keys that there are not, keys that may never
    arrive, keys that do two things in one place."""
    kitty = speaks_kitty() if kitty is None else kitty
    tmux = "TMUX" in os.environ if tmux is None else tmux
    known = list(all_actions)
    by_id = {action.id: action for action in known}
    lines = []
    for identity, value in chosen.items():
        if identity not in by_id:
            lines.append(f"keys: {identity}: nothing has this id.{_nearest(identity, list(by_id))}")
            continue
        for key in split(value):
            if not is_key(key):
                lines.append(f"keys: {identity}: there is no key {key!r}; keys are named as ctrl+g, f7, pageup or ?.")
            elif why := cannot_send(key, kitty=kitty, tmux=tmux):
                lines.append(f"keys: {identity}: {key}: {why}")
            elif by_id[identity].typed_over and len(key) == 1:
                lines.append(f"keys: {identity}: {key}: where text is written, it writes {key}.")
    return lines + [
        f"keys: {key} is both {first.id} ({first.description}) and {second.id} ({second.description})."
        for key, first, second in clashes(merged(known, chosen), involving=set(chosen))
    ]


def clashes(all_actions: Iterable[Action], involving: set[str] | None = None) -> list[tuple[str, Action, Action]]:
    """Keys that do two things in one place: both of one screen or widget, or one of them everywhere. `involving`:
    only where one of these ids takes part."""
    by_key: dict[str, list[Action]] = defaultdict(list)
    for action in all_actions:
        for key in action.keys:
            by_key[normal(key)].append(action)
    found = []
    for key, sharing in by_key.items():
        for number, first in enumerate(sharing):
            for second in sharing[number + 1 :]:
                together = first.owner is second.owner or "app" in (_room(first), _room(second))
                asked = involving is None or first.id in involving or second.id in involving
                if together and asked:
                    found.append((key, first, second))
    return found


def _room(action: Action) -> str:
    return action.id.partition(".")[0]


def _nearest(identity: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(identity, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""
