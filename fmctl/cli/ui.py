"""`ui`: the full-screen session. Textual is imported here alone, and only once a terminal is there to fill."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from fmctl.base.config import Settings, not_taken, resolve
from fmctl.base.errors import UsageError
from fmctl.base.lazy import later
from fmctl.base.units import parse_count
from fmctl.cli.streams import stdin_is_terminal, stdout_is_terminal, tell, write_stdout
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.tui.app import FmctlApp
    from fmctl.tui.core import Core, Planning
    from fmctl.tui.worker import Answerer

_Open = Annotated[
    str | None,
    Option("--open", metavar="KIND:NAME", help="Begin with plan:NAME, cluster:NAME or model:NAME.", show_default=False),
]
_READ_ONLY = Option("--read-only", help="Refuse everything that spends or destroys.")
_DEMO = Option("--demo", help="Clusters are those of the local AWS, which is started where none runs.")
_ASCII = Option("--ascii", help="No line drawing, nothing but ASCII.")
_Theme = Annotated[str | None, Option("--theme", metavar="NAME", help="Colours.", show_default=False)]
_SERVE = Option("--serve", help="In a browser on this machine, at an address with a token; it is printed.")
_Port = Annotated[
    str | None, Option("--port", metavar="N", help="With --serve; a free one by default.", show_default=False)
]
_KINDS = ("plan", "cluster", "model")


def ui(
    ctx: typer.Context,
    opened: _Open = None,
    read_only: Annotated[bool, _READ_ONLY] = False,
    demo: Annotated[bool, _DEMO] = False,
    ascii_only: Annotated[bool, _ASCII] = False,
    theme: _Theme = None,
    serve: Annotated[bool, _SERVE] = False,
    port: _Port = None,
) -> None:
    """Plan, understand, launch and watch on a full screen; every screen shows the command that answers the same."""
    where = _place(opened)
    if serve or port is not None:
        _serve(serve, port, {"--open": opened, "--theme": theme},
               {"--read-only": read_only, "--demo": demo, "--ascii": ascii_only})  # fmt: skip
        return
    _need_terminal(where)
    services, room = ctx.obj, None
    if demo:
        from fmctl.usecases.session.demo import entered

        room, settings = entered(services, tell)  # before anything else: it changes the environment
        services = room.services
    else:
        settings = resolve()
        tell(*(f"warning: {line}" for line in not_taken(settings)))
    from fmctl.tui.worker import ProcessPlanning
    from fmctl.usecases.session.items import Question

    planning = ProcessPlanning(_answerer())  # its imports run beside Textual's, on the other core
    planning.ask(Question("warm", "", channel="warm"), lambda reply: None)
    try:
        core = core_of(services, settings, planning, read_only=read_only or settings.switch("read_only"))
        if room is not None:
            core = replace(core, demo=True, launching=room.launching(settings, core.read_only))
        _run(core, where, ascii_only or settings.switch("ui_ascii"), theme or "")
    finally:
        planning.close()
        if room is not None:
            room.close()


def _serve(serve: bool, port: str | None, named: Mapping[str, str | None], switched: Mapping[str, bool]) -> None:
    """A page for this session until Ctrl-C. Raises UsageError, OperationFailed."""
    from fmctl.adapters.browser import serve as serve_sessions

    if not serve:
        raise UsageError("--port is for --serve", next=f"fmctl ui --serve --port {port}")
    at = 0 if port is None else parse_count(port, what="--port")
    if port is not None and at != 0 and not 1024 <= at <= 65535:
        raise UsageError(f"--port {at} cannot be used", why="it is between 1024 and 65535", next="--port 8000")
    words = [sys.executable, "-P", "-m", "fmctl", "ui", *(option for option, on in switched.items() if on)]
    words += [word for option, value in named.items() if value is not None for word in (option, value)]

    def say(address: str) -> None:
        write_stdout(address + "\n")
        tell("open this address in a browser on this machine; Ctrl-C ends it")

    serve_sessions(words, at, say, install=f"{sys.executable} -m pip install 'fmctl[serve]'")


def _run(core: "Core", where: str, ascii_only: bool, theme: str) -> None:
    from fmctl.tui.app import FmctlApp

    app = FmctlApp(core, where, ascii_only=ascii_only, theme=theme)
    _leave_on_signals(app)
    app.run()
    if app.trouble is not None:
        from fmctl.cli.running import InternalError

        raise InternalError(app.trouble.what, why=app.trouble.why, next=app.trouble.next)


def _leave_on_signals(app: "FmctlApp") -> None:
    """Whoever ends the process, or closes the window, gets the terminal back as it was, and the session kept."""
    import signal
    import threading

    def leave(number: int, frame: object) -> None:
        # Only another thread may wake the application: this one sleeps in it.
        threading.Thread(target=app.call_from_thread, args=(app.exit,), daemon=True).start()

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), leave)


def core_of(services: Services, settings: Settings, planning: "Planning", *, read_only: bool = False) -> "Core":
    """What the session is given: the services of the commands and their answers."""
    from fmctl.tui.core import Core
    from fmctl.usecases.choices import CHOICES
    from fmctl.usecases.session.files import Files

    files = Files(settings, services)
    return Core(
        settings=settings,
        planning=planning,
        catalogue=services.catalogue,
        choices=CHOICES,
        now=services.now,
        save_plan=files.save_plan,
        saved_plans=files.saved_plans,
        load_plan=files.load_plan,
        services=services,
        clusters=later("fmctl.usecases.session.clusters:Clusters", services, settings, {}, read_only),
        launching=later("fmctl.usecases.session.launching:Launching", services, settings, {}, read_only),
        read_only=read_only,
    )


def _answerer() -> "Answerer":
    from fmctl.usecases.session.start import answer

    return answer


def _place(opened: str | None) -> str:
    """`--open`, checked before anything is started. Raises UsageError."""
    if opened is None:
        return ""
    kind, colon, name = opened.partition(":")
    if kind not in _KINDS or not colon or not name.strip():
        raise UsageError(
            f"--open '{opened[:60]}' says no place", why=f"it is KIND:NAME, KIND one of {', '.join(_KINDS)}",
            next="fmctl ui --open plan:llama",
        )  # fmt: skip
    return f"{'explain' if kind == 'plan' else kind}:{name.strip()}"


def _need_terminal(where: str) -> None:
    """Raises UsageError where there is no terminal to fill, naming the command that answers the same without one."""
    kind, _, name = where.partition(":")
    instead = {
        "explain": f"fmctl explain {name}",
        "model": f"fmctl models show {name}",
        "cluster": f"fmctl status {name}",
    }
    why = None
    if os.environ.get("TEXTUAL_DRIVER", "").startswith("textual.drivers.web_driver:"):
        return  # --serve runs this process for a page
    if not (stdin_is_terminal() and stdout_is_terminal()):
        why = "stdin and stdout are not both a terminal"
    elif os.environ.get("TERM", "") in ("", "dumb") and sys.platform != "win32":
        why = f"TERM is {os.environ.get('TERM') or 'not set'}"
    if why is not None:
        raise UsageError("ui needs a terminal", why=why, next=instead.get(kind, "fmctl plan llama-3.1-70b"))
