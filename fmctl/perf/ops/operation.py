"""What a layer does, operation by operation, and no time: the list that training, prefill and decoding are timed from.

Sizes are of one rank and micro batch, arrays of shape [U] over combinations of layout fields or broadcastable to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fmctl.domain.result import FloatArray

Group = Literal["tp", "cp", "ep"]


@dataclass(slots=True, eq=False, repr=False)
class Gemm:
    """`groups` products [m, k] x [k, n]."""

    m: FloatArray  # tokens
    n: FloatArray  # outputs
    k: FloatArray  # inputs
    groups: FloatArray | float = 1.0


@dataclass(slots=True, eq=False, repr=False)
class Attention:
    """The core of a token mixer: softmax attention, or a recurrence over chunks."""

    flop: FloatArray  # causal half only
    moved_bytes: FloatArray  # queries, keys, values and output, once each
    queries: FloatArray  # of one sequence
    head_dim: float
    recurrent: bool


@dataclass(slots=True, eq=False, repr=False)
class Stream:
    """Memory-bound work: norms, residuals, rotary, activation functions, router; each operand once."""

    forward_bytes: FloatArray
    backward_bytes: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Sort:
    """Tokens put in the order of their experts and back."""

    moved_bytes: FloatArray  # of one pass


@dataclass(slots=True, eq=False, repr=False)
class Collective:
    """One message of a group of ranks."""

    what: Literal["gather", "all-reduce", "all-to-all", "send"]
    moved_bytes: FloatArray  # gathered or reduced in all, or sent by each rank
    ranks: FloatArray
    stride: FloatArray | float = 1.0  # ranks of other groups from one of its ranks to the next


@dataclass(slots=True, eq=False, repr=False)
class Dispatch:
    """Tokens to their experts by fused kernels: each crosses to a domain once."""

    tokens: FloatArray
    token_bytes: float
    copies: int  # experts per token
    ranks: FloatArray
    stride: FloatArray
    proxied: npt.NDArray[np.bool_]  # a CPU proxy posts what the GPU would


@dataclass(slots=True, eq=False, repr=False)
class Exchange:
    """A message, how often it is sent, and by whom."""

    group: Group
    message: Collective | Dispatch
    forward: FloatArray | float  # times in the forward pass
    backward: FloatArray | float
    under_core: bool = False  # a ring passes keys and values on while attention works


Op = Gemm | Attention | Stream | Sort | Exchange
