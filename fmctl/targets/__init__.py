"""Where a job runs: a folder per target, behind one protocol."""
