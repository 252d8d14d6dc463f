"""The editor as its user meets it: keys and mouse in, rows on the screen out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual import events
from textual.actions import SkipAction
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Button

from gpt_tui import themes
from gpt_tui.editing import search
from gpt_tui.editing.search import SearchError
from gpt_tui.widgets.editor import Author, Editor
from gpt_tui.widgets.editor_keys import BINDINGS

pytestmark = pytest.mark.asyncio

PROSE = "The lamp burned low and the old man told us what he had seen. It was not a long story.\n\nWe went to bed.\n"


class Writing(App[None]):
    """An app that is nothing but an editor, and a button to go to."""

    def __init__(self, text: str, **options: Any) -> None:
        super().__init__()
        for theme in themes.OWN:
            self.register_theme(theme)
        self.theme = "ink"
        self.editor = Editor(text, **options)
        self.editor.cursor_blink = False
        self.said: list[Message] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables(self.current_theme)

    def compose(self) -> ComposeResult:
        yield self.editor
        yield Button("Next", compact=True)

    def on_editor_changed(self, message: Editor.Changed) -> None:
        self.said.append(message)

    on_editor_moved = on_editor_suggestion_ended = on_editor_copied = on_editor_changed


@asynccontextmanager
async def writing(
    text: str = "", *, width: int = 0, size: tuple[int, int] = (44, 13), **options: Any
) -> AsyncIterator[tuple[Editor, Pilot[None]]]:
    """An editor with the focus, in a terminal of a size (a row of it is the button's)."""
    app = Writing(text, **options)
    async with app.run_test(size=size) as pilot:
        app.editor.column_width = width
        app.editor.focus()
        await pilot.pause()
        yield app.editor, pilot


def rows(editor: Editor) -> list[str]:
    """What is seen."""
    return [editor.render_line(y).text.rstrip() for y in range(editor.size.height)]


def style_of(editor: Editor, text: str) -> Style:
    """The style of the first piece of a row that holds a text."""
    for y in range(editor.size.height):
        for segment in editor.render_line(y):
            if text in segment.text:
                return segment.style or Style()
    raise AssertionError(f"{text!r} is not on the screen")


def said(editor: Editor, kind: type[Message]) -> list[Any]:
    return [message for message in editor.app.said if isinstance(message, kind)]  # type: ignore[attr-defined]


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for what must come about sooner or later."""
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come about")


async def test_what_is_typed_is_on_the_screen() -> None:
    async with writing() as (editor, pilot):
        await pilot.press(*"It was", "enter", *"cold.")
        assert editor.text == "It was\ncold."
        assert [row.strip() for row in rows(editor)][:2] == ["It was", "cold."]
        assert said(editor, Editor.Changed)[-1].version == editor.version
        assert said(editor, Editor.Moved)[-1].cursor == editor.cursor == 12


async def test_enter_makes_the_newline_of_the_text() -> None:
    async with writing("one\r\ntwo\r\n") as (editor, pilot):
        await pilot.press("enter", "x")
        assert editor.text == "\r\nxone\r\ntwo\r\n"


async def test_what_is_loaded_comes_back_to_the_byte() -> None:
    texts = [
        "",
        "a\r\nb\nc\rd",
        "\f\v\x1c\x1d\x85\u2028\u2029",
        "\ufeffbom",
        "\x00\x1b[31m",
        "e\u0301\u200d\r",
        "\n" * 50,
    ]
    async with writing() as (editor, pilot):
        for text in texts:
            editor.load(text)
            assert editor.text == text
            await pilot.press("x", "backspace", "ctrl+end", "y", "ctrl+z", "ctrl+z", "ctrl+z")
            assert editor.text == text and not editor.can_undo


async def test_rows_wrap_between_words_in_a_column_in_the_middle() -> None:
    async with writing(PROSE, width=20) as (editor, _):
        found = rows(editor)
        assert [row.strip() for row in found[:6]] == [
            "The lamp burned low",
            "and the old man told",
            "us what he had seen.",
            "It was not a long",
            "story.",
            "",
        ]
        left = len(found[0]) - len(found[0].lstrip())
        assert abs(left - (editor.size.width - 20) // 2) <= 1
        assert all(row.startswith(" " * left) for row in found if row)


MOVES = [
    ("right", 0, 1),
    ("left", 5, 4),
    ("left", 0, 0),
    ("ctrl+right", 0, 3),
    ("ctrl+right", 3, 8),
    ("ctrl+left", 8, 4),
    ("ctrl+left", 6, 4),
    ("alt+left", 6, 4),
    ("end", 0, 19),
    ("home", 30, 20),
    ("down", 3, 23),
    ("up", 23, 3),
    ("ctrl+end", 5, len(PROSE)),
    ("ctrl+home", 50, 0),
    ("ctrl+down", 3, 87),
    ("ctrl+up", 50, 0),
    ("ctrl+up", 88, 87),
    ("end down", 0, 39),
    ("pagedown", 0, len(PROSE)),
    ("down down down down down up", 10, 86),
]
"""Keys, where the cursor is before them, and where after."""


async def test_the_cursor_goes_where_editors_take_it() -> None:
    async with writing(PROSE, width=20) as (editor, pilot):
        for keys, start, end in MOVES:
            editor.move_to(start)
            await pilot.press(*keys.split())
            assert editor.cursor == end, (keys, start)


async def test_up_and_down_keep_to_the_cell_they_set_out_from() -> None:
    async with writing("abcdef\n\u65e5\u672c\u8a9e\nx\nabcdef") as (editor, pilot):
        editor.move_to(5)
        await pilot.press("down")
        assert editor.cursor == 7 + 2  # the character that lies over that cell
        await pilot.press("down")
        assert editor.cursor == 12
        await pilot.press("down")
        assert editor.cursor == 13 + 5


async def test_one_character_is_one_to_move_and_to_delete() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    async with writing() as (editor, pilot):
        for cluster in ("e\u0301", family, "\U0001f44d\U0001f3fd", "\u05e9\u05c1", "\u65e5"):
            editor.load(f"a{cluster}b")
            await pilot.press("right", "right")
            assert editor.cursor == 1 + len(cluster)
            await pilot.press("shift+left")
            assert editor.selected_text == cluster
            await pilot.press("right", "backspace")
            assert editor.text == "ab"
            await pilot.press("ctrl+z", "left", "delete")
            assert editor.text == "ab"


DELETIONS = [
    ("backspace", 8, "one twothree\nfour"),
    ("delete", 8, "one two hree\nfour"),
    ("ctrl+w", 7, "one  three\nfour"),
    ("alt+backspace", 6, "one o three\nfour"),
    ("ctrl+delete", 4, "one  three\nfour"),
    ("ctrl+k", 4, "one \nfour"),
    ("ctrl+k", 13, "one two threefour"),
    ("ctrl+u", 8, "three\nfour"),
    ("shift+home backspace", 8, "three\nfour"),
    ("ctrl+shift+right x", 4, "one x three\nfour"),
    ("ctrl+a x", 4, "x"),
    ("backspace", 0, "one two three\nfour"),
    ("delete", 18, "one two three\nfour"),
]
"""Keys, where the cursor is before them, and the text after."""


async def test_deleting() -> None:
    async with writing() as (editor, pilot):
        for keys, start, text in DELETIONS:
            editor.load("one two three\nfour", cursor=start)
            await pilot.press(*keys.split())
            assert editor.text == text, (keys, start)
            await pilot.press("ctrl+z", "ctrl+z")
            assert editor.text == "one two three\nfour"


async def test_copy_cut_and_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_TTY", "/dev/pts/0")
    async with writing("one two") as (editor, pilot):
        await pilot.press("ctrl+shift+right", "ctrl+c")
        await until(pilot, lambda: bool(said(editor, Editor.Copied)))
        copied = said(editor, Editor.Copied)[0]
        assert (copied.text, copied.by) == ("one", "the terminal") and pilot.app.clipboard == "one"
        await pilot.press("ctrl+x")
        assert editor.text == " two"
        await pilot.press("end", "ctrl+v")
        await until(pilot, lambda: editor.text == " twoone")
        await pilot.press("ctrl+z", "ctrl+z")
        assert editor.text == "one two" and editor.selected_text == "one"


async def test_the_systems_own_tool_copies_and_pastes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "xclip"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *-out*) cat {tmp_path}/held;; *) cat > {tmp_path}/held;; esac\n')
    tool.chmod(0o755)
    for name in ("SSH_CONNECTION", "SSH_TTY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with writing("\u201cone\u201d") as (editor, pilot):
        await pilot.press("ctrl+a", "ctrl+c")
        await until(pilot, lambda: bool(said(editor, Editor.Copied)))
        assert said(editor, Editor.Copied)[0].by == "xclip and the terminal"
        assert (tmp_path / "held").read_text(encoding="utf-8") == "\u201cone\u201d"
        (tmp_path / "held").write_text("two\nthree", encoding="utf-8")
        await pilot.press("end", "ctrl+v")
        await until(pilot, lambda: editor.text == "\u201cone\u201dtwo\nthree")


async def test_a_paste_has_the_newlines_of_the_text_and_is_one_step() -> None:
    async with writing("a\r\nb") as (editor, pilot):
        editor.post_message(events.Paste("one\ntwo\rthree\r\nfour"))
        await pilot.pause()
        assert editor.text == "one\r\ntwo\r\nthree\r\nfoura\r\nb"
        assert editor.undo() and editor.text == "a\r\nb" and not editor.can_undo


async def test_words_are_steps_of_undo_and_redo() -> None:
    async with writing() as (editor, pilot):
        await pilot.press(*"two", "space", *"words")
        await pilot.press("ctrl+z")
        assert editor.text == "two "
        await pilot.press("ctrl+z", "ctrl+z")
        assert editor.text == ""
        await pilot.press("ctrl+y", "ctrl+shift+z")
        assert editor.text == "two words" and editor.cursor == 9 and not editor.can_redo


async def test_a_continuation_is_one_step_and_looks_like_a_models() -> None:
    async with writing("Begin.\n\nEnd.") as (editor, pilot):
        editor.move_to(6)
        coming = editor.begin_continuation()
        for word in ("Then", "came", "rain."):
            coming.append(f" {word}")
            await pilot.pause()
        coming.finish()
        assert editor.text == "Begin. Then came rain.\n\nEnd." and editor.cursor == coming.end == 22
        assert editor.spans() == [(6, 22, Author.MODEL)]
        await pilot.press("left")
        assert style_of(editor, "Then came").color != style_of(editor, "Begin.").color
        await pilot.press("x")
        assert style_of(editor, "rain").color not in (style_of(editor, "came").color, style_of(editor, "Begin.").color)
        await pilot.press("ctrl+z", "ctrl+z")
        assert editor.text == "Begin.\n\nEnd." and editor.cursor == 6 and editor.spans() == []


async def test_a_continuation_puts_other_words_in_the_place_of_a_passage_and_can_be_withdrawn() -> None:
    async with writing("One two three.") as (editor, _):
        coming = editor.begin_continuation(4, replace_to=7)
        coming.append("2")
        assert editor.text == "One 2 three."
        coming.withdraw()
        assert editor.text == "One two three." and not editor.can_undo


async def test_the_writer_types_elsewhere_while_a_model_writes() -> None:
    async with writing("Begin.\n\nEnd.") as (editor, pilot):
        coming = editor.begin_continuation(6)
        coming.append(" One")
        editor.move_to(0)
        await pilot.press("x")
        coming.append(" two")
        await pilot.press("y")
        assert editor.text == "xyBegin. One two\n\nEnd." and editor.cursor == 2
        await pilot.press("ctrl+z")
        assert coming.ended and editor.text == "Begin. One two\n\nEnd."


async def test_the_view_follows_what_comes_in_and_lets_go_when_the_reader_scrolls() -> None:
    async with writing(PROSE * 4, width=20) as (editor, pilot):
        await pilot.press("ctrl+end")
        coming = editor.begin_continuation()
        for _ in range(12):
            coming.append("and so it went on, ")
        await pilot.pause()
        assert "went on," in " ".join(rows(editor)[-5:])
        editor.scroll_to(y=3, animate=False)
        await pilot.pause()
        for _ in range(12):
            coming.append("and on, ")
        await pilot.pause()
        assert round(editor.scroll_y) == 3
        await pilot.press("ctrl+end")
        for _ in range(12):
            coming.append("to the end, ")
        await pilot.pause()
        assert "to the end," in " ".join(rows(editor)[-5:])


async def test_what_comes_in_above_the_view_does_not_move_it() -> None:
    async with writing(PROSE * 9, width=20) as (editor, pilot):
        coming = editor.begin_continuation(0)
        editor.move_to(editor.length)
        await pilot.pause()
        before = rows(editor)
        for _ in range(12):
            coming.append("and so it went on, ")
        await pilot.pause()
        assert rows(editor) == before


async def test_a_suggestion_wraps_and_pushes_down_what_follows() -> None:
    async with writing("One two. And the rest.", width=20) as (editor, pilot):
        editor.move_to(8)
        editor.suggest(" A suggestion that takes more than two rows of the column.")
        await pilot.pause()
        assert [row.strip() for row in rows(editor)[:4]] == [
            "One two. A",
            "suggestion that",
            "takes more than two",
            "rows of the column.",
        ]
        assert rows(editor)[4].strip() == "And the rest."
        assert editor.text == "One two. And the rest."
        assert style_of(editor, "suggestion that").color != style_of(editor, "rest").color


async def test_a_suggestion_is_taken_whole_by_words_and_by_sentences() -> None:
    async with writing("So") as (editor, pilot):
        await pilot.press("end")
        editor.suggest(" it was. Then it rained. All day.")
        await pilot.press("ctrl+right")
        assert editor.text == "So it" and editor.suggestion == " was. Then it rained. All day."
        await pilot.press("ctrl+down")
        assert editor.text == "So it was."
        await pilot.press("alt+down", "tab")
        assert editor.text == "So it was. Then it rained. All day." and editor.suggestion == ""
        assert editor.spans() == [(2, 35, Author.MODEL)]
        await pilot.pause()
        assert said(editor, Editor.SuggestionEnded)[-1].accepted == " it was. Then it rained. All day."
        await pilot.press("ctrl+z")
        assert editor.text == "So it was. Then it rained."


async def test_typing_what_is_suggested_takes_it_and_anything_else_dismisses_it() -> None:
    async with writing("So") as (editor, pilot):
        await pilot.press("end")
        editor.suggest(" it was.")
        await pilot.press("space", "i")
        assert editor.suggestion == "t was." and editor.text == "So i"
        assert rows(editor)[0].strip() == "So it was."
        await pilot.press("f")
        await pilot.pause()
        assert editor.suggestion == "" and rows(editor)[0].strip() == "So if"
        assert said(editor, Editor.SuggestionEnded)[-1].accepted == " i"
        for key in ("escape", "left", "backspace"):
            editor.suggest(" more")
            await pilot.press(key)
            assert editor.suggestion == ""


async def test_a_rule_stands_where_the_context_begins_and_what_is_before_is_dimmed() -> None:
    async with writing(PROSE, width=42, size=(60, 14)) as (editor, pilot):
        editor.context_start = 62
        await pilot.pause()
        found = [row.strip() for row in rows(editor)]
        assert "begins here" in found[1] and found[1].startswith("\u2500")
        assert found[0].startswith("The lamp") and found[2].endswith("It was not a long")
        assert style_of(editor, "he lamp").color != style_of(editor, "We went").color
        editor.context_start = None
        await pilot.pause()
        assert "\u2500" not in "".join(rows(editor))


async def test_focus_mode_keeps_the_row_in_the_middle_and_dims_the_rest() -> None:
    async with writing(PROSE * 5, width=20) as (editor, pilot):
        editor.focus_mode = True
        await pilot.pause()
        for key in ("ctrl+home", "ctrl+end", "up"):
            await pilot.press(key)
            await pilot.pause()
            middle = editor.cursor_screen_offset.y - editor.region.y
            assert middle == editor.size.height // 2
        assert style_of(editor, "e went").color != style_of(editor, "told").color


async def test_reading_shows_no_cursor_changes_nothing_and_scrolls() -> None:
    async with writing(PROSE * 5, width=20) as (editor, pilot):
        editor.reading = True
        await pilot.press("x", "enter", "backspace", "ctrl+w", "ctrl+v")
        assert editor.text == PROSE * 5
        await pilot.press("down", "down")
        assert round(editor.scroll_y) == 2
        await pilot.press("space")
        assert round(editor.scroll_y) > 8
        await pilot.press("home")
        assert round(editor.scroll_y) == 0
        cursor = editor._painter.palette.laid_over["cursor"]  # type: ignore[union-attr]
        assert not [s for y in range(5) for s in editor.render_line(y) if s.style and s.style.bgcolor == cursor.bgcolor]


async def test_a_read_only_text_can_be_copied_but_not_changed() -> None:
    async with writing("one two", read_only=True) as (editor, pilot):
        await pilot.press("x", "delete", "ctrl+shift+right", "ctrl+x", "enter")
        assert editor.text == "one two" and editor.selected_text == "one"


async def test_find_marks_all_matches_and_goes_from_one_to_the_next() -> None:
    async with writing("The cat saw the catalogue. THE CAT!", width=20) as (editor, pilot):
        assert editor.find("cat") == [(4, 7), (16, 19), (31, 34)]
        assert editor.match_index == 0 and editor.cursor == 4
        editor.find_next()
        assert editor.match_index == 1 and editor.cursor == 16
        editor.find_previous()
        editor.find_previous()
        assert editor.match_index == 2
        await pilot.pause()
        current, other = style_of(editor, "CAT"), style_of(editor, "cat")
        assert current.bgcolor != other.bgcolor and other.bgcolor != style_of(editor, "saw").bgcolor
        assert editor.find("cat", words=True) == [(4, 7), (31, 34)]
        assert editor.find("CAT", case=True) == [(31, 34)]
        assert editor.find(r"c\w+e", regex=True) == [(16, 25)]
        with pytest.raises(SearchError):
            editor.find("(", regex=True)
        editor.find("cat")
        editor.end_find()
        assert editor.matches == [] and editor.match_index == -1


async def test_an_expression_that_would_search_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_SECONDS", 0.2)
    async with writing("a cat " + "a" * 60 + "!") as (editor, _):
        with pytest.raises(SearchError, match="too long"):
            editor.find("(a+)+b", regex=True)
        assert editor.matches == []
        assert editor.find("(a+)t", regex=True) == [(3, 5)]


async def test_replacing_one_and_all() -> None:
    async with writing("a cat, a cat, a cat") as (editor, _):
        editor.find("cat")
        editor.replace_match("dog")
        assert (
            editor.text == "a dog, a cat, a cat" and editor.match_index == 0 and editor.matches == [(9, 12), (16, 19)]
        )
        assert editor.replace_all("hen") == 2
        assert editor.text == "a dog, a hen, a hen"
        editor.undo()
        assert editor.text == "a dog, a cat, a cat"
        editor.find(r"(\w) (cat)", regex=True)
        assert editor.replace_all(r"\2 \1") == 2
        assert editor.text == "a dog, cat a, cat a"


async def test_matches_are_found_anew_while_the_text_changes() -> None:
    async with writing("cat and cat") as (editor, pilot):
        editor.find("cat")
        editor.move_to(0)
        await pilot.press(*"a", "space")
        assert editor.matches == [(2, 5), (10, 13)]
        editor.move_to(editor.length)
        await pilot.press("space", *"cat")
        await until(pilot, lambda: len(editor.matches) == 3)


async def test_the_mouse_puts_the_cursor_and_selects() -> None:
    async with writing(PROSE, width=20) as (editor, pilot):
        left = editor._left
        await pilot.click(editor, offset=(left + 4, 0))
        assert editor.cursor == 4 and editor.selection == (4, 4)
        await pilot.click(editor, offset=(left + 12, 1), shift=True)
        assert editor.selection == (4, 32)
        await pilot.click(editor, offset=(left + 6, 2), times=2)
        assert editor.selected_text == "what"
        await pilot.click(editor, offset=(left + 1, 3))
        await pilot.click(editor, offset=(left + 6, 2), times=3)
        assert editor.selected_text == PROSE[:86]
        await pilot.mouse_down(editor, offset=(left + 4, 0))
        await pilot.hover(editor, offset=(left + 3, 1))
        await pilot.mouse_up(editor, offset=(left + 3, 1))
        assert editor.selected_text == PROSE[4:23]
        await pilot.click(editor, offset=(left + 18, 9))
        assert editor.cursor == len(PROSE)
        editor.load(PROSE * 9)
        await pilot.mouse_down(editor, offset=(left + 2, 2))
        await pilot.hover(Button, offset=(5, 0))  # below the editor: the view goes on
        await until(pilot, lambda: editor.scroll_y > 4)
        await pilot.mouse_up(Button, offset=(5, 0))
        start, end = editor.selection
        assert start == 43 and end > 200


async def test_the_mouse_is_right_where_there_is_padding() -> None:
    async with writing(PROSE, width=20) as (editor, pilot):
        editor.styles.padding = (2, 3)
        await pilot.pause()
        await pilot.click(editor, offset=(3 + editor._left + 4, 3))
        assert editor.cursor == 24


async def test_characters_that_join_others_can_be_typed() -> None:
    async with writing() as (editor, pilot):
        for character in "\U0001f469\u200d\U0001f467\xa0":
            editor.post_message(events.Key("a", character))
        editor.post_message(events.Key("alt+b", "b"))
        await pilot.pause()
        assert editor.text == "\U0001f469\u200d\U0001f467\xa0"


async def test_another_theme_paints_the_text_anew() -> None:
    async with writing() as (editor, pilot):
        editor.load("Mine yours", [(5, 10, Author.MODEL)])
        await pilot.pause()
        before = style_of(editor, "yours")
        pilot.app.theme = "paper"
        await until(pilot, lambda: style_of(editor, "yours").color != before.color)
        assert style_of(editor, "ine").bgcolor != before.bgcolor


async def test_undo_before_the_first_word_came_only_ends_the_continuation() -> None:
    async with writing() as (editor, pilot):
        await pilot.press("x")
        coming = editor.begin_continuation()
        await pilot.press("ctrl+z")
        assert coming.ended and editor.text == "x"
        await pilot.press("ctrl+z")
        assert editor.text == ""


async def test_tab_leaves_unless_it_is_to_insert() -> None:
    async with writing("x") as (editor, pilot):
        editor.tab_inserts = True
        await pilot.press("tab")
        assert editor.text == "\tx"
        editor.tab_inserts = False
        await pilot.press("tab")
        assert editor.text == "\tx" and not editor.has_focus


async def test_input_methods_are_told_where_the_cursor_is() -> None:
    async with writing("\u65e5\u672c", width=20) as (editor, pilot):
        await pilot.press("right")
        assert pilot.app.cursor_position == (editor.region.x + editor._left + 2, editor.region.y)


async def test_a_key_repaints_its_row_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with writing("word " * 20_000, width=30) as (editor, pilot):
        editor.move_to(100)
        await pilot.pause()
        painted: list[int] = []
        paint = editor.render_line
        monkeypatch.setattr(editor, "render_line", lambda y: painted.append(y) or paint(y))
        await pilot.press("right")
        await until(pilot, lambda: bool(painted))
        assert len(set(painted)) <= 2


async def test_resizing_keeps_the_cursor_in_view_and_other_places_where_they_are() -> None:
    async with writing(PROSE * 20, width=0, size=(60, 20)) as (editor, pilot):
        editor.move_to(1500)
        await pilot.resize_terminal(40, 8)
        await pilot.pause()
        assert 0 <= editor.cursor_screen_offset.y - editor.region.y < editor.size.height
        editor.scroll_to(y=0, animate=False)
        await pilot.pause()
        await pilot.resize_terminal(50, 10)
        await pilot.pause()
        assert rows(editor)[0].strip().startswith("The lamp")


async def test_marks_and_adopted_passages() -> None:
    async with writing() as (editor, pilot):
        editor.load("One two three.", [(4, 7, Author.MODEL)])
        plain = style_of(editor, "ne")
        assert style_of(editor, "two").color != plain.color
        editor.mark(4, 7)
        await pilot.pause()
        assert style_of(editor, "two").bgcolor != plain.bgcolor
        editor.unmark()
        editor.adopt(0, 14)
        await pilot.pause()
        assert editor.spans() == [] and style_of(editor, "two").color == plain.color
        editor.undo()
        assert editor.spans() == [(4, 7, Author.MODEL)]


async def test_without_colours_signs_say_whose_words_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with writing() as (editor, pilot):
        editor.load("Mine yours changed", [(5, 10, Author.MODEL), (11, 18, Author.EDITED)])
        await pilot.pause()
        assert style_of(editor, "yours").italic and not style_of(editor, "yours").underline
        assert style_of(editor, "changed").underline
        assert not style_of(editor, "ine").italic


async def test_what_is_odd_is_shown_safely() -> None:
    async with writing("a\x1b[31m\x00\u202eb") as (editor, _):
        assert rows(editor)[0].strip() == "a\u241b[31m\u2400\u2194b"


async def test_the_words_for_an_empty_text_are_gone_when_it_is_not() -> None:
    async with writing(placeholder="Write here, and a model goes on when you ask it to.", width=20) as (editor, pilot):
        assert [row.strip() for row in rows(editor)[:3]] == [
            "Write here, and a",
            "model goes on when",
            "you ask it to.",
        ]
        await pilot.press("x")
        assert rows(editor)[0].strip() == "x"


async def test_an_editor_can_be_as_high_as_its_text() -> None:
    async with writing("one", width=20) as (editor, pilot):
        editor.styles.height = "auto"
        await pilot.pause()
        assert editor.size.height == 1
        await pilot.press("end", "enter", *"two", "enter")
        await until(pilot, lambda: editor.size.height == 3)


async def test_words_are_counted() -> None:
    async with writing(PROSE) as (editor, pilot):
        assert editor.word_count() == len(PROSE.split())
        await pilot.press("ctrl+shift+right", "ctrl+shift+right")
        assert editor.selected_word_count() == 2


async def test_every_key_says_what_it_does() -> None:
    for binding in BINDINGS:
        assert binding.id and binding.id.startswith("editor.") and binding.description and binding.tooltip  # type: ignore[union-attr]
    await asyncio.sleep(0)


async def test_what_is_on_the_screen_is_what_would_be_painted_anew() -> None:
    """Whatever happens, in any order: rows that were left unpainted are rows that did not change."""
    source = random.Random(7)
    words = [
        "lamp ",
        "\u65e5\u672c",
        "e\u0301",
        " and",
        ".\n",
        "\t",
        "\U0001f469\u200d\U0001f467",
        "long" * 9,
        "\u2014",
        " ",
    ]

    def anywhere(editor: Editor) -> int:
        return source.randrange(editor.length + 1)

    def nearby(editor: Editor) -> int:
        return max(0, min(editor.length, editor.cursor + source.randint(-60, 60)))

    def act(editor: Editor) -> None:
        nonlocal coming
        match source.randrange(18):
            case 0 | 1 | 2:
                editor.type_text(source.choice(words))
            case 3:
                editor.action_delete(source.choice(["left", "right", "word_left", "word_right", "paragraph_end"]))
            case 4 | 5:
                where = ["up", "down", "left", "word_right", "row_end", "page_up", "page_down", "paragraph_down"]
                with contextlib.suppress(SkipAction):
                    editor.action_go(source.choice(where), source.random() < 0.3)
            case 6:
                editor.move_to(anywhere(editor), select=source.random() < 0.3)
            case 7:
                editor.suggest("".join(source.choices(words, k=12)))
            case 8:
                editor.accept(source.choice(["all", "word", "sentence"]))  # type: ignore[arg-type]
            case 9:
                coming = editor.begin_continuation(nearby(editor))
            case 10 | 11:
                if coming is not None:
                    coming.append(source.choice(words))
            case 12:
                editor.context_start = source.choice([None, nearby(editor), anywhere(editor)])
            case 13:
                editor.find(source.choice(["a", "lamp", "zz"])) if source.random() < 0.5 else editor.end_find()
            case 14:
                editor.undo() if source.random() < 0.6 else editor.redo()
            case 15:
                editor.mark(nearby(editor), nearby(editor) + 9) if source.random() < 0.7 else editor.unmark()
            case 16:
                name = source.choice(["focus_mode", "reading", "show_authors"])
                setattr(editor, name, not getattr(editor, name))
            case 17:
                editor.column_width = source.choice([0, 12, 20, 30])
                if coming is not None and source.random() < 0.5:
                    coming.withdraw()

    async with writing(PROSE * 6, width=20) as (editor, pilot):
        coming = None
        for number in range(300):
            act(editor)
            if number % 5 == 4:
                await pilot.pause()
                size = editor.size
                seen = editor.render_lines(size.region)
                for y in range(size.height):
                    fresh = editor.render_line(y)
                    assert list(fresh.simplify()) == list(seen[y].crop(0, fresh.cell_length).simplify()), (number, y)
                assert 0 <= editor.cursor <= editor.length
                assert editor._layout._rows.total == editor.length + len(editor.suggestion)


# Painting


def painted(pilot: Pilot[None]) -> list[list[tuple[str, Style | None]]]:
    """What the terminal shows, with the scroll bar."""
    strips = pilot.app.screen._compositor.render_strips()
    return [[(segment.text, segment.style) for segment in strip.simplify()] for strip in strips]


@pytest.mark.parametrize("rows_there", [2, 40, 900])
async def test_what_is_painted_as_it_comes_is_what_painting_anew_would_show(rows_there: int) -> None:
    dice = random.Random(rows_there)
    async with writing("A row of words.\n" * rows_there) as (editor, pilot):
        coming = editor.begin_continuation(len(editor.text))
        for turn in range(60):
            coming.append(
                dice.choice((" a", " word", "\n", "\n\n\n", " and very much more than fits into a row of it"))
            )
            if turn % 7 == 0:
                editor.scroll_relative(y=dice.randint(-30, 30), animate=False, immediate=True)
            editor.show_now()
            shown = painted(pilot)
            editor.vertical_scrollbar.refresh()
            editor.refresh()
            pilot.app.screen._compositor.update_widgets({editor, editor.vertical_scrollbar})
            assert painted(pilot) == shown
            if turn % 5 == 0:
                await pilot.pause()


async def test_what_comes_is_painted_without_waiting_for_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    async with writing(PROSE) as (editor, pilot):
        await pilot.pause()
        paints: list[int] = []
        monkeypatch.setattr(type(editor.screen), "_compositor_refresh", lambda screen: paints.append(1))
        editor.begin_continuation(0).append("Once ")
        editor.show_now()
        assert paints
        monkeypatch.undo()
        assert "Once The lamp" in "".join(text for text, _ in painted(pilot)[0])
