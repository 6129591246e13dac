"""A measured curve against what was predicted: dots over the band of the plan's interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from fmctl.report.words import say

if TYPE_CHECKING:
    from fmctl.domain.rows.progress import Figure
    from fmctl.tui.attributes import Attributes

_LABELS = 10


class Curve(Widget):
    """Values by step. The band is the 80 % interval of the plan, the line in it the prediction."""

    DEFAULT_CSS = "Curve { height: 1fr; min-height: 4; }"

    def __init__(self, name: str, **attributes: Unpack[Attributes]) -> None:
        """`name` is that of the figure in the document of `progress`; it says the unit."""
        super().__init__(**attributes)
        self._figure = name
        self._values: Sequence[tuple[int, float]] = ()
        self._band: tuple[float | None, float | None, float | None] = (None, None, None)

    def show(self, values: Sequence[tuple[int, float]], figure: Figure | None) -> None:
        """(step, value) in order, and the figure of the document that they are held against."""
        self._values = values
        if figure is not None:
            self._band = (figure["low"], figure["predicted"], figure["high"])
        self.refresh()

    def _ends(self) -> tuple[float, float]:
        found = [value for _, value in self._values] + [value for value in self._band if value is not None]
        low, high = min(found), max(found)
        room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        return low - room, high + room

    def _row(self, value: float, high: int) -> int:
        low, top = self._ends()
        return min(max(round((top - value) / (top - low) * (high - 1)), 0), high - 1)

    def render_line(self, y: int) -> Strip:
        """One line of the plot; the last says the steps."""
        width, height = self.size
        base = self.rich_style
        dim = base + Style(dim=True)
        if not self._values:
            return Strip([Segment(("no steps in the log yet" if y == 0 else "").ljust(width), dim)], width)
        high, room = max(height - 1, 1), max(width - _LABELS - 2, 1)
        if y >= high:
            first, last = f"step {self._values[0][0]:,}", f"{self._values[-1][0]:,}"
            text = " " * (_LABELS + 2) + first + last.rjust(max(room - len(first), 0))
            return Strip([Segment(text[:width].ljust(width), dim)], width)
        cells = [(self._ground(y, high), dim)] * room
        for column, value in self._columns(room):
            if self._row(value, high) == y:
                cells[column] = ("•", base + Style(bold=True))
        label = self._label(y, high).rjust(_LABELS)[-_LABELS:]
        segments = [Segment(f"{label} │", dim), *(Segment(c, s) for c, s in cells)]
        return Strip(segments).crop_extend(0, width, base).simplify()

    def _ground(self, y: int, high: int) -> str:
        low, predicted, top = self._band
        if predicted is not None and self._row(predicted, high) == y:
            return "─"
        if low is not None and top is not None and self._row(top, high) <= y <= self._row(low, high):
            return "░"
        return " "

    def _columns(self, room: int) -> Sequence[tuple[int, float]]:
        """One value per column at most: the newest points that share one are drawn over the older."""
        count = len(self._values)
        spread = max(count - 1, 1)
        return [(min(i * (room - 1) // spread, room - 1), value) for i, (_, value) in enumerate(self._values)]

    def _label(self, y: int, high: int) -> str:
        _, predicted, _ = self._band
        low, top = self._ends()
        if predicted is not None and self._row(predicted, high) == y:
            return say(self._figure, predicted)
        if y == 0:
            return say(self._figure, top)
        return say(self._figure, low) if y == high - 1 else ""
