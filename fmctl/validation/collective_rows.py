"""Collectives across EFA as `Table`s: which rows are used, by written rules, and what is predicted of them.

Rules. A row is used where it ran on two or more nodes of an EFA instance type, and not where its source or ours warns:
- its notes say `mis-tuned` (p4d with COLLNET: 57 GB/s on two nodes);
- it is an all-reduce of two nodes above 1 GiB, or a peak over sizes of one: NVLS trees and in-switch reduction flatter
  it beyond the wire, and no third node has them;
- it is a low-latency dispatch (128 tokens: decoding) or a bidirectional or host copy.
A peak over sizes is taken at 8 GiB. Bus bandwidth is that of nccl-tests; the RDMA leg that expert-parallel benchmarks
report counts every token once per node it reaches, its own included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from fmctl.catalog import load_instance
from fmctl.perf.ops.collectives import (
    EfaFit,
    FabricRates,
    all_reduce_s,
    all_to_all_s,
    dispatch_s,
    fabric_rates,
    gather_s,
    send_s,
)
from fmctl.validation.bounded import Bounds, Vector
from fmctl.validation.tables import Table

Row = Mapping[str, str]
FLATTERED_BYTES = 2.0**30
PEAK_BYTES = 2.0**33
# 4,096 tokens of 7,168 in bf16 to 8 experts each: what the dispatch benchmarks state.
DISPATCH_BYTES, DISPATCH_COPIES = 4096 * 7168 * 2.0, 8.0
GATHERS = ("all_gather", "reduce_scatter")
DISPATCHES = ("ep_dispatch", "ep_combine")
KINDS: Mapping[str, str] = {
    "all_reduce": "ring",
    "all_gather": "ring",
    "reduce_scatter": "ring",
    "alltoall": "all-to-all",
    "p2p_sendrecv": "send",
    "ep_dispatch": "dispatch",
    "ep_combine": "dispatch",
}
# The fields of EfaFit in order: (low, high, prior, logarithmic); priors are those of RDMA fabrics.
EFA_BOUNDS = Bounds.of(
    (5e-6, 200e-6, 30e-6, True), (1e-6, 30e-6, 5e-6, True), (0.5e-6, 20e-6, 3e-6, True), (0.6, 1.0, 0.93, False),
    (1e6, 100e6, 20e6, True), (0.5, 1.0, 0.85, False), (0.5, 1.0, 0.85, False), (10e-6, 150e-6, 40e-6, True),
)  # fmt: skip


def efa_tables(rows: Sequence[Row]) -> list[Table]:
    """The EFA rows as one table per instance type, kind of collective and source; an instance type shares constants."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if is_used(row):
            groups[row["system"], KINDS[row["collective"]], row["source"].split(":")[0].split(",")[0]].append(row)
    return [_table(*key, found) for key, found in sorted(groups.items())]


def is_used(row: Row) -> bool:
    """Whether a row is one of EFA collectives and breaks no rule of the module."""
    nodes, notes = _number(row, "nodes", "n_nodes"), (row.get("notes") or row.get("note") or "").lower()
    if not row.get("system", "").startswith("p") or nodes < 2.0 or row.get("collective") not in KINDS:
        return False
    flattered = row["collective"] == "all_reduce" and nodes == 2.0 and _size(row) > FLATTERED_BYTES
    return not flattered and "mis-tuned" not in notes and "low-latency" not in row.get("algo", "").lower()


def _number(row: Row, *names: str) -> float:
    return next((float(row[name]) for name in names if row.get(name)), 0.0)


def _size(row: Row) -> float:
    return _number(row, "bytes") or PEAK_BYTES


def _table(system: str, kind: str, source: str, rows: Sequence[Row]) -> Table:
    rates = fabric_rates(load_instance(system).fabric)

    def model(constants: Vector) -> Vector:
        with_these = replace(rates, net=EfaFit(*constants))
        return np.array([_time_s(with_these, row) for row in rows])

    return Table(
        kind="EFA collective",
        on=system,
        of=kind,
        source=source,
        constants=system,
        family="EFA",
        shapes=tuple(f"{row['collective']} {_size(row):.0f} {_gpus(row):.0f}" for row in rows),
        measured_s=np.array([_measured_s(row) for row in rows]),
        model=model,
        bounds=EFA_BOUNDS,
        shipped=np.array([getattr(rates.net, field.name) for field in fields(EfaFit)]),
    )


def _gpus(row: Row) -> float:
    return _number(row, "gpus", "n_gpus")


def _time_s(rates: FabricRates, row: Row) -> float:
    """The model of one row, s."""
    n = np.array([_gpus(row)])
    local, size = n / _number(row, "nodes", "n_nodes"), np.array([_size(row)])
    name = row["collective"]
    if name in DISPATCHES:
        time = dispatch_s(rates, np.array([DISPATCH_BYTES]), np.array([DISPATCH_COPIES]), n, local)
    elif name == "alltoall":
        time = all_to_all_s(rates, size, n, local)
    elif name == "p2p_sendrecv":
        time = send_s(rates, size, np.array([False]))
    else:
        time = (gather_s if name in GATHERS else all_reduce_s)(rates, size, n, local)
    return float(time[0])


def _measured_s(row: Row) -> float:
    """Time as stated, else from the bus bandwidth of nccl-tests, or of the RDMA leg of a dispatch, s."""
    stated = _number(row, "time_us")
    if stated:
        return stated * 1e-6
    rate, n, name = _number(row, "busbw_gb_per_s", "busbw_GBps") * 1e9, _gpus(row), row["collective"]
    if name in DISPATCHES:
        return DISPATCH_BYTES * min(DISPATCH_COPIES, _number(row, "nodes", "n_nodes")) / rate
    share = {"all_reduce": 2.0 * (n - 1.0) / n, "p2p_sendrecv": 1.0}.get(name, (n - 1.0) / n)
    return _size(row) * share / rate
