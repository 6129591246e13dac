"""AWS ParallelCluster: a plan as its configuration, its failures as sentences."""
