"""A Grafana dashboard of one cluster: what is, and beside it what the plan expects, as constant series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from fmctl.observe import names
from fmctl.observe.promql import number, selector
from fmctl.observe.run_alerts import spend_expression
from fmctl.observe.watched import Watched

SCHEMA_VERSION = 39
"""Grafana 10.4 and newer read it; older ones read it with a warning."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph of the dashboard, with what is drawn in it."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]  # legend and query
    expected: tuple[tuple[str, float], ...] = ()  # legend and value, drawn as constants
    limit: float | None = None  # a red line


def dashboard(seen: Watched) -> dict[str, object]:
    """The dashboard as plain values. Its uid follows from the cluster's name, so that a new one replaces the old."""
    panels = [_drawn(panel, at) for at, panel in enumerate((*_run(seen), *_gpus(seen), *_network(seen), *_cost(seen)))]
    return {
        "uid": "fmctl-" + sha256(seen.cluster.encode()).hexdigest()[:16],
        "title": f"fmctl {seen.cluster}",
        "tags": ["fmctl"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": [*panels, _alert_list(seen, len(panels))],
    }


def _run(seen: Watched) -> Iterator[Panel]:
    sel, plan = selector(seen.run_labels), seen.expected
    interval = (("predicted", plan.step_s), ("80 % low", plan.step_low_s), ("80 % high", plan.step_high_s))
    yield Panel("Step time", "s", (("measured", names.RUN_STEP_S.record + sel),), interval, plan.step_high_s)
    tokens = f"{names.RUN_TOKENS.record}{sel}"
    yield Panel("Tokens per second", "none", (("measured", tokens),), (("predicted", plan.tokens_per_s),))
    mfu = f"{tokens} * {number(plan.mfu / plan.tokens_per_s)}"
    yield Panel("MFU", "percentunit", (("measured", mfu),), (("predicted", plan.mfu),))
    yield Panel("Loss", "none", (("loss", names.RUN_LOSS.record + sel),))
    yield Panel("Gradient norm", "none", (("before clipping", names.RUN_GRADIENT.record + sel),))
    yield Panel("Step", "none", (("step", names.RUN_STEP.record + sel),))
    every = () if plan.save_interval_s is None else (("planned interval", plan.save_interval_s),)
    yield Panel("Time since the last checkpoint", "s", (("age", f"time() - {names.RUN_SAVED.record}{sel}"),), every)
    safe_s = plan.save_stall_s + plan.save_drain_s
    predicted = () if plan.save_interval_s is None else (("predicted", safe_s),)
    yield Panel("Last save until safe on storage", "s", (("measured", names.RUN_SAVE_S.record + sel),), predicted)


def _gpus(seen: Watched) -> Iterator[Panel]:
    sel, plan = selector(seen.labels), seen.expected
    yield Panel("GPUs busy", "percentunit", _spread(names.GPU_BUSY.record + sel))
    yield Panel("Tensor cores active", "percentunit", _spread(names.GPU_TENSOR.record + sel))
    memory = (("most used", f"max({names.GPU_MEMORY.record}{sel})"),)
    yield Panel("GPU memory", "bytes", memory, (("predicted", plan.used_bytes),))
    # The prediction is of whole nodes, the measurement of GPUs alone: the two lines are not meant to meet.
    power = (("all GPUs", f"sum({names.GPU_POWER.record}{sel})"),)
    yield Panel("Power", "watt", power, (("predicted, whole nodes", plan.power_w),))
    yield Panel("GPU temperature", "celsius", _spread(names.GPU_TEMPERATURE.record + sel))
    yield Panel("SM clock", "hertz", _spread(names.GPU_CLOCK.record + sel))
    yield Panel("XIDs", "none", (("{{node}} GPU {{gpu}}: XID {{xid}}", names.XID_SEEN + sel),))
    ecc = (("uncorrectable ECC", f"sum({names.GPU_ECC.record}{sel})"),
           ("rows waiting for a reset", f"sum({names.GPU_REMAP_PENDING.record}{sel})"))  # fmt: skip
    yield Panel("GPU memory errors", "none", ecc)


def _network(seen: Watched) -> Iterator[Panel]:
    sel = selector(seen.labels)
    yield Panel("NVLink, sent per GPU", "Bps", _spread(names.NVLINK_SENT.record + sel))
    efa = (("sent", f"avg({names.EFA_SENT.record}{sel})"), ("received", f"avg({names.EFA_RECEIVED.record}{sel})"))
    yield Panel("EFA per node", "Bps", efa)
    failing = (
        ("drops", names.EFA_DROPS),
        ("failed reads", names.EFA_READ_ERRORS),
        ("failed writes", names.EFA_WRITE_ERRORS),
    )
    errors = tuple((legend, f"sum({signal.record}{sel})") for legend, signal in failing)
    yield Panel("EFA errors per second", "none", errors)
    left = (("left", f"{names.LUSTRE_FREE.record}{sel} / {names.LUSTRE_SIZE.record}{sel}"),)
    yield Panel("File system", "percentunit", left)


def _cost(seen: Watched) -> Iterator[Panel]:
    sel, plan = selector(seen.labels), seen.expected
    cap = seen.settings.cap_usd
    yield Panel(
        "Spent", "currencyUSD", (("spent", spend_expression(seen)),), () if cap is None else (("cap", cap),), cap
    )
    idle = f"count({names.GPU_BUSY.record}{sel} < 0.05) or vector(0)"
    yield Panel("GPUs idle", "none", (("idle", idle),), (("all of the plan", float(plan.gpus)),))
    nodes = (("down", names.SLURM_DOWN.record + sel), ("drained", names.SLURM_DRAINED.record + sel))
    yield Panel("Slurm nodes", "none", nodes, (("all of the plan", float(plan.nodes)),))


def _spread(of: str) -> tuple[tuple[str, str], ...]:
    return ("lowest", f"min({of})"), ("median", f"quantile(0.5, {of})"), ("highest", f"max({of})")


def _drawn(panel: Panel, at: int) -> dict[str, object]:
    queries = panel.series + tuple((legend, f"vector({number(value)})") for legend, value in panel.expected)
    steps: list[dict[str, object]] = [{"color": "green", "value": None}]
    steps += [] if panel.limit is None else [{"color": "red", "value": panel.limit}]
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": _place(at),
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for n, (legend, query) in enumerate(queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if panel.limit is None else "line"}},
            },
            "overrides": [_dashed(legend) for legend, _ in panel.expected],
        },
    }


def _dashed(legend: str) -> dict[str, object]:
    line = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}
    return {"matcher": {"id": "byName", "options": legend}, "properties": [line]}


def _alert_list(seen: Watched, at: int) -> dict[str, object]:
    return {
        "id": at + 1,
        "type": "alertlist",
        "title": "Alerts",
        "datasource": _SOURCE,
        "gridPos": _place(at),
        "options": {
            "alertInstanceLabelFilter": selector(seen.labels),
            "stateFilter": {"firing": True, "pending": True},
        },
    }


def _place(at: int) -> dict[str, int]:
    per_row = _COLUMNS // _WIDTH
    return {"x": at % per_row * _WIDTH, "y": at // per_row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
