"""One session of boto3's core, made when first used; clients on demand. It is imported here, and not at start-up.

botocore makes the same clients as boto3, without the resources that nothing here uses: a fifth less to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from threading import RLock, Thread
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from fmctl import __version__
from fmctl.adapters.aws.errors import asked
from fmctl.base.errors import FmctlError

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session as Core
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_fsx import FSxClient
    from types_boto3_iam import IAMClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_pricing import PricingClient
    from types_boto3_s3 import S3Client
    from types_boto3_scheduler import EventBridgeSchedulerClient
    from types_boto3_service_quotas import ServiceQuotasClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient
    from types_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

_P = TypeVar("_P")

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
        self._session: Core | None = None
        self._clients: dict[str, object] = {}
        self._making = RLock()
        self._wanted: set[str] = set()
        self._greeting: Thread | None = None
        self._greeted: GetCallerIdentityResponseTypeDef | None = None

    def greet(self) -> None:
        """Ask who we are in the background: every command begins with that, and has modules to import meanwhile.

        What goes wrong is left for `caller`, which then asks itself and says so.
        """

        def ask(client: STSClient) -> None:
            with suppress(Exception):
                self._greeted = client.get_caller_identity()

        with suppress(FmctlError):
            self._greeting = Thread(target=ask, args=(self.client("sts"),), daemon=True)
            self._greeting.start()

    def caller(self) -> GetCallerIdentityResponseTypeDef:
        """Account and ARN, asked anew each time but for a greeting under way. Raises PermissionDenied."""
        if self._greeting is not None:
            self._greeting.join()
            self._greeting, found, self._greeted = None, self._greeted, None
            if found is not None:
                return found
        client = self.client("sts")
        with asked("who we are"):
            return client.get_caller_identity()

    @property
    def region(self) -> str:
        """The region in use. Raises UsageError where none is chosen."""
        return str(self.client("sts").meta.region_name)

    @overload
    def client(self, service: Literal["cloudformation"]) -> CloudFormationClient: ...
    @overload
    def client(self, service: Literal["ec2"]) -> EC2Client: ...
    @overload
    def client(self, service: Literal["fsx"]) -> FSxClient: ...
    @overload
    def client(self, service: Literal["iam"]) -> IAMClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["pricing"]) -> PricingClient: ...
    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["scheduler"]) -> EventBridgeSchedulerClient: ...
    @overload
    def client(self, service: Literal["service-quotas"]) -> ServiceQuotasClient: ...
    @overload
    def client(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: str) -> object:
        """The client of a service; AWS_ENDPOINT_URL is honoured by boto3 itself."""
        with self._making:  # making a client is not safe among threads; using one is
            if service not in self._clients:
                self._wanted.add(service)
                with asked("a session"):
                    self._clients[service] = self._boto().create_client(service, config=self._config())
            return self._clients[service]

    def _boto(self) -> Core:
        if self._session is None:
            from botocore.session import Session as Core

            core = Core(profile=self._profile)
            if self._region is not None:
                core.set_config_variable("region", self._region)
            # botocore reads 400 folders, twice, to learn whether a service exists: ours do.
            core.get_component("data_loader").list_available_services = lambda type_name: list(self._wanted)
            self._session = core
        return self._session

    @staticmethod
    def _config() -> Config:
        from botocore.config import Config

        return Config(
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            user_agent_extra=f"fmctl/{__version__}",
        )


def pages(what: str, found: Iterable[_P]) -> Iterator[_P]:
    """Pages of a listing; what goes wrong while they are fetched is an error of `what`."""
    with asked(what):
        yield from found
