"""What is watched, and what the plan expects of it: one row of a plan document as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.base.errors import UsageError, shorten
from fmctl.domain.checked import checked

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow, WholeRunRow

LONGEST_RUN_NAME = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """What the plan does not say."""

    run: str | None = None  # value of the label `run` of the job's metrics; None for whatever runs on the cluster
    cap_usd: float | None = None  # what may be spent; None for no cap
    efa_devices: int | None = None  # EFA interfaces of a node; None where not known: then the most seen in a day
    capacity_end: datetime | None = None  # when the capacity is taken away; None for the plan's last Capacity Block
    save_by: datetime | None = None  # when the last save has to begin; None for that of the same block
    scrape_s: float = 15.0  # how often metrics are scraped and rules evaluated
    pace: float = 1.0  # factor on every duration of a rule; 1 but for tests and rehearsals


@dataclass(frozen=True, slots=True)
class Expected:
    """What the row predicts; None where the plan does not know, and `unknown` says why."""

    model: str
    nodes: int
    gpus: int
    step_s: float
    step_low_s: float
    step_high_s: float
    tokens_per_s: float
    mfu: float
    used_bytes: float
    power_w: float
    usd_per_h: float | None
    save_interval_s: float | None
    save_stall_s: float
    save_drain_s: float
    capacity_end_s: float | None
    save_by_s: float | None
    unknown: tuple[str, ...]

    @property
    def usd_per_gpu_h(self) -> float | None:
        """What a GPU costs an hour, used or not."""
        return None if self.usd_per_h is None else self.usd_per_h / self.gpus


@dataclass(frozen=True, slots=True)
class Watched:
    """A cluster, its run, and what is expected of both."""

    cluster: str
    expected: Expected
    settings: Settings

    @property
    def labels(self) -> dict[str, str]:
        """What all of the cluster's series have."""
        return {"cluster": self.cluster}

    @property
    def run_labels(self) -> dict[str, str]:
        """What the run's own series have."""
        return self.labels | ({} if self.settings.run is None else {"run": self.settings.run})

    def paced(self, seconds: float) -> float:
        """A duration of a rule."""
        return seconds * self.settings.pace

    def window(self, seconds: float) -> float:
        """A look back: at least four scrapes, or a rate has nothing to stand on."""
        return max(self.paced(seconds), 4 * self.settings.scrape_s)


def watched(row: EstimateRow, cluster: str, settings: Settings | None = None) -> Watched:
    """The row of a plan document as something to watch.

    Raises:
        UsageError: the name, a setting or a number of the row cannot be used.
    """
    asked = Settings() if settings is None else settings
    _check(asked)
    return Watched(checked("cluster", cluster, "cluster name"), _expected(row, asked), asked)


def _expected(row: EstimateRow, asked: Settings) -> Expected:
    try:
        whole = row.get("whole_run")
        end_s, save_by_s = _capacity(whole, asked)
        usd_per_h = row["cost"]["usd_per_h"]
        return Expected(
            model=str(row["model"]),
            nodes=int(row["nodes"]),
            gpus=int(_positive(row["gpus"], "gpus")),
            step_s=_positive(row["time"]["step_s"], "step_s"),
            step_low_s=_positive(row["time"]["step_low_s"], "step_low_s"),
            step_high_s=_positive(row["time"]["step_high_s"], "step_high_s"),
            tokens_per_s=_positive(row["run"]["tokens_per_s"], "tokens_per_s"),
            mfu=_positive(row["flop"]["mfu"], "mfu"),
            used_bytes=_positive(row["memory"]["used_bytes"], "used_bytes"),
            power_w=_positive(row["energy"]["power_w"], "power_w"),
            usd_per_h=None if usd_per_h is None else _positive(usd_per_h, "usd_per_h"),
            save_interval_s=None if whole is None else _positive(whole["save_interval_s"], "save_interval_s"),
            save_stall_s=0.0 if whole is None else float(whole["save_stall_s"]),
            save_drain_s=0.0 if whole is None else float(whole["save_drain_s"]),
            capacity_end_s=end_s,
            save_by_s=save_by_s,
            unknown=tuple(_unknown(usd_per_h, whole, asked)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "the row of the plan cannot be watched",
            why=f"{type(error).__name__}: {shorten(str(error))}",
            next="make the plan again: fmctl plan MODEL --tokens T --save NAME",
        ) from error


def _unknown(usd_per_h: float | None, whole: WholeRunRow | None, asked: Settings) -> list[str]:
    found = []
    if usd_per_h is None:
        found.append(
            "price not on file: idle GPUs are counted without USD, spend only where fmctl_spend_usd is exported"
        )
    if whole is None:
        found.append(
            "no whole run in the plan (plan with --tokens): no checkpoint interval, no alert on overdue checkpoints"
        )
    if asked.cap_usd is None:
        found.append("no cap given: no alert on spend")
    if asked.efa_devices is None:
        found.append("EFA interfaces of a node not given: the most seen in a day are expected")
    return found


def _capacity(whole: WholeRunRow | None, asked: Settings) -> tuple[float | None, float | None]:
    """When the capacity ends and by when the last save has begun, in seconds since 1970."""
    end, save_by = asked.capacity_end, asked.save_by
    if end is None and whole is not None and whole["blocks"]:
        last = whole["blocks"][-1]
        end, save_by = (datetime.fromisoformat(moment) for moment in (last["end"], last["save_by"]))
    return (None if end is None else _unix(end)), (None if save_by is None else _unix(save_by))


def _unix(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise UsageError("a time without a time zone cannot be used", next="2027-03-01T11:30:00+00:00")
    return moment.timestamp()


def _positive(given: float, name: str) -> float:
    value = float(given)  # a damaged plan may have anything there
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}")
    return value


def _check(asked: Settings) -> None:
    run = asked.run
    if run is not None and not (0 < len(run) <= LONGEST_RUN_NAME and run.isprintable()):
        raise UsageError(
            f"run '{shorten(run)}' cannot be used", why=f"it has to be 1 to {LONGEST_RUN_NAME} printable characters"
        )
    for what, value in (("cap", asked.cap_usd), ("scrape interval", asked.scrape_s), ("pace", asked.pace)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{what} {value:g} cannot be used", why="it has to be more than zero")
    if asked.efa_devices is not None and asked.efa_devices < 0:
        raise UsageError(f"EFA devices {asked.efa_devices} cannot be used", why="it has to be zero or more")
