"""One setting on the Settings screen: its name, its value, its meaning and bounds. What the value looks like and how it
is changed is its kind's: `ChoiceSetting`, `NumberSetting`, `TextSetting`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

TITLES = {
    "app_theme": "Theme",
    "app_cursor_blink": "Blinking cursor",
    "app_terminal_progress": "Progress in the tab",
    "app_notify_end": "Notice at the end",
    "app_plot": "Curves",
    "app_exports": "Exports go to",
    "training_minutes": "Minutes",
    "training_preset": "Model size",
    "training_tokenizer": "Tokens",
    "training_device": "Device",
    "writing_width": "Column width",
    "writing_suggest_after": "Suggest after",
    "writing_max_new_tokens": "Length",
    "writing_temperature": "Temperature",
    "writing_top_k": "Top-k",
    "writing_top_p": "Top-p",
    "writing_min_p": "Min-p",
    "writing_repetition_penalty": "Repetition penalty",
}
_MARGIN, _TITLE = 2, 23
_STACKED = 58
"""Columns below which the value stands under the name."""


def title_of(name: str) -> str:
    """What a setting is called on the screen."""
    return TITLES.get(name) or name.partition("_")[2].replace("_", " ").capitalize()


def bounds_of(metadata: Mapping[str, Any]) -> str:
    """The bounds of a number, in words; nothing where there are none."""
    low = f"from {_plain(metadata['ge'])}" if "ge" in metadata else ""
    low = f"above {_plain(metadata['gt'])}" if "gt" in metadata else low
    high = f"to {_plain(metadata['le'])}" if "le" in metadata else ""
    high = f"below {_plain(metadata['lt'])}" if "lt" in metadata else high
    return " ".join(filter(None, (low, high)))


def _plain(number: float) -> str:
    return f"{number:,.10g}"


class SettingRow(Widget, can_focus=True):
    """`value` is what it is set to; `fixed` whether settings.toml says so, and it cannot be changed here."""

    DEFAULT_CSS = """
    SettingRow { height: auto; width: 1fr; padding: 0; margin-bottom: 1; }
    SettingRow:hover { background: $foreground 4%; }
    SettingRow:ansi:hover { background: transparent; }
    .-short SettingRow { margin-bottom: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", id="setting.down", show=False, tooltip="The next setting."),
        Binding("up", "app.focus_previous", "Before", id="setting.up", show=False, tooltip="The setting before."),
        Binding("delete", "default", "Default", id="setting.default", tooltip="Take the default again."),
    ]

    value: reactive[Any] = reactive(None, layout=True)
    fixed: reactive[bool] = reactive(False, layout=True)

    class Changed(Message):
        """The user wants another value; None: the default."""

        def __init__(self, row: SettingRow, value: Any) -> None:
            super().__init__()
            self.row, self.value = row, value

        @property
        def control(self) -> SettingRow:
            return self.row

    def __init__(
        self, name: str, value: Any, default: Any, metadata: Mapping[str, Any], *, fixed: bool = False
    ) -> None:
        super().__init__(id=name)
        self.setting, self.default, self.metadata = name, default, metadata
        self.set_reactive(SettingRow.value, value)
        self.set_reactive(SettingRow.fixed, fixed)

    @property
    def is_default(self) -> bool:
        return bool(self.value == self.default)

    def ask(self, value: Any) -> None:
        """Say that the user wants that value."""
        if self.fixed:
            self.notify(
                "settings.toml says so, and what it says wins. Change it there, or take the line out.", markup=False
            )
        elif value != self.value:
            self.post_message(self.Changed(self, value))

    def action_default(self) -> None:
        if not self.is_default:
            self.ask(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "default" and (self.is_default or self.fixed))

    def watch_value(self) -> None:
        self.refresh_bindings()

    # Drawing

    def control_lines(self, width: int, focused: bool) -> list[Content]:
        """The value, in lines of at most that width."""
        raise NotImplementedError

    def note(self) -> str:
        """What is said below the value beside its meaning."""
        return ""

    @property
    def control_place(self) -> tuple[int, int]:
        """The column and the line at which the value begins."""
        stacked = self.content_size.width < _STACKED
        return (_MARGIN, 1) if stacked else (_MARGIN + _TITLE, 0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Content]:
        focused = self.has_focus
        stacked = width < _STACKED
        left = _MARGIN if stacked else _MARGIN + _TITLE
        control = self.control_lines(max(10, width - left), focused)
        mark = "› " if focused else "  "
        title = Content.styled(title_of(self.setting), "bold $primary" if focused else "bold")
        head = Content.assemble((mark, "$primary"), title)
        lines = []
        if stacked:
            lines.append(head)
            lines += [Content.assemble(" " * left, line) for line in control]
        else:
            gap = " " * (left - head.cell_length)
            lines.append(Content.assemble(head, gap, control[0]))
            lines += [Content.assemble(" " * left, line) for line in control[1:]]
        words = " ".join(filter(None, (self.metadata.get("meaning", ""), self.note())))
        for line in textwrap.wrap(words, max(10, width - left)):
            lines.append(Content.assemble(" " * left, (line, "$faint")))
        for line in textwrap.wrap(self._standing(), max(10, width - left)):
            lines.append(Content.assemble(" " * left, (line, "$warning" if self.fixed else "$faint")))
        return lines

    def _standing(self) -> str:
        if self.fixed:
            return "Set in settings.toml; change it there."
        return ""

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh(layout=True)
