"""What the recipes share: a layout in a framework's words, why it may have none, and words read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.domain.framework import Framework
from fmctl.domain.layout import ContextComm, CudaGraph, Dispatcher, Layout, Recompute, Schedule, Sharding

_Word = TypeVar("_Word")


@dataclass(frozen=True, slots=True)
class Words:
    """A layout as one framework is told it: arguments of its script, and files by name."""

    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def settled(layout: Layout, framework: Framework) -> Layout:
    """The layout with fields that have no effect at their first value, as the search writes them.

    Without context ranks nothing is exchanged between them, without expert ranks nothing is dispatched, without tensor
    ranks the sequence stays whole, what is not sharded has no replicas, and layers are counted for full recomputation.
    """
    first = ContextComm.parse(framework.limits.cp_comms[0]) if framework.limits.cp_comms else ContextComm.RING
    changed: dict[str, int] = {}
    changed |= {"cp_comm": int(first)} if layout.cp == 1 else {}
    changed |= {"dispatcher": int(Dispatcher.ALL_TO_ALL)} if layout.ep == 1 else {}
    changed |= {"sequence_parallel": 0} if layout.tp == 1 else {}
    changed |= {"dp_replicate": 1} if layout.sharding == Sharding.NONE else {}
    changed |= {"recompute_layers": 0} if layout.recompute != Recompute.FULL else {}
    return replace(layout, **changed)


def no_chunks(name: str, layout: Layout) -> Iterator[str]:
    """Why a framework whose stages are whole cannot run it."""
    if layout.vpp > 1 or layout.schedule != Schedule.ONE_F_ONE_B:
        yield f"{name} has the 1f1b schedule alone, with one chunk per stage"


def no_graphs(name: str, layout: Layout) -> Iterator[str]:
    """Why a framework without CUDA graphs cannot run it."""
    if layout.cuda_graph != CudaGraph.NONE:
        yield f"{name} captures no CUDA graphs"


def plain_dispatch(name: str, layout: Layout) -> Iterator[str]:
    """Why a framework that dispatches by NCCL alone cannot run it."""
    if layout.dispatcher != Dispatcher.ALL_TO_ALL:
        yield f"{name} sends tokens to experts by all-to-all alone"


def flags(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`--name value value` by name, without the dashes; the last one of a name counts, as in argparse."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = (value,) if equals else ()
        elif name:
            found[name] = (*found[name], word)
    return found


def overrides(words: Sequence[str]) -> dict[str, str]:
    """`key=value` by key (Hydra's words); what is none is passed over."""
    pairs = (word.lstrip("+").partition("=") for word in words if "=" in word and not word.startswith("-"))
    return {key: value for key, _, value in pairs}


def whole(what: str, value: object, least: int = 1) -> int:
    """A whole number that a configuration holds. Raises UnreadableFile."""
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise unreadable(what, value)
    return number


def ranks_left(gpus: int, layout_gpus: int) -> int:
    """Data-parallel ranks: what the GPUs leave. Raises UnreadableFile where they do not divide."""
    if gpus < layout_gpus or gpus % layout_gpus:
        raise UnreadableFile(f"{gpus} GPUs cannot be this run's", why=f"its degrees want a multiple of {layout_gpus}")
    return gpus // layout_gpus


def one_of(what: str, value: _Word, choices: Mapping[_Word, int]) -> int:
    """The code of a word. Raises UnreadableFile where there is none."""
    if value not in choices:
        raise unreadable(what, value)
    return int(choices[value])


def unreadable(what: str, value: object) -> UnreadableFile:
    """What is not understood."""
    return UnreadableFile(f"{what} '{shorten(str(value))}' is not understood", why="no layout of fmctl has it")
