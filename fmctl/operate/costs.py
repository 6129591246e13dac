"""What a cluster costs an hour, by line: nodes at the plan's price, head and login nodes, disks, a new file system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from fmctl.domain.cluster import ClusterSpec
from fmctl.targets.target import Beside

NODES = "compute nodes"


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line. usd_per_h None: no price is known, `why` says why; such a line is in no sum."""

    name: str
    usd_per_h: float | None
    why: str = ""


def cost_lines(spec: ClusterSpec, on: date, beside: Beside) -> tuple[CostLine, ...]:
    """The lines of a cluster that stands whole, at the prices of a day; a file system that was there before is none."""
    from fmctl.buying.lines import Hours, Parts, bill  # numpy: what only looks at a cluster does without
    from fmctl.catalog import load_instance
    from fmctl.domain.offer import Offer

    instance = load_instance(spec.instance)
    files = spec.site.file_system
    made = files if files is not None and files.id is None else None
    each = None if spec.usd_per_h is None else spec.usd_per_h / spec.nodes
    why = "" if each is not None else "no price is known"
    offer = Offer(
        spec.instance, spec.site.region, (), spec.capacity.purchase, each, "listed", why, spec.price_date, "the plan",
        "used", 0.0, "",
    )  # fmt: skip
    parts = Parts(
        nodes=float(spec.nodes),
        members=instance.member_count,
        arch=instance.arch,
        head=beside.head,
        login_nodes=float(beside.login_nodes),
        file_systems={f"fsx-lustre/persistent-2-{made.mb_per_s_per_tib}": float(made.capacity_gib)} if made else {},
    )
    hour = bill(offer, parts, Hours(1.0, 1.0), on)
    return tuple(CostLine(line.name, line.usd, "" if line.usd is not None else line.why) for line in hour.lines())


def total_usd_per_h(lines: Sequence[CostLine]) -> float | None:
    """Sum of the lines that are known, USD an hour; None where that of the nodes is not among them."""
    known = {line.name: line.usd_per_h for line in lines if line.usd_per_h is not None}
    return sum(known.values()) if NODES in known else None
