"""The exact text that a model reads before it goes on, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Static

from gpt_tui.terminal import visible

if TYPE_CHECKING:
    from engine.generation.messages import Tokenized

_SHADES = ("$foreground 8%", "$secondary 28%")


class SentView(ModalScreen[None]):
    """`numbers`: with each token's id after it."""

    DEFAULT_CSS = """
    SentView { align: center middle; background: $background 65%; }
    SentView #card { width: 92; max-width: 96%; height: auto; max-height: 92%; padding: 1 2; background: $surface; }
    SentView .title { color: $primary; text-style: bold; }
    SentView #says { color: $faint; height: auto; margin-bottom: 1; }
    SentView VerticalScroll { height: auto; max-height: 1fr; scrollbar-size-vertical: 1; }
    SentView #tokens { height: auto; }
    SentView #hint { color: $faint; margin-top: 1; height: auto; }
    SentView.-short #card { padding: 0 1; max-height: 100%; }
    SentView.-short #says { margin-bottom: 0; }
    SentView.-short #hint { margin-top: 0; }
    SentView.-tiny #card { width: 100%; max-width: 100%; }
    """
    HELP = "What the model reads, in the pieces that it reads: its tokens, alternately shaded, with their numbers."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,i", "numbers", "Numbers", id="sent.numbers", tooltip="With or without each token's number."),
        Binding("escape,f8,q,enter", "leave", "Close", id="sent.close", tooltip="Back to the text."),
        Binding("up", "scroll(-1)", "Up", id="sent.up", show=False),
        Binding("down", "scroll(1)", "Down", id="sent.down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", id="sent.page_up", show=False),
        Binding("pagedown,space", "scroll(10)", "Page down", id="sent.page_down", show=False),
    ]

    numbers: reactive[bool] = reactive(True)

    def __init__(self, seen: Tokenized, title: str) -> None:
        super().__init__()
        self._seen, self._title = seen, title

    def compose(self) -> ComposeResult:
        with Vertical(id="card"):
            yield Static(self._title, classes="title", markup=False)
            yield Static(self._says(), id="says", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static("", id="tokens", markup=False)
            yield Static("N numbers on or off · ↑ ↓ scroll · Esc close", id="hint", markup=False)

    def on_mount(self) -> None:
        self._draw()
        self.query_one(VerticalScroll).scroll_end(animate=False)

    def _says(self) -> str:
        seen = self._seen
        left = max(0, seen.room - seen.sent)
        words = f"{seen.sent:,} tokens of the {seen.room:,} that it sees at once; {left:,} more fit before it forgets."
        if seen.first:
            words += f" The {seen.first:,} before them are out of its sight."
        unknown = sum(1 for place in seen.unknown if place >= seen.first)
        return words + (f" {unknown:,} are words that it does not know." if unknown else "")

    def watch_numbers(self) -> None:
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        seen, unknown = self._seen, set(self._seen.unknown)
        parts: list[Content | tuple[str, str]] = []
        if seen.sent > len(seen.ids) - seen.first:
            parts.append(("⟨a text begins⟩", "$faint on $foreground 8%"))
        for place in range(seen.first, len(seen.ids)):
            shade = _SHADES[place % 2]
            text = visible(seen.texts[place].replace("\r\n", "\n").replace("\n", "↵\n"))
            end = "\n" if text.endswith("\n") else ""
            style = f"underline $foreground on {shade}" if place in unknown else f"$foreground on {shade}"
            parts.append((text.removesuffix(end), style))
            if self.numbers:
                parts.append((str(seen.ids[place]), f"$faint on {shade}"))
            parts.append((end, ""))
        self.query_one("#tokens", Static).update(Content.assemble(*parts) if parts else "Nothing: a new text begins.")

    def action_numbers(self) -> None:
        self.numbers = not self.numbers

    def action_scroll(self, rows: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)
