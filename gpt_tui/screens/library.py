"""The library screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget
from textual.widgets import Static

from gpt_tui.screens.base import Place


class LibraryScreen(Place):
    """Library."""

    NAME: ClassVar[str] = "library"

    def content(self) -> Iterable[Widget]:
        yield Static("Library")
