"""Bars and tokens as text, for whatever shows probabilities."""

from __future__ import annotations

from textual.content import Content

from gpt_tui.terminal import visible

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int) -> str:
    """A bar of at most `width` cells, to an eighth of a cell; never nothing for something."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def percent(share: float) -> str:
    """Four columns: 23 %, 0.4 %, nothing for what cannot be."""
    if share <= 0:
        return "   –"
    if share < 0.00095:
        return "<.1%"
    return f"{share * 100:.1f}%" if share < 0.0095 else f"{share * 100:3.0f}%"


def token_text(text: str, *, glued: bool = False) -> str:
    """A token as a reader knows it: a word without the space before it; newlines and control characters as signs.

    `glued`: it would stand right behind a letter, so that one without a space goes on with that word: -ing.
    """
    if not text:
        return "(end)"
    spaces = len(text) - len(text.lstrip(" "))
    body = text[spaces:]
    for sign in ("\r\n", "\n", "\u2028", "\u2029", "\x85"):
        body = body.replace(sign, "↵")
    body = visible(body.replace("\t", "⇥"))
    if not body or spaces > 1:
        return "·" * spaces + body
    return f"-{body}" if glued and not spaces and body[0].isalnum() else body


def fitted(text: str, width: int) -> Content:
    """Text in exactly so many cells, cut with an ellipsis."""
    content = Content(text)
    if content.cell_length > width:
        content = content.truncate(width, ellipsis=True)
    return content.pad_right(width - content.cell_length)
