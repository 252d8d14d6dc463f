"""One setting that is turned by keys, by typing and by mouse: a name, a track, a value."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

Value = float | int | str | None

_LABEL, _SHOWN = 13, 9  # columns of the name, and of the value


@dataclass(frozen=True)
class Scale:
    """What a dial can be set to: the `stops` that keys step through, in order; and beyond these whatever `read` makes
    of what is typed (it raises `ValueError` with what is wrong)."""

    name: str
    label: str
    meaning: str
    stops: tuple[Value, ...]
    usual: Value
    show: Callable[[Value], str]
    read: Callable[[str], Value] | None = None

    def place(self, value: Value) -> float:
        """Where a value lies on the track, from 0 to 1."""
        return self._index(value) / max(1, len(self.stops) - 1)

    def step(self, value: Value, by: int) -> Value:
        """The next stop up or down; at an end it stays."""
        if not isinstance(value, int | float) or value in self.stops:
            index = self._index(value) + by
        else:
            numbers = self._numbers()
            first = len(self.stops) - len(numbers)
            index = first + (bisect_right(numbers, value) if by > 0 else bisect_left(numbers, value) - 1)
        return self.stops[min(max(index, 0), len(self.stops) - 1)]

    def _numbers(self) -> list[float]:
        return [stop for stop in self.stops if isinstance(stop, int | float)]

    def _index(self, value: Value) -> int:
        if value in self.stops:
            return self.stops.index(value)
        numbers = self._numbers()
        if not isinstance(value, int | float) or not numbers:
            return 0
        nearest = min(numbers, key=lambda stop: abs(stop - value))
        return self.stops.index(nearest)


class Dial(Widget, can_focus=True):
    """`value` is what it is set to, `typed` what is being typed, `wrong` what was wrong with that."""

    DEFAULT_CSS = """
    Dial { height: 1; width: 1fr; }
    Dial:focus {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
        text-style: $block-cursor-blurred-text-style;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,plus", "turn(1)", "More", id="dial.more", show=False, tooltip="The next higher value."),
        Binding("left,minus", "turn(-1)", "Less", id="dial.less", show=False, tooltip="The next lower value."),
        Binding("enter", "take", "Set", id="dial.set", show=False, tooltip="Set the value that was typed."),
        Binding("backspace", "rub", "Rub out", id="dial.rub", show=False, tooltip="Take back what was typed."),
        Binding("delete", "usual", "As usual", id="dial.usual", show=False, tooltip="Set the usual value."),
    ]

    value: reactive[Value] = reactive(None)
    typed: reactive[str] = reactive("")
    wrong: reactive[str] = reactive("")

    class Changed(Message):
        """It was turned."""

        def __init__(self, dial: Dial, value: Value) -> None:
            super().__init__()
            self.dial, self.value = dial, value

    class Looked(Message):
        """It came under the cursor or the mouse, or what it says of itself changed."""

        def __init__(self, dial: Dial) -> None:
            super().__init__()
            self.dial = dial

    def __init__(self, scale: Scale, value: Value) -> None:
        super().__init__(id=f"dial-{scale.name.replace('_', '-')}")
        self.scale = scale
        self.set_reactive(Dial.value, value)

    def render(self) -> Content:
        width = self.content_size.width or 30
        here = self.has_focus
        label = self.scale.label[: _LABEL - 1].ljust(_LABEL)
        value = f"{self.typed}▏" if self.typed else self.scale.show(self.value)
        track = max(0, width - _LABEL - _SHOWN - 2)
        return Content.assemble(
            ("▸" if here else " ", "$primary"),
            (label, "bold $primary" if here else ""),
            self._track(track),
            (value.rjust(_SHOWN), "bold $primary" if here or self.typed else "$foreground"),
            " ",
        )

    def _track(self, width: int) -> Content:
        if width < 4:
            return Content(" " * width)
        knob = round(self.scale.place(self.value) * (width - 1))
        return Content.assemble(("━" * knob, "$primary 60%"), ("●", "$primary"), ("─" * (width - 1 - knob), "$rule"))

    def set(self, value: Value) -> None:
        """Turn it to a value and tell."""
        self.typed = self.wrong = ""
        if value != self.value or type(value) is not type(self.value):
            self.value = value
            self.post_message(self.Changed(self, value))

    def action_turn(self, by: int) -> None:
        self.set(self.scale.step(self.value, by))

    def action_usual(self) -> None:
        self.set(self.scale.usual)

    def action_rub(self) -> None:
        self.typed = self.typed[:-1]

    def action_take(self) -> None:
        """Set what was typed; what cannot be is said, and the value stays."""
        typed, self.typed = self.typed, ""
        if not typed or self.scale.read is None:
            return
        try:
            self.set(self.scale.read(typed))
        except ValueError as error:
            self.wrong = str(error)
            self.post_message(self.Looked(self))

    def on_key(self, event: events.Key) -> None:
        if self.scale.read is not None and event.character and event.character in "0123456789.,":
            event.stop()
            event.prevent_default()
            self.typed = (self.typed + event.character.replace(",", "."))[:_SHOWN]

    def on_click(self, event: events.Click) -> None:
        """The track sets the value that lies there; beside it the dial is only chosen."""
        left, right = 1 + _LABEL, self.content_size.width - _SHOWN - 1
        if left <= event.x < right:
            share = (event.x - left) / max(1, right - left - 1)
            self.set(self.scale.stops[round(share * (len(self.scale.stops) - 1))])
        elif event.x >= right:
            self.action_turn(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        if self.has_focus:
            event.stop()
            self.action_turn(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        if self.has_focus:
            event.stop()
            self.action_turn(-1)

    def on_enter(self) -> None:
        self.post_message(self.Looked(self))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        if has_focus:
            self.post_message(self.Looked(self))
        else:
            self.action_take()
            self.wrong = ""
        self.refresh()
