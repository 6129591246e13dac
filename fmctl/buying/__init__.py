"""How GPUs are bought: block calendars, every offer with its dated rate, and what a run costs line by line."""
