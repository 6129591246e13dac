"""Rows of documents as TypedDicts, for types alone: made by tests/golden/rows.py."""
