"""Rights in the lab: moto's own authorisation, for keys that were made here; the lab's own key may everything.

moto looks at actions, and at resources of S3; it knows no condition, and no resource of any other service. So a policy
is held here by its actions, and by the resources of S3 statements. What an operator called is counted by IAM's names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from moto import settings as moto_settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMRequestBase
from moto.iam.models import IAMBackend, iam_backends
from moto.s3.responses import ACTION_MAP

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.world import ACCOUNT, World

OPERATOR = "operator"
# The service that a request is signed for, where IAM calls it otherwise.
_SERVICES = {"monitoring": "cloudwatch"}
# What IAM calls an operation of S3, where that is not the operation's own name.
_S3 = {
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
}


class Key(TypedDict):
    """Credentials of the operator."""

    key: str
    secret: str


def install(world: World) -> None:
    """Ask moto for every request of a key that its IAM knows, and count what is called."""
    moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    authorise, permit = (
        ActionAuthenticatorMixin._authenticate_and_authorize_action,
        IAMRequestBase.check_action_permitted,
    )

    def _authenticate_and_authorize_action(self: Any, iam_request_cls: type, resource: str = "*") -> None:
        found = re.search(r"Credential=([^/,\s]+)/", self.headers.get("Authorization", "") or "")
        if found and found[1] in iam_backends[ACCOUNT]["aws"].access_keys:
            authorise(self, iam_request_cls, resource)

    def check_action_permitted(self: IAMRequestBase, resource: str) -> None:
        patch(self, "_action", iam_action(self._action))
        world.calls[self._action] = world.calls.get(self._action, 0) + 1
        permit(self, resource if self._action.startswith("s3:") else "*")

    ACTION_MAP["BUCKET"]["PUT"]["encryption"] = "PutEncryptionConfiguration"  # moto takes it for a creation
    # moto signs a request again as it understood it, which of some REST services is not how it came.
    patch(IAMRequestBase, "check_signature", lambda self: None)
    patch(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _authenticate_and_authorize_action)
    patch(IAMRequestBase, "check_action_permitted", check_action_permitted)


def iam_action(signed: str) -> str:
    """IAM's name of an action, out of the service a request was signed for and the operation."""
    service, _, name = signed.partition(":")
    return f"{_SERVICES.get(service, service)}:{_S3.get(name, name) if service == 's3' else name}"


def become(world: World, policy: Mapping[str, object]) -> Key:
    """Make the operator anew, with this policy and no other right; nothing of an earlier one is counted."""
    iam: IAMBackend = iam_backends[ACCOUNT]["aws"]
    if OPERATOR in iam.users:
        for key in list(iam.list_access_keys(OPERATOR)):
            iam.delete_access_key(key.access_key_id, OPERATOR)
    else:
        iam.create_user("us-east-1", OPERATOR)
    iam.put_user_policy(OPERATOR, OPERATOR, json.dumps(enforceable(policy)))
    world.calls.clear()
    made = iam.create_access_key(OPERATOR)
    return {"key": made.access_key_id, "secret": made.secret_access_key}


def enforceable(policy: Mapping[str, object]) -> dict[str, object]:
    """The policy as far as moto can hold it."""
    every = cast("Sequence[Mapping[str, object]]", policy["Statement"])
    return {"Version": policy["Version"], "Statement": [_enforceable(one) for one in every]}


def _enforceable(statement: Mapping[str, object]) -> dict[str, object]:
    actions = cast("Sequence[str]", statement["Action"])
    of_s3 = all(action.startswith("s3:") for action in actions)
    return {"Effect": statement["Effect"], "Action": actions, "Resource": statement["Resource"] if of_s3 else "*"}
