"""What a framework and a GPU offer: a value that neither has is a mistake to name, not a search to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fmctl.base.errors import UsageError
from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import CODES, Precision

Fixed = Mapping[str, tuple[int, ...]]
# The arithmetic that a precision runs on; MX block scaling came with Blackwell, FP8 as such with Hopper.
_UNITS = {Precision.BF16: "bf16", Precision.FP8: "fp8", Precision.MXFP8: "fp8", Precision.NVFP4: "fp4"}
_BLACKWELL = (Precision.MXFP8, Precision.NVFP4)


def check_framework(framework: Framework, fixed: Fixed) -> None:
    """Raises UsageError where the framework's profile has none of the values that were stated for a field."""
    offered = {
        "schedule": framework.limits.schedules,
        "sharding": framework.limits.shardings,
        "recompute": framework.limits.recomputes,
        "precision": framework.limits.precisions,
        "cp_comm": framework.limits.cp_comms,
    }
    for name, labels in offered.items():
        stated = [CODES[name](value).label for value in fixed.get(name, ())]
        if stated and not set(stated) & set(labels):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{framework.name} has no {option} {','.join(stated)}",
                why=f"it has {', '.join(labels) or 'none'}",
                next=f"{option} {labels[0]}" if labels else f"leave {option} out",
            )


def able(instances: Sequence[Instance], fixed: Fixed) -> tuple[tuple[Instance, ...], dict[str, str]]:
    """The types whose GPUs have the stated precision, and why the others were left out.

    Raises:
        UsageError: none of them has it.
    """
    stated = fixed.get("precision", ())
    lacking = {i.name: _lack(i, stated) for i in instances if stated and not any(_has(i, p) for p in stated)}
    kept = tuple(instance for instance in instances if instance.name not in lacking)
    if not kept:
        raise UsageError(
            f"no {_labels(stated)} on {', '.join(lacking)}",
            why=next(iter(lacking.values())),
            next="--precision bf16, or --instances with newer GPUs",
        )
    return kept, lacking


def _has(instance: Instance, precision: int) -> bool:
    gpu = instance.accelerator
    units = _UNITS[Precision(precision)] in gpu.peak_flop_per_s
    return units and (precision not in _BLACKWELL or gpu.architecture.startswith("blackwell"))


def _lack(instance: Instance, stated: Sequence[int]) -> str:
    return f"the GPUs of {instance.name} ({instance.accelerator.name}) have no units for {_labels(stated)}"


def _labels(stated: Sequence[int]) -> str:
    return ", ".join(Precision(value).label for value in stated)
