"""What the editor tells those around it. Handlers are called `on_editor_changed` and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.message import Message
from textual.widget import Widget

if TYPE_CHECKING:
    from gpt_tui.widgets.editor import Editor


class EditorMessage(Message):
    """A message of an editor's, `editor`."""

    def __init__(self, editor: Widget) -> None:
        super().__init__()
        self.editor = cast("Editor", editor)

    @property
    def control(self) -> Widget:
        """For `@on(Editor.Changed, "#draft")`."""
        return self.editor


class Changed(EditorMessage, namespace="editor"):
    """The text, or whose it is, changed."""

    def __init__(self, editor: Widget, version: int) -> None:
        super().__init__(editor)
        self.version = version


class Moved(EditorMessage, namespace="editor"):
    """The cursor, or the selection, is elsewhere."""

    def __init__(self, editor: Widget, cursor: int) -> None:
        super().__init__(editor)
        self.cursor = cursor


class SuggestionEnded(EditorMessage, namespace="editor"):
    """The suggestion is gone; `accepted` is what was taken of it, by keys or by typing the same."""

    def __init__(self, editor: Widget, accepted: str) -> None:
        super().__init__(editor)
        self.accepted = accepted


class Copied(EditorMessage, namespace="editor"):
    """A text was copied; `by` says where to, in words."""

    def __init__(self, editor: Widget, text: str, by: str) -> None:
        super().__init__(editor)
        self.text = text
        self.by = by
