"""Shell functions that find the newest complete checkpoint, by each recipe's own marker.

Each prints the step to go on from, or nothing. A folder whose save was cut short is passed over, and so is one that is
newer than the file by which the framework says that a save is complete.
"""

from __future__ import annotations

from collections.abc import Mapping

_FUNCTION = """\
# The newest complete checkpoint in a folder, as a step; nothing where there is none. Saves cut short are passed over.
newest_checkpoint() {{
  local latest at step newest=
  {latest}
  for at in "$1"/{prefix}*/; do
    step=${{at%/}} step=${{step##*/{prefix}}}
    if ! [[ $step =~ ^[0-9]{{1,15}}$ ]] || ! {{ {complete}; }}; then continue; fi
    step=$((10#$step))
    if ((step <= 10#$latest)) && {{ [ -z "$newest" ] || ((step > newest)); }}; then newest=$step; fi
  done
  printf %s "$newest"
}}
"""
_LISTED = """\
latest=$(tr -d '[:space:]' 2>/dev/null <"$1/{file}" || true)
  latest=${{latest#{strip}}}
  [[ $latest =~ ^[0-9]{{1,15}}$ ]] || return 0"""
_UNLISTED = "latest=999999999999999"


def _function(prefix: str, complete: str, latest: str) -> str:
    return _FUNCTION.format(prefix=prefix, complete=complete, latest=latest)


NEWEST: Mapping[str, str] = {
    "megatron-lm": _function(
        "iter_", '[ -s "$at/.metadata" ]', _LISTED.format(file="latest_checkpointed_iteration.txt", strip="")
    ),
    # Its list of saves is a PyTorch file, which a shell does not read: a save is complete with both of these.
    "megatron-bridge": _function("iter_", '[ -s "$at/.metadata" ] && [ -s "$at/train_state.pt" ]', _UNLISTED),
    "torchtitan": _function("step-", '[ -s "$at/.metadata" ]', _UNLISTED),
    "nanotron": _function(
        "", '[ -s "$at/checkpoint_metadata.json" ]', _LISTED.format(file="latest.txt", strip="")
    ),
    "megatron-deepspeed": _function(
        "global_step", 'compgen -G "$at/*model_states.pt" >/dev/null',
        _LISTED.format(file="latest", strip="global_step"),
    ),
}  # fmt: skip
