"""Every reader of what others write, each with good inputs to make bad ones of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.budget import _answers, _files
from tests.budget._kinds import Files, Kind, walked

__all__ = ["kinds", "walked"]


def kinds(folder: Path) -> Mapping[str, Kind]:
    """All of them; files go into the folder."""
    file = Files(folder)
    return {
        "units": _files.units(),
        **_files.models(file),
        **_files.settings(folder, file),
        **_files.prices(file),
        **_files.measured(file),
        **_files.plans(file),
        **_answers.state(),
        **_answers.slurm(),
        **_answers.prometheus(),
        **_answers.parallelcluster(),
        **_answers.aws(),
        **_answers.lab(),
    }
