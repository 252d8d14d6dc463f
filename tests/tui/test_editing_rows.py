"""Rows: where they break, that they fit, and that mending them after a change gives what making them anew would."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from gpt_tui.editing.buffer import Buffer
from gpt_tui.editing.document import Document
from gpt_tui.editing.ghost import ShownText
from gpt_tui.editing.graphemes import boundaries, clusters
from gpt_tui.editing.layout import Layout
from gpt_tui.editing.shapes import RowShape, line_of

ODD = "abc   -\u2014\u201c'.,\n\r\t\x1b\x85\u2028\u00e9\u0301\u200d\ufe0f\U0001f469\u65e5\u672c\u3002\u300c\u05d0"
ODD += "\u202e\u200b\xa0"
TEXT = st.text(alphabet=st.sampled_from(ODD), max_size=120)


def rows(text: str, width: int) -> list[str]:
    layout = Layout(Buffer(text), width)
    return [layout.text(row) for row in range(len(layout))]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("the quick brown fox", 9, ["the quick ", "brown fox"]),
        ("the quick brown fox", 10, ["the quick ", "brown fox"]),
        ("abcdefghijkl mno", 5, ["abcde", "fghij", "kl ", "mno"]),
        ("well-known word", 7, ["well-", "known ", "word"]),
        ("word\u2014word word", 6, ["word\u2014", "word ", "word"]),
        ("say \u2014 this", 6, ["say \u2014 ", "this"]),
        ("one\n\ntwo\n", 9, ["one\n", "\n", "two\n", ""]),
        ("one\r\ntwo\rthree\u2028", 9, ["one\r\n", "two\r", "three\u2028", ""]),
        ("", 9, [""]),
        ("abcde  f", 5, ["abcde ", " f"]),
        ("abcde \n", 5, ["abcde ", "\n", ""]),
        ("\u65e5\u672c\u8a9e\u3002\u65e5\u672c", 6, ["\u65e5\u672c", "\u8a9e\u3002\u65e5", "\u672c"]),
        ("a\xa0b c\xa0d", 5, ["a\xa0b ", "c\xa0d"]),
        ("cafe\u0301 cafe\u0301", 5, ["cafe\u0301 ", "cafe\u0301"]),
        ("\U0001f469\u200d\U0001f467\U0001f469\u200d\U0001f467", 3, ["\U0001f469\u200d\U0001f467"] * 2),
        ("\u65e5", 1, ["\u65e5"]),
        ("ab cd e\u0301", 5, ["ab cd ", "e\u0301"]),
        ("a e\u0301bc", 3, ["a ", "e\u0301bc"]),
        ("a--b --c", 4, ["a--b ", "--c"]),
        ("ab--cd", 5, ["ab--", "cd"]),
        ("abcdef-g", 6, ["abcdef", "-g"]),
    ],
)
def test_rows_break_where_a_reader_expects(text: str, width: int, expected: list[str]) -> None:
    assert rows(text, width) == expected


@given(TEXT, st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_rows_are_the_text_fit_the_width_and_cut_no_character(text: str, width: int) -> None:
    found = rows(text, width)
    assert "".join(found) == text
    edges = set(boundaries(text))
    at = 0
    for row in found:
        line = line_of(row)
        shape = RowShape(line)
        row_clusters = clusters(line)
        if shape.width > width:  # one character wider than the row, or a space that hangs over the margin
            last = row_clusters[-1]
            hangs = shape.width - last.width <= width and (line[last.start].isspace() or line[last.start] == "\u200b")
            assert hangs or len(row_clusters) == 1
        at += len(row)
        assert at in edges


@given(
    TEXT,
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), TEXT), min_size=1, max_size=5),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_mended_rows_are_those_made_anew(
    text: str, width: int, edits: list[tuple[float, int, str]], settles: bool
) -> None:
    buffer = Buffer(text)
    layout = Layout(buffer, width)
    for share, length, new in edits:
        start = round(share * len(buffer))
        end = min(len(buffer), start + length)
        buffer.replace(start, end, new)
        before = len(layout)
        mended = layout.changed(start, end - start, len(new))
        assert len(layout) == before + mended.after - mended.before
        if settles:
            fresh = Layout(buffer, width)
            assert [layout.bounds(row) for row in range(len(layout))] == [
                fresh.bounds(row) for row in range(len(fresh))
            ]


def test_a_text_without_a_space_is_mended_little_by_little() -> None:
    buffer = Buffer("x" * 200_000)
    layout = Layout(buffer, 70)
    for at in (10, 150_000, 20):
        buffer.replace(at, at, "y")
        mended = layout.changed(at, 0, 1)
        assert mended.after < 400 and not layout.settled
    assert sum(layout.bounds(row)[1] - layout.bounds(row)[0] for row in range(len(layout))) == len(buffer)
    assert all(len(layout.text(row)) <= 70 for row in range(len(layout)))
    while layout.settle() is not None:
        pass
    fresh = Layout(buffer, 70)
    assert [layout.bounds(row) for row in range(len(layout))] == [fresh.bounds(row) for row in range(len(fresh))]


def test_a_key_in_one_paragraph_of_500_kilobytes_costs_little() -> None:
    """Far below what a walk over the text would cost, on any machine."""
    buffer = Buffer("the quick brown fox jumps over the lazy dog " * 11_500)
    layout = Layout(buffer, 72)
    began = time.perf_counter()
    for at in range(1000, 1100):
        buffer.replace(at, at, "x")
        layout.changed(at, 0, 1)
    typed = time.perf_counter() - began
    began = time.perf_counter()
    Layout(buffer, 72)
    anew = time.perf_counter() - began
    assert typed / 100 < anew / 5


@given(TEXT)
@settings(deadline=None)
def test_cells_and_indices_agree(text: str) -> None:
    shape = RowShape(line_of(text.replace("\n", "").replace("\r", "").replace("\x85", "").replace("\u2028", "")))
    starts = [cluster.start for cluster in clusters(shape.text)]
    for start in starts:
        assert shape.index(shape.column(start)) == start
    assert shape.index(shape.width) == len(shape.text)
    assert all(shape.index(column) in {*starts, len(shape.text)} for column in range(shape.width + 2))


@given(st.text(alphabet=st.sampled_from(ODD + "\u0915\u094d\u1100\u1161\U0001f1eb\u2764\U0001f3fd"), max_size=30))
@settings(max_examples=300, deadline=None)
def test_characters_are_as_wide_as_textual_draws_them(text: str) -> None:
    found = clusters(text)
    assert "".join(text[a.start : b.start] for a, b in pairwise(found)) == text[: found[-1].start if found else 0]
    assert sum(cluster.width for cluster in found) == cell_len("".join(cluster.drawn for cluster in found))


def test_nothing_that_commands_a_terminal_is_drawn() -> None:
    text = "a\x1b[31m\x00\x7f\x9b\u202eb\u2066\ud800\x1ce\u0301\x0b"
    drawn = "".join(cluster.drawn for cluster in clusters(text))
    assert not [character for character in drawn if ord(character) < 32 or 0x7F <= ord(character) < 0xA0]
    assert "\u202e" not in drawn and "\u2066" not in drawn and "\ud800" not in drawn
    assert "\u241b[31m\u2400\u2421" in drawn


@given(TEXT, st.floats(0, 1), TEXT, st.integers(0, 300), st.integers(0, 60))
@settings(deadline=None)
def test_a_suggestion_stands_in_the_text_that_is_shown(
    text: str, share: float, ghost: str, start: int, length: int
) -> None:
    document = Document(text)
    shown = ShownText(document)
    shown.at, shown.ghost = round(share * len(text)), ghost
    whole = text[: shown.at] + ghost + text[shown.at :]
    assert len(shown) == len(whole)
    assert shown.slice(start, start + length) == whole[start : start + length]
    for offset in range(len(text) + 1):
        assert shown.offset(shown.shown(offset)) == offset
