"""GPUs and networks of published runs as instances: what is stated is used, what is not is the reference design."""

from __future__ import annotations

import pytest

from fmctl.perf.ops.collectives import fabric_rates
from fmctl.perf.ops.kernels import GEMM_FITS
from fmctl.validation.hardware import _others, gpu_key, instance
from fmctl.validation.rows import Row, Skip


def at(gpus: int = 64, **cells: str) -> tuple[float, str, int, int]:
    """(Gbit/s per GPU, kind, GPUs of the instance, NVLink domain)."""
    found, _ = instance(Row(2, cells), gpus)
    return found.fabric.network.bytes_per_s * 8e-9, found.fabric.kind, found.gpus, found.fabric.domain_gpus


@pytest.mark.parametrize(
    ("network", "rate", "kind"),
    [
        ("", 400.0, "infiniband-ndr"),
        ("8x200 Gbps HDR IB per node", 200.0, "infiniband"),
        ("1600 Gbps RoCE per node", 200.0, "roce"),
        ("4x100 Gb RoCE per node", 50.0, "roce"),
        ("RDMA 400 Gb/s per GPU", 400.0, "infiniband-ndr"),
        ("InfiniBand NDR 400 Gbps", 400.0, "infiniband"),
        ("Storage: 2x ConnectX-7 IB NDR 400Gb/s; Compute: 8x ConnectX-7 IB NDR 400Gb/s", 400.0, "infiniband"),
        ("4x ConnectX-7 IB NDR 400Gb/Sec", 200.0, "infiniband"),
        ("Management: 1x Ethernet 10GB/Sec", 400.0, "infiniband-ndr"),
        ("Infiniband; Ethernet", 400.0, "infiniband-ndr"),
        ("3.2 Tbps RoCE per node", 400.0, "roce"),
        ("EFA 32x100G = 3.2 Tbps/node", 400.0, "efa-v2"),
    ],
)
def test_network_descriptions(network: str, rate: float, kind: str) -> None:
    found = at(gpu="H100", inter_node_network=network)
    assert found[0] == pytest.approx(rate)
    assert found[1] == kind


def test_what_is_not_stated_is_said() -> None:
    assert instance(Row(2, {"gpu": "H100"}), 64)[1] == ("network = 400 Gbit/s per GPU",)
    assert instance(Row(2, {"gpu": "H100"}), 8)[1] == ()


def test_part_of_a_host_is_a_smaller_instance() -> None:
    assert at(1, gpu="A100-80GB")[2:] == (1, 1)
    assert at(64, gpu="H200", gpus_per_node="4")[2:] == (4, 4)


@pytest.mark.parametrize(("gpus", "domain"), [(8, 8), (72, 72), (256, 64), (144, 72), (4, 4)])
def test_racks_are_shared_equally(gpus: int, domain: int) -> None:
    assert at(gpus, gpu="GB200", gpus_per_node="4")[2:] == (domain, domain)


@pytest.mark.parametrize(
    ("gpu", "memory", "key"),
    [
        ("A100-80GB", "80", "a100-80gb"),
        ("A100", "40", "a100-40gb"),
        ("NVIDIA A100-SXM4-40GB", "", "a100-40gb"),
        ("A100", "", "a100-80gb"),
        ("H100", "96", "h100-96gb"),
        ("H100 SXM5", "80", "h100"),
        ("H800", "", "h800"),
        ("gb300", "", "gb300"),
    ],
)
def test_gpu_names(gpu: str, memory: str, key: str) -> None:
    assert gpu_key(Row(2, {"gpu": gpu, "gpu_memory_gb": memory})) == key
    with pytest.raises(Skip):
        gpu_key(Row(2, {"gpu": f"{gpu}x"}))


def test_named_instance_types() -> None:
    assert instance(Row(2, {"gpu": "H200", "system": "aws p5e.48xlarge"}), 16)[0].name == "p5e.48xlarge"
    assert instance(Row(2, {"gpu": "B300", "inter_node_network": "EFA"}), 16)[0].name == "p6-b300.48xlarge"


@pytest.mark.parametrize("key", _others()["clusters"])
def test_every_cluster_has_kernels_and_a_fabric(key: str) -> None:
    gpu, _, memory = key.partition("-")
    stated = memory.removesuffix("gb")
    found, _ = instance(Row(2, {"gpu": gpu, "gpu_memory_gb": stated}), 1024)
    assert found.accelerator.kernel_table in GEMM_FITS
    assert fabric_rates(found.fabric).net_bytes_per_s > 0.0
    assert found.source
