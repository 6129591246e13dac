"""Text that a cluster's head node reads once: encrypted parameters, taken away again as soon as it has been read.

What stands in a command stays in AWS for 30 days, for everybody who may list commands. A parameter that nobody took
away, because fmctl was killed in between, ends by itself within the hour.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta

from fmctl.adapters.aws.errors import asked
from fmctl.adapters.aws.session import Session
from fmctl.domain.ports import Lent

_PIECE = 8000  # characters; an advanced parameter holds 8 KiB
_KEPT = timedelta(hours=1)
_AT_ONCE = 10  # names that DeleteParameters takes


def folder(cluster: str) -> str:
    """Where a cluster's are; its head node may read nothing else of fmctl's."""
    return f"/fmctl/{cluster}/"


def lend(session: Session, cluster: str, text: str) -> Lent:
    """Keep a text, in pieces. Raises OperationFailed, PermissionDenied."""
    client, names = session.client("ssm"), list[str]()
    ends = (datetime.now(UTC) + _KEPT).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    policy = json.dumps([{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": ends}}])
    try:
        for first in range(0, len(text), _PIECE):
            name = f"{folder(cluster)}{secrets.token_hex(16)}"
            names.append(name)
            with asked("what the head node is to read"):
                client.put_parameter(
                    Name=name, Value=text[first : first + _PIECE], Type="SecureString", Tier="Advanced",
                    Policies=policy, Description="input of one command; fmctl takes it away again",
                )  # fmt: skip
    except BaseException:
        take_back(session, tuple(names))
        raise
    return Lent(tuple(names), tuple(_read(name, session.region) for name in names))


def take_back(session: Session, names: tuple[str, ...]) -> None:
    """Take it away; what is gone is no error."""
    client = session.client("ssm")
    for first in range(0, len(names), _AT_ONCE):
        with asked("what the head node has read"):
            client.delete_parameters(Names=list(names[first : first + _AT_ONCE]))


def _read(name: str, region: str) -> tuple[str, ...]:
    return (
        "aws", "ssm", "get-parameter", "--region", region, "--name", name, "--with-decryption", "--query",
        "Parameter.Value", "--output", "text",
    )  # fmt: skip
