"""Textual's stylesheet, which forgets less: it keeps the rules of 64 sources, and with more of them, as here, every new
kind of widget has it read all of them anew; so does a theme that is shown again."""

from __future__ import annotations

from typing import Any

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

_SOURCES = 4096
_THEMES = 8


class LastingStylesheet(Stylesheet):
    """Reads each source once for each theme."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._caches: LRUCache[frozenset[tuple[str, str]], LRUCache[Any, Any]] = LRUCache(_THEMES)
        self._use_cache()

    def _use_cache(self) -> None:
        key = frozenset(self._variables.items())
        cache = self._caches.get(key)
        if cache is None:
            cache = self._caches[key] = LRUCache(_SOURCES)
        self._parse_cache = cache

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables == self._variables:
            return
        self._parse_cache = LRUCache(1)  # what is cleared is that
        super().set_variables(variables)
        self._use_cache()
        self._require_parse = True
        self._rules_map = None

    def reparse(self) -> None:
        """Only what is new; where something is wrong, the rules stay as they were."""
        if self._require_parse or self._rules_map is None:
            self.parse()
