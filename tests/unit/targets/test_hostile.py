"""Everything that somebody can set, set to what should break YAML, a shell or AWS: refused clearly, or unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.base.errors import FmctlError, UsageError
from fmctl.domain.cluster import Capacity, ClusterSpec
from fmctl.targets.parallelcluster.rendering import CLUSTER
from fmctl.targets.sites import read_site, site_of
from fmctl.targets.spec import Asked
from fmctl.targets.spec import spec as make_spec
from tests.unit.targets.helpers import SITE, SUBNETS, full_site, rendered, row, spec

HOSTILE = (
    "'", '"', "a'b\"c", "a\nb", "a\n", "\n#SBATCH --wrap=id", "$(id)", "`id`", "${HOME}", "; rm -rf /",
    "a b; c", "&& id", "| id", "> /etc/passwd", "\\", "ü", "💥", "a" * 10_000,
    "!!python/object/apply:os.system [id]", "*a", "&a b", "a: b", ": ", "- a", "? a", "%", "%s%n", "@a", "#",
    "{a: b}", "[a]", "null", "~", "true", "1e3", "0x10", "2026-11-22", "", " ", "\t", "\x1b[31m", "\x00",
    "\u2028", "..", "../..", "/", "//", "-", "--flag", "١٢٣", "fmctl:x", "aws:x", "<<", "=",
)  # fmt: skip

SITE_TEXTS = (
    "region", "compute_subnet", "head_subnet", "account", "key_name", "allowed_ips", "os", "ami", "head_instance",
    "permissions_boundary", "bucket", "pcluster_version",
)  # fmt: skip
WAYS: dict[str, Callable[[str], ClusterSpec]] = {
    **{name: (lambda text, name=name: spec(site=full_site(**{name: text}))) for name in SITE_TEXTS},  # type: ignore[misc]
    "security group": lambda text: spec(site=full_site(security_groups=(text,))),
    "tag key": lambda text: spec(site=full_site(tags={text: "x"})),
    "tag value": lambda text: spec(site=full_site(tags={"team": text})),
    "mount_dir": lambda text: spec(site=_disk(mount_dir=text)),
    "file system": lambda text: spec(site=_disk(id=text)),
    "data_repository": lambda text: spec(site=_disk(data_repository=text)),
    "cluster": lambda text: spec(name=text),
    "plan": lambda text: spec(plan=text),
    "digest": lambda text: spec(plan_digest=text),
    "created by": lambda text: spec(created_by=text),
    "reservation": lambda text: spec(capacity=Capacity("odcr", text)),
    "purchase": lambda text: spec(capacity=Capacity(text)),
    "model": lambda text: spec(row=row(model=text)),
    "framework": lambda text: spec(row=row(framework=text)),
}


def _disk(**fields: Any) -> Any:
    return replace(SITE, file_system=replace(full_site().file_system, **fields))  # type: ignore[type-var]


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in (key, *leaves(inner))]
    return [leaf for inner in value for leaf in leaves(inner)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("way", WAYS)
def test_a_value_is_refused_or_arrives_unchanged(way: str) -> None:
    accepted = 0
    for text in HOSTILE:
        try:
            found = rendered(WAYS[way](text)).files
        except UsageError as error:
            assert all("\n" not in line and line.isprintable() for line in error.lines()), (way, text[:30])
            assert len("".join(error.lines())) < 1000
            continue
        accepted += 1
        read = yaml.safe_load(found[CLUSTER])
        if way in ("tag key", "tag value"):
            assert text in leaves(read), (way, text)
        assert all(line.isprintable() for name in found for line in found[name].split("\n")), (way, text)
    if way not in ("tag key", "tag value", "key_name", "cluster", "plan", "created by", "model", "framework", "bucket"):
        assert accepted == 0, way


@pytest.mark.parametrize("field", [*SITE_TEXTS, "mount_dir", "id", "data_repository"])
def test_a_site_file_says_which_field(field: str, tmp_path: Path) -> None:
    base = {
        "region": "us-east-1",
        "compute_subnet": SUBNETS.compute_subnet,
        "head_subnet": SUBNETS.head_subnet,
    }
    path = tmp_path / "site.json"
    for text in HOSTILE:
        given = {**base, field: text} if field in SITE_TEXTS else {**base, "file_system": {field: text}}
        path.write_text(json.dumps(given))
        try:
            read_site(path)
        except UsageError as error:
            assert field in error.what or field in (error.why or ""), (field, text[:30], error.lines())
            assert all(line.isprintable() for line in error.lines())


def test_numbers_and_lists_of_other_types_are_refused() -> None:
    base = {
        "region": "us-east-1",
        "compute_subnet": SUBNETS.compute_subnet,
        "head_subnet": SUBNETS.head_subnet,
    }
    for field, wrong in (
        ("login_nodes", -1), ("login_nodes", 11), ("login_nodes", True), ("login_nodes", "1"), ("public_head", "yes"),
        ("public_head", 1), ("tags", ["a"]), ("tags", {"a": 1}), ("security_groups", "sg-0123456789abcdef0"),
        ("file_system", "fs"), ("file_system", {"capacity_gib": 4800.5}), ("file_system", {"capacity_gib": True}),
        ("region", None), ("region", 3), ("schema", "fmctl.site/2"),
    ):  # fmt: skip
        with pytest.raises(FmctlError) as caught:
            site_of({**base, field: wrong}, "site.yaml")
        assert field in caught.value.what, (field, wrong)


def test_a_plan_document_brings_nothing_with_it() -> None:
    for text in HOSTILE:
        document = {"schema": "fmctl.plan/1", "result": {"rows": [row()]}, "inputs": {}, "provenance": {}}
        document["saved"] = {"name": text, "digest": text}
        try:
            made = make_spec(document, SITE, Asked())
        except UsageError:
            continue
        assert made.plan == text
        rendered(made)
