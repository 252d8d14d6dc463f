"""The colours: themes of our own beside Textual's, and what every theme says of text and curves.

Ours are made for reading: text of every kind has a contrast of at least 4.5 : 1 on every background. The user's own, as
files, are read by `gpt_tui.theme_files`.
"""

from __future__ import annotations

from textual.color import Color
from textual.theme import Theme

READABLE = 4.5
"""The contrast that text has at least (WCAG 2, level AA)."""

PLAIN, ANSI = "plain", "ansi-dark"
"""The theme without any colour, and the one of the terminal's own sixteen."""


def contrast(text: Color, ground: Color) -> float:
    """How much brighter the one is than the other, from 1 (the same) to 21 (black on white), as WCAG 2 counts."""
    darker, brighter = sorted((_luminance(text), _luminance(ground)))
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    channels = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized)
    return sum(share * channel for share, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def _towards(front: Color, grounds: tuple[Color, ...], share: float) -> str:
    """A colour on the way from the first ground to the text's: that share of it, and as much further as it takes to be
    read on all grounds, as far as the theme's own text can be."""
    wanted = min(READABLE, *(contrast(front, ground) for ground in grounds))
    for step in range(round(share * 50), 50):
        color = grounds[0].blend(front, step / 50)
        if min(contrast(color, ground) for ground in grounds) >= wanted:
            return color.hex
    return front.hex


def variables(theme: Theme) -> dict[str, str]:
    """The variables that our styles use beside Textual's; a theme may set them itself: words a model wrote, those the
    writer changed in them, a suggestion, the curves of training, of held-out text and of another run, thin lines, and
    text of less weight."""
    colours = theme.to_color_system().generate()
    if theme.ansi:  # sixteen colours do not mix
        rule = "ansi_bright_black"
        faint, ghost = ("ansi_white", "ansi_cyan") if theme.dark else ("ansi_bright_black", "ansi_bright_black")
        other = faint
    else:
        front, back, surface, panel = (
            Color.parse(colours[name]) for name in ("foreground", "background", "surface", "panel")
        )
        faint = _towards(front, (back, surface, panel), 0.6)
        ghost = _towards(front, (back, surface), 0.46)
        other, rule = back.blend(front, 0.42).hex, back.blend(front, 0.2).hex
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


def _reading(name: str, *, dark: bool = True, **colours: str) -> Theme:
    """A theme of ours: the amber of its primary marks the chosen row, the keys and the cursor's place."""
    primary, background, foreground = colours["primary"], colours["background"], colours["foreground"]
    muted = _towards(
        Color.parse(foreground), tuple(Color.parse(colours[k]) for k in ("background", "surface", "panel")), 0.6
    )
    details = {
        "footer-key-foreground": primary,
        "footer-description-foreground": muted,
        "block-cursor-background": primary,
        "block-cursor-foreground": background,
        "block-cursor-blurred-background": Color.parse(background).blend(Color.parse(primary), 0.22).hex,
        "block-cursor-blurred-foreground": foreground,
        "input-selection-background": Color.parse(background).blend(Color.parse(primary), 0.3).hex,
        "input-selection-foreground": foreground,
        "screen-selection-background": Color.parse(background).blend(Color.parse(primary), 0.3).hex,
        "screen-selection-foreground": foreground,
        "border": primary,
        "border-blurred": Color.parse(background).blend(Color.parse(foreground), 0.24).hex,
        "scrollbar": Color.parse(background).blend(Color.parse(foreground), 0.22).hex,
        "scrollbar-hover": Color.parse(background).blend(Color.parse(foreground), 0.4).hex,
        "scrollbar-active": primary,
        "scrollbar-background": background,
        "foreground-muted": muted,
        "text-muted": muted,
        "button-color-foreground": background,
        "link-color": colours["secondary"],
    }
    return Theme(name=name, dark=dark, variables=details, **colours)  # type: ignore[arg-type]


INK = _reading(
    "ink",
    primary="#E0A458",
    secondary="#B8A1D9",
    accent="#7FC8A9",
    foreground="#E4DFD3",
    background="#14161A",
    surface="#1A1D22",
    panel="#23272E",
    success="#8CC98F",
    warning="#E6C072",
    error="#E8867A",
)
PAPER = _reading(
    "paper",
    dark=False,
    primary="#8F4F0A",
    secondary="#6B4FA0",
    accent="#17694A",
    foreground="#2B2822",
    background="#F8F4EA",
    surface="#F1ECDF",
    panel="#E6DFCE",
    success="#256B2A",
    warning="#7D5600",
    error="#A83226",
)
EMBER = _reading(
    "ember",
    primary="#E3A857",
    secondary="#D8A092",
    accent="#A9BF82",
    foreground="#E9D9BC",
    background="#231C15",
    surface="#2A221A",
    panel="#352B20",
    success="#A9BF82",
    warning="#E8BE62",
    error="#EC8C74",
)
SEPIA = _reading(
    "sepia",
    dark=False,
    primary="#8A3F12",
    secondary="#6A3F73",
    accent="#3F5F23",
    foreground="#3A2C1A",
    background="#F3E6CB",
    surface="#ECDDBD",
    panel="#E2D0AB",
    success="#3F5F23",
    warning="#774900",
    error="#9E2B20",
)
CONTRAST = _reading(
    "contrast",
    primary="#FFD24A",
    secondary="#D9B8FF",
    accent="#7CFFB8",
    foreground="#FFFFFF",
    background="#000000",
    surface="#0C0C0C",
    panel="#1C1C1C",
    success="#7CFF8C",
    warning="#FFC94A",
    error="#FF9A8C",
)
CONTRAST_LIGHT = _reading(
    "contrast-light",
    dark=False,
    primary="#7A2E00",
    secondary="#4A1F8F",
    accent="#00502E",
    foreground="#000000",
    background="#FFFFFF",
    surface="#F7F7F7",
    panel="#EBEBEB",
    success="#00501A",
    warning="#6A4300",
    error="#8F0F0F",
)


def _sixteen(name: str, *, dark: bool, cursor: tuple[str, str], **colours: str) -> Theme:
    """A theme of the terminal's own colours, on its own background. Where text stands on a colour, both are set."""
    text, ground = cursor
    details = {
        "block-cursor-foreground": text,
        "block-cursor-background": ground,
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": "ansi_default",
        "block-cursor-blurred-background": "ansi_default",
        "block-cursor-blurred-text-style": "bold underline",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-foreground": text,
        "input-selection-background": ground,
        "screen-selection-foreground": text,
        "screen-selection-background": ground,
        "footer-key-foreground": f"ansi_{colours['primary']}",
        "border": f"ansi_{colours['primary']}",
        "border-blurred": "ansi_bright_black",
        "link-color": "ansi_default",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": f"ansi_{colours['primary']}",
        "scrollbar-active": f"ansi_{colours['primary']}",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "foreground-muted": "ansi_default",
        "foreground-disabled": "ansi_bright_black",
        "text-muted": "ansi_default",
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
    }
    return Theme(
        name=name,
        ansi=True,
        dark=dark,
        variables=details,
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        **{role: f"ansi_{colour}" for role, colour in colours.items()},  # type: ignore[arg-type]
    )


ANSI_DARK = _sixteen(
    ANSI,
    dark=True,
    cursor=("ansi_black", "ansi_yellow"),
    primary="yellow",
    secondary="magenta",
    accent="green",
    success="green",
    warning="bright_yellow",
    error="bright_red",
)
ANSI_LIGHT = _sixteen(
    "ansi-light",
    dark=False,
    cursor=("ansi_bright_white", "ansi_blue"),
    primary="blue",
    secondary="magenta",
    accent="green",
    success="green",
    warning="red",
    error="red",
)


def _without_colour() -> Theme:
    """Bold, underline and signs say everything."""
    styles = {
        "block-cursor-text-style": "bold underline",  # in lists Textual takes no reverse
        "block-cursor-blurred-text-style": "underline",
        "button-focus-text-style": "bold reverse",
        **dict.fromkeys(("model-text", "edited-text", "ghost-text", "rule", "faint"), "ansi_default"),
        **dict.fromkeys(("train-curve", "eval-curve", "other-curve"), "ansi_default"),
        **dict.fromkeys(("scrollbar", "border-blurred", "foreground-disabled"), "ansi_default"),
    }
    roles = ("primary", "secondary", "accent", "success", "warning", "error")
    theme = _sixteen(PLAIN, dark=True, cursor=("ansi_default", "ansi_default"), **dict.fromkeys(roles, "default"))
    theme.variables |= styles
    return theme


WITHOUT_COLOUR = _without_colour()

OWN = (INK, PAPER, EMBER, SEPIA, CONTRAST, CONTRAST_LIGHT, ANSI_DARK, ANSI_LIGHT, WITHOUT_COLOUR)
MEANINGS = {
    "ink": "warm grey on near-black",
    "paper": "dark ink on warm white",
    "ember": "candlelight, dark",
    "sepia": "an old page, light",
    "contrast": "white on black",
    "contrast-light": "black on white",
    "ansi-dark": "your terminal’s, dark",
    "ansi-light": "your terminal’s, light",
    "plain": "no colours",
}
"""What ours look like, in a few words."""


def fitting(name: str, known: dict[str, Theme], *, colours: int, no_color: bool) -> tuple[str, str]:
    """The theme to show for the one that was chosen, and, when it is another, why: with NO_COLOR none has colours,
    and a terminal of sixteen colours shows its own better than the nearest to ours."""
    if no_color:
        return PLAIN, "" if name == PLAIN else "NO_COLOR is set, so everything is shown without colours."
    if name not in known:
        return INK.name, f"There is no theme {name}; ink is shown."
    if colours <= 16 and not known[name].ansi:
        fallback = ANSI_DARK if known[name].dark else ANSI_LIGHT
        return fallback.name, f"This terminal has {colours} colours: {fallback.name} is shown in place of {name}."
    return name, ""
