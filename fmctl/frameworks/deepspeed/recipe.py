"""A layout as DeepSpeed's JSON configuration with the arguments of Megatron-DeepSpeed's pretrain_gpt.py, and back.

Source: DeepSpeed's configuration reference and tutorials (ZeRO, Ulysses, mixture of experts); arguments of
deepspeedai/Megatron-DeepSpeed. Degrees stand in the arguments, what is sharded and the batch in the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import Fields
from fmctl.domain.layout import ContextComm, Layout, Precision, Recompute, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.program import LOG_EVERY, JobFiles, Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.megatron.model import unsaid
from fmctl.frameworks.recipe import Recipe, unsaid_warning, user_variables
from fmctl.frameworks.words import (
    Words,
    flags,
    no_chunks,
    no_graphs,
    one_of,
    plain_dispatch,
    ranks_left,
    unreadable,
    whole,
)

FILE = "deepspeed.json"
NAME = "Megatron-DeepSpeed"

_START = """\
if [ -n "${JOB_DATA:-}" ]; then
  arguments+=(--data-path "$JOB_DATA")
  arguments+=(--tokenizer-type HFTokenizer --tokenizer-model "${JOB_TOKENIZER:?a name or folder, in job.env}")
else
  say "Megatron-DeepSpeed has no mock data: set JOB_DATA and JOB_TOKENIZER in job.env"
  exit 1
fi
arguments+=(--deepspeed --deepspeed_config "$here/deepspeed.json" --save "$JOB_CHECKPOINTS" --lr "$JOB_LEARNING_RATE")
if [ -n "$newest" ]; then arguments+=(--load "$JOB_CHECKPOINTS" --load-tag "global_step$newest"); fi
"""


def refusals(run: Run, arch: ModelArch | None) -> Iterator[str]:
    """Why DeepSpeed cannot be told this layout; nothing where it can."""
    layout = run.layout
    experts = layout.ep > 1 or (arch is not None and arch.is_moe)
    yield from no_chunks(NAME, layout)
    yield from no_graphs(NAME, layout)
    yield from plain_dispatch(NAME, layout)
    if layout.recompute == Recompute.SELECTIVE:
        yield f"{NAME} recomputes attention alone or whole layers, not norms"
    if layout.recompute_layers and layout.pp > 1:
        yield f"{NAME} recomputes all layers of a pipeline stage or none"
    if layout.precision != Precision.BF16:
        yield f"{NAME} has no recipe for {Precision(layout.precision).label}"
    if layout.dp_replicate > 1:
        yield f"{NAME} shards over all data ranks: no replicas"
    if layout.sharding > Sharding.ZERO1 and layout.pp > 1:
        yield f"{NAME} does not combine ZeRO-2/3 with pipeline stages"
    if layout.cp > 1 and layout.sequence_parallel:
        yield f"{NAME} has either Ulysses or Megatron's sequence parallelism"
    if layout.cp > 1 and layout.cp_comm != ContextComm.ALL_TO_ALL:
        yield f"{NAME} has Ulysses (all-to-all) alone"
    if layout.cp > 1 and layout.pp > 1:
        yield f"{NAME} has no Ulysses beside pipeline stages"
    if experts:
        yield from _expert_refusals(layout)


def _expert_refusals(layout: Layout) -> Iterator[str]:
    if layout.etp > 1:
        yield f"{NAME} has no degree of tensor parallelism of its own for experts"
    if layout.sharding == Sharding.ZERO3:
        yield f"{NAME} does not combine ZeRO-3 with experts"
    if layout.pp > 1:
        yield f"{NAME} has no experts beside pipeline stages"
    if layout.dp % layout.ep:
        yield f"{NAME} spreads experts over data ranks: {layout.ep} does not divide {layout.dp}"


def write(run: Run, arch: ModelArch | None) -> Words:
    """The arguments and the JSON."""
    return Words(tuple(_arguments(run)), {FILE: json.dumps(configuration(run), indent=2) + "\n"})


def configuration(run: Run) -> Fields:
    """DeepSpeed's configuration as a mapping."""
    layout = run.layout
    stage: dict[str, object] = {"stage": int(layout.sharding)}
    if layout.sharding:
        stage |= {"overlap_comm": True, "contiguous_gradients": True, "reduce_scatter": True}
    return {
        "train_batch_size": run.global_batch,
        "train_micro_batch_size_per_gpu": layout.micro_batch,
        "gradient_accumulation_steps": run.micro_batches,
        "gradient_clipping": 1.0,
        "bf16": {"enabled": True},
        "zero_optimization": stage,
        "steps_per_print": 10,
        "wall_clock_breakdown": False,
    }


def read(words: Words, gpus: int, arch: ModelArch | None = None) -> Layout:
    """The layout of a run on so many GPUs, from arguments and JSON. Raises UnreadableFile."""
    found, config = flags(words.arguments), _parsed(words)
    tp, pp = (_count(found, f"{name}-model-parallel-size") for name in ("tensor", "pipeline"))
    cp, ep = _count(found, "ds-sequence-parallel-size"), _count(found, "moe-expert-parallel-size")
    stage = whole("zero_optimization.stage", _part(config, "zero_optimization").get("stage", 0), 0)
    said = found.get("zero-stage", (str(stage),))
    if said != (str(stage),):
        raise UnreadableFile("--zero-stage and the configuration differ", why=f"{shorten(' '.join(said))} and {stage}")
    recompute, layers = _recomputed(found)
    return Layout(
        tp=tp, pp=pp, cp=cp, ep=ep, dp=ranks_left(gpus, tp * pp * cp),
        micro_batch=whole("train_micro_batch_size_per_gpu", config.get("train_micro_batch_size_per_gpu")),
        sequence_parallel=int("sequence-parallel" in found),
        sharding=one_of("stage", stage, {int(s): s for s in Sharding}),
        recompute=recompute, recompute_layers=layers, cp_comm=ContextComm.ALL_TO_ALL,
    )  # fmt: skip


def model_arguments(arch: ModelArch, run: Run) -> Iterator[str]:
    """What the model is, as far as its pretrain_gpt.py has words for it; `megatron.model.unsaid` names the rest."""
    mixer = next((kind.mixer for kind in arch.kinds if kind.mixer is not None), None)
    feeds = [kind.feed_forward for kind in arch.kinds if kind.feed_forward is not None]
    yield from ("--num-layers", str(arch.n_layers), "--hidden-size", str(arch.hidden))
    yield from ("--max-position-embeddings", str(max(arch.max_seq, run.seq_len)))
    if mixer is not None:
        yield from ("--num-attention-heads", str(mixer.n_heads))
        yield from (
            ("--num-key-value-heads", str(mixer.n_kv_heads)) if mixer.n_kv_heads not in (0, mixer.n_heads) else ()
        )
    yield from () if arch.learned_positions else ("--use-rotary-position-embeddings", "--no-position-embedding")
    yield from ("--normalization", "rmsnorm" if arch.norm == "rmsnorm" else "layernorm")
    yield from (() if arch.tied_embeddings else ("--untie-embeddings-and-output-weights",))
    yield from () if arch.bias == "all" else ("--disable-bias-linear",)
    yield from ("--swiglu",) if feeds and feeds[0].gated else ()
    widest = max((feed.ffn or feed.expert_ffn for feed in feeds), default=0)
    yield from ("--ffn-hidden-size", str(widest)) if widest else ()
    routed = next((feed for feed in feeds if feed.n_experts), None)
    yield from ("--num-experts", str(routed.n_experts), "--topk", str(routed.top_k)) if routed else ()
    yield from ("--use-flash-attn-v2", "--no-query-key-layer-scaling")


def _arguments(run: Run) -> Iterator[str]:
    layout = run.layout
    yield from ("--tensor-model-parallel-size", str(layout.tp), "--pipeline-model-parallel-size", str(layout.pp))
    yield from ("--no-pipeline-parallel",) if layout.pp == 1 else ()
    yield from ("--ds-sequence-parallel-size", str(layout.cp)) if layout.cp > 1 else ()
    yield from ("--sequence-parallel",) if layout.sequence_parallel and layout.tp > 1 else ()
    yield from ("--moe-expert-parallel-size", str(layout.ep)) if layout.ep > 1 else ()
    yield from ("--micro-batch-size", str(layout.micro_batch), "--global-batch-size", str(run.global_batch))
    yield from ("--seq-length", str(run.seq_len), "--bf16", "--zero-stage", str(int(layout.sharding)))
    if layout.recompute == Recompute.FULL:
        method = "block" if layout.recompute_layers else "uniform"
        yield from ("--deepspeed-activation-checkpointing", "--recompute-granularity", "full")
        yield from ("--recompute-method", method, "--recompute-num-layers", str(layout.recompute_layers or 1))


def _count(found: Mapping[str, tuple[str, ...]], name: str) -> int:
    return whole(f"--{name}", (found.get(name) or ("1",))[0])


def _recomputed(found: Mapping[str, tuple[str, ...]]) -> tuple[int, int]:
    granularity = (found.get("recompute-granularity") or ("none",))[0]
    if granularity not in ("none", "full"):
        raise unreadable("--recompute-granularity", granularity)
    if granularity == "none":
        return Recompute.NONE, 0
    block = found.get("recompute-method") == ("block",)
    return Recompute.FULL, _count(found, "recompute-num-layers") if block else 0


def _parsed(words: Words) -> Fields:
    try:
        found = from_json(next(iter(words.files.values()), ""))
    except NotParsed as error:
        raise UnreadableFile("the configuration is not JSON", why=shorten(str(error))) from None
    if not isinstance(found, dict):
        raise UnreadableFile("the configuration is not DeepSpeed's", why="it is no mapping")
    return found


def _part(found: Fields, name: str) -> Fields:
    part = found.get(name, {})
    if not isinstance(part, dict):
        raise UnreadableFile("the configuration is not DeepSpeed's", why=f"{name} is no mapping")
    return part


def _schedule(run: Run, leave_min: int) -> tuple[str, ...]:
    return (
        "--train-iters", str(run.steps), "--save-interval", str(run.save_every), "--exit-signal-handler",
        "--exit-duration-in-mins", str(leave_min), "--log-interval", str(LOG_EVERY),
        "--distributed-timeout-minutes", "30",
    )  # fmt: skip


def _one_queue(run: Run) -> bool:
    # Its tensor-parallel layers start communication before the product that hides it, which one queue keeps in order.
    return run.layout.tp > 1


def _warnings(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    return unsaid_warning(run, arch, files.script, unsaid)


RECIPE = Recipe(
    "megatron-deepspeed",
    write,
    read,
    user_variables,
    profiles=("deepspeed",),
    refusals=refusals,
    model=model_arguments,
    schedule=_schedule,
    warnings=_warnings,
    one_queue=_one_queue,
    entry="pretrain_gpt.py",
    saves=True,
    start=FOUND + _START,
    newest=newest_checkpoint(
        "global_step", 'compgen -G "$at/*model_states.pt" >/dev/null', "latest", strip="global_step"
    ),
    packages=("deepspeed",),
)
