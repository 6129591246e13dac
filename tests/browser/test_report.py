"""The report of a run as a page in a real headless Chromium: it renders, its curves are drawn, it asks for nothing."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from fmctl.report.html import as_html
from fmctl.report.view import Column, Plot, Report, Section, Table
from tests.real import CHROMIUM

WIDTH, HEIGHT = 1000, 1400
CURVE, BAND_OVER_PAGE, MARK = (0x0B, 0x66, 0xC3), (0xDC, 0xE8, 0xF4), (0xB4, 0x43, 0x0C)

pytestmark = pytest.mark.real("chromium")


def pixels(png: bytes) -> list[bytes]:
    """Rows of RGB of a PNG of eight bits a colour, not interlaced. Source: PNG specification, sections 7 and 9."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, step = 8, b"", 0, 3
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", body[:10])
            step = {2: 3, 6: 4}[colour]
            assert depth == 8
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * step)
    for start in range(0, len(raw), width * step + 1):
        before = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * step]), before, step)
        rows.append(bytes(before) if step == 3 else bytes(b for i, b in enumerate(before) if i % 4 != 3))
    return rows


def _unfiltered(kind: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    for i in range(len(row)):
        left, up = row[i - step] if i >= step else 0, above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 4:
            near = left + up - corner
            guess = min((left, up, corner), key=lambda one: abs(near - one))
        else:
            guess = (0, left, up, (left + up) // 2)[kind]
        row[i] = (row[i] + guess) & 0xFF
    return row


def near(rows: list[bytes], wanted: tuple[int, int, int], off: int = 12) -> list[tuple[int, int]]:
    """(x, y) of pixels of a colour."""
    return [
        (i // 3, y)
        for y, row in enumerate(rows)
        for i in range(0, len(row), 3)
        if all(abs(row[i + j] - wanted[j]) <= off for j in range(3))
    ]


def test_a_page_renders_with_its_curves(tmp_path: Path) -> None:
    loss = tuple((float(i), 2.0 + 8.0 / (1 + i / 20)) for i in range(200))
    step = tuple((float(i), 3.0) for i in range(200))
    plots = (
        Plot("loss", "step", loss, lambda value: f"{value:.3g}", marks=((120.0, "start 2"),)),
        Plot("step time", "step", step, lambda value: f"{value:.3g} s", expected=(2.5, 3.0, 3.5)),
    )
    table = Table((Column("figure"), Column("measured", "right")), (("step", "3 s"),))
    page, shot = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(as_html(Report("a run", (Section("Against the plan", table), Section("Curves", plots=plots)))))
    ran = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
         f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}",
         "--enable-logging=stderr", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert shot.is_file(), ran.stderr[-2000:]
    assert "Refused to" not in ran.stderr, "its own policy lets it show all that it holds"
    rows = pixels(shot.read_bytes())
    drawn = near(rows, CURVE)
    heights = [y for _, y in drawn]
    assert len(drawn) > 1000, "both curves are there"
    assert max(heights) - min(heights) > 250, "one below the other"
    first = [(x, y) for x, y in drawn if y < min(heights) + 200]
    assert first[0][0] < WIDTH / 3, "the loss falls: what is highest is on the left"
    assert len(near(rows, BAND_OVER_PAGE)) > 20_000, "the predicted band has an area"
    assert len(near(rows, MARK, 40)) > 30, "the second start has its mark"
