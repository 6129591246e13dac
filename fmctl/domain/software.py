"""Versions that are known not to work together: one table, used when a cluster is rendered and when its job starts.

A row is bad where all of its conditions hold; what nobody named is not judged. Names of the plan (instance, dispatch)
and versions that the site or the job's environment names (`software`). A target may have rows of its own beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# What `software` may name. efa: the EFA installer. ofi: aws-ofi-nccl, the plugin.
COMPONENTS = ("efa", "nccl", "ofi", "driver", "cuda", "megatron-bridge", "deepep")
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}")


@dataclass(frozen=True, slots=True)
class Condition:
    """`fact` is one of `names`, or a version from `first` on and before `before` (empty: no bound)."""

    fact: str
    names: tuple[str, ...] = ()
    first: str = ""
    before: str = ""

    def holds(self, value: str) -> bool:
        """Whether it holds for a value."""
        if self.names:
            return value in self.names
        number = parsed(value)
        return not ((self.first and number < parsed(self.first)) or (self.before and number >= parsed(self.before)))

    def words(self, value: str) -> str:
        """The value as a sentence names it."""
        return f"{self.fact} {value}"


@dataclass(frozen=True, slots=True)
class Bad:
    """Conditions that do not go together, why, what to take instead, and who says so."""

    conditions: tuple[Condition, ...]
    why: str
    take: str
    source: str


_EFA_TYPES = (
    "p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge",
    "p6-b300.48xlarge", "u-p6e-gb200x36", "u-p6e-gb200x72",
)  # fmt: skip
_CHEATSHEET = "awslabs/awsome-distributed-ai: 1.architectures/efa-cheatsheet.md"
KNOWN_BAD: tuple[Bad, ...] = (
    Bad(
        (Condition("nccl", first="2.19"), Condition("efa", before="1.29.1")),
        'memory cannot be registered ("Unable to register memory", RC -22)',
        "EFA installer 1.29.1 or later; else FI_EFA_SET_CUDA_SYNC_MEMOPS=0",
        _CHEATSHEET,
    ),
    Bad(
        (Condition("ofi", before="1.7.0"), Condition("instance", _EFA_TYPES)),
        "it needs FI_PROVIDER, FI_EFA_USE_DEVICE_RDMA and NCCL_PROTO set, which later plugins choose by themselves",
        "aws-ofi-nccl 1.19 or later",
        _CHEATSHEET,
    ),
    Bad(
        (Condition("deepep", before="2"), Condition("instance", _EFA_TYPES), Condition("dispatch", ("across nodes",))),
        "DeepEP before 2 speaks InfiniBand and crashes on EFA",
        "all-to-all dispatch, UCCL-EP, NVSHMEM over libfabric, or experts inside one NVLink domain",
        "NVIDIA-NeMo/Megatron-Bridge issue 3343",
    ),
    Bad(
        (Condition("megatron-bridge", before="0.4.0"), Condition("instance", ("p6-b300.48xlarge",))),
        "it refuses this GPU",
        "Megatron-Bridge 0.4.0 or later, built for sm_103",
        "awslabs/awsome-distributed-ai: megatron-bridge test case",
    ),
)


def found(facts: Mapping[str, str], own: Sequence[Bad] = ()) -> Iterator[Bad]:
    """The rows that hold for what is known, a target's own ones after those of this table."""
    for row in (*KNOWN_BAD, *own):
        if all(one.fact in facts and one.holds(facts[one.fact]) for one in row.conditions):
            yield row


def open_rows(facts: Mapping[str, str]) -> Iterator[tuple[Bad, tuple[Condition, ...]]]:
    """Rows that versions named later could make hold, each with the conditions that are left."""
    for row in KNOWN_BAD:
        known = [one for one in row.conditions if one.fact not in COMPONENTS]
        left = tuple(one for one in row.conditions if one.fact in COMPONENTS)
        if left and all(one.fact in facts and one.holds(facts[one.fact]) for one in known):
            yield row, left


def is_version(text: object) -> bool:
    """Whether it can be compared: one to four numbers with dots between."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def parsed(version: str) -> tuple[int, ...]:
    """The numbers of a version, trailing zeros dropped: 1.7 is 1.7.0."""
    numbers = [int(part) for part in re.findall(r"[0-9]+", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
