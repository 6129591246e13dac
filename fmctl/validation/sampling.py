"""The runs that a fit of the constants sees: a share of each family, and the source that is left out at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.validation.cases import Case
from fmctl.validation.predict import Prepared

Vector = npt.NDArray[np.float64]
ROWS_PER_FAMILY = 30


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The runs that a fit sees: cases with throughput, log of the measured one, weights, and the source of each."""

    cases: list[Case]
    log_measured: Vector
    weights: Vector
    sources: list[str]

    def only(self, kept: npt.NDArray[np.bool_]) -> Sample:
        """The runs marked by `kept`, shape [rows]."""
        picked = np.flatnonzero(kept)
        return Sample(
            [self.cases[i] for i in picked],
            self.log_measured[kept],
            self.weights[kept],
            [self.sources[i] for i in picked],
        )


def source_of(family: str) -> str:
    """The publisher a family comes from: what is left out at once. `nemo-25.x/B200/..` and `nemo-24.07` are one."""
    first = family.split("/", maxsplit=1)[0]
    return first.split("-2", maxsplit=1)[0]


def sample(prepared: Sequence[Prepared], apart: Mapping[str, bool], rows_per_family: int = ROWS_PER_FAMILY) -> Sample:
    """At most `rows_per_family` rows of each family, evenly spread in file order; no adapters, no rows set apart."""
    families: dict[str, list[Case]] = defaultdict(list)
    for p in prepared:
        if isinstance(p, Case) and not p.frozen and p.measured.tokens_per_s_per_gpu and not apart.get(p.row.id, False):
            families[p.row.text("source_family")].append(p)
    cases: list[Case] = []
    weights: list[float] = []
    for _, members in sorted(families.items()):
        step = max(len(members) / rows_per_family, 1.0)
        chosen = [members[int(i * step)] for i in range(int(len(members) / step))]
        cases += chosen
        weights += [1.0 / np.sqrt(len(chosen)) for c in chosen]
    measured = [c.measured.tokens_per_s_per_gpu or 1.0 for c in cases]
    sources = [source_of(c.row.text("source_family")) for c in cases]
    return Sample(cases, np.log(measured), np.array(weights), sources)
