"""What a reader takes for one character: where such clusters part, how wide they are, and how they are shown.

Where clusters part is asked of wcwidth, which follows Unicode's tables, is typed, and needs no compiler; how wide they
are of rich, because Textual draws with it, and a row must be as wide as it is drawn. Most text needs neither: for it
regular expressions decide, which is why wcwidth is imported only when it is needed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size

TAB = 4
"""Cells from one tab stop to the next, counted from where the row begins."""

NEWLINE = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a paragraph. Form feed and vertical tab do not: they are shown, and stay."""

NEWLINES = frozenset(("\r\n", "\n", "\r", "\x85", "\u2028", "\u2029"))

NARROW = (
    " -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0373\u0376\u0377\u037b-\u037e\u0386\u0388-\u038a\u038e-\u03a1\u03a3-\u0482"
    "\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf"
)
"""Characters of one cell that stand alone whatever is beside them, as a class of a regular expression."""
WIDE = (
    "\u3001-\u3029\u3031-\u3035\u3041-\u3096\u309b-\u309f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uff01-\uff60\uffe0-\uffe6"
)
"""Those of two cells."""
narrow_run = re.compile(f"[{NARROW}]*").match
is_narrow = re.compile(f"[{NARROW}]*").fullmatch
single_run = re.compile(f"[{NARROW}{WIDE}]*").match
is_single = re.compile(f"[{NARROW}{WIDE}]*").fullmatch
"""Whether each code point is a character of its own."""

_SIGNS = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    0xAD: "-",
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFFF9, 0xFFFC)], "\u2194"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
"""What is shown for characters that would command the terminal, turn the direction of what follows, or not be seen."""

_JOINS = frozenset("\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\u061c")
"""Characters of no width: they move and go with the one before them."""


class _Cells(dict[str, int]):
    """Cells of single code points, as they are asked for."""

    def __missing__(self, character: str) -> int:
        self[character] = width = get_character_cell_size(character)
        return width


cells = _Cells()
"""How many cells a character takes that is one code point."""


class Cluster(NamedTuple):
    """One character as a reader sees it: where it begins in the text, its cells, what is drawn, and if it is a sign
    in place of what cannot be drawn."""

    start: int
    width: int
    drawn: str
    is_sign: bool = False


def boundaries(text: str) -> list[int]:
    """Where the clusters of a text begin, and its end."""
    if is_single(text):
        return list(range(len(text) + 1))
    return list(accumulate(map(len, parts(text)), initial=0))


def parts(text: str) -> list[str]:
    """The clusters of a text."""
    from wcwidth import iter_graphemes

    found = list(iter_graphemes(text))
    if _JOINS.isdisjoint(found):
        return found
    joined: list[str] = []
    for cluster in found:
        if cluster in _JOINS and joined and joined[-1] not in NEWLINES:
            joined[-1] += cluster
        else:
            joined.append(cluster)
    return joined


@lru_cache(maxsize=4096)
def _shown(cluster: str) -> tuple[int, str, bool]:
    """Width, drawing, and whether it is a sign, of any cluster but a tab or a newline."""
    sign = _SIGNS.get(ord(cluster[0]))
    if sign is not None:
        return 1, sign, True
    drawn = "".join("" if ord(character) in _SIGNS else character for character in cluster)
    drawn = drawn.rstrip("\u200d")  # it would join what is drawn next, for rich
    width = cell_len(drawn)
    if width == 0:
        return 1, "\u00b7", True
    return width, drawn, False


@lru_cache(maxsize=4096)
def _width(cluster: str) -> int:
    return 0 if cluster in NEWLINES else _shown(cluster)[0]


def widths(row: list[str]) -> list[int]:
    """The cells of the clusters that a row begins with."""
    if "\t" not in row:
        return list(map(_width, row))
    found = []
    column = 0
    for cluster in row:
        found.append(TAB - column % TAB if cluster == "\t" else _width(cluster))
        column += found[-1]
    return found


def clusters(text: str, column: int = 0) -> list[Cluster]:
    """The clusters of part of a row that begins at `column`; a newline at its end is a cluster of no width."""
    if is_single(text):
        return [Cluster(at, cells[character], character) for at, character in enumerate(text)]
    found: list[Cluster] = []
    start = 0
    for cluster in parts(text):
        if cluster == "\t":
            width = TAB - column % TAB
            found.append(Cluster(start, width, " " * width))
        elif cluster in NEWLINES:
            width = 0
            found.append(Cluster(start, 0, ""))
        else:
            width, drawn, is_sign = _shown(cluster)
            found.append(Cluster(start, width, drawn, is_sign))
        start += len(cluster)
        column += width
    return found
