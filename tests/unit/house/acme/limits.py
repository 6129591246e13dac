"""Which layouts Acme can run: no pipeline."""

from __future__ import annotations

from dataclasses import replace

from fmctl.frameworks.composer.limits import LIMITS as FSDP

LIMITS = replace(FSDP, tensor=True, sequence_parallel=True)
