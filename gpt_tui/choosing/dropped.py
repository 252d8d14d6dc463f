"""Paths that were typed, pasted, or dropped on the terminal, which hands them over as if they were pasted.

Terminals differ: 'quoted', "quoted", escaped\\ spaces, file:// URLs, or as they are; one a line, or several in a row.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from engine import locations


def looks_like_paths(text: str) -> bool:
    """Whether a pasted text is meant as paths rather than as words: without a look at the disk."""
    return bool(re.match(r"\s*['\"]?(/|~|\.{1,2}/|file:|[A-Za-z]:[\\/]|\\\\)", text))


def paths_in(text: str) -> tuple[list[str], str]:
    """(paths, problem): the files and folders that a text names, whole and in order, and in one line what it names that
    is not there. Looks at the disk."""
    paths: list[str] = []
    for line in text.splitlines() or [text]:
        if not line.strip():
            continue
        if (whole := _existing(line.strip())) is not None:
            paths.append(whole)
            continue
        for word in _words(line):
            if (path := _existing(word)) is None:
                return paths, f"{_short(word)}: no such file or folder."
            paths.append(path)
    if not paths:
        return [], "Give the path of a file or a folder."
    return list(dict.fromkeys(paths)), ""


def _words(line: str) -> list[str]:
    """The words of a line as a shell parts them; on Windows a backslash is part of the path."""
    try:
        words = shlex.split(line, posix=os.name != "nt")
    except ValueError:  # a quote that does not end
        return [line.strip()]
    return [word.strip("\"'") for word in words] if os.name == "nt" else words


def _existing(text: str) -> str | None:
    """The path that a text is, absolute, if something is there."""
    if text.startswith("file:"):
        text = url2pathname(urlsplit(text).path)
    for candidate in (text, text.strip("\"'")):
        path = locations.expanded(candidate)
        try:
            if candidate and path.exists():
                return str(Path(os.path.abspath(path)))  # noqa: PTH100 - links stay as they were given
        except (OSError, ValueError):
            continue
    return None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"…{text[-79:]}"
