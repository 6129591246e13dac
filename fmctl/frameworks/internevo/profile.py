"""InternEvo: DeepSpeed's constants, its updated weights sent rank by rank.

Its hybrid ZeRO sends each rank's share of the updated weights in a broadcast of its own, one by one. Its step flattens
the gradients in bf16 (2) and fp32 (4); AdamW of PyTorch 1.13 makes two lists of its own (8).
"""

from __future__ import annotations

from dataclasses import replace

from fmctl.frameworks.deepspeed.profile import DEEPSPEED
from fmctl.frameworks.internevo.limits import LIMITS

INTERNEVO = replace(DEEPSPEED, name="internevo", broadcast_s=2.5e-3, step_bytes=14.0, limits=LIMITS)
PROFILES = (INTERNEVO,)
