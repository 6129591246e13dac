"""What a preflight looks at, over boto3: the `Survey` of `domain.ports`. Describes only; nothing here can spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fmctl.adapters.aws.errors import asked, code_of
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import OperationFailed, PermissionDenied
from fmctl.domain.ports import Identity, Lustre, Reservation, Subnet

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import CapacityReservationTypeDef, FilterTypeDef, InstanceTypeDef, RouteTableTypeDef

_T = TypeVar("_T")
LUSTRE_PORT = 988
_GONE = {"InvalidSubnetID.NotFound", "InvalidCapacityReservationId.NotFound", "InvalidKeyPair.NotFound"}
_NO_SUCH = {"FileSystemNotFound", "NoSuchResourceException", "InvalidCapacityReservationId.Malformed"}
_LIVING = ("pending", "running")


class AwsSurvey:
    """An account in one region, described.

    Args:
        session: credentials, region and clients.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def identity(self) -> Identity:
        """Account and caller."""
        client = self.session.client("sts")
        with asked("who we are"):
            found = client.get_caller_identity()
        return Identity(found["Account"], found["Arn"], self.session.region)

    def offered_zones(self, instance: str) -> tuple[str, ...]:
        """Zones that offer the type."""
        listed = self._ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [instance]}]
        )
        offers = pages("where the type is offered", listed)
        return tuple(sorted(one["Location"] for page in offers for one in page.get("InstanceTypeOfferings", ())))

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet with its way out."""
        ec2 = self._ec2
        found = _unless_gone(f"the subnet {subnet_id}", lambda: ec2.describe_subnets(SubnetIds=[subnet_id]))
        if found is None or not found["Subnets"]:
            return None
        one = found["Subnets"][0]
        return Subnet(
            id=subnet_id,
            vpc=one["VpcId"],
            zone=one["AvailabilityZone"],
            zone_id=one.get("AvailabilityZoneId", ""),
            free_addresses=int(one["AvailableIpAddressCount"]),
            way_out=self._way_out(subnet_id, one["VpcId"]),
            public_ips=bool(one.get("MapPublicIpOnLaunch")),
        )

    def quota(self, code: str) -> float | None:
        """An EC2 quota, the default where none was applied."""
        client, what = self.session.client("service-quotas"), f"the quota {code}"
        found = _unless_gone(what, lambda: client.get_service_quota(ServiceCode="ec2", QuotaCode=code)) or _unless_gone(
            what, lambda: client.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)
        )
        return float(found["Quota"]["Value"]) if found else None

    def running_vcpus(self, families: Sequence[str], spot: bool) -> int:
        """Count of vCPUs that run of these families, bought the same way."""
        filters: list[FilterTypeDef] = [
            {"Name": "instance-state-name", "Values": list(_LIVING)},
            {"Name": "instance-type", "Values": [f"{family}*" for family in families]},
        ]
        reserved = pages("what runs", self._ec2.get_paginator("describe_instances").paginate(Filters=filters))
        found = [one for page in reserved for group in page.get("Reservations", ()) for one in group["Instances"]]
        same = [one for one in found if (one.get("InstanceLifecycle") == "spot") == spot]
        return sum(_vcpus(one) for one in same if one.get("InstanceLifecycle") != "capacity-block")

    def reservation(self, reservation_id: str) -> Reservation | None:
        """One reservation or block."""
        ec2, wanted = self._ec2, [reservation_id]
        found = _unless_gone(
            f"the reservation {reservation_id}",
            lambda: ec2.describe_capacity_reservations(CapacityReservationIds=wanted),
        )
        if found is None or not found["CapacityReservations"]:
            return None
        return reservation_of(found["CapacityReservations"][0])

    def file_system(self, file_system_id: str) -> Lustre | None:
        """One FSx for Lustre file system, with who may reach it."""
        fsx = self.session.client("fsx")
        found = _unless_gone(file_system_id, lambda: fsx.describe_file_systems(FileSystemIds=[file_system_id]))
        if found is None or not found["FileSystems"]:
            return None
        one = found["FileSystems"][0]
        lustre = one.get("LustreConfiguration")
        capacity = float(one.get("StorageCapacity") or 0.0)
        each = lustre.get("PerUnitStorageThroughput") if lustre else None
        subnets = [self.subnet(subnet_id) for subnet_id in one.get("SubnetIds", ())]
        return Lustre(
            id=file_system_id,
            vpc=one.get("VpcId", ""),
            zones=tuple(sorted({subnet.zone for subnet in subnets if subnet is not None})),
            state=one["Lifecycle"],
            capacity_gib=int(capacity),
            mb_per_s=None if not each else capacity / 1024.0 * float(each),
            open_to=self._open_to(one.get("NetworkInterfaceIds", ())),
        )

    def official_image(self, name: str) -> str | None:
        """The newest image of that name."""
        ec2 = self._ec2
        found = _unless_gone(
            "official images",
            lambda: ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": [name]}]),
        )
        images = sorted(found["Images"] if found else (), key=lambda one: one.get("CreationDate", ""))
        return str(images[-1]["ImageId"]) if images else None

    def key_type(self, name: str) -> str | None:
        """Kind of the key pair."""
        ec2 = self._ec2
        found = _unless_gone(f"the key pair {name}", lambda: ec2.describe_key_pairs(KeyNames=[name]))
        return None if not found or not found["KeyPairs"] else str(found["KeyPairs"][0].get("KeyType", "rsa"))

    def allowed(self, actions: Sequence[str]) -> Mapping[str, bool]:
        """What IAM says of the caller's policies; nothing where it will not say."""
        arn, names = _role_arn(self.identity().arn), list(actions)
        try:
            iam = self.session.client("iam")
            found = _unless_gone(
                "the caller's rights",
                lambda: iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=names),
            )
        except (OperationFailed, PermissionDenied):
            return {}
        results = found["EvaluationResults"] if found else ()
        return {one["EvalActionName"]: one["EvalDecision"] == "allowed" for one in results}

    def _way_out(self, subnet_id: str, vpc: str) -> str:
        """nat, internet, endpoints or none, by the default route of the subnet's table (or the VPC's main one)."""
        tables = self._tables("association.subnet-id", subnet_id) or [
            table
            for table in self._tables("vpc-id", vpc)
            if any(link.get("Main") for link in table.get("Associations", ()))
        ]
        for route in (route for table in tables for route in table.get("Routes", ())):
            if route.get("DestinationCidrBlock") != "0.0.0.0/0":
                continue
            if str(route.get("GatewayId", "")).startswith("igw-"):
                return "internet"
            if route.get("NatGatewayId") or route.get("TransitGatewayId") or route.get("NetworkInterfaceId"):
                return "nat"
        ec2, filters = self._ec2, _named("vpc-id", vpc)
        found = _unless_gone("VPC endpoints", lambda: ec2.describe_vpc_endpoints(Filters=filters))
        return "endpoints" if found and found.get("VpcEndpoints") else "none"

    @property
    def _ec2(self) -> EC2Client:
        return self.session.client("ec2")

    def _tables(self, name: str, value: str) -> list[RouteTableTypeDef]:
        ec2, filters = self._ec2, _named(name, value)
        found = _unless_gone("route tables", lambda: ec2.describe_route_tables(Filters=filters))
        return list(found["RouteTables"]) if found else []

    def _open_to(self, interfaces: Sequence[str]) -> tuple[str, ...]:
        """Groups and CIDRs that the security groups of these interfaces let in on Lustre's port."""
        if not interfaces:
            return ()
        ec2, ids = self._ec2, list(interfaces)
        found = _unless_gone(
            "the file system's interfaces", lambda: ec2.describe_network_interfaces(NetworkInterfaceIds=ids)
        )
        attached = found["NetworkInterfaces"] if found else ()
        groups = sorted({group["GroupId"] for one in attached for group in one.get("Groups", ())})
        if not groups:
            return ()
        rules = _unless_gone("its security groups", lambda: ec2.describe_security_groups(GroupIds=groups))
        open_to: set[str] = set()
        for rule in (
            rule for group in (rules["SecurityGroups"] if rules else ()) for rule in group.get("IpPermissions", ())
        ):
            if rule.get("IpProtocol") == "-1" or rule.get("FromPort", 0) <= LUSTRE_PORT <= rule.get("ToPort", -1):
                open_to |= {pair["GroupId"] for pair in rule.get("UserIdGroupPairs", ())}
                open_to |= {block["CidrIp"] for block in rule.get("IpRanges", ())}
        return tuple(sorted(open_to))


def _unless_gone(what: str, ask: Callable[[], _T]) -> _T | None:
    """The answer, None where AWS says that there is no such thing."""
    from botocore.exceptions import ClientError

    with asked(what):
        try:
            return ask()
        except ClientError as error:
            if code_of(error) in _GONE | _NO_SUCH:
                return None
            raise


def _named(name: str, value: str) -> list[FilterTypeDef]:
    return [{"Name": name, "Values": [value]}]


def reservation_of(one: CapacityReservationTypeDef) -> Reservation:
    """A reservation as EC2 describes it: the one place that reads one."""
    return Reservation(
        id=one["CapacityReservationId"],
        instance=one["InstanceType"],
        zone=one["AvailabilityZone"],
        state=one["State"],
        total=int(one["TotalInstanceCount"]),
        available=int(one["AvailableInstanceCount"]),
        kind=one.get("ReservationType", "default"),
        start=one.get("StartDate"),
        end=one.get("EndDate"),
    )


def _vcpus(instance: InstanceTypeDef) -> int:
    cpu = instance.get("CpuOptions")
    return cpu.get("CoreCount", 0) * cpu.get("ThreadsPerCore", 1) if cpu else 0


def _role_arn(arn: str) -> str:
    """The role behind an assumed-role session, which is what IAM can simulate."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/', maxsplit=1)[0]}"
