"""Where the characters of a row stand, in cells."""

from __future__ import annotations

from bisect import bisect_right

from gpt_tui.editing.graphemes import NEWLINE, Cluster, clusters, is_narrow


class RowShape:
    """A row without its newline: from indices of code points to cells, and back."""

    __slots__ = ("clusters", "edges", "starts", "text", "width")

    def __init__(self, text: str) -> None:
        self.text = text
        self.clusters: list[Cluster] | None = None
        self.starts: list[int] = []
        self.edges: list[int] = []
        if is_narrow(text):
            self.width = len(text)
            return
        self.clusters = clusters(text)
        self.starts = [cluster.start for cluster in self.clusters]
        at = 0
        for cluster in self.clusters:
            self.edges.append(at)
            at += cluster.width
        self.width = at

    def column(self, index: int) -> int:
        """The cell where the character at an index begins."""
        if self.clusters is None:
            return min(index, self.width)
        if index >= len(self.text):
            return self.width
        return self.edges[bisect_right(self.starts, index) - 1]

    def index(self, column: int) -> int:
        """The index of the character that lies over a cell; the end beyond the last."""
        if column <= 0:
            return 0
        if self.clusters is None:
            return min(column, len(self.text))
        if column >= self.width:
            return len(self.text)
        return self.starts[bisect_right(self.edges, column) - 1]


def line_of(text: str) -> str:
    """A row's text without its newline."""
    if text and NEWLINE.match(text, len(text) - 1):
        return text[:-2] if text.endswith("\r\n") else text[:-1]
    return text
