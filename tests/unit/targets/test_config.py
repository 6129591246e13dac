"""The cluster's configuration: what each choice puts into it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import Capacity, ClusterSpec, FileSystem, site_with
from fmctl.targets.parallelcluster.rendering import CLUSTER
from fmctl.targets.parallelcluster.site import CLOSED
from tests.unit.targets.helpers import FS, SITE, capacity, full_site, instance, launchable, rendered, spec

RESERVATION = "cr-0123456789abcdef0"
BLOCK = Capacity("capacity-block", RESERVATION)


def config(of: ClusterSpec) -> Any:
    return yaml.safe_load(rendered(of).files[CLUSTER])


def queue(of: ClusterSpec) -> Any:
    (found,) = config(of)["Scheduling"]["SlurmQueues"]
    return found


def resource(of: ClusterSpec) -> Any:
    (found,) = queue(of)["ComputeResources"]
    return found


def refused(of: ClusterSpec) -> str:
    with pytest.raises(UsageError) as caught:
        rendered(of)
    assert caught.value.next
    return "\n".join(caught.value.lines())


def test_on_demand_nodes_come_with_a_job_and_go_when_idle() -> None:
    found = config(spec(idle_minutes=17))
    assert (resource(spec())["MinCount"], resource(spec())["MaxCount"]) == (0, 4)
    assert found["Scheduling"]["SlurmSettings"]["ScaledownIdletime"] == 17
    assert queue(spec())["Networking"]["PlacementGroup"] == {"Enabled": True}
    assert queue(spec())["CapacityType"] == "ONDEMAND"


def test_static_nodes_stay() -> None:
    of = spec(capacity=Capacity(static=True))
    assert (resource(of)["MinCount"], resource(of)["MaxCount"]) == (4, 4)
    assert "ScaledownIdletime" not in config(of)["Scheduling"]["SlurmSettings"]
    assert any("static nodes cost money" in line for line in rendered(of).warnings)


def test_a_capacity_block_is_static_without_placement_group() -> None:
    of = spec("p5en.48xlarge", capacity=BLOCK)
    assert queue(of)["CapacityType"] == "CAPACITY_BLOCK"
    assert "PlacementGroup" not in queue(of)["Networking"]
    assert (resource(of)["MinCount"], resource(of)["MaxCount"]) == (4, 4)
    assert resource(of)["CapacityReservationTarget"] == {"CapacityReservationId": RESERVATION}
    assert any("30 min" in line for line in rendered(of).warnings)


def test_an_odcr_names_its_reservation_and_its_type() -> None:
    of = spec(capacity=Capacity("odcr", RESERVATION))
    assert (queue(of)["CapacityType"], resource(of)["InstanceType"]) == ("ONDEMAND", "p5.48xlarge")
    assert resource(of)["CapacityReservationTarget"] == {"CapacityReservationId": RESERVATION}
    assert queue(of)["Networking"]["PlacementGroup"] == {"Enabled": False}
    assert resource(of)["MinCount"] == 0


def test_spot() -> None:
    assert queue(spec(capacity=Capacity("spot")))["CapacityType"] == "SPOT"
    assert any("two minutes" in line for line in rendered(spec(capacity=Capacity("spot"))).warnings)


@pytest.mark.parametrize("name", launchable())
def test_efa_is_on_where_the_type_has_it_and_gpudirect_where_it_is_a_switch(name: str) -> None:
    of = spec(name, 1, capacity=capacity(name, "capacity-block", 1))
    found = resource(of)["Efa"]
    assert found["Enabled"] is True
    assert found.get("GdrSupport") == (True if name.startswith("p4d") else None)
    assert resource(replace(of, efa=False))["Efa"] == {"Enabled": False}
    timeouts = {"HeadNodeBootstrapTimeout": 3600, "ComputeNodeBootstrapTimeout": 3600}
    assert config(of).get("DevSettings") == (None if name == "p5.4xlarge" else {"Timeouts": timeouts})
    assert queue(of)["ComputeSettings"]["LocalStorage"]["EphemeralVolume"] == {"MountDir": "/scratch"}


@pytest.mark.parametrize(("name", "members"), [("u-p6e-gb200x36", 9), ("u-p6e-gb200x72", 18)])
def test_every_ultraserver_is_a_block_of_its_own(name: str, members: int) -> None:
    of = spec(name, 3, capacity=capacity(name, "capacity-block", 3))
    found = queue(of)["ComputeResources"]
    assert [one["InstanceType"] for one in found] == ["p6e-gb200.36xlarge"] * 3
    assert {(one["MinCount"], one["MaxCount"]) for one in found} == {(members, members)}
    assert len({one["CapacityReservationTarget"]["CapacityReservationId"] for one in found}) == 3
    assert len({one["Name"] for one in found}) == 3
    assert config(of)["HeadNode"]["InstanceType"].startswith("m7g.")
    assert any("IMEX" in line for line in rendered(of).warnings)
    assert "one per UltraServer" in refused(replace(of, capacity=BLOCK))
    assert "UltraServers are sold as Capacity Blocks" in refused(replace(of, capacity=Capacity()))


def test_a_member_of_an_ultraserver_is_no_cluster() -> None:
    assert not instance("p6e-gb200.36xlarge").plannable
    assert "cannot be launched" in refused(spec("p6e-gb200.36xlarge", capacity=BLOCK))


@pytest.mark.parametrize(("nodes", "size"), [(1, "4xlarge"), (16, "4xlarge"), (17, "8xlarge"), (65, "16xlarge")])
def test_the_head_node_grows_with_the_cluster(nodes: int, size: str) -> None:
    assert config(spec(nodes=nodes))["HeadNode"]["InstanceType"] == f"m6i.{size}"


@pytest.mark.parametrize(("name", "head"), [("p5.48xlarge", "m7g.8xlarge"), ("u-p6e-gb200x72", "m7i.8xlarge")])
def test_head_and_nodes_have_one_architecture(name: str, head: str) -> None:
    of = spec(name, 1, site=site_with(SITE, head_instance=head), capacity=capacity(name, "capacity-block", 1))
    assert "one architecture" in refused(of)


def test_port_22_is_shut_unless_somebody_opens_it() -> None:
    found = config(spec(site=site_with(SITE, login_nodes=1)))
    assert found["HeadNode"]["Ssh"] == {"AllowedIps": CLOSED}  # without the section it would be 0.0.0.0/0
    assert found["LoginNodes"]["Pools"][0]["Ssh"] == {"AllowedIps": CLOSED}
    assert "ElasticIp" not in found["HeadNode"]["Networking"]
    assert found["Scheduling"]["SlurmQueues"][0]["Networking"]["AssignPublicIp"] is False
    opened = config(spec(site=full_site()))["HeadNode"]
    assert opened["Ssh"] == {"KeyName": "my-key", "AllowedIps": "203.0.113.0/24"}
    assert opened["Networking"]["ElasticIp"] is True
    assert "needs allowed_ips" in refused(spec(site=full_site(allowed_ips=None)))
    assert "everybody" in refused(spec(site=full_site(allowed_ips="0.0.0.0/0")))


def test_nodes_are_reached_by_session_manager_and_may_use_our_keys_alone() -> None:
    found = config(spec(site=replace(SITE, bucket="my-bucket")))
    iam = found["HeadNode"]["Iam"]
    assert iam["AdditionalIamPolicies"] == [{"Policy": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}]
    assert iam["S3Access"] == [{"BucketName": "my-bucket", "KeyName": "fmctl/*", "EnableWriteAccess": True}]
    gov = config(spec(site=replace(SITE, region="us-gov-west-1")))["HeadNode"]["Iam"]
    assert gov["AdditionalIamPolicies"][0]["Policy"].startswith("arn:aws-us-gov:")


def test_a_file_system_is_made_or_mounted() -> None:
    disk = FileSystem(capacity_gib=9600, mb_per_s_per_tib=500, retain=False, data_repository="s3://my-bucket/a/")
    made = config(spec(site=replace(SITE, file_system=disk)))["SharedStorage"][0]["FsxLustreSettings"]
    assert (made["StorageCapacity"], made["PerUnitStorageThroughput"], made["DeletionPolicy"]) == (9600, 500, "Delete")
    assert made["DataRepositoryAssociations"][0]["DataRepositoryPath"] == "s3://my-bucket/a"
    there = config(spec(site=replace(SITE, file_system=FileSystem(id=FS, efa=True))))["SharedStorage"][0]
    assert there["FsxLustreSettings"] == {"FileSystemId": FS}
    assert "SharedStorage" not in config(spec(site=replace(SITE, file_system=None)))


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (FileSystem(efa=True), "cannot make a file system with EFA"),
        (FileSystem(capacity_gib=3600), "capacity_gib: 4800"),
        (FileSystem(capacity_gib=100), "1,200 to 1,000,000"),
        (FileSystem(mb_per_s_per_tib=200), "125, 250, 500 and 1000"),
        (FileSystem(mount_dir="/scratch"), "belongs to the system or to local disks"),
        (FileSystem(mount_dir="/home/x"), "belongs to the system"),
        (FileSystem(id=FS, data_repository="s3://my-bucket"), "made with the cluster"),
    ],
)
def test_file_systems_that_cannot_be(disk: FileSystem, words: str) -> None:
    of = spec(site=replace(SITE, file_system=disk))
    with pytest.raises(UsageError) as caught:
        rendered(of)
    assert words in "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("bought", "words"),
    [
        (Capacity("odcr"), "needs one reservation"),
        (Capacity("capacity-block"), "needs one reservation"),
        (Capacity("capacity-block", f"{RESERVATION},{RESERVATION}"), "needs one reservation"),
        (Capacity("on-demand", RESERVATION), "a reservation is not for on-demand"),
        (Capacity("spot", RESERVATION), "a reservation is not for spot"),
        (Capacity("reserved-1y"), "no purchase option"),
    ],
)
def test_purchases_that_do_not_go_together(bought: Capacity, words: str) -> None:
    assert words in refused(spec(capacity=bought))


def test_what_has_no_price_is_rendered_with_a_doubt() -> None:
    assert any("may not sell it" in line for line in rendered(spec("p5e.48xlarge")).warnings)
    assert not any("may not sell it" in line for line in rendered(spec()).warnings)


def test_tags_find_it_again_and_name_no_account() -> None:
    found = spec(created_by="arn:aws:sts::111122223333:assumed-role/Dev/jane", site=full_site())
    tags = {tag["Key"]: tag["Value"] for tag in config(found)["Tags"]}
    assert tags["fmctl:created-by"] == "assumed-role/Dev/jane"
    assert {"fmctl:cluster", "fmctl:plan", "fmctl:plan-digest", "fmctl:max-hours"} <= set(tags)
    assert tags["team"] == "Forschung für Modelle"
    assert tags["fmctl:max-hours"] == "24"
    assert "fmctl:created-by" not in str(config(spec(created_by="")))


@pytest.mark.parametrize("key", ["aws:x", "AWS:x", "fmctl:plan", "parallelcluster:version", "Fmctl:x"])
def test_reserved_tags(key: str) -> None:
    assert "are reserved" in refused(spec(site=replace(SITE, tags={key: "x"})))


def test_too_many_tags() -> None:
    with pytest.raises(UsageError, match="too many"):
        rendered(spec(site=replace(SITE, tags={f"t{i}": "" for i in range(35)})))


@pytest.mark.parametrize("hours", [0.0, 0.5, -1.0, float("nan"), float("inf"), 9e9])
def test_an_end_is_within_reason(hours: float) -> None:
    assert "max hours" in refused(spec(max_hours=hours))


def test_gb200_needs_a_system_with_drivers() -> None:
    of = spec("u-p6e-gb200x72", 1, capacity=BLOCK, site=site_with(SITE, os="rhel9"))
    assert "no image of it" in refused(of)


def test_another_version_is_said() -> None:
    assert any("3.15.0" in w for w in rendered(spec(site=site_with(SITE, pcluster_version="3.15.0"))).warnings)
