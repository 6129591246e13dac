"""One fmctl process over files, for test_process: kills itself, for real, at the point it is told.

`child.py COMMAND FOLDER WORLD POINT`: the world is a JSON file, as AWS would be elsewhere; POINT counts the writes of
the journal: 2n is before the n-th, 2n + 1 after it; -1 for nowhere.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cluster_fakes import NAME, FakeCloud, FakePcluster, Gate, World, ports, rendering, said, spec

from fmctl.base.errors import FmctlError
from fmctl.domain.end import Whose
from fmctl.domain.state import Stored
from fmctl.operate.launch import launch
from fmctl.operate.state.files import FileStore
from fmctl.operate.state.locks import alive, this_process
from fmctl.operate.teardown import teardown


class Kept(World):
    """A world that is in a file after every change, as AWS is not in our process."""

    file: Path

    def keep(self) -> None:
        stacks = {
            name: raw | {key: raw[key].isoformat() for key in ("since", "created")} for name, raw in self.stacks.items()
        }
        ends = {name: at.isoformat() for name, at in self.ends.items()}
        found = {"now": self.now.isoformat(), "stacks": stacks, "roles": self.roles, "ends": ends}
        found["whose"] = {name: [one.launch, one.stack, one.before] for name, one in self.whose.items()}
        self.file.write_text(json.dumps(found | {"made": self.made}))

    @classmethod
    def of(cls, file: Path) -> Kept:
        world = cls()
        world.file = file
        if file.exists():
            found = json.loads(file.read_text())
            world.now = datetime.fromisoformat(found["now"])
            world.stacks = {
                name: raw | {key: datetime.fromisoformat(raw[key]) for key in ("since", "created")}
                for name, raw in found["stacks"].items()
            }
            world.roles, world.made = found["roles"], found["made"]
            world.whose = {name: Whose(*one) for name, one in found["whose"].items()}
            world.ends = {name: datetime.fromisoformat(at) for name, at in found["ends"].items()}
        return world


class Keeping(Gate):
    """Writes the world down after every call."""

    world: Kept

    def call(self, label, act, *, write=None):
        try:
            return super().call(label, act, write=write)
        finally:
            self.world.keep()


class Deadly(FileStore):
    """A folder in which the n-th write of the journal is the last thing this process does."""

    point, writes = -1, 0

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        self._die(2 * self.writes)
        written = super().append(key, text, before)
        self._die(2 * self.writes + 1)
        self.writes += 1
        return written

    def _die(self, now: int) -> None:
        if now == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


def main(command: str, folder: str, world_file: str, point: str) -> str:
    gate = Keeping()
    gate.world = world = Kept.of(Path(world_file))
    store = Deadly(Path(folder))
    store.point = int(point)
    changes = {"cloud": FakeCloud(world, gate), "pcluster": FakePcluster(world, gate), "store": store}
    seen = ports(world, gate, {}, me=this_process(), alive=alive, **changes)
    try:
        if command == "launch":
            return "running" if launch(spec(), rendering(), seen, confirm=lambda *_: True).done else "declined"
        return "gone" if teardown(NAME, seen, confirm=lambda *_: True).done else "declined"
    except FmctlError as error:
        return said(error)
    finally:
        world.keep()


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
