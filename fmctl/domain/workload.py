"""What is to be trained: sequence length, global batch, tokens, and the optimizer's states."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """One training run. `global_batch` counts sequences per optimizer step; `tokens` the whole run (0: not stated)."""

    seq_len: int
    global_batch: int
    tokens: float = 0.0
    optimizer: str = "adamw"

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one optimizer step."""
        return self.seq_len * self.global_batch
