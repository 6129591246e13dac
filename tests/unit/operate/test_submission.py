"""A job is handed over once, and no job runs that no record knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cluster_fakes import FakeClock, Gate, World, ports, rendering, spec

from fmctl.base.errors import FmctlError, OperationFailed, ServiceUnavailable, UnwritableFile, UsageError
from fmctl.domain.job import Job
from fmctl.operate.launch import launch
from fmctl.operate.records import read_record
from fmctl.operate.runs import read_run, run_names
from fmctl.operate.state.files import FileStore
from fmctl.operate.submission import Submission, Turn, submit_once, token, with_variables

TURN = Turn(FakeClock(World()))
FILES = {"job.sbatch": "#!/bin/sh\n", "job.env": "A=1\n"}


class FakeSlurm:
    """Jobs by their token; `refusal` is raised by a submission, after the job was made where `lost`."""

    def __init__(self, store: FileStore) -> None:
        self.jobs: dict[str, Job] = {}
        self.refusal: FmctlError | None = None
        self.lost = False
        self.known_first: list[list[str]] = []
        self._store = store

    def with_token(self, token: str) -> Job | None:
        return self.jobs.get(token)

    def submit(self, folder: str, files: Mapping[str, str], script: str, token: str) -> tuple[Job, bool]:
        self.known_first.append(run_names(self._store))
        assert (folder, dict(files), script) == ("/fsx/job", FILES, "job.sbatch")
        if self.refusal is not None and not self.lost:
            raise self.refusal
        new = token not in self.jobs
        self.jobs.setdefault(token, job(len(self.jobs) + 7))
        if self.refusal is not None:
            raise self.refusal
        return self.jobs[token], new


def job(number: int) -> Job:
    return Job(id=number, name="p", state="PENDING", nodes="", node_count=2, user="ada", restarts=0, exit_code=None,
               output=f"/fsx/job/slurm-{number}.out", folder="/fsx/job", comment="")  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


@pytest.fixture
def slurm(store: FileStore) -> FakeSlurm:
    return FakeSlurm(store)


def asked() -> Submission:
    return Submission(
        spec=spec(), inputs={}, files=FILES, folder="/fsx/job", variables=("SECRET",), digest="sha256:c", by="ada",
        at="2026-11-22T10:00:00+00:00", script="job.sbatch",
    )  # fmt: skip


def test_a_job_is_on_record_before_slurm_hears_of_it(store: FileStore, slurm: FakeSlurm) -> None:
    run, made, new = submit_once(asked(), slurm, store, TURN)
    name = f"{spec().name}-1"
    assert (new, made.id, run.name, slurm.known_first) == (True, 7, name, [[name]])
    kept = read_run(store, name)
    assert (kept.state, kept.over, kept.token in slurm.jobs) == ("PENDING", False, True)
    assert (kept.job or {})["output"] == "/fsx/job/slurm-7.out"
    assert (kept.submitted_by, kept.submitted_at) == ("ada", "2026-11-22T10:00:00+00:00")
    assert (kept.variables, kept.config_digest, kept.folder) == (("SECRET",), "sha256:c", "/fsx/job")
    assert set(kept.files) == set(FILES)
    assert all(digest.startswith("sha256:") for digest in kept.files.values())


def test_the_same_again_finds_the_job(store: FileStore, slurm: FakeSlurm) -> None:
    first, made, _ = submit_once(asked(), slurm, store, TURN)
    again, found, new = submit_once(asked(), slurm, store, TURN)
    assert (again.name, found, new) == (first.name, made, False)
    assert len(slurm.known_first) == 1, "Slurm is not asked to submit again"
    assert run_names(store) == [first.name]


def test_a_job_whose_record_went_gets_one(store: FileStore, slurm: FakeSlurm) -> None:
    first, made, _ = submit_once(asked(), slurm, store, TURN)
    stored = store.read(f"runs/{first.name}.json")
    assert stored is not None
    store.remove(f"runs/{first.name}.json", stored.version)
    again, found, new = submit_once(asked(), slurm, store, TURN)
    assert (found, new, read_run(store, again.name).job) == (made, False, again.job)


def test_a_refused_job_leaves_no_record(store: FileStore, slurm: FakeSlurm) -> None:
    slurm.refusal = OperationFailed("Batch job submission failed")
    with pytest.raises(OperationFailed):
        submit_once(asked(), slurm, store, TURN)
    assert run_names(store) == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_lost_answer_is_taken_up_by_whoever_asks_again(store: FileStore, slurm: FakeSlurm, lost: bool) -> None:
    slurm.refusal, slurm.lost = ServiceUnavailable("no answer"), lost
    with pytest.raises(ServiceUnavailable):
        submit_once(asked(), slurm, store, TURN)
    [name] = run_names(store)
    assert read_run(store, name).state == "not submitted"
    slurm.refusal = None
    run, made, new = submit_once(asked(), slurm, store, TURN)
    assert (run.name, made.id, new) == (name, 7, not lost)
    assert read_run(store, name).state == "PENDING"


def test_without_a_record_there_is_no_job(store: FileStore, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: FileStore, key: str, text: str) -> None:
        raise UnwritableFile("cannot write", why="No space left on device")

    monkeypatch.setattr(FileStore, "create", full)
    with pytest.raises(UnwritableFile):
        submit_once(asked(), slurm, store, TURN)
    assert slurm.jobs == {}


def test_variables_stand_last_and_quoted() -> None:
    found = with_variables("A=1\n", ["B=2", "C=a b'c", "_D1==", "A=$(rm -rf /)"])
    assert found == "A=1\nB=2\nC='a b'\"'\"'c'\n_D1==\nA='$(rm -rf /)'\n"
    assert with_variables("A=1\n", []) == "A=1\n"


@pytest.mark.parametrize("word", ["A", "=1", "1A=2", "A B=1", "A-B=1", "A=a\0b", "\u00c4=1", "A\n=1"])
def test_what_names_no_variable_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as refused:
        with_variables("", [word])
    assert refused.value.next == "--set JOB_DATA=/fsx/data"
    assert "names no variable" in refused.value.what


def test_a_token_tells_clusters_and_files_apart() -> None:
    one = token("a", FILES)
    assert one == token("a", dict(reversed(FILES.items())))
    assert one.startswith("fmctl:a:")
    assert len(one) == len("fmctl:a:") + 16
    shifted = {"job.sbatchx": "", "job.env": "A=1\n"}
    assert len({one, token("b", FILES), token("a", {**FILES, "job.env": "A=2\n"}), token("a", shifted)}) == 4


def test_the_run_knows_the_cluster_that_it_is_submitted_to() -> None:
    world = World()
    made = ports(world, Gate(), {})
    launch(spec(), rendering(), made, confirm=lambda steps, money: True)
    slurm = FakeSlurm(made.store)  # type: ignore[arg-type]
    run, _, _ = submit_once(asked(), slurm, made.store, TURN)
    record = read_record(made.store, spec().name)
    assert record is not None
    assert (run.region, run.account) == (record.region, record.account) != (None, None)
    assert run.cluster_config_digest == record.config_digest
