"""The text as it is shown: with a suggestion standing in it that is not yet part of it."""

from __future__ import annotations

from gpt_tui.editing.document import Document


class ShownText:
    """A document's text with a ghost in it. Offsets in what is shown differ from the document's behind the ghost."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.ghost = ""
        self.at = 0
        """Where in the document the ghost stands."""

    def __len__(self) -> int:
        return len(self.document) + len(self.ghost)

    def slice(self, start: int, end: int) -> str:
        """What is shown from `start` up to `end`."""
        buffer, ghost, at = self.document.buffer, self.ghost, self.at
        if not ghost or end <= at:
            return buffer.slice(start, end)
        after = at + len(ghost)
        if start >= after:
            return buffer.slice(start - len(ghost), end - len(ghost))
        before = buffer.slice(start, at) if start < at else ""
        inside = ghost[max(0, start - at) : end - at]
        return before + inside + (buffer.slice(at, end - len(ghost)) if end > after else "")

    def shown(self, offset: int) -> int:
        """Where an offset of the document is shown: the ghost's own place, before the ghost."""
        return offset if offset <= self.at else offset + len(self.ghost)

    def offset(self, shown: int) -> int:
        """The offset in the document of what is shown; inside the ghost, the ghost's place."""
        if shown <= self.at:
            return shown
        return max(self.at, shown - len(self.ghost))
