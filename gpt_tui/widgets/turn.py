"""One turn of a conversation: who speaks, what is said, and which of several answers this is."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.selection import Selection
from textual.style import Style
from textual.widget import Widget

from gpt_tui.terminal import visible
from gpt_tui.widgets.hanging import Hanging


class Shown(NamedTuple):
    """A turn as it is to be shown: its number, who speaks, what is said, whose words they are (as in `exports`), which
    of how many versions it is, whether more is to come, and a few words below it."""

    turn: int
    speaker: str
    text: str
    author: str = "writer"
    version: int = 1
    versions: int = 1
    writing: bool = False
    note: str = ""


MOST_COLUMNS = 82
"""Longer lines are hard to read."""

VERSIONS = Binding.Group("Answers", compact=True)


class TurnView(Widget, can_focus=True):
    """A turn. It has the keys for what one does with it, and says so by messages; it changes nothing itself."""

    DEFAULT_CSS = """
    TurnView { height: auto; width: 1fr; padding: 0 1; margin-bottom: 1; }
    TurnView:focus { background: $surface; }
    TurnView.-forgotten { opacity: 55%; }
    TurnView.-horizon { border-top: solid $rule; border-title-color: $faint; border-title-align: center; }
    """
    HELP = """
    A turn of the conversation. Left and right step through the ways in which it was said; e changes it and goes on from
    there, r asks for another answer, y copies it.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "version(-1)", "Earlier answer", id="turn.earlier", tooltip="The one before.", group=VERSIONS),
        Binding("right", "version(1)", "Later answer", id="turn.later", tooltip="The one after.", group=VERSIONS),
        Binding("r", "again", "Another", id="turn.again", tooltip="Ask for another answer in this place."),
        Binding("e,enter", "edit", "Edit", id="turn.edit", tooltip="Change what is said here, and go on from there."),
        Binding("y,c", "copy", "Copy", id="turn.copy", tooltip="Copy this turn to the clipboard."),
        Binding("up,k", "neighbour(-1)", "Turn above", id="turn.up", show=False, tooltip="Go to the turn before."),
        Binding("down,j", "neighbour(1)", "Turn below", id="turn.down", show=False, tooltip="Go to the turn after."),
    ]

    class Asked(Message):
        """Something shall be done with the turn of that number: `version` (by so much), `again`, `edit`, `copy`, or
        `neighbour` (by so much) for another one to be looked at."""

        def __init__(self, view: TurnView, what: str, by: int = 0) -> None:
            super().__init__()
            self.view, self.turn, self.what, self.by = view, view.turn, what, by

    row: reactive[Shown] = reactive(Shown(0, "", ""), repaint=False)
    indent: reactive[int] = reactive(14, layout=True)
    """Columns of the name; 0: it stands above what is said."""

    def __init__(self, row: Shown) -> None:
        super().__init__()
        self.turn = row.turn
        self._visual: Hanging | None = None
        self.set_reactive(TurnView.row, row)

    def render(self) -> Hanging:
        if self._visual is None:
            self._visual = self._hanging()
        return self._visual

    def _hanging(self) -> Hanging:
        row = self.row
        colour = "$foreground" if row.author == "writer" else "$accent"
        name = Content.styled(visible(" ".join(row.speaker.split())), f"bold {colour}{' reverse' * self.has_focus}")
        return Hanging(name, self._said(), self.indent, MOST_COLUMNS)

    def watch_row(self, old: Shown, row: Shown) -> None:
        """Only when it takes another number of lines the whole screen has to be laid out anew."""
        before, self._visual = self._visual, None
        if self.is_mounted:
            width = self.content_size.width
            same = before is not None and before.get_height({}, width) == self.render().get_height({}, width)
            self.refresh(layout=not same)

    def watch_indent(self) -> None:
        self._visual = None

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._visual = None
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(self._said().plain), "\n"

    def _said(self) -> Content:
        row = self.row
        colour = {"model": "$model-text", "edited": "$edited-text"}.get(row.author, "")
        said = Content.styled(visible(row.text), colour) if colour else Content(visible(row.text))
        if row.writing:
            said = said.append(Content.styled("▌" if row.text else "▌ …", "$faint"))
        marks = self._marks(row.version, row.versions, "" if row.writing else row.note)
        return Content.assemble(said, "\n", marks) if marks.plain else said

    def _marks(self, version: int, versions: int, note: str) -> Content:
        parts: list[Content | tuple[str, str | Style]] = []
        if versions > 1:
            parts += [_button("‹", -1), (f" {version} of {versions} ", "$faint"), _button("›", 1)]
        if note:
            parts.append(("  " + note if parts else note, "$faint"))
        return Content.assemble(*parts)

    def action_version(self, by: int) -> None:
        self.post_message(self.Asked(self, "version", by))

    def action_again(self) -> None:
        self.post_message(self.Asked(self, "again"))

    def action_edit(self) -> None:
        self.post_message(self.Asked(self, "edit"))

    def action_copy(self) -> None:
        self.post_message(self.Asked(self, "copy"))

    def action_neighbour(self, by: int) -> None:
        self.post_message(self.Asked(self, "neighbour", by))

    def on_click(self, event: events.Click) -> None:
        step = event.style.meta.get("step")
        if isinstance(step, int):
            event.stop()
            self.action_version(step)
        elif event.chain == 2:
            event.stop()
            self.action_edit()


def _button(arrow: str, step: int) -> tuple[str, Style]:
    return arrow, Style(bold=True) + Style.from_meta({"step": step})
