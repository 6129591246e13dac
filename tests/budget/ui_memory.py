"""An hour of watching a cluster in the session, simulated: does its memory stay flat?

    python tests/budget/ui_memory.py [ROUNDS]

The session runs headless over the small world of the tests, every page in turn; each round is one of the 720 refreshes
of an hour (one in five seconds), with a job whose log grows by a line a second. Memory is taken after a quarter and at
the end: what grows between the two grows with time. Prints JSON.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What the tests' own fakes keep of what they were asked is in it.
GOAL_MIB = 10.0
EVERY_S, HOUR_S = 5.0, 3600.0


def rss_mib() -> float:
    """Resident memory of this process, MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


class GrowingLog:
    """A head node whose job writes five lines a round."""

    label = "simulated"

    def __init__(self, inner: Any) -> None:
        self._inner, self.text = inner, b""

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """The job's output; everything else as recorded."""
        if command[0] == "stat":
            return f"{len(self.text)}\n"
        if command[0] == "bash" and "base64" in command[2]:
            begin = int(command[4]) - 1
            return base64.b64encode(gzip.compress(self.text[begin : begin + int(command[5])])).decode()
        found: str = self._inner.run(command, stdin, timeout_s)
        return found

    def grow(self, round_: int) -> None:
        """Five seconds of a job."""
        for i in range(5):
            step = round_ * 5 + i + 1
            self.text += (
                f" [2026-11-22 10:{step // 60 % 60:02d}:{step % 60:02d}] iteration {step:8d}/   10000 | consumed "
                f"samples: {step * 512:12d} | elapsed time per iteration (ms): 1000.0 | global batch size:   512 | "
                f"lm loss: {2 + 8 / step:.6E} | grad norm: 1.000 |\n"
            ).encode()


async def watched(rounds: int) -> dict[str, float]:
    """The session over so many refreshes."""
    from textual.widgets import Tabs

    from fmctl.tui.app import FmctlApp
    from fmctl.tui.clusters.one import PAGES
    from fmctl.tui.worker import ThreadPlanning
    from fmctl.usecases.session.answers import answer
    from tests.tui.conftest import SMALL
    from tests.tui.world import Operations, operating_core

    operations = Operations()
    operations.shell = log = GrowingLog(operations.shell)
    app: Any = FmctlApp(operating_core(operations, ThreadPlanning(answer)))
    app.kept = {"views": {"plan": {"form": SMALL}}}
    early = 0.0
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause(1.0)
        app.open_named("cluster live")
        await pilot.pause(0.5)
        for i in range(rounds):
            log.grow(i)
            app.screen.query_one("#pages", Tabs).active = PAGES[i % len(PAGES)]
            app.screen.action_again()
            await pilot.pause(0.03)
            if i == rounds // 4:
                gc.collect()
                early = rss_mib()
        await pilot.pause(0.5)
        gc.collect()
        late = rss_mib()
    return {"after_a_quarter_mib": early, "at_the_end_mib": late, "grown_mib": late - early}


def main() -> int:
    """Print what was found; 1 where the goal is missed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else int(HOUR_S / EVERY_S)
    sys.path.insert(0, str(Path(__file__).parents[2]))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("FMCTL_DATA", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            os.environ[name] = f"{folder}/{name.lower()}"
        found: dict[str, Any] = {"rounds": rounds, **asyncio.run(watched(rounds))}
    met = found["grown_mib"] <= GOAL_MIB
    print(json.dumps({name: round(value, 1) for name, value in found.items()} | {"goal_mib": GOAL_MIB, "met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
