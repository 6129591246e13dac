"""What `validate` answers: every measured run with its prediction, and the errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class ValidateRow(Open):
    """One measured run and its prediction; tokens/s are per GPU, null is unknown or not predicted."""

    id: str
    source_family: str
    model: str
    gpu: str
    n_gpus: int | None
    framework: str
    precision: str
    seq_len: int | None
    global_batch: int | None
    kind: Literal["dense", "moe"]
    parallelism: str
    apart: Annotated[
        bool, Field(description="scored apart: a run that its source's reader suspects, or a stalling sweep")
    ]
    states_layout: bool
    predicted_tokens_per_s_per_gpu: float | None
    measured_tokens_per_s_per_gpu: float | None
    interval_low_tokens_per_s_per_gpu: float | None
    interval_high_tokens_per_s_per_gpu: float | None
    predicted_peak_memory_bytes: float | None
    measured_peak_memory_bytes: float | None
    memory_kind: Literal["allocated", "reserved"] | None
    fits: bool | None
    margin_bytes: float | None
    measured_oom: bool | None
    skipped: Annotated[str | None, Field(description="why the run was not predicted")]
    assumed: Annotated[list[str], Field(description="what was not stated and what was assumed")]
    layout: dict[str, object] | None


class Errors(Open):
    """Predicted over measured: median absolute error and the spread of the ratio."""

    rows: int
    median_error: float | None
    median_ratio: float | None
    ratio_p10: float | None
    ratio_p90: float | None


class ValidateGroup(Open):
    """Errors of one family, GPU, framework, kind, parallelism or precision."""

    name: str
    total: int
    skipped: int
    throughput: Errors
    memory: Errors
    coverage: float | None


class RankGroup(Open):
    """Runs that differ in their layout alone: Kendall's tau and regret of the layout predicted best."""

    source_family: str
    model: str
    gpu: str
    n_gpus: int | None
    seq_len: int | None
    global_batch: int | None
    precision: str
    layouts: int
    tau: float
    regret: float


class Throughput(Open):
    """Mean over families of the median absolute error of tokens/s."""

    mean_family_error: float | None
    dense_mean_family_error: float | None
    moe_mean_family_error: float | None
    mean_family_error_all_rows: float | None
    median_error_apart: float | None


class MemoryErrors(Errors):
    """Errors of peak memory."""

    mean_family_error: float | None


class Fits(Open):
    """Runs whose outcome is recorded, and the share predicted rightly."""

    recorded_fitting: int
    fitting_right: float | None
    recorded_oom: int
    oom_right: float | None
    right: float | None
    ran: int
    ran_right: float | None


class Ranking(Open):
    """Choosing layouts in groups of five or more."""

    groups: int
    mean_tau: float | None
    mean_regret: float | None


class Intervals(Open):
    """Coverage and half width of the 80 % intervals."""

    coverage_rows: float | None
    coverage_families: float | None
    dense_half_width: float | None
    moe_half_width: float | None


class ValidateSummary(Open):
    """All errors."""

    rows: int
    predicted: int
    skipped: int
    stating_a_layout: int
    predicted_share: float | None
    throughput: Throughput
    memory: MemoryErrors
    fits: Fits
    ranking: Ranking
    intervals: Intervals
    by: dict[str, list[ValidateGroup]]
    groups: list[RankGroup]


class Validated(Open):
    """Every run, and the errors."""

    rows: list[ValidateRow]
    summary: ValidateSummary


class ValidateDocument(Envelope):
    """Measured runs, their predictions, and the errors."""

    schema_: Literal["fmctl.validate/1"] = Field(alias="schema")
    result: Validated
