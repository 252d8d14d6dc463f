"""How many minutes: a few usual numbers, or any that is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.reactive import reactive

from gpt_tui.widgets.choice_row import ChoiceRow, RowValue

USUAL = (("0.5", "½"), ("1", "1"), ("2", "2"), ("5", "5"), ("10", "10"), ("30", "30"), ("60", "60"))
_LONGEST = 8


class MinutesRow(ChoiceRow):
    """`value` is a number as text. What is typed stands at the end of the row, and counts as soon as it is a number
    (`read` says which, or None)."""

    typed: reactive[str] = reactive("", layout=True)

    def __init__(self, read: Callable[[str], float | None], minutes: float, *, id: str | None = None) -> None:
        super().__init__("Minutes", [RowValue(key, label) for key, label in USUAL], f"{minutes:g}", id=id)
        self._read = read

    @property
    def words(self) -> str:
        if self.typed and self._read(self.typed) is None:
            return "A number of minutes, please: 1.5, or 90."
        minutes = float(self.value)
        amount = f"{minutes * 60:g} seconds" if minutes < 1 else "1 minute" if minutes == 1 else f"{minutes:g} minutes"
        return f"{amount} in all. Or type any number."

    def shown(self) -> tuple[RowValue, ...]:
        if self.typed:
            return (*self.values, RowValue(self.value if self._own else "", f"{self.typed}▏"))
        if self._own:
            return (*self.values, RowValue(self.value, self.value))
        return (*self.values, RowValue("…", "…"))

    @property
    def _own(self) -> bool:
        """Whether the value is none of the usual ones."""
        return self.value not in {value.key for value in self.values}

    def choose(self, value: str) -> None:
        if value != "…":
            self.typed = ""
            super().choose(value)

    def action_step(self, by: int) -> None:
        self.typed = ""
        super().action_step(by)

    def action_end(self, place: int) -> None:
        self.typed = ""
        self.choose(self.values[place].key)

    def action_accept(self) -> None:
        self.typed = ""
        super().action_accept()

    def on_blur(self) -> None:
        self.typed = ""

    def on_key(self, event: events.Key) -> None:
        if event.key == "backspace" and self.typed:
            self._type(self.typed[:-1])
        elif event.character is not None and event.character in "0123456789.,½" and len(self.typed) < _LONGEST:
            self._type(self.typed + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def _type(self, text: str) -> None:
        self.typed = text
        minutes = self._read(text)
        if minutes is not None:
            self.value = f"{minutes:g}"
        self.post_message(self.Changed(self, self.value))  # also when it is none: then that is said
