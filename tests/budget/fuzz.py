"""Bad inputs to every reader, and bad command lines: does anything come out but a value or an error of fmctl?

    python tests/budget/fuzz.py                      # all readers, 12,000 inputs each, and 10,000 command lines
    python tests/budget/fuzz.py --count 500 --kinds journals,locks --seed 7
    python tests/budget/fuzz.py --count 0 --lines 2000

Inputs are drawn by seed: documents of any shape by hypothesis, and good ones with values swapped, keys lost and
doubled, numbers that are none, bytes flipped and ends cut off. Counted are those refused with an error of fmctl, those
taken, internal errors (anything else that is raised), hangs (5 s), and garbage: a taken number that cannot be.
The exit code is 1 where there is one of the last three.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[2]))

HANG_S = 5.0


class Hang(BaseException):
    """An input took too long."""


@dataclass
class Told:
    """What came of the inputs of one kind."""

    name: str
    inputs: int = 0
    refused: int = 0
    taken: int = 0
    internal: int = 0
    hangs: int = 0
    garbage: int = 0
    seconds: float = 0.0
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)  # place -> how often, the first input

    @property
    def bad(self) -> int:
        """How many should not be."""
        return self.internal + self.hangs + self.garbage

    def example(self, place: str, given: object) -> None:
        """Remember an input by where it went wrong."""
        seen, first = self.examples.get(place, (0, repr(given)[:400]))
        self.examples[place] = seen + 1, first


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise Hang after so many seconds."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def somewhere() -> Iterator[Path]:
    """A home of its own for everything that is kept, and no way out of this machine."""
    import socket

    def closed(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("no network here")

    def unnamed(*_: object, **__: object) -> None:
        raise socket.gaierror("no names here")

    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        before, here, connect = dict(os.environ), Path.cwd(), socket.socket.connect
        named = socket.getaddrinfo
        for key in [key for key in os.environ if key.startswith(("FMCTL_", "AWS_", "XDG_"))]:
            del os.environ[key]
        kinds = ("CONFIG", "DATA", "STATE", "CACHE")
        os.environ |= {"HOME": name} | {f"XDG_{kind}_HOME": f"{name}/{kind.lower()}" for kind in kinds}
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        socket.socket.connect = closed  # type: ignore[method-assign,assignment]
        socket.getaddrinfo = unnamed  # type: ignore[assignment]
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(here)
            socket.socket.connect = connect  # type: ignore[method-assign]
            socket.getaddrinfo = named
            os.environ.clear()
            os.environ |= before


def read(names: Sequence[str], count: int, seed: int, folder: Path) -> list[Told]:
    """So many inputs to each kind of reader; to all where none is named."""
    from tests.budget._mutate import Mutator, pool
    from tests.budget._readers import kinds, walked

    values, found = pool(seed), list[Told]()
    listed = kinds(folder)
    unknown = set(names) - set(listed)
    if unknown:
        raise SystemExit(f"no kind {', '.join(unknown)}; there are {', '.join(listed)}")
    for name in names or listed:
        kind, told = listed[name], Told(name)
        mutator = Mutator(f"{seed} {name}", values)
        began = time.monotonic()
        for _ in range(count):
            given = kind.make(mutator)
            told.inputs += 1
            result = _tried(told, given, lambda given=given, kind=kind: (kind.read(given),))  # type: ignore[misc]
            if result is None:
                continue
            told.taken += 1
            wrong = next(walked(result[0], kind), None)
            if wrong is not None:
                told.garbage += 1
                told.example(f"garbage: {wrong.partition(' =')[0]}", (wrong, given))
        told.seconds = time.monotonic() - began
        found.append(told)
        _say(told)
    return found


def _tried(told: Told, given: object, ask: Callable[[], tuple[object]]) -> tuple[object] | None:
    from fmctl.base.errors import FmctlError

    try:
        with in_time(HANG_S):
            return ask()
    except FmctlError:
        told.refused += 1
    except Hang:
        told.hangs += 1
        told.example("hang", given)
    except Exception as error:
        told.internal += 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ours = [one for one in traceback.extract_tb(error.__traceback__) if "/fmctl/" in one.filename]
        place = ours[-1] if ours else frame
        told.example(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno} {str(error)[:80]}", given)
    return None


def _say(told: Told) -> None:
    columns = (told.inputs, told.refused, told.taken, told.internal, told.hangs, told.garbage)
    print(f"{told.name:<24}" + "".join(f"{value:>10,}" for value in columns) + f"{told.seconds:>8.0f} s", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 1 where something should not be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=12_000, help="inputs of each kind")
    parser.add_argument("--lines", type=int, default=10_000, help="command lines")
    parser.add_argument("--kinds", default="", help="names between commas; all by default")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    print(
        f"{'kind':<24}"
        + "".join(f"{title:>10}" for title in ("inputs", "refused", "taken", "internal", "hangs", "garbage"))
    )
    with somewhere() as folder:
        found = (
            read([one for one in given.kinds.split(",") if one], given.count, given.seed, folder) if given.count else []
        )
        if given.lines:
            from tests.budget._lines import run

            found.append(run(given.lines, given.seed, folder))
            _say(found[-1])
    total = Counter[str]()
    for told in found:
        total.update(
            {name: getattr(told, name) for name in ("inputs", "refused", "taken", "internal", "hangs", "garbage")}
        )
        for place, (times, first) in sorted(told.examples.items(), key=lambda one: -one[1][0])[:12]:
            print(f"\n{told.name}: {place} ({times} times)\n    {first}")
    _say(Told("all", seconds=sum(told.seconds for told in found), **total))
    return int(any(told.bad for told in found))


if __name__ == "__main__":
    raise SystemExit(main())
