"""Models, instances and prices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open, Price, StoragePrice


class ModelRow(Open):
    """A model of the catalogue; parameter counts are the publisher's, null where not published."""

    name: str
    family: str
    total_params: float | None
    active_params: float | None
    n_layers: int
    hidden: int
    vocab: int
    max_seq: int
    n_experts: int
    mtp_layers: int
    hf_id: str
    source: str
    retrieved: str


class Kind(Open):
    """One kind of layer and how many layers are of it."""

    count: int
    name: str
    mixer: dict[str, object] | None
    feed_forward: dict[str, object] | None


class ModelResult(ModelRow):
    """One architecture down to its layer kinds."""

    kinds: list[Kind]
    pattern: list[int]
    tied_embeddings: bool
    learned_positions: bool
    norm: str
    norms_per_block: int
    qk_norm: bool
    bias: str
    notes: str


class Models(Open):
    """The list of models."""

    models: list[ModelRow]


class ModelsDocument(Envelope):
    """The model catalogue."""

    schema_: Literal["fmctl.models/1"] = Field(alias="schema")
    result: Models


class ModelDocument(Envelope):
    """One model architecture."""

    schema_: Literal["fmctl.model/1"] = Field(alias="schema")
    result: ModelResult


class InstanceRow(Open):
    """An instance type or UltraServer; rates are per GPU where not said otherwise, null where not known."""

    name: str
    gpus: int | None
    accelerator: str
    architecture: str | None
    memory_bytes: int | None
    hbm_bytes_per_s: float | None
    bf16_flop_per_s: float | None
    fp8_flop_per_s: float | None
    fp4_flop_per_s: float | None
    domain_gpus: int | None
    efa_bits_per_s: float | None
    vcpu: int | None
    ram_bytes: int | None
    nvme_bytes: int | None
    purchase: list[str]
    retrieved: str
    unplannable: str | None = Field(description="why no plan can be made for it")


class InstanceResult(InstanceRow):
    """Everything known about one instance type."""

    member_type: str | None
    member_count: int | None
    cpu_arch: str | None
    efa_version: str | None
    efa_interfaces: int | None
    network_cards: int | None
    card0: str | None
    rdma_write: bool | None
    nvlink_bytes_per_s: float | None
    network_bytes_per_s: float | None
    nvme_disks: int | None
    ebs_bits_per_s: float | None
    gpu_power_w: float | None
    host_power_w: float | None
    regions: dict[str, list[str]]
    zones: dict[str, list[str]]
    launched: str
    notes: list[str]
    source: str
    prices: list[Price]


class Instances(Open):
    """The list of instance types."""

    instances: list[InstanceRow]


class InstancesDocument(Envelope):
    """The instance catalogue."""

    schema_: Literal["fmctl.instances/1"] = Field(alias="schema")
    result: Instances


class InstanceDocument(Envelope):
    """One instance type."""

    schema_: Literal["fmctl.instance/1"] = Field(alias="schema")
    result: InstanceResult


class Prices(Open):
    """Prices of instances, and of storage, transfer and fees."""

    prices: list[Price]
    storage: list[StoragePrice]


class FoundRow(Open):
    """Rows of one kind that a refresh brought: an option, or storage; `without_price` of them AWS lists no price."""

    what: str
    rows: int
    without_price: int


class NotAskedRow(Open):
    """Something that AWS did not answer."""

    what: str
    why: str
    next: str | None


class Refreshed(Open):
    """What AWS listed on a day, and the files that it was kept in."""

    day: str
    found: list[FoundRow]
    files: list[str]
    not_asked: list[NotAskedRow]


class PricesRefreshDocument(Envelope):
    """Prices asked of AWS and kept."""

    schema_: Literal["fmctl.prices-refresh/1"] = Field(alias="schema")
    result: Refreshed


class PricesDocument(Envelope):
    """Dated prices with their source."""

    schema_: Literal["fmctl.prices/1"] = Field(alias="schema")
    result: Prices
