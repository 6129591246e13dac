"""What Prometheus scrapes on a cluster: one job per exporter, targets written down or read from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fmctl.base.errors import UsageError, shorten
from fmctl.observe.promql import span
from fmctl.observe.watched import Watched

NODES_FILE, HEAD_FILE = "nodes.json", "head.json"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Exporter:
    """Who exports a kind of metric, and on which port of which hosts."""

    name: str  # label `exporter`
    port: int
    path: str = "/metrics"
    on_head: bool = False  # on the head node, else on every compute node
    job: str = ""


NODE = Exporter("node", 9100)
DCGM = Exporter("dcgm", 9400)
# assumed: 9102, beside node_exporter on the same host; installations differ.
EFA = Exporter("efa", 9102)
# Slurm 25.11: slurmctld itself, on its own port (slurm.schedmd.com/metrics.html).
SLURM = Exporter("slurm", 6817, "/metrics/nodes", on_head=True)
SLURM_JOBS = Exporter("slurm", 6817, "/metrics/jobs", on_head=True, job="slurm-jobs")
# assumed: a port that no listed exporter has; one rank of the job answers on it, the others do not.
JOB = Exporter("job", 9477)
# `observe export` runs beside the head node's Slurm; rules take either.
JOB_HEAD = Exporter("job", 9477, on_head=True, job="job-head")
EXPORTERS = (NODE, DCGM, EFA, SLURM, SLURM_JOBS, JOB, JOB_HEAD)


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the exporters are.

    Alerts name a node as it is named here: give them Slurm's names, or what they say to do has to be translated.
    """

    nodes: tuple[str, ...] = ()  # with head: names without port, none: both are read from files
    head: str | None = None
    exporters: tuple[Exporter, ...] = EXPORTERS

    @property
    def in_files(self) -> bool:
        """Whether Prometheus reads the targets from files, which it notices when they change."""
        return not self.nodes


def scrape_jobs(seen: Watched, targets: Targets) -> list[dict[str, object]]:
    """The jobs of a cluster. Raises UsageError for what is no host."""
    return [_job(seen, targets, exporter) for exporter in targets.exporters]


def prometheus_config(seen: Watched, targets: Targets, rule_file: str) -> dict[str, object]:
    """A whole configuration for a Prometheus that watches this cluster alone."""
    every = span(seen.settings.scrape_s)
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [rule_file],
        "scrape_configs": scrape_jobs(seen, targets),
    }


def target_groups(hosts: Sequence[str]) -> list[dict[str, object]]:
    """What a file of targets holds: one group of hosts, none where there are none yet."""
    return [{"targets": [_host(one) for one in hosts]}] if hosts else []


def _job(seen: Watched, targets: Targets, exporter: Exporter) -> dict[str, object]:
    hosts = targets.nodes if not exporter.on_head else () if targets.head is None else (targets.head,)
    found: dict[str, object] = {
        "job_name": f"{seen.cluster}-{exporter.job or exporter.name}",
        "metrics_path": exporter.path,
        "relabel_configs": _relabel(seen, exporter),
    }
    if targets.in_files:
        found["file_sd_configs"] = [{"files": [HEAD_FILE if exporter.on_head else NODES_FILE]}]
    else:
        found["static_configs"] = target_groups(hosts)
    return found


def _relabel(seen: Watched, exporter: Exporter) -> list[dict[str, object]]:
    """One list of hosts serves all exporters: the port comes here, and the host becomes the label that rules use."""
    host: dict[str, object] = {"source_labels": ["__address__"], "regex": "([^:]+)(?::[0-9]+)?"}
    return [
        host | {"target_label": "node", "replacement": "${1}"},
        host | {"target_label": "__address__", "replacement": f"${{1}}:{exporter.port}"},
        {"target_label": "cluster", "replacement": seen.cluster},
        {"target_label": "exporter", "replacement": exporter.name},
    ]


def _host(name: str) -> str:
    if _HOST.fullmatch(name) is None:
        raise UsageError(
            f"host '{shorten(name)}' cannot be used", why="it has to be a name or an IPv4 address, without port"
        )
    return name
