"""Modules that are imported when they are first used: what the first frame does not need, it does not wait for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """Stands for a module, and imports it with the first of its names that is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)
