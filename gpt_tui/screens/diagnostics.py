"""What runs here and how it stands, on one page that can be copied into a letter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from gpt_tui import diagnostics, keys
from gpt_tui.diagnostics import Part
from gpt_tui.screens.base import Aside
from gpt_tui.widgets.help_text import HelpText, Line, Section

if TYPE_CHECKING:
    from gpt_tui.app import Services


_COLOURS = {1 << 24: "all (true colour)", 2: "none"}


class DiagnosticsScreen(Aside):
    """Reads everything in a thread, and shows each part when it is there."""

    TITLE = "Diagnostics"
    HELP = "What runs here, where it lies, and what was written to the logs. c copies all of it, to send it to someone."
    CSS_PATH = "../styles/diagnostics.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="diagnostics.copy", tooltip="Copy all of it as text."),
        Binding("r", "again", "Again", id="diagnostics.again", tooltip="Look again."),
    ]
    AUTO_FOCUS = "#page"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._parts: dict[str, list[Part]] = {}

    def content(self) -> Iterable[Widget]:
        with VerticalScroll(id="page"):
            yield HelpText()

    def on_mount(self) -> None:
        self._look()

    @work(exclusive=True)
    async def _look(self) -> None:
        self._parts = {"versions": [], "machine": [], "terminal": [self._terminal()], "generator": [self._generator()]}
        self._parts |= {"trainings": [], "folders": [], "logs": []}
        for name, read in (
            ("versions", lambda: [diagnostics.versions()]),
            ("machine", lambda: [diagnostics.device()]),
            ("trainings", lambda: [diagnostics.trainings()]),
            ("logs", diagnostics.logs),
            ("folders", lambda: [diagnostics.folders()]),
        ):
            self._parts[name] = await asyncio.to_thread(read)
            self._show()

    def _show(self) -> None:
        self.query_one(HelpText).sections = tuple(
            Section(part.title, "", tuple(Line(name, "", value) for name, value in part.facts), "\n".join(part.lines))
            for parts in self._parts.values()
            for part in parts
        )

    def _terminal(self) -> Part:
        app: Any = self.app
        told = os.environ
        colours = app.colours
        shown = app.theme + (f" ({app.theme_note})" if app.theme_note else "")
        return Part(
            "Terminal",
            (
                ("Size", f"{app.size.width} × {app.size.height}"),
                ("TERM", told.get("TERM", "not set")),
                (
                    "Program",
                    " ".join(filter(None, (told.get("TERM_PROGRAM"), told.get("TERM_PROGRAM_VERSION")))) or "?",
                ),
                ("Colours", _COLOURS.get(colours, str(colours)) + (", NO_COLOR is set" if app.no_color else "")),
                ("Theme", shown),
                (
                    "Keys",
                    "every key apart (Kitty protocol)" if keys.speaks_kitty() else "as terminals always sent them",
                ),
                ("Within", "tmux" if "TMUX" in told else "ssh" if "SSH_CONNECTION" in told else "no tmux, no ssh"),
            ),
        )

    def _generator(self) -> Part:
        generator = self.services.generator
        client = generator.client
        if not client.alive:
            return Part("Generator", (("State", "not running: it starts with the first continuation"),))
        model = generator.model
        held = f"holds {model.name}" if model is not None else "holds no model yet"
        doing = "writing" if client.writing else "waiting"
        return Part("Generator", (("State", f"{doing}, {held}, process {client.pid}"),))

    def action_again(self) -> None:
        self._look()

    def action_copy(self) -> None:
        self._copy(diagnostics.as_text(part for parts in self._parts.values() for part in parts))

    @work
    async def _copy(self, text: str) -> None:
        from gpt_tui.clipboard import copy

        how = await copy(self.app, text)
        self.notify(f"Copied by {how}.", markup=False)
