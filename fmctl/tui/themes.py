"""How the session looks: two themes of its own, Textual's beside them, the terminal's own colours under NO_COLOR."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="fmctl",
    primary="#7aa2f7",
    secondary="#bb9af7",
    accent="#ff9e64",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c0caf5",
    background="#16161e",
    surface="#1a1b26",
    panel="#24283b",
    dark=True,
    variables={"border": "#3b4261", "footer-key-foreground": "#ff9e64", "block-cursor-text-style": "bold"},
)
LIGHT = Theme(
    name="fmctl-light",
    primary="#2e5aa8",
    secondary="#7847bd",
    accent="#b15c00",
    warning="#8c6c3e",
    error="#c0264a",
    success="#3d7a1f",
    foreground="#1f2335",
    background="#f4f5f9",
    surface="#ffffff",
    panel="#e3e6f0",
    dark=False,
    variables={"border": "#b7bdd1", "footer-key-foreground": "#b15c00"},
)
ANSI = "ansi-dark"  # only the terminal's own sixteen colours: what NO_COLOR and old terminals need
OWN = (DARK, LIGHT)
