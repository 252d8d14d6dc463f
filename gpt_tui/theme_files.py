"""The user's own themes: a TOML file each, in the folder `themes`. What is wrong with one is explained, and it is left
out."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from engine import locations
from gpt_tui import themes

ROLES = (
    *("primary", "secondary", "accent", "foreground", "background", "surface", "panel"),
    *("success", "warning", "error", "boost"),
)
"""The colours that a file may set; `primary` it must."""

EXAMPLE = """\
# dusk.toml
name = "dusk"
dark = true
primary = "#E0A458"      # what is important
accent = "#7FC8A9"       # the model's words
secondary = "#B8A1D9"    # words of the model's that you changed
foreground = "#E4DFD3"
background = "#14161A"
surface = "#1A1D22"      # of fields and lists
panel = "#23272E"        # of the bars above and below

[variables]              # anything finer
ghost-text = "#7A8088"
"""
"""A theme's file, as Help shows it."""

_FLAGS = {"name", "dark", "ansi", "variables", "luminosity_spread", "text_alpha"}
_STYLES = {"none", "not", "bold", "dim", "italic", "underline", "reverse", "strike", "overline", "b", "i", "u"}
_SHARE = re.compile(r"\s+\d+(\.\d+)?%$")
_AUTO = re.compile(r"auto(\s+\d+(\.\d+)?%)?")


@dataclass(frozen=True)
class Found:
    """The user's themes, and what is wrong with their files, a line each."""

    themes: tuple[Theme, ...]
    problems: tuple[str, ...]


class _WrongTheme(ValueError):
    """A file that is no theme; says why."""


def read_all(folder: Path | None = None) -> Found:
    """Every theme in the folder, by name."""
    folder = folder if folder is not None else locations.themes_dir()
    found: dict[str, Theme] = {}
    problems = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        paths = []
    except OSError as error:
        return Found((), (f"themes: the folder cannot be read ({error.strerror or error}).",))
    for path in paths:
        try:
            theme = _read(path)
            if theme.name in found:
                raise _WrongTheme(f"another file is named {theme.name} already.")
            found[theme.name] = theme
        except _WrongTheme as error:
            problems.append(f"themes/{path.name}: {error}")
    return Found(tuple(found.values()), tuple(problems))


def _read(path: Path) -> Theme:
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise _WrongTheme(f"it cannot be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError) as error:
        raise _WrongTheme(f"it is not TOML ({' '.join(str(error).split())}).") from None
    return _theme(table, path.stem)


def _theme(table: dict[str, Any], stem: str) -> Theme:
    allowed = {f.name for f in fields(Theme)} & ({*ROLES} | _FLAGS)
    for key in table:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, n=1)
            raise _WrongTheme(f"{key} is nothing that a theme has.{f' Did you mean {close[0]}?' if close else ''}")
    name = table.get("name", stem)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise _WrongTheme(f"its name {name!r} must be letters, digits and - alone.")
    if name in BUILTIN_THEMES or name in {theme.name for theme in themes.OWN}:
        raise _WrongTheme(f"{name} is a theme that comes with gpt-tui; give it another name.")
    if "primary" not in table:
        raise _WrongTheme('primary is missing: the one colour that it must have, as primary = "#E0A458".')
    for role in ROLES:
        if role in table:
            _check_colour(role, table[role])
    for flag in ("dark", "ansi"):
        if not isinstance(table.get(flag, True), bool):
            raise _WrongTheme(f"{flag} is true or false, not {table[flag]!r}.")
    for number in ("luminosity_spread", "text_alpha"):
        value = table.get(number, 0.5)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise _WrongTheme(f"{number} is a number from 0 to 1, not {value!r}.")
    theme = Theme(**{**table, "name": name, "variables": _variables(table.get("variables", {}))})
    try:
        themes.variables(theme)
    except ValueError as error:  # colours that are right one by one and cannot be mixed
        raise _WrongTheme(f"its colours do not go together ({error}).") from None
    return theme


def _variables(table: Any) -> dict[str, str]:
    if not isinstance(table, dict):
        raise _WrongTheme("variables is a table: [variables], and below it a line each.")
    for key, value in table.items():
        if key.endswith(("-style", "-text-style")):
            if not isinstance(value, str) or not set(value.split()) <= _STYLES:
                raise _WrongTheme(f"variables: {key}: {value!r} is no text style, as bold, underline or none.")
        else:
            _check_colour(f"variables: {key}", value, mixed=True)
    return dict(table)


def _check_colour(role: str, value: Any, *, mixed: bool = False) -> None:
    """A colour as CSS writes it; `mixed`: perhaps with how opaque it is (#E0A458 30%), or `auto`."""
    try:
        if not isinstance(value, str):
            raise ColorParseError("")
        if mixed and (value == "transparent" or _AUTO.fullmatch(value)):
            return
        Color.parse(_SHARE.sub("", value) if mixed else value)
    except ColorParseError:
        raise _WrongTheme(f'{role}: {value!r} is no colour, as "#E0A458", "red" or "ansi_blue".') from None
