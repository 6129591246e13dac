"""The whole acceptance table: every figure, its goal, what is found, whether it is met.

`python tests/budget/fidelity.py --data FILE --kernels FILE --collectives FILE`: the shipped runs and the extracts of
tests/data where a file is not given. Takes a minute or two: the fit that leaves whole sources out is made again. Exits
1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _acceptance import off, text
from _tables import tables

from fmctl.perf.ops.calibration import PRIOR
from fmctl.validation.acceptance import figures, left_out_records
from fmctl.validation.fit import fit
from fmctl.validation.predict import predict, prepare
from fmctl.validation.records import is_apart, records
from fmctl.validation.resolution import resolution
from fmctl.validation.rows import SHIPPED, read_rows
from fmctl.validation.sampling import sample
from fmctl.validation.summary import KINDS
from fmctl.validation.tables import score


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHIPPED, help="measured runs; the shipped ones otherwise")
    parser.add_argument("--kernels", type=Path, help="kernel table; tests/data otherwise")
    parser.add_argument("--collectives", type=Path, help="collective table; tests/data otherwise")
    options = parser.parse_args()
    rows = read_rows(options.data)
    prepared = prepare(rows)
    found = records(predict(prepared))
    fitted = fit(sample(prepared, {row.id: is_apart(row) for row in rows}))
    left_out = left_out_records(rows, found, fitted)
    listed = figures(found, left_out, score(tables(options.kernels, options.collectives)))
    far = off(left_out)
    print(text(listed, far))
    given = ((kind, resolution(found, kind), PRIOR.resolution(kind == "moe")) for kind in KINDS)
    said = ", ".join(f"{kind} {'-' if now is None else f'{now:.3f}'} (shipped {ours})" for kind, now, ours in given)
    print(f"what the model resolves between two layouts, natural log: {said}")
    return 0 if all(one.met for one in listed) and not any("NOT" in why for _, _, why in far) else 1


if __name__ == "__main__":
    sys.exit(main())
