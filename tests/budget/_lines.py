"""Command lines by chance: every command and option of the real tree, with values that fit and values that do not."""

from __future__ import annotations

import io
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.budget.fuzz import HANG_S, Hang, Told, in_time

GOOD = {
    "model": "llama-3.1-8b", "subject": "llama-3.1-8b", "instance": "p5.48xlarge", "instances": "p5.48xlarge", "a": "a",
    "b": "a", "plan_name": "a", "run_name": "fm-a-1", "hours": "2", "job": "1", "setting": "region", "nodes": "2",
    "value": "us-east-2", "shell": "bash", "config_file": "config.json", "schema_name": "plan", "tokens": "1B",
    "seq_len": "4096", "global_batch": "256", "row": "1", "max_hours": "2", "site": "site.yaml", "data": "runs.csv",
    "log": "train.log", "output": "json", "query": "result", "fields": "model", "purchase": "on-demand",
    "deadline": "60d",
    "regions": "us-east-1", "store": "state", "start": "2027-03-01",
}  # fmt: skip
HOSTILE = (
    "-1", "0", "nan", "inf", "1e999", "9" * 400, "", " ", ",", "a,,b", "..", "8..2", "1.5", "💥", "\x1b[31m",
    "'; rm", "/",
    "../../etc/passwd", "%s%n", "{}", "--", "x" * 100_000, "\udcff", "a\nb", "a\0b", "/dev/zero", "/dev/null",
    "fifo", ".",
    "damaged.json", "deep.yaml", "deep.json", "[" * 500, "s3://", "1e-240h", ".5B", "2026-02-30", "site.yaml",
    "train.log",
    "config.json", "a", "-o", "json", "http://127.0.0.1:1", "file:///etc/passwd", "true", "a=b", "=", "NCCL=1",
)  # fmt: skip
# Screens, servers and installers wait or download; validating and fitting take seconds whatever they are told, and are
# asked with the shipped runs alone by their own tests.
WAITING = ("rehearse", "follow", "every")  # options that start or wait for something
LEFT_OUT = ("ui", "watch", "pcluster install", "lab start", "observe export", "calibrate", "validate")
SLOW = {"plan": 0.03, "estimate": 0.2, "explain": 0.2, "capacity": 0.2}  # how often these are kept
SITE = "region: us-east-1\ncompute_subnet: subnet-0123456789abcdef0\nhead_subnet: subnet-0123456789abcdef1\n"


def commands() -> list[dict[str, Any]]:
    """All that are tried, with their parameters."""
    from fmctl.cli.app import build
    from fmctl.cli.tree import spec_of

    every: list[Any] = [one for one in spec_of(build())["commands"] if not one["group"] and one["name"] not in LEFT_OUT]
    return every


def line(chance: random.Random, every: Sequence[dict[str, Any]]) -> list[str]:
    """One command line."""
    command = chance.choice(every)
    while chance.random() > SLOW.get(command["name"], 1.0):
        command = chance.choice(every)
    words = command["name"].split()
    options = [one for one in command["parameters"] if one["flags"] and one["name"] not in WAITING]
    for one in command["parameters"]:
        if not one["flags"] and (one["required"] or chance.random() < 0.3):
            words.append(_value(chance, one))
    for one in chance.sample(options, min(len(options), chance.choice((0, 0, 1, 1, 2, 3, 6)))):
        words.append(chance.choice(one["flags"]))
        if one["type"] != "boolean" and chance.random() < 0.97:
            words.append(_value(chance, one))
    if chance.random() < 0.1:
        words.insert(chance.randrange(len(words) + 1), chance.choice(HOSTILE))
    return words


def _value(chance: random.Random, one: dict[str, Any]) -> str:
    if chance.random() < 0.5:
        return str(chance.choice(HOSTILE))
    if one["choices"] and chance.random() < 0.8:
        return str(chance.choice(one["choices"]))
    return GOOD.get(one["name"], str(chance.choice(HOSTILE)))


def furnish(folder: Path) -> None:
    """What good values name, and files that are none."""
    root = Path(__file__).parents[2]
    (folder / "site.yaml").write_text(SITE)
    (folder / "train.log").write_text(
        "[2026-11-22 10:00:00] iteration 1/ 10 | elapsed time per iteration (ms): 4000.0 |\n"
    )
    (folder / "damaged.json").write_text('{"schema": "fmctl.plan/1", "inputs": {"a": NaN}')
    (folder / "deep.yaml").write_text("[" * 3_000)
    (folder / "deep.json").write_text('{"a":' * 3_000)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 4096}))
    (folder / "runs.csv").write_text("gpu,n_gpus,model\nh100,8,llama-3.1-8b\n")
    plans = folder / "data" / "fmctl" / "plans"
    plans.mkdir(parents=True)
    (plans / "a.json").write_text((root / "tests/golden/plan.json").read_text())
    os.mkfifo(folder / "fifo")


@contextmanager
def quiet() -> Any:
    """Streams that are kept, and no terminal to ask."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield out, err
    finally:
        sys.stdin = before


def run(count: int, seed: int, folder: Path) -> Told:
    """So many command lines, each in this process."""
    from fmctl.__main__ import main

    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
    furnish(folder)
    chance, every, told = random.Random(f"{seed} lines"), commands(), Told("command lines")
    began = time.monotonic()
    for _ in range(count):
        words = line(chance, every)
        told.inputs += 1
        os.chdir(folder)
        with quiet() as (out, err):
            try:
                # botocore waits before it asks again, and there is nobody to ask
                with patch("time.sleep"), in_time(2 * HANG_S if words[0] in SLOW else HANG_S):
                    code = main(list(words))
            except Hang:
                told.hangs += 1
                told.example(f"hang of {words[0]}", words)
                continue
            except BaseException as error:
                told.internal += 1
                told.example(f"{type(error).__name__} of {words[0]}", words)
                continue
        said = err.getvalue()
        if "internal error" in said or "Traceback" in said or "not enough memory" in said:
            told.internal += 1
            told.example(f"{words[0]}: {said[max(said.find('internal error'), 0) :][:150]!r}", words)
        elif code:
            told.refused += 1
        else:
            told.taken += 1
        if any(word in out.getvalue() for word in ("NaN,", ": NaN", "Infinity", "$nan", "$inf", "$-")):
            told.garbage += 1
            told.example(f"garbage printed by {words[0]}", words)
    told.seconds = time.monotonic() - began
    return told
