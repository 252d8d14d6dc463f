"""Finding passages, and what to put in their place."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

MOST_SECONDS = 2.0
"""For which an expression is let search. A few, like (a+)+b, would search for longer than the world lasts."""

Spans = list[tuple[int, int]]


class SearchError(ValueError):
    """The query is no regular expression, or one that takes too long; the message says so."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `SearchError` in what it surrounds when that takes longer. Python's expressions have no limit, but they
    hear signals; where there is none (Windows, other threads) nothing is limited."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise SearchError("This expression takes too long on this text: make it simpler.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Query(NamedTuple):
    """What is looked for, and how."""

    text: str
    regex: bool = False
    case: bool = False
    words: bool = False

    def pattern(self) -> re.Pattern[str]:
        """The query as an expression. Raises `SearchError`."""
        body = self.text if self.regex else re.escape(self.text)
        if self.words:
            body = rf"(?<!\w)(?:{body})(?!\w)"
        try:
            return re.compile(body, (0 if self.case else re.IGNORECASE) | re.MULTILINE)
        except re.error as error:
            raise SearchError(f"This is not a regular expression: {error}.") from error

    def find_all(self, text: str) -> Spans:
        """Where it is found; what has no length is not. Raises `SearchError`."""
        if not self.text:
            return []
        with time_limit(MOST_SECONDS):
            return [match.span() for match in self.pattern().finditer(text) if match.end() > match.start()]

    def replacement(self, text: str, start: int, end: int, replacement: str) -> str:
        """What takes the place of a match: in that of a regular expression, \\1 stands for its first group."""
        if not self.regex:
            return replacement
        match = self.pattern().match(text, start)
        if match is None or match.end() != end:
            return replacement
        try:
            return match.expand(replacement)
        except (re.error, IndexError) as error:
            raise SearchError(f"This cannot be put in: {error}.") from error


def moved(spans: list[tuple[int, int]], start: int, removed: int, inserted: int) -> list[tuple[int, int]]:
    """Matches after a change of the text: those behind it have moved, those that it touched are gone."""
    grows = inserted - removed
    kept = []
    for begin, end in spans:
        if end <= start:
            kept.append((begin, end))
        elif begin >= start + removed:
            kept.append((begin + grows, end + grows))
    return kept
