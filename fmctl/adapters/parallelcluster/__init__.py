"""The real ParallelCluster in an environment of its own, behind a worker process."""
