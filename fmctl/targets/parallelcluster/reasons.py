"""Why a queue of ParallelCluster is closed, by Slurm's word: (in plain words, what to do).

Source: ParallelCluster's user guide: protected mode, maintenance reservations of Capacity Blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, tuple[str, str]] = {
    "PartitionDown": ("its queue is closed", "fmctl logs NAME clustermgtd: protected mode closes a queue"),
    "PartitionInactive": (
        "its queue was switched off: nodes failed to start again and again (protected mode)",
        "fmctl logs NAME clustermgtd; repair; pcluster update-compute-fleet --status START_REQUESTED",
    ),
}
