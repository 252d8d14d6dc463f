"""The beginning of a text, to read before training on it. It asks for more when somebody scrolls to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gpt_tui.terminal import visible

MOST_CHARACTERS = 4_000_000
"""What is kept; nobody scrolls further to see what a text is like."""


class Row(NamedTuple):
    """A row on the screen, and whether it is a rule between documents."""

    text: str
    rule: bool = False


class TextPreview(ScrollView, can_focus=True):
    """Text by parts: `show` begins anew, `add` goes on; neither knows where the text is from."""

    DEFAULT_CSS = """
    TextPreview { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; background: transparent; }
    TextPreview .text-preview--text { color: $foreground 85%; }
    TextPreview .text-preview--rule { color: $faint; }
    TextPreview:focus { background-tint: $foreground 3%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"text-preview--text", "text-preview--rule"}
    HELP = "The beginning of the text. Scroll to its end, and more of it is read."

    class MoreWanted(Message):
        """The reader has come near the end of what is there."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: list[tuple[str, str | None]] = []
        self._rows: list[Row] = []
        self._characters = 0
        self._open = False  # whether the last row goes on with the next part
        self._ended = True
        self._asked = False

    @property
    def text(self) -> str:
        """What is shown, row by row."""
        return "\n".join(row.text for row in self._rows)

    def show(self, parts: Sequence[tuple[str, str | None]] = (), *, ended: bool = True) -> None:
        """Forget what was shown. A part is a text and the name of the document that begins with it, or None."""
        self._parts, self._rows, self._characters, self._open = [], [], 0, False
        self.scroll_to(0, 0, animate=False)
        self.add(parts, ended=ended)

    def add(self, parts: Sequence[tuple[str, str | None]], *, ended: bool) -> None:
        """Go on with these parts; `ended` when there are no more."""
        self._parts.extend(parts)
        self._characters += sum(len(text) for text, _ in parts)
        self._asked = False
        self._ended = ended
        self._wrap(parts)
        if not ended and self._characters > MOST_CHARACTERS:
            self._ended = True
            self._rows.append(Row("… it goes on; the preview ends here", rule=True))
        self._resized()
        self.call_after_refresh(self._look_ahead)

    def _resized(self) -> None:
        self.virtual_size = Size(self._width, len(self._rows))
        self.refresh()

    @property
    def _width(self) -> int:
        return max(8, self.scrollable_content_region.width or self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        if self._rows and self.virtual_size.width != self._width:
            self._rows, self._open = [], False
            self._wrap(self._parts)
        self._resized()
        self._look_ahead()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Ask for more when fewer than two screens are left below."""
        left = len(self._rows) - self.scroll_offset.y - self.size.height
        if not self._ended and not self._asked and left < 2 * self.size.height:
            self._asked = True
            self.post_message(self.MoreWanted())

    # Text → rows

    def _wrap(self, parts: Iterable[tuple[str, str | None]]) -> None:
        """Add rows for the parts. A line that was cut at the end of a part goes on where its last row ended."""
        for text, begins in parts:
            if begins is not None and (self._rows or begins):
                self._rule(begins)
                self._open = False
            begun = self._rows.pop().text if self._open and self._rows else ""
            lines = visible(begun + text).expandtabs(4).split("\n")
            self._open = bool(lines[-1])
            if not self._open:
                lines.pop()
            for line in lines:
                self._rows.extend(map(Row, wrapped(line, self._width)))

    def _rule(self, name: str) -> None:
        if self._rows:
            while self._rows and not self._rows[-1].text:  # a document's own blank lines at its end
                self._rows.pop()
            self._rows.append(Row(""))
        name = visible(name)
        self._rows.append(Row(f"── {name} ──" if name else "───", rule=True))
        if name or len(self._rows) > 1:
            self._rows.append(Row(""))

    def render_line(self, y: int) -> Strip:
        place = y + self.scroll_offset.y
        width = self.size.width
        base = self.rich_style
        if place >= len(self._rows):
            return Strip.blank(width, base)
        row = self._rows[place]
        name = "text-preview--rule" if row.rule else "text-preview--text"
        style = base + self.get_component_rich_style(name, partial=True)
        return Strip([Segment(row.text, style)]).adjust_cell_length(width, base)


def wrapped(line: str, width: int) -> list[str]:
    """A line as rows of at most `width` cells, parted at blanks where there are some."""
    rows = []
    simple = line.isascii() or cell_len(line) == len(line)
    while simple and len(line) > width:
        end = line.rfind(" ", 1, width + 1)
        end = end if end > 0 else width
        rows.append(line[:end])
        line = line[end + (line[end : end + 1] == " ") :]
    while not simple and (most := _fitting(line, width)) < len(line):
        end = most if line[most : most + 1] == " " else line.rfind(" ", 1, most)
        end = end if end > 0 else most
        rows.append(line[:end])
        line = line[end + (line[end : end + 1] == " ") :]
    rows.append(line)
    return rows


def _fitting(line: str, width: int) -> int:
    """How many characters fit into so many cells; one at least."""
    cells = 0
    for place, character in enumerate(line):
        cells += get_character_cell_size(character)
        if cells > width:
            return max(1, place)
    return len(line)
