"""A log-log scatter plot as SVG text: one dot per run, a colour per family, the diagonal, and a band around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, TOP, SIDE = 1000, 640, 80, 50, 520
LEGEND_X, LEGEND_STEP = LEFT + SIDE + 30, 13
STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Dot:
    """One run: its family, measured and predicted, what it is, and whether it is set apart (drawn hollow)."""

    family: str
    measured: float
    predicted: float
    name: str
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Logarithmic positions of values between `low` and `high` over SIDE pixels."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Pixels from the origin."""
        clipped = min(max(value, self.low), self.high)
        return SIDE * log10(clipped / self.low) / log10(self.high / self.low)


def scatter(title: str, unit: str, dots: Sequence[Dot], band: tuple[float, float]) -> str:
    """The plot; `band`: predicted over measured between which it is shaded."""
    values = [v for dot in dots for v in (dot.measured, dot.predicted)]
    scale = Scale(_rounded(min(values), floor), _rounded(max(values), ceil))
    colours = palette(dot.family for dot in dots)
    body = [*_frame(title, unit, scale), *_band(scale, band)]
    body += [_dot(dot, scale, colours[dot.family]) for dot in dots]
    body += _legend(dots, colours)
    height = max(HEIGHT, TOP + LEGEND_STEP * (len(colours) + 2))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"


def palette(families: Iterable[str]) -> dict[str, str]:
    """A colour per family: a hue per publisher, lighter and darker among its families."""
    found: dict[str, list[str]] = {}
    for family in sorted(set(families)):
        found.setdefault(family.split("/", maxsplit=1)[0], []).append(family)
    colours = {}
    for i, members in enumerate(found.values()):
        hue = round(360 * i / len(found))
        for k, family in enumerate(members):
            colours[family] = f"hsl({hue},70%,{30 + round(35 * k / max(len(members) - 1, 1))}%)"
    return colours


def _rounded(value: float, to: object) -> float:
    """The next of 1, 2, 5 times a power of ten, downwards with `floor`, upwards with `ceil`."""
    ten = 10.0 ** floor(log10(value))
    if to is floor:
        return max(s * ten for s in STEPS if s * ten <= value * (1 + 1e-12))
    return min(s * ten for s in (*STEPS, 10) if s * ten >= value * (1 - 1e-12))


def _short(tick: float) -> str:
    return f"{tick / 1000:.10g}k" if tick >= 1000 else f"{tick:.10g}"


def _ticks(scale: Scale) -> list[float]:
    powers = range(floor(log10(scale.low)), ceil(log10(scale.high)) + 1)
    return [t for p in powers for s in STEPS if scale.low * 0.999 <= (t := s * 10.0**p) <= scale.high * 1.001]


def _frame(title: str, unit: str, scale: Scale) -> list[str]:
    bottom = TOP + SIDE
    parts = [f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>']
    for tick in _ticks(scale):
        x, y, text = LEFT + scale.at(tick), bottom - scale.at(tick), _short(tick)
        parts += [
            f'<path d="M{x:.1f} {TOP}V{bottom}M{LEFT} {y:.1f}H{LEFT + SIDE}" stroke="#e4e4e4" fill="none"/>',
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>',
        ]
    middle = TOP + SIDE / 2
    parts += [
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#555"/>',
        f'<text x="{LEFT + SIDE / 2}" y="{bottom + 38}" text-anchor="middle">measured, {escape(unit)}</text>',
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">predicted, {escape(unit)}</text>',
    ]
    return parts


def _band(scale: Scale, band: tuple[float, float]) -> list[str]:
    """The band as a polygon, and the diagonal."""
    low, high = band
    ends = [(scale.low, high), (scale.high, high), (scale.high, low), (scale.low, low)]
    corners = " ".join(f"{LEFT + scale.at(x):.1f},{TOP + SIDE - _free(scale, x * r):.1f}" for x, r in ends)
    clip = f'<clipPath id="in"><rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/></clipPath>'
    return [
        clip,
        f'<polygon points="{corners}" fill="#000" fill-opacity="0.07" clip-path="url(#in)"/>',
        f'<path d="M{LEFT} {TOP + SIDE}L{LEFT + SIDE} {TOP}" stroke="#333" stroke-width="1.2"/>',
    ]


def _free(scale: Scale, value: float) -> float:
    return SIDE * log10(value / scale.low) / log10(scale.high / scale.low)


def _dot(dot: Dot, scale: Scale, colour: str) -> str:
    x, y = LEFT + scale.at(dot.measured), TOP + SIDE - scale.at(dot.predicted)
    look = f'fill="none" stroke="{colour}"' if dot.apart else f'fill="{colour}" fill-opacity="0.75"'
    told = f"{dot.name} ({dot.family}): predicted {dot.predicted:,.4g}, measured {dot.measured:,.4g}"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" {look}><title>{escape(told)}</title></circle>'


def _legend(dots: Sequence[Dot], colours: dict[str, str]) -> list[str]:
    parts = []
    for i, (family, colour) in enumerate(colours.items()):
        y, count = TOP + 8 + LEGEND_STEP * i, sum(dot.family == family for dot in dots)
        mark = f'<rect x="{LEGEND_X}" y="{y - 8}" width="9" height="9" fill="{colour}"/>'
        parts.append(f'{mark}<text x="{LEGEND_X + 15}" y="{y}">{escape(family)} ({count})</text>')
    return parts
