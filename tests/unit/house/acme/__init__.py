"""A framework of tests alone, as its folder would be."""
