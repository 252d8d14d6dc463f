"""Help: what every key does where it was asked, what one does there, and the words. It writes itself, from the
bindings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from gpt_tui.glossary import WORDS
from gpt_tui.palette import bindings_of
from gpt_tui.screens.base import Aside
from gpt_tui.widgets.help_text import HelpText, Line, Section
from gpt_tui.widgets.top_bar import PLACES

if TYPE_CHECKING:
    from gpt_tui.app import Services

_KINDS = {
    "Input": "In the line of text",
    "TextArea": "In the text",
    "Editor": "In the text",
    "OptionList": "In the list",
    "DataTable": "In the table",
    "DirectoryTree": "In the folders",
    "Select": "In the choice",
    "Button": "On the button",
    "VerticalScroll": "While it scrolls",
    "ScrollableContainer": "While it scrolls",
}
"""What the keys of Textual's own widgets are called."""


_MOVES = "Up and down, by pages, and to either end."
_PLAINER: tuple[tuple[str, str, str], ...] = (
    (r"focus next", "Onward", "To the next part of the screen."),
    (r"focus previous", "Backward", "To the part of the screen before."),
    (r"(scroll|page) (left|right)", "", ""),
    (r".*cursor to .*|expand or collapse all", "", ""),
    (r"((scroll|page|cursor) )?(up|down|home|end|first|last|top|bottom)", "Move", _MOVES),
    (r"(move )?cursor .*select|select (line|all).*", "Mark", "With Shift the cursor marks what it goes over."),
    (r"(move )?cursor .*|go to .*", "Move", "By letters and words, and to the line’s ends."),
    (r"delete .*", "Delete", "Letters, words, or to the line’s ends."),
    (r"cut.*", "Cut", "What is marked, to the clipboard."),
    (r"copy.*", "Copy", "What is marked, to the clipboard."),
    (r"paste.*", "Paste", "From the clipboard."),
    (r"press button", "Press", "Does what the button says."),
    (r"select", "Choose", "Takes what the cursor is on."),
    (r"submit", "Done", "Takes what was typed."),
    (r"show menu", "Open", "Shows what there is to choose from."),
)
"""What Textual calls its own keys, in our words; without words: what does nothing here."""
_WIDEST = 22


def _in_our_words(binding: Binding) -> tuple[str, str]:
    if binding.id is None:
        for pattern, words, sentence in _PLAINER:
            if re.fullmatch(pattern, binding.description.casefold()):
                return words, sentence
    return binding.description, binding.tooltip


def sections(screen: Screen[Any]) -> Iterator[Section]:
    """What there is to say of a screen as it stands: its own keys first, then those of the focused widget and of what
    that stands in, those of the app last."""
    by_node: dict[DOMNode, list[tuple[bool, Line]]] = {}
    for node, binding, keys in bindings_of(screen, by_key=True):
        words, sentence = _in_our_words(binding)
        keys = "  ".join(key for key in keys.split("  ") if "super+" not in key)
        if words and keys:
            by_node.setdefault(node, []).append((binding.id is None, Line(keys, words, sentence)))
    yield Section(title_of(screen), _own_help(screen))
    for node in sorted(by_node, key=lambda node: (node is not screen, node is screen.app)):
        lines = [line for _, line in sorted(by_node[node], key=lambda pair: pair[0])]  # Textual's own come last
        text = "" if node is screen else _own_help(node)
        yield Section(title_of(node, keys=True), text, tuple(_once(lines)))


def _once(lines: list[Line]) -> list[Line]:
    """Keys that do the same under the same words, on one line."""
    merged: dict[tuple[str, str], Line] = {}
    for line in lines:
        same = merged.get((line.words, line.sentence))
        head = line.head if same is None else f"{same.head}  {line.head}"
        if same is not None and len(head) > _WIDEST:
            head = same.head if same.head.endswith("…") else f"{same.head} …"
        merged[line.words, line.sentence] = Line(head, line.words, line.sentence)
    return list(merged.values())


def _own_help(node: DOMNode) -> str:
    """The text of a class of ours; Textual's own widgets speak to programmers."""
    text = getattr(node, "HELP", None) if type(node).__module__.startswith("gpt_tui") else None
    return "\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def title_of(node: DOMNode, *, keys: bool = False) -> str:
    """What a screen or widget is called."""
    if node is node.app:
        return "Everywhere"
    if isinstance(node, Screen):
        place = getattr(node, "NAME", "")
        name = PLACES[place][1] if place in PLACES else str(node.TITLE or "") or _spaced(type(node).__name__)
        return f"Keys: {name}" if keys else name
    if node.BINDING_GROUP_TITLE:
        return node.BINDING_GROUP_TITLE
    for kind in type(node).__mro__:
        if kind.__name__ in _KINDS and not type(node).__module__.startswith("gpt_tui"):
            return _KINDS[kind.__name__]
    return f"In the {_spaced(type(node).__name__).lower()}"


def _spaced(name: str) -> str:
    """DraftList → Draft list."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name).split()
    words = [word for word in words if word not in ("Screen", "Widget")] or words
    return " ".join(words).capitalize()


def general() -> Iterator[Section]:
    """What is the same everywhere."""
    from gpt_tui.theme_files import EXAMPLE

    yield Section("Words", lines=tuple(Line(word, "", sentence) for word, sentence in WORDS.items()))
    yield Section(
        "A theme of your own",
        "A file in the folder themes (Settings, Folders, says where) is a theme. Only primary is needed:",
        plain=EXAMPLE,
    )


class HelpScreen(Aside):
    """Help for the screen that it was asked from."""

    TITLE = "Help"
    CSS_PATH = "../styles/help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="help.search", tooltip="Search keys and words."),
    ]
    AUTO_FOCUS = "#page"

    def __init__(self, services: Services, asked_from: Screen[Any]) -> None:
        super().__init__(services)
        self._sections = (*sections(asked_from), *general())

    def content(self) -> Iterable[Widget]:
        yield Input(placeholder="Search keys and words: press /", id="search")
        with VerticalScroll(id="page"):
            yield HelpText()

    def on_mount(self) -> None:
        self.query_one(HelpText).sections = self._sections

    def action_search(self) -> None:
        self.query_one("#search", Input).focus()

    def action_close(self) -> None:
        """Escape leaves the search first."""
        search = self.query_one("#search", Input)
        if search.has_focus or search.value:
            search.value = ""
            self.query_one("#page").focus()
        else:
            super().action_close()

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(HelpText).search = event.value
        self.query_one("#page", VerticalScroll).scroll_home(animate=False)

    @on(Input.Submitted, "#search")
    def _read(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#page").focus()
