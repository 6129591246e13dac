"""What a checkpoint holds and how many bytes of it are written and read.

Weights in their training format, fp32 master weights, optimizer moments, and a little per rank (random generators, the
data loader's position). Written once (deduplicated over data-parallel copies), or by every copy.

Source: DLIO checkpoint configurations of MLPerf Storage v2 (fp16 weights, three fp32 states: 14 bytes per parameter).
Its table prints GB and TB for 2^30 and 1000 x 2^30 bytes: only so do 8B (105), 70B (912) and 405B (5,290) agree with
14 bytes per parameter, each within 1 %. Its 1T (18 TB, two digits) agrees within 4 %.
Valid: any model whose parameters `perf.layer.counts` counts; optimizers with an fp32 master copy and given moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.counts import parameters

# Weights in bf16 (2) with fp32 master weights and two Adam moments (12): 14 bytes per parameter. Published benchmark
# checkpoints (8B 105, 70B 912, 405B 5,290 GiB) agree within 1 % when read as GiB. Source: MLPerf Storage v2 rules.
BYTES_PER_PARAM = 14.0
# What one node writes to FSx for Lustre without EFA: 100 Gbit/s (FSx for Lustre user guide, per-client limit).
CLIENT_BYTES_PER_S = 12.5e9
# States of the random generators of one rank. assumed: Mersenne twisters of Python, NumPy and PyTorch, pickled.
RNG_BYTES = 16e3
# Position of one rank's data loader. assumed: an index, a shuffle seed and a partly filled packing buffer.
LOADER_BYTES = 1e6


@dataclass(frozen=True, slots=True)
class StateFormat:
    """Bytes per parameter of each state. master is 0 where the weights themselves are fp32 (FSDP keeps only those)."""

    weights: float = 2.0
    master: float = 4.0
    moments: float = 8.0


ADAM_BF16 = StateFormat()  # Megatron-Core: bf16 weights, fp32 master weights, two fp32 moments
ADAM_FP32 = StateFormat(weights=4.0, master=0.0)  # FSDP: fp32 weights, two fp32 moments
ADAM_BF16_MOMENTS = StateFormat(moments=4.0)  # precision-aware optimizer: two bf16 moments


@dataclass(slots=True, eq=False, repr=False)
class Contents:
    """Bytes of one copy of everything, by part: arrays of shape [n], or scalars."""

    weights_bytes: FloatArray | float
    master_bytes: FloatArray | float
    moments_bytes: FloatArray | float
    rank_bytes: FloatArray | float

    @property
    def total_bytes(self) -> FloatArray | float:
        """Everything once: weights + master weights + moments + what is per rank."""
        return self.weights_bytes + self.master_bytes + self.moments_bytes + self.rank_bytes


@lru_cache(maxsize=256)
def checkpoint_bytes(arch: ModelArch) -> float:
    """Bytes of a full training checkpoint, deduplicated over data-parallel replicas: 14 x parameters."""
    count = parameters(arch)
    return BYTES_PER_PARAM * float(count.total + count.mtp)


def contents(params: FloatArray | float, ranks: FloatArray | float, states: StateFormat = ADAM_BF16) -> Contents:
    """Bytes by part: parameters x bytes of the format, and RNG + loader state per rank.

    params: parameters of the whole model [n]; ranks: GPUs of the job [n]. Source: module docstring.
    """
    return Contents(
        weights_bytes=params * states.weights,
        master_bytes=params * states.master,
        moments_bytes=params * states.moments,
        rank_bytes=ranks * (RNG_BYTES + LOADER_BYTES),
    )


def copied_bytes(
    c: Contents, weight_copies: FloatArray | float, state_copies: FloatArray | float
) -> FloatArray | float:
    """Bytes when every copy is written, or every rank reads what it needs: weights x copies + states x copies.

    weight_copies: data-parallel ranks that hold the same weights (1 under ZeRO-3, dp under ZeRO-1 and less) [n];
    state_copies: ranks that hold the same optimizer states (dp without ZeRO, dp_replicate under HSDP, else 1) [n].
    A deduplicated checkpoint is written with copies of 1 and read with these. Source: arXiv 1910.02054.
    """
    return c.weights_bytes * weight_copies + (c.master_bytes + c.moments_bytes) * state_copies + c.rank_bytes


def save_s(total_bytes: float, clients: FloatArray) -> FloatArray:
    """Time for all instances to write their share at the per-client limit, s; the file system is assumed wide enough.

    clients: instances (an UltraServer counts its members), shape [n].
    """
    return total_bytes / (clients * CLIENT_BYTES_PER_S)
