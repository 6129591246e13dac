"""The batch script's fixed text: what Slurm is asked for, what every job does, and how each recipe is told the rest."""

from __future__ import annotations

from collections.abc import Mapping

HEAD = """\
#!/bin/bash
# Made by fmctl: fmctl render {plan}. What a user may change is in {environment}; further arguments are passed on.
#SBATCH --job-name={plan}
#SBATCH --partition={queue}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --exclusive
#SBATCH --mem=0
{segment}#SBATCH --time={time}
#SBATCH --signal=B:USR1@{margin}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
"""
BODY = """\
environment=${JOB_ENVIRONMENT:-${SLURM_SUBMIT_DIR:-.}/job.env}
set -a
# shellcheck source=/dev/null
source "$environment"
set +a
: "${JOB_CHECKPOINTS:?a folder on the file system, in job.env}" "${JOB_ENTRY:?the training script, in job.env}"
here=$(cd -- "$(dirname -- "$environment")" && pwd)
log=${JOB_LOG:-${SLURM_SUBMIT_DIR:-.}/$SLURM_JOB_NAME-$SLURM_JOB_ID.out}
step=()
if [ -n "${JOB_IMAGE:-}" ]; then
  # Enroot and Pyxis: a squashfs file, or registry#repository:tag.
  step+=(--container-image="$JOB_IMAGE" --container-mounts="${JOB_MOUNTS:+$JOB_MOUNTS,}$here:$here")
  if [ -n "${JOB_FOLDER:-}" ]; then step+=(--container-workdir="$JOB_FOLDER"); fi
else
  if [ -n "${JOB_VENV:-}" ]; then
    # shellcheck source=/dev/null
    source "$JOB_VENV/bin/activate"
  fi
  cd "${JOB_FOLDER:-.}"
fi
mkdir -p -- "$JOB_CHECKPOINTS"
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR=${hosts[0]} MASTER_PORT=${MASTER_PORT:-29500}
"""
LAUNCH = """\
if [ "${JOB_HEALTH:-1}" != 0 ]; then check_health; fi
record_start
# The node's own shell stands between Slurm and torchrun: a signal that asks for a save goes to the training processes,
# which torchrun would kill half a minute later. The variables inside the quotes belong to each node.
# shellcheck disable=SC2016
srun "${step[@]}" --cpus-per-task="$SLURM_CPUS_ON_NODE" --cpu-bind=none --kill-on-bad-exit=1 bash -c '
  trap "pkill -TERM -P \\"\\$child\\"" USR1
  if [ "$SLURM_NODEID" = 0 ]; then timeout 60 python3 -c "$record_packages" 2>/dev/null & fi
  torchrun --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node="$JOB_GPUS_PER_NODE" --node-rank="$SLURM_NODEID" \\
    --master-addr="$MASTER_ADDR" --master-port="$MASTER_PORT" "$@" &
  child=$! code=0
  wait "$child" || code=$?
  while [ "$code" = 138 ]; do code=0; wait "$child" || code=$?; done
  exit "$code"' torchrun "${entry[@]}" "${arguments[@]}" "$@" &
training=$! began=$SECONDS code=0
if [ "${JOB_HANG_MINUTES:-0}" -gt 0 ]; then
  watch_log "$log" &
  helpers+=($!)
fi
wait "$training" || code=$?
while [ "$code" = 138 ]; do code=0; wait "$training" || code=$?; done
record end "$code"
if [ "$code" = 0 ]; then exit 0; fi
# A run that breaks in its first minutes is a mistake, not a fault: it does not come back.
if [ "$ending" = 0 ] && [ $((SECONDS - began)) -ge "${JOB_RETRY_AFTER_S:-600}" ]; then
  again "training ended with code $code" || true
fi
exit "$code"
"""
_FOUND = """\
newest=$(newest_checkpoint "$JOB_CHECKPOINTS")
say "${newest:+going on from step }${newest:-starting from the beginning}"
"""
_MEGATRON_DATA = """\
if [ -n "${JOB_DATA:-}" ]; then
  arguments+=(--data-path "$JOB_DATA")
  arguments+=(--tokenizer-type HuggingFaceTokenizer --tokenizer-model "${JOB_TOKENIZER:?a name or folder, in job.env}")
else
  arguments+=(--mock-data --tokenizer-type NullTokenizer --vocab-size "$JOB_VOCABULARY")
fi
arguments+=(--save "$JOB_CHECKPOINTS" --lr "$JOB_LEARNING_RATE")
"""
_MEGATRON = """\
if [ -n "$newest" ]; then arguments+=(--load "$JOB_CHECKPOINTS" --ckpt-step "$newest"); fi
"""
_BRIDGE = """\
arguments=(--recipe "${JOB_RECIPE:?the name of a recipe, in job.env}" "${arguments[@]}")
arguments+=("checkpoint.save=$JOB_CHECKPOINTS")
if [ -n "$newest" ]; then arguments+=("checkpoint.load=$JOB_CHECKPOINTS" "checkpoint.ckpt_step=$newest"); fi
"""
_TITAN = """\
arguments+=(--job.config_file "${JOB_CONFIG:?the torchtitan TOML file, in job.env}")
arguments+=(--checkpoint.enable --checkpoint.folder "$JOB_CHECKPOINTS" --job.dump_folder "$JOB_CHECKPOINTS")
if [ -n "$newest" ]; then arguments+=(--checkpoint.load_step "$newest"); fi
"""
# nanotron takes nothing but its file: what only the job knows replaces the nulls of it.
_NANOTRON = """\
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
_DEEPSPEED = """\
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
# What each recipe is told when the job starts: where it saves, what it goes on from, what only the user knows.
TELL: Mapping[str, str] = {
    "megatron-lm": _FOUND + _MEGATRON_DATA + _MEGATRON,
    "megatron-bridge": _FOUND + _BRIDGE,
    "torchtitan": _FOUND + _TITAN,
    "nanotron": _FOUND + _NANOTRON,
    "megatron-deepspeed": _FOUND + _DEEPSPEED,
}
