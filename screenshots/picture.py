"""A screenshot of the app as PNG. cairosvg takes one font and no other for what that lacks, so the font is one that
most systems have, and braille, which it lacks, is drawn dot by dot."""

from __future__ import annotations

import html
import re

import cairosvg

FONT = "DejaVu Sans Mono"
_FACES = re.compile(r"@font-face\s*\{[^}]*\}")
_TEXT = re.compile(r'<text ([^>]*?)x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"([^>]*)>([^<]*)</text>')
_BRAILLE = re.compile("[\u2800-\u28ff]")
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))  # column and row of each bit
_ROW = 24.4  # height of a row in Textual's pictures


def plain(svg: str) -> str:
    """The picture with a font that is there, and braille as dots."""
    svg = _FACES.sub("", svg).replace("Fira Code", FONT)
    return _TEXT.sub(lambda found: _dotted(found) if _BRAILLE.search(html.unescape(found[6])) else found[0], svg)


def _dotted(found: re.Match[str]) -> str:
    before, after, text = found[1], found[5], html.unescape(found[6])
    x, y, length = (float(found[group]) for group in (2, 3, 4))
    cell = length / len(text)
    rest = html.escape(_BRAILLE.sub("\u00a0", text)).replace(" ", "\u00a0")
    drawn = [f'<text {before}x="{x}" y="{y}" textLength="{length}"{after}>{rest}</text>']
    for index, character in enumerate(text):
        for bit, (column, row) in enumerate(_DOTS):
            if "\u2800" <= character <= "\u28ff" and ord(character) - 0x2800 >> bit & 1:
                left = x + (index + 0.3 + 0.45 * column) * cell
                top = y - 0.66 * _ROW + (row + 0.5) * _ROW / 4
                drawn.append(f'<circle {before}cx="{left:.2f}" cy="{top:.2f}" r="1.5"/>')
    return "".join(drawn)


def png(svg: str, path: str, *, scale: float = 1.0) -> None:
    """Write the picture to `path`."""
    cairosvg.svg2png(bytestring=plain(svg).encode(), write_to=path, scale=scale)
