"""Readers of files that people and other programs write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.budget._kinds import AT, DAY, ROOT, Files, Kind, documents
from tests.budget._mutate import Mutator, dump_json, dump_yaml, plain


def units() -> Kind:
    """Units."""
    from fmctl.base import units

    parsers = [getattr(units, name) for name in (
        "parse_count", "parse_bytes", "parse_duration_s", "parse_deadline", "parse_usd", "parse_number", "parse_nodes",
        "parse_list",
    )]  # fmt: skip
    good = (
        "15T", "2.5B", "1_000", "80GiB", "1.5TB", ".5B", "90m", "21d", "1e-240h", "2027-03-01", "$1.9M", "412.50",
        "1.2",
        "8..256", "8,16,24", "a,b", "1e5", "١٢", "1,000",
    )  # fmt: skip
    return Kind(
        lambda m: (m.random.choice(parsers), m.bent(m.random.choice(good))),
        lambda given: {"amount": given[0](given[1])},
    )


def models(file: Files) -> Mapping[str, Kind]:
    """Models."""
    import yaml

    from fmctl.catalog.huggingface import read_config
    from fmctl.catalog.models import _load_yaml
    from fmctl.documents.site import read_site
    from tests.unit.catalog import hf_configs

    models = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "models").glob("*.yaml"))[::9]]
    configs = [
        one
        for name, one in vars(hf_configs).items()
        if name.isupper() and isinstance(one, dict) and "model_type" in one
    ]
    site: dict[str, object] = {
        "region": "us-east-1", "compute_subnet": "subnet-0123456789abcdef0", "head_subnet": "subnet-0123456789abcdef1",
        "account": "111122223333", "allowed_ips": "203.0.113.0/24", "tags": {"team": "a"}, "bucket": "my-bucket",
        "file_system": {"mount_dir": "/fsx", "capacity_gib": 4800, "efa": False}, "login_nodes": 1,
        "software": {"nccl": "2.27"}, "security_groups": ["sg-0123456789abcdef0"],
    }  # fmt: skip
    section = {"region": "us-east-1", "target": "parallelcluster",
    "parallelcluster": {"head_subnet": site["head_subnet"],
               "compute_subnet": site["compute_subnet"]}}  # fmt: skip
    slurm = {"target": "slurm", "slurm": {"queue": "gpu", "head": "local", "gpus": True}, "folder": "/home"}
    return {
        "model YAML": Kind(documents(dump_yaml, *models), lambda text: _load_yaml(file(text, "model.yaml"))),
        "HF config": Kind(documents(dump_json, *configs), lambda text: read_config(file(text, "config.json"))),
        "site files": Kind(documents(dump_yaml, site, section, slurm), lambda text: read_site(file(text, "site.yaml"))),
    }


def settings(folder: Path, file: Files) -> Mapping[str, Kind]:
    """Settings."""
    import tomlkit

    from fmctl.base import config, settings_files
    from fmctl.tui import session

    good: dict[str, object] = {
        "instances": ["p5.48xlarge"], "output": "json", "carbon_g_per_kwh": 390.0, "framework": "megatron",
        "color": "never", "region": "us-east-1", "store": "s3://bucket/x", "prices": {"a": 1},
    }  # fmt: skip

    def toml(found: object) -> str:
        try:
            return tomlkit.dumps(plain(found)) if isinstance(found, dict) else dump_json(found)
        except (ValueError, TypeError, RecursionError, UnicodeError):
            return (
                "\n".join(f"{key} = {dump_json(one)}" for key, one in found.items()) if isinstance(found, dict) else ""
            )

    place = folder / "project"
    place.mkdir()

    def settings(given: tuple[str, str, bool]) -> object:
        name, text, change = given
        path = place / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            if change and name == "fmctl.toml":
                settings_files.change(path, "output", "json")
            found = config.resolve(env={}, cwd=place)
            return {key: value.value for key, value in found.items()}
        finally:
            path.unlink()

    kept = {"schema": session._SCHEMA, "view": "plan", "subjects": {"plan": "a"}, "theme": "ansi"}

    def restored(text: str) -> object:
        path = session.session_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return session.restore()[1]
        finally:
            path.unlink()

    def drawn(m: Mutator) -> tuple[str, str, bool]:
        if m.random.random() < 0.8:
            return "fmctl.toml", m.text(good, toml), m.random.random() < 0.1
        return "pyproject.toml", "[tool.fmctl]\n" + m.text(good, toml), False

    return {"settings": Kind(drawn, settings), "ui session": Kind(documents(dump_json, kept), restored)}


def prices(file: Files) -> Mapping[str, Kind]:
    """Prices."""
    from fmctl.adapters.aws import price_list
    from fmctl.catalog.price_files import read_prices, read_storage_prices

    readers = {"instances.csv": read_prices, "storage.csv": read_storage_prices}
    snapshots = {
        name: "".join((ROOT / "pricing" / name).read_text().splitlines(keepends=True)[:12]) for name in readers
    }

    def snapshot(given: tuple[str, str]) -> object:
        reader = readers[given[0]]
        reader.cache_clear()
        return reader(file(given[1], given[0]))

    def named(m: Mutator) -> tuple[str, str]:
        name = m.random.choice(list(readers))
        cells = snapshots[name].split(",")
        for _ in range(m.random.choice((0, 1, 3))):
            cells[m.random.randrange(len(cells))] = str(m.value()).replace("\ue000", "")[:500]
        text = ",".join(cells)
        return name, m.bent(text) if m.random.random() < 0.5 else text

    def product(**attributes: str) -> dict[str, object]:
        rate = {"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": "57.5"}}
        terms = {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": rate, "A.B.D": {**rate, "unit": "GB-Mo"}}}}}
        return {"product": {"attributes": attributes}, "terms": terms}

    good = (
        product(regionCode="us-east-1", locationType="AWS Region", instanceType="p5.48xlarge"),
        product(storageType="SSD", throughputCapacity="125"),
    )

    def listed(text: str) -> object:
        place: Any = ("us-east-1", [text], DAY)
        return (
            price_list.on_demand_rows("p5.48xlarge", ["us-east-1"], [text], DAY), price_list.s3_rows(*place),
            price_list.ebs_rows(*place), price_list.lustre_rows(*place)[0],
        )  # fmt: skip

    spot = {"AvailabilityZone": "us-east-1a", "SpotPrice": "24.5", "Timestamp": AT, "InstanceType": "p5.48xlarge"}

    def history(m: Mutator) -> object:
        """As botocore gives it: moments are moments, and what is missing is missing."""
        found = m.tree([spot, {**spot, "AvailabilityZone": "us-east-1b"}])
        listed = [plain(one) for one in found] if isinstance(found, list) else []
        rows: list[Any] = [one for one in listed if isinstance(one, dict)]
        return [one | {"Timestamp": datetime.fromisoformat(AT)} if one.get("Timestamp") == AT else one for one in rows]

    return {
        "price snapshots": Kind(named, snapshot),
        "AWS price lists": Kind(documents(dump_json, *good), listed),
        "Spot history": Kind(history, lambda rows: price_list.spot_rows("p5.48xlarge", "us-east-1", rows, DAY)),
    }


def measured(file: Files) -> Mapping[str, Kind]:
    """Measured."""
    from fmctl.operate import calibrations
    from fmctl.progress.formats import Parser
    from fmctl.progress.summary import Summary
    from fmctl.validation.calibrated import applied
    from fmctl.validation.constants import CONSTANTS
    from fmctl.validation.predict import prepare
    from fmctl.validation.rows import SHIPPED, read_rows
    from tests.unit.progress import logs

    table = "".join(SHIPPED.read_text().splitlines(keepends=True)[:5])
    lines = [getattr(logs, name)(step) for name in ("megatron", "titan", "nanotron", "deepspeed") for step in (1, 2)]
    lines += [
        json.dumps({"step": step, "loss": 2.5, "tokens_per_s": 1e5, "at": AT, "step_time_s": 4.0}) for step in (3, 4)
    ]

    def rows(m: Mutator) -> str:
        cells = table.split(",")
        for _ in range(m.random.choice((0, 1, 3))):
            cells[m.random.randrange(40, len(cells))] = str(m.value()).replace("\ue000", "")[:300]
        text = ",".join(cells)
        return m.bent(text) if m.random.random() < 0.4 else text

    def measured(text: str) -> object:
        found = prepare(read_rows(file(text, "runs.csv")))
        return [one.measured for one in found if hasattr(one, "measured")]

    def log(m: Mutator) -> str:
        return m.bent("\n".join(m.random.choices(lines, k=6)))

    def followed(text: str) -> object:
        parser, summary = Parser(logs.JOB), Summary(logs.JOB)
        items = parser.block(text.encode("utf-8", "replace"))
        summary.add_all(items)
        return items, summary.progress()

    kept = {
        "schema": calibrations.SCHEMA, "fmctl_version": "1", "name": "ours", "date": "2026-11-22", "source": "s",
        "data": [], "constants": [{"field": c.field, "frameworks": list(c.frameworks),
        "value": c.prior} for c in CONSTANTS],
    }  # fmt: skip

    def calibration(text: str) -> object:
        folder = calibrations.folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ours.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        return applied(calibrations.load("ours"), "ours")

    said = frozenset({"loss", "grad_norm", "value"})
    return {
        "measured CSV": Kind(rows, measured),
        "training logs": Kind(log, followed, signed=said | {"lowest_loss"}, odd=said | {"lowest_loss"}),
        "calibrations": Kind(documents(dump_json, kept), calibration, signed=frozenset({"constants"})),
    }


def plans(file: Files) -> Mapping[str, Kind]:
    """Plans."""
    from fmctl.domain.digest import intact
    from fmctl.operate.store import read_document
    from fmctl.report import formats
    from fmctl.report.estimates import estimate_report
    from fmctl.report.explains import explain_answer
    from fmctl.report.plans import plan_report

    plan, estimate = (json.loads((ROOT / "tests/golden" / f"{name}.json").read_text()) for name in ("plan", "estimate"))
    plan["saved"] = {"name": "a", "saved_at": AT, "digest": "sha256:0"}

    def read(text: str) -> object:
        document: Any = read_document(file(text, "plan.json"))
        is_plan = document["schema"] == "fmctl.plan/1"
        intact(document) if is_plan else None
        report = plan_report(document) if is_plan else estimate_report(document)
        formats.as_table(report)
        formats.as_markdown(report)
        for row in document["result"]["rows"][:2] if is_plan else [document["result"]]:
            explained = explain_answer(document, row)
            formats.as_json(explained.document)
            formats.as_table(explained.report())
        return document

    signed = frozenset({"margin_bytes", "levers", "options", "inputs"})
    return {"saved plans": Kind(documents(dump_json, plan, estimate), read, signed)}
