"""Shell functions that keep a job honest: nodes are checked before the first step, hangs and ends are seen in time.

Variables are those of the job's environment (`targets.slurm.environment`). Only the job's own nodes are touched; a node
that fails is drained with a reason, and the job goes back to the queue at most JOB_MOST_RESTARTS times.
"""

from __future__ import annotations

AGAIN = """\
say() { printf 'fmctl: %s: %s\\n' "$(date -u +%FT%TZ)" "$*"; }
# Back to the queue, for a reason; not for ever.
again() {
  say "$1"
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "${JOB_MOST_RESTARTS:-10}" ]; then
    say "restarted ${SLURM_RESTART_COUNT:-0} times: stopping"
    scancel "$SLURM_JOB_ID"
  else
    scontrol requeue "$SLURM_JOB_ID"
  fi
  return 1
}
drain() {
  say "draining $1: $2"
  scontrol update NodeName="$1" State=DRAIN Reason="fmctl: $2" 2>/dev/null ||
    sudo -n scontrol update NodeName="$1" State=DRAIN Reason="fmctl: $2" 2>/dev/null ||
    say "no right to drain $1: ask who administers the cluster"
}
"""
HEALTH = """\
# One line per node that lacks GPUs, NVLinks or EFA interfaces: its name and what it lacks.
# shellcheck disable=SC2016
lacking() {
  srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpu-bind=none bash -c '
    PATH=$PATH:/opt/amazon/efa/bin
    gpus=$(nvidia-smi -L 2>/dev/null | grep -c "^GPU " || true)
    if [ "$gpus" != "$JOB_GPUS_PER_NODE" ]; then echo "$SLURMD_NODENAME $gpus of $JOB_GPUS_PER_NODE GPUs"; exit; fi
    all=$(nvidia-smi nvlink -s 2>/dev/null | grep "Link [0-9]" || true) want=$((${JOB_NVLINKS_PER_GPU:-0} * gpus))
    links=$(grep -c "GB/s" <<<"$all" || true)
    if [ -n "$all" ] && [ "$want" -gt 0 ] && [ "$links" != "$want" ]; then
      echo "$SLURMD_NODENAME $links of $want NVLinks"
      exit
    fi
    if [ "${JOB_EFA_PER_NODE:-0}" -gt 0 ] && command -v fi_info >/dev/null; then
      efa=$(fi_info -p efa 2>/dev/null | sed -n "s/^ *domain: *//p" | sed "s/-[a-z]*$//" | sort -u | grep -c . || true)
      [ "$efa" = "$JOB_EFA_PER_NODE" ] || echo "$SLURMD_NODENAME $efa of $JOB_EFA_PER_NODE EFA interfaces"
    fi' check
}
# Bus bandwidth of an all-reduce over some nodes, GB/s; nothing where it could not be measured.
bus_gb_per_s() {
  timeout 300 srun --nodes="$2" --nodelist="$1" --ntasks-per-node="$JOB_GPUS_PER_NODE" \\
    --gpus-per-node="$JOB_GPUS_PER_NODE" --mpi=pmix --cpu-bind=none \\
    "$all_reduce" -b 1G -e 1G -w 5 -n 20 -g 1 2>/dev/null |
    sed -n 's/^# Avg bus bandwidth *: *\\([0-9.]*\\).*/\\1/p' || true
}
# Whether a measured rate is below what the plan's model expects, tolerance included.
too_slow() { awk -v got="$1" -v want="$2" -v share="$JOB_BUS_SHARE" 'BEGIN { exit !(got < want * share) }'; }
# Nodes that are slow with both of their neighbours in the ring of nodes, and with a third: pairs that share no node.
slow_nodes() {
  local round i pair folder count=${#hosts[@]}
  local -a slow=() firsts=()
  folder=$(mktemp -d)
  for i in "${!hosts[@]}"; do slow[i]=0; done
  for round in 0 1 2; do
    firsts=()
    for ((i = 0; i < count; i++)); do
      # An odd ring needs a round of its own for its last pair.
      if ((i == count - 1 && count % 2)); then pair=2; else pair=$((i % 2)); fi
      if [ "$pair" = "$round" ]; then firsts+=("$i"); fi
    done
    for i in "${firsts[@]}"; do bus_gb_per_s "${hosts[i]},${hosts[(i + 1) % count]}" 2 >"$folder/$i" & done
    wait
    for i in "${firsts[@]}"; do
      pair=$(((i + 1) % count))
      if [ ! -s "$folder/$i" ] || ! too_slow "$(<"$folder/$i")" "$JOB_PAIR_GB_PER_S"; then continue; fi
      slow[i]=$((slow[i] + 1)) slow[pair]=$((slow[pair] + 1))
    done
  done
  confirmed_slow
  rm -r -- "$folder"
}
# A node between two slow ones looks slow too: suspects are measured again, each beside a node that is above suspicion.
# Where there is none, and most are suspects, no node is to blame.
# shellcheck disable=SC2154
confirmed_slow() {
  local k
  local -a good=() suspects=()
  for i in "${!hosts[@]}"; do
    if [ "${slow[i]}" -ge 2 ]; then suspects+=("$i"); elif [ "${slow[i]}" = 0 ]; then good+=("$i"); fi
  done
  if [ "${#good[@]}" = 0 ] && [ $((2 * ${#suspects[@]})) -gt "$count" ]; then return 0; fi
  for ((i = 0; ${#good[@]} && i < ${#suspects[@]}; i += ${#good[@]})); do
    for ((k = 0; k < ${#good[@]} && i + k < ${#suspects[@]}; k++)); do
      bus_gb_per_s "${hosts[suspects[i + k]]},${hosts[good[k]]}" 2 >"$folder/again-${suspects[i + k]}" &
    done
    wait
  done
  for i in "${suspects[@]}"; do
    if [ -s "$folder/again-$i" ] && ! too_slow "$(<"$folder/again-$i")" "$JOB_PAIR_GB_PER_S"; then continue; fi
    echo "${hosts[i]}"
  done
}
# Before the first step: every node has what its type has, and the network carries what the plan counts on.
check_health() {
  local line node got found
  found=$(lacking || echo "unknown check failed")
  # What all nodes lack is the image's or the check's own fault: draining every one of them would help nobody.
  if [ "${#hosts[@]}" -gt 1 ] && [ "$(grep -c . <<<"$found")" -eq "${#hosts[@]}" ]; then
    say "no node is fit, so that none is drained: ${found//$'\\n'/; }"
    return 1
  fi
  if [ -n "$found" ]; then
    while read -r node line; do [ "$node" = unknown ] || drain "$node" "$line"; done <<<"$found"
    again "nodes are not fit: ${found//$'\\n'/; }" || return 1
  fi
  all_reduce=${JOB_ALL_REDUCE:-$(command -v all_reduce_perf || true)}
  if [ -z "$all_reduce" ] || [ -z "${JOB_BUS_GB_PER_S:-}" ]; then return 0; fi
  got=$(bus_gb_per_s "$(IFS=,; echo "${hosts[*]}")" "${#hosts[@]}")
  if [ -z "$got" ]; then say "all_reduce_perf gave no figure: the network was not checked"; return 0; fi
  say "all-reduce of 1 GiB: $got GB/s, the plan counts on $JOB_BUS_GB_PER_S"
  too_slow "$got" "$JOB_BUS_GB_PER_S" || return 0
  found=
  if [ "${#hosts[@]}" -gt 2 ]; then found=$(slow_nodes); fi
  if [ -z "$found" ]; then say "slow, and no single node is to blame: going on"; return 0; fi
  while read -r node; do drain "$node" "slow all-reduce"; done <<<"$found"
  again "slow nodes: ${found//$'\\n'/ }"
}
"""
WATCH = """\
# What the processes of a run that stands still are doing, where py-spy is there to say; NCCL's flight recorder writes
# its own files when a collective times out.
# shellcheck disable=SC2016
look_inside() {
  local folder=$JOB_CHECKPOINTS/hang-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
  mkdir -p -- "$folder"
  timeout 120 srun --overlap --ntasks-per-node=1 --cpu-bind=none bash -c '
    command -v py-spy >/dev/null || exit 0
    for one in $(pgrep -P "$(pgrep -o torchrun)"); do
      py-spy dump --pid "$one" >"$1/$SLURMD_NODENAME-$one.txt" 2>&1 || true
    done' look "$folder" || true
  say "stacks, where py-spy was found: $folder; collectives: ${TORCH_NCCL_DEBUG_INFO_TEMP_FILE:-not recorded}"
}
# Back to the queue when the log has not grown for JOB_HANG_MINUTES; 0 switches it off.
watch_log() {
  local size=-1 now quiet=0
  while sleep "${JOB_HANG_TICK_S:-60}" >/dev/null 2>&1; do
    now=$(stat -c %s -- "$1" 2>/dev/null || echo 0)
    if [ "$now" = "$size" ]; then quiet=$((quiet + 1)); else quiet=0 size=$now; fi
    if [ "$quiet" -ge "$JOB_HANG_MINUTES" ]; then
      look_inside
      again "no new bytes in the log for $quiet minutes" || return 0
    fi
  done
}
"""
ENDING = """\
# Slurm's signal before the time limit, or our own before a Capacity Block goes: a last save, then the end.
ending=0
# shellcheck disable=SC2317,SC2329
ask_for_save() {
  ending=1
  if [ -n "$save_signal" ]; then
    say "the end is near: asking for a save"
    scancel --signal=USR1 "$SLURM_JOB_ID"
  else
    say "the end is near, and this framework cannot be asked to save: what counts is its newest checkpoint"
  fi
}
trap ask_for_save USR1
helpers=()
# shellcheck disable=SC2317,SC2329
stop_helpers() { if [ "${#helpers[@]}" -gt 0 ]; then kill "${helpers[@]}" 2>/dev/null || true; fi; }
trap stop_helpers EXIT
if [ -n "${JOB_USABLE_UNTIL:-}" ]; then
  until=$(date -u -d "$JOB_USABLE_UNTIL" +%s)
  left=$((until - $(date +%s) - JOB_SAVE_MARGIN_S))
  if [ "$left" -le 0 ]; then
    say "JOB_USABLE_UNTIL in job.env ($JOB_USABLE_UNTIL) leaves no time: set it to when the nodes go, or leave it empty"
    exit 1
  fi
  (sleep "$left" >/dev/null 2>&1 && kill -USR1 $$) &
  helpers+=($!)
fi
"""
