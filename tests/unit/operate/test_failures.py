"""Reasons out of logs: lines as ParallelCluster's daemons write them, and which cause they come to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cluster_fakes import NAME, START, World

from fmctl.targets.parallelcluster import log_reasons
from fmctl.targets.parallelcluster.failures import CAUSES, LOG_CAUSES, Cause, explain
from fmctl.targets.parallelcluster.log_reasons import plain, told

ICE = (
    "2023-11-14 11:36:33,660 - 48010 - [slurm_plugin.fleet_manager:_launch_instances] - ERROR - Error in CreateFleet "
    "request (9b): InsufficientInstanceCapacity - We currently do not have sufficient p5.48xlarge capacity in the "
    "Availability Zone you requested (us-east-1d)."
)
LINES = (
    (ICE, "capacity"),
    (
        "2026-03-04 17:50:20,107 - [slurm_plugin.clustermgtd:_handle] - ERROR - Encountered exception when launching "
        "instances for nodes (x1) ['q-st-gpu-1']: An error occurred (VcpuLimitExceeded) when calling RunInstances",
        "quota",
    ),
    (
        "2026-03-04 17:50:20,107 - [slurm_plugin.clustermgtd:x] - ERROR - failed: An error occurred "
        "(UnauthorizedOperation) when calling the RunInstances operation: You are not authorized to perform",
        "permission",
    ),
    (
        "[2026-10-21T16:27:43+00:00] FATAL: mount.lustre: mount fs-0@tcp:/x at /fsx failed: Connection timed out",
        "mount",
    ),
    ("[2026-10-21T16:27:43+00:00] ERROR: curl: (6) Could not resolve host: s3.us-east-1.amazonaws.com", "way-out"),
    ("2026-03-31 05:34:16,245 [ERROR] Failed to execute OnNodeConfigured script 1, return code: 1", "custom-action"),
    (
        "2026-03-04 17:50:20,107 - [slurm_plugin.clustermgtd:x] - WARNING - Node q-st-gpu-1 failed: ResumeTimeout",
        "boot",
    ),
    (
        "2026-03-04 17:50:20,107 - [slurm_plugin.clustermgtd:x] - WARNING - Setting cluster into protected mode due to "
        "failures detected in node provisioning",
        "protected-mode",
    ),
)


@pytest.mark.parametrize(("line", "name"), LINES, ids=[name for _, name in LINES])
def test_a_line_tells_its_cause(line: str, name: str) -> None:
    found = told([(START, plain(line))])
    assert found is not None
    assert found.cause.name == name
    assert not found.line.startswith("20")


def test_lines_of_a_sound_cluster_tell_nothing() -> None:
    sound = (
        "2023-11-14 11:36:32,332 - 48010 - [slurm_plugin.fleet_manager:create_fleet] - INFO - Launching instances with "
        "create_fleet API. Parameters: {'LaunchTemplateName': 'a'}",
        "[2026-10-21T16:27:43+00:00] INFO: Waiting for static fleet capacity provisioning",
        "2026-03-04 17:50:20,107 - [slurm_plugin.clustermgtd:manage_cluster] - INFO - Managing cluster...",
    )
    world = World(logs=[(START, "head.clustermgtd", line) for line in sound])
    assert told(log_reasons.lines_of(_cloud(world), NAME, log_reasons.SCALING_STREAMS)) is None


def test_the_precise_cause_goes_before_the_vague_one_and_the_newest_before_older() -> None:
    lines = [(START + timedelta(minutes=i), plain(line)) for i, (line, _) in enumerate((LINES[1], LINES[0], LINES[7]))]
    found = told(lines)
    assert found is not None
    assert (found.cause.name, found.at) == ("capacity", START + timedelta(minutes=1))


@pytest.mark.parametrize("reason", ["WaitCondition timed out. Received 0 conditions", "protected mode", "strange"])
def test_logs_say_what_the_stack_does_not(reason: str) -> None:
    capacity = next(cause for cause in CAUSES if cause.name == "capacity")
    error = explain(NAME, reasons=[reason], logs=lambda: (capacity, "InsufficientInstanceCapacity"))
    assert error.what == f"AWS has no capacity for the nodes of {NAME} in that zone now"
    assert error.exit_code == 5


def test_logs_are_not_read_where_the_stack_is_precise() -> None:
    def never() -> tuple[Cause, str] | None:
        raise AssertionError("never asked")

    assert explain(NAME, reasons=["VcpuLimitExceeded"], logs=never).exit_code == 5


def test_every_cause_names_the_cluster_and_the_next_step() -> None:
    for cause in (*CAUSES, *LOG_CAUSES):
        assert "{name}" in cause.what
        assert cause.next
        cause.what.format(name="x")
        cause.next.format(name="x")


def _cloud(world: World) -> object:
    from cluster_fakes import FakeCloud, Gate

    return FakeCloud(world, Gate())
