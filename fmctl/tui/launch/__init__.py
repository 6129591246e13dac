"""From a saved plan to a cluster: checks, files, rehearsal, consent, events."""
