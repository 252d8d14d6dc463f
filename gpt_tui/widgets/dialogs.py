"""The questions that any screen may ask: for a line of text (`Ask`), for yes or no (`Confirm`), for one of many things
(`Choose`). Each is pushed with `app.push_screen_wait` or with a callback, and answers None (False) when it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.terminal import visible

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A card over the screen. A subclass gives what lies on it; Escape, or a click beside it, leaves it."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 65% !important; }
    Dialog:ansi { background: transparent !important; }
    Dialog:ansi #card { border: round $rule; }
    Dialog:ansi Input { border: round $rule; padding: 0 1; }
    Dialog:ansi Input:focus { border: round $primary; }
    Dialog #card { width: 64; max-width: 92%; height: auto; max-height: 92%; padding: 1 3; background: $surface; }
    Dialog .dialog--title { color: $primary; text-style: bold; margin-bottom: 1; }
    Dialog .dialog--question { width: 1fr; height: auto; margin-bottom: 1; }
    Dialog .dialog--hint { color: $faint; height: auto; }
    Dialog .dialog--wrong { color: $error; height: auto; min-height: 1; }
    Dialog Input { border: none; height: 3; padding: 1 2; background: $background; }
    Dialog Input:focus { border: none; background: $background; background-tint: transparent; }
    Dialog #buttons { height: auto; width: 1fr; }
    Dialog Button.-style-default {
        width: auto; min-width: 10; height: 1; border: none !important; margin-right: 2; padding: 0 1;
        background: $foreground 12%; color: $foreground; text-style: none;
    }
    Dialog Button.-style-default:hover { background: $foreground 22%; }
    Dialog Button.-style-default:focus {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;
        background-tint: transparent;
    }
    Dialog.-danger #yes.-style-default:focus { background: $error; }
    Dialog.-short #card { padding: 0 2; max-height: 100%; }
    Dialog.-tiny #card { padding: 0 2; max-width: 100%; width: 100%; }
    Dialog.-short .dialog--title, Dialog.-short .dialog--question { margin-bottom: 0; }
    Dialog.-short Input { height: 1; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="dialog.cancel", show=False, tooltip="Leave without an answer.")
    ]

    def __init__(self, title: str = "") -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(id="card"):
            if self._title:
                yield Static(Content(visible(self._title)), classes="dialog--title")
            yield from self.card()

    def card(self) -> Iterable[Widget]:
        """What lies on the card, below its title."""
        raise NotImplementedError

    def cancelled(self) -> Result | None:
        """The answer of who leaves without one."""
        return None

    def action_leave(self) -> None:
        self.dismiss(self.cancelled())

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.action_leave()


class Ask(Dialog[str | None]):
    """Asks for a line of text. `check` says what is wrong with one, or None; what is wrong is not taken."""

    def __init__(
        self,
        question: str,
        value: str = "",
        *,
        title: str = "",
        placeholder: str = "",
        check: Callable[[str], str | None] | None = None,
    ) -> None:
        super().__init__(title)
        self._question, self._value, self._placeholder = question, value, placeholder
        self._check = check

    def card(self) -> Iterable[Widget]:
        yield Static(Content(visible(self._question)), classes="dialog--question")
        yield Input(self._value, placeholder=self._placeholder)
        yield Static("", classes="dialog--wrong", markup=False)
        with Horizontal(id="buttons"):
            yield Button("OK", id="yes")
            yield Button("Cancel", id="no")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def _wrong(self, value: str) -> str:
        return (self._check(value) or "") if self._check is not None else ""

    @on(Input.Changed)
    def _look(self, event: Input.Changed) -> None:
        event.stop()
        wrong = self._wrong(event.value) if event.value not in ("", self._value) else ""  # not before one has typed
        self.query_one(".dialog--wrong", Static).update(Content(visible(wrong)))

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        event.stop()
        self._take(event.value)

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self._take(self.query_one(Input).value)
        else:
            self.action_leave()

    def _take(self, value: str) -> None:
        wrong = self._wrong(value)
        if wrong:
            self.query_one(".dialog--wrong", Static).update(Content(visible(wrong)))
        else:
            self.dismiss(value)


class Confirm(Dialog[bool]):
    """Asks yes or no. With `danger` Enter alone says no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="dialog.yes", show=False, tooltip="Say yes."),
        Binding("n", "answer(False)", "No", id="dialog.no", show=False, tooltip="Say no."),
        Binding(
            "left,right,up,down",
            "other",
            "The other answer",
            id="dialog.other",
            show=False,
            tooltip="Goes to the other button.",
        ),
    ]

    def __init__(self, question: str, *, yes: str = "Yes", no: str = "No", danger: bool = False) -> None:
        super().__init__()
        self._question, self._yes, self._no, self._danger = question, yes, no, danger
        self.set_class(danger, "-danger")

    def card(self) -> Iterable[Widget]:
        yield Static(Content(visible(self._question)), classes="dialog--question")
        with Horizontal(id="buttons"):
            yield Button(Content(self._yes), id="yes")
            yield Button(Content(self._no), id="no")

    def on_mount(self) -> None:
        self.query_one("#no" if self._danger else "#yes", Button).focus()

    def cancelled(self) -> bool:
        return False

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)

    def action_other(self) -> None:
        self.query_one("#no" if self.query_one("#yes").has_focus else "#yes", Button).focus()

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")


class Choose(Dialog[str | None]):
    """Asks for one of several: `options` are what is answered and how it is shown. Where there are many, typing narrows
    them to those that hold every word typed."""

    DEFAULT_CSS = """
    Choose #card { width: 72; }
    Choose OptionList {
        height: auto; max-height: 50vh; border: none; padding: 0; margin: 1 0; background: $surface;
        scrollbar-size-vertical: 1;
    }
    Choose OptionList > .option-list--option { padding: 0 1; }
    Choose OptionList:focus { border: none; background-tint: transparent; }
    Choose.-few OptionList { margin: 0 0 1 0; }
    Choose.-short OptionList { margin: 0; max-height: 70vh; }
    """
    FEW = 6
    """Up to so many are all seen at a glance, and need no filter."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('cursor_up')", "Up", id="dialog.up", show=False, priority=True),
        Binding("down", "move('cursor_down')", "Down", id="dialog.down", show=False, priority=True),
        Binding("pageup", "move('page_up')", "Page up", id="dialog.page_up", show=False, priority=True),
        Binding("pagedown", "move('page_down')", "Page down", id="dialog.page_down", show=False, priority=True),
    ]

    def __init__(
        self, title: str, options: Sequence[tuple[str, str | Content]], *, chosen: str | None = None, hint: str = ""
    ) -> None:
        """`chosen`: the answer that the cursor stands on at first; `hint`: what the empty filter line says."""
        super().__init__(title)
        self._options = [(answer, _shown(label)) for answer, label in options]
        self._chosen, self._hint = chosen, hint or "Type to narrow the list"
        self._few = len(self._options) <= self.FEW
        self.set_class(self._few, "-few")
        self._answers: list[str] = []

    def card(self) -> Iterable[Widget]:
        if not self._few:
            yield Input(placeholder=self._hint)
        yield OptionList(markup=False)
        yield Static(Content("↑ ↓ to choose · Enter to accept · Esc to cancel"), classes="dialog--hint")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.can_focus = self._few  # else the filter line keeps the keys
        self._list("")
        if self._chosen in self._answers:
            options.highlighted = self._answers.index(self._chosen)
        (options if self._few else self.query_one(Input)).focus()

    def _list(self, typed: str) -> None:
        """Show those that hold every word typed, the first of them chosen."""
        words = typed.casefold().split()
        matching = [(answer, label) for answer, label in self._options if _holds(label.plain, words)]
        options = self.query_one(OptionList)
        options.set_options([Option(label) for _, label in matching])
        self._answers = [answer for answer, _ in matching]
        if not matching:
            options.add_option(Option(Content.styled("Nothing holds these words.", "$text-muted"), disabled=True))
        options.highlighted = 0 if matching else None

    def action_move(self, where: str) -> None:
        getattr(self.query_one(OptionList), f"action_{where}")()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._list(event.value)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is not None and self._answers:
            self.dismiss(self._answers[highlighted])

    @on(OptionList.OptionSelected)
    def _take_clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._answers[event.option_index])


def _shown(label: str | Content) -> Content:
    return label if isinstance(label, Content) else Content(visible(label))


def _holds(text: str, words: list[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)
