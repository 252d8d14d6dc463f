"""Files and folders to train on: text files first, then folders, hidden ones off."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text, TextType
from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DirectoryTree, Tree
from textual.widgets.directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from gpt_tui.terminal import visible

_ENDINGS = """
.txt .text .md .markdown .rst .tex .org .adoc .fountain .csv .tsv .json .jsonl .xml .html .htm .srt .log
.py .js .ts .c .h .cpp .rs .go .java .rb .pl .sh .lua .sql .css .toml .yaml .yml .ini
"""
TEXT_ENDINGS = frozenset(_ENDINGS.split())
"""What the names of text files end with; others may be text all the same."""

_TEXT, _FOLDER, _OTHER = range(3)


class FileBrowser(DirectoryTree):
    """The cursor is the choice; Space takes several files and folders together."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "
    DEFAULT_CSS = """
    FileBrowser { background: transparent; scrollbar-size: 1 1; padding: 0; overflow-x: hidden; }
    FileBrowser:focus { background-tint: transparent; }
    FileBrowser > .tree--cursor {
        color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        text-style: $block-cursor-blurred-text-style;
    }
    FileBrowser:focus > .tree--cursor {
        color: $block-cursor-foreground; background: $block-cursor-background;
        text-style: $block-cursor-text-style;
    }
    FileBrowser > .directory-tree--folder { text-style: none; color: $foreground; }
    FileBrowser > .directory-tree--extension { text-style: none; }
    FileBrowser > .directory-tree--hidden { text-style: dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "select_cursor", "Go on", id="files.accept", show=False, tooltip="Take it, or open the folder."
        ),
        Binding("space", "mark", "Several", id="files.mark", tooltip="Take this file or folder together with others."),
        Binding("backspace", "up", "Folder above", id="files.up", tooltip="Show the folder that this one lies in."),
        Binding("right", "open", "Open", id="files.open", show=False, tooltip="Open the folder."),
        Binding("left", "close", "Close", id="files.close", show=False, tooltip="Close the folder, or go up."),
        Binding("full_stop", "hidden", "Hidden", id="files.hidden", show=False, tooltip="Show hidden files, or not."),
    ]
    HELP = "Enter takes a file or opens a folder. Space takes several together, folders too: every text below them."

    class Picked(Message):
        """The cursor came to a file."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Accepted(Message):
        """The user is content with what was picked or marked, and goes on."""

    class Marked(Message):
        """These are taken together; none: the cursor is the choice again."""

        def __init__(self, paths: list[Path]) -> None:
            super().__init__()
            self.paths = paths

    class Moved(Message):
        """Another folder is shown."""

        def __init__(self, folder: Path) -> None:
            super().__init__()
            self.folder = folder

    def __init__(self, folder: Path, *, id: str | None = None) -> None:
        self._kinds: dict[Path, int] = {}
        self._marked: dict[Path, None] = {}
        self._awaited: Path | None = None  # where the cursor shall go when it is there
        self._with_hidden = False
        super().__init__(folder, id=id)
        self.set_reactive(FileBrowser.show_root, False)  # a watcher would put the cursor on the first line
        self.set_reactive(FileBrowser.show_guides, False)
        self.set_reactive(FileBrowser.guide_depth, 2)

    # What it shows

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Called in a thread: here, and nowhere else, the disk is asked what things are."""
        for path in paths:
            if self._with_hidden or not path.name.startswith("."):
                self._kinds[path] = _kind(path)
                yield path

    def _populate_node(self, node: TreeNode[DirEntry], content: Iterable[Path]) -> None:
        node.remove_children()
        for path in sorted(content, key=lambda path: (self._kinds.get(path, _OTHER), path.name.casefold())):
            node.add(path.name, data=DirEntry(path), allow_expand=self._kinds.get(path) == _FOLDER)
        node.expand()
        self.call_after_refresh(self._find_awaited)

    def process_label(self, label: TextType) -> Text:
        return Text(visible(str(label)).replace("\n", "␊"))

    def render_label(self, node: TreeNode[DirEntry], base_style: Style, style: Style) -> Text:
        path = node.data.path if node.data is not None else Path()
        label = super().render_label(node, base_style, style)
        if path in self._marked:
            label = Text.assemble(("● ", style), label[2:])
        elif self._kinds.get(path) == _OTHER:
            label.stylize("dim")
        return label

    # Where it stands

    @property
    def folder(self) -> Path:
        return Path(self.path)

    def reveal(self, path: Path) -> None:
        """Show the folder that a file or folder lies in, the cursor on it; of a folder without one, itself."""
        self._awaited = path if path.parent != path else None
        if self.folder == path.parent:
            self._find_awaited()
        else:
            self._go(path.parent)

    def leave(self) -> None:
        """The choice fell elsewhere: no cursor, and nothing marked."""
        self._awaited = None
        self._marked.clear()
        self.unselect()

    def _go(self, folder: Path) -> None:
        self._kinds.clear()
        self.path = folder
        self.post_message(self.Moved(folder))

    def _find_awaited(self) -> None:
        for node in self.root.children:
            if self._awaited is not None and node.data is not None and node.data.path.name == self._awaited.name:
                self._awaited = None
                self.move_cursor(node)
                self.scroll_to_node(node, animate=False)

    def action_up(self) -> None:
        folder = self.folder.absolute()
        if folder.parent != folder:
            self._awaited = folder
            self._go(folder.parent)

    def action_open(self) -> None:
        node = self.cursor_node
        if node is not None and node.allow_expand and not node.is_expanded:
            node.expand()

    def action_close(self) -> None:
        node = self.cursor_node
        if node is not None and node.is_expanded and node is not self.root:
            node.collapse()
        elif node is not None and node.parent is not None and node.parent is not self.root:
            self.move_cursor(node.parent)
        else:
            self.action_up()

    def action_hidden(self) -> None:
        self._with_hidden = not self._with_hidden
        self.reload()

    # What is chosen in it

    def action_mark(self) -> None:
        node = self.cursor_node
        if node is None or node.data is None:
            return
        path = node.data.path
        if path in self._marked:
            del self._marked[path]
        else:
            self._marked[path] = None
        self._invalidate()
        self.post_message(self.Marked(list(self._marked)))

    @on(Tree.NodeHighlighted)
    def _pick(self, event: Tree.NodeHighlighted[DirEntry]) -> None:
        event.stop()
        if event.node.data is not None and not event.node.allow_expand and not self._marked and self.has_focus:
            self.post_message(self.Picked(event.node.data.path))

    @on(DirectoryTree.FileSelected)
    def _accept(self, event: DirectoryTree.FileSelected) -> None:
        event.stop()
        if not self._marked:
            self.post_message(self.Picked(event.path))
        self.post_message(self.Accepted())

    @on(DirectoryTree.DirectorySelected)
    def _accept_folder(self, event: DirectoryTree.DirectorySelected) -> None:
        event.stop()
        if event.path in self._marked:
            self.post_message(self.Accepted())


def _kind(path: Path) -> int:
    try:
        mode = path.stat().st_mode
    except OSError:
        return _OTHER
    if stat.S_ISDIR(mode):
        return _FOLDER
    return _TEXT if stat.S_ISREG(mode) and path.suffix.casefold() in TEXT_ENDINGS else _OTHER
