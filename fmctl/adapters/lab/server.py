"""The lab's process: `python -m fmctl.adapters.lab.server --folder F --token T --port N --speed X`.

Binds 127.0.0.1 alone. Writes state.json and site.yaml into the folder once the account is seeded; ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.adapters.gate import Gate, is_here
from fmctl.adapters.lab import control, requests, settings
from fmctl.adapters.lab.images import images
from fmctl.adapters.lab.world import ACCOUNT, REGION, World
from fmctl.base.files import write_atomic
from fmctl.domain.cluster import PCLUSTER_VERSION

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from werkzeug.serving import BaseWSGIServer

_TICK_S = 0.2
_MOST = 256  # connections: ParallelCluster and boto3 open dozens
_STALLED_S = 60.0  # for a next byte
_LARGEST = 64_000_000  # bytes of a body


def main() -> None:
    """Serve until told to stop."""
    asked = _asked()
    folder = Path(asked.folder)
    write_atomic(folder / settings.IMAGES, json.dumps(images(PCLUSTER_VERSION)), parents=True)
    os.environ["MOTO_AMIS_PATH"] = str(folder / settings.IMAGES)  # moto reads these when it is imported
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    world = World(token=asked.token)
    world.clock.speed = asked.speed
    server = serve(world, asked.port)
    os.environ["MOTO_PORT"] = str(server.server_port)
    endpoint = f"http://{settings.HOST}:{server.server_port}"
    world.seed = made = _seeded(world, endpoint)
    site = folder / settings.SITE
    write_atomic(site, settings.site_text(made, ACCOUNT))
    found = settings.Running(os.getpid(), server.server_port, asked.token, str(site), asked.speed, made)
    write_atomic(folder / settings.STATE, found.as_text())
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        time.sleep(_TICK_S)
        world.tick(wait=False)


def serve(world: World, port: int) -> BaseWSGIServer:
    """Moto's server with our patches, answering in a thread of its own."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import ThreadedWSGIServer

    from fmctl.adapters.lab import access, capacity, commands, compute, fleet, quotas, schedules, stacks, storage

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for every request
    for patch in (access, compute, capacity, quotas, storage, stacks, schedules, fleet):
        patch.install(world)
    commands.install()
    inner = DomainDispatcherApplication(create_backend_app)

    class Handler(MotoRequestHandler):
        timeout = _STALLED_S

    class Server(Gate, ThreadedWSGIServer):
        daemon_threads = True
        most = _MOST

    answer = application(world, inner, lambda connection: server.arrived(connection))  # noqa: PLW0108 - made below
    server = Server(settings.HOST, port, answer, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def application(
    world: World, inner: WSGIApplication, arrived: Callable[[object], None] = lambda _: None
) -> WSGIApplication:
    """Who may ask, the control endpoint, then whatever is to go wrong, then moto.

    arrived: hears the connection whose request is here, body and all.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_here(environ.get("HTTP_HOST")) or "HTTP_ORIGIN" in environ:
            return requests.answer(requests.NOT_HERE, start_response)  # a page in a browser
        if not requests.read_body(environ, _LARGEST):
            return requests.answer(requests.NO_BODY, start_response)
        if not environ.get("wsgi.input_terminated"):
            arrived(environ.get("werkzeug.socket"))
        if environ.get("PATH_INFO", "").startswith("/fm/"):
            return control.respond(world, environ, start_response)
        service, action = requests.called(environ)
        if world.faults.api:
            fault = world.faults.hit(service, action)
            if fault is not None and fault.kind == "timeout":
                time.sleep(fault.seconds)
            elif fault is not None:
                return requests.answer(requests.refusal(fault.kind, service, action, environ), start_response)
        world.tick(wait=False)
        # One at a time: whoever looks at a stack sees it before a change or after it.
        with world.lock if service == "cloudformation" else nullcontext():
            return inner(environ, start_response)

    return answer


def _seeded(world: World, endpoint: str) -> settings.Seed:
    import boto3

    from fmctl.adapters.lab.seed import seed

    session = boto3.Session(settings.FAKE_KEY, settings.FAKE_SECRET, region_name=REGION)
    return seed(world, session, endpoint)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
