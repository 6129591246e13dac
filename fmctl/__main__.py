"""The way in. Version and completion values answer before anything heavy is imported; the rest goes to the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmctl.cli.services import Services


def main(argv: Sequence[str] | None = None, *, services: Services | None = None) -> int:
    """Run one command and return its exit code; whatever goes wrong ends here as one clear error.

    Args:
        argv: the arguments; those of the process by default.
        services: the catalogue and planner to use; the real ones by default.
    """
    if argv is None:
        import gc

        gc.disable()  # a command lives for a moment: looking for cycles costs a tenth of its start and frees nothing
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["--version"]:
        return _version()
    if args[:1] == ["__complete"]:
        from fmctl.cli.completing import complete

        return complete(args[1:])
    from fmctl.cli.running import run

    return run(args, services)


def _version() -> int:
    from fmctl import __version__

    try:
        sys.stdout.write(f"fmctl {__version__}\n")
        sys.stdout.flush()
    except (OSError, AttributeError):  # nobody reads it any more, or there is no stdout
        from fmctl.cli.streams import discard_stdout

        discard_stdout()
    return 0


if __name__ == "__main__":
    sys.exit(main())
