"""From a plan to a cluster and back: what was planned is kept here; what runs is driven from here."""
