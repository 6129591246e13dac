"""A `Plot` as inline SVG: axes, curve, predicted band, marks. Colours are CSS classes, so that the page decides."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import ceil, floor, isfinite, log10

from fmctl.report.view import Plot

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 16, 34, 36
_TICKS = 5


def as_svg(plot: Plot) -> str:
    """The picture; an empty one says that nothing is known."""
    known = [(x, y) for x, y in plot.points if y is not None and isfinite(y)]
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}">'
    title = f'<text class="title" x="{_LEFT}" y="20">{escape(plot.title)}</text>'
    if not known:
        empty = (
            f'<text class="tick" x="{WIDTH / 2:.0f}" y="{HEIGHT / 2:.0f}" text-anchor="middle">nothing logged</text>'
        )
        return f"{head}{title}{empty}</svg>"
    frame = _Frame(plot, known)
    return "".join((head, title, *frame.parts(), "</svg>"))


class _Frame:
    """Where values lie in the picture.

    Args:
        plot: what is drawn.
        known: its points that have a value.
    """

    def __init__(self, plot: Plot, known: list[tuple[float, float]]) -> None:
        self.plot = plot
        xs, ys = [x for x, _ in known], [y for _, y in known]
        ys += [y for y in plot.expected or () if y is not None]
        self.x_ticks = ticks(min(xs), max(xs))
        self.y_ticks = ticks(min(ys), max(ys))
        self._x = (min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1.0)
        self._y = (min([self.y_ticks[0], *ys]), max([self.y_ticks[-1], *ys]))

    def x(self, value: float) -> float:
        """Pixels from the left."""
        low, high = self._x
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        low, high = self._y
        share = (value - low) / (high - low) if high > low else 0.5
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def parts(self) -> Iterator[str]:
        """Band and grid below, curve and marks above."""
        yield from self._expected()
        yield from self._grid()
        yield from self._marks()
        yield from self._curve()

    def _grid(self) -> Iterator[str]:
        for value in self.y_ticks:
            at = self.y(value)
            yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield _tick(_LEFT - 8, at + 4, "end", self.plot.say(value))
        low, high = self._x
        for value in (one for one in self.x_ticks if low <= one <= high):
            yield _tick(self.x(value), HEIGHT - _BOTTOM + 18, "middle", f"{value:,g}")
        yield _tick(WIDTH - _RIGHT, HEIGHT - 4, "end", self.plot.x_title)

    def _expected(self) -> Iterator[str]:
        if self.plot.expected is None:
            return
        low, middle, high = self.plot.expected
        left, right = _LEFT, WIDTH - _RIGHT
        if low is not None and high is not None:
            top, bottom = self.y(high), self.y(low)
            said = f"predicted: {self.plot.say(low)} to {self.plot.say(high)}"
            size = f'width="{right - left}" height="{max(bottom - top, 1):.1f}"'
            yield f'<rect class="band" x="{left}" y="{top:.1f}" {size}><title>{escape(said)}</title></rect>'
        at = self.y(middle)
        yield f'<line class="expected" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield _tick(right, _TOP - 14, "end", f"predicted {self.plot.say(middle)}")

    def _marks(self) -> Iterator[str]:
        for value, name in self.plot.marks:
            if self._x[0] <= value <= self._x[1]:
                at = self.x(value)
                yield (
                    f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}">'
                    f"<title>{escape(name)}</title></line>"
                )
                yield _tick(at + 4, _TOP + 10, "start", name)

    def _curve(self) -> Iterator[str]:
        path, drawn = [], False
        for x, y in self.plot.points:
            if y is None or not isfinite(y):
                drawn = False
                continue
            path.append(f"{'L' if drawn else 'M'}{self.x(x):.1f} {self.y(y):.1f}")
            drawn = True
        yield f'<path class="curve" d="{"".join(path)}"/>'
        if len(path) == 1:
            x, y = next((x, y) for x, y in self.plot.points if y is not None and isfinite(y))
            yield f'<circle class="dot" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3"/>'


def _tick(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def ticks(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten) from at or below `low` to at or above `high`."""
    span = high - low
    if not span > 0.0:
        width = abs(low) or 1.0
        return [low - width / 10, low, low + width / 10]
    rough = span / most
    power = 10.0 ** floor(log10(rough))
    each = next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= rough)
    first, last = floor(low / each), ceil(high / each)
    return [round(i * each, 12) for i in range(first, last + 1)]
