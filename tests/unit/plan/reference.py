"""A slow, obvious search: nested loops over single layouts, every rule written out. Used to check the fast one."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import product
from typing import Any

from fmctl.catalog import find_price, load_instance, load_model
from fmctl.domain.layout import Layout, Layouts, Recompute, Schedule, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.result import Estimate, Plan, PlanRequest
from fmctl.perf.train.evaluate import evaluate
from fmctl.plan.cluster import Cluster

DAY = date(2026, 11, 22)


def request(model: str | ModelArch, instances: list[str], nodes: tuple[int, ...] = (), **more: object) -> PlanRequest:
    """A request with prices of us-east-1; Capacity Block where there is no on-demand price."""
    arch = load_model(model) if isinstance(model, str) else model
    loaded = tuple(load_instance(name) for name in instances)
    prices = {i.name: find_price(i.name, "us-east-1", "on-demand", DAY) for i in loaded}
    seq_len = more.pop("seq_len", min(8192, arch.max_seq))
    return PlanRequest(arch, seq_len, loaded, nodes, prices, **more)  # type: ignore[arg-type]


def facts(plan: Plan) -> dict[str, Any]:
    """All that a plan says, but for how long it took."""

    def row(e: Estimate) -> tuple[Any, ...]:
        terms = tuple(e.terms.items())
        return (e.instance.name, e.nodes, e.layout, terms, e.run_usd, e.usd_per_h, e.fits, tuple(e.chosen.items()))

    near = plan.nearest
    return {
        "rows": tuple(row(e) for e in plan.rows),
        "rejects": tuple((r.reason, r.count) for r in plan.rejects),
        "nearest": near and (row(near.estimate), near.short_bytes, near.largest_term),
        "candidates": plan.candidates,
        "evaluated": plan.evaluated,
        "fitting": plan.fitting,
        "pareto": plan.pareto,
        "told_apart": plan.told_apart,
        "notes": plan.notes,
        "partial": plan.partial,
    }


def every_layout(arch: ModelArch, gpus: int, shardings: list[int], cp_comms: list[int]) -> list[Layout]:
    """Every combination of field values that multiplies to the GPUs, sensible or not."""
    sizes = [n for n in range(1, gpus + 1) if gpus % n == 0]
    rows = []
    for tp, pp, cp in product(sizes, sizes, sizes):
        if gpus % (tp * pp * cp):
            continue
        dp = gpus // (tp * pp * cp)
        experts = [e for e in range(1, arch.n_experts + 1) if arch.n_experts % e == 0] if arch.is_moe else [1]
        for ep, etp in product(experts, sorted({1, tp}) if arch.is_moe else [1]):
            rows += [
                Layout(
                    tp=tp, pp=pp, cp=cp, dp=dp, ep=ep, etp=etp, vpp=vpp, schedule=schedule, micro_batch=micro,
                    recompute=recompute, recompute_layers=some, sharding=sharding, dp_replicate=copies,
                    sequence_parallel=sp, cp_comm=comm, dispatcher=dispatcher,
                )
                for vpp, schedule in [
                    (v, int(Schedule.INTERLEAVED if v > 1 else Schedule.ONE_F_ONE_B))
                    for v in range(1, (arch.n_layers // pp if pp > 1 else 1) + 1)
                ]
                for micro in range(1, 9)
                for recompute, some in [
                    (int(Recompute.NONE), 0),
                    (int(Recompute.SELECTIVE), 0),
                    *((int(Recompute.FULL), n) for n in range(-(-arch.n_layers // pp))),
                ]
                for sharding in (shardings if dp * cp > 1 else [int(Sharding.NONE)])
                for copies in ([1, 2] if sharding else [1])
                for sp in ([0, 1] if tp > 1 else [0])
                for comm in (cp_comms if cp > 1 else [0])
                for dispatcher in ([0, 1] if ep > 1 else [0])
            ]  # fmt: skip
    return rows


def obstacles(layout: Layout, cluster: Cluster, domain: int) -> bool:
    """Whether the layout breaks a rule, written out one by one."""
    arch, work = cluster.arch, cluster.workload
    kinds = arch.kinds
    mixers = [k.mixer for k in kinds if k.mixer is not None]
    blocks = [k.feed_forward for k in kinds if k.feed_forward is not None]
    ranks = layout.dp * layout.cp
    micro_batches = work.global_batch / (layout.dp * layout.micro_batch)
    inside = max(domain // layout.tp, 1)
    return any(
        (
            layout.tp > domain,
            any(m.n_heads % layout.tp for m in mixers),
            any(m.n_kv_heads % layout.tp and layout.tp % m.n_kv_heads for m in mixers if m.type == "attention"),
            any(b.ffn % layout.tp or b.shared_ffn % layout.tp or b.expert_ffn % layout.etp for b in blocks),
            layout.pp > arch.n_layers,
            layout.pp * layout.vpp > arch.n_layers,
            layout.recompute_layers % layout.vpp != 0,  # Megatron recomputes as many in each chunk
            layout.cp > 1 and work.seq_len % (2 * layout.cp) != 0,
            (work.seq_len // layout.cp) % layout.tp != 0,
            (layout.tp * layout.cp * layout.dp) % (layout.ep * layout.etp) != 0,
            work.global_batch % layout.dp != 0,
            micro_batches != int(micro_batches),
            layout.schedule == Schedule.INTERLEAVED and micro_batches % layout.pp != 0,
            layout.sharding >= Sharding.ZERO2 and layout.pp > 1,
            layout.dp_replicate > 1
            and arch.is_moe
            and layout.tp * ranks // (layout.ep * layout.etp) % layout.dp_replicate != 0,
            layout.dp_replicate > 1 and (ranks <= inside or ranks % inside or layout.dp_replicate != ranks // inside),
        )
    )


def brute_force(
    cluster: Cluster, shardings: list[int], cp_comms: list[int]
) -> tuple[Counter[str], Layout | None, float]:
    """(how many were evaluated, fit and did not; the fastest layout that fits; its step time)."""
    tally: Counter[str] = Counter()
    c = cluster
    whole = every_layout(c.arch, c.nodes * c.instance.gpus, shardings, cp_comms)
    valid = [layout for layout in whole if not obstacles(layout, c, c.instance.fabric.domain_gpus)]
    # All at once: that a row of many is that row alone is held by `test_properties.py` and `test_search.py`.
    terms = evaluate(c.arch, c.workload, c.instance, Layouts.of(valid), c.framework, detail=False)
    best: tuple[float, float, tuple[int, ...]] | None = None
    fastest = None
    for layout, step_s, used in zip(valid, terms["step_s"].tolist(), terms["used_bytes"].tolist(), strict=True):
        fits = used <= c.capacity_bytes
        tally["evaluated"] += 1
        tally["fit" if fits else "memory"] += 1
        key = (step_s, used, tuple(v for _, v in layout.items()))
        if fits and (best is None or key < best):
            best, fastest = key, layout
    return tally, fastest, best[0] if best else float("nan")
