"""One layout (`Layout`) and many (`Layouts`, columns): the same fields, declared once in `FIELDS`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class Named(IntEnum):
    """An integer code with a spelled name: `Precision.BF16.label == "bf16"`."""

    @property
    def label(self) -> str:
        """The name as users spell it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def labels(cls) -> tuple[str, ...]:
        """All names, in the order of their codes."""
        return tuple(member.label for member in cls)

    @classmethod
    def parse(cls, text: str) -> Named:
        """The member spelled `text`. Raises KeyError where there is none."""
        return cls[text.strip().upper().replace("-", "_")]


class Precision(Named):
    """Number format of the linear layers; norms, softmax, master weights stay in higher precision."""

    BF16 = 0
    FP8 = 1
    MXFP8 = 2
    NVFP4 = 3


class Sharding(Named):
    """What data-parallel ranks share out. ZERO1: optimizer states; ZERO2: and gradients; ZERO3: and weights (FSDP)."""

    NONE = 0
    ZERO1 = 1
    ZERO2 = 2
    ZERO3 = 3


class Recompute(Named):
    """Activation recomputation. SELECTIVE: norms and activation functions, or by operator; FULL: whole layers.

    What SELECTIVE repeats is the framework's (`Framework.selective_matmuls`).

    The attention core, which arXiv 2205.05198 recomputes selectively, is rebuilt inside fused attention kernels anyway.
    """

    NONE = 0
    SELECTIVE = 1
    FULL = 2


class Schedule(Named):
    """Pipeline schedule: one-forward-one-backward, its interleaved form (vpp > 1), zero-bubble ZB-H1."""

    ONE_F_ONE_B = 0
    INTERLEAVED = 1
    ZERO_BUBBLE = 2

    @property
    def label(self) -> str:
        """The name as users spell it."""
        return ("1f1b", "interleaved", "zero-bubble")[self.value]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """The member spelled `text`. Raises KeyError where there is none."""
        try:
            return cls(cls.labels().index(text.strip().lower()))
        except ValueError:
            raise KeyError(text) from None


class ContextComm(Named):
    """How context-parallel ranks exchange keys and values."""

    RING = 0
    ALL_GATHER = 1
    ALL_TO_ALL = 2


class Dispatcher(Named):
    """How tokens reach their experts: NCCL all-to-all, fused kernels (DeepEP class), or with a CPU proxy (UCCL-EP)."""

    ALL_TO_ALL = 0
    FUSED = 1
    PROXY = 2


class CudaGraph(Named):
    """What CUDA graphs capture: nothing, each layer's attention, norms and router, or the whole step with experts."""

    NONE = 0
    LAYER = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """How one run is spread over GPUs. GPUs = tp x pp x cp x dp; experts live inside tp x cp x dp."""

    tp: int = 1  # tensor-parallel ranks
    pp: int = 1  # pipeline stages
    vpp: int = 1  # chunks per stage, above 1 with the interleaved schedule
    cp: int = 1  # context-parallel ranks: pieces of a sequence
    ep: int = 1  # expert-parallel ranks, inside tp x cp x dp
    etp: int = 1  # tensor-parallel ranks of one expert
    dp: int = 1  # data-parallel ranks
    dp_replicate: int = 1  # copies of the sharded state (HSDP): it is shared out over dp x cp / dp_replicate ranks
    micro_batch: int = 1  # sequences of one forward pass on a rank
    sequence_parallel: int = 0  # 1: tensor ranks share out the tokens between their products
    sharding: int = Sharding.NONE
    recompute: int = Recompute.NONE
    recompute_layers: int = 0  # with FULL: layers per stage that are run again, 0: all of them
    precision: int = Precision.BF16
    schedule: int = Schedule.ONE_F_ONE_B
    cp_comm: int = ContextComm.RING
    dispatcher: int = Dispatcher.ALL_TO_ALL
    cuda_graph: int = CudaGraph.NONE  # what is captured: the host's launch time does not count there

    @property
    def gpus(self) -> int:
        """Accelerators that the layout occupies."""
        return self.tp * self.pp * self.cp * self.dp

    def as_dict(self) -> dict[str, int | str]:
        """Field name -> value, codes spelled as users spell them."""
        return {name: CODES[name](v).label if name in CODES else v for name, v in self.items()}

    def items(self) -> Iterator[tuple[str, int]]:
        """(field name, integer value) in declaration order."""
        return ((name, int(getattr(self, name))) for name in FIELDS)


FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Layout))
CODES: Mapping[str, type[Named]] = {
    "sharding": Sharding,
    "recompute": Recompute,
    "precision": Precision,
    "schedule": Schedule,
    "cp_comm": ContextComm,
    "dispatcher": Dispatcher,
    "cuda_graph": CudaGraph,
}


class Layouts:
    """Many layouts as int64 columns of one length, one column per field of `Layout`; scalars broadcast."""

    __slots__ = ("columns", "n")

    def __init__(self, n: int, columns: Mapping[str, IntArray | int]) -> None:
        """`columns` maps field names to arrays of shape [n] or one integer for all rows; what is absent is default."""
        default = Layout()
        self.n = n
        self.columns: dict[str, IntArray] = {
            name: np.asarray(columns.get(name, getattr(default, name)), dtype=np.int64) for name in FIELDS
        }

    @classmethod
    def of(cls, rows: Iterable[Layout]) -> Layouts:
        """Columns from single layouts."""
        listed = list(rows)
        return cls(len(listed), {name: np.array([getattr(r, name) for r in listed], dtype=np.int64) for name in FIELDS})

    def __getitem__(self, name: str) -> IntArray:
        """The column `name`, shape [n] or [] (the same for all rows)."""
        return self.columns[name]

    def __len__(self) -> int:
        return self.n

    def row(self, i: int) -> Layout:
        """Row i as one `Layout`."""
        return Layout(**{name: int(c if c.ndim == 0 else c[i]) for name, c in self.columns.items()})

    def take(self, index: npt.NDArray[np.int64 | np.bool_]) -> Layouts:
        """The rows `index` (integer or boolean array)."""
        picked = {name: c if c.ndim == 0 else c[index] for name, c in self.columns.items()}
        count = int(np.count_nonzero(index)) if index.dtype == np.bool_ else len(index)
        return Layouts(count, picked)
