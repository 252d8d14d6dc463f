"""The words that could have stood where the cursor is, with how likely each was; one of them may be taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.widgets.bars import bar, fitted, percent, token_text

if TYPE_CHECKING:
    from engine.events import Alternative

_WORD = 16


class Alternatives(Vertical):
    """Shown by `show`; Enter takes a word and writes on from there, Space only puts it in, Escape leaves."""

    DEFAULT_CSS = """
    Alternatives { height: auto; max-height: 12; width: 1fr; background: $surface; padding: 0 1; display: none; }
    Alternatives.-open { display: block; }
    Alternatives #of { height: 1; text-overflow: ellipsis; text-wrap: nowrap; }
    Alternatives #does { height: auto; max-height: 2; color: $faint; }
    Alternatives OptionList {
        height: auto; max-height: 8; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
    }
    Alternatives OptionList:focus { border: none; background-tint: transparent; }
    Alternatives OptionList > .option-list--option { padding: 0; }
    Alternatives OptionList:focus > .option-list--option-highlighted {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
        text-style: $block-cursor-blurred-text-style;
    }
    """
    HELP = "The words that could have stood there. Enter takes one and lets the model write on from it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "swap", "Only swap", id="alternatives.swap", tooltip="Put this word in, and change no more."),
        Binding("left", "move(-1)", "Word before", id="alternatives.before", show=False, tooltip="The token before."),
        Binding("right", "move(1)", "Word after", id="alternatives.after", show=False, tooltip="The token after."),
        Binding("escape", "leave", "Close", id="alternatives.close", show=False, tooltip="Back to the text."),
    ]

    class Taken(Message):
        """A word was taken; `rewrite`: the model goes on from it."""

        def __init__(self, alternative: Alternative, rewrite: bool) -> None:
            super().__init__()
            self.alternative, self.rewrite = alternative, rewrite

    class Moved(Message):
        """The token before, or after, is asked for."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Left(Message):
        """Nothing was taken."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tokens: list[Alternative] = []
        self._glued = False

    def compose(self) -> ComposeResult:
        yield Static("", id="of", markup=False)
        yield OptionList(markup=False, compact=True)
        yield Static("", id="does", markup=False)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def show(
        self, token: str, probability: float, alternatives: Sequence[Alternative], does: str, *, glued: bool = False
    ) -> None:
        """`token` is what stands there, `glued` whether right behind a letter; `does` says what Enter will do."""
        self._glued = glued
        self._tokens = [other for other in alternatives if other.text]
        named = Content.assemble(
            ("Instead of ", "$faint"),
            (token_text(token, glued=glued), "bold $primary"),
            (f"   {percent(probability).strip()}", "$faint"),
        )
        self.query_one("#of", Static).update(named)
        self.query_one("#does", Static).update(Content(does))
        options = self.query_one(OptionList)
        largest = max((other.probability for other in self._tokens), default=1.0)
        options.set_options([Option(self._row(other, token, largest)) for other in self._tokens])
        if not self._tokens:
            options.add_option(Option(Content.styled("Nothing else was likely here.", "$faint"), disabled=True))
        self.add_class("-open")
        options.highlighted = self._first_other(token) if self._tokens else None
        options.focus()

    def close(self) -> None:
        self.remove_class("-open")

    def _first_other(self, token: str) -> int:
        return next((index for index, other in enumerate(self._tokens) if other.text != token), 0)

    def _row(self, other: Alternative, token: str, largest: float) -> Content:
        here = other.text == token
        return Content.assemble(
            fitted(token_text(other.text, glued=self._glued), _WORD).stylize("bold" if here else ""),
            (percent(other.probability), "$faint"),
            "  ",
            (bar(other.probability / (largest or 1.0), 20), "$accent"),
            ("  stands there" if here else "", "$faint"),
        )

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Taken(self._tokens[event.option_index], rewrite=True))

    def action_swap(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is not None and self._tokens:
            self.post_message(self.Taken(self._tokens[highlighted], rewrite=False))

    def action_move(self, by: int) -> None:
        self.post_message(self.Moved(by))

    def action_leave(self) -> None:
        self.post_message(self.Left())
