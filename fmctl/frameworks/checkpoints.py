"""Shell functions that find the newest complete checkpoint, by a recipe's own marker.

Each prints the step to go on from, or nothing. A folder whose save was cut short is passed over, and so is one that is
newer than the file by which the framework says that a save is complete.
"""

from __future__ import annotations

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


def newest_checkpoint(prefix: str, complete: str, listed: str = "", strip: str = "") -> str:
    """The function `newest_checkpoint FOLDER`.

    Args:
        prefix: of the folders of saves, before the step.
        complete: shell condition that holds where the folder `$at` is a whole save.
        listed: the file that names the newest complete save; "" where there is none.
        strip: what stands before the step in that file.
    """
    latest = _LISTED.format(file=listed, strip=strip) if listed else _UNLISTED
    return _FUNCTION.format(prefix=prefix, complete=complete, latest=latest)


# Said by every job that looks for one.
FOUND = """\
newest=$(newest_checkpoint "$JOB_CHECKPOINTS")
say "${newest:+going on from step }${newest:-starting from the beginning}"
"""
