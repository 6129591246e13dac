"""A command on the head node: through Session Manager, over ssh, or on this machine.

Session Manager gives back 24,000 characters of output and no more, so answers are packed there and fetched in pieces.
"""

from __future__ import annotations

import base64
import gzip
import posixpath
import re
import shlex
import subprocess
import zlib
from collections.abc import Sequence
from io import BytesIO

from fmctl.adapters.slurm.as_user import JobUser, script
from fmctl.base.errors import OperationFailed, OperationTimeout, PermissionDenied, shorten
from fmctl.domain.ports import Cloud

_PIECE = 20_000  # characters of packed output per answer
_MOST_OUT = 50_000_000  # characters of packed output
_MOST_UNPACKED = 256 * 2**20  # bytes
_MOST_IN = 40_000  # bytes that may go in with a command
_BY_HAND = "the same by hand on the head node; --head ssm, ssh://HOST or local names it"
_SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")


class LocalHead:
    """This machine is the head node."""

    label = "this machine"

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """Standard output. Raises OperationFailed, OperationTimeout."""
        return _ran(list(command), stdin, timeout_s, command[0])


class SshHead:
    """A host that ssh reaches without asking for anything."""

    def __init__(self, host: str) -> None:
        self.label = f"ssh {host}"
        self._host = host

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """Standard output. Raises OperationFailed, OperationTimeout."""
        return _ran(["ssh", *_SSH, "--", self._host, shlex.join(command)], stdin, timeout_s, command[0])


class SsmHead:
    """The head node of a cluster, through Session Manager.

    Args:
        cloud: where it is.
        cluster: its name.
        user: who runs commands there.
    """

    def __init__(self, cloud: Cloud, cluster: str, user: JobUser) -> None:
        self.label = f"{cluster}'s head node"
        self._cloud, self._cluster, self._user = cloud, cluster, user

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """Standard output. Raises OperationFailed, OperationTimeout, PermissionDenied."""
        if len(stdin) > _MOST_IN:
            raise OperationFailed(
                "too much to send through Session Manager", why=f"{len(stdin)} bytes", next="--head ssh://HOST"
            )
        if not stdin:
            return self._answer(command, (), timeout_s)
        lent = self._cloud.lend(self._cluster, base64.b64encode(gzip.compress(stdin)).decode())
        try:
            return self._answer(command, lent.commands, timeout_s)
        finally:
            self._cloud.take_back(lent)

    def _answer(self, command: Sequence[str], fetched: Sequence[Sequence[str]], timeout_s: float) -> str:
        told = script(command, fetched, self._user, _PIECE)
        first = self._cloud.run_on_head(self._cluster, ["bash", "-c", told], timeout_s)
        header, _, text = first.partition("\n")
        path, _, size = header.rpartition(" ")
        wanted = int(size) if re.fullmatch("[0-9]{1,9}", size) else -1
        if not 0 <= wanted <= _MOST_OUT or not path.startswith("/"):
            raise _unreadable(shorten(first, 200))
        while len(text) < wanted:
            more = f"tail -c +{len(text) + 1} {shlex.quote(path)} | head -c {_PIECE}"
            piece = self._cloud.run_on_head(self._cluster, ["bash", "-c", more], timeout_s)
            if len(piece) < min(_PIECE, wanted - len(text)):  # less than it has: it would be asked for without end
                raise OperationFailed("the head node's answer broke off", why=f"{len(text)} of {size}", next=None)
            text += piece
        self._cloud.run_on_head(self._cluster, ["rm", "-rf", "--", posixpath.dirname(path)], timeout_s)
        return _unpacked(text)


def _unpacked(text: str) -> str:
    """What was packed on the head node. Raises OperationFailed where it is damaged, or unpacks without end."""
    try:
        packed = base64.b64decode(text.strip(), validate=True)
        with gzip.GzipFile(fileobj=BytesIO(packed)) as stream:
            found = stream.read(_MOST_UNPACKED + 1)
    except (ValueError, EOFError, OSError, zlib.error) as error:  # ValueError: no base64
        raise _unreadable(f"it is damaged: {error}") from None
    if len(found) > _MOST_UNPACKED:
        raise _unreadable(f"it unpacks to more than {_MOST_UNPACKED // 2**20} MiB")
    return found.decode(errors="replace")


def _unreadable(why: str) -> OperationFailed:
    return OperationFailed(
        "the head node's answer cannot be read", why=why, next="the same again, or --head ssh://HOST"
    )


def _ran(words: list[str], stdin: bytes, timeout_s: float, what: str) -> str:
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise OperationFailed(f"there is no {words[0]} here", next=f"install {words[0]}, or --head ssm") from None
    except subprocess.TimeoutExpired:
        raise OperationTimeout(f"{what} did not answer", why=f"no output after {timeout_s:g} s", next=None) from None
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    said = shorten(" ".join(done.stderr.decode(errors="replace").split()), 400)
    if words[0] == "ssh" and done.returncode == 255:
        raise PermissionDenied("ssh could not reach the head node", why=said, next="ssh to it by hand; or --head ssm")
    raise OperationFailed(f"{what} failed", why=said or f"exit status {done.returncode}", next=_BY_HAND)
