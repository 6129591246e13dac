"""Enumerate layouts, evaluate them in chunks, reject with reasons, rank."""
