"""A screen of ASCII alone: every other character is replaced, after all else, by one that is as wide."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import decomposition

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_SAID = {
    "×": "x", "≈": "~", "±": "~", "…": ".", "·": "-", "−": "-", "–": "-", "—": "-", "•": "*", "→": ">", "←": "<",
    "↑": "^", "↓": "v", "▶": ">", "▼": "v", "◆": "#", "◇": "o", "●": "*", "○": "o", "✓": "+", "✗": "x", "¹": "1",
    "²": "2", "³": "3", "⏎": "<", "∙": ".", "“": '"', "”": '"', "’": "'",
}  # fmt: skip
_POWERS = (("10⁹", "1e9"), ("10⁶", "1e6"))  # as wide, and not to be read as 109
_ROUND = "─━╌╍┄┅┈┉═╴╶╸╺"
_UPRIGHT = "│┃╎╏┆┇┊┋║╵╷╹╻"


class AsciiFilter(LineFilter):
    """Lines, blocks and dots drawn with letters."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with their text in ASCII."""
        return [
            segment if segment.text.isascii() else Segment(_spelled(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def _spelled(text: str) -> str:
    for power, plain in _POWERS:
        text = text.replace(power, plain)
    return "".join(map(_one, text))


@lru_cache(4096)
def _one(character: str) -> str:
    if character.isascii():
        return character
    return _likeness(character) * cell_len(character)


def _likeness(character: str) -> str:
    code = ord(character)
    if character in _SAID:
        return _SAID[character]
    if character in _ROUND:
        return "-"
    if character in _UPRIGHT:
        return "|"
    if 0x2500 <= code <= 0x257F:
        return "+"
    if 0x2580 <= code <= 0x259F:  # blocks: a bar's half-filled end counts as filled
        return "#" if character not in "▔▁▏▕" else " "
    if 0x2801 <= code <= 0x28FF:
        return "*"
    plain = decomposition(character).split()
    last = chr(int(plain[-1], 16)) if plain and plain[0].startswith("<") else ""
    first = chr(int(plain[0], 16)) if plain and not plain[0].startswith("<") else ""
    return next((c for c in (first, last) if c.isascii() and c), "?" if code != 0x2800 else " ")
