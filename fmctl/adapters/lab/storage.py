"""S3 policies with conditions, and FSx file systems with the ids, interfaces and lifecycle that AWS gives them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import moto.fsx.models as fsx
from moto.ec2.models import ec2_backends
from moto.s3 import models as s3

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.timeline import SECONDS
from fmctl.adapters.lab.world import World
from fmctl.base.read import Fields


def install(world: World) -> None:
    """Patch moto's S3 and FSx."""
    _patch_bucket_policy()
    _patch_file_system(world)


def _patch_bucket_policy() -> None:
    """Moto ignores conditions, so ParallelCluster's own "deny without TLS" would lock it out of its bucket."""
    original = s3.S3Backend.put_bucket_policy

    def put_bucket_policy(self: s3.S3Backend, bucket_name: str, policy: bytes) -> None:
        found = json.loads(policy)
        found["Statement"] = [s for s in found["Statement"] if not s.get("Condition") and not _denies_a_service(s)]
        if found["Statement"]:
            original(self, bucket_name, json.dumps(found).encode())

    patch(s3.S3Backend, "put_bucket_policy", put_bucket_policy)


def _denies_a_service(statement: Fields) -> bool:
    principal = statement.get("Principal")
    return statement["Effect"] == "Deny" and isinstance(principal, dict) and "Service" in principal


def _patch_file_system(world: World) -> None:
    """`FileSystem.__init__` and `to_dict`: 17-digit ids, a VPC, interfaces, and CREATING for a while."""
    make, describe = fsx.FileSystem.__init__, fsx.FileSystem.to_dict

    def __init__(self: Any, account_id: str, region_name: str, *args: Any, **asked: Any) -> None:  # noqa: N807
        make(self, account_id, region_name, *args, **asked)
        self.file_system_id = "fs-0" + uuid.uuid4().hex[:16]
        self.dns_name = f"{self.file_system_id}.fsx.{region_name}.amazonaws.com"
        self.resource_arn = f"arn:aws:fsx:{region_name}:{account_id}:file-system/{self.file_system_id}"
        self.lab_made, self.lab_vpc, self.lab_interfaces = world.clock.now(), None, []
        ec2 = ec2_backends[account_id][region_name]
        for name in self.subnet_ids or []:
            subnet = ec2.get_subnet(name)
            self.lab_vpc = subnet.vpc_id
            interface = ec2.create_network_interface(
                subnet,
                subnet.get_available_subnet_ip(self),
                group_ids=self.security_group_ids or None,
                description=f"FSx {self.file_system_id}",
            )
            self.lab_interfaces.append(interface.id)

    def to_dict(self: Any) -> dict[str, Any]:
        found = describe(self)
        age = (world.clock.now() - self.lab_made).total_seconds()
        found.update(
            Lifecycle="AVAILABLE" if age > SECONDS["AWS::FSx::FileSystem"] else "CREATING",
            VpcId=self.lab_vpc,
            NetworkInterfaceIds=self.lab_interfaces,
            CreationTime=self.lab_made.timestamp(),
        )
        if found.get("LustreConfiguration") is not None:
            found["LustreConfiguration"] = dict(found["LustreConfiguration"], MountName="fsx")
        return found

    patch(fsx.FileSystem, "__init__", __init__)
    patch(fsx.FileSystem, "to_dict", to_dict)
