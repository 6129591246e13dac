"""A target of tests alone, as its package would be."""
