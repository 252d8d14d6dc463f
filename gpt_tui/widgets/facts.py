"""Names and values in two columns; a value that is too long goes on below itself."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.terminal import visible


class Facts(Widget):
    """`rows`: values by their names; those without a value are left out."""

    DEFAULT_CSS = """
    Facts { height: auto; width: 1fr; }
    """

    rows: reactive[Mapping[str, str]] = reactive[Mapping[str, str]]({}, layout=True)

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        rows = {name: value for name, value in self.rows.items() if value}
        indent = max(map(len, rows), default=0) + 2
        lines = []
        for name, value in rows.items():
            wrapped = Content(visible(value)).wrap(max(8, width - indent))
            for number, part in enumerate(wrapped):
                label = name.ljust(indent) if number == 0 else " " * indent
                lines.append(Content.assemble((label, "$faint"), part.rstrip()))
        return lines
