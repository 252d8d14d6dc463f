"""All drafts, the latest first, searched in full text as one types. It is told how to find them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from gpt_tui.drafts import Summary
from gpt_tui.terminal import visible
from gpt_tui.widgets.bars import fitted


class DraftList(ModalScreen[str | None]):
    """Answers with the id of a draft, with an empty text for a new one, or with None."""

    DEFAULT_CSS = """
    DraftList { align: center top; background: $background 65%; }
    DraftList #card {
        width: 88; max-width: 94%; height: auto; max-height: 90%; margin-top: 2; padding: 1 2; background: $surface;
    }
    DraftList .title { color: $primary; text-style: bold; margin: 0 1 1 1; }
    DraftList Input { border: none; height: 1; padding: 0 1; background: $background; margin-bottom: 1; }
    DraftList Input:focus { border: none; background-tint: transparent; }
    DraftList OptionList {
        height: auto; max-height: 18; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
    }
    DraftList OptionList > .option-list--option { padding: 0 1; }
    DraftList OptionList > .option-list--option-highlighted {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
        text-style: $block-cursor-blurred-text-style;
    }
    DraftList #hint { color: $faint; margin: 1 1 0 1; height: auto; }
    DraftList.-short #card { margin: 0; max-height: 100%; padding: 0 1; }
    DraftList.-short .title, DraftList.-short Input { margin-bottom: 0; }
    DraftList.-short OptionList { max-height: 1fr; }
    DraftList.-short #hint { margin-top: 0; }
    DraftList.-tiny #card { width: 100%; max-width: 100%; }
    """
    HELP = "Your drafts. Type to search in their titles and texts; Enter opens one."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('cursor_up')", "Up", id="drafts.up", show=False, priority=True),
        Binding("down", "move('cursor_down')", "Down", id="drafts.down", show=False, priority=True),
        Binding("pageup", "move('page_up')", "Page up", id="drafts.page_up", show=False, priority=True),
        Binding("pagedown", "move('page_down')", "Page down", id="drafts.page_down", show=False, priority=True),
        Binding("ctrl+n", "new", "New", id="drafts.new", priority=True, tooltip="Begin a new draft."),
        Binding("ctrl+r", "rename", "Rename", id="drafts.rename", priority=True, tooltip="Give this draft a name."),
        Binding("ctrl+d", "delete", "Delete", id="drafts.delete", priority=True, tooltip="Move it to the trash."),
        Binding("ctrl+z", "undo", "Undo", id="drafts.undo", priority=True, tooltip="Bring back what was deleted last."),
        Binding("escape", "leave", "Close", id="drafts.close", show=False, tooltip="Back to the text."),
    ]

    def __init__(
        self,
        find: Callable[[str], Awaitable[Sequence[Summary]]],
        do: Callable[[str, str, str], Awaitable[None]],
        here: str = "",
    ) -> None:
        """`find` gives the drafts that hold these words. `do` is told a verb, a draft's id and its title: `rename`,
        `delete`, or `undo` of what was deleted last. `here`: the draft that is open."""
        super().__init__()
        self._find, self._do, self._here = find, do, here
        self._found: list[Summary] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="card"):
            yield Static("Drafts", classes="title")
            yield Input(placeholder="Search in all drafts")
            yield OptionList(markup=False)
            yield Static(
                "Enter opens · Ctrl+N new · Ctrl+R rename · Ctrl+D delete · Ctrl+Z undo",
                id="hint",
                markup=False,
            )

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self.search()

    @work(group="find", exclusive=True)
    async def search(self) -> None:
        """Show the list anew; an answer to what is no longer asked finds no worker."""
        query = self.query_one(Input).value
        self._show(query, await self._find(query))

    def _show(self, query: str, found: Sequence[Summary]) -> None:
        options = self.query_one(OptionList)
        kept = self._chosen()
        self._found = list(found)
        options.set_options([Option(self._row(summary)) for summary in self._found])
        if not self._found:
            nothing = "No draft holds these words." if query.strip() else "No drafts yet. Ctrl+N begins one."
            options.add_option(Option(Content.styled(nothing, "$faint"), disabled=True))
            return
        ids = [summary.id for summary in self._found]
        options.highlighted = ids.index(kept.id) if kept is not None and kept.id in ids else 0

    def _chosen(self) -> Summary | None:
        index = self.query_one(OptionList).highlighted
        return self._found[index] if index is not None and index < len(self._found) else None

    def _row(self, summary: Summary) -> Content:
        width = max(30, self.query_one(OptionList).content_size.width - 3)
        when = ago(summary.changed)
        words = "1 word" if summary.words == 1 else f"{summary.words:,} words"
        aside = f"{words:>13}  {when:>12}" if width >= 56 else f"{when:>12}"
        title = fitted(visible(summary.title), width - len(aside))
        own = "own file · " if summary.file is not None else ""
        here = "open here · " if summary.id == self._here else ""
        below = summary.passage or str(summary.file or (f"with {summary.model}" if summary.model else "no model yet"))
        second = fitted(visible(f"{here}{own}{' '.join(below.split())}"), width)
        return Content.assemble(title, (aside, "$faint"), "\n", second.stylize("$faint"))

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        event.stop()
        self.search()

    @on(Input.Submitted)
    def _open(self, event: Input.Submitted) -> None:
        event.stop()
        if (chosen := self._chosen()) is not None:
            self.dismiss(chosen.id)

    @on(OptionList.OptionSelected)
    def _open_clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._found[event.option_index].id)

    def action_move(self, where: str) -> None:
        getattr(self.query_one(OptionList), f"action_{where}")()

    def action_new(self) -> None:
        self.dismiss("")

    def action_rename(self) -> None:
        self._want("rename")

    def action_delete(self) -> None:
        self._want("delete")

    def action_undo(self) -> None:
        self._act("undo", "", "")

    def _want(self, verb: str) -> None:
        if (chosen := self._chosen()) is not None:
            self._act(verb, chosen.id, chosen.title)

    @work(group="act")
    async def _act(self, verb: str, id_: str, title: str) -> None:
        await self._do(verb, id_, title)
        if self.is_attached:
            self.search()

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)


def ago(then: datetime, now: datetime | None = None) -> str:
    """When that was, as one says it: just now, 5 min ago, 14:02, yesterday, 3 Nov, Nov 2025."""
    now = now or datetime.now(UTC)
    seconds = (now - then).total_seconds()
    here, today = then.astimezone(), now.astimezone()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    days = (today.date() - here.date()).days
    if days == 0:
        return f"{here:%H:%M}"
    if days == 1:
        return "yesterday"
    return f"{here.day} {here:%b}" if here.year == today.year else f"{here:%b %Y}"
