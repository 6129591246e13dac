"""Models, instances and prices."""

from __future__ import annotations

from typing import Any, Literal

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
    mixer: dict[str, Any] | None
    feed_forward: dict[str, Any] | None


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
    """An instance type or UltraServer; rates are per GPU where not said otherwise."""

    name: str
    gpus: int
    accelerator: str
    architecture: str
    memory_bytes: int
    hbm_bytes_per_s: float
    bf16_flop_per_s: float | None
    fp8_flop_per_s: float | None
    fp4_flop_per_s: float | None
    domain_gpus: int
    efa_bits_per_s: float
    vcpu: int
    ram_bytes: int
    nvme_bytes: int
    purchase: list[str]
    retrieved: str


class InstanceResult(InstanceRow):
    """Everything known about one instance type."""

    member_type: str
    member_count: int
    cpu_arch: str
    efa_version: str
    efa_interfaces: int
    network_cards: int
    card0: str
    rdma_write: bool
    nvlink_bytes_per_s: float
    network_bytes_per_s: float
    nvme_disks: int
    ebs_bits_per_s: float
    gpu_power_w: float
    host_power_w: float
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


class PricesDocument(Envelope):
    """Dated prices with their source."""

    schema_: Literal["fmctl.prices/1"] = Field(alias="schema")
    result: Prices
