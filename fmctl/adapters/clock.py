"""The machine's clock."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as this machine has it; sleeping goes by the monotonic clock, whatever happens to the hands."""

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait. Who waits lives long, so that cycles are looked for again, which a short command does without."""
        gc.enable()
        time.sleep(seconds)
