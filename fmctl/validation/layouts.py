"""From a row to its `Layout` and workload: what is stated, checked; what is not, by `rules`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fmctl.domain.layout import ContextComm, Layout, Schedule
from fmctl.domain.model import ModelArch
from fmctl.domain.workload import TrainingWorkload
from fmctl.validation import rules
from fmctl.validation.frameworks import Dialect
from fmctl.validation.rows import Row, Skip

DEGREES = ("tp", "pp", "cp", "dp")


@dataclass(frozen=True, slots=True)
class Mesh:
    """Degrees of parallelism as stated, or as the GPUs leave no other choice."""

    tp: int
    pp: int
    cp: int
    dp: int

    @property
    def ranks(self) -> int:
        """Ranks over which states can be sharded."""
        return self.dp * self.cp


def states_layout(row: Row) -> bool:
    """Whether a row says how it was spread over its GPUs."""
    return any(row.text(name) for name in ("tp", "pp", "dp")) or row.text("n_gpus") in ("1", "1.0")


def mesh(row: Row) -> Mesh:
    """tp, pp, cp, dp; a degree that is not stated is 1, dp what is left. Raises Skip where they are not the GPUs."""
    gpus = row.need("n_gpus")
    if not states_layout(row):
        raise Skip("no layout is stated")
    tp, pp, cp = (row.whole(name) or 1 for name in ("tp", "pp", "cp"))
    dp = row.whole("dp") or max(gpus // (tp * pp * cp), 1)
    if tp * pp * cp * dp != gpus:
        raise Skip(f"tp {tp} x pp {pp} x cp {cp} x dp {dp} is not {gpus} GPUs")
    return Mesh(tp, pp, cp, dp)


def workload(row: Row, spoken: Dialect, m: Mesh) -> tuple[TrainingWorkload, int, tuple[str, ...]]:
    """(sequence length and global batch, micro batch, what was assumed).

    Global batch where it is not stated: what throughput and step time make it, else accumulated micro batches as the
    notes count them, else by `_accumulated`. Micro batch: the dialect's, as far as the batch holds.
    """
    said: list[str] = []
    seq, micro, batch = row.whole("seq_len"), row.whole("micro_batch"), row.whole("global_batch")
    if seq is None:
        seq = spoken.seq_len
        said.append(f"seq_len = {seq}")
    timed = batch or _timed_batch(row, seq)
    if micro is None:
        micro = min(spoken.micro_batch, max(timed // m.dp, 1)) if timed else 1
        said.append(f"micro_batch = {micro}")
    if batch is None:
        batch = timed or micro * m.dp * _accumulated(row, spoken, m, seq * micro)
        said.append(f"global_batch = {batch}")
    if batch < m.dp * micro:
        micro = max(batch // m.dp, 1)
        said.append(f"micro_batch = {micro}: the global batch holds no more")
    return TrainingWorkload(seq, batch), micro, tuple(said)


def _timed_batch(row: Row, seq: int) -> int | None:
    """Sequences per step = tokens/s x step time / sequence length, where both are stated."""
    rate, step = row.positive("tokens_per_s_per_gpu"), row.positive("step_time_s")
    if rate is None or step is None:
        return None
    return max(round(rate * row.need("n_gpus") * step / seq), 1)


# Tokens per step of the nanotron benchmark script where a row does not say: 256 sequences of 4,096.
BENCHMARK_TOKENS = 2**20


def _accumulated(row: Row, spoken: Dialect, m: Mesh, tokens: int) -> int:
    """Micro batches per step and data rank: as the notes count them; for nanotron what makes a million tokens.

    Else one per pipeline stage.
    """
    found = re.search(r"(?:micro_num|grad_?acc(?:um)?(?:ulation)?)\W{0,2}(\d+)", row.lower("notes"))
    if found:
        return int(found.group(1))
    return max(m.pp, BENCHMARK_TOKENS // (tokens * m.dp)) if spoken.profile == "nanotron" else m.pp


def layout(row: Row, arch: ModelArch, spoken: Dialect, m: Mesh, micro: int) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a row and what was assumed. Raises Skip for what is impossible or not modelled."""
    vpp, said_vpp = rules.interleaving(row, spoken, arch, m.pp)
    if m.pp > arch.n_layers:
        raise Skip(f"{m.pp} pipeline stages for {arch.n_layers} layers")
    vpp = min(vpp, max(arch.n_layers // m.pp, 1))
    ep, etp, said_ep = _experts(row, arch, m)
    shard, replicas, said_shard = rules.sharding(row, spoken, m.ranks)
    mode, some, said_recompute = rules.recompute(row, spoken, -(-arch.n_layers // m.pp))
    code, said_precision = rules.precision(row)
    sequence, said_sequence = rules.sequence_parallel(row, spoken, m.tp)
    graph, said_graph = rules.cuda_graph(row, spoken, arch)
    dispatch, said_dispatch = rules.dispatcher(row, spoken, arch)
    found = Layout(
        tp=m.tp, pp=m.pp, vpp=vpp, cp=m.cp, ep=ep, etp=etp, dp=m.dp, dp_replicate=replicas, micro_batch=micro,
        sequence_parallel=sequence, sharding=shard, recompute=mode, recompute_layers=some, precision=code,
        schedule=_schedule(row, m.pp, vpp), cp_comm=_exchange(row), dispatcher=dispatch, cuda_graph=graph,
    )  # fmt: skip
    said = (said_vpp, said_ep, said_shard, said_recompute, said_precision, said_sequence, said_graph, said_dispatch)
    return found, tuple(text for part in said for text in part)


def _experts(row: Row, arch: ModelArch, m: Mesh) -> tuple[int, int, tuple[str, ...]]:
    """(ep, etp, what was assumed); experts live inside tp x cp x dp."""
    if not arch.is_moe:
        return 1, 1, ()
    ep, etp = row.whole("ep"), row.whole("etp") or 1
    if arch.n_experts % (ep or 1):
        raise Skip(f"{arch.n_experts} experts do not divide over ep {ep}")
    room = m.tp * m.cp * m.dp
    if room % ((ep or 1) * etp):
        raise Skip(f"ep {ep or 1} x etp {etp} does not divide tp x cp x dp = {room}")
    return ep or 1, etp, () if ep else ("ep = 1",)


def _schedule(row: Row, pp: int, vpp: int) -> int:
    if pp > 1 and re.search(r"zero.?bubble|dualpipe|zb-?h?[12v]", row.lower("notes") + row.lower("overlap_flags")):
        return Schedule.ZERO_BUBBLE
    return Schedule.INTERLEAVED if vpp > 1 and pp > 1 else Schedule.ONE_F_ONE_B


def _exchange(row: Row) -> int:
    text = row.lower("notes") + " " + row.lower("overlap_flags")
    if re.search(r"cp by all-to-all|ulysses|cp_comm=a2a", text):
        return ContextComm.ALL_TO_ALL
    return ContextComm.ALL_GATHER if re.search(r"cp by all-gather|cp_comm=all_?gather", text) else ContextComm.RING
