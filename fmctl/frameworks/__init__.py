"""A folder per training framework: its profile, its recipe, its log; a registry that knows them all."""
