"""A job over days: failures, goodput, finish, energy, carbon, cost."""
