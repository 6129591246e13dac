"""What fmctl renders, read by the real ParallelCluster's schema, in an interpreter that has it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from fmctl.domain.cluster import PCLUSTER_VERSION
from fmctl.targets.parallelcluster.rendering import CLUSTER
from fmctl.targets.parallelcluster.site import CLOSED
from tests.real import PCLUSTER_PYTHON
from tests.unit.targets.helpers import matrix, rendered

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real("pcluster"),
]

_READ = """
import json, sys
from importlib.metadata import version
from pcluster.schemas.cluster_schema import ClusterSchema
from pcluster.utils import yaml_load

def read(name, text):
    try:
        found = ClusterSchema(cluster_name="my-cluster").load(yaml_load(text))
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    pools = found.login_nodes.pools if found.login_nodes else []
    resources = [resource for queue in found.scheduling.queues for resource in queue.compute_resources]
    return {
        "refused": "",
        "ssh": [found.head_node.ssh.allowed_ips, *(pool.ssh.allowed_ips for pool in pools)],
        "imds": [found.imds.imds_support, found.head_node.imds.secured],
        "capacity": [queue.capacity_type.value for queue in found.scheduling.queues],
        "counts": [[resource.min_count, resource.max_count] for resource in resources],
        "efa": [resource.efa.enabled for resource in resources],
        "encrypted": [found.head_node.local_storage.root_volume.encrypted]
        + [queue.compute_settings.local_storage.root_volume.encrypted for queue in found.scheduling.queues],
        "scratch": [str(queue.compute_settings.local_storage.ephemeral_volume.mount_dir)
                    for queue in found.scheduling.queues],
        "tags": {tag.key: tag.value for tag in found.tags},
    }

texts = json.load(sys.stdin)
json.dump({"version": version("aws-parallelcluster"), "found": {n: read(n, t) for n, t in texts.items()}}, sys.stdout)
"""


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """What ParallelCluster makes of every rendering, by name; one subprocess for all."""
    texts = {name: rendered(spec).files[CLUSTER] for name, spec in matrix()}
    run = subprocess.run(
        [PCLUSTER_PYTHON, "-c", _READ],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": os.environ["HOME"],
        },
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer = json.loads(run.stdout)
    assert answer["version"] == PCLUSTER_VERSION
    found: dict[str, Any] = answer["found"]
    assert set(found) == set(texts)
    return found


def test_it_accepts_every_rendering(read: dict[str, Any]) -> None:
    assert {name: one["refused"] for name, one in read.items() if one["refused"]} == {}
    assert len(read) > 100


def test_it_reads_what_was_meant(read: dict[str, Any]) -> None:
    for name, one in read.items():
        expected = "203.0.113.0/24" if name == "everything" else CLOSED
        assert set(one["ssh"]) == {expected}, name
        assert one["imds"] == ["v2.0", True], name
        assert all(one["encrypted"]), name
        assert one["scratch"] == ["/scratch"], name
        assert one["efa"] == [name != "no efa"] * len(one["efa"]), name
        block = one["capacity"] == ["CAPACITY_BLOCK"]
        assert block == ("capacity-block" in name or name in ("one ultraserver", "a block with its end")), name
        if block or name == "static":
            assert all(low == high > 0 for low, high in one["counts"]), name
        else:
            assert all(low == 0 < high for low, high in one["counts"]), name
        assert one["tags"]["fmctl:cluster"] == "my-cluster"
