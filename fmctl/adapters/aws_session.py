"""One boto3 session, made when first used; clients on demand. boto3 is imported here and nowhere at start-up."""

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
                self._clients[service] = self._boto().client(service, config=self._config())
        return self._clients[service]

    def pages(self, service: str, operation: str, key: str, what: str, **given: Any) -> Iterator[Any]:
        """Everything under `key` of all pages of an operation."""
        client = self.client(service)
        with asked(what):
            for page in client.get_paginator(operation).paginate(**given):
                yield from page.get(key, ())

    def _boto(self) -> Any:
        if self._session is None:
            import boto3

            self._session = boto3.Session(profile_name=self._profile, region_name=self._region)
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
