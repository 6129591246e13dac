#!/usr/bin/env python3
"""SIMULATED: takes Megatron-LM's arguments, trains nothing, and logs as Megatron does, on a clock that runs faster.

Called as `torchrun` (it starts nothing but itself), as `nvidia-smi -L` (it counts GPUs that are not there) and as
`date` (it tells the simulated time), which are what a job's script calls on its nodes. Saves are marked as Megatron
marks them, cut-short ones included: a folder first, its `.metadata` and the tracker file last. STANDIN_STEP_S is the
plan's step, STANDIN_SPEED how much faster the clock runs; it is the same clock before and after a restart.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main(words: list[str]) -> None:
    options = {
        name: value for name, value in zip(words, [*words[1:], ""], strict=True) if name.startswith("--")
    } | dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
    step_s, speed = float(os.environ["STANDIN_STEP_S"]), float(os.environ["STANDIN_SPEED"])
    last, every, line = (int(options[f"--{name}"]) for name in ("train-iters", "save-interval", "log-interval"))
    batch, folder = int(options["--global-batch-size"]), Path(options["--save"])
    chief = os.environ["SLURM_NODEID"] == "0"
    step = int(options.get("--ckpt-step", 0))

    def tell(text: str) -> None:
        if chief:
            print(text, flush=True)

    def now() -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(simulated_s(folder, speed)))

    tell("SIMULATED: no training happens here")
    if step:
        assert (folder / f"iter_{step:07d}" / ".metadata").exists()
        tell(f"  successfully loaded checkpoint from {folder} [ t 1/1, p 1/1 ] at iteration {step}")
    tell(f"[before the start of training step] datetime: {now() if chief else ''} ")
    due = time.time()
    while step < last:
        due += step_s / speed
        time.sleep(max(0.0, due - time.time()))
        step += 1
        if chief and step % line == 0:
            rate = float(os.environ.get("STANDIN_TFLOPS", "400"))
            tell(f" [{now()}] iteration {step:8d}/{last:8d} | consumed samples: {step * batch:12d} | elapsed time per "
                 f"iteration (ms): {step_s * 1e3:.1f} | throughput per GPU (TFLOP/s/GPU): {rate:.1f} | learning rate: "
                 f"3.000000E-04 | global batch size: {batch:5d} | lm loss: {2.0 + 8.0 / (1.0 + step / 50):.6E} | loss "
                 "scale: 1.0 | grad norm: 1.000 | number of skipped iterations:   0 | number of nan iterations:   0 |"
                 )  # fmt: skip
        if chief and (step % every == 0 or step == last):
            tell(f"saving checkpoint at iteration {step:7d} to {folder} in torch_dist format")
            at = folder / f"iter_{step:07d}"
            at.mkdir(exist_ok=True)
            (at / ".metadata").write_text("simulated\n")
            (folder / "latest_checkpointed_iteration.txt").write_text(str(step))
            tell(f"  successfully saved checkpoint from iteration {step:7d} to {folder} [ t 1/1, p 1/1 ]")
    tell(f" validation loss at iteration {step} | lm loss value: 2.345678E+00 | lm loss PPL: 1.044E+01 | ")
    tell("fmctl-quality: simulated_accuracy=0.625")
    tell(f"[after training is done] datetime: {now() if chief else ''} ")


def simulated_s(folder: Path, speed: float) -> float:
    """The simulated time, s since 1970: it began when somebody first asked."""
    began = folder / "simulated-clock"
    if not began.exists():
        began.write_text(repr(time.time()))
    zero = float(began.read_text())
    return zero + (time.time() - zero) * speed


if Path(sys.argv[0]).name == "date":
    place = Path(os.environ["JOB_CHECKPOINTS"]) if "JOB_CHECKPOINTS" in os.environ else None
    if place is not None and place.is_dir() and sys.argv[1:] == ["-u", "+%FT%TZ"]:
        moment = simulated_s(place, float(os.environ["STANDIN_SPEED"]))
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)))
    else:
        os.execv("/bin/date", ["date", *sys.argv[1:]])
elif Path(sys.argv[0]).name == "nvidia-smi":
    print("\n".join(f"GPU {gpu}: simulated" for gpu in range(int(os.environ["JOB_GPUS_PER_NODE"]))))
else:
    main(sys.argv[1:])
