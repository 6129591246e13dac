"""Print quantities for people: three significant digits, the unit that keeps the number short.

Everything here takes None or NaN for "not known" and says so. Callers import these names from `fmctl.base.units`.
"""

from __future__ import annotations

from math import floor, isinf, isnan, log10

UNKNOWN = "unknown"

_COUNT_STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BYTE_STEPS = (
    (2.0**60, " EiB"),
    (2.0**50, " PiB"),
    (2.0**40, " TiB"),
    (2.0**30, " GiB"),
    (2.0**20, " MiB"),
    (2.0**10, " KiB"),
    (1.0, " B"),
)
_ENERGY_STEPS = ((1e12, " TWh"), (1e9, " GWh"), (1e6, " MWh"), (1e3, " kWh"), (1.0, " Wh"))
_SHORT_TIME_STEPS = ((1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns"))
_USD_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))

_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400


def format_count(count: float | None) -> str:
    """`15T`, `405B`, `8192`: a count, whole below ten thousand."""
    if not _odd(count) and abs(_some(count)) < 10_000 and _some(count).is_integer():
        return str(int(_some(count)))
    return _scaled(count, _COUNT_STEPS)


def format_bytes(size_bytes: float | None) -> str:
    """`80 GiB`, `1.5 TiB`: bytes, binary units."""
    return _scaled(size_bytes, _BYTE_STEPS)


def format_watts_hours(energy_wh: float | None) -> str:
    """`412 Wh`, `1.21 GWh`: energy, in watt hours."""
    return _scaled(energy_wh, _ENERGY_STEPS)


def format_percent(fraction: float | None) -> str:
    """`41.2%` for 0.412."""
    return _odd(fraction) or f"{_some(fraction) * 100:.1f}%"


def format_usd(amount_usd: float | None) -> str:
    """`$1.93M`, `$412.50`, `$0.0042`: dollars, to the cent below ten thousand."""
    odd = _odd(amount_usd)
    if odd:
        return odd
    amount = _some(amount_usd)
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size >= 9_999.995:
        return f"{sign}${_scaled(size, _USD_STEPS)}"
    if size < 0.1 and size != 0:
        return f"{sign}${significant(size, 2)}"
    return f"{sign}${size:,.2f}"


def format_seconds(duration_s: float | None) -> str:
    """`412 ms`, `3.2 s`, `5 h 12 min`, `43.1 d`: a duration, in seconds."""
    odd = _odd(duration_s)
    if odd:
        return odd
    span = _some(duration_s)
    if span < 0:
        return "-" + format_seconds(-span)
    if span == 0:
        return "0 s"
    if span < 59.95:
        return _scaled(span, _SHORT_TIME_STEPS)
    if span < _HOUR_S - 0.5:
        return _two(round(span), "min", "s")
    if span < 2 * _DAY_S - 30:
        return _two(round(span / _MINUTE_S), "h", "min")
    return f"{significant(span / _DAY_S)} d"


def significant(value: float, digits: int = 3) -> str:
    """`value` to so many significant digits, no exponent, no trailing zeros: `0.00421`, `15`, `43.1`.

    Whole digits are never dropped: 12345.6 prints as 12346, not 12300.
    """
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _two(amount: int, big: str, small: str) -> str:
    whole, rest = divmod(amount, 60)
    return f"{whole} {big} {rest} {small}" if rest else f"{whole} {big}"


def _scaled(value: float | None, steps: tuple[tuple[float, str], ...]) -> str:
    """The value in the largest unit that leaves at least one whole digit *after* rounding."""
    odd = _odd(value)
    if odd:
        return odd
    amount = _some(value)
    step, unit = next(((s, u) for s, u in steps if abs(amount) >= s * 0.9995), steps[-1])
    return f"{significant(amount / step)}{unit}"


def _odd(value: float | None) -> str:
    if value is None or isnan(value):
        return UNKNOWN
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    return ""


def _some(value: float | None) -> float:
    return 0.0 if value is None else float(value)
