"""The editor's keys, and what they do."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events, work
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from gpt_tui import clipboard
from gpt_tui.editing.graphemes import NEWLINE
from gpt_tui.editing.words import next_word_end, previous_word_start
from gpt_tui.widgets.editor_finding import EditorFinding
from gpt_tui.widgets.editor_messages import Copied

REACH = 400
"""Code points that are looked at for the next word."""

_MOVE, _SELECT, _DELETE = Binding.Group("Move"), Binding.Group("Select"), Binding.Group("Delete")
_TAKE = Binding.Group("Take")


def _key(
    keys: str, action: str, name: str, description: str, tooltip: str, group: Binding.Group | None = None
) -> Binding:
    return Binding(keys, action, description, show=False, id=f"editor.{name}", tooltip=tooltip, group=group)


_PLACES = (
    ("left", "left", "Left", "a character to the left"),
    ("right", "right", "Right", "a character to the right"),
    ("up", "up", "Up", "a row up"),
    ("down", "down", "Down", "a row down"),
    ("ctrl+left,alt+left", "word_left", "Word left", "to the beginning of the word"),
    ("ctrl+right,alt+right", "word_right", "Word right", "to the end of the word"),
    ("ctrl+up,alt+up", "paragraph_up", "Paragraph up", "to the beginning of the paragraph"),
    ("ctrl+down,alt+down", "paragraph_down", "Paragraph down", "to the next paragraph"),
    ("home", "row_start", "Row start", "to the beginning of the row"),
    ("end", "row_end", "Row end", "to the end of the row"),
    ("ctrl+home", "start", "Start", "to the beginning of the text"),
    ("ctrl+end", "end", "End", "to the end of the text"),
    ("pageup", "page_up", "Page up", "a page up"),
    ("pagedown", "page_down", "Page down", "a page down"),
)
"""Keys, name, description, and where they lead: by themselves they move the cursor, with Shift they select."""


def _with_shift(keys: str) -> str:
    parts = [key.rpartition("+") for key in keys.split(",")]
    return ",".join(f"{modifier}+shift+{key}" if modifier else f"shift+{key}" for modifier, _, key in parts)


BINDINGS: list[BindingType] = [
    *(_key(keys, f"go('{name}')", name, words, f"Move {to}.", _MOVE) for keys, name, words, to in _PLACES),
    *(
        _key(
            _with_shift(keys),
            f"go('{name}', True)",
            f"select_{name}",
            f"Select {words.lower()}",
            f"Select {to}.",
            _SELECT,
        )
        for keys, name, words, to in _PLACES
    ),
    _key("ctrl+a", "select_all", "select_all", "Select all", "Select the whole text.", _SELECT),
    _key(
        "backspace", "delete('left')", "delete_left", "Delete left", "Delete the character before the cursor.", _DELETE
    ),
    _key("delete", "delete('right')", "delete_right", "Delete right", "Delete the character at the cursor.", _DELETE),
    _key(
        "ctrl+w,alt+backspace,ctrl+backspace",
        "delete('word_left')",
        "delete_word_left",
        "Delete word left",
        "Delete to the beginning of the word.",
        _DELETE,
    ),
    _key(
        "ctrl+delete,alt+delete",
        "delete('word_right')",
        "delete_word_right",
        "Delete word right",
        "Delete to the end of the word.",
        _DELETE,
    ),
    _key(
        "ctrl+k",
        "delete('paragraph_end')",
        "delete_to_end",
        "Delete to end",
        "Delete to the end of the paragraph; at its end, join the next one to it.",
        _DELETE,
    ),
    _key(
        "ctrl+u",
        "delete('paragraph_start')",
        "delete_to_start",
        "Delete to start",
        "Delete to the beginning of the paragraph.",
        _DELETE,
    ),
    _key("ctrl+z", "undo", "undo", "Undo", "Undo the last step; a continuation is one step."),
    _key("ctrl+y,ctrl+shift+z", "redo", "redo", "Redo", "Do again what was undone."),
    _key("ctrl+c,super+c", "copy", "copy", "Copy", "Copy what is selected."),
    _key("ctrl+x,super+x", "cut", "cut", "Cut", "Copy what is selected, and delete it."),
    _key("ctrl+v,super+v", "paste", "paste", "Paste", "Insert what the clipboard holds."),
    _key("enter,shift+enter,ctrl+j", "newline", "newline", "New line", "Begin a new line."),
    _key("tab", "tab", "tab", "Take suggestion", "Take the whole suggestion.", _TAKE),
    _key("escape", "leave", "leave", "Dismiss", "Dismiss the suggestion, or what is selected."),
]


class EditorKeys(EditorFinding):
    """What the keys do."""

    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    tab_inserts: reactive[bool] = reactive(False)
    """Whether Tab inserts a tab where there is no suggestion; else it goes to the next widget."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Reading leaves the keys that would change the text, or that are for the cursor, to others."""
        if action in ("delete", "undo", "redo", "cut", "paste", "newline", "tab"):
            return self.can_edit
        if action == "select_all":
            return not self.reading
        return True

    def action_go(self, where: str, select: bool = False) -> None:
        """Move the cursor, or take a part of the suggestion where there is one."""
        if self.reading:
            self._scroll_for(where)
            return
        if self.suggestion and not select and where in ("word_right", "paragraph_down"):
            self.accept("word" if where == "word_right" else "sentence")
            return
        if where in ("up", "down", "page_up", "page_down"):
            self._move_rows(where, select)
            return
        start, end = self.selection
        if start != end and not select and where in ("left", "right"):
            self.move_to(start if where == "left" else end)
            return
        self.move_to(self._target(where), select=select)

    def _scroll_for(self, where: str) -> None:
        """What moves the cursor scrolls, when there is none."""
        page = max(1, self._room.height - 2)
        steps = {
            "up": -1,
            "down": 1,
            "page_up": -page,
            "page_down": page,
            "paragraph_up": -page,
            "paragraph_down": page,
        }
        ends = {"row_start": 0, "start": 0, "row_end": self.max_scroll_y, "end": self.max_scroll_y}
        if where in steps:
            self.scroll_to(y=round(self.scroll_y) + steps[where], animate=False)
        elif where in ends:
            self.scroll_to(y=ends[where], animate=False)
        else:
            raise SkipAction()

    def _target(self, where: str) -> int:
        """Where a move or a deletion leads to."""
        buffer, cursor = self.document.buffer, self.cursor
        match where:
            case "left":
                return buffer.previous_boundary(cursor)
            case "right":
                return buffer.next_boundary(cursor)
            case "word_left":
                return _word_left(self, cursor)
            case "word_right":
                return _word_right(self, cursor)
            case "row_start":
                return self._row_edge(cursor, end=False)
            case "row_end":
                return self._row_edge(cursor, end=True)
            case "paragraph_start":
                return buffer.paragraph_start(cursor)
            case "paragraph_end":
                end = buffer.paragraph_end(cursor)
                return end if end > cursor else buffer.next_boundary(cursor)
            case "paragraph_up":
                start = buffer.paragraph_start(cursor)
                return start if start < cursor else buffer.paragraph_start(buffer.previous_boundary(cursor))
            case "paragraph_down":
                return buffer.next_boundary(buffer.paragraph_end(cursor))
            case "start":
                return 0
            case _:
                return len(self.document)

    def _move_rows(self, where: str, select: bool) -> None:
        """Move up or down, to the cell where one set out."""
        row, column = self._place(self.cursor)
        goal = column if self._goal is None else self._goal
        page = max(1, self._room.height - 2)
        target = row + {"up": -1, "down": 1, "page_up": -page, "page_down": page}[where]
        if where.startswith("page"):
            self._scroll_to_line(round(self.scroll_y) + target - row)
        if target < 0:
            self.move_to(0, select=select)
        elif target >= len(self._layout):
            self.move_to(len(self.document), select=select)
        else:
            offset = self._offset_in(target, goal)
            if offset == self.cursor and where in ("down", "page_down"):  # from a suggestion's row
                offset = self._offset_in(self._layout.row_of(self._shown.at + len(self._shown.ghost)) + 1, goal)
            self.move_to(offset, select=select)
        self._goal = goal

    def action_select_all(self) -> None:
        self.select(0, len(self.document))

    def action_delete(self, where: str) -> None:
        start, end = self.selection
        if start == end:
            target = self._target(where)
            start, end = min(target, self.cursor), max(target, self.cursor)
        kind = {"left": "backspace", "right": "delete"}.get(where, "edit")
        self._edit(start, end, "", kind)

    def action_undo(self) -> None:
        self.undo()

    def action_redo(self) -> None:
        self.redo()

    def action_copy(self) -> None:
        if not self.selected_text:
            raise SkipAction()
        self.copy()

    def action_cut(self) -> None:
        if self.selected_text:
            self.copy()
            self._edit(*self.selection, "", "edit")

    def action_paste(self) -> None:
        self.paste()

    def action_newline(self) -> None:
        self.type_text(self.document.newline)

    def action_tab(self) -> None:
        if self.suggestion:
            self.accept("all")
        elif self.tab_inserts:
            self.type_text("\t")
        else:
            raise SkipAction()

    def action_leave(self) -> None:
        start, end = self.selection
        if self.suggestion:
            self.dismiss()
        elif start != end:
            self.move_to(self.cursor)
        else:
            raise SkipAction()

    # The clipboard

    @work(exclusive=True, group="clipboard")
    async def copy(self, text: str | None = None) -> None:
        """Copy a text, else what is selected."""
        text = self.selected_text if text is None else text
        if text:
            by = await clipboard.copy(self.app, text)
            self.post_message(Copied(self, text, by))

    @work(exclusive=True, group="clipboard")
    async def paste(self) -> None:
        """Insert what the clipboard holds: the system's, else what was copied here."""
        text = await asyncio.to_thread(clipboard.paste)
        self._insert_pasted(self.app.clipboard if text is None else text)

    def _insert_pasted(self, text: str) -> None:
        if text and self.can_edit:
            self._edit(*self.selection, NEWLINE.sub(self.document.newline, text), "edit")

    # Typing

    async def _on_key(self, event: events.Key) -> None:
        text = _typed(event)
        if text and self.can_edit:
            event.stop()
            event.prevent_default()
            self.type_text(text)
        elif self.reading and event.key == "space":
            event.stop()
            self._scroll_for("page_down")

    async def _on_paste(self, event: events.Paste) -> None:
        if self.can_edit:
            event.stop()
            event.prevent_default()
            self._insert_pasted(event.text)


def _is_command(key: str) -> bool:
    """Whether it is a key for doing something, as alt+m is: terminals send its letter with it."""
    return not {"alt", "ctrl", "super", "meta", "hyper"}.isdisjoint(key.split("+")[:-1])


def _word_left(editor: EditorFinding, cursor: int) -> int:
    start = max(0, cursor - REACH)
    return start + previous_word_start(editor.document.buffer.slice(start, cursor))


def _word_right(editor: EditorFinding, cursor: int) -> int:
    return cursor + next_word_end(editor.document.buffer.slice(cursor, cursor + REACH))


def _typed(event: events.Key) -> str:
    """The text that a key stands for, or none: also what joins emoji, and spaces that do not break, which Python does
    not call printable; not a letter with Alt, which is a command of the screen's."""
    text = event.character or ""
    if event.key.startswith(("alt+", "ctrl+", "super+", "meta+")):
        return ""
    return text if text.isprintable() or (len(text) == 1 and ord(text) >= 0xA0) else ""
