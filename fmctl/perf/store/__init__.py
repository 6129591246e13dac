"""Checkpoints and data on storage: sizes, stalls, what a file system must be."""
