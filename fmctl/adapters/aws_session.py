"""One session of boto3's core, made when first used; clients on demand. It is imported here, and not at start-up.

botocore makes the same clients as boto3, without the resources that nothing here uses: a fifth less to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fmctl import __version__
from fmctl.adapters.aws_errors import asked

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
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """The region in use. Raises UsageError where none is chosen."""
        return str(self.client("sts").meta.region_name)

    def client(self, service: str) -> Any:
        """The client of a service; AWS_ENDPOINT_URL is honoured by boto3 itself."""
        if service not in self._clients:
            with asked("a session"):
                self._clients[service] = self._boto().create_client(service, config=self._config())
        return self._clients[service]

    def pages(self, service: str, operation: str, key: str, what: str, **given: Any) -> Iterator[Any]:
        """Everything under `key` of all pages of an operation."""
        client = self.client(service)
        with asked(what):
            for page in client.get_paginator(operation).paginate(**given):
                yield from page.get(key, ())

    def _boto(self) -> Any:
        if self._session is None:
            from botocore.session import Session as Core

            core: Any = Core(profile=self._profile)
            if self._region is not None:
                core.set_config_variable("region", self._region)
            self._session = core
        return self._session

    @staticmethod
    def _config() -> Any:
        from botocore.config import Config

        retries = {"mode": "adaptive", "total_max_attempts": ATTEMPTS}
        agent = f"fmctl/{__version__}"
        return Config(
            retries=retries,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            user_agent_extra=agent,  # type: ignore[arg-type, unused-ignore]
        )
