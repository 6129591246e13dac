"""The search through executors: the same answer to the bit, stopped when asked, partial answers on the way."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fmctl.domain.result import Plan
from fmctl.plan import layouts, parallel, rank, training
from fmctl.plan.rank import search
from fmctl.plan.training import OBJECTIVES
from tests.loopback import loopback_open

sys.path.insert(0, str(Path(__file__).parent))
import reference
from reference import facts

NAMES = ["p4d.24xlarge", "p5.48xlarge", "p5e.48xlarge", "p6-b200.48xlarge"]
ASKED = reference.request("llama-3.1-8b", NAMES, (1, 2, 4), tokens=1e12, fixed={"recompute": (0, 1)})
CLUSTERS = 12


@pytest.fixture(scope="module")
def loopback(closed_sockets: None) -> Iterator[None]:
    """127.0.0.1 can be reached, nothing else: a scheduler talks to its workers there."""
    with loopback_open():
        yield


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    # As on macOS and Windows: nothing of this process is there but what was pickled.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def dask(loopback: None) -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.mark.parametrize("more", [{}, {"budget_usd": 2e5}, {"deadline_s": 3600.0}], ids=["cost", "budget", "nothing"])
@pytest.mark.parametrize("kind", ["threads", "processes", "dask"])
def test_every_executor_gives_the_serial_answer_bit_for_bit(
    kind: str, more: dict[str, float], request: pytest.FixtureRequest
) -> None:
    executor, asked = request.getfixturevalue(kind), replace(ASKED, **more)
    alone, progress = search(asked), []
    through = search(asked, progress=lambda done, total: progress.append((done, total)), executor=executor)
    assert facts(through) == facts(alone)
    assert progress == [(n + 1, CLUSTERS) for n in range(CLUSTERS)]
    assert not through.partial
    assert bool(through.rows) == (more.get("deadline_s") is None)


def test_the_order_in_which_clusters_come_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {name: replace(ASKED.prices[name], usd_per_h=None) for name in NAMES[:2]}
    asked = replace(ASKED, prices={**ASKED.prices, **unknown})
    forward = search(asked)
    order = rank._likely_first
    monkeypatch.setattr(rank, "_likely_first", lambda request, clusters: order(request, clusters)[::-1])
    assert facts(search(asked)) == facts(forward)
    assert [note.split(":")[0] for note in forward.notes] == NAMES[:3]


def test_a_single_cluster_shows_the_same_meshes_through_an_executor() -> None:
    asked = replace(ASKED, instances=ASKED.instances[1:2], node_counts=(2,))
    with ThreadPoolExecutor(2) as threads:
        through = search(asked, executor=threads)
    assert facts(through) == facts(search(asked))
    assert len(through.rows) == asked.top


def test_partial_answers_grow_into_the_last_one() -> None:
    seen: list[Plan] = []
    last = search(ASKED, partial=seen.append)
    assert len(seen) == CLUSTERS - 1
    assert all(plan.partial for plan in seen)
    assert not last.partial
    costs = [plan.rows[0].usd_per_billion_tokens for plan in seen if plan.rows]
    assert costs == sorted(costs, reverse=True)
    assert last.rows[0].usd_per_billion_tokens == costs[-1]
    assert {facts(plan)["rows"][0] for plan in seen[-1:]} == {facts(last)["rows"][0]}
    assert [plan.candidates for plan in seen] == sorted(plan.candidates for plan in seen)
    for plan in [*seen, last]:
        assert plan.candidates == sum(r.count for r in plan.rejects) + plan.fitting


@pytest.mark.parametrize("objective", ["cost", "time", "throughput"])
def test_likely_winners_come_first(objective: str) -> None:
    seen: list[Plan] = []
    last = search(replace(ASKED, objective=objective), partial=seen.append)
    value = OBJECTIVES[objective].value
    early, final = (value(plan.rows[0]) for plan in (seen[len(NAMES) - 1], last))
    assert early is not None
    assert early == pytest.approx(final, rel=0.02)
    assert seen[0].rows


def test_partial_answers_through_an_executor_end_in_the_same_place() -> None:
    seen: list[Plan] = []
    with ThreadPoolExecutor(2) as threads:
        last = search(ASKED, executor=threads, partial=seen.append)
    assert len(seen) == CLUSTERS - 1
    assert facts(last) == facts(search(ASKED))


@pytest.mark.parametrize("chunks", [0, 1, 3, 7])
def test_stopping_takes_no_further_chunk(monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    evaluated, enough = [], threading.Event()
    real = training._Steps.__call__

    def counted(*args: object, **kwargs: object) -> object:
        evaluated.append(1)
        if len(evaluated) >= chunks:
            enough.set()
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(training._Steps, "__call__", counted)
    monkeypatch.setattr(layouts, "PRUNED_CHUNK_ROWS", 100)
    if chunks == 0:
        enough.set()
    plan = search(ASKED, cancelled=enough.is_set)
    assert len(evaluated) <= chunks + 1  # the refinement of a cluster's winners follows its last chunk
    assert plan.partial
    assert "stopped early" in plan.notes[-1]
    assert plan.candidates == sum(r.count for r in plan.rejects) + plan.fitting
    assert bool(plan.candidates) == bool(chunks)


def test_stopping_in_the_middle_of_a_cluster_gives_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(ASKED, instances=ASKED.instances[1:2], node_counts=(4,), options={"exhaustive": True})
    calls = []
    monkeypatch.setattr(layouts.space.candidates, "__defaults__", (2000, None))

    def third() -> bool:
        calls.append(1)
        return len(calls) > 3

    plan = search(asked, cancelled=third)
    assert plan.rows
    assert plan.partial
    assert plan.notes == ("stopped early: 0 of 1 clusters searched",)
    assert plan.candidates == sum(r.count for r in plan.rejects) + plan.fitting
    assert any(r.reason == "stopped" for r in plan.rejects)


def test_stopping_withdraws_what_was_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, enough = [], threading.Event()
    real = parallel.search_part

    def noted(*args: object) -> object:
        begun.append(1)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(parallel, "search_part", noted)
    with ThreadPoolExecutor(1) as threads:
        plan = search(ASKED, executor=threads, cancelled=enough.is_set, partial=lambda _: enough.set())
    assert plan.partial
    assert plan.rows
    assert len(begun) < CLUSTERS


def test_a_failure_in_a_worker_is_raised_and_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def broken(*args: object) -> object:
        begun.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(parallel, "search_part", broken)
    with ThreadPoolExecutor(1) as threads, pytest.raises(ZeroDivisionError):
        search(ASKED, executor=threads)
    assert begun
