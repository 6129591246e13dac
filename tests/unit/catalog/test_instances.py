"""The hardware tables: the traps that a planner must not fall into, and the unknown left unknown."""

import subprocess
import sys
from pathlib import Path

import pytest

from fmctl.base.errors import UnknownName, UsageError
from fmctl.catalog import find_instance, instance_names, instance_record, load_instance, regions_of, zones_of

ROOT = Path(__file__).parents[3]
PLANNABLE = [
    "p4d.24xlarge",
    "p4de.24xlarge",
    "p5.4xlarge",
    "p5.48xlarge",
    "p5e.48xlarge",
    "p5en.48xlarge",
    "p6-b200.48xlarge",
    "p6-b300.48xlarge",
    "u-p6e-gb200x36",
    "u-p6e-gb200x72",
]
INCOMPLETE = ["p6e-gb300.36xlarge", "g6e.48xlarge", "g7e.48xlarge", "trn2.48xlarge"]


def test_all_fifteen_types_are_there():
    assert len(instance_names()) == 15
    assert instance_names(plannable_only=True) == PLANNABLE
    for name in instance_names():
        record = instance_record(name)
        assert record["source"]
        assert record["retrieved"]


@pytest.mark.parametrize("name", PLANNABLE)
def test_plannable_types_are_complete(name):
    instance = load_instance(name)
    assert instance.plannable
    assert instance.accelerator.kernel_table in ("a100", "h100", "h200", "b200", "b300", "gb200")
    assert instance.gpus % instance.fabric.domain_gpus == 0
    assert instance.purchase
    assert instance.host_power_w > 0
    assert instance.accelerator.peak_flop_per_s["bf16"] > 3e14


@pytest.mark.parametrize("name", INCOMPLETE)
def test_incomplete_types_are_listed_but_not_planned(name):
    record = instance_record(name)
    assert record["plannable"] is False
    with pytest.raises(UsageError) as error:
        load_instance(name)
    assert error.value.why == record["unplannable"]


def test_memory_is_what_the_api_says():
    assert load_instance("p6-b200").accelerator.memory_bytes == 183359 * 2**20
    assert load_instance("p6-b300").accelerator.memory_bytes == 275040 * 2**20
    assert load_instance("p5en").accelerator.memory_bytes == 144384 * 2**20
    assert load_instance("p6e-gb200").accelerator.memory_bytes == 185 * 2**30


@pytest.mark.parametrize(
    ("name", "network", "nvlink"),
    [
        ("p4d", 6.25e9, 300e9),
        ("p5", 50e9, 450e9),
        ("p5en", 50e9, 450e9),
        ("p6-b200", 50e9, 900e9),
        ("p6-b300", 100e9, 900e9),
        ("u-p6e-gb200x72", 50e9, 900e9),
        ("p5.4xlarge", 12.5e9, 12.5e9),
    ],
)
def test_links_are_bytes_per_second_per_gpu_and_direction(name, network, nvlink):
    fabric = load_instance(name).fabric
    assert fabric.network.bytes_per_s == network
    assert fabric.nvlink.bytes_per_s == nvlink


def test_fabric_traps():
    assert not load_instance("p4d").fabric.rdma_write
    assert not load_instance("p5.4xlarge").fabric.rdma_write
    assert load_instance("p5").fabric.rdma_write
    assert load_instance("p5.4xlarge").fabric.domain_gpus == 1
    assert load_instance("p5e").fabric.network.latency_s == 75e-6
    assert load_instance("p5en").fabric.network.latency_s == 35e-6
    b300 = load_instance("p6-b300")
    assert (b300.card0, b300.network_cards, b300.efa_interfaces) == ("ENA only", 17, 16)
    assert load_instance("p4d").card0 == "ENA+EFA"


def test_ultraservers_and_their_member():
    server, member = load_instance("p6e-gb200"), load_instance("p6e-gb200.36xlarge")
    assert (server.name, server.gpus, server.fabric.domain_gpus) == ("u-p6e-gb200x72", 72, 72)
    assert (server.member_type, server.member_count) == (member.name, 18)
    assert load_instance("u-p6e-gb200x36").member_count == 9
    assert server.vcpu == 18 * member.vcpu
    assert server.nvme_bytes == 405 * 10**12
    assert (member.gpus, member.fabric.domain_gpus, member.plannable) == (4, 72, False)


def test_regions_zones_and_options():
    assert zones_of("p6-b300.48xlarge") == {"us-east-1": ("use1-az6",), "us-west-2": ("usw2-az2",)}
    assert "on-demand" not in load_instance("p5e").purchase
    assert regions_of("p5e", "on-demand") == ()
    assert "ap-southeast-3" in regions_of("p5e", "capacity-block")
    assert regions_of("p6e-gb200", "capacity-block") == ("us-east-1-dfw-2a",)
    assert regions_of("p6e-gb200", "spot") == ()
    assert regions_of("p6-b300", "spot") == ("us-east-1", "us-west-2")
    assert "us-east-2" not in regions_of("p6-b300", "on-demand")


def test_names_are_forgiving_and_mistakes_are_helped():
    assert find_instance("P5") == "p5.48xlarge"
    with pytest.raises(UnknownName) as error:
        find_instance("p5.48xlarg")
    assert "p5.48xlarge" in error.value.suggestions
    for name in ("", "aliases", "source", "../p5", "x" * 1000):
        with pytest.raises(UnknownName):
            find_instance(name)


def test_names_found_without_parsing_are_the_keys_of_the_table():
    from fmctl.catalog.instances import HEADER, _instances

    table = {name: row for name, row in _instances().items() if name not in HEADER}
    assert instance_names() == list(table)
    assert instance_names(plannable_only=True) == [name for name, row in table.items() if row.get("plannable", True)]


def test_names_for_a_shell_cost_no_parser():
    code = (
        "import sys; from fmctl.catalog import instance_names, model_names; instance_names(); model_names();"
        "print([m for m in ('yaml', 'dataclasses', 'pathlib', 're', 'datetime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("gpu", "types"), [("H100", ["p5.4xlarge", "p5.48xlarge"]), ("b200", ["p6-b200.48xlarge"])])
def test_a_gpu_in_place_of_a_type_names_the_types_that_have_it(gpu: str, types: list[str]) -> None:
    with pytest.raises(UnknownName) as refused:
        find_instance(gpu)
    assert refused.value.suggestions == types
