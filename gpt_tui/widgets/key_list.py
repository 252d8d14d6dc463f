"""Everything that has a key, with its id: searched by typing, changed by pressing the new key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from gpt_tui.keys import Action, spelled

_KEYS, _WORDS = 16, 26


class KeyList(Widget):
    """`show(…)` lists actions; `Wanted` says that one shall have another key, `Default` that it shall have its own."""

    DEFAULT_CSS = """
    KeyList { height: 1fr; }
    KeyList Input { height: 1; border: none; padding: 0 1; margin: 0 2 1 2; background: $surface; }
    KeyList Input:focus { border: none; background: $panel; background-tint: transparent; }
    KeyList OptionList {
        height: 1fr; border: none; padding: 0; background: $background; scrollbar-size-vertical: 1;
    }
    KeyList OptionList:focus { border: none; background-tint: transparent; }
    KeyList OptionList > .option-list--option { padding: 0 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="keys.search", tooltip="Search the keys by what they do, or by id."),
        Binding("enter", "change", "Change", id="keys.change", tooltip="Give it another key."),
        Binding("delete", "default", "Default", id="keys.default", tooltip="Give it its own key again."),
    ]

    class Wanted(Message):
        """The user wants another key for that."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    class Default(Message):
        """The user wants its own key for that again."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    def __init__(self) -> None:
        super().__init__()
        self._actions: list[Action] = []
        self._shown: list[Action] = []
        self._chosen: Mapping[str, str] = {}
        self._fixed: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Search: what it does, its key, or its id")
        yield OptionList(markup=False, compact=True)

    def show(self, actions: Sequence[Action], chosen: Mapping[str, str], fixed: frozenset[str]) -> None:
        """List the actions; `chosen`: those whose keys the user changed, by id; `fixed`: those of settings.toml."""
        self._actions, self._chosen, self._fixed = list(actions), chosen, fixed
        self._list(self.query_one(Input).value)

    @property
    def current(self) -> Action | None:
        """The one under the cursor."""
        index = self.query_one(OptionList).highlighted
        return self._shown[index] if index is not None and index < len(self._shown) else None

    def _list(self, typed: str) -> None:
        before = self.current
        words = typed.casefold().split()
        self._shown = [action for action in self._actions if _holds(action, words)]
        options = self.query_one(OptionList)
        options.set_options([Option(self._row(action)) for action in self._shown])
        if not self._shown:
            options.add_option(Option(Content.styled("Nothing holds these words.", "$faint"), disabled=True))
        ids = [action.id for action in self._shown]
        options.highlighted = ids.index(before.id) if before and before.id in ids else 0 if ids else None

    def _row(self, action: Action) -> Content:
        keys = "  ".join(spelled(key) for key in action.keys)
        if len(keys) >= _KEYS:
            keys = keys[: _KEYS - 2] + "…"
        mine = action.id in self._chosen
        standing = "  in settings.toml" if action.id in self._fixed else "  changed" if mine else ""
        narrow = self.size.width < 70
        words = action.description if narrow else f"{action.place}: {action.description}"
        if not narrow and len(words) > _WORDS + 8:
            words = words[: _WORDS + 7] + "…"
        return Content.assemble(
            (keys.ljust(_KEYS), "bold"),
            words.ljust(20 if narrow else _WORDS + 9),
            " ",
            action.id,
            (standing, "bold"),
        )

    def on_resize(self) -> None:
        self._list(self.query_one(Input).value)

    def action_search(self) -> None:
        self.query_one(Input).focus()

    def action_change(self) -> None:
        if (action := self.current) is not None:
            self.post_message(self.Wanted(action))

    def action_default(self) -> None:
        if (action := self.current) is not None and action.id in self._chosen:
            self.post_message(self.Default(action))

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._list(event.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_change()

    def on_key(self, event: events.Key) -> None:
        """Out of the search line by Down and Escape."""
        if event.key in ("down", "escape") and self.query_one(Input).has_focus:
            event.stop()
            event.prevent_default()
            self.query_one(OptionList).focus()


def _holds(action: Action, words: list[str]) -> bool:
    text = " ".join((action.id, action.place, action.description, action.tooltip, *action.keys)).casefold()
    return all(word in text for word in words)
