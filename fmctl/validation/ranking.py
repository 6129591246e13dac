"""Does the model choose layouts well? Kendall's tau and regret in groups of runs that differ in their layout alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from fmctl.domain.rows.validation import RankGroup
    from fmctl.validation.records import Record

Pair = tuple[float, float]  # (predicted, measured)

SMALLEST_GROUP = 5
GROUPED_BY = ("source_family", "model", "gpu", "n_gpus", "seq_len", "global_batch", "precision")


def tau(pairs: Sequence[Pair]) -> float | None:
    """(concordant - discordant) / pairs that were measured apart; a predicted tie counts as discordant.

    None where everything was measured equal.
    """
    agreed = total = 0
    for (p, m), (q, n) in combinations(pairs, 2):
        if m != n:
            total += 1
            agreed += 1 if (p - q) * (m - n) > 0.0 else -1
    return agreed / total if total else None


def regret(pairs: Sequence[Pair]) -> float:
    """Throughput lost by taking the layout predicted best, as a share of the best measured; of ties, the worst."""
    best = max(p for p, _ in pairs)
    return 1.0 - min(m for p, m in pairs if p == best) / max(m for _, m in pairs)


def layouts(records: Sequence[Record]) -> dict[tuple[object, ...], list[Pair]]:
    """Layouts by what they share (the values of GROUPED_BY). Runs set apart are left out.

    A layout that was run several times counts once, by its median.
    """
    found: dict[tuple[object, ...], dict[str | None, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for r in records:
        predicted, measured = r["predicted_tokens_per_s_per_gpu"], r["measured_tokens_per_s_per_gpu"]
        if predicted is not None and measured is not None and not r["apart"]:
            fields: Mapping[str, object] = r
            key = tuple(fields[name] for name in GROUPED_BY)
            found[key][r["layout_key"]].append((predicted, measured))
    return {
        key: [(runs[0][0], median(m for _, m in runs)) for runs in members.values()] for key, members in found.items()
    }


def groups(records: Sequence[Record]) -> list[RankGroup]:
    """Groups of at least five layouts, each with its tau and regret."""
    answers = []
    for key, pairs in layouts(records).items():
        found_tau = tau(pairs) if len(pairs) >= SMALLEST_GROUP else None
        if found_tau is not None:
            head = dict(zip(GROUPED_BY, key, strict=True))
            row = head | {"layouts": len(pairs), "tau": found_tau, "regret": regret(pairs)}
            answers.append(cast("RankGroup", row))
    return answers
