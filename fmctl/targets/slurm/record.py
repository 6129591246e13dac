"""Shell functions by which a job says in its log what it runs with: a `fmctl-record:` line per fact.

An auditor's questions have to be answered after the nodes are gone, so that what only they know is written down while
they are there: container and data by digest, code by commit, packages by version. Nothing here can end the job, and
what takes long goes on beside the training.
"""

from __future__ import annotations

from collections.abc import Iterable

# A digest of 20 GB from a file system takes half a minute; a listing of a million files a few.
_SLOW_S = 900

RECORD = f"""\
record() {{
  local value=${{2//[$'\\n\\r']/ }}
  printf 'fmctl-record: %s %s %s\\n' "$(date -u +%FT%TZ)" "$1" "${{value:0:500}}"
}}
# Which code: the commit of the folder, and a digest of what differs from it.
record_code() {{
  local rev changes
  rev=$(git -c safe.directory='*' -C "$1" rev-parse HEAD 2>/dev/null) || return 0
  record code "$rev"
  changes=$(git -c safe.directory='*' -C "$1" status --porcelain 2>/dev/null | head -c 1) || return 0
  if [ -n "$changes" ]; then
    record code_changes "sha256:$(git -c safe.directory='*' -C "$1" diff HEAD 2>/dev/null | sha256sum | cut -d' ' -f1)"
  fi
}}
# Which data: a list of digests where the user keeps one, else names and sizes of the files.
record_data() {{
  local listed
  if [ -f "${{JOB_MANIFEST:-}}" ]; then
    record data_manifest "sha256:$(sha256sum <"$JOB_MANIFEST" | cut -d' ' -f1) $JOB_MANIFEST"
  fi
  case ${{JOB_DATA:-}} in ""|-*) return 0 ;; esac
  record data "$JOB_DATA"
  listed=$(timeout {_SLOW_S} find -L "$JOB_DATA" "$JOB_DATA.bin" "$JOB_DATA.idx" -type f -printf '%s %p\\n' \\
    2>/dev/null | LC_ALL=C sort) || true
  [ -n "$listed" ] || return 0
  record data_files "sha256:$(sha256sum <<<"$listed" | cut -d' ' -f1) of $(wc -l <<<"$listed") names with sizes, $(
    awk '{{ bytes += $1 }} END {{ printf "%.0f", bytes }}' <<<"$listed") bytes"
}}
record_image() {{
  case $JOB_IMAGE in *@sha256:*) record image_digest "sha256:${{JOB_IMAGE##*@sha256:}}"; return 0 ;; esac
  [ -f "$JOB_IMAGE" ] || return 0
  record image_digest "sha256:$(timeout {_SLOW_S} sha256sum <"$JOB_IMAGE" | cut -d' ' -f1)"
}}
record_start() {{
  local driver
  record start "${{SLURM_RESTART_COUNT:-0}}"
  record nodes "$SLURM_JOB_NODELIST"
  record user "$(id -un 2>/dev/null || id -u)"
  record checkpoints "$JOB_CHECKPOINTS"
  if [ -n "${{newest:-}}" ]; then record from_step "$newest"; fi
  if [ -n "${{JOB_IMAGE:-}}" ]; then record image "$JOB_IMAGE"; fi
  driver=$(timeout 20 nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || true
  if [[ $driver =~ ^[0-9.]+$ ]]; then record driver "$driver"; fi
  driver=$(head -n 1 /opt/amazon/efa_installed_packages 2>/dev/null | grep -o '[0-9][0-9.]*') || true
  if [ -n "$driver" ]; then record efa_installer "$driver"; fi
  record_code "${{JOB_FOLDER:-.}}" || true
  (
    set +e
    if [ -n "${{JOB_IMAGE:-}}" ]; then record_image; fi
    record_data
  ) &
  helpers+=($!)
}}
"""

_PACKAGES = """\
record_packages='
import hashlib, importlib.metadata as found, time
every = sorted({f"{one.name}=={one.version}" for one in found.distributions() if one.name})
shown = SHOWN
head = time.strftime("fmctl-record: %Y-%m-%dT%H:%M:%SZ", time.gmtime())
ours = " ".join(one for one in every if one.lower().startswith(shown))[:500]
if ours: print(head, "packages", ours, flush=True)
print(head, "packages_digest", "sha256:" + hashlib.sha256("\\n".join(every).encode()).hexdigest(), flush=True)'
export record_packages
"""


def packages(of_recipes: Iterable[str]) -> str:
    """What the first node's Python is asked, inside its container: versions of packages by the beginnings of names."""
    shown = ", ".join(f'"{name}"' for name in ("torch", *of_recipes, "flash", "nvidia-nccl", "triton"))
    return _PACKAGES.replace("SHOWN", f"({shown})")
