"""Any text as Markdown that is the same text when it is rendered: the model's words in italics, changed ones in bold.

The rules are CommonMark's. Where they would not let an asterisk open or close (before a quotation mark within a word,
next to another mark), the HTML element stands instead, which every renderer of Markdown knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from gpt_tui.terminal import visible

_MARKS = {"model": ("*", "em"), "edited": ("**", "strong")}
_INLINE = re.compile(r"[\\`*_\[\]<>~|$&]")
_AT_START = re.compile(r"#{1,6}(\s|$)|[-+](\s|$)|[-=][-=\s]*$")
_NUMBER = re.compile(r"\d{1,9}[.)](?=\s|$)")
_NEWLINE = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def escape(text: str, *, starts_line: bool = False) -> str:
    """A piece of one line with everything that Markdown would read as a command taken at its letters."""
    escaped = _INLINE.sub(lambda found: "\\" + found[0], visible(text))
    if starts_line:
        if _NUMBER.match(text):
            escaped = re.sub(r"^(\d+)", r"\1\\", escaped)
        elif _AT_START.match(text):
            escaped = "\\" + escaped
    return escaped


def marked(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """The text, its lines kept as they are, with the spans (start, end, author) marked."""
    bounds = sorted((start, end, str(author)) for start, end, author in spans if end > start)
    lines = []
    at = 0
    for newline in [*_NEWLINE.finditer(text), None]:
        end = newline.start() if newline else len(text)
        lines.append(_line(list(_pieces(text, at, end, bounds))))
        at = newline.end() if newline else end
    return _joined(lines)


def _joined(lines: Sequence[str]) -> str:
    """Lines of one paragraph stay lines: a backslash at a line's end breaks it."""
    out = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        out.append(f"{line}\\" if line.strip() and following.strip() else line)
    return "\n".join(out)


def _pieces(text: str, at: int, end: int, bounds: Sequence[tuple[int, int, str]]) -> Iterable[tuple[str, str]]:
    """What of a line is whose: (piece, author), empty for the writer's."""
    for start, stop, author in bounds:
        start, stop = max(start, at), min(stop, end)
        if start >= stop:
            continue
        if start > at:
            yield text[at:start], ""
        yield text[start:stop], author
        at = stop
    if at < end:
        yield text[at:end], ""


def _line(pieces: list[tuple[str, str]]) -> str:
    """One line. Its indentation, which Markdown would drop or take for code, becomes spaces that stay."""
    whole = "".join(piece for piece, _ in pieces)
    indent = len(whole) - len(whole.lstrip())
    if indent == len(whole):
        return ""
    line = "".join("&emsp;" if character == "\t" else "&nbsp;" for character in whole[:indent])
    skip = indent
    fresh = not indent
    for number, (piece, author) in enumerate(pieces):
        skipped, skip = min(skip, len(piece)), max(0, skip - len(piece))
        piece = piece[skipped:]
        if not piece:
            continue
        following = pieces[number + 1] if number + 1 < len(pieces) else ("", "")
        line += _mark(piece, author, line, following, starts_line=fresh)
        fresh = False
    return line.rstrip()


def _mark(piece: str, author: str, before: str, following: tuple[str, str], *, starts_line: bool) -> str:
    """A piece of a line with its mark around it; blanks at its ends stay outside."""
    core = piece.strip()
    if author not in _MARKS or not core:
        return escape(piece, starts_line=starts_line)
    lead, trail = piece[: len(piece) - len(piece.lstrip())], piece[len(piece.rstrip()) :]
    stars, element = _MARKS[author]
    inner = escape(core)
    left = lead[-1:] or before[-1:]
    right = trail[:1] or following[0][:1]
    touches = (not lead and before.endswith(("*", ">"))) or (not trail and following[1] in _MARKS and right != "")
    if touches or not _may_open(left, inner[0]) or not _may_open(right, inner[-1]):
        return f"{lead}<{element}>{inner}</{element}>{trail}"
    return f"{lead}{stars}{inner}{stars}{trail}"


def _may_open(outside: str, inside: str) -> bool:
    """CommonMark's flanking rule, for either end of what is emphasised."""
    return not _is_punctuation(inside) or outside == "" or outside.isspace() or _is_punctuation(outside)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
