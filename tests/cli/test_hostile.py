"""Every command with everything that can be wrong: the right exit code, exactly one error, never a traceback.

The commands and options come from `spec`, so that a new one is walked without anybody remembering to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmctl.cli.app import build
from fmctl.cli.tree import spec_of
from fmctl.usecases.choices import CHOICES

COMMANDS = [command for command in spec_of(build())["commands"] if not command["group"]]
GROUPS = [command["name"] for command in spec_of(build())["commands"] if command["group"]]
GOOD = {
    "model": "llama-3.1-70b", "subject": "llama-3.1-70b", "instance": "p5.48xlarge", "a": "a", "b": "b",
    "plan_name": "a", "run_name": "fm-a-1", "name": "live", "hours": "2", "job": "1",
    "setting": "region", "value": "us-east-2", "shell": "bash", "config_file": "config.json", "schema_name": "plan",
}  # fmt: skip
HOSTILE = (
    "-1", "0", "nan", "inf", "1e999", "9" * 400, "", " ", ",", "a,,b", "..", "8..2", "1.5", "💥", "\x1b[31m", "'; rm",
    "../../etc/passwd", "%s%n", "{}", "--", "x" * 100_000, "\udcff", "a\nb",
)  # fmt: skip
NUMBERS = {
    "nodes", "tokens", "seq_len", "global_batch", "micro_batch", "tp", "pp", "vpp", "cp", "ep", "etp", "dp",
    "dp_replicate", "top", "row", "budget", "deadline", "port", "idle_minutes",
    "count", "days",
}  # fmt: skip


def options() -> list[tuple[str, dict[str, Any]]]:
    return [
        (command["name"], parameter)
        for command in COMMANDS
        for parameter in command["parameters"]
        if parameter["flags"] and parameter["type"] != "boolean"
    ]


CONSENT = {
    "launch": ("--yes", "--max-hours", "2"), "teardown": ("live", "--yes"), "extend": ("--yes",),
    "cancel": ("--yes",), "progress": ("--log", "train.log"), "note": ("--text", "words"),
    "observe export": ("--log", "train.log", "--once"),
}  # fmt: skip


def call(name: str, /, **instead: str) -> list[str]:
    """A command line that would work, with some arguments replaced."""
    command = next(command for command in COMMANDS if command["name"] == name)
    arguments = [p["name"] for p in command["parameters"] if not p["flags"] and (p["required"] or p["name"] in instead)]
    consent = CONSENT.get(name, ())
    if name == "teardown" and "name" in instead:
        consent = consent[1:]
    return [*name.split(), *(instead.get(a, GOOD.get(a, "")) for a in arguments), *consent]


def assert_one_error(ran: Any, *, json_output: bool = False) -> None:
    """One error in fmctl's own words, with an exit code that it may have."""
    assert "Traceback" not in ran.err
    assert "internal" not in ran.err, ran.err
    assert ran.code in (1, 2, 3, 4, 5, 6, 7), (ran.code, ran.err)
    if json_output:
        error = json.loads(ran.err)
        assert error["schema"] == "fmctl.error/1"
        assert error["result"]["exit_code"] == ran.code
        return
    assert ran.err.count("fmctl: error: ") == 1, ran.err
    # What a launch or teardown shows before it acts comes first; the error ends all.
    errors = ran.err[ran.err.index("fmctl: error: ") :].splitlines()
    errors = [line for line in errors if not line.startswith("fmctl: warning: ")]
    assert all(line.startswith(("  why: ", "  next: ")) for line in errors[1:]), ran.err
    assert "\x1b" not in ran.err


@pytest.fixture
def world(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two saved plans, a site to render them for, and a configuration to import."""
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    for name in ("a", "b"):
        cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", name)
    cli.ok("submit", "a")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "train.log").write_text("the log of a job that has not begun\n")
    return cli


SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "123456789012"
"""
CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
    "max_position_embeddings": 8192, "tie_word_embeddings": False, "hidden_act": "silu", "rms_norm_eps": 1e-5,
}  # fmt: skip


@pytest.mark.parametrize("name", [command["name"] for command in COMMANDS if command["name"] != "ui"])  # a screen
def test_commands_work_when_nothing_is_wrong(world: Any, name: str) -> None:
    ran = world.ok(*call(name))
    assert ran.out or name in ("config set", "config unset")


@pytest.mark.parametrize(("name", "parameter"), options(), ids=lambda v: v if isinstance(v, str) else v["name"])
def test_every_option_survives_every_value(world: Any, name: str, parameter: dict[str, Any]) -> None:
    flag = parameter["flags"][0]
    for value in HOSTILE:
        ran = world(*call(name), flag, value)
        if parameter["name"] in NUMBERS or parameter["name"] in CHOICES:
            assert ran.code == 2, (name, flag, value[:40], ran.err[:300])
        if ran.code:
            assert_one_error(ran)
    ran = world(*call(name), flag)
    assert ran.code == 2
    assert_one_error(ran)


@pytest.mark.parametrize("name", [command["name"] for command in COMMANDS])
def test_every_argument_survives_every_value(world: Any, name: str) -> None:
    command = next(command for command in COMMANDS if command["name"] == name)
    for argument in [p["name"] for p in command["parameters"] if not p["flags"]]:
        for value in (*HOSTILE, "/nonexistent.yaml", "/nonexistent.json", "/dev/null", "/"):
            ran = world(*call(name, **{argument: value}))
            if ran.code:
                assert_one_error(ran)
            elif argument not in ("schema_name", "value", "hours") and name not in (
                "teardown",
                "status",
                "jobs",
                "cancel",
            ):  # one that is gone is no error, and the fake head node answers under every name
                assert argument not in GOOD or name == "models import", (name, argument, value[:40])


@pytest.mark.parametrize("name", [*(command["name"] for command in COMMANDS), *GROUPS])
def test_unknown_options_and_surplus_arguments(world: Any, name: str) -> None:
    words = [] if name == "fmctl" else name.split() if name in GROUPS else call(name)
    for surplus in (["--no-such-option"], ["-Z"], ["--", "one", "two", "three"]):
        ran = world(*words, *surplus)
        assert ran.code == 2, (words, surplus, ran.out[:200])
        assert_one_error(ran)


def test_an_option_that_had_another_name_says_which_it_has_now(world: Any) -> None:
    for command in COMMANDS:
        ran = world(*call(command["name"]), "--rank", "1")
        takes_it = any("--row" in parameter["flags"] for parameter in command["parameters"])
        assert ran.code == 2
        assert ("'--rank' is now '--row'" in ran.err) is takes_it, command["name"]


@pytest.mark.parametrize("name", [command["name"] for command in COMMANDS if command["name"] != "completion"])
def test_wrong_names_are_one_json_object_where_json_was_asked_for(world: Any, name: str) -> None:
    ran = world(*call(name), "--no-such-option", "--json")
    assert ran.code == 2
    assert_one_error(ran, json_output=True)


@pytest.mark.parametrize("name", GROUPS)
def test_groups_without_a_command_say_what_is_missing(cli: Any, name: str) -> None:
    ran = cli(*([] if name == "fmctl" else [name]))
    assert ran.code == 2
    assert_one_error(ran)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("estimat", "x"), "estimate"),
        (("models", "lst"), "list"),
        (("estimate", "llama-3.1-70b", "--node", "8"), "--nodes"),
        (("plan", "llama-3.1-70b", "--seq-length", "8"), "--seq-len"),
        (("plan", "llama-3.1-70"), "llama-3.1-70b"),
        (("plan", "llama-3.1-70b", "--instances", "p5.48xlarg"), "p5.48xlarge"),
        (("plan", "llama-3.1-70b", "--framework", "megatrn"), "megatron"),
        (("plan", "llama-3.1-70b", "--precision", "fp9"), "fp8"),
        (("plan", "llama-3.1-70b", "-o", "jsn"), "json"),
        (("plan", "llama-3.1-70b", "--objective", "costs"), "cost"),
        (("config", "get", "regoin"), "region"),
        (("schema", "estimat"), "estimate"),
        (("completion", "bsh"), "bash"),
        (("explain", "aaa"), "a"),
    ],
)
def test_did_you_mean(world: Any, words: tuple[str, ...], meant: str) -> None:
    ran = world(*words)
    assert ran.code == 2
    if words[0] != "explain":
        assert f"did you mean {meant}" in ran.err
    assert_one_error(ran)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"{}" * 3, b"[" * 200_000, b'{"a": 1}']
)
def test_malformed_files(world: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    for words in (("models", "import"), ("explain",), ("diff", "a")):
        ran = world(*words, str(path))
        assert ran.code == 2, (words, content[:20], ran.out)
        assert_one_error(ran)


def test_a_defect_is_one_line_and_a_way_to_see_more(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def model_names(self) -> list[str]:
            raise ZeroDivisionError("made up")

    from fmctl.__main__ import main

    code = main(["models", "list"], services=type(cli.services)(catalogue=Broken()))  # type: ignore[arg-type]
    err = cli.capture.readouterr().err
    assert code == 1
    assert "internal error: ZeroDivisionError" in err
    assert "FMCTL_TRACEBACK=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("FMCTL_TRACEBACK", "1")
    main(["models", "list"], services=type(cli.services)(catalogue=Broken()))  # type: ignore[arg-type]
    assert "Traceback" in cli.capture.readouterr().err


def test_ctrl_c_is_130(cli: Any) -> None:
    class Interrupted:
        def model_names(self) -> list[str]:
            raise KeyboardInterrupt

    from fmctl.__main__ import main

    assert main(["models", "list"], services=type(cli.services)(catalogue=Interrupted())) == 130  # type: ignore[arg-type]
    assert "Traceback" not in cli.capture.readouterr().err
