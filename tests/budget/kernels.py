"""Kernels and collectives: predicted against measured tables, in the table, on shapes and on sweeps left out.

`python tests/budget/kernels.py --kernels FILE --collectives FILE` (the extracts of tests/data otherwise). Columns are
medians of abs(model / measured - 1): shipped constants; constants fitted to the table; to four fifths of its shapes (a
weight matrix [n, k] with all its rows m, one attention shape, one size of one collective), each shape predicted without
it; to other sources, or other accelerators of the architecture, alone. A dash: fmctl ships no constants for it, or no
other source exists.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _tables import tables

from fmctl.validation.acceptance import TABLE_GOALS
from fmctl.validation.tables import COLUMNS, median_error, score, together

ALONE = ((("GEMM",), None), (("attention",), None))


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def line(*cells: str) -> None:
    print(f"{cells[0]:<46}{cells[1]:>6}" + "".join(f"{cell:>10}" for cell in cells[2:]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kernels", type=Path, help="kernel table; tests/data otherwise")
    parser.add_argument("--collectives", type=Path, help="collective table; tests/data otherwise")
    options = parser.parse_args()
    scored = score(tables(options.kernels, options.collectives))
    line("table", "rows", "shipped", "in table", "shape out", "sweep out")
    for one in scored:
        table = one.table
        medians = [percent(median_error(getattr(one, column))) for column in COLUMNS]
        source = table.source.split()[0].split("/")[0]
        line(f"{table.kind} {table.on} {table.of} ({source})"[:46], str(len(table.shapes)), *medians)
    missed = False
    for kinds, goal in (*TABLE_GOALS.values(), *ALONE):
        found = [together(scored, kinds, column) for column in COLUMNS]
        rows = sum(len(one.table.shapes) for one in scored if one.table.kind in kinds)
        said = "" if goal is None else f" (goal {goal:.0%}, shape out)"
        line(f"all {' and '.join(kinds)}{said}", str(rows), *map(percent, found))
        missed |= goal is not None and (found[2] is None or found[2] > goal)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
