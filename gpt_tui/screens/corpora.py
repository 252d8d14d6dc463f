"""The corpora screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget
from textual.widgets import Static

from gpt_tui.screens.base import Place


class CorporaScreen(Place):
    """Corpora."""

    NAME: ClassVar[str] = "corpora"

    def content(self) -> Iterable[Widget]:
        yield Static("Corpora")
