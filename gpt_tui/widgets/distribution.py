"""What may come next: the likeliest tokens, as the model has them and as the settings leave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gpt_tui.widgets.bars import bar, fitted, percent, token_text

if TYPE_CHECKING:
    from engine.events import Alternative
    from engine.generation.messages import Prediction

_WORD = 12  # columns of a token


class Distribution(Widget):
    """A row a token. The full bar is its probability after the settings, the light one what it was before them."""

    DEFAULT_CSS = """
    Distribution { height: auto; width: 1fr; padding: 0 1; }
    """

    prediction: reactive[Prediction | None] = reactive(None)
    rows: reactive[int] = reactive(8, layout=True)
    glued: reactive[bool] = reactive(False)
    """Whether a letter stands before them."""
    note: reactive[str] = reactive("", layout=True)
    """What is said while there is nothing to show."""

    def watch_prediction(self, before: Prediction | None, prediction: Prediction | None) -> None:
        if self._lines(before) != self._lines(prediction):  # while a model writes it changes many times a second
            self.refresh(layout=True)

    def _lines(self, prediction: Prediction | None) -> int:
        return -1 if prediction is None else min(self.rows, len(prediction.before))

    def show_tokens(self, likeliest: Sequence[Alternative]) -> None:
        """The likeliest tokens of a place that was just written, from which the settings' share is not known."""
        from engine.generation.messages import Prediction

        self.prediction = Prediction(list(likeliest), list(likeliest), 0)

    def render(self) -> Content:
        width = self.content_size.width or 30
        if self.prediction is None:
            return Content.assemble(("Next word", "bold $primary"), "\n", (self.note, "$faint"))
        before = self.prediction.before[: self.rows]
        after = {(token.id, token.text): token.probability for token in self.prediction.after}
        lines = [self._title(width)]
        largest = max([*(token.probability for token in before), *after.values(), 1e-9])
        lines += [self._row(token, after.get((token.id, token.text), 0.0), largest, width) for token in before]
        return Content("\n").join(lines)

    def _title(self, width: int) -> Content:
        possible = self.prediction.possible if self.prediction is not None else 0
        count = f"of {possible:,} possible" if possible > 1 else "the only one possible" if possible == 1 else ""
        title = "Next word"
        return Content.assemble((title, "bold $primary"), (count.rjust(max(0, width - len(title))), "$faint"))

    def _row(self, token: Alternative, after: float, largest: float, width: int) -> Content:
        room = max(1, width - _WORD - 6)
        full = bar(after / largest, room) if after > 0 else ""
        light = "░" * max(0, round(token.probability / largest * room) - len(full))
        return Content.assemble(
            fitted(token_text(token.text, glued=self.glued), _WORD).stylize("$foreground" if after > 0 else "$faint"),
            " ",
            (full, "$accent"),
            (light, "$faint"),
            " " * max(0, room - len(full) - len(light)),
            (f" {percent(after)}", "$foreground" if after > 0 else "$faint"),
        )
