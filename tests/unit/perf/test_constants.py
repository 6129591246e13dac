"""Every constant of the performance model, stated again by hand with where it comes from.

A new constant is asked for here: a number that stands in one place alone is a number that nobody checks. What is fitted
is as the fit gave it, rounded as the constants are; `test_measured.py` holds the fits against their tables.
"""

from __future__ import annotations

from math import log
from typing import Any

from tests.unit.constants import constants, defaults, others

GEMM_SWEEPS = "GEMM sweeps of ai-dynamo/aiconfigurator: share of peak, fixed s, k0, mn0, share of HBM bandwidth"
ATTENTION_SWEEPS = "attention sweeps: shares of peak, half lengths, and rates at head_dim 64 and 256 over 128"
FSX = "FSx for Lustre user guide"
RDMA = (12e-6, 3e-6, 1e-6, 0.93, 1e7, 0.9, 0.9, 1e-5)
A100 = (0.916, 6.2e-6, 516.0, 69.0, 0.872)
H100 = {
    0: (0.791, 3.5e-6, 1.0, 1.0, 0.84),
    1: (0.693, 1.25e-5, 364.0, 1.0, 0.797),
    2: (0.635, 5e-6, 457.0, 28.0, 0.823),
}
B200 = {
    0: (0.686, 2.9e-6, 1.0, 22.0, 0.727),
    1: (0.63, 1.56e-5, 327.0, 60.0, 0.704),
    2: (0.651, 6.9e-6, 1.0, 1.0, 0.687),
    3: (0.458, 9.9e-6, 376.0, 1.0, 0.443),
}
FA2_A100 = (0.623, 0.623, 475.0, 475.0, 0.9, 0.9, 0.94)
FA2_H100 = (0.344, 0.336, 265.0, 598.0, 0.89, 0.865, 0.94)
FA3_H100 = (0.676, 0.595, 511.0, 793.0, 0.7, 0.846, 1.04)
CUDNN_H100 = (0.561, 0.543, 224.0, 679.0, 0.69, 0.845, 0.94)
CUDNN_B200 = (0.549, 0.45, 1540.0, 1540.0, 0.75, 0.85, 1.0)
FA2_B200 = (0.165, 0.15, 265.0, 598.0, 1.0, 0.92, 0.94)
UNFUSED_A100 = (0.08, 0.124, 1.0, 1.0, 0.55, 0.57, 1.6)
UNFUSED_H100 = (0.048, 0.078, 1.0, 1.0, 0.54, 0.56, 1.7)
BLACKWELL = {"best": CUDNN_B200, "cudnn": CUDNN_B200, "fa2": FA2_B200, "sdpa": CUDNN_B200}
# Fitted to published runs by `fmctl calibrate`, rounded to three digits.
CALIBRATION = {
    "sustained_ampere": 0.918,
    "sustained_hopper": 0.889,
    "sustained_hopper_low": 1.06,
    "sustained_blackwell": 0.663,
    "sustained_blackwell_low": 0.996,
    "sustained_attention": 0.934,
    "power_exponent": 0.497,
    "ultra_attention": 1.34,
    "hbm_fraction": 0.88,
    "wait_per_doubling": 3.42e-3,
    "efa_exchange_s": 3.51e-3,
    "post_s": 1.47e-6,
    "interval_dense": 0.14,
    "interval_moe": 0.35,
    "resolution_dense": 0.12,
    "resolution_moe": 0.335,
    "interval_extrapolated": 0.1,
    "context_bytes": 1.6e9,
    "communicator_bytes": 0.35e9,
}
# Node power over the nameplate of a DGX H100: MLPerf Training logs of immersion-cooled nodes; 1.25 times that in air.
IMMERSION = (7417.0 / 10200.0, 7090.0 / 10200.0, 4836.5 / 10200.0, 2256.0 / 10200.0)
AIR = tuple(1.25 * level for level in IMMERSION)
ADAM = (2.0, 4.0, 8.0)  # bf16 weights, fp32 master weights, two fp32 moments
TIER_125 = (320.0, 1300.0, 125.0, 125.0, 500.0, 3.4)
TIER_250 = (640.0, 1300.0, 250.0, 250.0, 500.0, 6.8)
TIER_500 = (1300.0, None, 500.0, 500.0, None, 13.7)
TIER_1000 = (2600.0, None, 1000.0, 1000.0, None, 27.3)

# By module and name: the value, and where it comes from.
CONSTANTS: dict[str, tuple[Any, str]] = {
    "perf.layer.mixers.CSA_COMPRESS_RATIO": (4, "DeepSeek V4, arXiv 2606.19348"),
    "perf.layer.operations._RING": (0, "code of domain.layout"),
    "perf.layer.operations._GATHER": (1, "code of domain.layout"),
    "perf.layer.operations._SWAP": (2, "code of domain.layout"),
    "perf.layer.operations._FUSED": (1, "code of domain.layout"),
    "perf.layer.operations._PROXY": (2, "code of domain.layout"),
    "perf.layer.shapes.LINEAR_CHUNK": (64, "reference kernels of GDN, KDA and Mamba-2"),
    "perf.ops.calibration.PRIOR": (tuple(CALIBRATION.values()), "the same"),
    "perf.ops.collectives._NVLINK": (
        {
            "nvlink3": ((8.2e-6, 0.86e-6, 0.755, 12.4e6), (10.9e-6, 0.25e-6, 0.725, 10.2e6)),
            "nvlink4": ((4.5e-6, 0.79e-6, 0.785, 6.7e6), (7.1e-6, 0.10e-6, 0.770, 8.2e6)),
            "nvlink5": ((7.5e-6, 1.25e-6, 0.731, 20.0e6), (10.3e-6, 0.13e-6, 0.672, 28.7e6)),
        },
        "collective sweeps of ai-dynamo/aiconfigurator: gather, then all-to-all",
    ),
    "perf.ops.collectives._RDMA": (RDMA, "prior values of RDMA fabrics, not fitted"),
    "perf.ops.collectives.NETWORKS": (
        {
            "efa-v1": (74e-6, 8.6e-6, 8.0e-6, 0.93, 5.4e6, 0.80, 0.70, 80e-6),
            "efa-v2": (32e-6, 5.7e-6, 4.9e-6, 0.93, 39e6, 0.88, 0.85, 46e-6),
            "efa-v3": (27e-6, 4.5e-6, 3.0e-6, 0.93, 39e6, 0.88, 0.85, 35e-6),
            "efa-v4": (23e-6, 4.5e-6, 1.8e-6, 0.93, 39e6, 0.86, 0.85, 35e-6),
            "infiniband": RDMA,
            "infiniband-hdr": RDMA,
            "infiniband-ndr": RDMA,
            "infiniband-xdr": RDMA,
            "roce": RDMA,
            "ethernet": RDMA,
        },
        "all-reduce and all-to-all results of AWS samples and of Hugging Face",
    ),
    "perf.ops.collectives.FUSED_SHARE": (0.9, "fused dispatch over NCCL's all-to-all: 37-46 of 50 GB/s on p5"),
    "perf.ops.collectives.PROXY_SLOWDOWN": (1.5, "benchmarks of both on p5: 1.3 to 3"),
    "perf.ops.columns._MAX_CODES": (4_194_304, "2^22: where a table costs more memory than sorting costs time"),
    "perf.ops.columns._MAX_VALUE": (65_536, "2^16: the same of one column"),
    "perf.ops.kernels._A100": (A100, GEMM_SWEEPS),
    "perf.ops.kernels._H100_BF16": (H100[0], GEMM_SWEEPS),
    "perf.ops.kernels._H100_FP8": (H100[1], GEMM_SWEEPS),
    "perf.ops.kernels._H100_FP8_BLOCK": (H100[2], GEMM_SWEEPS),
    "perf.ops.kernels._B200_BF16": (B200[0], GEMM_SWEEPS),
    "perf.ops.kernels._B200_FP8": (B200[1], GEMM_SWEEPS),
    "perf.ops.kernels._B200_FP8_BLOCK": (B200[2], GEMM_SWEEPS),
    "perf.ops.kernels._B200_NVFP4": (B200[3], GEMM_SWEEPS),
    "perf.ops.kernels.GEMM_FITS": (
        {
            "a100": {0: A100},
            "h100": H100,
            "h200": {
                0: (0.79, 3.8e-6, 1.0, 1.0, 0.833),
                1: (0.695, 12.7e-6, 364.0, 1.0, 0.777),
                2: (0.621, 5.3e-6, 493.0, 5.0, 0.764),
            },
            "b200": B200,
            "b300": {
                0: (0.719, 2.4e-6, 1.0, 11.0, 0.679),
                1: (0.669, 15e-6, 304.0, 75.0, 0.687),
                2: (0.723, 6.4e-6, 1.0, 31.0, 0.663),
                3: (0.414, 10.5e-6, 1426.0, 64.0, 0.442),
            },
            "gb200": {
                0: (0.675, 2.7e-6, 1.0, 47.0, 0.758),
                1: (0.606, 15.3e-6, 423.0, 100.0, 0.808),
                2: (0.639, 6.6e-6, 46.0, 17.0, 0.699),
                3: (0.452, 9.4e-6, 435.0, 23.0, 0.46),
            },
        },
        GEMM_SWEEPS,
    ),
    "perf.ops.kernels._ROOFLINE": ((0.7, 5e-6, 256.0, 64.0, 0.75), "assumed where there is no sweep"),
    "perf.ops.kernels.PEAK_KEY": ({0: "bf16", 1: "fp8", 2: "fp8", 3: "fp4"}, "units of the tensor cores"),
    "perf.ops.kernels.OPERAND_BYTES": (
        {0: 2.0, 1: 1.0, 2: 1.0 + 1.0 / 32.0, 3: 0.5 + 1.0 / 16.0},
        "bf16; fp8; a scale byte per 32 values; a scale byte per 16",
    ),
    "perf.ops.kernels.SWEEP_TOKENS": ((64.0, 32768.0), "range of the sweeps"),
    "perf.ops.kernels.SWEEP_WEIGHT": ((2048.0, 16384.0), "range of the sweeps"),
    "perf.ops.kernels.SWEEP_REACH": (2.0, "assumed"),
    "perf.ops.kernels.GROUP_PADDING_ROWS": (64.0, "half of a tile of 128 rows"),
    "perf.ops.kernels.STREAM_LAUNCH_S": (2.5e-6, "start-up of a small kernel"),
    "perf.ops.kernels.ATTENTION_FIXED_S": (1e-5, "short sequences of the attention sweeps"),
    "perf.ops.kernels._FA2_A100": (FA2_A100, ATTENTION_SWEEPS),
    "perf.ops.kernels._FA2_H100": (FA2_H100, ATTENTION_SWEEPS),
    "perf.ops.kernels._FA3_H100": (FA3_H100, ATTENTION_SWEEPS + "; arXiv 2407.08608"),
    "perf.ops.kernels._CUDNN_H100": (CUDNN_H100, ATTENTION_SWEEPS + "; arXiv 2407.08608"),
    "perf.ops.kernels._CUDNN_B200": (CUDNN_B200, ATTENTION_SWEEPS),
    "perf.ops.kernels._FA2_B200": (FA2_B200, "meta-pytorch/tritonbench pull request 171"),
    "perf.ops.kernels._UNFUSED_A100": (UNFUSED_A100, "counting of operands, arXiv 2205.14135"),
    "perf.ops.kernels._UNFUSED_H100": (UNFUSED_H100, "counting of operands, arXiv 2205.14135"),
    "perf.ops.kernels.ATTENTION_FITS": (
        {
            "ampere": {"best": FA2_A100, "fa2": FA2_A100, "sdpa": FA2_A100, "unfused": UNFUSED_A100},
            "hopper": {
                "best": FA3_H100,
                "fa3": FA3_H100,
                "cudnn": CUDNN_H100,
                "fa2": FA2_H100,
                "sdpa": FA2_H100,
                "unfused": UNFUSED_H100,
            },
            "blackwell": BLACKWELL,
            "blackwell-ultra": BLACKWELL,
        },
        ATTENTION_SWEEPS,
    ),
    "perf.ops.kernels.RATED_W_PER_FLOP_PER_S": (
        {
            "ampere": 400.0 / 312e12,
            "hopper": 700.0 / 989.5e12,
            "blackwell": 1000.0 / 2250e12,
            "blackwell-ultra": 1000.0 / 2250e12,
        },
        "data sheets of A100, H100 and B200",
    ),
    "perf.run.carbon.JOULES_PER_KWH": (3.6e6, "definition"),
    "perf.run.carbon.GRAMS_PER_TONNE": (1e6, "definition"),
    "perf.run.carbon.FLEET_PUE": (1.15, "AWS sustainability pages, 2024"),
    "perf.run.energy.TRAINING_POWER_SHARE": (0.88, "node logs of LLM training: 80-95 % of GPU nameplate"),
    "perf.run.energy.IDLE_POWER_SHARE": (0.12, "assumed: H100 boards read 70-120 of 700 W"),
    "perf.run.energy._NAMEPLATE_W": (10_200.0, "DGX H100"),
    "perf.run.energy.AIR_OVER_IMMERSION": (1.25, "MLPerf Training v4.1 (Dell), v4.0 (SMC)"),
    "perf.run.energy.SUPPLY_EFFICIENCY": (7087.0 / 7265.0, "DC and AC side of llama2_70b_lora on one node"),
    "perf.run.energy.IMMERSION": (IMMERSION, "MLPerf Training v4.0 and v4.1"),
    "perf.run.energy.AIR": (AIR, "MLPerf Training v4.0 and v4.1"),
    "perf.run.energy._MEASURED": ({"hopper": (0.87, 1.1)}, "rows of LLM training; 10,200 W over the level of compute"),
    "perf.run.energy._NO_ROWS": ((0.75, 1.1), "assumed"),
    "perf.run.finish._POINTS": (509, "a prime"),
    "perf.run.finish._GENERATORS": ((1, 118, 118 * 118 % 509), "Korobov lattice of g = 118"),
    "perf.run.finish._LEAST_PER_S": (1e-15, "a failure in thirty million years"),
    "perf.run.finish._LONGEST": (300.0, "e^300 stays finite"),
    "perf.run.goodput.SECONDS_PER_HOUR": (3600.0, "definition"),
    "perf.run.goodput.LONGEST_MTBF_S": (1e15, "thirty million years"),
    "perf.run.goodput._NEWTON_STEPS": (8, "each squares the error"),
    "perf.run.recovery.DETECTION_S": (150.0, "half of 5 minutes, arXiv 2410.21680"),
    "perf.run.recovery.REQUEUE_S": (60.0, "assumed: the second scheduling cycle of Slurm"),
    "perf.run.recovery.REPLACEMENT_S": (1050.0, "assumed: half of ParallelCluster's 2,100 s"),
    "perf.run.recovery.IMPORT_S": (60.0, "assumed"),
    "perf.run.recovery.INIT_S": (10.0, "assumed"),
    "perf.run.recovery.INIT_GPU_S": (0.002, "assumed: 30 s at 10,000 GPUs, 10 of them fixed"),
    "perf.run.recovery.MANUAL_S": (3600.0, "AWS on HyperPod checkpointless recovery: up to 1 h"),
    "perf.run.reliability.HOURS_PER_DAY": (24.0, "definition"),
    "perf.run.reliability.NODE_PER_H": ((6.5 + 2.34 + 3.789) / 72_000.0, "arXiv 2410.21680; arXiv 2407.21783"),
    "perf.run.reliability.GPU_SHARE": (268.0 / 419.0, "arXiv 2407.21783 table 5"),
    "perf.run.reliability.GPUS_PER_NODE": (8.0, "nodes of both sources"),
    "perf.run.reliability.SHAPE": (3.0, "squared variation of the three rates x 4/3, inverted"),
    "perf.run.reliability.SHAPE_NO_ROWS": (1.5, "assumed: half of it"),
    "perf.run.reliability.MEASURED": ({"ampere": 3.0, "hopper": 3.0}, "generations with rows"),
    "perf.run.reliability.BURN_IN_FACTOR": (log(0.86) / log(0.96), "arXiv 2410.21680: failures fell from 14 to 4 %"),
    "perf.run.reliability.BURN_IN_DAYS": (60.0, "assumed: the window of OPT-175B, arXiv 2205.01068"),
    "perf.run.reliability.REPLACED_SHARE": (0.78, "arXiv 2407.21783"),
    "perf.run.reliability.Z80": (1.2815515655446004, "the normal quantile of 90 %"),
    "perf.store.checkpoint.BYTES_PER_PARAM": (14.0, "MLPerf Storage v2"),
    "perf.store.checkpoint.CLIENT_BYTES_PER_S": (12.5e9, FSX),
    "perf.store.checkpoint.RNG_BYTES": (16e3, "assumed"),
    "perf.store.checkpoint.LOADER_BYTES": (1e6, "assumed"),
    "perf.store.checkpoint.ADAM_BF16": (ADAM, "Megatron-Core"),
    "perf.store.checkpoint.ADAM_FP32": ((4.0, 0.0, 8.0), "FSDP"),
    "perf.store.checkpoint.ADAM_BF16_MOMENTS": ((2.0, 4.0, 4.0), "precision-aware optimizer"),
    "perf.store.lustre.MB": (1e6, "definition"),
    "perf.store.lustre.TCP_CLIENT_BYTES_PER_S": (100e9 / 8.0, FSX),
    "perf.store.lustre.EFA_CLIENT_BYTES_PER_S": (700e9 / 8.0, FSX),
    "perf.store.lustre.GDS_CLIENT_BYTES_PER_S": (1200e9 / 8.0, FSX),
    "perf.store.lustre.TCP_FLOW_BYTES_PER_S": (5e9 / 8.0, FSX),
    "perf.store.lustre.EFA_CONNECTIONS": (1024.0, FSX),
    "perf.store.lustre.SERVER_TIB": (2.4, FSX),
    "perf.store.lustre.SMALLEST_TIB": (1.2, FSX),
    "perf.store.lustre.EFA_SERVER_TIB": ({125: 38.4, 250: 19.2, 500: 9.6, 1000: 4.8}, FSX),
    "perf.store.lustre.TIERS": (
        {
            ("scratch-2", 200): (200.0, 1300.0, 200.0, 100.0, None, 6.7),
            ("persistent-1", 50): (None, None, 50.0, 50.0, 240.0, None),
            ("persistent-1", 100): (None, None, 100.0, 100.0, None, None),
            ("persistent-1", 200): (None, None, 200.0, 200.0, None, None),
            ("persistent-2", 125): TIER_125,
            ("persistent-2", 250): TIER_250,
            ("persistent-2", 500): TIER_500,
            ("persistent-2", 1000): TIER_1000,
        },
        FSX,
    ),
    "perf.store.reading.SHORT_IDS": (65_536.0, "Megatron-Core indexed datasets: two bytes"),
    "perf.store.saving.DRAINS_S": ((300.0, 600.0, 1200.0, 2400.0, 4800.0, 14_400.0), "5 minutes to 4 hours"),
    "perf.store.sizing.FULL_SHARE": (0.85, "assumed"),
    "perf.store.sizing.GIB": (1_073_741_824.0, "definition"),
    "perf.store.sizing.OPTIONS": (
        (
            (TIER_125, 2.4, 125, False),
            (TIER_250, 2.4, 250, False),
            (TIER_500, 2.4, 500, False),
            (TIER_1000, 2.4, 1000, False),
            (TIER_125, 38.4, 125, True),
            (TIER_250, 19.2, 250, True),
            (TIER_500, 9.6, 500, True),
            (TIER_1000, 4.8, 1000, True),
        ),
        FSX,
    ),
    "perf.store.storage.STAGING_BYTES_PER_S": (1.6e9, "PyTorch blog on asynchronous checkpointing, 2024"),
    "perf.store.storage.PROCESS_BYTES_PER_S": (0.9e9, "AWS Machine Learning blog, 2026-06-01"),
    "perf.store.storage.NVME_READ_BYTES_PER_S": (2e9, "assumed"),
    "perf.store.storage.NVME_WRITE_BYTES_PER_S": (1e9, "assumed"),
    "perf.store.storage.S3_PUT_PER_S": (3500.0, "S3 User Guide"),
    "perf.store.storage.S3_GET_PER_S": (5500.0, "S3 User Guide"),
    "perf.store.storage.S3_CLIENT_BYTES_PER_S": (400e9 / 8.0, "AWS's CRT client on p5.48xlarge"),
    "perf.store.storage.LEAST_ENA_BYTES_PER_S": (100e9 / 8.0, "assumed"),
    "perf.train.layers.FORWARD_HOST_SHARE": (0.4, "one kernel forward, about two backward"),
    "perf.train.layers._SELECTIVE": (1, "code of domain.layout"),
    "perf.train.layers._WHOLE_STEP": (2, "code of domain.layout"),
    "perf.train.layers.COLLECTIVES_PER_LAYER": (4.0 + 6.0, "arXiv 2205.05198 section 4.2.2"),
    "perf.train.memory.WORKSPACE_BYTES": (2.0 * 33_554_432.0, "PyTorch: 32 MiB of cuBLAS for each of two threads"),
    "perf.train.memory.BACKWARD_WORKING_SHARE": (0.4, "gradients of the layer in work"),
    "perf.train.passes.RECURRENCE_SLOWDOWN": (5.0, "arXiv 2405.21060 figure 10"),
    "perf.train.passes.BACKWARD_ATTENTION_FLOP": (5.0 / 2.0, "arXiv 2205.14135: five products after two"),
    "perf.train.passes.WGRAD_OUTPUT_BYTES": (8.0, "fp32 read and written"),
    "perf.train.passes.BF16_BYTES": (2.0, "definition"),
    "perf.train.passes.FORWARD_LAUNCHES": (8.0, "kernels of a layer's memory-bound work"),
    "perf.train.passes.BACKWARD_LAUNCHES": (12.0, "the same, backward"),
    "perf.train.stages.MIDDLE_SLOTS": (3, "a bound on what is evaluated"),
    "perf.train.stages.FIRST": (0, "the slot of the first stage"),
    "perf.train.stages.LAST": (1, "the slot of the last stage"),
    "perf.train.stages._ENDS": (((1, 1), (1, 0), (0, 1), (0, 0)), "torchtitan: its default first"),
    "perf.train.states.BUCKET_PARAMS": (40e6, "Megatron-Core's default"),
    "perf.train.states.STEP_EXTRA_BYTES": (14.0, "counting of operands"),
    "perf.train.states.OPTIMIZER_FIXED_S": (2e-3, "norm, checks and a few hundred launches"),
    "perf.train.states.GATHERED_LAYERS": (2.0, "FSDP: the layer in work and the next"),
    "perf.train.states.COMPUTE_BYTES": (2.0, "bf16"),
}

# What fields and parameters are when nobody says: nothing beyond the plain case.
DEFAULTS: dict[str, dict[str, Any]] = {
    "perf.layer.activations.feed_forward_kept": {"core_only": False, "dropout": False},
    "perf.layer.activations.layer_kept": {"core_only": False, "dropout": False, "scores": False},
    "perf.layer.activations.mixer_kept": {"core_only": False, "dropout": False, "scores": False},
    "perf.ops.calibration.Calibration": dict(CALIBRATION),
    "perf.ops.kernels.kernel_rates": {"attention_share": 1.0},
    "perf.ops.operation.Collective": {"stride": 1.0},
    "perf.ops.operation.Exchange": {"under_core": False},
    "perf.ops.operation.Gemm": {"groups": 1.0},
    "perf.run.energy.busy_w": {"levels": AIR},
    "perf.run.energy.idle_w": {"levels": AIR},
    "perf.run.energy.node_w_by_gpus": {"levels": AIR},
    "perf.run.recovery.Recovery": {
        "detection_s": 150.0,
        "requeue_s": 60.0,
        "replacement_s": 1050.0,
        "import_s": 60.0,
        "init_s": 10.0,
        "init_gpu_s": 0.002,
    },
    "perf.store.checkpoint.StateFormat": {"weights": 2.0, "master": 4.0, "moments": 8.0},
    "perf.store.checkpoint.contents": {"states": ADAM},
    "perf.store.storage.load_s": {"first_byte_s": 0.0},
    "perf.train.evaluate.evaluate": {"calibration": tuple(CALIBRATION.values()), "detail": True},
    "perf.train.stages.chunk_sizes": {"head_layers": 1, "mtp_layers": 0},
    "perf.train.stages.stage_kinds": {"by_cost": False},
    "perf.train.stages.stage_slots": {"by_cost": False},
    "perf.train.stages.stage_table": {"by_cost": False},
}


def test_every_constant_is_what_its_source_says() -> None:
    assert others(constants("fmctl.perf"), {name: value for name, (value, _) in CONSTANTS.items()}) == {}
    assert all(source for _, source in CONSTANTS.values())


def test_every_default_is_the_plain_case() -> None:
    assert others(defaults("fmctl.perf"), DEFAULTS) == {}
