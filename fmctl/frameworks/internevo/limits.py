"""Which layouts InternEvo can run: DeepSpeed's, without groups of data ranks, with copies and partial recomputation."""

from __future__ import annotations

from dataclasses import replace

from fmctl.domain.layout import Recompute
from fmctl.frameworks.deepspeed.limits import LIMITS as DEEPSPEED

LIMITS = replace(DEEPSPEED, recomputes=Recompute.labels(), partial="any", replicas="ranks", data_groups=False)
