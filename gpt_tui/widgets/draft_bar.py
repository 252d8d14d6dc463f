"""The line under the text: which draft, how long, which model, what it sees, and what is going on."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from gpt_tui.terminal import visible
from gpt_tui.widgets.context_bar import ContextBar
from gpt_tui.widgets.line import Line


class DraftBar(Horizontal):
    """Its parts are reactives; what finds no room is left out from the right to the left."""

    DEFAULT_CSS = """
    DraftBar { height: 1; width: 1fr; padding: 0 1; color: $faint; }
    DraftBar Line { width: auto; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DraftBar #name { max-width: 32; color: $foreground 80%; margin-right: 2; }
    DraftBar #words { margin-right: 2; }
    DraftBar #model { color: $accent; margin-right: 2; max-width: 20; }
    DraftBar #context { margin-right: 1; }
    DraftBar.-close #name { max-width: 28; }
    DraftBar.-close #model { max-width: 14; }
    DraftBar.-close.-telling #name { max-width: 14; }
    DraftBar.-close.-telling #words { display: none; }
    DraftBar #doing { width: 1fr; min-width: 12; text-align: right; color: $faint; }
    DraftBar #doing.-busy { color: $primary; }
    DraftBar #doing.-wrong { color: $error; }
    """

    draft: reactive[str] = reactive("")
    unsaved: reactive[bool] = reactive(False)
    words: reactive[int] = reactive(0)
    chosen_words: reactive[int] = reactive(0)
    model: reactive[str] = reactive("")
    doing: reactive[str] = reactive("")
    mood: reactive[str] = reactive("")
    """`busy` while something is written, `wrong` when something went wrong."""

    class Clicked(Message):
        """One of its parts: `name`, `words`, `model`, `context` or `doing`."""

        def __init__(self, part: str) -> None:
            super().__init__()
            self.part = part

    def compose(self) -> ComposeResult:
        yield Line(id="name")
        yield Line(id="words")
        yield Line(id="model")
        yield ContextBar(id="context")
        yield Line(id="doing")

    def on_mount(self) -> None:
        self.watch_words()

    def on_resize(self) -> None:
        self.query_one(ContextBar).narrow = self.size.width < 82
        self.set_class(self.size.width < 96, "-close")

    def on_click(self, event: events.Click) -> None:
        if event.widget is not None and event.widget.id is not None:
            self.post_message(self.Clicked(event.widget.id))

    def _put(self, part: str, content: Content) -> None:
        if self.is_mounted:
            self.query_one(f"#{part}", Line).put(content)

    def _show_name(self) -> None:
        mark = ("● ", "$primary") if self.unsaved else ("", "")
        self._put("name", Content.assemble(mark, visible(self.draft)))

    def watch_draft(self) -> None:
        self._show_name()

    def watch_unsaved(self, unsaved: bool) -> None:
        self._show_name()
        if self.is_mounted:
            self.query_one("#name").tooltip = "Not yet written to the file: Ctrl+S" if unsaved else None

    def watch_words(self) -> None:
        words = "1 word" if self.words == 1 else f"{self.words:,} words"
        self._put("words", Content(f"{self.chosen_words:,} of {words}" if self.chosen_words else words))

    def watch_chosen_words(self) -> None:
        self.watch_words()

    def watch_model(self) -> None:
        self._put("model", Content(visible(self.model)))

    def watch_doing(self) -> None:
        self.set_class(bool(self.doing), "-telling")
        self._put("doing", Content(visible(self.doing)))

    def watch_mood(self) -> None:
        if self.is_mounted:
            doing = self.query_one("#doing")
            doing.set_class(self.mood == "busy", "-busy")
            doing.set_class(self.mood == "wrong", "-wrong")
