"""The colours: dark, light, for the colour-blind, and the terminal's own sixteen."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="lorad",
    primary="#8fb8de",
    accent="#8fb8de",
    foreground="#dfe3ea",
    background="#11141a",
    surface="#1a1f28",
    panel="#1a1f28",
    success="#8fc29b",
    warning="#e0bf7c",
    error="#e08a8a",
    dark=True,
)
LIGHT = Theme(
    name="lorad-light",
    primary="#2f6497",
    accent="#2f6497",
    foreground="#1d232c",
    background="#fafafa",
    surface="#eceff3",
    panel="#eceff3",
    success="#2f7a42",
    warning="#8f6400",
    error="#b03434",
    dark=False,
)
# Blue, yellow and vermilion of Okabe and Ito (jfly.uni-koeln.de/color): none of the three is told
# from another by red and green alone.
COLOUR_BLIND = Theme(
    name="lorad-colour-blind",
    primary="#56b4e9",
    accent="#56b4e9",
    foreground="#e6e6e6",
    background="#101216",
    surface="#1b1e24",
    panel="#1b1e24",
    success="#2fa8e0",
    warning="#f0e442",
    error="#ff8c42",
    dark=True,
)
SIXTEEN = Theme(
    name="lorad-16",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
    },
)
THEMES = (DARK, LIGHT, COLOUR_BLIND, SIXTEEN)
NAMES = tuple(theme.name for theme in THEMES)


def fitting(wanted: str, known: set[str], color_system: str | None) -> str:
    """The theme to begin with: the one that is wanted, else one that the terminal can show."""
    if wanted in known and wanted != DARK.name:
        return wanted
    return SIXTEEN.name if color_system == "standard" else DARK.name
