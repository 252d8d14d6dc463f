"""One line of text that changes often."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Line(Static):
    """Its neighbours move, and the screen is laid out anew, only where it becomes longer or shorter."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)

    def put(self, words: Content) -> None:
        width = self.styles.width
        fixed = width is not None and not width.is_auto
        self.update(words, layout=not fixed and words.cell_length != Content(str(self.content)).cell_length)
