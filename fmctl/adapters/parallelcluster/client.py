"""The real ParallelCluster behind the `Pcluster` protocol: one long-lived worker process, or its command.

Importing pcluster takes seconds and 160 packages, its event loop tolerates no other, and each version makes its own
clusters: so it lives in an environment and a process of its own (`worker`), asked by JSON lines.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from fmctl.adapters.parallelcluster import answers
from fmctl.adapters.parallelcluster.log import WorkerLog
from fmctl.adapters.parallelcluster.node import node_environment
from fmctl.base.errors import FmctlError, OperationFailed, OperationTimeout
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import Fields
from fmctl.domain.ports import Finding, Resource

WORKER = Path(__file__).with_name("worker.py")
# Seconds that an operation may take: the first of a process imports CDK, and AWS retries.
SECONDS: Mapping[str, float] = {
    "hello": 60, "validate": 300, "synth": 180, "create": 600, "update": 600, "stop_fleet": 120, "delete": 120,
    "describe": 120,
}  # fmt: skip
_READ_ONLY = ("hello", "validate", "synth", "describe")
_ABOUT_THE_CONFIG = ("ParameterException", "APIOperationException", "SystemExit")
_NEEDS_NODE = ("validate", "synth", "create", "update")


class WorkerPcluster:
    """ParallelCluster in a worker process.

    Args:
        python: interpreter of the environment that has aws-parallelcluster.
        environment: AWS_* variables to use in place of the process's own, such as the lab's.
        log: where the worker's stderr goes; a file without a name, gone with the process, by default.
        worker: the script; tests hand in a fake one.
        seconds: longest time per operation.
    """

    def __init__(
        self,
        python: str,
        *,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        worker: Path = WORKER,
        seconds: Mapping[str, float] = SECONDS,
    ) -> None:
        self._python, self._worker, self._seconds = python, worker, seconds
        self._environment = environment
        self._log = WorkerLog(log)
        self._pipe: _Pipe | None = None
        self._version: str | None = None
        self._number = 0
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """See `Pcluster`."""
        if self._version is None:
            self._version = answers.version(self._ok("hello"))
        return self._version

    def validate(self, name: str, config: str, region: str) -> tuple[Finding, ...]:
        """See `Pcluster`."""
        answer = self._asked("validate", name=name, config=config, region=region)
        error = answer.get("error")
        if error is None:
            return answers.findings(answers.content(answer["ok"]))
        if (error.get("code") is None and error.get("type") not in _ABOUT_THE_CONFIG) or answers.broke(error):
            raise answers.failure("validate", error["content"])  # pcluster or AWS broke: nobody looked
        return answers.findings(error["content"])

    def synth(self, name: str, config: str, region: str) -> tuple[Resource, ...]:
        """See `Pcluster`."""
        return answers.resources(self._ok("synth", name=name, config=config, region=region))

    def create(self, name: str, config: str, region: str) -> None:
        """See `Pcluster`."""
        self._ok("create", name=name, config=config, region=region)

    def update(self, name: str, config: str, region: str) -> None:
        """See `Pcluster`."""
        self._ok("update", name=name, config=config, region=region)

    def stop_fleet(self, name: str, region: str) -> None:
        """See `Pcluster`."""
        self._ok("stop_fleet", name=name, region=region)

    def delete(self, name: str, region: str) -> None:
        """See `Pcluster`."""
        self._unless_gone("delete", name=name, region=region)

    def describe(self, name: str, region: str) -> Fields | None:
        """See `Pcluster`."""
        found = self._unless_gone("describe", name=name, region=region)
        return None if found is None else answers.fields(found)

    def close(self) -> None:
        """See `Pcluster`."""
        with self._lock:
            self._end()
            self._log.close()

    def _ok(self, op: str, **args: str) -> object:
        answer = self._asked(op, **args)
        if "error" in answer:
            raise answers.failure(op, answer["error"]["content"])
        return answer["ok"]

    def _unless_gone(self, op: str, **args: str) -> object:
        answer = self._asked(op, **args)
        if "error" in answer and answers.is_gone(answer["error"]["content"]):
            return None
        if "error" in answer:
            raise answers.failure(op, answer["error"]["content"])
        return answer["ok"]

    def _asked(self, op: str, **args: str) -> answers.Answer:
        """The worker's answer; a worker that died is started again once, for what may be asked twice."""
        with self._lock:
            try:
                return self._once(op, args)
            except _Died as died:
                if op not in _READ_ONLY and died.had_read:
                    raise self._failed(f"the ParallelCluster worker ended during {op}", died.why) from None
            try:
                return self._once(op, args)
            except _Died as died:
                raise self._failed("the ParallelCluster worker ends again and again", died.why) from None

    def _once(self, op: str, args: Mapping[str, str]) -> answers.Answer:
        pipe = self._started(op)
        self._number += 1
        env = self._environment if self._environment is not None else _own_environment()
        line = json.dumps({"id": self._number, "op": op, "args": args, "env": dict(env)})
        try:
            return pipe.ask(line, self._number, self._seconds[op])
        except _Died:
            self._end()
            raise
        except _TooLong:
            self._end()
            raise OperationTimeout(
                f"ParallelCluster did not answer {op} within {self._seconds[op]:g} s",
                why=self._log.last_words(),
                next=f"{self._log.see}what it had started goes on",
            ) from None
        except _Garbage as garbage:
            self._end()
            raise self._failed("the ParallelCluster worker answered with something else", garbage.line) from None

    def _started(self, op: str) -> _Pipe:
        node = node_environment(self._python) if op in _NEEDS_NODE else {}  # raises where jsii could not run
        if self._pipe is None:
            kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            kept.pop("PYTHONPATH", None)  # the environment's own packages, not ours
            node = node or _or_nothing(self._python)
            try:
                self._pipe = _Pipe([self._python, str(self._worker)], kept | node, self._log.stream())
            except OSError as error:
                raise OperationFailed(
                    f"cannot run {self._python}", why=error.strerror, next="fmctl pcluster install"
                ) from None
        return self._pipe

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _failed(self, what: str, why: str) -> OperationFailed:
        said = why or self._log.last_words()
        next = f"{self._log.see}fmctl pcluster status"
        return OperationFailed(what, why=said, next=next, cause=answers.cause_of(f"{what} {said}"))


class CommandPcluster:
    """ParallelCluster by its own command, a process per call: for an installation that is there already.

    Slower (2 to 14 s a call), and without `synth`.
    """

    def __init__(self, executable: str, *, environment: Mapping[str, str] | None = None) -> None:
        self._executable, self._environment = executable, environment
        self._version: str | None = None

    @property
    def version(self) -> str:
        """See `Pcluster`."""
        if self._version is None:
            self._version = answers.version(self._ok("hello", "version"))
        return self._version

    def validate(self, name: str, config: str, region: str) -> tuple[Finding, ...]:
        """See `Pcluster`."""
        with _file(config) as path:
            asked = ["create-cluster", "-n", name, "-c", path, "-r", region, "--dryrun", "true"]
            return answers.findings(self._ran("validate", *asked)[1])

    def synth(self, name: str, config: str, region: str) -> tuple[Resource, ...]:
        """Not offered by the command."""
        raise OperationFailed(
            "the pcluster command cannot show templates", why="only its library can", next="fmctl pcluster install"
        )

    def create(self, name: str, config: str, region: str) -> None:
        """See `Pcluster`."""
        with _file(config) as path:
            asked = ["-n", name, "-c", path, "-r", region, "--rollback-on-failure", "false"]
            self._ok("create", "create-cluster", *asked)

    def update(self, name: str, config: str, region: str) -> None:
        """See `Pcluster`."""
        with _file(config) as path:
            self._ok("update", "update-cluster", "-n", name, "-c", path, "-r", region)

    def stop_fleet(self, name: str, region: str) -> None:
        """See `Pcluster`."""
        self._ok("stop_fleet", "update-compute-fleet", "-n", name, "-r", region, "--status", "STOP_REQUESTED")

    def delete(self, name: str, region: str) -> None:
        """See `Pcluster`."""
        self._unless_gone("delete", "delete-cluster", "-n", name, "-r", region)

    def describe(self, name: str, region: str) -> Fields | None:
        """See `Pcluster`."""
        found = self._unless_gone("describe", "describe-cluster", "-n", name, "-r", region)
        return None if found is None else answers.fields(found)

    def close(self) -> None:
        """Nothing runs between calls."""

    def _ok(self, op: str, *asked: str) -> answers.Content:
        code, content = self._ran(op, *asked)
        if code:
            raise answers.failure(op, content)
        return content

    def _unless_gone(self, op: str, *asked: str) -> answers.Content | None:
        code, content = self._ran(op, *asked)
        if code and answers.is_gone(content):
            return None
        if code:
            raise answers.failure(op, content)
        return content

    def _ran(self, op: str, *asked: str) -> tuple[int, answers.Content]:
        node = node_environment(self._executable) if op in _NEEDS_NODE else {}
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = own | dict(self._environment if self._environment is not None else _own_environment()) | node
        try:
            done = subprocess.run(
                [self._executable, *asked], capture_output=True, text=True, timeout=SECONDS[op], env=env, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise OperationTimeout(f"pcluster did not answer {asked[0]} within {SECONDS[op]:g} s") from None
        except OSError as error:
            raise OperationFailed(
                f"cannot run {self._executable}", why=error.strerror, next="fmctl pcluster install"
            ) from None
        try:
            return done.returncode, answers.content(from_json(done.stdout))
        except NotParsed:
            said = (done.stdout or done.stderr).strip().splitlines()
            raise OperationFailed(
                f"pcluster {asked[0]} answered with something else than JSON",
                why=said[-1][:300] if said else f"nothing, exit code {done.returncode}",
                next="fmctl pcluster install",
            ) from None


class _Died(Exception):
    """The worker ended. had_read: the request had been handed over."""

    def __init__(self, why: str, *, had_read: bool) -> None:
        super().__init__(why)
        self.why, self.had_read = why, had_read


class _TooLong(Exception):
    """No answer in time."""


class _Garbage(Exception):
    """A line that is no answer to what was asked."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line[:300]


class _Pipe:
    """One worker process and the lines to and from it."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=dict(env),
            start_new_session=True,  # Ctrl-C is for us; node must not die of it in the middle of a creation
        )  # fmt: skip
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, line: str, number: int, seconds: float) -> answers.Answer:
        """Send a request and wait for its answer. Raises _Died, _TooLong, _Garbage."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _Died("", had_read=False) from None
        until = time.monotonic() + seconds
        try:
            raw = self._lines.get(timeout=max(until - time.monotonic(), 0.01))
        except queue.Empty:
            raise _TooLong from None
        if raw is None:
            raise _Died("", had_read=True)
        return _parsed(raw, number)

    def close(self) -> None:
        """End it: stdin first, then by force."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, 9)  # node is its child
            self._process.wait()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


def _parsed(raw: bytes, number: int) -> answers.Answer:
    text = raw.decode("utf-8", "replace").strip()
    try:
        found = from_json(text)
    except NotParsed:
        raise _Garbage(text) from None
    if not isinstance(found, dict) or found.get("id") != number or not _complete(found):
        raise _Garbage(text)
    return cast("answers.Answer", found)


def _complete(found: Fields) -> bool:
    error = found.get("error")
    return "ok" in found or (isinstance(error, dict) and isinstance(error.get("content"), dict))


def _own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _or_nothing(python: str) -> dict[str, str]:
    try:
        return node_environment(python)
    except FmctlError:
        return {}


class _file:  # noqa: N801 - used like a function
    """A configuration as a file that only we can read, for as long as it is needed."""

    def __init__(self, text: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="fmctl-")
        self._path = Path(self._folder) / "cluster.yaml"
        self._path.write_text(text, encoding="utf-8")

    def __enter__(self) -> str:
        return str(self._path)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
