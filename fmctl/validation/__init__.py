"""Measured runs -> predictions -> errors: rows, written rules for what they leave unstated, scores."""
