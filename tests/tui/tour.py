#!/usr/bin/env python3
"""A walk through the session in a real terminal, from a plan to a cluster and its end, on the local AWS.

`python tests/tui/tour.py --write` makes docs/tour/ out of it: every step as text and as a picture, at two sizes. It
needs tmux, the extra `lab`, and a Python with ParallelCluster, named by FMCTL_PCLUSTER_PYTHON where
`fmctl pcluster install` made none. No account is used and nothing is spent.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SIZES = ((80, 24), (160, 48))
NAME = "tour"
_FOLDER = Path(__file__).parents[2] / "docs" / "tour"
_LONGEST_S = 60.0


@dataclass
class Terminal:
    """A tmux of its own with one session in it."""

    width: int
    height: int
    folder: Path
    environment: Mapping[str, str]
    steps: dict[str, str] = field(default_factory=dict)

    def tmux(self, *words: str) -> str:
        socket = str(self.folder / "tmux")
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", socket, *words], capture_output=True, text=True, env={**self.environment},
            check=False, timeout=20,
        )  # fmt: skip
        return done.stdout

    def start(self, *words: str) -> None:
        line = shlex.join([sys.executable, "-m", "fmctl", *words]) + "; echo; echo left with $?; sleep 600"
        self.tmux("new-session", "-d", "-x", str(self.width), "-y", str(self.height), "-c", str(self.folder), line)

    def keys(self, *names: str) -> None:
        for name in names:
            self.tmux("send-keys", name)
            time.sleep(0.6 if name == "Escape" else 0.05)  # what follows at once would be a key with alt

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        time.sleep(0.2)

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, *words: str, longest_s: float = _LONGEST_S, without: str = "\0") -> None:
        """Wait until all words stand on the screen, and `without` does not. Raises AssertionError with the screen."""
        ends = time.monotonic() + longest_s
        while True:
            seen = self.text()
            if all(word in seen for word in words) and without not in seen:
                return
            assert time.monotonic() < ends, f"no {words} after {longest_s:.0f} s:\n{seen}"
            time.sleep(0.2)

    def keep(self, step: str) -> None:
        """This screen, with its colours, is a step of the tour."""
        time.sleep(0.4)
        self.steps[step] = self.tmux("capture-pane", "-p", "-e", "-N")


@contextmanager
def terminal(size: tuple[int, int], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal with folders of its own, ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fmctl-tour-"))
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "TMUX"))}
    own = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("STATE", "DATA", "CONFIG", "CACHE")}
    own |= {"HOME": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    made = Terminal(*size, folder, kept | own)
    try:
        yield made
    finally:
        made.keys("C-q")
        time.sleep(3.0)
        made.tmux("kill-server")
        subprocess.run([sys.executable, "-m", "fmctl", "lab", "stop"], env=kept | own, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def walk(seen: Terminal) -> dict[str, str]:
    """The whole way; what each step showed, by its name."""
    _plan(seen)
    _understand(seen)
    _launch(seen)
    _watch(seen)
    _end(seen)
    return seen.steps


def _plan(seen: Terminal) -> None:
    seen.start("ui", "--demo")
    seen.until("llama-3.1-70b", "[demo]", "filter", longest_s=60)
    seen.keys("f")
    time.sleep(1.0)
    for value in ("", "300B", "", "", "90d", "", "", "p5.48xlarge", "16..64"):
        if value:
            seen.type(value)
        seen.keys("Tab")
    seen.keys("Escape")
    seen.until("--deadline 90d", "--tokens 300B", "p5 x", without="partial")
    seen.keep("1-plan")


def _understand(seen: Terminal) -> None:
    seen.keys("e")
    seen.until("matrix multiplications")
    seen.keep("2-explain")
    seen.keys("w")
    time.sleep(1.0)
    seen.keys("C-u")
    seen.type("8")
    seen.until("TP8", "→")
    seen.keep("3-what-if")
    seen.keys("Escape", "Escape")
    seen.until("layouts evaluated")
    seen.keys("Space", "Down", "Space", "d")
    seen.until("diff")
    time.sleep(0.5)
    seen.keep("4-diff")
    seen.keys("Escape")
    seen.until("layouts evaluated")


def _launch(seen: Terminal) -> None:
    seen.keys("g", "L")
    seen.until("the name to save it under")
    seen.type(NAME)
    seen.keep("5-save")
    seen.keys("Enter")
    seen.until("nothing was spent or changed", "preflight", without="checking")
    seen.keep("6-checks")
    seen.keys("Right")
    seen.until("HeadNode:")
    seen.keep("7-configuration")
    seen.keys("R")
    seen.until("rehearsed with the real ParallelCluster", "torn down")
    seen.keep("8-rehearsal")
    seen.keys("L")
    seen.until("are you sure?", f"type {NAME} to go on")
    seen.keep("9-consent")
    seen.type(NAME)
    seen.keys("Enter")


def _watch(seen: Terminal) -> None:
    time.sleep(4.0)
    seen.keys("o")
    seen.until(f"{NAME}: creating")
    seen.keys("Right")
    seen.until("under way", "now")
    seen.keep("10-stack")
    seen.until(f"{NAME}: ready")
    seen.keys("Right", "Right")
    seen.until("running on")
    seen.keep("11-jobs")
    seen.keys("Enter")
    seen.until("step", "Against the plan", "inside")
    time.sleep(10.0)
    seen.keep("12-run")
    seen.keys("Right")
    seen.until("iteration")
    seen.keep("13-logs")


def _end(seen: Terminal) -> None:
    seen.keys("D")
    seen.until("goes:", "stays:")
    seen.keep("14-teardown")
    seen.type(NAME)
    seen.keys("Enter")
    seen.until(f"teardown of {NAME}: done")
    for _ in range(5):
        seen.keys("Left")
    seen.until(f"{NAME} is gone", f"{NAME}: missing")
    seen.keep("15-gone")


def as_svg(text: str, size: tuple[int, int], title: str) -> str:
    """A captured screen as a picture."""
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    console = Console(width=size[0], height=size[1], record=True, file=io.StringIO(), color_system="truecolor",
                      force_terminal=True, legacy_windows=False)  # fmt: skip
    for line in AnsiDecoder().decode(text.rstrip("\n")):  # a colour goes on over the end of a line
        console.print(line, soft_wrap=True, no_wrap=True, crop=True)
    return console.export_svg(title=title)


def plain(text: str) -> str:
    """A captured screen without its colours."""
    from fmctl.progress.text import plain

    return "\n".join(plain(line).rstrip() for line in text.split("\n"))


def write(folder: Path) -> None:
    """Make the tour in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        with terminal(size, os.environ) as seen:
            steps = walk(seen)
        name = f"{size[0]}x{size[1]}"
        screens = (f"==> {step}\n{plain(text)}" for step, text in steps.items())
        (folder / f"{name}.txt").write_text("\n".join(screens), encoding="utf-8")
        for step, text in steps.items():
            (folder / f"{name}-{step}.svg").write_text(as_svg(text, size, f"fmctl ui: {step}"), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]) if len(sys.argv) > 2 else _FOLDER)
    else:
        sys.exit("python tests/tui/tour.py --write [FOLDER]")
