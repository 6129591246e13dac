"""The way in. Version and completion values answer before anything heavy is imported; the rest goes to the commands."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing itself costs 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from fmctl.usecases.services import Services


def main(argv: Sequence[str] | None = None, *, services: Services | None = None) -> int:
    """Run one command and return its exit code; whatever goes wrong ends here as one clear error.

    Without `argv` this is the console's entry: the process ends here and nothing is returned.

    Args:
        argv: the arguments; those of the process by default.
        services: the catalogue and planner to use; the real ones by default.
    """
    if argv is not None:
        return _run(list(argv), services)
    import gc

    gc.disable()  # a command lives for a moment: looking for cycles costs a tenth of its start and frees nothing
    # numpy's BLAS starts a thread per core when it is imported: 10 to 60 ms for multiplications that nobody asks for
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return _leave(_run(sys.argv[1:], services))


def _run(args: list[str], services: Services | None) -> int:
    if args == ["--version"]:
        return _version()
    if args[:1] == ["__complete"]:
        from fmctl.cli.completing import complete

        return complete(args[1:])
    from fmctl.cli.running import run

    return run(args, services)


def _leave(code: int) -> NoReturn:
    """End the process as it stands: taking numpy and all objects apart again costs 15 ms and serves nobody."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 - contextlib costs a quarter of a bare start
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or nobody reads it: whoever wrote has dealt with that
            pass
    os._exit(code)


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
    main()
