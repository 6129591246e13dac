"""Every name of the catalogue is in every table that is asked for it: nothing falls back on another's constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmctl.base.errors import UsageError
from fmctl.catalog import instance_names, load_instance, load_model, model_names, prices, storage_prices
from fmctl.catalog.instances import instance_record
from fmctl.catalog.store import read_yaml
from fmctl.domain.hardware import Instance
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.layer.counts import parameters
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.ops.collectives import NETWORKS, fabric_rates
from fmctl.perf.ops.kernels import ATTENTION_FITS, GEMM_FITS, RATED_W_PER_FLOP_PER_S, kernel_rates
from fmctl.perf.store.sizing import OPTIONS
from fmctl.validation.hardware import KINDS, OTHERS

PLANNABLE = [load_instance(name) for name in instance_names(plannable_only=True)]


@pytest.mark.parametrize("instance", PLANNABLE, ids=lambda i: i.name)
def test_an_instance_type_is_in_every_table(instance: Instance) -> None:
    gpu = instance.accelerator
    assert instance.fabric.kind in NETWORKS
    assert instance.fabric.kind.startswith("efa-")
    assert gpu.kernel_table in GEMM_FITS
    assert gpu.architecture in ATTENTION_FITS
    assert gpu.architecture in RATED_W_PER_FLOP_PER_S
    assert PRIOR.sustained_gemm(gpu.architecture, True) > 0.0
    rates = kernel_rates(gpu, "best", PRIOR)
    assert rates.measured[0] == 1.0
    assert np.isfinite(rates.rate_flop_per_s).all()
    named = {price.instance for price in prices()}
    assert {instance.name, instance.member_type} & named


def test_names_of_parts_are_names_of_the_catalogue() -> None:
    members = {member for name in instance_names() if (member := instance_record(name).get("member_type"))}
    assert members <= set(instance_names())


@pytest.mark.parametrize("kind", sorted({*read_yaml(OTHERS)["latency_s"], *KINDS.values()}))
def test_clusters_of_measured_runs_have_a_network(kind: str) -> None:
    assert kind in NETWORKS
    assert not kind.startswith("efa-")


def test_a_kind_of_fabric_that_nothing_was_measured_of_is_refused() -> None:
    fabric = replace(load_instance("p5").fabric, kind="p7")
    with pytest.raises(UsageError, match="no network is of the kind 'p7'") as error:
        fabric_rates(fabric)
    assert "efa-v4" in str(error.value.why)


def test_frameworks_name_kernels_that_were_measured() -> None:
    families = {name for family in ATTENTION_FITS.values() for name in family}
    assert {framework.attention_kernel for framework in FRAMEWORKS.values()} <= families


@pytest.mark.parametrize("name", model_names())
def test_a_model_can_be_counted(name: str) -> None:
    assert parameters(load_model(name)).active > 0


def test_file_systems_on_sale_are_items_of_the_price_list() -> None:
    listed = {price.item for price in storage_prices()}
    assert {option.item for option in OPTIONS} & listed
    assert {item for item in listed if item.startswith("fsx-lustre/persistent-2")} <= {
        option.item for option in OPTIONS
    }
