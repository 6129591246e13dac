"""A command on a head node as a shell script for Session Manager, which runs scripts as root.

Root runs nothing of it but what gets it there: the command itself is the cluster's user's, with that user's own
environment, so that what sbatch takes along into a job is a user's too. What the command reads comes by commands that
fetch it, since AWS keeps the text of a script for 30 days.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from fmctl.base.errors import UsageError

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
_PATH = "/opt/slurm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_USER = 78  # EX_CONFIG


def check_user(user: str) -> str:
    """The name as it is. Raises UsageError for what names no user, and for root."""
    if user == "root" or not _USER.fullmatch(user):
        raise UsageError(
            f"job_user {user!r} cannot be used",
            why="jobs run as a user of the head node, and not as root",
            next='job_user = "ubuntu", or none: the user of the image',
        )
    return user


@dataclass(frozen=True, slots=True)
class JobUser:
    """Whose jobs are: a name, or else what a shell command prints on the head node."""

    name: str | None = None
    noted: str = ":"


def script(command: Sequence[str], fetched: Sequence[Sequence[str]], user: JobUser, piece: int) -> str:
    """Prints the folder of the packed answer, its size, and its first `piece` characters.

    Args:
        command: its words, each quoted.
        fetched: commands that print what it reads, gzip and base64, in this order; none for an empty input.
        user: who runs it.
        piece: characters.
    """
    name = f"u=$({user.noted})" if user.name is None else f"u={shlex.quote(check_user(user.name))}"
    reads = "; ".join(shlex.join(words) for words in fetched)
    fed = f"{{ {reads}; }} | base64 -d | gzip -dc" if fetched else ":"
    return "\n".join((
        "set -uo pipefail; umask 077; cd /",
        f"export PATH=$PATH:{_PATH}",
        name,
        'if ! n=$(id -u -- "$u" 2>/dev/null) || [ "$n" = 0 ]; then',
        f'  echo "there is no user that jobs can run as: ${{u:-none is noted}}" >&2; exit {NO_USER}; fi',
        'd=$(mktemp -d /tmp/fmctl.XXXXXXXX) || exit; h=$(getent passwd "$u" | cut -d: -f6)',
        f'as=(env -i HOME="$h" USER="$u" LOGNAME="$u" SHELL=/bin/bash LANG=C.UTF-8 PATH={_PATH})',
        'if [ "$(id -u)" = 0 ]; then as=(runuser -u "$u" -- "${as[@]}"); fi',
        f'{{ {fed}; }} > "$d/in" 2> "$d/err"; rc=$?',
        f'if [ $rc = 0 ]; then "${{as[@]}}" {shlex.join(command)} < "$d/in" > "$d/out" 2> "$d/err"; rc=$?; fi',
        'rm -f "$d/in"',
        'if [ $rc -ne 0 ]; then tail -c 2000 "$d/err" >&2; rm -rf "$d"; exit $rc; fi',
        'gzip -c "$d/out" | base64 -w0 > "$d/answer"; rm -f "$d/out" "$d/err"',
        f'printf "%s %s\\n" "$d/answer" "$(stat -c %s "$d/answer")"; head -c {piece} "$d/answer"',
    ))  # fmt: skip
