"""A site file: where in an AWS account clusters go. Written by people, in YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from fmctl.base.errors import UnknownName, UnreadableFile, UsageError, did_you_mean, shorten
from fmctl.base.files import read_text
from fmctl.base.parse import NotParsed, from_json, from_yaml
from fmctl.base.read import Fields
from fmctl.documents.base import Open
from fmctl.domain.checked import KINDS, Kind, checked
from fmctl.domain.cluster import PCLUSTER_VERSION, SECTION, SECTION_KINDS, FileSystem, Site, SlurmSite, site_with
from fmctl.domain.software import COMPONENTS

_LARGEST = 20_000
_MOST_LOGIN_NODES = 10
_SECTION = "parallelcluster"


def _kind(kind: str | Kind, about: str) -> object:
    of = KINDS[kind] if isinstance(kind, str) else kind
    return Field(
        description=f"{about}: {of.words}",
        examples=[of.example.strip('"')],
        json_schema_extra={"pattern": f"^(?:{of.pattern})$"},
    )


def _digits(value: object) -> object:
    """An account of 12 digits that YAML took for a number; a leading zero needs quotes."""
    return str(value) if isinstance(value, int) and len(str(value)) == 12 else value


def _some(found: int) -> int:
    if not 0 < found < 2**31:
        raise ValueError("it has to be above zero, and less than 2 billion")
    return found


def _few(found: int) -> int:
    if not 0 <= found <= _MOST_LOGIN_NODES:
        raise ValueError(f"it has to be 0 to {_MOST_LOGIN_NODES}")
    return found


class _Closed(Open):
    model_config = ConfigDict(extra="forbid", strict=True)


class FileSystemFile(_Closed):
    """FSx for Lustre: mounted by id, or made with the cluster."""

    mount_dir: Annotated[str, _kind("folder", "where nodes mount it")] = "/fsx"
    id: Annotated[str | None, Field(description="of one that is there; without it one is made")] = None
    capacity_gib: Annotated[int, AfterValidator(_some), Field(description="1200 or a multiple of 2400")] = 4800
    mb_per_s_per_tib: Annotated[int, AfterValidator(_some), Field(description="125, 250, 500 or 1000")] = 250
    efa: Annotated[bool, Field(description="it was made with EFA; such a one is mounted by id")] = False
    retain: Annotated[bool, Field(description="keep it when the cluster goes")] = True
    data_repository: Annotated[str | None, Field(description="s3:// prefix that shows at /data of it")] = None


class SiteDocument(_Closed):
    """Where in an AWS account clusters go: a file for --site."""

    schema_: Annotated[Literal["fmctl.site/1"], Field(alias="schema")] = "fmctl.site/1"
    region: Annotated[str, _kind("region", "where")]
    compute_subnet: Annotated[str, _kind("subnet", "private, in the zone of the capacity")]
    head_subnet: Annotated[str, _kind("subnet", "private too, unless public_head")]
    account: Annotated[
        str | None, BeforeValidator(_digits), Field(description="12 digits; launches into another are refused")
    ] = None
    key_name: Annotated[str | None, Field(description="ed25519 key pair; without one Session Manager alone")] = None
    allowed_ips: Annotated[str | None, Field(description="CIDR or prefix list that may reach port 22")] = None
    public_head: Annotated[bool, Field(description="give the head node a public address")] = False
    os: Annotated[str, _kind(SECTION_KINDS["os"], "operating system")] = "ubuntu2204"
    ami: Annotated[str | None, Field(description="image instead of the official one")] = None
    security_groups: Annotated[list[str], Field(description="beside ParallelCluster's own")] = Field(
        default_factory=list
    )
    head_instance: Annotated[str | None, Field(description="instance type; chosen by node count otherwise")] = None
    login_nodes: Annotated[int, AfterValidator(_few), Field(description="0 to 10")] = 0
    permissions_boundary: Annotated[str | None, Field(description="ARN of a policy that bounds every role")] = None
    bucket: Annotated[str | None, Field(description="artefacts; nodes may use its keys below fmctl/")] = None
    file_system: Annotated[FileSystemFile | None, Field(description="null for none")] = Field(
        default_factory=FileSystemFile
    )
    pcluster_version: Annotated[str, _kind(SECTION_KINDS["pcluster_version"], "of ParallelCluster")] = PCLUSTER_VERSION
    tags: Annotated[dict[str, str], Field(description="beside fmctl's own")] = Field(default_factory=dict)
    software: Annotated[
        dict[str, str],
        Field(description=f"versions in the image, held against known-bad ones: {', '.join(COMPONENTS)}"),
    ] = Field(default_factory=dict)
    target: Annotated[Literal["parallelcluster"], Field(description="what makes the clusters")] = "parallelcluster"
    parallelcluster: Annotated[
        dict[str, object] | None, Field(description=f"a place for its own fields: {', '.join(sorted(SECTION))}")
    ] = None


_SECTIONS = ("schema_", "target", _SECTION)


class SlurmFile(_Closed):
    """A Slurm cluster that is there already."""

    queue: Annotated[str, _kind("queue", "where jobs go")]
    head: Annotated[str, _kind("head", "how its head node is reached")] = "local"
    gpus: Annotated[bool, Field(description="whether its nodes have any")] = True


class SlurmSiteDocument(_Closed):
    """A Slurm cluster that is there already, as a file for --site: jobs are submitted, nothing is launched."""

    schema_: Annotated[Literal["fmctl.site/1"], Field(alias="schema")] = "fmctl.site/1"
    target: Literal["slurm"]
    slurm: SlurmFile
    folder: Annotated[str, _kind("folder", "shared by its nodes, for checkpoints and jobs")] = "/home"
    software: Annotated[dict[str, str], Field(description="versions on its nodes")] = Field(default_factory=dict)


_FIELDS = (*SiteDocument.model_fields, *(f"file_system.{name}" for name in FileSystemFile.model_fields))
_SLURM_FIELDS = (*SlurmSiteDocument.model_fields, *(f"slurm.{name}" for name in SlurmFile.model_fields))


def _slurm_site(found: Fields) -> Site:
    read = SlurmSiteDocument.model_validate(found)
    section = SlurmSite(read.slurm.queue, read.slurm.head, read.slurm.gpus)
    shared = FileSystem(mount_dir=checked("folder", read.folder, "folder"))
    software = MappingProxyType(dict(read.software))
    return Site("", file_system=shared, software=software, target="slurm", slurm=section)


def _flat(found: Fields) -> Fields:
    """The fields of a file whose target has a section of its own, as files had them before there were sections."""
    section = found.get(_SECTION)
    if not isinstance(section, Mapping):
        return found
    common = {name: value for name, value in found.items() if name != _SECTION}
    twice = next((name for name in section if name in common or name not in SECTION), None)
    if twice is not None:
        raise UsageError(
            f"{_SECTION}.{shorten(str(twice))} cannot be used",
            why="it is no field of that section, or stands outside too",
            next="fmctl schema site",
        )
    return {**common, **section}


def read_site(path: str | Path) -> Site:
    """The site that a file describes; what its values may be is checked by `targets.sites`.

    Raises:
        UnreadableFile: missing, or neither YAML nor JSON.
        UsageError: a field is missing, unknown or of another type; it is named.
    """
    text = read_text(Path(path).expanduser(), what="site")
    return site_of(_parsed(text, str(path)), str(path))


def site_of(found: object, where: str) -> Site:
    """A parsed site file; `where` names it in errors. Raises as `read_site` does."""
    if not isinstance(found, Mapping):
        raise UnreadableFile(f"{where} is not a site", why="it holds no fields", next="fmctl schema site")
    slurm = found.get("target") == "slurm"
    try:
        if slurm:
            return _slurm_site(found)
        read = SiteDocument.model_validate(_flat(found))
    except ValidationError as error:
        raise _wrong(error, where, _SLURM_FIELDS if slurm else _FIELDS) from None
    except UsageError as error:
        raise UsageError(f"{shorten(where)}: {error.what}", why=error.why, next=error.next) from None
    except RecursionError:
        raise UnreadableFile(f"{where} is not a site", why="it is nested too deep", next="fmctl schema site") from None
    fields = {name: getattr(read, name) for name in SiteDocument.model_fields if name not in _SECTIONS}
    disk = read.file_system
    fields["file_system"] = (
        None if disk is None else FileSystem(**{n: getattr(disk, n) for n in type(disk).model_fields})
    )
    fields |= {"security_groups": tuple(read.security_groups), "tags": MappingProxyType(dict(read.tags))}
    fields |= {"software": MappingProxyType(dict(read.software))}
    return site_with(Site(read.region), **fields)


def _parsed(text: str, where: str) -> object:
    if len(text) > _LARGEST:
        raise UnreadableFile(f"{where} is not a site", why="it is too large", next="fmctl schema site")
    if text.lstrip().startswith("{"):  # JSON writes what is beyond the BMP as two halves, which is no YAML
        with suppress(NotParsed):
            return from_json(text)
    try:
        return from_yaml(text)
    except NotParsed as error:
        raise UnreadableFile(
            f"{where} is neither YAML nor JSON", why=shorten(str(error), 160), next="fmctl schema site"
        ) from None


def _wrong(error: ValidationError, where: str, known: Sequence[str]) -> UsageError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = shorten(".".join(str(part) for part in first["loc"])) or "it"
    if first["type"] == "extra_forbidden":
        unknown = UnknownName("site field", field, known, next="fmctl schema site")
        near = did_you_mean(field, known)
        why = f"did you mean {near[0]}?" if near else None
        return UsageError(f"{shorten(where)}: {unknown.what}", why=why, next=unknown.next)
    said = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return UsageError(f"{shorten(where)}: {field} cannot be used", why=said, next="fmctl schema site")
