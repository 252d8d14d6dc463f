"""The learner's corner: how the model is built, where its parameters are, and what each number on the screen means."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Grid, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from gpt_tui.terminal import count, visible

_EIGHTHS = " ▏▎▍▌▋▊▉█"


class LearnersCorner(VerticalScroll):
    """Told by `show` what there is to learn; two columns where there is room."""

    DEFAULT_CSS = """
    LearnersCorner { height: 1fr; scrollbar-size-vertical: 1; }
    LearnersCorner Grid { height: auto; grid-size: 1; grid-rows: auto; grid-gutter: 1 4; }
    LearnersCorner.-two Grid { grid-size: 2; }
    LearnersCorner Vertical { height: auto; }
    LearnersCorner Static { height: auto; }
    LearnersCorner .section { margin-bottom: 1; }
    """
    TWO_COLUMNS = 100

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: Sequence[tuple[str, int, str]] = ()
        self._built: Mapping[str, tuple[object, str]] = {}
        self._trained: Mapping[str, tuple[object, str]] = {}
        self._meanings: Sequence[tuple[str, str]] = ()

    def compose(self) -> ComposeResult:
        with Grid():
            with Vertical():
                yield Static("Where its parameters are", classes="title", markup=False)
                yield Static("", id="parts", classes="section", markup=False)
                yield Static("What the numbers mean", classes="title", markup=False)
                yield Static("", id="meanings", classes="section", markup=False)
            with Vertical():
                yield Static("How it is built", classes="title", markup=False)
                yield Static("", id="built", classes="section", markup=False)
                yield Static("How it is trained", classes="title", markup=False)
                yield Static("", id="trained", classes="section", markup=False)

    def show(
        self,
        parts: Sequence[tuple[str, int, str]],
        built: Mapping[str, tuple[object, str]],
        trained: Mapping[str, tuple[object, str]],
        meanings: Sequence[tuple[str, str]],
    ) -> None:
        """`parts`: name, count, what it does; `built` and `trained`: settings by name, each with what it means;
        `meanings`: of each number on the screen."""
        self._parts, self._built, self._trained, self._meanings = parts, built, trained, meanings
        self._lay_out()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= self.TWO_COLUMNS, "-two")
        self._lay_out()

    def _lay_out(self) -> None:
        """All of it for the width that there is: what goes on in a further row stands below its beginning."""
        if not self._parts or not self.size.width:
            return
        width = self.size.width - 1  # the scrollbar's
        width = (width - 4) // 2 if self.has_class("-two") else width
        self.query_one("#parts", Static).update(_parts(self._parts, width))
        self.query_one("#built", Static).update(_settings(self._built, width))
        self.query_one("#trained", Static).update(_settings(self._trained, width))
        meanings = [_hanging(Content.styled(f"{name:<15}", "bold"), words, width, "") for name, words in self._meanings]
        self.query_one("#meanings", Static).update(Content("\n").join(meanings))


def _parts(parts: Sequence[tuple[str, int, str]], width: int) -> Content:
    total = sum(number for _, number, _ in parts)
    lines = [Content.assemble((f"{count(total)} parameters", "bold"), ("  numbers that training sets", "$faint"))]
    bar = max(6, min(28, width - 30))
    for name, number, words in parts:
        share = f"{number / total:.0%}" if number >= total / 200 else "<1%"
        head = Content.assemble(
            f"{name.replace('_', ' '):<14}", (_bar(number / total, bar), "$primary"), f"{count(number):>7} {share:>5}"
        )
        lines += [head, _hanging(Content(" " * 14), words, width, "$faint")]
    return Content("\n").join(lines)


def _hanging(head: Content, words: str, width: int, style: str) -> Content:
    """The head, and beside it the words, wrapped into the room that is left."""
    room = max(12, width - head.cell_length)
    rows = textwrap.wrap(words, room) or [""]
    gap = "\n" + " " * head.cell_length
    return Content.assemble(head, (gap.join(rows), style))


def _bar(share: float, width: int) -> str:
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width) + " "


def _settings(table: Mapping[str, tuple[object, str]], width: int) -> Content:
    lines = []
    for name, (value, meaning) in table.items():
        shown = (
            f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
        )
        head = Content.assemble(f"{name:<21}", (f"{visible(shown):<9}", "bold $primary"))
        if width < 56:  # too narrow for three columns
            lines += [head, _hanging(Content("  "), meaning, width, "$faint")]
        else:
            lines.append(_hanging(head, meaning, width, "$faint"))
    return Content("\n").join(lines)
