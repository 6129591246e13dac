"""From a plan document to a ClusterSpec, and site files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmctl.adapters.parallelcluster.images import OPERATING_SYSTEMS
from fmctl.base.errors import FmctlError, UnreadableFile, UsageError
from fmctl.documents import json_schema
from fmctl.domain.checked import KINDS, checked
from fmctl.domain.cluster import SECTION_KINDS, Capacity, ClusterSpec, FileSystem, Site, site_with
from fmctl.operate.actions import spec_digest
from fmctl.targets.sites import read_site
from fmctl.targets.spec import Asked, cluster_name, spec
from tests.unit.targets.helpers import SITE, SUBNETS, rendered, row

MINIMAL = f"region: us-east-1\ncompute_subnet: {SUBNETS.compute_subnet}\nhead_subnet: {SUBNETS.head_subnet}\n"


def document(**fields: Any) -> dict[str, Any]:
    rows = [row(), row("p5en.48xlarge", 2)]
    return {"schema": "fmctl.plan/1", "inputs": {}, "provenance": {}, "result": {"rows": rows}} | fields


def test_what_is_left_out_comes_from_the_plan() -> None:
    made = spec(document(), SITE, Asked(), "llama.70b_p5")
    assert (made.name, made.plan, made.instance, made.nodes) == ("llama-70b-p5", "llama.70b_p5", "p5.48xlarge", 4)
    assert made.max_hours == 4  # 2.5 h at the slow end, a fifth more, an hour to start
    assert made.capacity.purchase == "on-demand"
    assert (made.usd_per_h, made.price_date) == (220.16, "2026-07-20")
    assert made.plan_digest.startswith("sha256:")


def test_a_run_of_unknown_length_is_given_a_day() -> None:
    plan = document()
    plan["result"]["rows"][0]["run"] = {"run_s": None, "run_high_s": None}
    assert spec(plan, SITE, Asked()).max_hours == 24


@pytest.mark.parametrize(
    ("priced", "reservation", "expected"),
    [
        ("on-demand", None, "on-demand"),
        ("on-demand", "cr-0123456789abcdef0", "odcr"),
        ("reserved-1y", None, "on-demand"),
        ("spot", None, "spot"),
        ("capacity-block", "cr-0123456789abcdef0", "capacity-block"),
    ],
)
def test_the_purchase_follows_the_price(priced: str, reservation: str | None, expected: str) -> None:
    plan = document()
    plan["result"]["rows"][0]["cost"]["price_option"] = priced
    assert spec(plan, SITE, Asked(reservation=reservation)).capacity.purchase == expected


def test_ranks() -> None:
    assert spec(document(), SITE, Asked(row=2)).instance == "p5en.48xlarge"
    with pytest.raises(UsageError, match="no row 3"):
        spec(document(), SITE, Asked(row=3))
    with pytest.raises(UnreadableFile, match="no rows"):
        spec(document(result={"rows": []}), SITE, Asked())


def test_estimates_are_plans_of_one_row() -> None:
    made = spec(document(schema="fmctl.estimate/1", result=row()), SITE, Asked())
    assert rendered(made).digest


@pytest.mark.parametrize("plan", ["a", "9", "llama.70b", "a_b", "x" * 64, "1-2"])
def test_every_plan_has_a_name_for_its_cluster(plan: str) -> None:
    assert checked("cluster", cluster_name(plan), "name")


def test_every_kind_accepts_its_own_example() -> None:
    for name, kind in {**KINDS, **SECTION_KINDS}.items():
        assert checked(kind, kind.example.strip('"'), name)


def test_every_operating_system_of_a_site_has_an_image() -> None:
    for name in OPERATING_SYSTEMS:
        assert checked(SECTION_KINDS["os"], name, "os")
    assert SECTION_KINDS["os"].pattern.count("|") == len(OPERATING_SYSTEMS) - 1


def test_a_site_file_is_read_in_both_spellings(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(f"{MINIMAL}account: 111122223333\ntags: {{team: research}}\nfile_system: {{capacity_gib: 2400}}\n")
    found = read_site(path)
    assert isinstance(found, Site)
    assert (found.account, dict(found.tags)) == ("111122223333", {"team": "research"})
    assert found.file_system == FileSystem(capacity_gib=2400)
    path.write_text(f"{MINIMAL}file_system: null\n")
    assert read_site(path).file_system is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("region: us-east-1\n", "compute_subnet"),
        (f"{MINIMAL}regoin: x\n", "did you mean region"),
        (f"{MINIMAL}file_system: {{capacity: 1}}\n", "file_system.capacity_gib"),
        ("[]", "holds no fields"),
        ("", "holds no fields"),
        ("a: [", "neither YAML nor JSON"),
        ("!!python/object/apply:os.system [id]", "neither YAML nor JSON"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("[" * 100_000, "too large"),
        ("[" * 10_000, "nested too deep"),
        ("x" * 300_000, "too large"),
        ("- " * 9_000, "YAML"),
        (f"{MINIMAL}account: 12345\n", "account"),
    ],
)
def test_site_files_that_are_none(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(FmctlError) as caught:
        read_site(path)
    assert words in "\n".join(caught.value.lines())
    assert caught.value.next


def test_the_published_schema_has_what_may_be_left_out() -> None:
    schema = json_schema("site")
    assert schema["required"] == ["region", "compute_subnet", "head_subnet"]
    assert schema["properties"]["region"]["examples"] == ["us-east-1"]


def test_a_site_may_keep_the_fields_of_its_target_in_a_section(tmp_path: Path) -> None:
    flat, cut = tmp_path / "flat.yaml", tmp_path / "cut.yaml"
    flat.write_text(f"{MINIMAL}os: alinux2023\nbucket: my-bucket\n")
    section = f"compute_subnet: {SUBNETS.compute_subnet}, head_subnet: {SUBNETS.head_subnet}, os: alinux2023"
    cut.write_text(f"region: us-east-1\nbucket: my-bucket\ntarget: parallelcluster\nparallelcluster: {{{section}}}\n")
    assert read_site(flat) == read_site(cut)
    for wrong in ("region: eu-west-1", "oss: x", f"{section}, bucket: b"):
        cut.write_text(f"region: us-east-1\nparallelcluster: {{{wrong}}}\n")
        with pytest.raises(FmctlError, match=r"cut\.yaml: parallelcluster\.") as caught:
            read_site(cut)
        assert caught.value.why and caught.value.next
    for other in ("slrum", "kubernetes", "null"):
        cut.write_text(f"region: us-east-1\ntarget: {other}\nparallelcluster: {{{section}}}\n")
        with pytest.raises(FmctlError, match=r"cut\.yaml: target cannot be used"):
            read_site(cut)


def test_a_site_keeps_the_digest_that_it_had_before_there_were_sections() -> None:
    """Of the version before, by its own code: another one would take a running cluster for one that was never made."""
    plain = {"region": "us-east-1", "account": "123456789012"}
    made = ClusterSpec(
        name="run1", plan="llama", plan_digest="sha256:plan",
        row={"instance": "p5.48xlarge", "nodes": 10},  # type: ignore[typeddict-item]
        site=site_with(Site(**plain), compute_subnet="subnet-1", head_subnet="subnet-2"),
        capacity=Capacity(), max_hours=24.0, usd_per_h=983.2, created_by="ada",
    )  # fmt: skip
    assert spec_digest(made) == "sha256:1b8145a09dce603824ee0b4d9d5f0e769804b72dbc1cd5b18cde2b16fb3fa8e7"
    other = replace(made, site=site_with(made.site, key_name="k", bucket="b", os="rhel9", tags={"a": "b"}))
    assert spec_digest(other) == "sha256:46b62c00d66526aac6816f11e9dd31ec920f64f0230825e25ba6936fcd37d9aa"
    assert spec_digest(replace(made, site=replace(made.site, target="slurm"))) != spec_digest(made)
