"""How far two layouts must lie apart before the model can tell which is faster.

Two layouts of one model on the same GPUs share most of their error, so that the interval of one prediction says little
about their difference. The resolution is the 80 % quantile of |log(predicted a / predicted b) - log(measured a /
measured b)| over pairs of layouts that were measured with equal model, GPUs, batch and precision; families weigh alike.
`perf.ops.calibration` holds what this gives on the shipped runs. Pairs that differ in their GPU count as well err alike
(dense: 0.21 on the shipped runs, 0.14 on all those they were drawn from; no MoE pairs), so that node counts of one
instance type are held to it too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import log
from typing import TYPE_CHECKING

from fmctl.validation.ranking import Pair, layouts

if TYPE_CHECKING:
    from fmctl.validation.records import Record

SHARE = 0.8


def pair_errors(pairs: Sequence[Pair]) -> list[float]:
    """|log(predicted a / predicted b) - log(measured a / measured b)| of every two layouts (predicted, measured)."""
    errors = [log(predicted / measured) for predicted, measured in pairs]
    return [abs(a - b) for a, b in combinations(errors, 2)]


def resolution(records: Sequence[Record], kind: str) -> float | None:
    """The resolution of `dense` or `moe` models as a natural logarithm; None where no two layouts can be compared."""
    found: dict[str, list[float]] = defaultdict(list)
    for key, pairs in layouts([r for r in records if r["kind"] == kind]).items():
        found[str(key[0])] += pair_errors(pairs)
    return weighted_quantile({name: errors for name, errors in found.items() if errors}, SHARE)


def weighted_quantile(families: Mapping[str, Sequence[float]], share: float) -> float | None:
    """The least value below or at which `share` of the values lies when families weigh alike; None without values."""
    weighed = sorted((value, 1.0 / len(values)) for values in families.values() for value in values)
    reached, wanted = 0.0, share * len(families) - 1e-9
    for value, weight in weighed:
        reached += weight
        if reached >= wanted:
            return value
    return None
