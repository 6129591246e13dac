"""What the tests of renderings share: a plan's row without a search, sites, and every way to buy every type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from fmctl.catalog import instance_names, instance_record, load_instance, load_model
from fmctl.domain.cluster import Capacity, ClusterSpec, FileSystem, ParallelClusterSite, Site, site_with
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import CudaGraph, Layout, Recompute, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.purchase import launched
from fmctl.frameworks.choice import teller
from fmctl.targets.parallelcluster.rendering import render
from fmctl.targets.rendering import Rendering

DIGEST = "sha256:" + "0123456789abcdef" * 4
WHOLE_RUN = {
    "save_interval_s": 1260.0, "save_stall_s": 12.0, "save_drain_s": 45.0, "load_s": 60.0, "wall_p90_s": 9000.0,
    "blocks": [{"usable_until": "2026-12-05T11:00:00+00:00"}],
}  # fmt: skip
FS = "fs-0123456789abcdef0"
BUCKET = "my-bucket"
SUBNETS = ParallelClusterSite("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
SITE = Site("us-east-1", "111122223333", parallelcluster=SUBNETS)
STORAGE: Mapping[str, FileSystem | None] = {
    "new": FileSystem(data_repository="s3://my-bucket/train/"),
    "efa": FileSystem(id=FS, efa=True),
    "none": None,
}


@cache
def instance(name: str) -> Instance:
    return load_instance(name)


@cache
def model(name: str = "llama-3.1-70b") -> ModelArch:
    return load_model(name)


def layout(name: str = "p5.48xlarge", nodes: int = 4, **fields: Any) -> Layout:
    gpus = instance(name).gpus * nodes
    given = {"tp": min(4, gpus), "sequence_parallel": 1, "sharding": Sharding.ZERO1, "recompute": Recompute.SELECTIVE}
    given |= {"cuda_graph": CudaGraph.NONE} | fields
    spread = given["tp"] * given.get("pp", 1) * given.get("cp", 1)
    return Layout(**{"dp": max(gpus // spread, 1), **given})


def row(name: str = "p5.48xlarge", nodes: int = 4, **fields: Any) -> dict[str, Any]:
    """A candidate as a plan document has it."""
    more = {key: fields.pop(key) for key in ("model", "framework", "tokens") if key in fields}
    return {
        "model": more.get("model", "llama-3.1-70b"),
        "framework": more.get("framework", "megatron"),
        "instance": name,
        "nodes": nodes,
        "fits": "ok",
        "layout": layout(name, nodes, **fields).as_dict(),
        "workload": {"seq_len": 8192, "global_batch": 512, "tokens": more.get("tokens", 1e12)},
        "time": {"step_s": 4.2},
        "run": {"run_s": 7200.0, "run_high_s": 9000.0},
        "cost": {"usd_per_h": 220.16, "price_option": "on-demand", "price_date": "2026-07-20"},
    }


def spec(name: str = "p5.48xlarge", nodes: int = 4, **given: Any) -> ClusterSpec:
    fields = {
        "name": "my-cluster", "plan": "my-plan", "plan_digest": DIGEST, "row": row(name, nodes), "site": SITE,
        "capacity": Capacity(), "max_hours": 24.0, "created_by": "jane",
    }  # fmt: skip
    return ClusterSpec(**(fields | given))


def rendered(of: ClusterSpec, arch: ModelArch | None = None) -> Rendering:
    return render(of, instance(of.instance), teller(model() if arch is None else arch, of.recipe))


def launchable() -> list[str]:
    return [name for name in instance_names() if instance_record(name).get("plannable", True)]


def capacity(name: str, purchase: str, nodes: int) -> Capacity:
    """The reservations that a purchase needs."""
    if purchase not in ("odcr", "capacity-block"):
        return Capacity(purchase)
    blocks = nodes if instance(name).member_type else 1
    return Capacity(purchase, ",".join(f"cr-0123456789abcdef{i:x}" for i in range(blocks)))


def matrix() -> Iterator[tuple[str, ClusterSpec]]:
    """Every launchable type, every way to buy it, every kind of storage; then sites that differ otherwise."""
    for name in launchable():
        for purchase in launched():
            if instance(name).member_type and purchase != "capacity-block":
                continue
            for kind, disk in STORAGE.items():
                nodes = 2 if instance(name).member_type else 4
                site = replace(SITE, file_system=disk)
                yield (
                    f"{name} {purchase} {kind}",
                    spec(name, nodes, site=site, capacity=capacity(name, purchase, nodes)),
                )
    yield "static", spec(capacity=Capacity(static=True))
    yield "no efa", spec(efa=False)
    yield "64 nodes", spec(nodes=64)
    yield "one node, torchtitan", spec(nodes=1, row=row(nodes=1, framework="torchtitan", sharding=Sharding.ZERO3))
    yield "environment alone", spec(row=row(framework="internevo"))
    yield "nanotron", spec(row=row(framework="nanotron", recompute=Recompute.FULL))
    yield "deepspeed", spec(row=row(framework="deepspeed", recompute=Recompute.FULL))
    yield "megatron-bridge", spec(recipe="megatron-bridge")
    yield (
        "a block with its end",
        spec(row=row() | {"whole_run": WHOLE_RUN}, capacity=capacity("p5.48xlarge", "capacity-block", 4)),
    )
    yield "everything", spec(nodes=65, site=full_site(), max_hours=100.5, idle_minutes=5)
    yield "one ultraserver", spec("u-p6e-gb200x36", 1, capacity=capacity("u-p6e-gb200x36", "capacity-block", 1))
    yield "govcloud", spec(site=replace(SITE, region="us-gov-west-1"))


def full_site(**fields: Any) -> Site:
    """A site with every field set."""
    given = {
        "key_name": "my-key", "allowed_ips": "203.0.113.0/24", "public_head": True, "os": "alinux2023",
        "ami": "ami-0123456789abcdef0", "security_groups": ("sg-0123456789abcdef0",), "head_instance": "m7i.8xlarge",
        "login_nodes": 2, "permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess", "bucket": BUCKET,
        "file_system": FileSystem("/data", capacity_gib=1200, mb_per_s_per_tib=1000, retain=False),
        "tags": {"team": "Forschung für Modelle", "cost center": "a=b:c/d@e+f-g.h_i"},
    }  # fmt: skip
    return site_with(SITE, **(given | fields))
