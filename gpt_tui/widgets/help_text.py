"""A page of help: sections with a title, a few sentences, and lines of a word with its meaning, in two or three columns
by the room that there is; narrowed to what holds the words that are searched."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget


@dataclass(frozen=True)
class Line:
    """A key (or a word), what it does, and a sentence about it."""

    head: str
    words: str = ""
    sentence: str = ""

    def holds(self, wanted: Sequence[str]) -> bool:
        text = f"{self.head} {self.words} {self.sentence}".casefold()
        return all(word in text for word in wanted)


@dataclass(frozen=True)
class Section:
    """A title, sentences below it, and lines. `plain`: text whose lines stay as they are."""

    title: str
    text: str = ""
    lines: tuple[Line, ...] = ()
    plain: str = ""

    def narrowed(self, wanted: Sequence[str]) -> Section | None:
        """What of it holds all the words; None when nothing does."""
        if not wanted or all(word in self.title.casefold() for word in wanted):
            return self
        whole = f"{self.text} {self.plain}".casefold()
        text = bool(whole.strip()) and all(word in whole for word in wanted)
        lines = tuple(line for line in self.lines if line.holds(wanted))
        if not text and not lines:
            return None
        return replace(self, text=self.text if text else "", plain=self.plain if text else "", lines=lines)


class HelpText(Widget):
    """`sections`: what there is; `search`: the words that are looked for."""

    DEFAULT_CSS = """
    HelpText { height: auto; width: 1fr; }
    """

    sections: reactive[tuple[Section, ...]] = reactive((), layout=True)
    search: reactive[str] = reactive("", layout=True)

    def shown(self) -> list[Section]:
        """The sections as they are narrowed."""
        wanted = self.search.casefold().split()
        return [section for each in self.sections if (section := each.narrowed(wanted)) is not None]

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for section in self.shown():
            if lines:
                lines.append(Content(""))
            lines.append(Content.styled(section.title, "bold $primary"))
            for paragraph in filter(None, section.text.split("\n")):
                lines += [Content(line) for line in textwrap.wrap(paragraph, min(width, 88))]
            if section.plain:
                lines += [Content.styled("  " + piece, "$faint") for piece in _cut(section.plain, max(10, width - 2))]
            if section.lines:
                lines += _table(section.lines, width)
        return lines or [Content.styled("Nothing holds these words.", "$faint")]


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut(text: str, width: int) -> list[str]:
    """Lines as they are, those that are too long in pieces."""
    return [line[at : at + width] for line in text.splitlines() for at in range(0, max(1, len(line)), width)]


def _table(rows: Sequence[Line], width: int) -> list[Content]:
    """Lines in columns as wide as their longest, within reason; where there is little room, in two of three."""
    first = min(max(len(row.head) for row in rows), 24, max(8, width // 2 - 2))
    second = min(max(len(row.words) for row in rows), 24)
    lines: list[Content] = []
    for row in rows:
        head = (_short(row.head, first).ljust(first) + "  ", "bold" if second else "$faint")
        if not second:  # a word and its sentence
            lines += _hanging(head, row.sentence, first + 2, width, "")
        elif width - first - second - 4 >= 30:
            words = Content.assemble(head, row.words.ljust(second) + "  ")
            lines += _hanging(words, row.sentence, first + second + 4, width)
        else:
            lines += _together(head, row, first + 2, width)
    return lines


def _together(head: object, row: Line, indent: int, width: int) -> list[Content]:
    """What a key does and the sentence about it as one paragraph, where there is no room for two columns."""
    words = f"{row.words}: " if row.sentence else row.words
    pieces = textwrap.wrap(words + row.sentence, max(16, width - indent)) or [""]
    lines = []
    for number, piece in enumerate(pieces):
        plain = piece[: len(words)] if number == 0 else ""
        before = head if number == 0 else " " * indent
        lines.append(Content.assemble(before, plain, (piece[len(plain) :], "$faint")))  # type: ignore[arg-type]
    return lines


def _hanging(head: object, sentence: str, indent: int, width: int, style: str = "$faint") -> list[Content]:
    """A sentence beside its head, its further lines below its first."""
    pieces = textwrap.wrap(sentence, max(16, width - indent)) or [""]
    return [
        Content.assemble(head if number == 0 else " " * indent, (piece, style))  # type: ignore[arg-type]
        for number, piece in enumerate(pieces)
    ]
