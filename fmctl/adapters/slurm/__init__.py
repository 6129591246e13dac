"""Slurm's commands on a head node, and its JSON of any version."""
