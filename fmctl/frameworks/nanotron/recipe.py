"""A layout as nanotron's YAML configuration, and back.

Source: nanotron's configuration classes (ParallelismArgs, TokensArgs, OptimizerArgs, CheckpointsArgs) and examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.parse import NotParsed, from_yaml
from fmctl.base.read import Fields
from fmctl.domain.layout import ContextComm, Layout, Precision, Recompute, Sharding
from fmctl.domain.model import FeedForward, Mixer, ModelArch
from fmctl.domain.program import JobFiles, Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.recipe import Recipe, unsaid_warning, user_variables
from fmctl.frameworks.words import Words, no_chunks, no_graphs, one_of, plain_dispatch, unreadable, whole

FILE = "nanotron.yaml"
_LARGEST = 100_000
_MODES = {"REDUCE_SCATTER": 1, "ALL_REDUCE": 0}
_WARMUP_SHARE = 0.01  # assumed: a hundredth of the run, as in most published recipes; the user's to change

# nanotron takes nothing but its file: what only the job knows replaces the nulls of it.
_START = """\
case $JOB_CHECKPOINTS$JOB_TOKENIZER$JOB_DATA$JOB_LEARNING_RATE in
  *[\\"\\\\]*) say "quotes and backslashes cannot stand in job.env's paths"; exit 1 ;;
esac
export JOB_RESUME=${newest:+$JOB_CHECKPOINTS/$newest}
awk '
  function text(name) { return ENVIRON[name] == "" ? "null" : "\\"" ENVIRON[name] "\\"" }
  /^ *checkpoints_path: null$/ { sub(/null$/, ""); print $0 text("JOB_CHECKPOINTS"); next }
  /^ *resume_checkpoint_path: null$/ { sub(/null$/, ""); print $0 text("JOB_RESUME"); next }
  /^ *tokenizer_name_or_path: null$/ { sub(/null$/, ""); print $0 text("JOB_TOKENIZER"); next }
  /^ *learning_rate: null$/ { sub(/null$/, ""); print $0 ENVIRON["JOB_LEARNING_RATE"] + 0; next }
  /^ *dataset: null$/ && ENVIRON["JOB_DATA"] != "" {
    sub(/null$/, ""); print $0 "{dataset_folder: " text("JOB_DATA") "}"; next
  }
  { print }' "$here/nanotron.yaml" >"$JOB_CHECKPOINTS/nanotron-$SLURM_JOB_ID.yaml"
arguments+=(--config-file "$JOB_CHECKPOINTS/nanotron-$SLURM_JOB_ID.yaml")
"""


def refusals(run: Run, arch: ModelArch | None) -> Iterator[str]:
    """Why nanotron cannot be told this layout; nothing where it can."""
    layout = run.layout
    yield from no_chunks("nanotron", layout)
    yield from no_graphs("nanotron", layout)
    yield from plain_dispatch("nanotron", layout)
    if layout.recompute == Recompute.SELECTIVE or layout.recompute_layers:
        yield "nanotron recomputes all layers whole or none"
    if layout.sharding > Sharding.ZERO1 or layout.dp_replicate > 1:
        yield "nanotron shards optimizer states over all data ranks (ZeRO-1) or nothing"
    if layout.precision != Precision.BF16:
        yield f"nanotron has no recipe for {Precision(layout.precision).label}"
    if layout.cp > 1 and layout.cp_comm != ContextComm.RING:
        yield "nanotron passes keys and values on in a ring alone"


def write(run: Run, arch: ModelArch | None) -> Words:
    """The configuration; what only the user knows (data, tokenizer, where it resumes) is null until the job starts."""
    import yaml

    return Words(files={FILE: str(yaml.safe_dump(configuration(run, arch), sort_keys=False, width=100_000))})


def configuration(run: Run, arch: ModelArch | None) -> Fields:
    """The configuration as a mapping."""
    layout = run.layout
    model = {} if arch is None else dict(_model(arch, layout))
    return {
        "checkpoints": {
            "checkpoint_interval": run.save_every, "checkpoints_path": None,
            "checkpoints_path_is_shared_file_system": True, "resume_checkpoint_path": None,
            "save_initial_state": False, "save_final_state": True,
        },
        "data_stages": [{
            "name": "training", "start_training_step": 1,
            "data": {"dataset": None, "num_loading_workers": 1, "seed": 42},
        }],
        "general": {"project": run.model, "run": run.model, "seed": 42},
        "logging": {"iteration_step_info_interval": 10, "log_level": "info", "log_level_replica": "warning"},
        "model": {"ddp_bucket_cap_mb": 25, "dtype": "bfloat16", "init_method": {"std": 0.02}, "model_config": model},
        "optimizer": _optimizer(run),
        "parallelism": dict(_parallelism(layout, arch)),
        "tokenizer": {"tokenizer_name_or_path": None},
        "tokens": {
            "batch_accumulation_per_replica": run.micro_batches, "micro_batch_size": layout.micro_batch,
            "sequence_length": run.seq_len, "train_steps": run.steps, "limit_val_batches": 0, "val_check_interval": -1,
        },
    }  # fmt: skip


def read(words: Words, gpus: int, arch: ModelArch | None = None) -> Layout:
    """The layout of a run on so many GPUs, from its configuration. Raises UnreadableFile."""
    found = _parsed(words)
    spread, tokens = _section(found, "parallelism"), _section(found, "tokens")
    tp, pp, dp = (whole(f"parallelism.{name}", spread.get(name)) for name in ("tp", "pp", "dp"))
    cp, ep, etp = (
        whole(f"parallelism.{name}_size", spread.get(f"{name}_size", 1))
        for name in ("context_parallel", "expert_parallel", "expert_tensor_parallel")
    )
    if tp * pp * cp * dp != gpus:
        raise UnreadableFile(f"{gpus} GPUs cannot be this run's", why=f"its degrees make {tp * pp * cp * dp}")
    if spread.get("pp_engine", "1f1b") != "1f1b":
        raise unreadable("parallelism.pp_engine", spread["pp_engine"])
    mode = one_of("parallelism.tp_mode", str(spread.get("tp_mode", "ALL_REDUCE")).upper(), _MODES)
    return Layout(
        tp=tp, pp=pp, cp=cp, ep=ep, etp=etp, dp=dp,
        micro_batch=whole("tokens.micro_batch_size", tokens.get("micro_batch_size")),
        sequence_parallel=mode if tp > 1 else 0,
        sharding=whole("optimizer.zero_stage", _section(found, "optimizer").get("zero_stage", 0), 0),
        recompute=Recompute.FULL if spread.get("recompute_layer") is True else Recompute.NONE,
    )  # fmt: skip


def _parallelism(layout: Layout, arch: ModelArch | None) -> Iterator[tuple[str, object]]:
    sequence = bool(layout.sequence_parallel and layout.tp > 1)
    yield from (("dp", layout.dp), ("tp", layout.tp), ("pp", layout.pp), ("pp_engine", "1f1b"))
    yield from (("context_parallel_size", layout.cp), ("expert_parallel_size", layout.ep))
    if layout.ep > 1 or (arch is not None and arch.is_moe):
        yield from (("expert_tensor_parallel_size", layout.etp), ("enabled_moe", True))
        yield "expert_data_parallel_size", layout.tp * layout.cp * layout.dp // (layout.ep * layout.etp)
    yield "tp_mode", "REDUCE_SCATTER" if sequence else "ALL_REDUCE"
    yield from (("tp_linear_async_communication", sequence), ("recompute_layer", layout.recompute == Recompute.FULL))


def _optimizer(run: Run) -> Fields:
    warmup = max(1, round(run.steps * _WARMUP_SHARE))
    return {
        "accumulate_grad_in_fp32": True, "clip_grad": 1.0, "weight_decay": 0.1, "zero_stage": int(run.layout.sharding),
        "learning_rate_scheduler": {
            "learning_rate": None, "lr_warmup_steps": warmup, "lr_warmup_style": "linear", "lr_decay_style": "cosine",
            "lr_decay_steps": max(1, run.steps - warmup), "min_decay_lr": 0.0,
        },
        "optimizer_factory": {
            "name": "adamW", "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_eps": 1e-8, "torch_adam_is_fused": True,
        },
    }  # fmt: skip


def unsaid(arch: ModelArch) -> list[str]:
    """What of the architecture the configuration does not say."""
    mixers, feeds = _mixers(arch), _feeds(arch)
    found = ["layers of several kinds"] if len(arch.kinds) > 1 else []
    found += ["attention"] if any(mixer.type != "attention" or mixer.window for mixer in mixers) else []
    found += ["layer norms"] if arch.norm != "rmsnorm" or arch.norms_per_block != 1 else []
    found += ["feed-forward"] if not all(feed.gated for feed in feeds) else []
    return found + (["positions"] if arch.learned_positions else [])


def _model(arch: ModelArch, layout: Layout) -> Iterator[tuple[str, object]]:
    """The fields of its Llama-like model; experts and ring attention stand in its Qwen model."""
    mixers, feeds = _mixers(arch), _feeds(arch)
    qwen = arch.is_moe or layout.cp > 1
    yield "is_qwen2_config" if qwen else "is_llama_config", True
    yield from (("hidden_size", arch.hidden), ("num_hidden_layers", arch.n_layers), ("vocab_size", arch.vocab))
    yield from (("max_position_embeddings", arch.max_seq), ("tie_word_embeddings", arch.tied_embeddings))
    yield from (("hidden_act", "silu"), ("intermediate_size", max((feed.ffn for feed in feeds), default=0)))
    if mixers:
        yield from (("num_attention_heads", mixers[0].n_heads), ("num_key_value_heads", mixers[0].n_kv_heads))
    if qwen:
        yield from (("attention_bias", arch.bias != "none"), ("use_qk_norm", arch.qk_norm))
        yield "_attn_implementation", "ring_flash_triton" if layout.cp > 1 else "flash_attention_2"
    routed = next((feed for feed in feeds if feed.n_experts), None)
    if routed is not None:
        yield "moe_config", {
            "num_experts": routed.n_experts, "top_k": routed.top_k, "moe_intermediate_size": routed.expert_ffn,
            "enable_shared_expert": routed.shared_ffn > 0, "shared_expert_intermediate_size": routed.shared_ffn,
            "token_dispatcher_type": "alltoall",
        }  # fmt: skip


def _mixers(arch: ModelArch) -> list[Mixer]:
    return [kind.mixer for kind in arch.kinds if kind.mixer is not None]


def _feeds(arch: ModelArch) -> list[FeedForward]:
    return [kind.feed_forward for kind in arch.kinds if kind.feed_forward is not None]


def _parsed(words: Words) -> Fields:
    text = next(iter(words.files.values()), "")
    try:
        found = from_yaml(text) if len(text) <= _LARGEST else None
    except NotParsed as error:
        raise UnreadableFile("the configuration is not YAML", why=shorten(str(error), 160)) from None
    if not isinstance(found, Mapping):
        raise UnreadableFile("the configuration is not nanotron's", why="it is no mapping, or too large")
    return found


def _section(found: Fields, name: str) -> Fields:
    section = found.get(name)
    if not isinstance(section, Mapping):
        raise UnreadableFile("the configuration is not nanotron's", why=f"it has no {name}")
    return section


def _one_queue(run: Run) -> bool:
    # Its tensor-parallel layers start communication before the product that hides it, which one queue keeps in order.
    return run.layout.tp > 1


def _warnings(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    return unsaid_warning(run, arch, files.script, unsaid)


RECIPE = Recipe(
    "nanotron",
    write,
    read,
    user_variables,
    profiles=("nanotron",),
    refusals=refusals,
    warnings=_warnings,
    one_queue=_one_queue,
    entry="run_train.py",
    start=FOUND + _START,
    newest=newest_checkpoint("", '[ -s "$at/checkpoint_metadata.json" ]', "latest.txt"),
    packages=("nanotron",),
)
