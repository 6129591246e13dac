"""Clusters: the list, one of them with its stack, jobs, logs and run, and what changes them."""
