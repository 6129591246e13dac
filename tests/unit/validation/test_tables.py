"""Kernel and collective tables: what is used, what it is taken to be, fits that leave shapes and sweeps out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmctl.perf.ops.kernels import GEMM_FITS
from fmctl.validation.bounded import Bounds, least_squares
from fmctl.validation.collective_rows import efa_tables, is_used
from fmctl.validation.kernel_rows import attention_tables, gemm_tables
from fmctl.validation.tables import Table, fold_of, median_error, score, together

GEMM = {"kind": "gemm", "gpu": "H100 SXM", "dtype": "bf16", "m": "8192", "n": "8192", "k": "8192",
        "library": "trtllm 1.3.0rc20", "time_us": "1500", "source": "a sweep"}  # fmt: skip
ATTENTION = {"kind": "attention", "gpu": "H100 SXM", "dtype": "fp16", "seq_q": "8192", "head_dim": "128",
             "causal": "True", "direction": "fwd", "library": "FlashAttention-3", "tflops": "500",
             "source": "a figure"}  # fmt: skip
EFA = {"collective": "all_reduce", "bytes": "1073741824", "n_gpus": "16", "n_nodes": "2", "system": "p5.48xlarge",
       "time_us": "4607.6", "source": "a benchmark"}  # fmt: skip


def test_a_gemm_by_hand() -> None:
    # 2 x 8192^3 = 1.0995e12 FLOP at half of 989.4 TFLOP/s take 2.222 ms; 403 MB at 3.35 TB/s 0.12 ms and do not show.
    (table,) = gemm_tables([GEMM])
    seconds = table.model(np.array([0.5, 5e-6, 1.0, 1.0, 1.0]))
    assert seconds[0] == pytest.approx(2.2275e-3 + 2.222e-3 * 3 / 8192, rel=2e-3)
    assert table.measured_s[0] == pytest.approx(1.5e-3)
    assert (table.of, table.on) == ("bf16", "H100 SXM")


def test_quantised_inputs_are_read_and_written() -> None:
    # fp8: 2 bytes read and 1 written per element of [8192, 8192] on top of the product.
    constants = np.array([0.6, 5e-6, 1.0, 1.0, 0.8])
    (ours,) = gemm_tables([GEMM | {"dtype": "fp8"}])
    (torch,) = gemm_tables([GEMM | {"dtype": "fp8", "library": "cuBLASLt"}])
    more = ours.model(constants)[0] - torch.model(constants)[0]
    assert more == pytest.approx(8192 * 8192 * 3 / (3.35e12 * 0.88), rel=0.01)


def test_the_shipped_gemm_constants_are_those_of_perf() -> None:
    (table,) = gemm_tables([GEMM])
    assert table.shipped is not None
    assert tuple(table.shipped) == next(iter(GEMM_FITS["h100"].values()))


@pytest.mark.parametrize(
    "changed", [{"m": "32"}, {"m": "802816", "n": "192"}, {"gpu": "H800"}, {"dtype": "int8"}, {"n": ""}]
)
def test_gemm_rows_that_are_left_out(changed: dict[str, str]) -> None:
    assert gemm_tables([GEMM | changed]) == []


@pytest.mark.parametrize(
    "changed", [{"causal": "False"}, {"dtype": "fp8/kv fp8"}, {"direction": "decode"}, {"seq_q": ""}, {"gpu": "H800"}]
)
def test_attention_rows_that_are_left_out(changed: dict[str, str]) -> None:
    assert attention_tables([ATTENTION | changed]) == []


def test_attention_by_hand() -> None:
    # The figure: 16,384 tokens, 2,048 wide: 2 sequences of 16 heads. Causal half: 2 x 2 x 16 x 8192^2 x 128 FLOP.
    (table,) = attention_tables([ATTENTION])
    flop = 2.0 * 2 * 16 * 8192**2 * 128
    assert table.measured_s[0] == pytest.approx(flop / 500e12)
    # Half of 989.4 TFLOP/s, half of the rate lost at 819.2 tokens: x 1.1, and 10 us.
    seconds = table.model(np.array([0.5, 0.5, 819.2, 819.2, 1.0, 1.0, 1.0]))[0]
    assert seconds == pytest.approx(10e-6 + flop * 1.1 / (0.5 * 989.4e12), rel=0.01)


@pytest.mark.parametrize(
    ("changed", "used"),
    [
        ({}, True),
        ({"bytes": "2147483648"}, False),  # two nodes above 1 GiB: NVLS trees
        ({"bytes": ""}, False),  # a peak over sizes, on two nodes
        ({"bytes": "", "n_nodes": "3", "n_gpus": "24"}, True),
        ({"notes": "mis-tuned (COLLNET enabled)"}, False),
        ({"n_nodes": "1"}, False),
        ({"system": "8xH100 SXM"}, False),
        ({"collective": "ep_dispatch", "algo": "UCCL-EP low-latency"}, False),
        ({"collective": "h2d_memcpy"}, False),
    ],
)
def test_which_collectives_are_used(changed: dict[str, str], used: bool) -> None:
    assert is_used(EFA | changed) is used


def test_collectives_measured_by_bandwidth() -> None:
    # busbw of an all-reduce: 2 (n - 1) / n x bytes / time; RDMA leg of a dispatch on 4 nodes: 4 x 58.7 MB / rate.
    ring = EFA | {"bytes": "", "n_nodes": "3", "n_gpus": "24", "time_us": "", "busbw_GBps": "335"}
    dispatch = EFA | {"collective": "ep_dispatch", "n_nodes": "4", "n_gpus": "32", "time_us": "", "busbw_GBps": "97.1"}
    tables = {t.of: t for t in efa_tables([ring, dispatch])}
    assert tables["ring"].measured_s[0] == pytest.approx(2**33 * 2 * 23 / 24 / 335e9)
    assert tables["dispatch"].measured_s[0] == pytest.approx(4 * 4096 * 7168 * 2 / 97.1e9)


def test_an_all_reduce_by_hand() -> None:
    # Two nodes of 8: 2 x 1 GiB / 16 per GPU at 50 GB/s, two passes of (30 + 5) us, no ramp worth its name.
    (table,) = efa_tables([EFA])
    constants = np.array([30e-6, 5e-6, 3e-6, 1.0, 1.0, 1.0, 1.0, 40e-6])
    wire = 2 * 2**30 / 16 / 50e9
    assert table.model(constants)[0] > 1.5 * wire  # the ring of NVLink is the slower level
    constants[3] = 0.25
    assert table.model(constants)[0] == pytest.approx(4 * wire + 70e-6, rel=1e-3)


def line(x: np.ndarray, on: str = "a", source: str = "one", truth: tuple[float, float] = (2.0, 3.0)) -> Table:
    """t = c0 + c1 x with known constants."""
    bounds = LINE_BOUNDS
    shapes = tuple(f"{value:.3f}" for value in x)
    measured = truth[0] + truth[1] * x
    return Table("line", on, "x", source, on, "lines", shapes, measured, lambda c: c[0] + c[1] * x, bounds, None)


LINE_BOUNDS = Bounds.of((0.1, 10.0, 1.0, True), (0.0, 10.0, 1.0, False))


def test_least_squares_finds_what_made_the_data() -> None:
    x = np.linspace(1.0, 20.0, 40)
    found = least_squares(lambda c: c[0] + c[1] * x, np.log(2.0 + 3.0 * x), LINE_BOUNDS)
    assert found == pytest.approx([2.0, 3.0], rel=0.03)


def test_least_squares_stays_inside_its_bounds() -> None:
    x = np.linspace(1.0, 20.0, 40)
    found = least_squares(lambda c: c[0] + c[1] * x, np.log(100.0 * x), LINE_BOUNDS)
    assert found[1] == pytest.approx(10.0)
    assert 0.1 <= found[0] <= 10.0


def test_bounds_scale_and_back() -> None:
    values = np.array([0.5, 7.0])
    assert LINE_BOUNDS.values(LINE_BOUNDS.unit(values)) == pytest.approx(values)
    assert LINE_BOUNDS.unit(np.array([1.0, 5.0])) == pytest.approx([0.5, 0.5])


def test_shapes_and_sweeps_left_out() -> None:
    x = np.linspace(1.0, 20.0, 40)
    (ours, other) = score([line(x), line(x + 0.5, on="b", truth=(2.0, 6.0))])
    assert median_error(ours.shipped) is None
    assert median_error(ours.in_table) == pytest.approx(0.0, abs=0.01)
    assert median_error(ours.shape_out) == pytest.approx(0.0, abs=0.02)
    # The other line rises twice as fast: with this one left out, predictions are nearly twice too slow.
    assert median_error(ours.sweep_out) == pytest.approx(0.9, abs=0.1)
    assert together([ours, other], ("line",), "shape_out") == pytest.approx(0.0, abs=0.02)
    assert together([ours, other], ("none",), "shape_out") is None


def test_a_second_source_comes_before_another_accelerator() -> None:
    x = np.linspace(1.0, 20.0, 40)
    same = replace(line(x), source="two")
    found = score([line(x), same, line(x, on="b", truth=(2.0, 9.0))])
    assert median_error(found[0].sweep_out) == pytest.approx(0.0, abs=0.02)


def test_a_shape_is_in_one_fold_whatever_the_table() -> None:
    assert fold_of("4096x4096") == fold_of("4096x4096")
    assert len({fold_of(f"{n}x{n}") for n in range(1000, 1040)}) == 5
