"""Whether a policy that AWS has lets something happen: enough of IAM's rules to look at what fmctl itself wrote.

Where a condition or an element is met that is not understood here, the answer is no: a promise is not taken on trust.
Source: IAM User Guide, "Policy evaluation logic" and "JSON policy elements".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import unquote

_EQUALS = {"StringEquals", "ArnEquals", "ArnLike", "StringLike"}
_ON_RESOURCE = "aws:ResourceTag/"


def document_of(found: object) -> Mapping[str, object]:
    """A policy as boto3 gives it: parsed already, or text that may be URL-encoded; {} where it is no object."""
    if isinstance(found, str):
        try:
            found = json.loads(unquote(found) if found.startswith("%") else found)
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, Mapping) else {}


def allows(policy: Mapping[str, object], action: str, resource: str) -> bool:
    """Whether an action on a resource is allowed and not denied; conditions on the resource's tags are taken to hold.

    Args:
        policy: the document.
        action: as in `cloudformation:DeleteStack`, in any case.
        resource: ARN; with `*` where any of those has to be allowed.
    """
    allowed = False
    for one in _statements(policy):
        named = any(fnmatchcase(action.lower(), word.lower()) for word in _words(one.get("Action")))
        covers = any(fnmatchcase(resource, word) for word in _words(one.get("Resource")))
        if not named or not covers:
            continue
        if one.get("Effect") == "Deny":
            return False
        allowed = allowed or (one.get("Effect") == "Allow" and _holds(one.get("Condition"), {}))
    return allowed


def may_assume(trust: Mapping[str, object], service: str, source: Mapping[str, str]) -> bool:
    """Whether a role's trust lets a service assume it. source: values of the condition keys at that moment."""
    allowed = False
    for one in _statements(trust):
        principal = one.get("Principal")
        who = _words(principal.get("Service")) if isinstance(principal, Mapping) else []
        named = any(fnmatchcase("sts:assumerole", word.lower()) for word in _words(one.get("Action")))
        if service not in who or not named:
            continue
        if one.get("Effect") == "Deny":
            return False
        allowed = allowed or (one.get("Effect") == "Allow" and _holds(one.get("Condition"), source))
    return allowed


def _holds(condition: object, source: Mapping[str, str]) -> bool:
    if condition is None:
        return True
    if not isinstance(condition, Mapping):
        return False
    for operator, wanted in condition.items():
        if operator not in _EQUALS or not isinstance(wanted, Mapping):
            return False
        like = operator in ("ArnLike", "StringLike", "ArnEquals")
        for key, values in wanted.items():
            if str(key).startswith(_ON_RESOURCE):
                continue
            have = source.get(str(key))
            if have is None or not any(fnmatchcase(have, one) if like else have == one for one in _words(values)):
                return False
    return True


def _statements(policy: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    found = policy.get("Statement")
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, Mapping):
            yield one


def _words(found: object) -> list[str]:
    return [str(one) for one in found] if isinstance(found, list | tuple) else [found] if isinstance(found, str) else []
