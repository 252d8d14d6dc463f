"""The line at the bottom: the keys that matter where one is, in as many as there is room for, and the one for help.

One widget that draws itself, in the place of Textual's footer, which makes a widget for every key anew whenever the
focus moves.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

LAST = "app.help"
"""The id of what stands at the right, whatever else there is room for."""


class Shown(NamedTuple):
    """A key, or a few of one group, and what it does."""

    keys: tuple[tuple[str, str], ...]
    """How each is written, and how it is pressed."""
    words: str
    tooltip: str = ""
    enabled: bool = True
    between: str = ""
    """What stands between the keys of a group."""

    @property
    def label(self) -> str:
        return self.between.join(written for written, _ in self.keys)

    @property
    def width(self) -> int:
        return cell_len(self.label) + 1 + cell_len(self.words)


class KeyLine(Widget):
    """Follows the bindings of its screen."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; width: 1fr; background: $footer-background; color: $footer-foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._all: list[Shown] = []
        self._places: list[tuple[int, int, Shown]] = []
        self._asked = False

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)  # not at once: what decides on the keys may not stand yet

    def _changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen and not self._asked:
            self._asked = True
            self.call_after_refresh(self._look)

    def _look(self) -> None:
        self._asked = False
        shown = list(self._gathered())
        if shown != self._all:
            self._all = shown
            self.refresh()

    def _gathered(self) -> list[Shown]:
        """What the screen shows, keys of one action or one group together, help last."""
        shown: list[Shown] = []
        groups: dict[Binding.Group, int] = {}
        actions: set[str] = set()
        last: Shown | None = None
        for _node, binding, enabled, tooltip in self.screen.active_bindings.values():
            if not binding.show or binding.action in actions:
                continue
            actions.add(binding.action)
            key = (self.app.get_key_display(binding), binding.key)
            one = Shown((key,), binding.description, tooltip or binding.description, enabled)
            if binding.id == LAST:
                last = one
            elif binding.group is None:
                shown.append(one)
            elif binding.group in groups:
                place = groups[binding.group]
                words = binding.group.description or shown[place].words
                keys, enabled = (*shown[place].keys, key), enabled or shown[place].enabled
                # letters side by side would read as a word, arrows read as what they are
                letters = any(display.isalnum() for display, _ in keys)
                together = binding.group.compact and not letters
                shown[place] = Shown(keys, words, words, enabled, "" if together else " ")
            else:
                groups[binding.group] = len(shown)
                shown.append(one)
        return [*shown, last] if last is not None else shown

    def render(self) -> Content:
        width = self.size.width
        self._places = []
        rest, last = (self._all[:-1], self._all[-1]) if self._all else ([], None)
        room = width - 2 - (last.width + 1 if last is not None else 0)
        needed = sum(one.width for one in rest)
        gap = next((size for size in (3, 2, 1) if needed + size * len(rest) <= room), 1)
        pieces: list[Content] = [Content(" ")]
        column = 1
        for one in rest:
            if column + one.width + gap > room + 1:
                break
            pieces += [self._drawn(one), Content(" " * gap)]
            self._places.append((column, column + one.width, one))
            column += one.width + gap
        if last is not None:
            start = max(column, width - 1 - last.width)
            pieces += [Content(" " * (start - column)), self._drawn(last)]
            self._places.append((start, start + last.width, last))
        return Content("").join(pieces)

    def _drawn(self, one: Shown) -> Content:
        dim = "" if one.enabled else " dim"
        return Content.assemble(
            (one.label, f"bold $footer-key-foreground{dim}"),
            " ",
            (one.words, f"$footer-description-foreground{dim}"),
        )

    def _at(self, x: int) -> tuple[Shown, str] | None:
        """What stands at a column, and the key that is pressed by a click there."""
        for start, end, one in self._places:
            if start <= x < end:
                for written, key in one.keys:
                    start += cell_len(written) + len(one.between)
                    if x < start:
                        return one, key
                return one, one.keys[0][1]
        return None

    def on_click(self, event: events.Click) -> None:
        if (found := self._at(event.x)) is not None and found[0].enabled:
            self.app.simulate_key(found[1])

    def on_mouse_move(self, event: events.MouseMove) -> None:
        found = self._at(event.x)
        tooltip = found[0].tooltip if found is not None else None
        if tooltip != self.tooltip:
            self.tooltip = tooltip
