"""AWS, targets, the state store and head nodes as the use cases reach them: `services.Operations`.

boto3 and what stands on it are imported when they are first asked for, and AWS is asked who we are while we import.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError

if TYPE_CHECKING:
    from fmctl.adapters.aws.session import Session
    from fmctl.domain.cluster import Site
    from fmctl.domain.ports import Head, Survey
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports
    from fmctl.targets.registry import Kind
    from fmctl.targets.target import Target


def ports(settings: Settings, options: Mapping[str, str | None], site: Site | None, read_only: bool) -> Ports:
    """See `Operations`."""
    from fmctl.adapters.aws.session import Session

    session = Session(*_account(settings, options, site))
    if kind_of(site).on_aws:
        session.greet()
    from fmctl.adapters.clock import SystemClock
    from fmctl.operate.steps import Ports

    return Ports(
        target=_reached(session, settings, site),
        clock=SystemClock(),
        store=store(settings, options),
        read_only=read_only or settings.switch("read_only"),
    )


def target(settings: Settings, options: Mapping[str, str | None], site: Site) -> Target:
    """See `Operations`."""
    from fmctl.adapters.aws.session import Session

    return _reached(Session(*_account(settings, options, site)), settings, site)


def _reached(session: Session, settings: Settings, site: Site | None) -> Target:
    return kind_of(site).connect(session, settings, site, sleep)


def kind_of(site: Site | None) -> Kind:
    """The target of a site, or where clusters go unless a site says otherwise."""
    from fmctl.targets.registry import kind

    return kind(site.target if site is not None else "")


def survey(settings: Settings, options: Mapping[str, str | None], site: Site) -> Survey:
    """See `Operations`."""
    from fmctl.adapters.aws.session import Session
    from fmctl.adapters.aws.survey import AwsSurvey

    return AwsSurvey(Session(*_account(settings, options, site)))


def head(settings: Settings, options: Mapping[str, str | None], how: str, cluster: str | None) -> Head:
    """See `Operations`."""
    from fmctl.adapters.slurm.heads import LocalHead, SshHead

    kind, _, host = how.partition("://")
    if how == "local":
        return LocalHead()
    if kind == "ssh" and host and not host.startswith("-"):
        return SshHead(host)
    if how != "ssm":
        raise UsageError(f"--head {how!r} is no way to a head node", next="--head ssm | ssh://HOST | local")
    if cluster is None:
        raise UsageError("it is not said which cluster", next="fmctl jobs NAME; or --head local")
    return ports(settings, options, None, True).target.head(cluster)


def store(settings: Settings, options: Mapping[str, str | None]) -> StateStore:
    """See `Operations`."""
    where = options.get("store") or settings.text("store")
    if where is not None and where.startswith("s3://"):
        from fmctl.adapters.aws.s3store import S3Store
        from fmctl.adapters.aws.session import Session

        return S3Store(Session(*_account(settings, options, None)), where)
    from fmctl.operate.state.files import FileStore

    return FileStore(None if where is None else Path(where).expanduser())


def _account(settings: Settings, options: Mapping[str, str | None], site: Site | None) -> tuple[str | None, str | None]:
    """(profile, region): as the options say, else the site's region, else what the settings know."""
    region = options.get("region") or (site.region if site is not None else None) or settings.text("region")
    return options.get("profile") or settings.text("profile"), region
