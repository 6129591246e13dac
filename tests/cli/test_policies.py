"""`policy`: documents for plans and sites, in JSON and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmctl.domain.policy import WHO
from tests.iam import actions

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "111122223333"
"""


@pytest.fixture
def saved(cli: Any, tmp_path: Path) -> Any:
    cli.ok("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1B", "--save", "prod")
    (tmp_path / "site.yaml").write_text(SITE)
    return cli


@pytest.mark.parametrize("who", WHO)
def test_the_documents_are_what_aws_takes(saved: Any, who: str) -> None:
    found = saved.ok("policy", who, "prod", "--site", "site.yaml", "-o", "json").json()
    assert found["schema"] == "fmctl.policy/1"
    result = found["result"]
    assert (result["region"], result["account"]) == ("us-east-1", "111122223333")
    for document in result["documents"]:
        assert document["Version"] == "2012-10-17"
        assert {one["Effect"] for one in document["Statement"]} == {"Allow"}
    every = [one["Sid"] for document in result["documents"] for one in document["Statement"]]
    assert every == [one["sid"] for one in result["statements"]]


@pytest.mark.parametrize("who", WHO)
def test_the_text_says_what_each_statement_is_for(saved: Any, who: str) -> None:
    text = saved.ok("policy", who, "prod", "--site", "site.yaml").out
    found = saved.ok("policy", who, "prod", "--site", "site.yaml", "-o", "json").json()
    for one in found["result"]["statements"]:
        assert one["sid"] in text
        assert one["why"] in " ".join(text.split())
        assert all(step in text for step in one["steps"])


def test_options_of_the_cluster_reach_its_policy(saved: Any) -> None:
    words = ("policy", "operator", "prod", "--site", "site.yaml", "--cluster-name", "other", "-o", "json")
    text = json.dumps(saved.ok(*words).json()["result"]["documents"])
    assert "stack/other/*" in text
    assert "stack/prod/*" not in text


def test_a_store_in_a_bucket_is_the_operator_s_to_write(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("policy", "operator", "prod", "--site", "site.yaml", "-o", "json")
    before = saved.ok(*words).json()["result"]["documents"]
    monkeypatch.setenv("FMCTL_STORE", "s3://team/fmctl")
    after = saved.ok(*words).json()["result"]["documents"]
    gained = set().union(*map(actions, after)) - set().union(*map(actions, before))
    assert gained == {"s3:DeleteObject"}
    assert "arn:aws:s3:::team/fmctl/*" in json.dumps(after)


def test_a_site_without_an_account_is_refused_with_the_next_step(saved: Any, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE.replace('account: "111122223333"\n', ""))
    ran = saved("policy", "operator", "prod", "--site", "site.yaml")
    assert ran.code == 2
    assert "the site names no account" in ran.err
    assert "get-caller-identity" in ran.err


def test_policies_of_nobody_are_refused(saved: Any) -> None:
    assert saved("policy", "root", "prod", "--site", "site.yaml").code == 2
