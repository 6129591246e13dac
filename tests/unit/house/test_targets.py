"""A target is known in its package, its adapter and its line of the registry: nothing else names ParallelCluster."""

from __future__ import annotations

import re

from tests.unit.house.scan import HOME, code_of, files

NAME = re.compile(r"pcluster|parallelcluster", re.IGNORECASE)
HOMES = ("targets/parallelcluster/", "adapters/parallelcluster/", "adapters/lab/")
# Where the name may stand in code beside them, and why.
ALLOWED = {
    "targets/registry.py": "the registry",
    "base/settings.py": "the setting `pcluster_python`",
    "domain/cluster.py": "the site's section, with the release that it has unless said",
    "documents/site.py": "the site's section",
    "usecases/session/demo.py": "subnets of the site's section",
    "documents/lab.py": "the document of the command `pcluster`",
    "domain/rows/lab.py": "the document of the command `pcluster`",
    "documents/__init__.py": "the document of the command `pcluster`",
    "usecases/choices.py": "the document of the command `pcluster`",
    "usecases/services.py": "the command `pcluster`",
    "report/lab.py": "the document of the command `pcluster`",
    "cli/app.py": "the command `pcluster`",
    "cli/pclusters.py": "the command `pcluster`",
}


def test_no_target_is_named_outside_its_homes() -> None:
    seen = {place for place, path in files() if any(NAME.search(text) for text in code_of(path))}
    assert {place for place in seen if not place.startswith(HOMES)} == set(ALLOWED)


def test_operating_a_cluster_names_no_service_that_makes_one() -> None:
    """CloudFormation's words for a status, ParallelCluster's daemons, and what they stand on, are the target's."""
    service = re.compile(r"cloudformation|_IN_PROGRESS|CREATE_COMPLETE|DELETE_FAILED|clustermgtd|slurm_resume|AWS::")
    for path in sorted((HOME / "operate").rglob("*.py")):
        found = [text for text in code_of(path) if service.search(text)]
        assert found == [], path.name
