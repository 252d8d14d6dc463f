"""A model's childhood: the same words gone on with by each moment of it that is kept, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from gpt_tui.terminal import visible


class Moment(Vertical):
    """One moment of the model, and what it writes."""

    DEFAULT_CSS = """
    Moment { height: auto; min-height: 6; background: $surface; padding: 0 1; }
    Moment .moment-title { height: 1; color: $primary; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    Moment .moment-text { height: auto; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        yield Static(Content(self._title), classes="moment-title")
        yield Static("", classes="moment-text", markup=False)

    def tell(self, prompt: str, text: str, note: str = "") -> None:
        """The prompt, what it went on with, and, in faint words, what it is doing."""
        words = Content.assemble(visible(prompt), (visible(text), "$model-text"), (note, "$faint"))
        self.query_one(".moment-text", Static).update(words)


class Childhood(Vertical):
    """Asks for a prompt; whoever hears `Asked` tells it what each moment wrote. `writing`: whether that goes on."""

    DEFAULT_CSS = """
    Childhood { height: 1fr; }
    Childhood #childhood-ask { height: 1; }
    Childhood #childhood-label { width: auto; color: $faint; padding: 0 1 0 0; }
    Childhood Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $surface; }
    Childhood Input:focus { border: none; background: $panel; background-tint: transparent; }
    Childhood #childhood-hint { height: auto; color: $faint; margin: 0 0 1 0; }
    Childhood VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    Childhood Grid { height: auto; grid-size: 1; grid-rows: auto; grid-gutter: 1 2; }
    """
    CARD = 34
    """The width that a moment has at least, where the screen is wide enough."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "ask", "Let them write", id="training.childhood_write",
                tooltip="Let each kept moment of the model go on with these words."),
        Binding("e", "edit", "Other words", id="training.childhood_edit",
                tooltip="Change the words that they begin with."),
        Binding("escape", "leave", "Stop writing", id="training.childhood_stop", show=False,
                tooltip="Stop the moments that are still writing; once more: leave the line."),
    ]  # fmt: skip

    class Asked(Message):
        """The user wants each moment to go on with this."""

        def __init__(self, prompt: str) -> None:
            super().__init__()
            self.prompt = prompt

    class Cancelled(Message):
        """The user wants no more of it."""

    writing: reactive[bool] = reactive(False)
    hint: reactive[str] = reactive("")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._moments: dict[str, Moment] = {}
        self._prompt = ""

    def compose(self) -> ComposeResult:
        with Horizontal(id="childhood-ask"):
            yield Static("Begin with", id="childhood-label", markup=False)
            yield Input(placeholder="a few words, then Enter")
        yield Static("", id="childhood-hint", markup=False)
        with VerticalScroll(can_focus=True):
            yield Grid()

    @property
    def prompt(self) -> str:
        """The words to begin with; in the line ↵ stands for their newlines."""
        return self.query_one(Input).value.replace("↵", "\n")

    def suggest(self, prompt: str) -> None:
        """Words to begin with, while the user has given none."""
        field = self.query_one(Input)
        if not field.value:
            field.value = prompt.replace("\r", "").replace("\n", "↵")

    async def begin(self, titles: dict[str, str], prompt: str) -> None:
        """New moments, by key with their titles; none has written yet."""
        self._prompt = prompt
        grid = self.query_one(Grid)
        await grid.remove_children()
        self._moments = {key: Moment(title) for key, title in titles.items()}
        await grid.mount(*self._moments.values())
        self._fit()
        for moment in self._moments.values():
            moment.tell("", "", "waiting")
        self.writing = True

    def tell(self, key: str, text: str, note: str = "") -> None:
        """What that moment has written by now."""
        if key in self._moments:
            self._moments[key].tell(self._prompt, text, note)

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        across = max(1, min(len(self._moments) or 1, (self.size.width + 2) // (self.CARD + 2)))
        rows = -(-len(self._moments) // across) if self._moments else 1
        across = -(-len(self._moments) // rows) if self._moments else 1  # as even as can be
        self.query_one(Grid).styles.grid_size_columns = max(1, across)

    def watch_hint(self, hint: str) -> None:
        for line in self.query("#childhood-hint").results(Static):
            line.update(Content(hint))

    def watch_writing(self, writing: bool) -> None:
        for label in self.query("#childhood-label").results(Static):
            label.update("Writing …" if writing else "Begin with")

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_ask()

    def action_ask(self) -> None:
        self.post_message(self.Asked(self.prompt))

    def action_edit(self) -> None:
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        if self.writing:
            self.post_message(self.Cancelled())
        else:
            self.query_one(VerticalScroll).focus()


def moment_titles(kept: Sequence[int], best: bool, when: Callable[[int], str] = lambda _: "") -> dict[str, str]:
    """The moments by the names that the generator knows them by, each with its title. `when`: a step's time in
    words."""
    titles = {str(step): " · ".join(filter(None, (f"step {step:,}", when(step)))) for step in kept}
    if best:
        titles["best"] = "the best"
    return titles
