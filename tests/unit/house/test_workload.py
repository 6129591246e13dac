"""A second workload, which only this file knows: it goes through the search that training goes through.

It decodes tokens for so many users at once: the latency of a token is what layouts are searched by, the cache of the
users must fit, and a latency promised is its target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, cast

import numpy as np
import pytest

from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import Estimate, NearMiss, PlanRequest, Terms
from fmctl.domain.terms import TermSpec
from fmctl.perf.layer.counts import parameters
from fmctl.plan import space, workloads
from fmctl.plan.axes import Scope
from fmctl.plan.cluster import Cluster
from fmctl.plan.planner import Limit, Objective, Planner
from fmctl.plan.rank import search
from tests.unit.plan.reference import facts, request

TERMS = (
    TermSpec("token_s", "time", "time of a token", "weights / bandwidth of the tensor ranks", "here", kind="total"),
    TermSpec("cache_bytes", "memory", "weights and cache", "weights / ranks + users x cache", "here", kind="total"),
    TermSpec("users_per_gpu", "run", "users per GPU", "users / GPUs", "here"),
)
CACHE_BYTES = 2.0e9  # of one user


@dataclass(frozen=True, slots=True)
class Decoding:
    kind: ClassVar[str] = "decoding"

    users: int
    longest_token_s: float


@dataclass(frozen=True)
class Evaluated:
    cluster: Cluster
    work: Decoding
    objective: str = "token_s"
    weight: float = 1.0

    @property
    def limits(self) -> tuple[Limit, ...]:
        fits = Limit("memory", "cache_bytes", self.cluster.capacity_bytes)
        return fits, Limit("deadline", "token_s", self.work.longest_token_s)

    def __call__(self, layouts: Layouts) -> Terms:
        gpu, ranks = self.cluster.instance.accelerator, layouts["tp"] * layouts["pp"]
        weights = 2.0 * parameters(self.cluster.arch).total / ranks
        token_s = weights / gpu.hbm_bytes_per_s * layouts["pp"] + 1e-5 * layouts["tp"]
        users = self.work.users / layouts["dp"]
        shape = (len(layouts),)
        return Terms(
            len(layouts),
            {
                "token_s": np.broadcast_to(token_s, shape),
                "cache_bytes": np.broadcast_to(weights + users * CACHE_BYTES / ranks, shape),
                "users_per_gpu": np.broadcast_to(np.asarray(self.work.users / self.cluster.gpus), shape),
            },
            TERMS,
        )


class DecodingPlanner:
    objectives: Mapping[str, Objective] = {
        "latency": Objective(lambda e: e.terms["token_s"]),
        "users": Objective(lambda e: e.terms["users_per_gpu"], least=False),
    }

    def smallest_nodes(self, asked: PlanRequest, instance: Instance) -> int:
        return 1

    def default_nodes(self, arch: ModelArch, instance: Instance) -> Sequence[int]:
        return (1, 2)

    def workload(self, asked: PlanRequest, instance: Instance, nodes: int) -> Any:
        return Decoding(asked.global_batch or 64, asked.deadline_s or np.inf)

    def scope(self, asked: PlanRequest, cluster: Cluster) -> Scope:
        users = cast(Decoding, cluster.workload).users
        setting = space.setting_of(asked.arch, cluster.instance, cluster.framework, asked.seq_len, users, True)
        one = {"micro_batch": (1,), "cp": (1,), "vpp": (1,), "recompute": (0,), "sharding": (0,)}
        return Scope(setting, cluster.gpus, one | asked.fixed)

    def evaluator(self, asked: PlanRequest, cluster: Cluster) -> Evaluated:
        return Evaluated(cluster, cast(Decoding, cluster.workload))

    def pruning(self, asked: PlanRequest, cluster: Cluster) -> None:
        return None

    def refined(self, scope: Scope, winners: Iterable[Layout]) -> None:
        return None

    def rows(self, asked: PlanRequest, cluster: Cluster, layouts: list[Layout]) -> list[Estimate]:
        return [self._row(cluster, layout) for layout in layouts]

    def _row(self, cluster: Cluster, layout: Layout) -> Estimate:
        terms = Evaluated(cluster, cast(Decoding, cluster.workload))(Layouts.of([layout])).row(0)
        return Estimate(
            cluster.arch, cluster.workload, cluster.instance, cluster.nodes, cluster.framework.name, layout, terms,
            cluster.price, "ok", None, None, None, None, cluster.usd_per_h, None, None, 0.1,
        )  # fmt: skip

    def near_miss(self, asked: PlanRequest, cluster: Cluster, layout: Layout) -> NearMiss:
        return NearMiss(self._row(cluster, layout), 0.0, "cache_bytes", "fewer users")

    def speed(self, row: Estimate) -> float:
        return 1.0 / row.terms["token_s"]

    def half_width(self, row: Estimate) -> float:
        return 0.2

    def front(self, row: Estimate) -> tuple[float, ...]:
        return row.terms["token_s"], -row.terms["users_per_gpu"]

    def levers(self, rows: Sequence[Estimate], asked: PlanRequest) -> tuple[()]:
        return ()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> PlanRequest:
    planner: Planner = DecodingPlanner()
    monkeypatch.setitem(cast(dict[str, Planner], workloads.PLANNERS), "decoding", planner)
    plain = request("llama-3.1-70b", ["p5.48xlarge", "p4d.24xlarge"], global_batch=64)
    return replace(plain, workload="decoding", objective="latency")


def loops(asked: PlanRequest, instance: Instance, nodes: int) -> list[tuple[float, float, Layout]]:
    """Every mesh by hand: (token_s, bytes, layout) of those that fit and keep the promise."""
    gpus, weights = nodes * instance.gpus, 2.0 * parameters(asked.arch).total
    found = []
    for tp, pp in product((1, 2, 4, 8), (1, 2, 4, 8, 16)):
        dp, rest = divmod(gpus, tp * pp)
        if rest or 64 % dp or asked.arch.n_layers % pp:
            continue
        token_s = weights / (tp * pp) / instance.accelerator.hbm_bytes_per_s * pp + 1e-5 * tp
        held = weights / (tp * pp) + 64 / dp * CACHE_BYTES / (tp * pp)
        if held <= instance.accelerator.memory_bytes and token_s <= (asked.deadline_s or np.inf):
            found.append((token_s, held, Layout(tp=tp, pp=pp, dp=dp)))
    return sorted(found, key=lambda one: one[:2])


def test_it_is_searched_as_by_loops(asked: PlanRequest) -> None:
    plan = search(asked)
    for row in plan.rows:
        token_s, held, layout = loops(asked, row.instance, row.nodes)[0]
        assert (row.layout.tp, row.layout.pp, row.layout.dp) == (layout.tp, layout.pp, layout.dp)
        assert row.terms["token_s"] == pytest.approx(token_s)
        assert row.terms["cache_bytes"] == pytest.approx(held)
        assert list(row.terms) == [term.name for term in TERMS]
    assert len(plan.rows) == 4
    assert [row.terms["token_s"] for row in plan.rows] == sorted(row.terms["token_s"] for row in plan.rows)
    assert plan.candidates == sum(reject.count for reject in plan.rejects) + plan.fitting
    assert plan.told_apart[0] is None
    assert 0 in plan.pareto


def test_its_target_and_what_came_nearest(asked: PlanRequest) -> None:
    best = search(asked).rows[0].terms["token_s"]
    assert search(replace(asked, deadline_s=best)).rows
    missed = search(replace(asked, deadline_s=0.99 * best))
    assert not missed.rows
    assert missed.nearest is not None
    assert missed.nearest.estimate.terms["token_s"] == best
    assert missed.nearest.advice == "fewer users"
    assert {reject.reason for reject in missed.rejects} >= {"deadline", "memory"}


def test_another_objective_orders_the_same_layouts(asked: PlanRequest) -> None:
    plan = search(replace(asked, objective="users"))
    assert [row.nodes for row in plan.rows] == [1, 1, 2, 2]


def test_it_goes_through_an_executor(asked: PlanRequest) -> None:
    with ThreadPoolExecutor(2) as threads:
        assert facts(search(asked, executor=threads)) == facts(search(asked))


def test_training_is_what_it_was(asked: PlanRequest) -> None:
    plain = request("llama-3.1-8b", ["p5.48xlarge"], (1,), global_batch=64)
    assert "step_s" in search(plain).rows[0].terms
