"""What every room stands on: errors, units, files, settings. The standard library alone."""
