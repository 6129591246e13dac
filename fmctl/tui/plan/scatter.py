"""Cost against finish: every row of the ranking as a point, named by its rank; keys and mouse choose one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, ClassVar, Unpack

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from fmctl.report.words import say

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanRow
    from fmctl.tui.attributes import Attributes

_LABELS = 9  # columns of the labels left of the plot
_WIDE_RATIO = 4.0  # from this ratio of most to least the axis is logarithmic


@dataclass(frozen=True, slots=True)
class Point:
    """One row: its key, its rank, where it lies, and whether no other row beats it."""

    key: str
    rank: int
    x: float
    y: float
    front: bool


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes show: names as in the document (they say the unit) and titles."""

    x_name: str = "usd"
    y_name: str = "wall_s"
    x_title: str = "cost of the run"
    y_title: str = "time"


class Scatter(Widget, can_focus=True):
    """The plot. Left and right go along the cost, up and down along the time; enter explains."""

    HELP = """Cost against finish time. Each number is the rank of a row; those in [brackets] are on the Pareto front:
    no other is both cheaper and sooner. Left and right go to the next cheaper or dearer row, up and down to the slower
    or faster; a click takes the nearest; enter explains it."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,right,up,down", "none", "choose a point", show=False),
        Binding("enter", "open", "explain", id="plot.open", show=False),
    ]

    class Chosen(Message):
        """Another point is under the cursor; `opened` where it is to be explained."""

        def __init__(self, key: str, opened: bool = False) -> None:
            super().__init__()
            self.key, self.opened = key, opened

    def __init__(self, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.border_title = "cost x finish"
        self._points: tuple[Point, ...] = ()
        self._axes = Axes()
        self._current = ""
        self._unplaced = 0

    def show(self, points: Sequence[Point], axes: Axes, unplaced: int = 0) -> None:
        """Draw points; `unplaced` rows have no price or no time and cannot be drawn."""
        self._points, self._axes, self._unplaced = tuple(points), axes, unplaced
        self.refresh()

    def choose(self, key: str) -> None:
        """Put the cursor on a point, without a word to anybody."""
        if key != self._current:
            self._current = key
            self.refresh()

    def on_key(self, event: events.Key) -> None:
        """To the next point on an axis."""
        steps = {"left": ("x", -1), "right": ("x", 1), "up": ("y", 1), "down": ("y", -1)}
        if event.key in steps and self._points:
            event.stop()
            event.prevent_default()
            axis, by = steps[event.key]
            ordered = sorted(self._points, key=lambda point: (getattr(point, axis), point.rank))
            at = next((i for i, point in enumerate(ordered) if point.key == self._current), 0)
            self._take(ordered[min(max(at + by, 0), len(ordered) - 1)].key)

    def on_click(self, event: events.Click) -> None:
        """The nearest point."""
        offset = event.get_content_offset(self)
        if offset is None or not self._points:
            return
        places = {point.key: self._place(point) for point in self._points}
        nearest = min(places, key=lambda k: (places[k][0] - offset.x) ** 2 + 4 * (places[k][1] - offset.y) ** 2)
        self._take(nearest)

    def action_open(self) -> None:
        """Explain the point."""
        if self._current:
            self.post_message(self.Chosen(self._current, opened=True))

    def _take(self, key: str) -> None:
        self.choose(key)
        self.post_message(self.Chosen(key))

    # Drawing.

    def _place(self, point: Point) -> tuple[int, int]:
        """Column and line of a point inside the widget."""
        wide, high = max(self.size.width - _LABELS - 6, 1), max(self.size.height - 3, 1)
        x = _share(point.x, [p.x for p in self._points])
        y = _share(point.y, [p.y for p in self._points])
        return _LABELS + 3 + round(x * (wide - 1)), round((1.0 - y) * (high - 1))

    def render_line(self, y: int) -> Strip:
        """One line of the plot."""
        width, height = self.size
        base = self.rich_style
        if not self._points:
            text = "nothing to draw: no row has both a price and a time" if self._unplaced else "no rows yet"
            return Strip([Segment(text.ljust(width) if y == 0 else " " * width, base)], width)
        if y >= height - 2:
            return self._foot(y == height - 2, width, base)
        line = self._y_label(y, height - 3).rjust(_LABELS) + " │"
        cells = list(line.ljust(width))
        styles: list[Style] = [base + Style(dim=True)] * (_LABELS + 2) + [base] * max(width - _LABELS - 2, 0)
        ordered = sorted(self._points, key=lambda p: (p.key == self._current, p.front, -p.rank))
        for point in ordered:
            column, row = self._place(point)
            if row == y:
                self._draw(point, column, cells, styles, base)
        return Strip([Segment(c, s) for c, s in zip(cells[:width], styles, strict=False)], width).simplify()

    def _draw(self, point: Point, column: int, cells: list[str], styles: list[Style], base: Style) -> None:
        text = f"[{point.rank}]" if point.front else f" {point.rank} "
        style = base + Style(bold=point.front)
        if point.key == self._current:
            style = base + Style(reverse=True, bold=True)
        for i, character in enumerate(text, start=column - 1):
            if _LABELS + 1 < i < len(cells):
                cells[i], styles[i] = character, style

    def _y_label(self, y: int, high: int) -> str:
        values = [p.y for p in self._points]
        if y == 0:
            return say(self._axes.y_name, max(values)).replace(" ", "")
        if y == max(high - 1, 1) and max(values) > min(values):
            return say(self._axes.y_name, min(values)).replace(" ", "")
        return self._axes.y_title[:_LABELS] if y == high // 2 else ""

    def _foot(self, rule: bool, width: int, base: Style) -> Strip:
        dim = base + Style(dim=True)
        if rule:
            return Strip([Segment((" " * (_LABELS + 1) + "└" + "─" * width)[:width], dim)], width)
        values = [p.x for p in self._points]
        low, high = (say(self._axes.x_name, value).replace(" ", "") for value in (min(values), max(values)))
        title = self._axes.x_title + (f"; {self._unplaced} without a price" if self._unplaced else "")
        room = max(width - _LABELS - 2 - len(low) - len(high), 0)
        text = " " * (_LABELS + 2) + low + title.center(room)[:room] + high
        return Strip([Segment(text[:width].ljust(width), dim)], width)


def _share(value: float, values: Sequence[float]) -> float:
    """Where a value lies between the least and the most, 0 to 1."""
    low, high = min(values), max(values)
    if high <= low:
        return 0.5
    if low > 0 and high / low > _WIDE_RATIO:
        return log(value / low) / log(high / low)
    return (value - low) / (high - low)


def points_of(rows: Sequence[PlanRow], keys: Sequence[str]) -> tuple[list[Point], Axes, int]:
    """(points, axes, rows that cannot be placed): whole runs by cost and time, else cost and speed per token."""
    from fmctl.report.runs import run_usd, wall_s

    whole = bool(rows) and rows[0]["run"]["run_s"] is not None
    points = []
    for row, key in zip(rows, keys, strict=True):
        usd = run_usd(row) if whole else row["cost"]["usd_per_billion_tokens"]
        y = wall_s(row) if whole else row["run"].get("tokens_per_s")
        if usd is not None and y is not None:
            points.append(Point(key, row["rank"], usd, y, bool(row["pareto"])))
    axes = Axes() if whole else Axes("usd_per_billion_tokens", "tokens_per_s", "cost of 10⁹ tokens", "tokens/s")
    return points, axes, len(rows) - len(points)
