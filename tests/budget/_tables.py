"""The kernel and collective tables that `kernels.py` and `fidelity.py` judge; the extracts of tests/data otherwise."""

from __future__ import annotations

import csv
from pathlib import Path

from fmctl.validation.collective_rows import efa_tables
from fmctl.validation.kernel_rows import attention_tables, gemm_tables
from fmctl.validation.tables import Table

DATA = Path(__file__).parents[1] / "data"
KERNELS = (DATA / "gemm.csv", DATA / "attention.csv")
COLLECTIVES = (DATA / "collectives.csv",)


def rows(*paths: Path) -> list[dict[str, str]]:
    """All rows of some CSV files."""
    found = []
    for path in paths:
        with path.open(newline="") as file:
            found += list(csv.DictReader(file))
    return found


def tables(kernels: Path | None, collectives: Path | None) -> list[Table]:
    """GEMM, attention and EFA tables of these files, or of the extracts."""
    shapes = rows(*((kernels,) if kernels else KERNELS))
    passed = rows(*((collectives,) if collectives else COLLECTIVES))
    return [*gemm_tables(shapes), *attention_tables(shapes), *efa_tables(passed)]
