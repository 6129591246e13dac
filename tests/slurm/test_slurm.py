"""The adapter against a real Slurm: submitted once, listed, put back after a node died, cancelled, output read on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmctl.adapters.slurm.commands import Slurm
from fmctl.adapters.slurm.heads import LocalHead
from fmctl.base.errors import OperationFailed, UnknownName
from fmctl.targets.slurm.jobs import told, trouble

pytestmark = pytest.mark.real("slurm")

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=train
#SBATCH --nodes={nodes}
#SBATCH --gres=gpu:8
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
echo "start ${{SLURM_RESTART_COUNT:-0}} on $SLURM_JOB_NODELIST"
cat note.txt
for i in $(seq 1 {seconds}); do echo "tick $i"; sleep 1; done
"""


@pytest.fixture
def there(slurm: Any) -> Slurm:
    return Slurm(LocalHead())


def files(nodes: int, seconds: int, note: str = "hello\n") -> dict[str, str]:
    return {"job.sbatch": SCRIPT.format(nodes=nodes, seconds=seconds), "note.txt": note}


def test_a_job_runs_and_its_output_is_read_on(there: Slurm, slurm: Any, tmp_path: Path) -> None:
    note = "quotes ' \" $(rm -rf /) and \u00fcnicode\n"
    folder = str(tmp_path / "a run's folder")
    job, made = there.submit(folder, files(2, 2, note), "job.sbatch", "fmctl-one")
    assert made
    assert (job.name, job.node_count, job.comment) == ("train", 2, "fmctl-one")
    slurm.wait(lambda: there.job(job.id).state == "COMPLETED")
    done = there.job(job.id)
    assert (done.over, done.exit_code, told(done, ()).text) == (True, 0, "done")
    text, offset = there.output(done)
    assert note.encode() in text
    assert b"tick 2" in text
    assert there.output(done, offset) == (b"", offset)
    begun, next_offset = there.output(done, 0, most=10)
    assert begun + there.output(done, next_offset)[0] == text
    assert there.output(done, -1, most=5)[0] == text[-5:]


def test_submitting_again_after_a_lost_answer_makes_no_second_job(there: Slurm, tmp_path: Path) -> None:
    first, made = there.submit(str(tmp_path), files(1, 30), "job.sbatch", "fmctl-twice")
    again, more = there.submit(str(tmp_path), files(1, 30), "job.sbatch", "fmctl-twice")
    assert (made, more, first.id) == (True, False, again.id)
    there.cancel(first.id)


def test_waiting_has_a_reason_in_plain_words(there: Slurm, slurm: Any, tmp_path: Path) -> None:
    first, _ = there.submit(str(tmp_path / "a"), files(8, 30), "job.sbatch", "fmctl-all")
    slurm.wait(lambda: there.job(first.id).state == "RUNNING")
    second, _ = there.submit(str(tmp_path / "b"), files(8, 1), "job.sbatch", "fmctl-late")
    slurm.wait(lambda: there.job(second.id).reason)
    said = told(there.job(second.id), there.nodes()).text
    assert said in ("waits for enough free nodes", "another job is before it")
    for job in (second, first):
        there.cancel(job.id)
        slurm.wait(lambda job=job: there.job(job.id).over)
    assert told(there.job(first.id), ()).text == "was cancelled"
    assert there.cancel(first.id).over, "cancelling what is over is no error"


def test_a_node_that_dies_is_named_and_its_job_put_back(there: Slurm, slurm: Any, tmp_path: Path) -> None:
    job, _ = there.submit(str(tmp_path), files(4, 60), "job.sbatch", "fmctl-dies")
    slurm.wait(lambda: there.job(job.id).state == "RUNNING")
    slurm.wait(lambda: b"tick" in there.output(there.job(job.id))[0])
    slurm.kill(1)
    try:
        back = slurm.wait(lambda: (found := there.job(job.id)).restarts and found, 60)
        lost = {node.name: trouble(node) for node in there.nodes() if trouble(node).text}
        assert set(lost) == {"gpu-st-p5-1"}
        assert "down" in lost["gpu-st-p5-1"].text or "answer" in lost["gpu-st-p5-1"].text
        slurm.reap(job.id)
        assert back.restarts == 1
        # Slurm waits two minutes before a job that was put back starts again: told, and not waited for.
        assert "put back 1 time(s)" in told(back, there.nodes()).text
    finally:
        there.cancel(job.id)
        slurm.start_node(1)
        slurm.resume(1)
        slurm.wait(lambda: not [node for node in there.nodes() if trouble(node).text], 30)


def test_what_slurm_refuses_is_one_error(there: Slurm, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="sbatch failed") as caught:
        there.submit(str(tmp_path), {"job.sbatch": "#!/bin/bash\n#SBATCH --partition=nowhere\n"}, "job.sbatch", "x")
    assert "invalid partition" in caught.value.why
    with pytest.raises(UnknownName):
        there.job(4_000_000)
    with pytest.raises(OperationFailed):
        there.submit("/proc/nowhere", files(1, 1), "job.sbatch", "fmctl-proc")
