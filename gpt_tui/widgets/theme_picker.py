"""The themes to choose from: the one under the cursor is shown at once, Enter keeps it, leaving goes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

_SHOWN_AFTER = 0.08
"""Seconds that the cursor rests on a theme before it is shown: the whole screen changes with it."""


class ThemeSample(Static):
    """How text looks in the theme that is shown."""

    DEFAULT_CSS = """
    ThemeSample { width: 1fr; height: auto; padding: 1 2; background: $surface; }
    """

    def on_mount(self) -> None:
        bars = "▁▁▂▃▄▅▆▇██"
        self.update(
            Content.assemble(
                ("Lamplight\n", "bold $primary"),
                "She set the lamp on the sill, ",
                ("and waited for the boats to come in. ", "$model-text"),
                ("One by one", "$edited-text"),
                (" they rounded the point.", "$model-text"),
                (" The wind had turned.", "$ghost-text"),
                ("\n\nyours, ", ""),
                ("the model’s, ", "$model-text"),
                ("changed by you, ", "$edited-text"),
                ("suggested\n", "$ghost-text"),
                ("─" * 17 + "\n", "$rule"),
                (bars[::-1], "$train-curve"),
                ("  ", ""),
                (bars[::-1], "$eval-curve"),
            )
        )


class ThemeList(OptionList):
    """The list itself: at its ends the cursor goes on to what stands above and below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Keep", id="themes.keep", tooltip="Keep the theme that is shown."),
    ]

    def action_cursor_down(self) -> None:
        if self.highlighted == self.option_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()


class ThemePicker(Widget):
    """`chosen`: the theme that is kept."""

    DEFAULT_CSS = """
    ThemePicker { layout: horizontal; height: auto; margin-bottom: 1; }
    ThemePicker ThemeList {
        width: 42; height: 10; border: none; padding: 0; background: $background; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    ThemePicker ThemeList:focus { border: none; background-tint: transparent; }
    ThemePicker ThemeSample { margin: 0 2; }
    .-narrow ThemePicker ThemeSample, .-tiny ThemePicker ThemeSample { display: none; }
    .-narrow ThemePicker ThemeList, .-tiny ThemePicker ThemeList { width: 1fr; }
    .-short ThemePicker ThemeList { height: 6; }
    """

    class Looked(Message):
        """That theme shall be shown, as long as the cursor is on it; None: the one that is kept."""

        def __init__(self, name: str | None) -> None:
            super().__init__()
            self.name = name

    class Chosen(Message):
        """That theme shall be kept."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    chosen: reactive[str] = reactive("")

    def __init__(self, themes: Sequence[tuple[str, str]], chosen: str, *, id: str | None = None) -> None:
        """`themes`: names, and a few words about each."""
        super().__init__(id=id)
        self._themes = list(themes)
        self.set_reactive(ThemePicker.chosen, chosen)
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        yield ThemeList(*self._options(), markup=False, compact=True)
        yield ThemeSample()

    def on_mount(self) -> None:
        themes = self.query_one(ThemeList)
        names = [name for name, _ in self._themes]
        themes.highlighted = names.index(self.chosen) if self.chosen in names else 0

    def _options(self) -> list[Option]:
        return [Option(self._row(name, words)) for name, words in self._themes]

    def _row(self, name: str, words: str) -> Content:
        here = name == self.chosen
        return Content.assemble("● " if here else "○ ", (name.ljust(15), "bold" if here else ""), (" " + words, ""))

    def watch_chosen(self) -> None:
        if not self.is_mounted:
            return
        themes = self.query_one(ThemeList)
        for index, (name, words) in enumerate(self._themes):
            themes.replace_option_prompt_at_index(index, self._row(name, words))

    @on(OptionList.OptionHighlighted)
    def _look(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self._rest is not None:
            self._rest.stop()
        if self.query_one(ThemeList).has_focus:
            name = self._themes[event.option_index][0]
            self._rest = self.set_timer(_SHOWN_AFTER, lambda: self.post_message(self.Looked(name)))

    @on(OptionList.OptionSelected)
    def _keep(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._themes[event.option_index][0]))

    def on_descendant_blur(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self.post_message(self.Looked(None))
