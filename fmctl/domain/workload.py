"""What is to be run on a cluster: a training run. A further workload is one more dataclass in the union `Workload`.

What comes with it: its terms in `domain.terms.TERMS_OF`, and a planner in `plan.workloads.PLANNERS`, both by `kind`.
The search itself knows no workload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class TrainingWorkload:
    """One training run."""

    kind: ClassVar[str] = "training"

    seq_len: int  # tokens of one sequence
    global_batch: int  # sequences per optimizer step
    tokens: float = 0.0  # of the whole run; 0: not stated
    optimizer: str = "adamw"

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one optimizer step."""
        return self.seq_len * self.global_batch

    @property
    def steps(self) -> float | None:
        """Optimizer steps of the run; None where no tokens were stated."""
        return self.tokens / self.tokens_per_step if self.tokens else None


# Serving will join it: `TrainingWorkload | ServingWorkload`. Who needs one of them says so, the search takes any.
Workload: TypeAlias = TrainingWorkload
