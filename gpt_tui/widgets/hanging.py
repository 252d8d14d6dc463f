"""A name with what is said beside it, or below it where there is no room: one visual, so that one widget will do."""

from __future__ import annotations

from rich.segment import Segment
from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual


class Hanging(Visual):
    """`gutter`: the columns of the name, a space of two included; 0: it stands on a line of its own."""

    def __init__(self, name: Content, said: Content, gutter: int, most: int) -> None:
        """`most`: columns of what is said."""
        self.name, self.said, self.gutter, self.most = name, said, gutter, most

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        said = self.said.render_strips(self._columns(width), None, style, options)
        plain = RenderOptions(options.get_style, {})
        if not self.gutter:
            above = self.name.truncate(width, ellipsis=True).render_strips(width, 1, style, plain)
            return [*above, *said][:height]
        name = self.name.truncate(self.gutter - 2, ellipsis=True)
        before = Strip([Segment(" " * (self.gutter - 2 - name.cell_length), style.rich_style)])
        first = Strip.join([before, *name.render_strips(max(1, name.cell_length), 1, style, plain)])
        gap = Strip([Segment("  ", style.rich_style)])
        blank = Strip([Segment(" " * self.gutter, style.rich_style)])
        lines = [Strip.join([first, gap] if number == 0 else [blank]) for number in range(len(said))]
        return [Strip.join([line, text]) for line, text in zip(lines, said, strict=True)][:height]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        return self.said.get_height(rules, self._columns(width)) + (not self.gutter)

    def _columns(self, width: int) -> int:
        return max(1, min(self.most, width - self.gutter))
