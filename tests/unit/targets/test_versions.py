"""Known-bad versions: refused when rendered, refused by the job, and nothing else refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import Capacity, ClusterSpec, site_with
from fmctl.domain.layout import Dispatcher
from fmctl.domain.software import COMPONENTS, KNOWN_BAD, is_version, parsed
from fmctl.targets.parallelcluster import versions
from fmctl.targets.sites import site_of
from fmctl.targets.slurm.versions import check, pair_lines
from tests.unit.targets.helpers import SITE, SUBNETS, capacity, model, rendered, row, spec
from tests.unit.targets.test_guards import bash

GOOD = {"efa": "1.47.0", "nccl": "2.28.3", "ofi": "1.19.0", "megatron-bridge": "0.4.2", "driver": "580.126.20"}


def site(**fields: object) -> ClusterSpec:
    name = str(fields.pop("instance", "p5.48xlarge"))
    purchase = fields.pop("purchase", None)
    bought = Capacity() if purchase is None else capacity(name, str(purchase), 4)
    return spec(name, site=site_with(SITE, **fields), capacity=bought)  # type: ignore[arg-type]


def test_versions_that_are_known_to_work_are_taken() -> None:
    for name in ("p4d.24xlarge", "p5.48xlarge", "p6-b200.48xlarge", "p6-b300.48xlarge"):
        rendered(site(instance=name, software=GOOD))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"software": {"nccl": "2.19.3", "efa": "1.29.0"}}, "nccl 2.19.3 with efa 1.29.0"),
        ({"software": {"nccl": "2.19", "efa": "1.28"}}, "nccl 2.19 with efa 1.28"),
        ({"software": {"ofi": "1.6.0"}}, "ofi 1.6.0 with instance p5.48xlarge"),
        ({"instance": "p6-b300.48xlarge", "software": {"megatron-bridge": "0.3.1"}}, "megatron-bridge 0.3.1"),
        ({"instance": "p6-b300.48xlarge", "pcluster_version": "3.14.2"}, "pcluster 3.14.2"),
        ({"instance": "p6-b200.48xlarge", "pcluster_version": "3.13.1"}, "pcluster 3.13.1"),
        ({"purchase": "capacity-block", "pcluster_version": "3.7.2"}, "pcluster 3.7.2 with purchase capacity-block"),
        ({"instance": "p4d.24xlarge", "pcluster_version": "3.11.1", "os": "alinux2023"}, "pcluster 3.11.1"),
    ],
)
def test_a_known_bad_pair_is_refused_with_what_to_take(fields: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match="does not work") as caught:
        rendered(site(**fields))
    assert what in caught.value.what
    assert caught.value.why and caught.value.next


@pytest.mark.parametrize(
    "fields",
    [
        {"software": {"nccl": "2.18.5", "efa": "1.29.0"}},
        {"software": {"nccl": "2.19.3", "efa": "1.29.1"}},
        {"software": {"nccl": "2.19.3"}},
        {"software": {"ofi": "1.7"}},
        {"instance": "p6-b300.48xlarge", "pcluster_version": "3.15.0"},
        {"instance": "p4d.24xlarge", "pcluster_version": "3.11.1"},
        {"software": {"deepep": "1.2.1"}},
    ],
)
def test_the_neighbours_of_a_bad_pair_are_not(fields: dict[str, object]) -> None:
    rendered(site(**fields))


def test_old_deepep_is_refused_only_where_it_would_speak_efa() -> None:
    old = replace(SITE, software={"deepep": "1.2.1"})
    inside = spec(site=old, row=row(model="deepseek-v3", ep=8, dispatcher=Dispatcher.FUSED))
    rendered(inside, model("deepseek-v3"))
    across = spec(site=old, row=row(model="deepseek-v3", ep=16, dispatcher=Dispatcher.FUSED))
    with pytest.raises(UsageError, match="deepep"):
        rendered(across, model("deepseek-v3"))
    found = rendered(replace(across, site=SITE), model("deepseek-v3")).warnings
    assert any("NVSHMEM over libfabric" in line for line in found)


def test_fused_dispatch_ends_at_160_ranks() -> None:
    wide = spec(nodes=64, row=row(nodes=64, model="deepseek-v3", ep=256, dispatcher=Dispatcher.FUSED))
    with pytest.raises(UsageError, match="over 256 ranks"):
        rendered(wide, model("deepseek-v3"))


def test_every_row_has_a_reason_a_way_out_and_a_source() -> None:
    facts = {"instance", "purchase", "os", "pcluster", "dispatch", *COMPONENTS}
    for one in (*KNOWN_BAD, *versions.KNOWN_BAD):
        assert one.why and one.take and one.source
        assert {condition.fact for condition in one.conditions} <= facts
        assert all(not bound or is_version(bound) for c in one.conditions for bound in (c.first, c.before))


@pytest.mark.parametrize(
    ("software", "stops"),
    [
        ("", False), ("nccl=2.20.3 efa=1.28.0", True), ("nccl=2.20.3 efa=1.47.0", False), ("nccl=2.20.3", False),
        ("efa=1.28.0 nccl=2.19", True), ("ofi=1.6.0", True), ("ofi=1.7", False), ("ofi=1.10.0", False),
        ("ofi=1.19.0", False), ("nccl=2.9.1 efa=1.28.0", False),
    ],
)  # fmt: skip
def test_the_job_judges_as_the_rendering_does(software: str, stops: bool) -> None:
    facts = {"instance": "p5.48xlarge"}
    done = bash(f'set -euo pipefail\nsay() {{ echo "$@"; }}\n{pair_lines(facts)}echo on', JOB_SOFTWARE=software)
    assert (done.returncode == 1) is stops, done
    assert ("take " in done.stdout) is stops
    named = dict(pair.split("=") for pair in software.split())
    if stops:
        with pytest.raises(UsageError):
            check(facts | named)
    else:
        check(facts | named)


def test_versions_compare_as_numbers() -> None:
    assert parsed("1.10") > parsed("1.9.9")
    assert parsed("1.7.0") == parsed("1.7")
    assert not any(map(is_version, ("", "v1", "1.", "1.2.3.4.5", "1 2", "$(id)", "1\n", None)))


@pytest.mark.parametrize("given", [{"nccl": "new"}, {"nccl": "$(id)"}, {"glibc": "2.35"}, {"nccl": "1\n2"}])
def test_a_site_says_which_version_cannot_be_used(given: dict[str, str]) -> None:
    base = {
        "region": "us-east-1",
        "compute_subnet": SUBNETS.compute_subnet,
        "head_subnet": SUBNETS.head_subnet,
    }
    with pytest.raises(UsageError, match="software"):
        site_of({**base, "software": given}, "site.yaml")
    assert site_of({**base, "software": GOOD}, "site.yaml").software == GOOD
