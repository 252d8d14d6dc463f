"""How the model chooses its words, beside the text: a dial for each setting, and a line on what it does."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.config import SampleConfig, from_table
from engine.errors import ConfigError
from gpt_tui.drafting.endings import UNTIL
from gpt_tui.widgets.dial import Dial, Scale, Value

_USUAL = SampleConfig()
_COUNTS = (1, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000)
_LARGEST_SEED = 2**63 - 1


def _steps(first: int, last: int, by: int) -> tuple[float, ...]:
    """Hundredths, so that 0.15 is 0.15."""
    return tuple(hundredths / 100 for hundredths in range(first, last + 1, by))


def _reader(name: str, whole: bool) -> Any:
    """What a text that was typed means for a setting, checked by the engine's own bounds."""

    def read(typed: str) -> Value:
        try:
            value: Value = int(typed) if whole else float(typed)
        except ValueError:
            raise ValueError(f"{typed} is no {'whole ' if whole else ''}number.") from None
        try:
            from_table(SampleConfig, {name: value})
        except ConfigError as error:
            raise ValueError(str(error).partition(": ")[2]) from None
        return value

    return read


def _scale(name: str, label: str, stops: tuple[Value, ...], off: Value = None, word: str = "off") -> Scale:
    field = SampleConfig.__dataclass_fields__[name]
    whole = isinstance(field.default, int)

    def show(value: Value) -> str:
        if value == off:
            return word
        return f"{value:,}" if whole else f"{value:.2f}"

    return Scale(name, label, field.metadata["meaning"], stops, getattr(_USUAL, name), show, _reader(name, whole))


def _seed() -> Scale:
    meaning = "The same seed gives the same text; new: another one each time."
    show = lambda value: "new" if value is None else str(value)  # noqa: E731
    return Scale("seed", "Seed", meaning, (None, *range(1, 100)), None, show, _reader("seed", True))


SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        _scale("temperature", "Temperature", _steps(0, 200, 5)),
        _scale("top_k", "Top-k", (1, 2, 3, 5, 8, 10, 15, 20, 30, 40, 50, 75, 100, 200, 500, 0), off=0, word="all"),
        _scale("top_p", "Top-p", _steps(5, 100, 5), off=1.0),
        _scale("min_p", "Min-p", _steps(0, 50, 1), off=0.0),
        _scale("repetition_penalty", "Repetition", _steps(100, 200, 5), off=1.0),
        _scale("max_new_tokens", "Length", _COUNTS),
        Scale(
            "until",
            "Write to",
            "Where it ends: after so many tokens, with the sentence, or with the paragraph.",
            UNTIL,
            UNTIL[0],
            lambda value: "length" if value == "length" else str(value),
        ),
        _seed(),
    )
}


class SamplingPanel(Vertical):
    """Dials for those of `values` that it knows, in its own order."""

    DEFAULT_CSS = """
    SamplingPanel { height: auto; width: 1fr; }
    SamplingPanel > .title { color: $primary; text-style: bold; padding: 0 1; }
    SamplingPanel > #meaning { height: 3; padding: 0 2 0 1; color: $faint; margin-top: 1; }
    SamplingPanel > #meaning.-wrong { color: $error; }
    """
    HELP = """
    How the next word is chosen. Arrows up and down go from setting to setting, left and right change it; or type a
    number and press Enter. Delete brings the usual value back. A change is felt at the very next word, also while it
    writes.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "go(-1)", "Setting above", id="sampling.up", show=False, tooltip="The setting above."),
        Binding("down", "go(1)", "Setting below", id="sampling.down", show=False, tooltip="The setting below."),
    ]

    class Changed(Message):
        """A setting was changed; `values` are all of them."""

        def __init__(self, panel: SamplingPanel, values: dict[str, Any]) -> None:
            super().__init__()
            self.panel, self.values = panel, values

    def __init__(
        self, values: Mapping[str, Any], *, title: str | Content = "How it writes", id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._title = title
        self.values: dict[str, Any] = {name: values[name] for name in SCALES if name in values}

    def compose(self) -> ComposeResult:
        yield Static(self._title, classes="title", markup=False)
        for name, value in self.values.items():
            yield Dial(SCALES[name], value)
        yield Static("", id="meaning", markup=False)

    def on_mount(self) -> None:
        if self.values:
            self._explain(self.dials[0])

    @property
    def dials(self) -> list[Dial]:
        return list(self.query(Dial))

    def load(self, values: Mapping[str, Any]) -> None:
        """Show other values, of another draft, and tell nobody."""
        for dial in self.dials:
            name = dial.scale.name
            if name in values:
                self.values[name] = values[name]
                dial.typed = ""
                with dial.prevent(Dial.Changed):
                    dial.value = values[name]

    def turn(self, name: str, by: int) -> None:
        """One step up or down, as a key of the screen asks for it."""
        for dial in self.dials:
            if dial.scale.name == name:
                dial.action_turn(by)
                self._explain(dial)

    def focus_dial(self, name: str = "") -> None:
        """Go to a setting; without a name, to the first."""
        for dial in self.dials:
            if name in ("", dial.scale.name):
                dial.focus()
                return

    def action_go(self, by: int) -> None:
        dials = self.dials
        with contextlib.suppress(ValueError, StopIteration):
            index = next(index for index, dial in enumerate(dials) if dial.has_focus)
            dials[(index + by) % len(dials)].focus()

    @on(Dial.Changed)
    def _changed(self, event: Dial.Changed) -> None:
        event.stop()
        self.values[event.dial.scale.name] = event.value
        self._explain(event.dial)
        self.post_message(self.Changed(self, dict(self.values)))

    @on(Dial.Looked)
    def _looked(self, event: Dial.Looked) -> None:
        event.stop()
        self._explain(event.dial)

    def _explain(self, dial: Dial) -> None:
        meaning = self.query_one("#meaning", Static)
        meaning.set_class(bool(dial.wrong), "-wrong")
        meaning.update(Content(dial.wrong or f"{dial.scale.label}. {dial.scale.meaning}"))
