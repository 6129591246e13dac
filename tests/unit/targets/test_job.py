"""The batch script and its environment: bash reads back what was meant."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.domain.cluster import ClusterSpec, FileSystem
from fmctl.domain.layout import (
    ContextComm,
    CudaGraph,
    Dispatcher,
    Layout,
    Precision,
    Recompute,
    Schedule,
    Sharding,
)
from fmctl.domain.program import Run, layout_of, run_of, save_steps
from fmctl.frameworks.choice import teller
from fmctl.targets.slurm import environment, job, times
from fmctl.targets.slurm.network import bus_bytes_per_s
from fmctl.targets.spec import default_hours
from tests.unit.targets.helpers import SITE, WHOLE_RUN, capacity, instance, matrix, model, rendered, row, spec
from tests.unit.targets.test_hostile import HOSTILE


def bash(text: str, **env: str) -> str:
    run = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True, timeout=60, env=env)
    return run.stdout


def directives(of: ClusterSpec) -> dict[str, str]:
    text = rendered(of).files[job.SCRIPT]
    found = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    return {name: value for name, _, value in (line.partition("=") for line in found)}


def arguments(of: ClusterSpec, arch: str = "llama-3.1-70b") -> list[str]:
    return list(job.fixed_arguments(of, run_of(of.row), teller(model(arch), of.recipe)(run_of(of.row))))


def value(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


@pytest.mark.parametrize(("name", "of"), list(matrix()), ids=lambda v: v if isinstance(v, str) else "")
def test_every_script_is_bash(name: str, of: ClusterSpec) -> None:
    files = rendered(of).files
    for text in (files[job.SCRIPT], files[environment.ENVIRONMENT]):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_the_script_asks_slurm_for_what_the_plan_has() -> None:
    found = directives(spec())
    assert (found["nodes"], found["gpus-per-node"], found["ntasks-per-node"]) == ("4", "8", "1")
    assert {"exclusive", "requeue"} <= set(found)
    assert found["time"] == "0-23:00:00"
    gb200 = directives(dict(matrix())["one ultraserver"])
    assert (gb200["nodes"], gb200["gpus-per-node"]) == ("9", "4")


@pytest.mark.parametrize("hours", [1.0, 1.5, 3.0, 24.0, 100.5, 8760.0])
def test_the_job_ends_before_the_cluster(hours: float) -> None:
    minutes = times.limit_min(hours)
    assert 0 < minutes < hours * 60
    days, clock = times.clock(minutes).split("-")
    h, m, _ = map(int, clock.split(":"))
    assert int(days) * 1440 + h * 60 + m == minutes


FAKE_SRUN = 'srun() { while [ "$1" != bash ]; do shift; done; shift 2; shift; printf "%s\\n" "$@"; }'


def run_script(of: ClusterSpec, folder: Path, *more: str) -> list[str]:
    """The words that torchrun would get, from the script run with a Slurm that only prints."""
    files = rendered(of).files
    (folder / job.SCRIPT).write_text(files[job.SCRIPT])
    extra = "".join(f"{line}\n" for line in more)
    (folder / environment.ENVIRONMENT).write_text(
        f"{files[environment.ENVIRONMENT]}JOB_CHECKPOINTS={folder}/saved\nJOB_HEALTH=0\n{extra}"
    )
    for name in set(files) - {job.SCRIPT, environment.ENVIRONMENT, "cluster.yaml"}:
        (folder / name).write_text(files[name])
    start = f'{FAKE_SRUN}; scontrol() {{ printf "%s\\n" n1 n2; }}; export -f srun scontrol; bash {job.SCRIPT} --lr 1'
    env = {
        "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "my-plan", "SLURM_JOB_NUM_NODES": "2",
        "PATH": "/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_CPUS_ON_NODE": "192",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", start], capture_output=True, text=True, check=False, timeout=60, cwd=folder, env=env
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "saved").is_dir()
    return [line for line in done.stdout.splitlines() if not line.startswith(("fmctl: ", "fmctl-record: "))]


def test_the_script_hands_megatron_the_layout(tmp_path: Path) -> None:
    words = run_script(spec(), tmp_path)
    assert words[:2] == ["torchrun", "pretrain_gpt.py"]
    assert value(words, "--tensor-model-parallel-size") == "4"
    assert value(words, "--save") == f"{tmp_path}/saved"
    assert "--mock-data" in words
    assert words[-2:] == ["--lr", "1"]
    words = run_script(spec(), tmp_path, "JOB_DATA='/fsx/a b'", "JOB_TOKENIZER=meta/llama")
    assert value(words, "--data-path") == "/fsx/a b"


def test_the_script_hands_torchtitan_its_overrides(tmp_path: Path) -> None:
    of = spec(row=row(framework="torchtitan", sharding=Sharding.ZERO3, dp_replicate=2))
    words = run_script(of, tmp_path, "JOB_CONFIG=llama3_70b.toml")
    assert words[:3] == ["torchrun", "-m", "torchtitan.train"]
    assert value(words, "--parallelism.data_parallel_shard_degree") == "4"
    assert value(words, "--parallelism.data_parallel_replicate_degree") == "2"
    assert value(words, "--job.config_file") == "llama3_70b.toml"
    assert value(words, "--compile.enable") == "true"


def test_other_frameworks_get_the_layout_as_environment(tmp_path: Path) -> None:
    of = spec(row=row(framework="internevo"))
    assert run_script(of, tmp_path, "JOB_ENTRY=train.py") == ["torchrun", "train.py", "--lr", "1"]
    assert "LAYOUT_TP=4\n" in rendered(of).files[environment.ENVIRONMENT]
    assert any("set JOB_ENTRY" in line for line in rendered(of).warnings)


def test_a_checkpoint_folder_is_needed() -> None:
    of = spec(site=replace(SITE, file_system=None))
    assert "JOB_CHECKPOINTS=''\n" in rendered(of).files[environment.ENVIRONMENT]
    assert any("no file system" in line for line in rendered(of).warnings)
    assert (
        environment.checkpoints(spec(site=replace(SITE, file_system=FileSystem("/data"))))
        == "/data/checkpoints/my-cluster"
    )


def test_efa_variables_only_where_there_is_efa() -> None:
    assert "FI_EFA_USE_HUGE_PAGE=0\n" in rendered(spec()).files[environment.ENVIRONMENT]
    assert "FI_" not in rendered(spec(efa=False)).files[environment.ENVIRONMENT]


def test_one_connection_before_blackwell_alone() -> None:
    assert "CUDA_DEVICE_MAX_CONNECTIONS=1\n" in rendered(spec()).files[environment.ENVIRONMENT]
    assert "CUDA_DEVICE" not in rendered(spec("p6-b200.48xlarge")).files[environment.ENVIRONMENT]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pp": 2, "vpp": 4, "schedule": Schedule.INTERLEAVED}, "--num-virtual-stages-per-pipeline-rank 4"),
        ({"cp": 2, "cp_comm": ContextComm.ALL_TO_ALL}, "--context-parallel-size 2 --cp-comm-type a2a"),
        ({"cp": 2, "cp_comm": ContextComm.ALL_GATHER}, "--cp-comm-type all_gather"),
        ({"recompute": Recompute.FULL}, "--recompute-granularity full --recompute-method uniform"),
        (
            {"pp": 2, "recompute": Recompute.FULL, "recompute_layers": 6, "vpp": 2, "schedule": Schedule.INTERLEAVED},
            "block --recompute-num-layers 3",
        ),
        ({"precision": Precision.FP8}, "--bf16 --fp8-format hybrid"),
        ({"precision": Precision.MXFP8}, "--fp8-recipe mxfp8"),
        ({"precision": Precision.NVFP4}, "--fp4-format e2m1"),
        ({"sharding": Sharding.ZERO3}, "--data-parallel-sharding-strategy optim_grads_params"),
        ({"cuda_graph": CudaGraph.FULL}, "--cuda-graph-scope full_iteration"),
    ],
)
def test_layout_fields_in_megatrons_words(fields: dict[str, int], expected: str) -> None:
    assert expected in " ".join(arguments(spec(row=row(**fields))))


def test_experts_and_latent_attention() -> None:
    of = spec(row=row(model="deepseek-v3", ep=8, dispatcher=Dispatcher.FUSED))
    words = arguments(of, "deepseek-v3")
    assert value(words, "--num-experts") == "256"
    assert value(words, "--moe-layer-freq") == "([0,0,0" + ",1" * 58 + "])"
    assert value(words, "--moe-token-dispatcher-type") == "flex"
    assert value(words, "--kv-lora-rank") == "512"
    assert value(words, "--expert-model-parallel-size") == "8"


def test_what_megatron_cannot_be_told_is_said() -> None:
    of = spec(row=row(model="gemma-3-27b"))
    assert any("attention windows" in w for w in rendered(of, model("gemma-3-27b")).warnings)
    assert not any("add arguments" in w for w in rendered(spec()).warnings)


@pytest.mark.parametrize("odd", [None, 0, -1.0, float("nan"), float("inf"), "x"])
def test_numbers_that_are_none_are_unknown(odd: object) -> None:
    candidate = row() | {"time": {"step_s": odd}, "run": {"run_s": odd, "run_high_s": odd}}
    candidate["workload"] |= {"tokens": odd}
    found = run_of(candidate)
    assert (found.steps, found.tokens, found.save_every) == (100, None, 1)
    assert default_hours(candidate) == 24


def test_unknown_tokens_and_architectures_are_said() -> None:
    from fmctl.targets.parallelcluster.rendering import render

    of = spec(row=row(tokens=None, model="mine"))
    found = render(of, instance(of.instance), teller(None))
    assert any("no tokens" in line for line in found.warnings)
    assert any("not in the catalogue" in line for line in found.warnings)


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_gets_past_the_checks_is_still_quoted(text: str, tmp_path: Path) -> None:
    """The environment and the array with values that `render` would have refused: bash reads them back unchanged."""
    run = Run(text, "internevo", Layout(), 8192, 512, 100, 10, None)
    made = environment.environment(spec(), run, instance("p5.48xlarge"), teller(None)(run))
    path = tmp_path / "job.env"
    path.write_text(made, encoding="utf-8")
    if "\0" not in text:
        assert bash(f'set -a; source {path}; printf %s "$JOB_MODEL"; printf .') == f"{text}."
    array = job._array("arguments", ("--flag", text))
    if "\0" not in text:
        assert bash(f'{array}printf %s "${{arguments[1]}}"; printf .') == f"{text}."


@pytest.mark.parametrize(
    "damage",
    [
        {"tp": "$(id)"},
        {"tp": -1},
        {"tp": True},
        {"tp": 2**60},
        {"precision": "`id`"},
        {"sharding": 99},
        {"pp": 1.5},
        {"dp": 0},
    ],
)
def test_a_layout_that_is_none_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        layout_of(row()["layout"] | damage)


def test_the_save_interval_is_the_plans() -> None:
    """1,260 s at 4.2 s a step are 300 steps; without a plan's interval half an hour; never less than one step."""
    assert run_of(row() | {"whole_run": WHOLE_RUN}).save_every == 300
    assert run_of(row()).save_every == 429
    assert run_of(row() | {"whole_run": {"save_interval_s": 1.0}}).save_every == 1
    assert run_of(row(tokens=4e6 * 5) | {"whole_run": WHOLE_RUN}).save_every == 5
    assert save_steps(100.0, 7.0, 10**6) == 14
    assert "--save-interval 300" in " ".join(arguments(spec(row=row() | {"whole_run": WHOLE_RUN})))


def test_a_save_is_asked_for_in_time() -> None:
    """Stall 12 s and drain 45 s, two steps of 4.2 s, five minutes: 366 s; ten minutes where the save is unknown."""
    run = run_of(row() | {"whole_run": WHOLE_RUN})
    assert times.margin_s(run, 1380) == 366
    assert times.margin_s(run_of(row()), 1380) == 909
    assert times.margin_s(run, 4) == 120  # half of four minutes
    assert directives(spec(row=row() | {"whole_run": WHOLE_RUN}))["signal"] == "B:USR1@366"
    assert "--exit-duration-in-mins 1373" in " ".join(arguments(spec(row=row() | {"whole_run": WHOLE_RUN})))


def test_long_steps_are_no_hang() -> None:
    slow = run_of(row() | {"time": {"step_s": 240.0}, "whole_run": WHOLE_RUN})
    assert times.hang_min(slow) == 122  # 3 x 10 steps x 240 s, 57 s of save, 60 s of load
    assert times.hang_min(run_of(row())) == 30


@pytest.mark.parametrize("blocks", [[{"usable_until": "tomorrow"}], [{"usable_until": "2026-12-05T11:00:00"}], [7]])
def test_an_end_that_is_no_moment_is_refused(blocks: object) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        run_of(row() | {"whole_run": {"blocks": blocks}})


def test_the_end_of_a_block_is_in_the_environment_or_asked_for() -> None:
    block = capacity("p5.48xlarge", "capacity-block", 4)
    known = rendered(spec(row=row() | {"whole_run": WHOLE_RUN}, capacity=block))
    assert "JOB_USABLE_UNTIL=2026-12-05T11:00:00Z\n" in known.files[environment.ENVIRONMENT]
    unknown = rendered(spec(capacity=block))
    assert any("JOB_USABLE_UNTIL" in line for line in unknown.warnings)
    several = run_of(row() | {"whole_run": {"blocks": WHOLE_RUN["blocks"] * 2}})
    assert several.usable_until is None


def test_ultraservers_are_asked_for_as_segments() -> None:
    found = dict(matrix())
    assert directives(found["u-p6e-gb200x72 capacity-block efa"])["segment"] == "18"
    assert directives(found["one ultraserver"])["segment"] == "9"
    assert "segment" not in directives(spec())


def test_tensor_ranks_that_leave_the_domain_are_said() -> None:
    of = spec(nodes=4, row=row(nodes=4, tp=16))
    assert any("crosses NVLink domains of 8" in line for line in rendered(of).warnings)
    assert not any("crosses" in line for line in rendered(spec()).warnings)


def test_what_the_plugin_sets_is_left_alone() -> None:
    text = rendered(spec()).files[environment.ENVIRONMENT]
    for name in ("FI_PROVIDER", "FI_EFA_USE_DEVICE_RDMA", "FI_EFA_FORK_SAFE", "NCCL_PROTO", "NCCL_BUFFSIZE", "RDMAV_"):
        assert name not in text


@pytest.mark.parametrize(
    ("name", "interfaces"),
    [
        ("p4d.24xlarge", 4),
        ("p5.4xlarge", 1),
        ("p5.48xlarge", 32),
        ("p5en.48xlarge", 16),
        ("p6-b200.48xlarge", 8),
        ("p6-b300.48xlarge", 16),
    ],
)
def test_the_health_check_counts_the_types_interfaces(name: str, interfaces: int) -> None:
    assert f"JOB_EFA_PER_NODE={interfaces}\n" in rendered(spec(name)).files[environment.ENVIRONMENT]
    unsure = dict(matrix())["one ultraserver"]  # nobody publishes for sure how many its instances have
    assert "JOB_EFA_PER_NODE=0\n" in rendered(unsure).files[environment.ENVIRONMENT]


def test_the_expected_all_reduce_is_that_of_the_model() -> None:
    """1 GiB over 2 x 8 H100: NVLink is the slower level, by hand from the constants of p5; 360 GB/s."""
    wire = 2 * 2**30 * 7 / 8
    time_s = 4.5e-6 + 2 * 7 * 0.79e-6 + wire / (0.785 * 450e9) + (6.7e6 * wire) ** 0.5 / 450e9
    assert bus_bytes_per_s(instance("p5.48xlarge"), 2) == pytest.approx(2**30 / time_s * 2 * 15 / 16)
    assert bus_bytes_per_s(instance("p5.4xlarge"), 1) == 0
    few, many = (bus_bytes_per_s(instance("p5.48xlarge"), nodes) for nodes in (2, 128))
    assert few > many


def test_no_expected_rate_without_a_network_to_expect_it_of() -> None:
    assert "JOB_BUS_GB_PER_S=''\n" in rendered(spec(efa=False)).files[environment.ENVIRONMENT]
    assert "JOB_BUS_GB_PER_S=''\n" not in rendered(spec(nodes=1, efa=False)).files[environment.ENVIRONMENT]


def test_another_program_for_the_same_plan() -> None:
    words = arguments(spec(recipe="megatron-bridge"))
    assert "model.tensor_model_parallel_size=4" in words and not any(word.startswith("--") for word in words)
    assert "JOB_RECIPE=''\n" in rendered(spec(recipe="megatron-bridge")).files[environment.ENVIRONMENT]
    with pytest.raises(UsageError, match="not for a plan of megatron"):
        rendered(spec(recipe="torchtitan"))
    with pytest.raises(UsageError, match="no recipe called"):
        rendered(spec(recipe="$(id)"))


def test_a_layout_that_the_program_cannot_run_is_refused_with_the_reason() -> None:
    of = spec(row=row(framework="nanotron", recompute=Recompute.SELECTIVE))
    with pytest.raises(UsageError, match="nanotron cannot run this layout") as caught:
        rendered(of)
    assert caught.value.why == "nanotron recomputes all layers whole or none"


def test_the_framework_of_old_megatron_runs_its_attention() -> None:
    words = arguments(spec(row=row(framework="megatron-unfused")))
    assert value(words, "--attention-backend") == "unfused"
