"""Slurm behind a shell on the head node: submit once, list, cancel, read output from where one was."""

from __future__ import annotations

import base64
import gzip
import posixpath
from collections.abc import Mapping

from fmctl.adapters.slurm.answers import read_jobs, read_nodes
from fmctl.base.errors import OperationFailed, ServiceUnavailable, UnknownName
from fmctl.domain.job import Job, SlurmNode
from fmctl.domain.ports import Head

# Whole or not at all, also for a job that reads the file while it is replaced, and never for anybody else to read: a
# variable may be a secret.
_WRITE = 'umask 077 && rm -f -- "$0.new" && set -C && cat > "$0.new" && mv -f -- "$0.new" "$0"'
# Packed before it is spelled: Session Manager gives back 24,000 characters at once, and logs shrink to an eighth.
_READ = 'tail -c "+$1" -- "$0" | head -c "$2" | gzip -c | base64 -w0'
# From inside the folder: a job's SLURM_SUBMIT_DIR is where sbatch was called, whatever --chdir says.
_SUBMIT = 'cd -- "$0" && exec sbatch --parsable "$@"'
_MOST_BYTES = 256 * 1024


class Slurm:
    """The Slurm of one head node.

    Args:
        head: runs commands there.
    """

    def __init__(self, head: Head) -> None:
        self.head = head

    def jobs(self) -> tuple[Job, ...]:
        """What the controller remembers: waiting, running, and for a while those that ended."""
        return read_jobs(self.head.run(["squeue", "--states=all", "--json"]))

    def nodes(self) -> tuple[SlurmNode, ...]:
        """All nodes."""
        return read_nodes(self.head.run(["sinfo", "--json"]))

    def job(self, job_id: int, token: str | None = None) -> Job:
        """One job; with `token` only if its comment is that: numbers begin again with each new cluster.

        Raises:
            UnknownName: the controller has forgotten it or never knew it.
        """
        found = self.jobs()
        one = next((job for job in found if job.id == job_id and token in (None, job.comment)), None)
        if one is None:
            raise UnknownName("job", str(job_id), [str(job.id) for job in found], next="fmctl jobs")
        return one

    def with_token(self, token: str) -> Job | None:
        """The job with that comment that is not over."""
        return next((job for job in self.jobs() if job.comment == token and not job.over), None)

    def submit(self, folder: str, files: Mapping[str, str], script: str, token: str) -> tuple[Job, bool]:
        """(the job, whether this call made it): files written to `folder`, `script` of them handed to sbatch.

        token: stands in the job's comment. A job with it that is not over is the one that was meant: submitting again
        after a lost answer makes no second one.

        Raises:
            OperationFailed: Slurm or the file system refuses; what it said is in `why`.
        """
        there = self.with_token(token)
        if there is not None:
            return there, False
        self.head.run(["mkdir", "-p", "--", folder])
        for name, text in files.items():
            self.head.run(["bash", "-c", _WRITE, posixpath.join(folder, name)], text.encode())
        where = (f"--chdir={folder}", f"--comment={token}", posixpath.join(folder, script))
        try:
            said = self.head.run(["bash", "-c", _SUBMIT, folder, *where])
        except ServiceUnavailable:
            raise
        except OperationFailed as error:
            raise OperationFailed("sbatch failed", why=error.why, next=error.next) from None
        number = said.strip().split(";")[0]
        if not number.isdigit():
            raise OperationFailed("sbatch gave no job number", why=said.strip()[:200] or "it said nothing", next=None)
        return self.job(int(number)), True

    def cancel(self, job_id: int) -> Job:
        """Ask for the end of a job, with the signal it saves upon. One that is over is left alone."""
        found = self.job(job_id)
        if not found.over:
            self.head.run(["scancel", str(job_id)])
        return found

    def output(self, job: Job, offset: int = 0, most: int = _MOST_BYTES) -> tuple[bytes, int]:
        """(bytes, next offset): output of a job from a byte on, `most` at once; offset < 0: the last `most`."""
        path = output_path(job)
        size = int(self.head.run(["stat", "-c", "%s", "--", path]).strip() or 0)
        begin = max(size - most, 0) if offset < 0 else min(offset, size)
        packed = self.head.run(["bash", "-c", _READ, path, str(begin + 1), str(most)])
        found = gzip.decompress(base64.b64decode(packed))
        return found, begin + len(found)


def output_path(job: Job) -> str:
    """Where the job writes, with what Slurm leaves in it replaced. Raises OperationFailed where it does not say."""
    if not job.output:
        raise OperationFailed(f"job {job.id} has no output file", why="Slurm names none", next=None)
    path = job.output.replace("%x", job.name).replace("%j", str(job.id)).replace("%A", str(job.id))
    return posixpath.join(job.folder, path)
