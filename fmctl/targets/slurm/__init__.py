"""A job as a Slurm batch script, with its guards and its resume."""
