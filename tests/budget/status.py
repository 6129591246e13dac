"""What `status` costs before its first byte to AWS, over importing boto3: the goal is 1.2.

A listener on 127.0.0.1 stands in for AWS and notes when the first connection comes. Medians of processes in turns.

    python tests/budget/status.py [--rounds 9] [--strict]
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SCRIPT = Path(sys.executable).with_name("fmctl")
FMCTL = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "fmctl"]
GOAL = 1.2


def import_s() -> float:
    """Wall time of a process that imports boto3 and does nothing else."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import boto3"], check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - start


def first_byte_s(folder: str) -> float:
    """Time from the start of `fmctl status NAME` to its first connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(30.0)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FMCTL_"))}
        fake = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}", "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1", "FMCTL_DATA": folder, "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        start = time.perf_counter()
        with subprocess.Popen(
            [*FMCTL, "status", "demo"], env=kept | fake, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            connection, _ = listener.accept()
            took = time.perf_counter() - start
            connection.close()
            process.kill()
        return took


def main() -> int:
    """Take turns, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--strict", action="store_true", help="exit 1 where the goal is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first_byte_s(folder)  # compiles what is not compiled yet
        pairs = [(import_s(), first_byte_s(folder)) for _ in range(options.rounds)]
    boto3, status = (median(column) for column in zip(*pairs, strict=True))
    ratio = status / boto3
    print(
        f"import boto3 {boto3 * 1e3:.0f} ms, status to its first byte {status * 1e3:.0f} ms: {ratio:.2f} (goal {GOAL})"
    )
    return int(options.strict and ratio > GOAL)


if __name__ == "__main__":
    sys.exit(main())
