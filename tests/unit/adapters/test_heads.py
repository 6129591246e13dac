"""Commands on a head node: through a Session Manager that cuts output as AWS does, over a shell, on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmctl.adapters.slurm.heads import LocalHead, SshHead, SsmHead
from fmctl.base.errors import OperationFailed, OperationTimeout

_CUT = 24_000  # characters of StandardOutputContent


class Shell:
    """A cloud whose head node is this machine's shell; its answers are cut where Session Manager cuts them."""

    def __init__(self) -> None:
        self.calls = 0

    def run_on_head(self, cluster: str, command: Sequence[str], timeout_s: float = 30.0) -> str:
        self.calls += 1
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise OperationFailed("the command on the head node failed", why=done.stderr.strip())
        return done.stdout[:_CUT]


def ssm() -> tuple[SsmHead, Shell]:
    cloud: Any = Shell()
    return SsmHead(cloud, "c"), cloud


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
