"""CloudFormation resources of every type: moto's own where it has one that works, else one that answers to its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.logs.models import LogGroup, logs_backends

from fmctl.adapters.lab.patch import patch

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance


class Launched(TypedDict, total=False):
    """A launch template as an instance names it."""

    LaunchTemplateId: str
    LaunchTemplateName: str


class Interface(TypedDict, total=False):
    """A network interface of a launch template."""

    NetworkInterfaceId: str
    SubnetId: str


class LaunchData(TypedDict, total=False):
    """What a launch template holds, as far as it is read here."""

    ImageId: str
    InstanceType: str
    KeyName: str
    NetworkInterfaces: list[Interface]


class Properties(TypedDict, total=False):
    """What an instance has beside its launch template."""

    ImageId: str
    InstanceType: str | None
    SubnetId: str
    LaunchTemplate: Launched
    Tags: list[dict[str, str]]


_OURS = ("Custom::", "AWS::ElasticLoadBalancingV2::", "AWS::AutoScaling::")  # moto refuses the login pool's listener
_OUR_TYPES = {"AWS::CloudFormation::CustomResource", "AWS::Lambda::Function", *parsing.NULL_MODELS}


def install(refused: dict[tuple[str, str], str]) -> None:
    """Patch `resource_class_from_type`.

    Args:
        refused: filled with the reason by (stack id, logical id) where an instance got no capacity.
    """
    _Instance.refused = refused

    def resource_class_from_type(resource_type: str) -> type[CloudFormationModel]:
        if resource_type == "AWS::EC2::Instance":
            return _Instance
        known = parsing.get_model_map()
        if resource_type.startswith(_OURS) or resource_type in _OUR_TYPES or resource_type not in known:
            return _Anything
        return known[resource_type]

    patch(parsing, "resource_class_from_type", resource_class_from_type)
    _keep_log_groups()


def _keep_log_groups() -> None:
    """A kept log group of the same minute is written on.

    ParallelCluster names them by the minute and leaves them at a deletion. At AWS a cluster lives longer than that;
    here a rehearsal and the launch after it fall into one, and moto would refuse the second.
    """
    create = LogGroup.create_from_cloudformation_json

    def create_or_take(name: str, template: dict[str, Any], account: str, region: str, **rest: Any) -> LogGroup:
        kept: LogGroup | None = logs_backends[account][region].groups.get(name)
        return kept if kept is not None else create(name, template, account, region, **rest)

    patch(LogGroup, "create_from_cloudformation_json", staticmethod(create_or_take))


class _Anything(CloudFormationModel):
    """A resource that only has a name."""

    __module__ = "moto.cloudformation.fmctl"  # moto's metaclass reads the service from it

    def __init__(self, name: str, kind: str, properties: dict[str, Any], region: str, account: str) -> None:
        self.name, self.kind, self.properties, self.region, self.account = name, kind, properties, region, account

    @staticmethod
    def cloudformation_type() -> str:
        """A type that no template names."""
        return "Fmctl::Library::Resource"

    @staticmethod
    def cloudformation_name_type() -> str:
        """No property names it."""
        return ""

    @property
    def physical_resource_id(self) -> str:
        """Its name; a file system has the form that validators look for."""
        if self.kind == "AWS::FSx::FileSystem":
            return "fs-" + self.name.encode().hex().rjust(17, "0")[-17:]
        return self.name

    def get_cfn_attribute(self, attribute: str) -> str:
        """Something of the right form."""
        if attribute == "Arn":
            return f"arn:aws:{self.kind.split('::')[1].lower()}:{self.region}:{self.account}:{self.name}"
        if attribute in ("LatestVersionNumber", "DefaultVersionNumber"):
            return "1"
        if attribute == "DNSName":
            return f"{self.physical_resource_id}.fsx.{self.region}.amazonaws.com"
        return f"{self.name}-{attribute}"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Every attribute."""
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kw: Any
    ) -> Any:
        """Made at once."""
        properties = cloudformation_json.get("Properties", {})
        return cls(resource_name, kw.get("ResourceType", ""), properties, region_name, account_id)

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: dict[str, Any], *_: Any, **__: Any
    ) -> Any:
        """New properties, same thing."""
        original_resource.properties = cloudformation_json.get("Properties", {})
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        """Nothing to take away."""

    def delete(self, *_: Any, **__: Any) -> None:
        """Nothing to take away."""

    def is_created(self) -> bool:
        """Always."""
        return True


def standing_in(logical: str, wanted: dict[str, Any], region: str, account: str) -> CloudFormationModel:
    """Something that answers for a resource which is not there yet, or no more."""
    made = _Anything(logical, wanted["Type"], wanted.get("Properties", {}), region, account)
    patch(made, "cf_resource_type", wanted["Type"])
    patch(made, "logical_resource_id", logical)
    return made


class _Instance(_Anything):
    """An instance from a launch template, which moto's own ignores: a real one of moto's EC2."""

    __module__ = "moto.cloudformation.fmctl"
    refused: dict[tuple[str, str], str]

    @staticmethod
    def cloudformation_type() -> str:
        """A type that no template names."""
        return "Fmctl::Instance::Resource"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kw: Any
    ) -> Any:
        """Run it; without capacity the resource stands for itself and its creation will fail."""
        ec2 = ec2_backends[account_id][region_name]
        properties: Properties = cloudformation_json["Properties"]
        try:
            made = launch(ec2, properties.get("LaunchTemplate") or {}, properties, region_name)
        except EC2ClientError as error:
            cls.refused[kw.get("StackId", ""), kw.get("LogicalId", "")] = str(getattr(error, "message", error))
            return _Anything(resource_name, "AWS::EC2::Instance", {**properties}, region_name, account_id)
        for tag in properties.get("Tags", []):
            made.add_tag(tag["Key"], tag["Value"])
        return made


def launch(ec2: EC2Backend, template: Launched, properties: Properties, region: str) -> Instance:
    """One instance out of a launch template's newest version and the properties beside it."""
    data = template_data(ec2, template)
    reservation = ec2.run_instances(
        cast("str", data.get("ImageId") or properties.get("ImageId")),
        1,
        None,
        [],
        instance_type=data.get("InstanceType") or properties.get("InstanceType"),
        is_instance_type_default=False,
        subnet_id=properties.get("SubnetId") or _subnet(ec2, data),
        region_name=region,
        key_name=data.get("KeyName"),
        block_device_mappings=[],
    )
    return reservation.instances[0]


def template_data(ec2: EC2Backend, template: Launched) -> LaunchData:
    """What a launch template holds, by id or name; nothing where there is none."""
    by_name = {one.name: one for one in ec2.launch_templates.values()}
    found = ec2.launch_templates.get(str(template.get("LaunchTemplateId"))) or by_name.get(
        str(template.get("LaunchTemplateName"))
    )
    return cast("LaunchData", dict(found.versions[-1].data)) if found else {}


def _subnet(ec2: EC2Backend, data: LaunchData) -> str | None:
    for interface in data.get("NetworkInterfaces") or []:
        made = ec2.enis.get(str(interface.get("NetworkInterfaceId")))
        return str(made.subnet.id) if made else interface.get("SubnetId")
    return None
