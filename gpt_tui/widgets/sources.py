"""Where a text is chosen: a list of known ones, a line for paths, a browser of files. One of them holds the choice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from gpt_tui.terminal import visible
from gpt_tui.widgets.corpus_list import CorpusList, ListedText
from gpt_tui.widgets.file_browser import FileBrowser
from gpt_tui.widgets.path_input import PathInput


class Sources(Vertical):
    """Says what is chosen, and whence it is; what is typed, pasted or dropped is handed on as `PathsGiven`."""

    DEFAULT_CSS = """
    Sources { height: 1fr; }
    Sources #files-line { height: 1; margin-top: 1; padding: 0 1; }
    Sources #files-title { width: auto; margin-right: 1; color: $primary; text-style: bold; }
    Sources #folder { width: 1fr; color: $faint; text-wrap: nowrap; text-overflow: ellipsis; }
    Sources CorpusList { max-height: 60%; }
    Sources PathInput { margin: 0 1; width: 1fr; }
    Sources PathInput.-invalid { color: $error; }
    Sources FileBrowser { height: 1fr; min-height: 3; padding: 0 0 0 1; }
    """

    class Picked(Message):
        """Another text is chosen."""

        def __init__(self, listed: ListedText) -> None:
            super().__init__()
            self.listed = listed

    class Accepted(Message):
        """The user is content with the choice, and goes on."""

    class PathsGiven(Message):
        """A text that names files or folders."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Moved(Message):
        """The browser shows another folder."""

        def __init__(self, folder: Path) -> None:
            super().__init__()
            self.folder = folder

    def __init__(self, folder: Path, folder_name: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._listed = CorpusList(id="listed")
        self._line = PathInput(placeholder="Type, paste or drop a path", id="path")
        self._files = FileBrowser(folder, id="files")
        self._folder_name = folder_name
        self.holder: Widget = self._listed
        """The widget that the text was chosen in."""

    def compose(self) -> ComposeResult:
        yield self._listed
        with Horizontal(id="files-line"):
            yield Static("Your files", id="files-title")
            yield Static(Content(visible(self._folder_name)), id="folder")
        yield self._line
        yield self._files

    # What the screen tells it

    def show(self, sections: Sequence[tuple[str, str, Sequence[ListedText]]]) -> None:
        """What the list shows."""
        self._listed.show(sections)

    def choose_listed(self, texts: tuple[str, ...] | None = None) -> bool:
        """Choose a text of the list (the first, if none is named); says whether it is there."""
        if texts is None and self._listed.texts:
            texts = self._listed.texts[0].texts
        return self._listed.highlight(texts)

    def choose_paths(self, paths: Sequence[str], title: str) -> None:
        """Choose these files and folders, which are there; a single one is shown in its folder."""
        self._line.value = ""
        self._line.remove_class("-invalid")
        self._pick(self._line, ListedText(tuple(paths), title, ""))
        if len(paths) == 1:
            self._files.reveal(Path(paths[0]))

    def refuse_path(self) -> None:
        """What was given is not there."""
        self._line.add_class("-invalid")

    def name_folder(self, name: str) -> None:
        """How the browser's folder is called."""
        self.query_one("#folder", Static).update(Content(visible(name)))

    # What happens in it

    def _pick(self, holder: Widget, listed: ListedText) -> None:
        """Choose; the other sources show that nothing is chosen there."""
        self.holder = holder
        if holder is not self._listed:
            self._listed.highlight(None)
        if holder is not self._files:
            self._files.leave()
        self.post_message(self.Picked(listed))

    @on(CorpusList.Picked)
    def _listed_picked(self, event: CorpusList.Picked) -> None:
        event.stop()
        self._pick(self._listed, event.listed)

    @on(CorpusList.Accepted)
    def _listed_accepted(self, event: CorpusList.Accepted) -> None:
        event.stop()
        self._pick(self._listed, event.listed)
        self.post_message(self.Accepted())

    @on(FileBrowser.Picked)
    def _file_picked(self, event: FileBrowser.Picked) -> None:
        event.stop()
        self._pick(self._files, ListedText((str(event.path),), event.path.name, ""))

    @on(FileBrowser.Marked)
    def _files_marked(self, event: FileBrowser.Marked) -> None:
        event.stop()
        if event.paths:
            self._pick(self._files, ListedText(tuple(map(str, event.paths)), names_of(event.paths), ""))

    @on(FileBrowser.Accepted)
    def _files_accepted(self, event: FileBrowser.Accepted) -> None:
        event.stop()
        self.post_message(self.Accepted())

    @on(FileBrowser.Moved)
    def _moved(self, event: FileBrowser.Moved) -> None:
        event.stop()
        self.post_message(self.Moved(event.folder))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._line.remove_class("-invalid")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.PathsGiven(event.value))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.post_message(self.PathsGiven(event.text))


def names_of(paths: Sequence[Path]) -> str:
    """What several files and folders are called together."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(path.name or str(path) for path in paths[:3]) + more
