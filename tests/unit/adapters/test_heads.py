"""Commands on a head node: through a Session Manager that cuts output as AWS does, over a shell, on this machine."""

from __future__ import annotations

import base64
import getpass
import gzip
import os
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmctl.adapters.parallelcluster.images import NOTED_USER
from fmctl.adapters.slurm.as_user import JobUser
from fmctl.adapters.slurm.commands import Slurm
from fmctl.adapters.slurm.heads import LocalHead, SshHead, SsmHead
from fmctl.base.errors import OperationFailed, OperationTimeout, UsageError
from fmctl.domain.ports import Lent

_CUT = 24_000  # characters of StandardOutputContent


ROOT = os.geteuid() == 0
# Commands come as root, as Session Manager gives them, where this machine's tests run as root.
USER = "nobody" if ROOT else getpass.getuser()


class Shell:
    """A cloud whose head node is this machine's shell; its answers are cut where Session Manager cuts them."""

    def __init__(self, folder: Path) -> None:
        self.calls = 0
        self.history: list[str] = []  # what AWS keeps of commands
        self.folder, self.lent, self.most = folder, 0, 0

    def lend(self, cluster: str, text: str) -> Lent:
        """In two pieces, as files that root alone reads."""
        half = len(text) // 2
        names = []
        for piece in (text[:half], text[half:]):
            name = self.folder / f"lent-{len(list(self.folder.iterdir()))}"
            name.touch(0o600)
            name.write_text(piece)
            names.append(str(name))
        self.most += len(names)
        return Lent(tuple(names), tuple(("cat", name) for name in names))

    def take_back(self, lent: Lent) -> None:
        for name in lent.names:
            Path(name).unlink()

    def run_on_head(self, cluster: str, command: Sequence[str], timeout_s: float = 30.0) -> str:
        self.calls += 1
        self.history.append(" ".join(command))
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise OperationFailed("the command on the head node failed", why=done.stderr.strip())
        return done.stdout[:_CUT]


def ssm(user: str | None = USER) -> tuple[SsmHead, Shell]:
    cloud: Any = Shell(Path(tempfile.mkdtemp()))
    return SsmHead(cloud, "c", JobUser(user, NOTED_USER)), cloud


def test_long_answers_come_whole() -> None:
    head, cloud = ssm()
    # Numbers pack badly enough to need several pieces.
    script = "import random; random.seed(1); print(random.getrandbits(8 * 60000))"
    wanted = subprocess.run(["python3", "-X", "int_max_str_digits=0", "-c", script], capture_output=True, text=True,
                            check=True).stdout  # fmt: skip
    assert head.run(["python3", "-X", "int_max_str_digits=0", "-c", script]) == wanted
    assert cloud.calls >= 4


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\r"), max_size=80))
def test_words_and_input_arrive_as_they_are(text: str) -> None:
    for head in (ssm()[0], LocalHead()):
        assert head.run(["printf", "%s", text]) == text
        assert head.run(["cat"], text.encode()) == text


def test_failures_are_one_error_with_what_was_said() -> None:
    for head in (ssm()[0], LocalHead()):
        with pytest.raises(OperationFailed) as caught:
            head.run(["bash", "-c", "echo broken >&2; exit 3"])
        assert "broken" in (caught.value.why or "")
    with pytest.raises(OperationFailed, match="there is no nothing-of-that-name here"):
        LocalHead().run(["nothing-of-that-name"])
    with pytest.raises(OperationTimeout):
        LocalHead().run(["sleep", "5"], timeout_s=0.1)
    with pytest.raises(OperationFailed, match="too much"):
        ssm()[0].run(["cat"], b"x" * 50_000)


def test_ssh_gets_one_quoted_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A fake ssh that runs what it is given, as the far shell would."""
    fake = tmp_path / "ssh"
    fake.write_text(
        '#!/bin/bash\nfor last; do :; done\n[ "${@: -2:1}" = ada@head ] || exit 255\nexec bash -c "$last"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert SshHead("ada@head").run(["printf", "%s|", "a b", "$(id)", "'"]) == "a b|$(id)|'|"


def test_what_goes_in_stands_in_no_command_and_is_taken_back() -> None:
    head, cloud = ssm()
    secret = b"WANDB_API_KEY=hush-hush-hush\n"
    assert head.run(["cat"], secret) == secret.decode()
    history = "\n".join(cloud.history)
    assert "hush" not in history
    for text in (secret, gzip.compress(secret)):
        assert base64.b64encode(text).decode()[:12] not in history
    assert cloud.most == 2
    assert list(cloud.folder.iterdir()) == []


def test_what_was_lent_is_taken_back_where_the_command_fails_too() -> None:
    head, cloud = ssm()
    with pytest.raises(OperationFailed):
        head.run(["false"], b"a secret")
    assert list(cloud.folder.iterdir()) == []


def test_input_that_cannot_be_fetched_reaches_no_command(tmp_path: Path) -> None:
    """A file that is half there would be worse than none."""
    head, cloud = ssm()
    cloud.lend = lambda cluster, text: Lent((), (("cat", "/nothing-of-that-name"),))  # type: ignore[method-assign]
    tmp_path.chmod(0o777)
    with pytest.raises(OperationFailed) as caught:
        head.run(["bash", "-c", 'cat > "$0"', str(tmp_path / "there")], b"text")
    assert "nothing-of-that-name" in (caught.value.why or "")
    assert not (tmp_path / "there").exists()


@pytest.mark.skipif(not ROOT, reason="another user can be had by root alone")
def test_commands_run_as_the_user_with_nothing_of_root_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTS_OWN", "secret")
    head, _ = ssm()
    assert head.run(["id", "-un"]).strip() == "nobody"
    seen = dict(line.split("=", 1) for line in head.run(["env"]).splitlines() if "=" in line)
    assert (seen["USER"], seen["LOGNAME"]) == ("nobody", "nobody")
    assert seen["HOME"] != os.environ.get("HOME")
    assert "ROOTS_OWN" not in seen
    assert seen["PATH"].startswith("/opt/slurm/bin:")


def test_files_of_a_job_are_its_user_s_alone(tmp_path: Path) -> None:
    for parent in (tmp_path, *list(tmp_path.parents)[:-2]):
        if ROOT and parent.owner() == "root":
            parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    folder = tmp_path / "a job's"
    (tmp_path / "loose").write_text("old")
    head, _ = ssm()
    slurm = Slurm(_NoQueue(head))
    with pytest.raises(OperationFailed, match="sbatch failed"):
        slurm.submit(str(folder), {"job.env": "KEY=hush\n", "job.sbatch": "#!/bin/bash\n"}, "job.sbatch", "t")
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.owner() == USER
    # Somebody left one there that everybody reads: what is written is not into it.
    (folder / "job.env.new").write_text("")
    (folder / "job.env.new").chmod(0o666)
    with pytest.raises(OperationFailed, match="sbatch failed"):
        slurm.submit(str(folder), {"job.env": "KEY=again\n"}, "job.sbatch", "t")
    assert stat.S_IMODE((folder / "job.env").stat().st_mode) == 0o600
    assert (folder / "job.env").read_text() == "KEY=again\n"


@pytest.mark.parametrize("user", ["root", "", "a b", "-u", "x;id", "Ada", "$(id)"])
def test_what_is_no_user_is_refused_before_anything_is_sent(user: str) -> None:
    head, cloud = ssm(user)
    with pytest.raises(UsageError, match="job_user"):
        head.run(["id"])
    assert cloud.calls == 0


@pytest.mark.parametrize("user", ["nobody-of-that-name", None])
def test_without_a_user_there_nothing_runs(user: str | None) -> None:
    """None: whom ParallelCluster notes on its nodes, and this machine is none."""
    with pytest.raises(OperationFailed) as caught:
        ssm(user)[0].run(["touch", "/tmp/never"])
    assert "there is no user that jobs can run as" in (caught.value.why or "")


class _NoQueue:
    """A head without Slurm's queue."""

    label = "here"

    def __init__(self, head: SsmHead) -> None:
        self._head = head

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        return '{"jobs": []}' if command[0] == "squeue" else self._head.run(command, stdin, timeout_s)
