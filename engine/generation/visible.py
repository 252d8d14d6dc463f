"""Tokens → the text that may be shown: whole characters, and nothing that is, or may yet become, a stop text."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.tokenizer import TextStream


class VisibleText:
    """One sample's text as it grows. `shown` is all that was shown, `stopped` whether a stop text came.

    A character that never becomes whole is not shown.
    """

    def __init__(self, stream: TextStream, stop: Sequence[str], *, skip: int = 0, spaced: bool = False) -> None:
        """`skip`: how many of the first characters the prompt has said already; `spaced`: whether it has said a first
        space."""
        self.shown = ""
        self.stopped = False
        self._stream, self._stop, self._skip, self._spaced = stream, tuple(stop), skip, spaced
        self._held = ""

    def push(self, id: int) -> str:
        """What becomes visible with this token."""
        new = self._stream.push(id)
        if self._skip:
            new, self._skip = new[self._skip :], max(0, self._skip - len(new))
        if self._spaced and new:
            new, self._spaced = new.removeprefix(" "), False
        return self._show(self._held + new)

    def finish(self) -> str:
        """What was held back, now that nothing more comes."""
        text, self._held = self._held, ""
        self.shown += text
        return text

    def _show(self, text: str) -> str:
        places = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if places:
            self.stopped = True
            visible, self._held = text[: min(places)], ""
        else:
            held = max((_overlap(text, stop) for stop in self._stop), default=0)
            visible, self._held = text[: len(text) - held], text[len(text) - held :]
        self.shown += visible
        return visible


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)
