"""Lines that are no step: saves and loads with their time, starts and restarts, errors; what a job says of itself.

Sources: Megatron-LM (checkpointing, timers), torchtitan (checkpoint, metrics), nanotron (trainer), DeepSpeed
(checkpoint engine, ZeRO-3), PyTorch (elastic agent, ProcessGroupNCCL), Slurm's step daemon, the NVIDIA
driver's kernel messages.
"""

from __future__ import annotations

import re

from fmctl.progress.items import Event

_LONGEST = 200
_TIMER = r"\s\.{3,}\s*:?\s*\(?(?:[\d.]+, )?(?P<ms>[\d.]+)"
# One of these stands in every line below: plain searches for them are what most of a log costs.
MARKERS: tuple[bytes, ...] = (
    b"heckpoint", b"raining starts at step", b"[before the start of training", b"restart worker group", b"CANCELLED AT",
    b"Node failure on", b"collective operation timeout", b"NCCL error in", b"NVRM: Xid (PCI", b"ut of memory",
    b"oom_kill event", b"found NaN in", b"Unexpected result nan", b"memory allocation retries", b"high memory pressure",
    b"fmctl-record: ", b"fmctl-quality: ", b"validation loss at iteration", b"validate step:",
)  # fmt: skip
_TABLE: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("saved", r"successfully saved checkpoint (?:from|at) iteration\s+(?P<step>\d{1,12})"),
        ("loaded", r"successfully loaded checkpoint.{0,2000}?at iteration\s+(?P<step>\d{1,12})"),
        ("saving", r"saving checkpoint at iteration\s+(?P<step>\d{1,12})"),
        ("saving", r"scheduled an async checkpoint save at iteration\s+(?P<step>\d{1,12})"),
        ("save-time", r"save-checkpoint(?:-non-persistent)?" + _TIMER),
        ("load-time", r"load-checkpoint" + _TIMER),
        ("saved", r"Finished saving the checkpoint.{0,80}? in (?P<s>[\d.]+) seconds"),
        ("saved", r"Last step checkpoint completed in (?P<s>[\d.]+)\s?s"),
        ("loaded", r"Finished loading the checkpoint in (?P<s>[\d.]+) seconds"),
        ("saving", r"Saving the checkpoint\b"),
        ("loading", r"Loading the checkpoint (?:at step (?P<step>\d{1,12})|from)"),
        ("saving", r"Saving checkpoint at .{0,2000}?(?P<step>\d{1,12})/?\s*$"),
        ("loading", r"Loading checkpoint from"),
        ("saving", r"Checkpoint global_step(?P<step>\d{1,12}) is (?:about|begin) to"),
        ("saved", r"Checkpoint global_step(?P<step>\d{1,12}) is ready now"),
        ("loaded", r"\[Torch\] Loaded checkpoint from"),
        ("start", r"[Tt]raining starts at step (?P<step>\d{1,12})"),
        ("start", r"\[before the start of training"),
        ("restart", r"will restart worker group"),
        ("interrupted", r"CANCELLED AT .{0,80}? DUE TO (?:NODE FAILURE|JOB REQUEUE|PREEMPTION)|Node failure on"),
        ("validation", r"validation loss at iteration\s+(?P<step>\d{1,12}).{0,80}?loss value: (?P<s>[\d.E+-]+)"),
        ("validation", r"validate step:\s*(?P<step>\d{1,12})\s+loss:\s*(?P<s>[\d.]+)"),
        ("nccl-error", r"collective operation timeout|NCCL error in"),
        ("xid", r"Xid \(PCI:[^)]{0,40}\): (?P<n>\d{1,5})"),
        ("out-of-memory", r"[Oo]ut of memory|oom_kill event"),
        ("nan", r"found NaN in|Unexpected result nan"),
        (
            "alloc-retries",
            r"(?P<n>\d{1,9}) (?:CUDA memory allocation retries|pytorch allocator cache flushes since last step)",
        ),
    )
)


# What the job's script says of the start it makes (`cluster.render.record`), and what a user's program says of quality.
_OURS = (("record", "fmctl-record: "), ("quality", "fmctl-quality: "))
_LONGEST_OURS = 600


def event(line: str) -> Event | None:
    """What a line tells beside steps, None where it tells nothing that is known here."""
    for kind, head in _OURS:
        _, there, rest = line.partition(head)
        if there:
            return Event(kind, text="".join(c if c.isprintable() else " " for c in rest[:_LONGEST_OURS]).strip())
    for kind, pattern in _TABLE:
        found = pattern.search(line)
        if found is not None:
            held = found.groupdict()
            step = held.get("step")
            return Event(kind, step=None if step is None else int(step), value=_value(held), text=_short(line))
    return None


def _value(held: dict[str, str | None]) -> float | None:
    for name, scale in (("s", 1.0), ("ms", 1e-3), ("n", 1.0)):
        text = held.get(name)
        if text is not None:
            try:
                return float(text) * scale
            except ValueError:  # 1.2.3
                return None
    return None


def _short(line: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in line[-4 * _LONGEST :].strip())
    return clean[:_LONGEST]
