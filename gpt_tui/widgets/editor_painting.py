"""How the editor's rows are painted: each row's text in its authors' colours, with all that is laid over it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any, NamedTuple

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.color import Color
from textual.strip import Strip

from gpt_tui.editing.authorship import Author
from gpt_tui.editing.shapes import RowShape

GHOST = "ghost"
"""What a suggestion is instead of an author's."""

DIMMED = 0.55
"""How far what lies outside of the context, or of the paragraph in focus mode, goes towards the background."""

_WITHOUT_COLOUR = {
    "cursor": "reverse underline",
    "resting": "underline",
    "selection": "reverse",
    "mark": "bold underline",
    "match": "underline",
    "current": "reverse bold underline",
}
"""What is laid over the text, where colours are few or none."""

Range = tuple[int, int]


class RowLook(NamedTuple):
    """All that decides how a row looks: rows that look alike are equal. Indices count from its first code point."""

    text: str
    runs: tuple[tuple[int, str], ...] = ()
    selected: Range | None = None
    selects_newline: bool = False
    matches: tuple[Range, ...] = ()
    match: Range | None = None
    mark: Range | None = None
    cursor: int = -1
    cursor_look: str = "cursor"
    """"cursor", or "resting" while the keys go elsewhere."""
    outside: int = 0
    """Code points at its beginning that the model does not see."""
    faded: bool = False


class Palette:
    """The styles of the editor in the theme that is chosen."""

    def __init__(self, editor: Any) -> None:
        def style(name: str) -> Style:
            found: Style = editor.get_component_rich_style(f"editor--{name}")
            return found

        self.base: Style = editor.rich_style
        self.rule = style("rule")
        self.placeholder = style("placeholder")
        self.sign = style("sign")
        self.texts: dict[str, Style] = {Author.WRITER: self.base, GHOST: style("ghost")}
        self.texts[Author.MODEL] = style("model")
        self.texts[Author.EDITED] = style("edited")
        self.laid_over = {name: _only_own(style(name), self.base) for name in ("mark", "match", "selection", "cursor")}
        self.laid_over["current"] = _only_own(style("match-current"), self.base)
        self.laid_over["resting"] = Style(underline=True)
        app = editor.app
        self.colourless = app.no_color or app.console.color_system is None or _same_colour(self.base, style("model"))
        if self.colourless:  # signs that need no colour
            self.texts[Author.MODEL] += Style(italic=True)
            self.texts[Author.EDITED] += Style(italic=True, underline=True)
            self.texts[GHOST] += Style(dim=True)
        if self.colourless or app.current_theme.ansi:  # and no mixing of colours
            cursor = self.laid_over["cursor"]
            self.laid_over = {name: Style.parse(words) for name, words in _WITHOUT_COLOUR.items()}
            if not self.colourless:
                self.laid_over["cursor"] = cursor
        self._styles: dict[tuple[str, bool, str], Style] = {}

    def style(self, kind: str, dimmed: bool, over: str) -> Style:
        """The style of text of a kind, dimmed or not, with something laid over it or nothing ("")."""
        key = kind, dimmed, over
        found = self._styles.get(key)
        if found is None:
            found = self.sign if kind == "sign" else self.texts[kind]
            if dimmed:
                found = self._dimmed(found)
            if over:
                found += self.laid_over[over]
            self._styles[key] = found
        return found

    def _dimmed(self, style: Style) -> Style:
        front, back = _triplet(style.color), _triplet(self.base.bgcolor)
        if front is None or back is None or self.colourless:
            return style + Style(dim=True)
        return style + Style(color=front.blend(back, DIMMED).rich_color)


def _same_colour(one: Style, other: Style) -> bool:
    return one.color == other.color


def _only_own(style: Style, base: Style) -> Style:
    """What a style adds to the base: a colour that is the base's is not laid over the text's own."""
    colour = None if style.color == base.color else style.color
    back = None if style.bgcolor == base.bgcolor else style.bgcolor
    return Style(color=colour, bgcolor=back, bold=style.bold, underline=style.underline, reverse=style.reverse)


def _triplet(colour: RichColor | None) -> Color | None:
    if colour is None or colour.triplet is None:
        return None
    return Color(*colour.triplet)


class Painter:
    """Paints rows, and remembers those that it painted: a row that looks as one before costs nothing."""

    def __init__(self, palette: Palette, left: int, width: int) -> None:
        """`left`: cells before the column; `width`: of the whole row."""
        self.palette = palette
        self.left = left
        self.width = width
        self._strips: LRUCache[RowLook, Strip] = LRUCache(1024)

    def strip(self, look: RowLook) -> Strip:
        """The row as it is drawn."""
        strip = self._strips.get(look)
        if strip is None:
            strip = self._paint(look)
            self._strips[look] = strip
        return strip

    def line(self, parts: list[tuple[str, Style]]) -> Strip:
        """A row that is no text of the draft's."""
        segments = [
            Segment(" " * self.left, self.palette.base),
            *(Segment(text, style) for text, style in parts if text),
        ]
        return Strip(segments).adjust_cell_length(self.width, self.palette.base)

    def blank(self) -> Strip:
        return Strip.blank(self.width, self.palette.base)

    def _paint(self, look: RowLook) -> Strip:
        shape = RowShape(look.text)
        segments = [Segment(" " * self.left, self.palette.base)] if self.left else []
        cuts = sorted(_cuts(look, shape))
        for start, end in pairwise(cuts):
            drawn, kind = _drawn(shape, start, end), _kind(look, start)
            if shape.clusters is not None and shape.clusters[bisect_right(shape.starts, start) - 1].is_sign:
                kind = "sign"
            if drawn:
                dimmed = look.faded or start < look.outside
                segments.append(Segment(drawn, self.palette.style(kind, dimmed, _over(look, start))))
        used = self.left + shape.width
        over = look.cursor_look if look.cursor == len(look.text) else "selection" if look.selects_newline else ""
        if over:
            segments.append(Segment(" ", self.palette.style(Author.WRITER, False, over)))
            used += 1
        if used < self.width:
            segments.append(Segment(" " * (self.width - used), self.palette.base))
            return Strip(segments, self.width)
        strip = Strip(segments, used)
        return strip if used == self.width else strip.crop(0, self.width)


def _cuts(look: RowLook, shape: RowShape) -> set[int]:
    """Where the style may change."""
    length = len(look.text)
    cuts = {0, length}
    at = 0
    for run, _ in look.runs:
        at += run
        cuts.add(at)
    for span in (look.selected, look.match, look.mark, *look.matches):
        if span is not None:
            cuts.update(span)
    if look.outside:
        cuts.add(look.outside)
    if 0 <= look.cursor < length:
        cuts.add(look.cursor)
        if shape.clusters is None:
            cuts.add(look.cursor + 1)
        else:
            number = bisect_right(shape.starts, look.cursor)
            cuts.add(shape.starts[number] if number < len(shape.starts) else length)
    if shape.clusters is not None:
        for cluster, following in zip(shape.clusters, [*shape.starts[1:], length], strict=True):
            if cluster.is_sign:
                cuts.update((cluster.start, following))
    return {min(cut, length) for cut in cuts}


def _drawn(shape: RowShape, start: int, end: int) -> str:
    if shape.clusters is None:
        return shape.text[start:end]
    return "".join(cluster.drawn for cluster in shape.clusters if start <= cluster.start < end)


def _kind(look: RowLook, at: int) -> str:
    for run, kind in look.runs:
        if at < run:
            return kind
        at -= run
    return Author.WRITER


def _over(look: RowLook, at: int) -> str:
    """What is laid over a place: the uppermost of all that lies there."""
    if at == look.cursor:
        return look.cursor_look
    if look.selected is not None and look.selected[0] <= at < look.selected[1]:
        return "selection"
    if look.match is not None and look.match[0] <= at < look.match[1]:
        return "current"
    if any(start <= at < end for start, end in look.matches):
        return "match"
    if look.mark is not None and look.mark[0] <= at < look.mark[1]:
        return "mark"
    return ""
