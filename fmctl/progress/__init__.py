"""A running job as its logs tell it: read, summed up, held against the plan, and what is likely wrong."""
