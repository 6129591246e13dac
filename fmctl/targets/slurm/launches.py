"""The batch script's fixed text: what Slurm is asked for, and what every job does."""

from __future__ import annotations

HEAD = """\
#!/bin/bash
# Made by fmctl: fmctl render {plan}. What a user may change is in {environment}; further arguments are passed on.
#SBATCH --job-name={plan}
#SBATCH --partition={queue}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
{gpus}#SBATCH --exclusive
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
