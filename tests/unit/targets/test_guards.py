"""The shell functions of the batch script, run by bash with a Slurm that only writes down what it was asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.layout import Recompute, Sharding
from fmctl.frameworks.registry import recipes
from fmctl.targets.slurm import job
from fmctl.targets.slurm.environment import ENVIRONMENT
from fmctl.targets.slurm.guards import AGAIN, HEALTH, WATCH
from tests.unit.targets.helpers import WHOLE_RUN, capacity, rendered, row, spec

NEWEST = {recipe.name: recipe.newest for recipe in recipes()}
DONE = {
    "megatron-lm": (".metadata", "iter_{:07d}", "latest_checkpointed_iteration.txt", "{}"),
    "megatron-bridge": (".metadata", "iter_{:07d}", "latest_train_state.pt", "{}"),
    "torchtitan": (".metadata", "step-{}", "", ""),
    "nanotron": ("checkpoint_metadata.json", "{}", "latest.txt", "{}"),
    "megatron-deepspeed": ("mp_rank_00_model_states.pt", "global_step{}", "latest", "global_step{}"),
}


def bash(text: str, *args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", text, "bash", *args], capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
        env={"PATH": "/usr/bin:/bin", **env},
    )  # fmt: skip


def newest(recipe: str, folder: Path) -> str:
    done = bash(f'set -euo pipefail\n{NEWEST[recipe]}\nnewest_checkpoint "$1"', str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def save(recipe: str, folder: Path, step: int, *, complete: bool = True, said: bool = True) -> Path:
    mark, name, latest, words = DONE[recipe]
    made = folder / name.format(step)
    made.mkdir(parents=True)
    (made / "weights").write_text("x")
    if complete:
        (made / mark).write_text("x")
        (made / "train_state.pt").write_text("x")
    if complete and said and latest:
        (folder / latest).write_text(words.format(step) + "\n")
    return made


@pytest.mark.parametrize("recipe", DONE)
def test_the_newest_complete_checkpoint_is_found(recipe: str, tmp_path: Path) -> None:
    folder = tmp_path / "a b'$(id)"
    assert newest(recipe, folder) == ""
    folder.mkdir()
    assert newest(recipe, folder) == ""
    for step in (9, 100, 90):
        save(recipe, folder, step)
    if DONE[recipe][2]:
        (folder / DONE[recipe][2]).write_text(DONE[recipe][3].format(100))
    assert newest(recipe, folder) == "100"
    save(recipe, folder, 200, complete=False)
    assert newest(recipe, folder) == "100"
    save(recipe, folder, 1000)
    assert newest(recipe, folder) == "1000"


@pytest.mark.parametrize("recipe", ["megatron-lm", "nanotron", "megatron-deepspeed"])
def test_a_save_that_was_never_announced_does_not_count(recipe: str, tmp_path: Path) -> None:
    save(recipe, tmp_path, 50)
    save(recipe, tmp_path, 60, said=False)
    assert newest(recipe, tmp_path) == "50"
    (tmp_path / DONE[recipe][2]).write_text("release")
    assert newest(recipe, tmp_path) == ""


@pytest.mark.parametrize("recipe", DONE)
def test_one_that_was_announced_and_is_gone_gives_way_to_the_one_before(recipe: str, tmp_path: Path) -> None:
    save(recipe, tmp_path, 50)
    shutil.rmtree(save(recipe, tmp_path, 60))
    (tmp_path / "notes").mkdir()
    assert newest(recipe, tmp_path) == "50"


def test_an_empty_mark_is_no_mark(tmp_path: Path) -> None:
    save("torchtitan", tmp_path, 5)
    save("torchtitan", tmp_path, 6).joinpath(".metadata").write_text("")
    assert newest("torchtitan", tmp_path) == "5"


CALLS = """\
scontrol() { [ "$1" = show ] && printf '%s\\n' n1 n2 n3 n4 || echo "scontrol $*"; }
scancel() { echo "scancel $*"; }
sudo() { return 1; }
timeout() { shift; "$@"; }
export JOB_NVLINKS_PER_GPU=18
export SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=4 JOB_GPUS_PER_NODE=8 JOB_EFA_PER_NODE=32 JOB_BUS_SHARE=0.7
export JOB_BUS_GB_PER_S=300 JOB_PAIR_GB_PER_S=350 JOB_ALL_REDUCE=all_reduce_perf
hosts=(n1 n2 n3 n4)
"""


def health(fake: str, **env: str) -> subprocess.CompletedProcess[str]:
    text = f"set -euo pipefail\n{AGAIN}{HEALTH}{CALLS}{fake}\ncheck_health\necho fit"
    return bash(text, **env)


def measured(rates: dict[str, float]) -> str:
    """A fake srun: nodes lack nothing, and all_reduce_perf reports the rate of the slowest node named."""
    cases = "".join(f"*{node}*) rate={rate} ;;\n" for node, rate in rates.items())
    return f"""srun() {{
  case "$*" in *lacking*|*check) return 0 ;; esac
  local rate=400
  case "$*" in {cases} esac
  echo "# Avg bus bandwidth    : $rate"
}}"""


def test_nodes_that_lack_something_are_drained_and_the_job_goes_back() -> None:
    done = health('srun() { echo "n2 7 of 8 GPUs"; echo "n4 31 of 32 EFA interfaces"; }')
    assert done.returncode != 0 and "fit" not in done.stdout.split()
    assert "scontrol update NodeName=n2 State=DRAIN Reason=fmctl: 7 of 8 GPUs" in done.stdout
    assert "NodeName=n4" in done.stdout
    assert "scontrol requeue 7" in done.stdout


def test_the_job_does_not_go_back_for_ever() -> None:
    done = health('srun() { echo "n2 7 of 8 GPUs"; }', SLURM_RESTART_COUNT="10")
    assert "scancel 7" in done.stdout and "requeue" not in done.stdout


def test_what_every_node_lacks_drains_none() -> None:
    done = health('srun() { for node in n1 n2 n3 n4; do echo "$node 0 of 8 GPUs"; done; }')
    assert done.returncode != 0 and "none is drained" in done.stdout
    assert "scontrol" not in done.stdout


def test_a_check_that_fails_drains_nobody() -> None:
    done = health("srun() { return 1; }")
    assert done.returncode != 0
    assert "NodeName" not in done.stdout and "scontrol requeue 7" in done.stdout


def test_a_node_between_two_slow_ones_is_not_drained() -> None:
    six = "hosts=(n1 n2 n3 n4 n5 n6)\nSLURM_JOB_NUM_NODES=6\n"
    done = health(six + measured({"n2": 100, "n4": 120}))
    drained = [line for line in done.stdout.splitlines() if line.startswith("scontrol update")]
    assert [line.split()[2] for line in drained] == ["NodeName=n2", "NodeName=n4"]


def test_where_most_nodes_are_suspects_none_is_drained() -> None:
    done = health(measured({"n1": 100, "n3": 120}))
    assert "no single node is to blame" in done.stdout
    assert "scontrol" not in done.stdout


def test_what_nodes_have_is_counted_on_the_nodes(tmp_path: Path) -> None:
    """The commands of the node, with an nvidia-smi and an fi_info that answer as real ones do."""
    tools = tmp_path / "bin"
    tools.mkdir()
    gpus = "\n".join(f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: GPU-{i})" for i in range(8))
    cards = "\n".join(
        f"provider: efa\n    fabric: efa\n    domain: rdmap{i}s0-{end}" for i in range(32) for end in ("rdm", "dgrm")
    )
    link = "\n".join(f"\t Link {i}: 26.562 GB/s" for i in range(18))
    links = "\n".join(f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: GPU-{i})\n{link}" for i in range(8))
    smi = f"""case "$*" in *nvlink*) cat "$0.links" ;; *) cat <<'X'\n{gpus}\nX\n;; esac"""
    for name, text in (("nvidia-smi", smi), ("fi_info", f"cat <<'X'\n{cards}\nX")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    (tools / "nvidia-smi.links").write_text(links)
    fake = 'srun() { while [ "$1" != bash ]; do shift; done; SLURMD_NODENAME=n1 "$@"; }\nexport SLURMD_NODENAME=n1\n'
    text = f"set -euo pipefail\n{AGAIN}{HEALTH}{CALLS}{fake}lacking"
    path = f"{tools}:/usr/bin:/bin"
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env={"PATH": path}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = subprocess.run(
        ["bash", "-c", text.replace("JOB_EFA_PER_NODE=32", "JOB_EFA_PER_NODE=16")], capture_output=True, text=True,
        env={"PATH": path}, check=False,
    )  # fmt: skip
    assert done.stdout == "n1 32 of 16 EFA interfaces\n"
    inactive = links.replace("Link 3: 26.562 GB/s", "Link 3: <inactive>", 2)
    for shown, said in ((inactive, "n1 142 of 144 NVLinks\n"), ("", "")):  # what a driver does not list is not counted
        (tools / "nvidia-smi.links").write_text(shown)
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env={"PATH": path}, check=False)
        assert done.stdout == said


def test_a_network_as_predicted_is_fit() -> None:
    done = health(measured({}))
    assert done.returncode == 0 and "fit" in done.stdout.split(), done.stderr
    assert "400 GB/s, the plan counts on 300" in done.stdout


def test_the_node_that_slows_all_its_neighbours_is_drained() -> None:
    done = health(measured({"n3": 90}))
    assert done.returncode != 0
    assert "NodeName=n3 State=DRAIN Reason=fmctl: slow all-reduce" in done.stdout
    assert done.stdout.count("NodeName=") == 1
    assert "slow nodes: n3" in done.stdout
    assert "scontrol requeue 7" in done.stdout


def test_two_nodes_cannot_say_which_of_them_is_slow() -> None:
    done = health(measured({"n1": 90}) + "\nhosts=(n1 n2)")
    assert done.returncode == 0 and "no single node is to blame" in done.stdout
    assert "NodeName" not in done.stdout


def test_an_odd_number_of_nodes_is_paired_too() -> None:
    done = health(measured({"n5": 90}) + "\nhosts=(n1 n2 n3 n4 n5)")
    assert done.stdout.count("NodeName=n5") == done.stdout.count("NodeName=") == 1
    done = health(measured({"n1": 90}) + "\nhosts=(n1 n2 n3 n4 n5)")
    assert "NodeName=n1" in done.stdout


def test_a_benchmark_that_fails_stops_nobody() -> None:
    done = health('srun() { case "$*" in *check) return 0 ;; esac; return 9; }')
    assert done.returncode == 0 and "not checked" in done.stdout


def test_a_figure_that_is_none_stops_nobody() -> None:
    done = health('srun() { case "$*" in *check) return 0 ;; esac; echo error; }')
    assert done.returncode == 0 and "not checked" in done.stdout


def test_a_log_that_stands_still_sends_the_job_back(tmp_path: Path) -> None:
    log = tmp_path / "job.out"
    log.write_text("step 1\n")
    text = f'set -euo pipefail\n{AGAIN}{WATCH}{CALLS}srun() {{ :; }}\nexport JOB_CHECKPOINTS=$2\nwatch_log "$1"'
    env = {"JOB_HANG_TICK_S": "0.05", "JOB_HANG_MINUTES": "3", "PATH": "/usr/bin:/bin"}
    done = bash(text, str(log), str(tmp_path), **env)
    assert "no new bytes in the log for 3 minutes" in done.stdout
    assert "scontrol requeue 7" in done.stdout
    assert (tmp_path / "hang-7-0").is_dir()


def test_a_log_that_grows_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "job.out"
    text = f"""set -euo pipefail\n{AGAIN}{WATCH}{CALLS}srun() {{ :; }}
export JOB_CHECKPOINTS=$2
watch_log "$1" & watcher=$!
for i in 1 2 3 4 5 6 7 8 9 10; do echo "$i" >>"$1"; sleep 0.1; done
kill "$watcher"; echo end"""
    done = bash(text, str(log), str(tmp_path), JOB_HANG_TICK_S="0.1", JOB_HANG_MINUTES="4")
    assert done.stdout == "end\n"


# A Slurm in which every node is this machine, and a torchrun that starts two workers which save when they are asked.
MACHINE = """\
srun() {
  case "$*" in *"exec torchrun"*|*torchrun*) ;; *) return 0 ;; esac
  while [ "$1" != bash ]; do shift; done
  "$@" & echo $! >"$PLACE/srun.pid"
  wait $! ; local code=$?
  while [ "$code" = 138 ]; do wait $!; code=$?; done
  return "$code"
}
scontrol() { if [ "$1" = show ]; then echo n1; else echo "scontrol $*"; fi; }
scancel() { echo "scancel $*"; kill -USR1 "$(cat "$PLACE/srun.pid")"; }
export -f srun scontrol scancel
"""
TORCHRUN = """#!/bin/bash
trap 'echo torchrun was told; exit 9' TERM
python3 -c '
import signal, sys, time
def save(*_):
    print("saved", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(30)
' &
wait $!
"""


def start(of: ClusterSpec, folder: Path, *more: str) -> subprocess.Popen[str]:
    files = rendered(of).files
    for name, text in files.items():
        (folder / name).write_text(text)
    extra = "".join(f"{line}\n" for line in more)
    text = f"{files[ENVIRONMENT]}JOB_CHECKPOINTS={folder}/saved\nJOB_HEALTH=0\n{extra}"
    (folder / ENVIRONMENT).write_text(text)
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "torchrun").write_text(TORCHRUN)
    (tools / "torchrun").chmod(0o755)
    env = {
        "PATH": f"{tools}:/usr/bin:/bin", "PLACE": str(folder), "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "my-plan", "SLURM_JOB_NODELIST": "n1", "SLURM_CPUS_ON_NODE": "8", "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NODEID": "0",
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", "-c", f"{MACHINE}exec bash {job.SCRIPT}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=folder, env=env, start_new_session=True,
    )  # fmt: skip


def until(run: subprocess.Popen[str], word: str) -> str:
    """What the job prints up to a line with that word."""
    seen = ""
    assert run.stdout is not None
    while word not in seen:
        line = run.stdout.readline()
        assert line, seen
        seen += line
    return seen


def finish(run: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        rest = run.communicate(timeout=40)[0]
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    return run.returncode, rest


def test_slurms_signal_reaches_the_training_processes_which_save(tmp_path: Path) -> None:
    assert shutil.which("pkill"), "procps is part of every image that trains"
    run = start(spec(), tmp_path)
    until(run, "ready")
    run.send_signal(signal.SIGUSR1)
    code, rest = finish(run)
    assert "asking for a save" in rest
    assert "saved" in rest and "torchrun was told" not in rest
    assert code == 0


def test_a_block_that_ends_soon_asks_for_a_save_in_time(tmp_path: Path) -> None:
    of = spec(row=row() | {"whole_run": WHOLE_RUN}, capacity=capacity("p5.48xlarge", "capacity-block", 4))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 13))
    run = start(of, tmp_path, f"JOB_USABLE_UNTIL={soon}", "JOB_SAVE_MARGIN_S=10")
    until(run, "ready")
    code, rest = finish(run)
    assert "saved" in rest and code == 0


def test_a_block_that_is_over_starts_nothing(tmp_path: Path) -> None:
    run = start(spec(), tmp_path, "JOB_USABLE_UNTIL=2020-01-01T00:00:00Z")
    code, said = finish(run)
    assert code == 1 and "leaves no time" in said and "ready" not in said


def test_a_framework_that_cannot_save_is_left_to_train(tmp_path: Path) -> None:
    of = spec(row=row(framework="torchtitan", sharding=Sharding.ZERO3))
    run = start(of, tmp_path, "JOB_CONFIG=model.toml")
    until(run, "ready")
    run.send_signal(signal.SIGUSR1)
    assert "cannot be asked to save" in until(run, "cannot be asked to save")
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


@pytest.mark.parametrize(("retry_s", "again"), [("0", True), ("600", False)])
def test_a_run_that_breaks_late_goes_back_and_one_that_breaks_at_once_does_not(
    retry_s: str, again: bool, tmp_path: Path
) -> None:
    run = start(spec(), tmp_path, f"JOB_RETRY_AFTER_S={retry_s}")
    (tmp_path / "bin" / "torchrun").write_text("#!/bin/bash\nexit 3\n")
    code, said = finish(run)
    assert code == 3
    assert ("scontrol requeue 7" in said) is again


def test_megatron_goes_on_from_the_newest_complete_save(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    save("megatron-lm", tmp_path / "saved", 400)
    save("megatron-lm", tmp_path / "saved", 800, complete=False)
    (tmp_path / "saved" / "latest_checkpointed_iteration.txt").write_text("800")
    run = start(spec(), tmp_path)
    (tmp_path / "bin" / "torchrun").write_text('#!/bin/bash\nprintf "<%s>" "$@"\n')
    code, said = finish(run)
    assert code == 0 and "going on from step 400" in said
    assert f"<--load><{tmp_path}/saved><--ckpt-step><400>" in said


def test_nanotron_finds_its_file_filled_in(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    save("nanotron", tmp_path / "saved", 40)
    of = spec(row=row(framework="nanotron", recompute=Recompute.FULL))
    run = start(of, tmp_path, "JOB_TOKENIZER='meta/a b'", "JOB_DATA=/fsx/data")
    (tmp_path / "bin" / "torchrun").write_text('#!/bin/bash\nprintf "<%s>" "$@"\n')
    code, said = finish(run)
    assert code == 0, said
    made = yaml.safe_load((tmp_path / "saved" / "nanotron-7.yaml").read_text())
    assert made["checkpoints"]["resume_checkpoint_path"] == f"{tmp_path}/saved/40"
    assert made["checkpoints"]["checkpoints_path"] == f"{tmp_path}/saved"
    assert made["tokenizer"]["tokenizer_name_or_path"] == "meta/a b"
    assert made["data_stages"][0]["data"]["dataset"] == {"dataset_folder": "/fsx/data"}
    assert made["optimizer"]["learning_rate_scheduler"]["learning_rate"] == 3e-4
    assert f"<--config-file><{tmp_path}/saved/nanotron-7.yaml>" in said


def test_a_container_gets_its_image_and_mounts(tmp_path: Path) -> None:
    run = start(spec(), tmp_path, "JOB_IMAGE=/fsx/image.sqsh", "JOB_FOLDER=/opt/Megatron-LM")
    (tmp_path / "bin" / "torchrun").write_text("#!/bin/bash\nexit 0\n")
    code, _ = finish(run)
    assert code == 0
    text = rendered(spec()).files[job.SCRIPT]
    words = bash(
        text.split("step=()")[1].split("mkdir -p")[0].join(("set -u\nstep=()", '\nprintf "%s\\n" "${step[@]}"')),
        JOB_IMAGE="/fsx/image.sqsh", JOB_MOUNTS="/fsx:/fsx", JOB_FOLDER="/opt/x", here="/home/me",
    ).stdout.splitlines()  # fmt: skip
    assert words == [
        "--container-image=/fsx/image.sqsh", "--container-mounts=/fsx:/fsx,/home/me:/home/me",
        "--container-workdir=/opt/x",
    ]  # fmt: skip
