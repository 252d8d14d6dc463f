"""Asks in which form, into which folder and under which name something is to leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from gpt_tui.terminal import visible
from gpt_tui.widgets.choice_list import Choice, ChoiceList
from gpt_tui.widgets.dialogs import Dialog


class ExportChoice(NamedTuple):
    """What was asked for: the format's key, the folder, the file's name without its suffix."""

    format: str
    folder: Path
    name: str


class ExportDialog(Dialog[ExportChoice | None]):
    """The folder is asked for while nobody has said where exports go; after that Enter alone is enough."""

    DEFAULT_CSS = """
    ExportDialog #card { width: 74; }
    ExportDialog .field { height: auto; margin-top: 1; }
    ExportDialog .field Static { width: 9; color: $faint; }
    ExportDialog .field Input { width: 1fr; height: 1; padding: 0 1; }
    ExportDialog #goes { height: auto; min-height: 1; color: $faint; margin: 1 0 1 9; }
    ExportDialog #goes.-wrong { color: $error; }
    ExportDialog.-short .field { margin-top: 0; }
    ExportDialog.-short #goes { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Export", id="export.take", show=False, tooltip="Write the file."),
    ]

    def __init__(
        self,
        name: str,
        folder: Path | str,
        formats: Sequence[Choice],
        *,
        chosen: str = "",
        ask_folder: bool = False,
        title: str = "Export",
        goes_to: Callable[[ExportChoice], str] | None = None,
    ) -> None:
        """`ask_folder`: begin at the folder, which nobody has chosen yet. `goes_to`: where that choice would lead, in a
        line, which begins with `!` when it leads nowhere; asked with each key, so it must be quick."""
        super().__init__(title)
        self._file, self._folder, self._formats, self._chosen = name, str(folder), formats, chosen
        self._ask_folder, self._goes_to = ask_folder, goes_to

    def card(self) -> Iterable[Widget]:
        yield ChoiceList(self._formats, self._chosen, id="format")
        yield _Field("Name", Input(self._file, id="name", compact=True))
        yield _Field("Folder", Input(self._folder, id="folder", compact=True))
        yield Static("", id="goes", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Export", id="yes", compact=True)
            yield Button("Cancel", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#folder" if self._ask_folder else "#format").focus()
        self._look()

    @property
    def choice(self) -> ExportChoice:
        """What is set now."""
        name, folder = self.query_one("#name", Input).value, self.query_one("#folder", Input).value
        return ExportChoice(self.query_one(ChoiceList).chosen, Path(folder.strip()), name.strip() or self._file)

    @on(Input.Changed)
    @on(ChoiceList.Changed)
    def _changed(self, event: Input.Changed | ChoiceList.Changed) -> None:
        event.stop()
        self._look()

    def _look(self) -> None:
        goes = self._says()
        line = self.query_one("#goes", Static)
        line.set_class(goes.startswith("!"), "-wrong")
        line.update(Content(visible(goes.removeprefix("!"))))

    def _says(self) -> str:
        if not self.query_one("#folder", Input).value.strip():
            return "!Say which folder."
        return self._goes_to(self.choice) if self._goes_to is not None else ""

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_take()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self.action_take()
        else:
            self.action_leave()

    def action_take(self) -> None:
        if self._says().startswith("!"):
            self._look()
        else:
            self.dismiss(self.choice)


class _Field(Horizontal):
    """A name and a line to write in."""

    def __init__(self, name: str, line: Input) -> None:
        super().__init__(classes="field")
        self._label, self._line = name, line

    def compose(self) -> ComposeResult:
        yield Static(self._label)
        yield self._line
