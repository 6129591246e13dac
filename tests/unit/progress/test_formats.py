"""Lines of each framework, as they are printed, and what is read out of them."""

from __future__ import annotations

import json
from math import isnan

import pytest

from fmctl.domain.logged import Event, Job, Record
from fmctl.frameworks.log import number
from fmctl.progress.events import event, markers, patterns
from fmctl.progress.formats import LONGEST_LINE, Names, Parser
from fmctl.progress.text import clock_s, plain, rank_of
from tests.unit.progress.logs import JOB, deepspeed, megatron, nanotron, parse_lines, records, titan

MIDNIGHT = 1_763_596_800.0 + 365 * 86_400.0  # 2026-11-20


def only(line: str, job: Job = JOB) -> Record:
    (found,) = Parser(job).line(line)
    assert isinstance(found, Record)
    return found


def test_megatron() -> None:
    found = only(megatron(43, at=60.0))
    assert found == Record(43, MIDNIGHT + 60.0, 4.0, 512 * 8192 / 4.0, 2.5, 1.426, None, None, "")


def test_megatron_tells_the_length_of_the_run() -> None:
    parser = Parser()
    parser.line(megatron(43))
    assert parser.total_steps == 1000


def test_old_and_forked_megatron_lines() -> None:
    old = " iteration  200/ 1000 | elapsed time per iteration (ms): 528.9 | learning rate 1.3E-04 | lm loss 7.4E+00 |"
    assert only(old, Job()) == Record(200, None, 528.9 / 1e3, None, 7.4)
    fork = (
        "samples/sec: 7.799 | iteration       34/   10000 | elapsed time per iteration (ms): 4103.1 | learning rate: "
        "2.111E-06 | approx flops per GPU: 112.9TFLOPS | lm_loss: 1.118665E+01 | number of nan iterations:   0 |"
    )
    assert only(fork, Job()) == Record(34, None, 4103.1 / 1e3, None, 11.18665)


def test_megatron_memory_is_in_mebibytes() -> None:
    line = (
        "[Rank 0] (after 10 iterations) memory (MB) | allocated: 1464.3 | max allocated: 1464.3 | reserved: 1576.0 "
        "| max reserved: 1576.0"
    )
    assert only(line) == Record(10, memory_bytes=1576 * 2**20, rank=0)


def test_torchtitan_rates_are_per_gpu() -> None:
    found = only(titan(4, at=3.25, rank=7))
    assert (found.step, found.at, found.rank, found.loss, found.grad_norm) == (4, MIDNIGHT + 3.25, 7, 7.62585, 26.625)
    assert found.tokens_per_s == 16384 * 64
    assert found.step_s == 512 * 8192 / (16384 * 64)
    assert found.memory_bytes == pytest.approx(66.91 * 2**30)
    assert only(titan(4), Job()).tokens_per_s is None


def test_torchtitan_in_colour() -> None:
    line = (
        "[titan] 2026-02-24 19:46:17,508 - root - INFO - \x1b[31mstep:  5  \x1b[32mloss:  7.0762  \x1b[38;2;180;60;0m"
        "grad_norm: 46.5000  \x1b[38;2;54;234;195mmemory:  9.46GiB(64.99%)  \x1b[34mtps: 7,282  \x1b[36m"
        "tflops: 0.52\x1b[0m"
    )
    assert only(line).step == 5
    assert plain(line).startswith("[titan] 2026-02-24 19:46:17,508 - root - INFO - step:  5  loss:")


def test_torchtitan_without_gradient_norm() -> None:
    line = (
        "[titan] 2025-06-16 22:30:50,322 - root - INFO - step: 200  loss:  6.1384  memory: 49.66GiB(52.28%)  tps: 5,856"
    )
    assert (only(line).step, only(line).loss, only(line).grad_norm) == (200, 6.1384, None)


def test_nanotron_suffixes_are_decimal() -> None:
    found = only(nanotron(327281), Job())
    assert (found.step, found.step_s, found.tokens_per_s) == (327281, 11.5, 22_800.0)
    assert (found.loss, found.grad_norm, found.memory_bytes) == (2.38, 1.25, pytest.approx(34.1e9))
    assert found.at == clock_s("2025-10-17 16:31:56")


def test_deepspeed_samples_are_of_the_whole_job() -> None:
    found = only(deepspeed(10))
    assert (found.step, found.tokens_per_s, found.step_s) == (10, 128 * 8192.0, 4.0)
    assert found.memory_bytes == 38.5 * 2**30
    old = "[INFO] [timer.py:189:stop] 0/40, SamplesPerSec=83.5, MemAllocated=0.26GB, MaxMemAllocated=9.02GB"
    assert only(old).step == 40


def test_json_lines_with_names_of_ones_own() -> None:
    line = json.dumps(
        {"step": 7, "step_time_s": 2.0, "loss": 3.5, "grad_norm": 0.5, "memory_bytes": 5e9, "at": 12.5, "rank": 3}
    )
    assert only(line) == Record(7, 12.5, 2.0, 512 * 8192 / 2.0, 3.5, 0.5, 5e9, 3)
    names = Names(step="global_step", step_time_s="dt", at="when")
    (own,) = parse_lines(['INFO {"global_step": 8, "dt": 1.5, "when": "2026-11-20T00:00:01Z"}'], names=names)
    assert isinstance(own, Record)
    assert (own.step, own.step_s, own.at) == (8, 1.5, MIDNIGHT + 1.0)


@pytest.mark.parametrize(
    "line",
    ['{"step": 1', '{"step": true}', '{"step": "x"}', '{"step": -1}', '[{"step": 1}]x', '{"step": 1e400}', '"step"'],
)
def test_json_that_is_no_record_is_left_out(line: str) -> None:
    found = Parser().line(line)
    assert [item.step for item in records(found)] in ([], [1])
    if not line.startswith("["):
        assert found == []


def test_nan_is_kept_and_infinity_is_nan() -> None:
    found = only(megatron(3, loss="nan", norm="inf"))
    assert found.loss is not None and isnan(found.loss)
    assert found.grad_norm is not None and isnan(found.grad_norm)
    assert only('{"step": 3, "loss": NaN}').loss != 0.0


def test_glued_lines_give_all_their_steps_and_no_cut_number() -> None:
    whole = megatron(1) + megatron(2)
    assert [r.step for r in records(Parser(JOB).line(whole))] == [1, 2]
    cut = megatron(1)[: megatron(1).index("4000") + 2] + megatron(2)
    assert [r.step for r in records(Parser(JOB).line(cut))] == [2]


def test_of_a_line_beyond_all_measure_the_end_counts() -> None:
    assert [r.step for r in records(Parser(JOB).line("x" * 10 * LONGEST_LINE + megatron(9)))] == [9]
    assert records(Parser(JOB).line(megatron(9) + "x" * 10 * LONGEST_LINE)) == []


EVENTS = [
    ("fmctl-record: 2026-11-20T00:00:01Z nodes gpu-[1-2]", "record", None, None),
    ("fmctl-quality: mmlu=0.6", "quality", None, None),
    (" validation loss at iteration 1 | lm loss value: 1.1E+01 | lm loss PPL: 6E+4 |", "validation", 1, 11.0),
    ("[titan] 2026-11-20 00:00:01,000 - root - INFO - validate step: 20  loss:  2.5  tps: 9", "validation", 20, 2.5),
    ("saving checkpoint at iteration       1 to /fsx/checkpoints", "saving", 1, None),
    ("  successfully saved checkpoint from iteration      50 to /nemo_run [ t 1/1, p 1/1 ]", "saved", 50, None),
    ("    save-checkpoint ................................: (81611.24, 81611.82)", "save-time", None, 81.61182),
    ("    save-checkpoint ................................: 18512.90", "save-time", None, 18.5129),
    ("    load-checkpoint ................................: (17352.38, 17353.07)", "load-time", None, 17.35307),
    (" successfully loaded checkpoint from /fsx [ t 1/2, p 1/1 ] at iteration 1000", "loaded", 1000, None),
    ("[titan] 2026-11-20 00:00:01,000 - root - INFO - Saving the checkpoint.", "saving", None, None),
    ("Finished saving the checkpoint (or staging if async is enabled) in 3.21 seconds.", "saved", None, 3.21),
    ("Finished saving the checkpoint in 0.60 seconds.", "saved", None, 0.6),
    ("Loading the checkpoint at step 400.", "loading", 400, None),
    ("Finished loading the checkpoint in 11.31 seconds.", "loaded", None, 11.31),
    ("Training starts at step 401.", "start", 401, None),
    ("[before the start of training step] datetime: 2025-04-13 23:41:00 ", "start", None, None),
    ("11/01/2024 11:05:18 [WARNING|DP=0|PP=0|TP=0|host]: Saving checkpoint at /fsx/run/12000", "saving", 12000, None),
    ("[Torch] Checkpoint global_step10 is about to be saved!", "saving", 10, None),
    ("[Torch] Checkpoint global_step10 is ready now!", "saved", 10, None),
    ("[default] Worker group FAILED. 3/5 attempts left; will restart worker group", "restart", None, None),
    ("slurmstepd: error: *** JOB 7 ON a CANCELLED AT 2026-09-21T10:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG",
     "interrupted", None, None),
    ("srun: error: Node failure on p5-2", "interrupted", None, None),
    ("[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)", "nccl-error", None, None),
    ("NVRM: Xid (PCI:0000:83:00): 79, pid=2710030, GPU has fallen off the bus.", "xid", None, 79.0),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "out-of-memory", None, None),
    ("Rank 3: found NaN in local forward loss calculation", "nan", None, None),
    ("[titan] 2026-11-20 00:00:01,000 - WARNING - 37 CUDA memory allocation retries.", "alloc-retries", None, 37.0),
    ("2 pytorch allocator cache flushes since last step. this happens when there is high memory pressure and is",
     "alloc-retries", None, 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "step", "value"), EVENTS)
def test_events(line: str, kind: str, step: int | None, value: float | None) -> None:
    (found,) = Parser(source="log").line(line)
    assert isinstance(found, Event)
    assert (found.kind, found.step, found.source) == (kind, step, "log")
    assert found.value == (None if value is None else pytest.approx(value))


def test_each_marker_stands_in_a_line_that_is_known() -> None:
    joined = "\n".join(line for line, *_ in EVENTS) + "\noom_kill event\nNCCL error in:\nUnexpected result nan"
    assert [m for m in markers() if m.decode() not in joined] == []


@pytest.mark.parametrize(
    "line",
    ["p5:1:2 [0] NCCL INFO Channel 00/0 : 1[1] -> 2[2]", "NCCL WARN Call to bind failed", "checkpointable layers",
     " validation loss at iteration 1 | no value", "tps: 12", "SamplesPerSec=", "memory (MB) |"],
)  # fmt: skip
def test_other_lines_are_nothing(line: str) -> None:
    assert Parser().line(line) == []
    assert event(line, patterns()) is None


def test_clocks_and_ranks_and_numbers() -> None:
    assert clock_s("2026-11-20T01:00:00+01:00 x") == MIDNIGHT
    assert clock_s("2026-13-40 00:00:00") is None
    assert rank_of(" 12: [2026] x") == 12
    assert rank_of("iteration 12: x") is None
    assert [number(t) for t in ("10,050", "11.5K", "634k", "1e-05", "x", "", "1.2.3")] == [
        10050,
        11500,
        634000,
        1e-5,
        None,
        None,
        None,
    ]
