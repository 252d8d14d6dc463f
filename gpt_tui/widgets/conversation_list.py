"""The conversations that were kept: a line to search them, and the list of what is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.phrases import ago, moment
from gpt_tui.terminal import visible

if TYPE_CHECKING:
    from gpt_tui.conversations import Summary


class ConversationList(Vertical):
    """It shows what it is given by `show`, and says by messages what is looked for and what shall be done."""

    DEFAULT_CSS = """
    ConversationList { width: 34; height: 1fr; background: $surface; padding: 1 0 0 0; }
    ConversationList > .title { color: $primary; text-style: bold; padding: 0 2; }
    ConversationList > Input { border: none; height: 1; margin: 1 2; padding: 0 1; background: $background; }
    ConversationList > Input:focus { border: none; background-tint: transparent; }
    ConversationList > OptionList {
        width: 100%; height: 1fr; border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    ConversationList > OptionList:focus { border: none; background-tint: transparent; }
    ConversationList > OptionList > .option-list--option { padding: 0 2; }
    """
    HELP = """
    The conversations that were kept. What is typed into the line above looks through all that was said in them. In the
    list Enter opens one, r gives it another name, d deletes it, and u brings back what was deleted.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "ask('rename')", "Rename", id="conversations.rename", tooltip="Give it another name."),
        Binding("d,delete", "ask('delete')", "Delete", id="conversations.delete", tooltip="Move it to the trash."),
        Binding(
            "u", "ask('restore')", "Undo delete", id="conversations.restore", tooltip="Bring back the deleted one."
        ),
        Binding("escape", "ask('close')", "Back", id="conversations.close", tooltip="Back to the conversation."),
        Binding("down", "list", "To the list", id="conversations.list", show=False, tooltip="Go to the list."),
    ]

    class Asked(Message):
        """Something shall be done: `open`, `rename`, `delete` with that conversation; `restore`, `close`."""

        def __init__(self, what: str, conversation: str = "") -> None:
            super().__init__()
            self.what, self.conversation = what, conversation

    class Searched(Message):
        """Those that hold these words shall be shown."""

        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    def compose(self) -> ComposeResult:
        yield Static("Conversations", classes="title")
        yield Input(placeholder="Search what was said", compact=True)
        yield OptionList(markup=False)

    def show(self, summaries: Sequence[Summary], current: str = "") -> None:
        """These, the newest first; the cursor stands on `current`, if it is among them."""
        options = self.query_one(OptionList)
        before = self._chosen() or current
        options.set_options([Option(_row(summary), id=summary.id) for summary in summaries])
        if not summaries:
            nothing = "Nothing holds these words." if self.query_text else "What you say here is kept."
            options.add_option(Option(Content.styled(nothing, "$faint"), disabled=True))
            return
        ids = [summary.id for summary in summaries]
        wanted = before if before in ids else current
        options.highlighted = ids.index(wanted) if wanted in ids else 0

    @property
    def query_text(self) -> str:
        return self.query_one(Input).value

    def begin(self) -> None:
        """Put the focus where one searches."""
        self.query_one(Input).focus()

    def _chosen(self) -> str:
        option = self.query_one(OptionList).highlighted_option
        return (option.id or "") if option is not None else ""

    def action_ask(self, what: str) -> None:
        self.post_message(self.Asked(what, self._chosen()))

    def action_list(self) -> None:
        self.query_one(OptionList).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Searched(event.value))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if self._chosen():
            self.action_ask("open")

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_ask("open")


def _row(summary: Summary) -> Content:
    if summary.problem:
        return Content.assemble(visible(summary.title), "\n", (visible(summary.problem), "$error"))
    about = [summary.them, ago(moment(summary.changed)), summary.model]
    lines = [Content(visible(summary.title)), Content.styled(visible(" · ".join(filter(None, about))), "dim")]
    if summary.excerpt:
        lines.append(Content.styled(visible(summary.excerpt), "italic dim"))
    return Content("\n").join(lines)
