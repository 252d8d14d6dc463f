"""Texts to train on: those that come with the app, and those that models learned from before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from textual import events, on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from gpt_tui.terminal import visible


class ListedText(NamedTuple):
    """A text of the list."""

    texts: tuple[str, ...]
    """What the engine is given: a name of the catalogue, or paths."""
    title: str
    size: str
    """In a few characters, at the right of its row."""
    about: str = ""
    advice: str = ""
    gone: bool = False
    """Whether its files are not there any more."""


class CorpusList(OptionList):
    """Sections of texts, each under its heading. The cursor is the choice."""

    DEFAULT_CSS = """
    CorpusList {
        height: auto; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    CorpusList > .option-list--option { padding: 0 1; }
    CorpusList > .option-list--option-disabled { color: $primary; text-style: bold; }
    CorpusList > .option-list--option-highlighted {
        color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        text-style: $block-cursor-blurred-text-style;
    }
    CorpusList:focus { border: none; background-tint: transparent; }
    CorpusList:focus > .option-list--option-highlighted {
        color: $block-cursor-foreground; background: $block-cursor-background;
        text-style: $block-cursor-text-style;
    }
    """
    HELP = "The cursor is the choice; Enter goes on to how it shall be learned."

    class Picked(Message):
        """The cursor came to a text."""

        def __init__(self, listed: ListedText) -> None:
            super().__init__()
            self.listed = listed

    class Accepted(Message):
        """The user is content with that text, and goes on."""

        def __init__(self, listed: ListedText) -> None:
            super().__init__()
            self.listed = listed

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._rows: list[ListedText | tuple[str, str]] = []
        self._width = 0

    @property
    def texts(self) -> list[ListedText]:
        return [row for row in self._rows if isinstance(row, ListedText)]

    def show(self, sections: Sequence[tuple[str, str, Sequence[ListedText]]]) -> None:
        """Show these sections: a heading, what the sizes are in, and texts (one without any is left out). The cursor
        stays where it was."""
        standing = self._standing()
        self._rows = []
        for heading, unit, texts in sections:
            if texts:
                self._rows += [("", ""), (heading, unit)] if self._rows else [(heading, unit)]
                self._rows += texts
        self._draw()
        self.highlight(standing.texts if standing is not None else None)

    def highlight(self, texts: tuple[str, ...] | None) -> bool:
        """Put the cursor on a text, or nowhere; says whether it is there."""
        places = [place for place, row in enumerate(self._rows) if isinstance(row, ListedText) and row.texts == texts]
        self.highlighted = places[0] if places else None
        return bool(places)

    def _standing(self) -> ListedText | None:
        row = self._rows[self.highlighted] if self.highlighted is not None else None
        return row if isinstance(row, ListedText) else None

    def on_resize(self, event: events.Resize) -> None:
        if self.scrollable_content_region.width != self._width:
            self._draw()

    def _draw(self) -> None:
        """Rows as wide as the list, their sizes at its right."""
        self._width = self.scrollable_content_region.width
        highlighted = self.highlighted
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(Option(self._row(row), disabled=not isinstance(row, ListedText)) for row in self._rows)
            self.highlighted = highlighted if highlighted is not None and highlighted < len(self._rows) else None

    def _row(self, row: ListedText | tuple[str, str]) -> Content:
        title, size = (visible(row.title), "gone" if row.gone else row.size) if isinstance(row, ListedText) else row
        room = max(6, self._width - 3 - cell_len(size))
        if cell_len(title) > room:
            title = set_cell_size(title, room - 1).rstrip() + "…"
        return Content.assemble(f"{set_cell_size(title, room)} ", (size, "dim"))

    @on(OptionList.OptionHighlighted)
    def _pick(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        row = self._rows[event.option_index] if event.option_index < len(self._rows) else None
        if isinstance(row, ListedText) and self.highlighted == event.option_index:
            self.post_message(self.Picked(row))

    @on(OptionList.OptionSelected)
    def _accept(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        row = self._rows[event.option_index]
        if isinstance(row, ListedText):
            self.post_message(self.Accepted(row))
