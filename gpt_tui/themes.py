"""The colours: two themes of our own beside Textual's, and what every theme says of text and curves."""

from __future__ import annotations

from textual.color import Color
from textual.theme import Theme

def variables(theme: Theme) -> dict[str, str]:
    """The variables that our styles use beside Textual's; a theme may set them itself: words a model wrote, those the
    writer changed in them, a suggestion, the curves of training, of held-out text and of another run, thin lines, and
    text of less weight."""
    colours = theme.to_color_system().generate()
    if theme.ansi:
        faint = ghost = other = rule = "ansi_bright_black"
    else:
        front, back = Color.parse(colours["foreground"]), Color.parse(colours["background"])
        faint, ghost, other, rule = (back.blend(front, share).hex for share in (0.6, 0.5, 0.4, 0.2))
    return {
        "model-text": colours["accent"],
        "edited-text": colours["secondary"],
        "ghost-text": ghost,
        "train-curve": colours["primary"],
        "eval-curve": colours["accent"],
        "other-curve": other,
        "rule": rule,
        "faint": faint,
    }


INK = Theme(
    name="ink",
    primary="#E0A458",
    secondary="#B8A1D9",
    accent="#7FC8A9",
    foreground="#E4DFD3",
    background="#14161A",
    surface="#1A1D22",
    panel="#23272E",
    success="#8CC98F",
    warning="#E0B458",
    error="#E07A6E",
    dark=True,
    variables={"footer-key-foreground": "#E0A458", "input-selection-background": "#E0A458 30%"},
)
PAPER = Theme(
    name="paper",
    primary="#9A5B13",
    secondary="#6B4FA0",
    accent="#1F7A55",
    foreground="#2B2822",
    background="#F8F4EA",
    surface="#F1ECDF",
    panel="#E6DFCE",
    success="#2E7D32",
    warning="#9A6A00",
    error="#B3392C",
    dark=False,
    variables={"footer-key-foreground": "#9A5B13", "input-selection-background": "#9A5B13 25%"},
)
OWN = (INK, PAPER)
