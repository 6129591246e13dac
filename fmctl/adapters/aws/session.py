"""One session of boto3's core, made when first used; clients on demand. It is imported here, and not at start-up.

botocore makes the same clients as boto3, without the resources that nothing here uses: a fifth less to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

from fmctl import __version__
from fmctl.adapters.aws.errors import asked
from fmctl.base.errors import FmctlError
from fmctl.base.untyped import Data, Json, Library

# Tries of botocore itself, on top of which the controller is patient; seconds to connect and to answer.
ATTEMPTS, CONNECT_S, READ_S = 4, 5, 30


class Session:
    """Credentials, region and clients.

    Args:
        profile: as --profile; None for what AWS_PROFILE and the others say.
        region: as --region; None for AWS_REGION and the profile's.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        self._profile, self._region = profile, region
        self._session: Library = None
        self._clients: Json = {}
        self._wanted: set[str] = set()
        self._greeting: Thread | None = None
        self._greeted: Library = None

    def greet(self) -> None:
        """Ask who we are in the background: every command begins with that, and has modules to import meanwhile.

        What goes wrong is left for `caller`, which then asks itself and says so.
        """

        def ask(client: Library) -> None:
            with suppress(Exception):
                self._greeted = client.get_caller_identity()

        with suppress(FmctlError):
            self._greeting = Thread(target=ask, args=(self.client("sts"),), daemon=True)
            self._greeting.start()

    def caller(self) -> Data:
        """Account and ARN, asked anew each time but for a greeting under way. Raises PermissionDenied."""
        if self._greeting is not None:
            self._greeting.join()
            self._greeting, found, self._greeted = None, self._greeted, None
            if found is not None:
                return dict(found)
        client = self.client("sts")
        with asked("who we are"):
            return dict(client.get_caller_identity())

    @property
    def region(self) -> str:
        """The region in use. Raises UsageError where none is chosen."""
        return str(self.client("sts").meta.region_name)

    def client(self, service: str) -> Library:
        """The client of a service; AWS_ENDPOINT_URL is honoured by boto3 itself."""
        if service not in self._clients:
            self._wanted.add(service)
            with asked("a session"):
                self._clients[service] = self._boto().create_client(service, config=self._config())
        return self._clients[service]

    def pages(self, service: str, operation: str, key: str, what: str, **given: Library) -> Iterator[Library]:
        """Everything under `key` of all pages of an operation."""
        client = self.client(service)
        with asked(what):
            for page in client.get_paginator(operation).paginate(**given):
                yield from page.get(key, ())

    def _boto(self) -> Library:
        if self._session is None:
            from botocore.session import Session as Core

            core: Library = Core(profile=self._profile)
            if self._region is not None:
                core.set_config_variable("region", self._region)
            # botocore reads 400 folders, twice, to learn whether a service exists: ours do.
            core.get_component("data_loader").list_available_services = lambda type_name: list(self._wanted)
            self._session = core
        return self._session

    @staticmethod
    def _config() -> Library:
        from botocore.config import Config

        retries = {"mode": "adaptive", "total_max_attempts": ATTEMPTS}
        agent = f"fmctl/{__version__}"
        return Config(
            retries=retries,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            user_agent_extra=agent,  # type: ignore[arg-type, unused-ignore]
        )
