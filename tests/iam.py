"""Policies read as IAM reads them, as far as fmctl's own go; and the linter's word on them."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

Policy = Mapping[str, Any]
# What an action may take in place of what a statement names.
EITHER = {
    "elasticloadbalancing:DeleteListener on arn:*:elasticloadbalancing:*:*:listener/app/*/*/*",
    "elasticloadbalancing:DeleteListener on arn:*:elasticloadbalancing:*:*:listener/net/*/*/*",
    "route53:ChangeTagsForResource on arn:*:route53:::healthcheck/*",
    "ssm:SendCommand on arn:*:ssm:*:*:document/*",  # a statement of its own, since a document has no tag
}


def allowed(
    policy: Policy, action: str, resource: str = "*", tags: Mapping[str, str] | None = None, **context: str | list[str]
) -> bool:
    """Whether any statement allows the action on a resource that has these tags.

    `context` are further condition keys, with `_` for `:`, such as aws_CalledVia.
    """
    keys = {f"aws:ResourceTag/{key}": value for key, value in (tags or {}).items()}
    keys |= {f"ssm:resourceTag/{key}": value for key, value in (tags or {}).items()}
    every: dict[str, str | list[str]] = {**keys, **{key.replace("_", ":", 1): value for key, value in context.items()}}
    return any(_allows(one, action, resource, every) for one in policy["Statement"])


def actions(policy: Policy) -> set[str]:
    """Every action that it allows."""
    return {action for one in policy["Statement"] for action in one["Action"]}


def lint(policy: Policy) -> list[str]:
    """What parliament finds, without its complaint that a statement covers everything: those are looked at by name.

    It wants a resource of every kind that an action may take; where any one will do, one is enough here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves files open, and uses what setuptools will drop
        import parliament
    said: list[str] = []
    for one in parliament.analyze_policy_string(json.dumps(policy)).findings:
        if one.issue == "RESOURCE_STAR":
            continue
        if one.issue == "RESOURCE_MISMATCH":
            wrong = [f"{lack['action']} on {lack['required_format']}" for lack in one.detail]
            said += [text for text in wrong if text not in EITHER]
        elif not (one.issue == "INVALID_ARN" and ":iam::aws:policy/" in str(one.location)):
            said.append(f"{one.issue} {one.detail}")
    return said


def _allows(statement: Mapping[str, Any], action: str, resource: str, keys: Mapping[str, str | list[str]]) -> bool:
    assert statement["Effect"] == "Allow"
    if not _any(statement["Action"], action) or not _any(statement["Resource"], resource):
        return False
    return all(
        _holds(operator, keys.get(key), expected)
        for operator, wanted in statement.get("Condition", {}).items()
        for key, expected in wanted.items()
    )


def _holds(operator: str, found: str | list[str] | None, expected: str | list[str]) -> bool:
    wanted = [expected] if isinstance(expected, str) else expected
    given = [] if found is None else [found] if isinstance(found, str) else found
    exact, like = ("StringEquals", "ArnEquals"), ("StringLike", "ArnLike")
    name = operator.removeprefix("ForAnyValue:").removesuffix("IfExists")
    if operator.endswith("IfExists") and found is None:
        return True
    assert name in (*exact, *like), operator
    return any(one in wanted if name in exact else _any(wanted, one) for one in given)


def _any(patterns: str | Iterable[str], text: str) -> bool:
    """`*` and `?` as IAM has them; they cross slashes and colons."""
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(
        re.fullmatch("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in one), text, re.DOTALL)
        for one in listed
    )
