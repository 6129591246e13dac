"""The performance model: arrays in, arrays out; one module per phenomenon; `evaluate` is the only composition."""
