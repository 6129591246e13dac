"""What stands in the lab's account before anybody comes: a network, a key, capacity, a file system, a bucket."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from fmctl.adapters.lab.capacity import reserve
from fmctl.adapters.lab.settings import Held, Seed
from fmctl.adapters.lab.world import REGION, World

if TYPE_CHECKING:
    from boto3 import Session
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef, IpPermissionTypeDef
    from types_boto3_fsx import FSxClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient


class Way(TypedDict, total=False):
    """Where a route leads: one of the two."""

    GatewayId: str
    NatGatewayId: str


KEY, BUCKET, GROUP = "fmctl-lab", "fmctl-lab", "fmctl-lab"
# Instance type to nodes reserved on demand and in a block; 0 is none.
RESERVED = {
    "p4d.24xlarge": (8, 0),
    "p4de.24xlarge": (8, 0),
    "p5.48xlarge": (8, 4),
    "p5e.48xlarge": (8, 4),
    "p5en.48xlarge": (8, 4),
    "p6-b200.48xlarge": (8, 4),
    "p6-b300.48xlarge": (8, 4),
    "p6e-gb200.36xlarge": (0, 18),
}
_ZONES = 4
_SCRIPTS = ("scripts/post-install.sh", "scripts/imex-prolog.sh")


def seed(world: World, session: Session, endpoint: str) -> Seed:
    """Fill the account through its own API.

    Args:
        world: the lab.
        session: with the account's keys.
        endpoint: where the account answers.
    """
    ec2 = session.client("ec2", endpoint_url=endpoint)
    zones = _zones(ec2)
    vpc, public, private = _network(ec2, zones)
    group = _security_group(ec2, vpc)
    ec2.create_key_pair(KeyName=KEY, KeyType="ed25519")  # pcluster refuses RSA for Ubuntu
    ec2.create_placement_group(GroupName=GROUP, Strategy="cluster")
    fsx = session.client("fsx", endpoint_url=endpoint)
    reservations, blocks, absent = _capacity(world, ec2, zones)
    return {
        "region": REGION, "vpc": vpc, "public_subnet": public, "private_subnets": private,
        "key": KEY, "placement_group": GROUP, "security_group": group,
        "file_system": _file_system(fsx, private[zones[0]], group),
        "bucket": _bucket(session.client("s3", endpoint_url=endpoint)),
        "munge_secret": _secret(session.client("secretsmanager", endpoint_url=endpoint)),
        "reservations": reservations, "blocks": blocks, "not_offered": absent,
    }  # fmt: skip


def _zones(ec2: EC2Client) -> list[str]:
    found = ec2.describe_availability_zones()["AvailabilityZones"]
    usual = [z["ZoneName"] for z in found if z.get("ZoneType", "availability-zone") == "availability-zone"]
    return sorted(usual)[:_ZONES]


def _network(ec2: EC2Client, zones: list[str]) -> tuple[str, str, dict[str, str]]:
    """A VPC with one public subnet and a private one per zone behind a NAT gateway."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    public = _subnet(ec2, vpc, zones[0], "10.0.0.0/24", _table(ec2, vpc, {"GatewayId": gateway}))
    ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = _table(ec2, vpc, {"NatGatewayId": nat})
    private = {z: _subnet(ec2, vpc, z, f"10.0.{16 * i}.0/20", table) for i, z in enumerate(zones, start=1)}
    return vpc, public, private


def _table(ec2: EC2Client, vpc: str, through: Way) -> str:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **through)
    return table


def _subnet(ec2: EC2Client, vpc: str, zone: str, block: str, table: str) -> str:
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=made)
    return made


def _security_group(ec2: EC2Client, vpc: str) -> str:
    """Lets its members reach each other: what a file system made outside needs."""
    group = ec2.create_security_group(GroupName=GROUP, Description="cluster and file system", VpcId=vpc)["GroupId"]
    among: list[IpPermissionTypeDef] = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=among)
    return str(group)


def _file_system(fsx: FSxClient, subnet: str, group: str) -> str:
    made = fsx.create_file_system(
        FileSystemType="LUSTRE", StorageCapacity=4800, SubnetIds=[subnet], SecurityGroupIds=[group],
        LustreConfiguration={"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250},
    )  # fmt: skip
    return str(made["FileSystem"]["FileSystemId"])


def _bucket(s3: S3Client) -> str:
    s3.create_bucket(Bucket=BUCKET)
    for key in _SCRIPTS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"#!/bin/bash\ntrue\n")
    return BUCKET


def _secret(secrets: SecretsManagerClient) -> str:
    """A munge key for an external slurmdbd; obviously no secret."""
    text = base64.b64encode(b"the lab's munge key is no secret" * 2).decode()
    return str(secrets.create_secret(Name="fmctl-lab-munge", SecretString=text)["ARN"])


def _capacity(world: World, ec2: EC2Client, zones: list[str]) -> tuple[dict[str, Held], dict[str, Held], list[str]]:
    """Reservations where moto's table has the type on offer; a type sold in none of the zones has none."""
    on_demand, blocks, now = dict[str, Held](), dict[str, Held](), world.clock.now()
    for kind, (reserved, block) in RESERVED.items():
        zone = _zone_of(ec2, kind, zones)
        if zone and reserved:
            made = reserve(world, kind, zone, reserved)
            on_demand[kind] = {"id": made["CapacityReservationId"], "zone": zone, "count": reserved}
        if zone and block:
            start = now - timedelta(hours=1)
            made = reserve(world, kind, zone, block, start=start, end=start + timedelta(days=14))
            blocks[kind] = {"id": made["CapacityReservationId"], "zone": zone, "count": block}
    absent = [kind for kind in RESERVED if kind not in on_demand and kind not in blocks]
    return on_demand, blocks, absent


def _zone_of(ec2: EC2Client, kind: str, zones: list[str]) -> str | None:
    only: list[FilterTypeDef] = [{"Name": "instance-type", "Values": [kind]}]
    found = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=only)
    offered = {one["Location"] for one in found["InstanceTypeOfferings"]}
    return next((zone for zone in zones if zone in offered), None)
