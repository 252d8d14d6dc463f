"""What can be done with a draft, each by its letter: what is wanted too seldom for a key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class Entry(NamedTuple):
    """Its letter, its name, the action that it stands for, and whether it is on, where it is a switch."""

    letter: str
    title: str
    action: str
    on: bool | None = None


class DraftMenu(ModalScreen[str | None]):
    """Answers with an action. Entries in groups, with a gap between them."""

    DEFAULT_CSS = """
    DraftMenu { align: center middle; background: $background 65%; }
    DraftMenu #card { width: 46; max-width: 96%; height: auto; max-height: 96%; padding: 1 2; background: $surface; }
    DraftMenu .title {
        color: $primary; text-style: bold; padding: 0 1; margin-bottom: 1;
        height: 1; text-wrap: nowrap; text-overflow: ellipsis;
    }
    DraftMenu OptionList {
        height: auto; max-height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
    }
    DraftMenu OptionList:focus { border: none; background-tint: transparent; }
    DraftMenu OptionList > .option-list--option { padding: 0 1; }
    DraftMenu OptionList:focus > .option-list--option-highlighted {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
        text-style: $block-cursor-blurred-text-style;
    }
    DraftMenu OptionList > .option-list--separator { color: $rule; }
    DraftMenu.-short #card { padding: 0 1; max-height: 100%; }
    DraftMenu.-short .title { margin-bottom: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f10", "leave", "Close", id="menu.close", show=False, tooltip="Back to the text."),
    ]

    def __init__(self, title: str, groups: Sequence[Sequence[Entry]]) -> None:
        super().__init__()
        self._title, self._groups = title, groups

    def compose(self) -> ComposeResult:
        options: list[Option | None] = []
        for group in self._groups:
            options += [None] if options else []
            options += [Option(self._row(entry), id=entry.letter) for entry in group]
        with Vertical(id="card"):
            yield Static(self._title, classes="title", markup=False)
            yield OptionList(*options, markup=False, compact=True)

    def _row(self, entry: Entry) -> Content:
        mark = "  " if entry.on is None else "✓ " if entry.on else "· "
        return Content.assemble((f"{entry.letter}  ", "bold $primary"), (mark, "$primary"), entry.title)

    @property
    def _actions(self) -> dict[str, str]:
        return {entry.letter: entry.action for group in self._groups for entry in group}

    def on_key(self, event: events.Key) -> None:
        if event.character is not None and event.character in self._actions:
            event.stop()
            self.dismiss(self._actions[event.character])

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._actions[str(event.option.id)])

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
